"""Cases: how an exercise's function is called, and what is observed.

A case runs any function with the exercise's signature (the reference, a student's answer, a known
wrong answer) and returns the same list of observations for each, so that they can be laid side by
side. Arguments are passed by position: a student may rename them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch


@dataclass(frozen=True)
class Observation:
    """What was seen at one point of a case.

    Attributes:
        where: The point, in words, such as ``"step 2"``; empty if the case has only one.
        given: The arguments of that call by name, for the message.
        values: What came back, by name.
    """

    where: str
    given: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One way to exercise a function. Subclasses implement :meth:`run`.

    Attributes:
        label: What is special about the case, in words a student understands.
    """

    label: str

    def run(self, call: Callable[..., dict[str, Any]]) -> list[Observation]:
        """Run the function and return what was observed.

        Args:
            call: Takes the exercise's arguments by name, calls the function, and returns its
                results by name. It refuses wrong types, shapes, dtypes and changed inputs.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Call(Case):
    """A single call with the given arguments."""

    args: Mapping[str, Any] = field(default_factory=dict)

    def run(self, call):
        """Call once."""
        return [Observation("", self.args, call(**_copied(self.args)))]

    def to(self, target: torch.dtype | torch.device) -> Call:
        """Return the same case with floating tensors converted to a dtype or a device."""
        return replace(self, args=_converted(self.args, target))


@dataclass(frozen=True)
class Steps(Case):
    """Several steps of an update rule, each fed with what the step before returned.

    Attributes:
        start: The start of what the rule carries, such as ``{"w": …, "v": …}``.
        steps: The other arguments of each step, such as ``[{"g": …, "lr": …}, …]``.
    """

    start: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[Mapping[str, Any]] = ()

    def run(self, call):
        """Call once a step, threading the state."""
        state, seen = _copied(self.start), []
        for number, arguments in enumerate(self.steps, 1):
            given = {**state, **arguments}
            values = call(**_copied(given))
            seen.append(Observation(f"step {number}", given, values))
            state = {name: values.get(name, old) for name, old in state.items()}
        return seen

    def to(self, target: torch.dtype | torch.device) -> Steps:
        """Return the same case with floating tensors converted to a dtype or a device."""
        steps = [_converted(arguments, target) for arguments in self.steps]
        return replace(self, start=_converted(self.start, target), steps=steps)


def _copied(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the tensors, so that a function that writes to its inputs cannot spoil the case."""
    return {
        name: value.clone() if isinstance(value, torch.Tensor) else value
        for name, value in arguments.items()
    }


def _converted(arguments: Mapping[str, Any], target) -> dict[str, Any]:
    return {
        name: value.to(target)
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else value
        for name, value in arguments.items()
    }
