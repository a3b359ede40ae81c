"""The engine: hand it submissions, get back what each came to.

>>> with Engine() as engine:                                              # doctest: +SKIP
...     outcome = engine.grade(solution, folder, seed="…")

The only part of the referee that lives in the grader's own process. It never reads what a student
handed in and never imports torch; it starts the two zygotes, asks for a referee, and waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat

from autograder.referee import matching, zygote
from autograder.referee.limits import Limits
from autograder.referee.verdict import CellResult, Outcome

START_SECONDS = 120.0
MARGIN = 60.0
MAX_REPORT = 128 * 2**20
ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """Grading that cannot be done safely here; the message says what to do."""


class Engine:
    """Grades submissions, several at a time if it is asked from several threads.

    Args:
        limits: What each submission may use.
        sandboxed: Whether to wall students' code in. Without it, students' code runs with your
            rights: only for a class that you trust with your files.
        hidden: Folders that must not be visible even where the interpreter's folders are.

    Raises:
        Refused: If this machine cannot do it.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        sandboxed: bool = True,
        hidden: Sequence[Path] = (),
    ):
        self.limits, self.sandboxed = limits or Limits(), sandboxed
        self.hidden = [str(Path(each).resolve()) for each in hidden]
        self._processes: list[subprocess.Popen] = []
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._generation = 0
        self._open()

    def _open(self) -> None:
        self._generation += 1
        try:
            walls = {"sandboxed": self.sandboxed, "hidden": self.hidden}
            self.students = self._start("students", walls)
            self.referees = self._start("referees", {"students": self.students.fileno()})
            for control, what in ((self.students, "students"), (self.referees, "referees")):
                self._wait_ready(control, what)
        except BaseException:
            self._end()
            raise

    def _start(self, kind: str, options: dict) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        inherited = [theirs.fileno(), *([options["students"]] if "students" in options else [])]
        environment = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
            if name in os.environ
        }
        environment |= {
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",
            "LC_ALL": "C.UTF-8",
        }
        command = [sys.executable, "-m", "autograder.referee.zygote"]
        self._processes.append(
            subprocess.Popen(
                [*command, kind, str(theirs.fileno()), json.dumps(options)],
                pass_fds=inherited,
                env=environment,
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # an interrupt of the grader is the grader's to handle
            )
        )
        theirs.close()
        return ours

    def _wait_ready(self, control: socket.socket, what: str) -> None:
        poll = select.poll()
        poll.register(control, select.POLLIN)
        word = (
            control.recv(4096) if poll.poll(START_SECONDS * 1000) else b"it did not start in time"
        )
        if word != b"ready":
            why = word.decode(errors="replace") or "it ended; its own message is above"
            if what == "students" and self.sandboxed:
                why += (
                    ". Students' code is not run without walls unless you say so: "
                    "`autograder doctor` tells what is missing, `--unsandboxed` goes on without"
                )
            raise Refused(f"cannot start the {what}' process: {why}")

    def grade(self, source: Path, submitted: Path, *, seed: str) -> Outcome:
        """Run a submission and judge every graded cell of the solution.

        Args:
            source: The solution notebook; its name is the name expected of the submission.
            submitted: The folder that was handed in.
            seed: Seed of the hidden cases; only the referee's process gets it.

        Returns:
            The outcome; zeros with the reason where nothing could be run.
        """
        why = ""
        for _ in range(2):
            generation = self._generation
            try:
                content, why = self._ask(source, submitted, seed)
                return _outcome(json.loads(content))
            except (ValueError, KeyError, TypeError):
                why = why or "the referee ended before it had a verdict"
            except OSError as error:
                why = f"the referees' process is gone ({error})"
            if not self._revived(generation):
                break
        solution = nbformat.read(source, as_version=4)
        return matching.zeros(solution, f"it could not be graded: {why}")

    def _ask(self, source: Path, submitted: Path, seed: str) -> tuple[bytes, str]:
        """Have a referee forked; return its report, and what was wrong with it, if anything."""
        report, theirs = socket.socketpair()
        leash, their_leash = socket.socketpair()
        body = {
            "source": str(Path(source).resolve()),
            "submitted": str(Path(submitted).absolute()),
            "seed": seed,
            "sandboxed": self.sandboxed,
            "limits": self.limits.plain(),
        }
        deadline = time.monotonic() + self.limits.notebook_seconds + MARGIN
        try:
            zygote.request(self.referees, body, theirs, their_leash)
            return _read_all(report, deadline, self._closed)
        finally:
            for each in (report, theirs, leash, their_leash):
                each.close()

    def _revived(self, generation: int) -> bool:
        """Start the zygotes again if one has died; say whether there are new ones to ask."""
        with self._lock:
            if self._closed.is_set():
                return False
            if self._generation != generation:
                return True  # another thread has done it
            time.sleep(0.2)  # a process that was just killed may not have ended yet
            if all(process.poll() is None for process in self._processes):
                return False
            self._end()
            self._open()
            return True

    def close(self) -> None:
        """End both zygotes, and with them every process of every submission."""
        self._closed.set()
        with self._lock:
            self._end()

    def _end(self) -> None:
        for name in ("referees", "students"):
            control = getattr(self, name, None)
            if control is not None:
                with contextlib.suppress(OSError):
                    control.shutdown(socket.SHUT_RDWR)
                control.close()
        for process in reversed(self._processes):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_all(sock: socket.socket, deadline: float, closed: threading.Event) -> tuple[bytes, str]:
    """Return everything until the other side closes, and what was wrong with it, if anything."""
    content = bytearray()
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    while True:
        if closed.is_set():
            return b"", "grading was stopped"
        if time.monotonic() > deadline:
            return b"", "it took too long"
        if not poll.poll(500):
            continue
        part = sock.recv(2**20)
        if not part:
            return bytes(content), ""
        content += part
        if len(content) > MAX_REPORT:
            return b"", "the report is too large"


def _outcome(plain: dict) -> Outcome:
    notebook = nbformat.from_dict(plain.pop("notebook"))
    cells = [CellResult(**each) for each in plain.pop("cells")]
    return Outcome(notebook, cells, **plain)
