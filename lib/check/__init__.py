"""Compare a student's function with the reference, and say which mistake was made.

A test cell in a notebook is one line::

    check("momentum_step", momentum_step)

It prints one line when every case agrees, and raises :class:`CheckFailed` otherwise. An exercise
is declared once, in ``lib/exercises/``, with :class:`Exercise`: its reference, its cases, and the
known wrong answers that a failing check recognizes.
"""

from lib.check.cases import Call, Case, Observation, Steps
from lib.check.exercise import Exercise, Misconception
from lib.check.messages import CheckFailed
from lib.check.run import check, hidden_seed, judge

__all__ = [
    "Call",
    "Case",
    "CheckFailed",
    "Exercise",
    "Misconception",
    "Observation",
    "Steps",
    "check",
    "hidden_seed",
    "judge",
]
