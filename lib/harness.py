"""Run what a student wrote where it lives, and bring back plain data.

Some exercises take objects that cannot be copied from one process to another: an optimizer, a
model, a file. A harness builds them beside the student's function, drives it, and returns tensors,
numbers and lists. A grader that keeps the student's code in another process gives the checks remote
functions; these know how to call a harness there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def where_it_lives(harness: Callable[..., Any], *functions: Callable, **data: Any) -> Any:
    """Call ``harness(*functions, **data)`` in the process in which the functions live.

    Args:
        harness: A function of this module.
        functions: Functions that a student wrote.
        data: Plain data for the harness.

    Returns:
        What the harness returns: plain data.
    """
    remote = getattr(functions[0], "run_harness", None)
    if remote is not None:
        return remote(harness.__name__, functions, data)
    return harness(*functions, **data)
