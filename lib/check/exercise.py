"""An exercise, declared once: its reference, its cases and its known wrong answers.

The same declaration serves the student (whose failed check names the mistake), the tests (which
prove that each known wrong answer fails and is named) and the demo class (which hands them in).
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from lib.check.cases import Case


@dataclass(frozen=True)
class Misconception:
    """A known wrong answer.

    Attributes:
        name: Its name, the function's own.
        function: A function with the exercise's signature that makes the mistake. It uses nothing
            but its arguments, ``torch`` and ``math``, so that its source can be handed in.
        says: The mistake in one clause, as the student should read it.
        hint: What to do about it.
    """

    name: str
    function: Callable[..., Any]
    says: str
    hint: str = ""


@dataclass
class Exercise:
    """A function that a student writes, and everything needed to judge it.

    Attributes:
        notebook: The notebook it belongs to, such as ``"momentum"``.
        reference: The right answer. Its name and its signature are the exercise's.
        returns: Names of what it returns; one name for a single value, several for a tuple.
        public: Cases whose numbers the student sees when they fail.
        draw: Makes the hidden cases from a generator.
        rtol: Relative tolerance, where the dtype's default does not fit.
        forbids: Dotted names that an answer may not use, beside the reference library itself.
        misconceptions: Known wrong answers, the most telling first.
    """

    notebook: str
    reference: Callable[..., Any]
    returns: tuple[str, ...]
    public: Sequence[Case]
    draw: Callable[[torch.Generator], Sequence[Case]]
    rtol: float | None = None
    forbids: tuple[str, ...] = ()
    misconceptions: list[Misconception] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the function that the student writes."""
        return self.reference.__name__

    @property
    def grade_id(self) -> str:
        """The ``grade_id`` of the answer cell; its check's is the same with ``-check`` added."""
        return self.name.replace("_", "-")

    @property
    def parameters(self) -> list[str]:
        """Names of the arguments, in order."""
        return list(inspect.signature(self.reference).parameters)

    def misconception(self, says: str, hint: str = "") -> Callable:
        """Register the decorated function as a known wrong answer of this exercise."""

        def register(function: Callable) -> Callable:
            self.misconceptions.append(Misconception(function.__name__, function, says, hint))
            return function

        return register

    def source(self, name: str) -> str:
        """Return a misconception's source text as a student would hand it in.

        Raises:
            KeyError: If the exercise has no misconception of that name.
        """
        for known in self.misconceptions:
            if known.name == name:
                text = textwrap.dedent(inspect.getsource(known.function))
                text = text[re.search(r"^def ", text, re.M).start() :]
                return text.replace(f"def {name}(", f"def {self.name}(", 1)
        raise KeyError(f"{self.name} has no misconception named {name!r}")
