"""Right answers, each written in two ways that differ from the solution's.

One module a notebook, named like its exercises' module in ``lib.exercises``. A function named
``<exercise>__<style>`` is a right answer to that exercise; what stands before the two underscores
is the name it is handed in under. Every exercise has one in each of the styles ``plain`` and
``terse``. An answer uses its arguments, ``torch``, ``math`` and what its notebook imports.
"""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType

from lib.check import Exercise

STYLES = ("plain", "terse")


def module_of(exercise: Exercise) -> ModuleType:
    """Return the module with the right answers to the exercises of the same notebook."""
    return importlib.import_module(f"{__name__}.{exercise.notebook.replace('-', '_')}")


def source(exercise: Exercise, style: str) -> str:
    """Return the text of a right answer, as a student would hand it in.

    Raises:
        AttributeError: If there is no such answer.
    """
    name = f"{exercise.name}__{style}"
    text = inspect.getsource(getattr(module_of(exercise), name))
    return text.replace(f"def {name}(", f"def {exercise.name}(", 1)
