"""What a check says. The first line carries the reason; the rest shows it.

A failure is read by a tired student, and its first line by an instructor in a table of a class, so
the first line stands alone: the exercise, a colon, what is wrong.
"""

from __future__ import annotations

import math
import textwrap
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lib.check.cases import Case, Observation
from lib.check.compare import is_scalar

if TYPE_CHECKING:
    from lib.check.exercise import Exercise, Misconception
    from lib.check.run import Outcome

WIDTH = 88
BOLD, RED, GREEN, RESET = "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[0m"


class Refused(Exception):
    """A result whose form is wrong: its type, shape, dtype or device, or a changed input.

    Attributes:
        hint: What to do about it.
    """

    def __init__(self, what: str, hint: str = ""):
        super().__init__(what)
        self.hint = hint


class CheckFailed(AssertionError):
    """A check that failed. ``str()`` of it is the whole message, its first line the reason."""

    def __init__(self, reason: str, details: Sequence[str] = ()):
        self.reason, self.details = reason, list(details)
        super().__init__("\n".join([reason, *self.details]))

    def _render_traceback_(self) -> list[str]:
        """Show the message alone in a notebook: the frames of the checker help nobody."""
        return [f"{BOLD}{RED}✗ {self.reason}{RESET}", *self.details]


def passed(exercise: Exercise, cases: Sequence[Case], hidden: bool) -> str:
    """Return the line that a passing check prints."""
    kind = "hidden case" if hidden else "case"
    return f"✓ {exercise.name}: right in {len(cases)} {kind}{'s' * (len(cases) != 1)}."


def failed(
    exercise: Exercise,
    case: Case,
    at: int,
    actual: Sequence[Outcome],
    expected: Sequence[Outcome],
    difference: tuple[int, list[str]] | None,
    known: Misconception | None,
    hidden: bool,
) -> CheckFailed:
    """Put a failure into words.

    Args:
        exercise: What was asked.
        case: The first case that failed.
        at: Its index.
        actual: What the student's function came to in each case.
        expected: What the reference came to.
        difference: The first observation that differs and the names that differ in it.
        known: The known wrong answer that it is, if it is one.
        hidden: Whether the case's numbers must stay unseen.
    """
    have, want = actual[at], expected[at]
    if isinstance(have.error, NotImplementedError):
        return CheckFailed(
            f"{exercise.name}: not solved yet",
            [
                "",
                f"  Write your answer in the cell that defines {exercise.name}, remove its",
                "  `raise NotImplementedError()`, run that cell, then run this one again.",
            ],
        )
    lines = [""]
    if isinstance(have.error, Refused):
        reason = str(have.error)
        hint = have.error.hint
    elif have.error is not None:
        reason = f"stops with {type(have.error).__name__}: {have.error}"
        hint = ""
        lines += _student_lines(have.error)
    else:
        index, wrong = difference
        reason = _what_differs(want, index, wrong)
        hint = "" if hidden else _clue(actual, expected, wrong)
    if known is not None:
        reason, hint = known.says, known.hint
    if hidden:
        lines += _wrap("case", f"hidden: {case.label}")
    else:
        lines += _wrap("case", case.label)
        if have.error is None:
            lines += _side_by_side(have.seen, want.seen, *difference)
    if hint:
        lines += ["", *_wrap("→", hint)]
    return CheckFailed(f"{exercise.name}: {reason}", lines)


def _what_differs(want: Outcome, index: int, wrong: list[str]) -> str:
    observation = want.seen[index]
    right = [name for name in observation.values if name not in wrong]
    verb = "differs" if len(wrong) == 1 else "differ"
    text = f"{' and '.join(wrong)} {verb} from the reference"
    if observation.where:
        text += f" at {observation.where}"
        if index > 0 and observation.where.startswith("step "):
            text += " (the steps before are right)"
    if right:
        text += f"; {' and '.join(right)} {'is' if len(right) == 1 else 'are'} right"
    return text


def _clue(actual: Sequence[Outcome], expected: Sequence[Outcome], wrong: list[str]) -> str:
    """Return a plain numerical regularity of the error in the cases' first calls, if any.

    What an update rule changes is compared by its change: weights of 1 that moved by .2 in place
    of .1 are off by the factor 2, not by 1.1/1.2.
    """
    pairs = [
        (have.seen[0].values, want.seen[0])
        for have, want in zip(actual, expected, strict=True)
        if have.seen and have.error is None
    ]
    for name in wrong:
        ratios = [
            ratio
            for values, want in pairs
            if name in values
            for ratio in _ratios(values[name], want.values[name], want.given.get(name))
        ]
        if len(ratios) < 3 or max(ratios) - min(ratios) > 1e-4 * abs(ratios[0]) + 1e-9:
            continue
        moves = isinstance(pairs[0][1].given.get(name), torch.Tensor)
        what = f"The change of your {name}" if moves else f"Your {name}"
        ratio = ratios[0]
        if abs(ratio) < 1e-9:
            return f"Your {name} comes back as it went in." if moves else f"Your {name} is zero."
        if abs(ratio + 1) < 1e-4:
            return f"{what} has the right size and the opposite sign, everywhere."
        if math.isfinite(ratio):
            return f"{what} is {ratio:.4g} times the expected one, everywhere."
    return ""


def _ratios(actual: Any, expected: Any, given: Any) -> list[float]:
    """Return actual / expected element by element, both measured from ``given`` if it is there."""
    if isinstance(expected, torch.Tensor) and expected.is_floating_point():
        if not isinstance(actual, torch.Tensor) or actual.shape != expected.shape:
            return []
        a, e = (x.detach().cpu().double().flatten() for x in (actual, expected))
        if isinstance(given, torch.Tensor) and given.shape == expected.shape:
            a, e = (x - given.cpu().double().flatten() for x in (a, e))
        return (a / e)[e.abs() > 1e-3 * e.abs().max()].tolist()
    if is_scalar(expected) and is_scalar(actual) and expected != 0:
        return [float(actual) / float(expected)]
    return []


def _side_by_side(
    have: Sequence[Observation], want: Sequence[Observation], index: int, wrong: list[str]
) -> list[str]:
    """Lay the first differing observation beside the expected one, given arguments above."""
    lines = []
    if want[index].where:
        lines += _wrap("at", want[index].where)
    given = ", ".join(
        f"{name} = {show(value)}" for name, value in want[index].given.items() if _plain(value)
    )
    if given:
        lines += _wrap("given", given)
    actual: Mapping[str, Any] = have[index].values if index < len(have) else {}
    rows = [
        (
            name,
            show(actual[name]) if name in actual else "(missing)",
            "≠" if name in wrong else "=",
            show(expected),
        )
        for name, expected in want[index].values.items()
    ]
    left = max(len("yours"), *(len(yours) for _, yours, _, _ in rows))
    head = max(len(name) for name, *_ in rows)
    if head + left + max(len(expected) for *_, expected in rows) + 8 <= WIDTH:
        lines += ["", f"  {'':{head}}  {'yours':{left}}     expected"]
        lines += [
            f"  {name:{head}}  {yours:{left}}  {mark}  {expected}"
            for name, yours, mark, expected in rows
        ]
    else:
        for name, yours, mark, expected in rows:
            lines += [
                "",
                f"  {name}  yours     {yours}",
                f"  {'':{len(name)}}  {mark} wanted  {expected}",
            ]
    return lines


def _plain(value: Any) -> bool:
    return not callable(value) and not isinstance(value, torch.Generator)


def show(value: Any) -> str:
    """Write a value short enough for a message: six significant digits, at most twelve elements."""
    if isinstance(value, torch.Tensor):
        if value.ndim == 0:
            return show(value.item())
        if value.numel() > 12:
            head = ", ".join(show(x) for x in value.flatten()[:6].tolist())
            return f"tensor of shape {tuple(value.shape)}: {head}, …"
        return show(value.tolist())
    if is_scalar(value):
        return _number(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        if len(value) > 12:
            return f"[{', '.join(show(v) for v in value[:6])}, … {len(value)} in all]"
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        return f"{opening}{', '.join(show(v) for v in value)}{closing}"
    return textwrap.shorten(repr(value), 60)


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e6 else f"{value:.6g}"


def _student_lines(error: Exception) -> list[str]:
    """Return the student's own line that raised, found by its file being a notebook cell."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "ipykernel" in f.filename or f.filename.startswith("<ipython")]
    if not own or not own[-1].line:
        return []
    return [f"  line {own[-1].lineno} of your cell: {own[-1].line}", ""]


def _wrap(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"  {head:<9} ", subsequent_indent=" " * 12)
