"""What a student's code may not use, refused where it runs.

This is the inner of two lines. The outer is :mod:`autograder.referee.forbidden`, which reads the
answer; the reference is moreover absent from the file system of a student's process. What is
refused here can be got around by code that sets out to do so, and such code is plain to read.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import inspect
import sys
import types
from collections.abc import Callable
from typing import Any

from autograder.referee.sandbox import REFERENCE

NOT_HERE = "not available while grading"


class Placeholder:
    """Stands for something of the reference that a visible module of ``lib`` has imported."""

    def __init__(self, name: str):
        self.__name__ = name

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder(f"{self.__name__}.{name}")

    def __call__(self, *_: Any, **__: Any):
        """Say that it is not here."""
        raise ImportError(f"{self.__name__} is {NOT_HERE}")

    def __contains__(self, _: object) -> bool:
        return False

    def __mro_entries__(self, _: tuple) -> tuple:
        return ()


class _PlaceholderModule(types.ModuleType):
    __path__: list[str] = []

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder(f"{self.__name__}.{name}")


class _Absent(importlib.abc.MetaPathFinder):
    """Says clearly that a module of the reference is not here."""

    def find_spec(self, name, path=None, target=None):
        first, _, rest = name.partition(".")
        if first == "lib" and rest.split(".")[0] in REFERENCE:
            raise ImportError(f"{name} is {NOT_HERE}", name=name)
        return None


def hide_reference() -> None:
    """Let modules of ``lib`` that mention the reference be imported without it."""
    for name in REFERENCE:
        sys.modules[f"lib.{name}"] = _PlaceholderModule(f"lib.{name}")
    lib = importlib.import_module("lib")
    for name in REFERENCE:
        setattr(lib, name, sys.modules[f"lib.{name}"])


def forget_reference() -> None:
    """From now on, importing the reference is an error; checks are the referee's to run."""
    lib = importlib.import_module("lib")
    for name in list(sys.modules):
        if name.startswith(tuple(f"lib.{hidden}" for hidden in REFERENCE)):
            del sys.modules[name]
    for name in REFERENCE:
        vars(lib).pop(name, None)
    sys.meta_path.insert(0, _Absent())
    for name in ("lib.check", "lib.check.run"):
        try:
            importlib.import_module(name).check = _later
        except ImportError:
            continue


def _later(name: str, function: Callable, *, hidden: bool = False) -> None:
    """Stand in for ``lib.check.check`` in cells of the student's own."""
    print(f"{name}: checked by the grader, in its own cell")


_replaced: list[tuple[Any, str, Any]] = []


def refuse(names: list[str]) -> None:
    """Refuse the use of the named functions, classes and modules; an empty list ends that."""
    while _replaced:
        owner, attribute, value = _replaced.pop()
        setattr(owner, attribute, value)
    for name in names:
        owner, attribute, value = _find(name)
        if value is None:
            continue
        if isinstance(value, types.ModuleType):
            for inner, each in list(vars(value).items()):
                if not str(getattr(each, "__module__", "")).startswith(value.__name__):
                    continue  # only imported there: forbidding lib.training leaves torch alone
                if inspect.isclass(each) and "step" in vars(each):
                    _replace(each, "step", name)
                elif inspect.isfunction(each) and not inner.startswith("_"):
                    _replace(value, inner, name)
        elif inspect.isclass(value):
            _replace(value, "__init__", name)
        else:
            _replace(owner, attribute, name)


def _replace(owner: Any, attribute: str, name: str) -> None:
    def refused(*_: Any, **__: Any):
        raise RuntimeError(f"{name} may not be used in this exercise: write it yourself")

    _replaced.append((owner, attribute, getattr(owner, attribute)))
    setattr(owner, attribute, refused)


def _find(name: str) -> tuple[Any, str, Any]:
    """Return the owner, the last name and the value of a dotted name; Nones if it is not there."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        owner = None
        for part in parts[length:]:
            owner, value = value, getattr(value, part, None)
        return owner, parts[-1], value
    return None, "", None
