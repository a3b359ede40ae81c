"""Run one submission and say what it earned. Everything else here treats this as a black box.

The work is done by :mod:`autograder.referee`; one engine a process serves all submissions.
"""

from __future__ import annotations

import atexit
import threading
from pathlib import Path

from autograder.course import ROOT, UserError
from autograder.referee.engine import Engine, Refused
from autograder.referee.limits import Limits
from autograder.referee.matching import zeros
from autograder.referee.verdict import CellResult, Outcome

__all__ = ["CellResult", "Outcome", "run_submission", "start", "stop", "zeros"]

_lock = threading.Lock()
_engine: Engine | None = None


def run_submission(
    source: Path,
    submitted: Path,
    *,
    seed: str,
    limits: Limits | None = None,
    sandboxed: bool = True,
) -> Outcome:
    """Run a submitted notebook and judge every graded cell of the solution.

    Args:
        source: The solution notebook; test cells and locked cells come from here.
        submitted: The folder that was handed in.
        seed: Seed of the hidden cases.
        limits: What it may use up.
        sandboxed: Whether to wall the student's code in.

    Returns:
        The outcome. A submission that cannot be read is an outcome too: zeros, with the reason.

    Raises:
        UserError: If nothing can be run on this machine.
    """
    return start(limits, sandboxed).grade(source, submitted, seed=seed)


def start(limits: Limits | None = None, sandboxed: bool = True) -> Engine:
    """Return this process's engine; start it if there is none with these settings.

    Raises:
        UserError: If this machine cannot wall students' code in.
    """
    global _engine
    limits = limits or Limits()
    with _lock:
        if _engine is not None and (_engine.limits, _engine.sandboxed) != (limits, sandboxed):
            _engine.close()
            _engine = None
        if _engine is None:
            hidden = [ROOT / name for name in ("solutions", "course", "classroom", "tests")]
            try:
                _engine = Engine(limits, sandboxed=sandboxed, hidden=hidden)
            except Refused as error:
                raise UserError(str(error)) from error
            atexit.register(stop)
        return _engine


def stop() -> None:
    """End this process's engine, and all that it runs."""
    global _engine
    with _lock:
        if _engine is not None:
            _engine.close()
            _engine = None
        atexit.unregister(stop)
