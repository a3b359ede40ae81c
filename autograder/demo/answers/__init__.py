"""Right answers, each written in two ways that differ from the solution's.

One module a notebook, named like its exercises' module in ``lib.exercises``. A function named
``<exercise>__<style>`` is a right answer to that exercise; what stands before the two underscores
is the name it is handed in under. Every exercise has one in each of the styles ``plain`` and
``terse``. An answer uses its arguments, ``torch``, ``math`` and what its notebook imports.
"""

from __future__ import annotations

import importlib
import inspect

STYLES = ("plain", "terse")


def source(module: str, exercise: str, style: str) -> str:
    """Return the text of a right answer, as a student would hand it in.

    Raises:
        AttributeError: If there is no such answer.
    """
    functions = importlib.import_module(f"{__name__}.{module}")
    text = inspect.getsource(getattr(functions, f"{exercise}__{style}"))
    return text.replace(f"def {exercise}__{style}(", f"def {exercise}(", 1)
