"""From a percent script to an executed notebook, one way.

The script is the only place a person edits. jupytext reads it; nothing pairs the two, because
pairing metadata in a notebook names the script that holds the answers.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator

from autograder.course import Assignment, UserError

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_TIMEOUT = 300
WIDGET = "application/vnd.jupyter.widget-view+json"
GRADE_ID = "[a-zA-Z0-9_-]{1,64}"


def from_script(script: Path) -> NotebookNode:
    """Return the notebook that a script describes, unexecuted.

    Cells get the nbgrader metadata that their headers leave out, and ids that do not change from
    build to build: the ``grade_id``, else a number.

    Raises:
        UserError: If the script is missing or a header is not valid.
    """
    if not script.exists():
        raise UserError(f"{script} does not exist")
    parsed = jupytext.read(script, fmt="py:percent")
    cells = []
    for number, cell in enumerate(parsed.cells, 1):
        metadata = dict(cell.metadata)
        # What jupytext cannot read it keeps as text, and the cell would lose its role unseen.
        if "incorrectly_encoded_metadata" in metadata:
            header = metadata["incorrectly_encoded_metadata"]
            raise UserError(f"{script}: cannot read a cell's header, expected JSON: {header}")
        if "nbgrader" in metadata:
            metadata["nbgrader"] = _whole(metadata["nbgrader"], cell.cell_type)
        make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        name = metadata.get("nbgrader", {}).get("grade_id", f"cell-{number:03}")
        if not re.fullmatch(GRADE_ID, str(name)):
            raise UserError(
                f"{script}: the grade_id {name!r} is not valid; "
                "use up to 64 letters, digits, dashes and underscores"
            )
        cells.append(make(cell.source, metadata=metadata, id=name))
    about = parsed.metadata.get("descent")
    if not about or {"title", "points", "minutes"} - set(about):
        raise UserError(f"{script}: its header needs descent: title, points and minutes")
    ids = Counter(cell.id for cell in cells)
    for name, count in ids.items():
        if count > 1:
            raise UserError(f"{script}: the grade_id {name} is used {count} times")
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}, "descent": dict(about)}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    try:
        nbformat.validate(notebook)
        MetadataValidator().validate_nb(notebook)
    except Exception as error:
        raise UserError(f"{script}: {error}") from error
    return notebook


def _whole(given: dict, cell_type: str) -> dict:
    """Fill in what nbgrader's schema 3 wants in every cell."""
    grade, solution = given.get("grade", False), given.get("solution", False)
    return {
        "cell_type": cell_type,
        "grade": grade,
        "locked": given.get("locked", grade and not solution),
        "schema_version": 3,
        "solution": solution,
        "task": False,
        **given,
    }


def source_view(notebook: NotebookNode) -> list[tuple]:
    """Return what a build determines: all but outputs and execution counts."""
    return [dict(notebook.metadata)] + [
        (cell.cell_type, cell.id, cell.source, dict(cell.metadata)) for cell in notebook.cells
    ]


def build(
    assignment: Assignment,
    *,
    force: bool = False,
    on_cell: Callable[[int, int], None] = lambda *_: None,
) -> bool:
    """Build one assignment's notebook and execute it.

    A notebook that already is what its script builds, and was executed, is left alone.

    Args:
        assignment: What to build.
        force: Execute even so.
        on_cell: Called before each code cell, with its place and the number of all cells.

    Returns:
        Whether it was built anew.

    Raises:
        UserError: If the script is not valid, or a cell fails; the message names the cell.
    """
    notebook = from_script(assignment.script)
    target = assignment.solution
    if not force and target.exists():
        old = nbformat.read(target, as_version=4)
        if source_view(old) == source_view(notebook) and is_executed(old):
            return False
    execute(notebook, target.parent, on_cell)
    draft = target.with_suffix(".ipynb.tmp")
    nbformat.write(notebook, draft)
    draft.replace(target)
    return True


def is_executed(notebook: NotebookNode) -> bool:
    """Say whether all code cells were executed, in order, from a fresh kernel."""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    return counts == list(range(1, len(counts) + 1))


def execute(
    notebook: NotebookNode, folder: Path, on_cell: Callable[[int, int], None] = lambda *_: None
) -> None:
    """Execute a notebook in place, in a fresh kernel, one thread.

    Raises:
        UserError: If a cell fails, takes too long, or ends the kernel.
    """
    running = notebook.cells[0].id if notebook.cells else ""

    def start(cell: NotebookNode, cell_index: int) -> None:
        nonlocal running
        running = cell.id
        on_cell(cell_index + 1, len(notebook.cells))

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,  # of a kernel that is gone, under names that are random
        on_cell_start=start,
    )
    try:
        # What cells print comes by messages; the kernel's own stderr has but its greetings.
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        client.execute(env=env, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        raise UserError(f"cell {running} of {folder.name} fails:\n\n{error}") from error
    except CellTimeoutError as error:
        raise UserError(
            f"cell {running} of {folder.name} did not end within {CELL_TIMEOUT} s"
        ) from error
    except DeadKernelError as error:
        raise UserError(f"cell {running} of {folder.name} ended the kernel: {error}") from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _merged([each for each in cell.outputs if not _is_widget(each)])
    notebook.metadata["language_info"] = {"name": "python"}


def _is_widget(output: NotebookNode) -> bool:
    return WIDGET in output.get("data", {})


def _merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join neighboring pieces of one stream: how a kernel cuts its text is a matter of timing."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged
