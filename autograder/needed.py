"""Which cells of a submission have to run to grade it.

A lesson is full of plots and training runs that no grade depends on. Grading runs every cell that a
student wrote or changed, and the instructor's locked cells and checks; of the instructor's other
cells, which stand as they were released, only those that define a name that a running cell after
them uses. What a check needs beside names, such as a default dtype, belongs into a locked cell.
"""

from __future__ import annotations

import symtable

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from autograder.course import marks


def needed(solution: NotebookNode, notebook: NotebookNode) -> list[bool]:
    """Say for every cell of a notebook whether grading has to run it.

    Args:
        solution: The instructor's notebook; its unmarked cells are released as they are.
        notebook: The student's notebook, its marked cells matched with the instructor's.

    Returns:
        One truth value a cell; False for text.
    """
    lesson = {
        cell.source for cell in solution.cells if cell.cell_type == "code" and not marks(cell)
    }
    runs = []
    used: set[str] = set()
    for cell in reversed(notebook.cells):
        if cell.cell_type != "code" or is_reference(cell):
            runs.append(False)
            continue
        defines, uses = names(cell.source)
        own = bool(marks(cell)) or cell.source not in lesson
        run = own or bool(defines & used)
        if run:
            used |= uses
        runs.append(run)
    return runs[::-1]


def is_reference(cell: NotebookNode) -> bool:
    """Say whether a cell only shows what the reference library does."""
    return "reference" in cell.metadata.get("tags", [])


def names(source: str) -> tuple[set[str], set[str]]:
    r"""Return the global names that a cell binds and those that it reads.

    >>> names("from math import sqrt as r\ny = r(x)") == ({"r", "y"}, {"r", "x"})
    True
    """
    try:
        cell = TransformerManager().transform_cell(source)
        scopes = [symtable.symtable(cell, "cell", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(), set()
    binds, reads = set(), set()
    for scope in scopes:
        scopes += scope.get_children()
        for symbol in scope.get_symbols():
            # a function's own variables are nobody else's
            if scope.get_type() == "module" or symbol.is_global():
                if symbol.is_assigned() or symbol.is_imported():
                    binds.add(symbol.get_name())
                if symbol.is_referenced():
                    reads.add(symbol.get_name())
    return binds, reads
