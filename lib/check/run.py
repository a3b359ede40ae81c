"""Run a function through the cases of its exercise and judge what came back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lib.check import messages
from lib.check.cases import Case, Observation
from lib.check.compare import first_difference, is_scalar
from lib.check.exercise import Exercise, Misconception
from lib.check.messages import CheckFailed, Refused

SEED_VARIABLE = "DESCENT_SEED"
DEFAULT_SEED = "descent"


@dataclass(frozen=True)
class Outcome:
    """What one case of one function came to: observations, or the exception that ended it."""

    seen: tuple[Observation, ...]
    error: Exception | None = None


def check(name: str, function: Callable, *, hidden: bool = False) -> None:
    """Compare a student's function with the reference of the exercise ``name``.

    Args:
        name: The exercise, such as ``"momentum_step"``.
        function: The student's function.
        hidden: Use the hidden cases, drawn from the grader's seed, instead of the public ones.

    Raises:
        CheckFailed: If the function is wrong. The message's first line names the mistake if it is
            a known one; the numbers of hidden cases are not shown.
        KeyError: If there is no such exercise.
    """
    from lib.exercises import EXERCISES

    if name not in EXERCISES:
        raise KeyError(f"no exercise named {name!r}; there are: {', '.join(sorted(EXERCISES))}")
    exercise = EXERCISES[name]
    cases = hidden_cases(exercise, hidden_seed()) if hidden else public_cases(exercise)
    failure = judge(exercise, function, cases, hidden=hidden)
    if failure is not None:
        raise failure
    print(messages.passed(exercise, cases, hidden))


def hidden_seed() -> str:
    """Return the seed of the hidden cases: ``DESCENT_SEED``, which a grader sets, or a default."""
    return os.environ.get(SEED_VARIABLE, DEFAULT_SEED)


def public_cases(exercise: Exercise) -> list[Case]:
    """Return the public cases, with the first one repeated on the GPU where there is one."""
    cases = list(exercise.public)
    if torch.cuda.is_available() and hasattr(cases[0], "to"):
        cases.append(cases[0].to(torch.device("cuda")))
    return cases


def hidden_cases(exercise: Exercise, seed: str) -> list[Case]:
    """Draw the hidden cases. Each exercise has its own stream, so order does not matter."""
    digest = hashlib.sha256(f"{seed}/{exercise.name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return list(exercise.draw(generator))


def judge(
    exercise: Exercise, function: Callable, cases: Sequence[Case], *, hidden: bool = False
) -> CheckFailed | None:
    """Judge a function on some cases.

    Returns:
        None if it is right, else the failure with the mistake named where it is known.
    """
    if not callable(function):
        return CheckFailed(
            f"{exercise.name}: is a {type(function).__name__}, not a function",
            [f"Define it as def {exercise.name}({', '.join(exercise.parameters)}):"],
        )
    expected = [_outcome(exercise, exercise.reference, case) for case in cases]
    actual = [_outcome(exercise, function, case) for case in cases]
    for at, (case, have, want) in enumerate(zip(cases, actual, expected, strict=True)):
        if want.error is not None:
            raise want.error
        difference = first_difference(have.seen, want.seen, exercise.rtol)
        if have.error is None and difference is None:
            continue
        known = None
        if not isinstance(have.error, NotImplementedError):
            known = recognize(exercise, actual, cases)
        return messages.failed(exercise, case, at, actual, expected, difference, known, hidden)
    return None


def recognize(
    exercise: Exercise, actual: Sequence[Outcome], cases: Sequence[Case]
) -> Misconception | None:
    """Find the known wrong answer that gives the same results in every case."""
    for known in exercise.misconceptions:
        if all(
            _alike(exercise, have, _outcome(exercise, known.function, case))
            for have, case in zip(actual, cases, strict=True)
        ):
            return known
    return None


def _alike(exercise: Exercise, have: Outcome, wrong: Outcome) -> bool:
    if (have.error is None) != (wrong.error is None) or len(have.seen) != len(wrong.seen):
        return False
    if have.error is not None and (
        type(have.error).__name__ != type(wrong.error).__name__
        or str(have.error) != str(wrong.error)
    ):
        return False
    return first_difference(have.seen, wrong.seen, exercise.rtol) is None


def _outcome(exercise: Exercise, function: Callable, case: Case) -> Outcome:
    """Run one case, and keep what was seen before an error."""
    guarded = Guarded(exercise, function)
    try:
        return Outcome(tuple(case.run(guarded)))
    except Exception as error:
        return Outcome(tuple(guarded.seen), error)


class Guarded:
    """A function called by argument name, whose results are refused if they are not of the form.

    Attributes:
        seen: The results so far, so that an error in step 3 does not lose steps 1 and 2.
        function: The bare function, for cases that hand it to a harness.
    """

    def __init__(self, exercise: Exercise, function: Callable):
        self.exercise, self.function = exercise, function
        self.seen: list[Observation] = []

    def __call__(self, **arguments: Any) -> dict[str, Any]:
        """Call the function and return its results by name."""
        before = {
            name: value.clone()
            for name, value in arguments.items()
            if isinstance(value, torch.Tensor)
        }
        result = self.function(*(arguments[name] for name in self.exercise.parameters))
        for name, old in before.items():
            if not torch.equal(arguments[name], old):
                raise Refused(
                    f"changes its input {name} in place",
                    f"Write {name} = {name} - …, not {name} -= … or {name}.sub_(…): whoever calls "
                    f"your function still needs the old {name}.",
                )
        values = self._named(result)
        self._refuse_wrong_form(values, arguments)
        self.seen.append(Observation(f"step {len(self.seen) + 1}", arguments, values))
        return values

    def _named(self, result: Any) -> dict[str, Any]:
        names = self.exercise.returns
        wanted = f"({', '.join(names)})" if len(names) > 1 else names[0]
        if result is None:
            raise Refused(
                f"returns nothing; expected {wanted}", f"End with: return {', '.join(names)}"
            )
        if len(names) == 1:
            return {names[0]: result}
        if not isinstance(result, tuple | list):
            raise Refused(
                f"returns one {type(result).__name__}; expected the tuple {wanted}",
                f"End with: return {', '.join(names)}",
            )
        if len(result) != len(names):
            raise Refused(
                f"returns {len(result)} values; expected {len(names)}: {wanted}",
                f"End with: return {', '.join(names)}",
            )
        return dict(zip(names, result, strict=True))

    def _refuse_wrong_form(self, values: dict[str, Any], arguments: dict[str, Any]) -> None:
        """Refuse a wrong type, shape, dtype or device, as measured by the reference's result."""
        clones = {
            name: value.clone() if isinstance(value, torch.Tensor) else value
            for name, value in arguments.items()
        }
        if any(callable(value) or isinstance(value, torch.Generator) for value in clones.values()):
            return  # calling the reference as well would be seen by the callback or move the stream
        result = self.exercise.reference(*(clones[name] for name in self.exercise.parameters))
        right = (result,) if len(self.exercise.returns) == 1 else result
        for (name, value), want in zip(values.items(), right, strict=True):
            if isinstance(want, torch.Tensor):
                if not isinstance(value, torch.Tensor):
                    raise Refused(
                        f"returns {name} as a {type(value).__name__}; expected a tensor",
                        "Stay in tensors: no .item(), no float(), no NumPy.",
                    )
                if value.shape != want.shape:
                    raise Refused(
                        f"returns {name} of shape {tuple(value.shape)}; "
                        f"expected {tuple(want.shape)}",
                    )
                if value.dtype != want.dtype:
                    raise Refused(
                        f"returns {name} as {_short(value.dtype)}; expected {_short(want.dtype)}, "
                        "as it was given",
                        "A new tensor takes its dtype from an input: torch.zeros_like(w), or "
                        "torch.tensor(…, dtype=w.dtype).",
                    )
                if value.device != want.device:
                    raise Refused(
                        f"returns {name} on {value.device}; expected {want.device}, as given",
                        "A new tensor takes its device from an input: torch.zeros_like(w).",
                    )
            elif is_scalar(want) and not (
                is_scalar(value) or (isinstance(value, torch.Tensor) and value.ndim == 0)
            ):
                raise Refused(
                    f"returns {name} as a {type(value).__name__}; expected a number",
                )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
