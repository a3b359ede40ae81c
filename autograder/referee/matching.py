"""Read what was handed in, whatever state it is in, and lay it into the instructor's notebook.

Cells are matched by ``grade_id``. Test cells and locked cells are the instructor's, whatever the
student did to theirs; answers and all other cells are the student's, where they stand.
"""

from __future__ import annotations

import copy
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.referee.limits import Limits
from autograder.referee.verdict import CellResult, Outcome

KINDS = ("code", "markdown", "raw")
STUBS = ("*Your answer here", "# YOUR CODE HERE\nraise NotImplementedError()")


class Unreadable(Exception):
    """A submission that holds no notebook to run; the message says why."""


def marks(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell's nbgrader metadata, empty if it has none."""
    metadata = cell.get("metadata")
    found = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def is_answer(cell: Mapping[str, Any]) -> bool:
    """Say whether a student writes this cell."""
    return bool(marks(cell).get("solution"))


def is_graded(cell: Mapping[str, Any]) -> bool:
    """Say whether this cell gives points, by running or by a person."""
    return bool(marks(cell).get("grade"))


def is_check(cell: Mapping[str, Any]) -> bool:
    """Say whether this cell gives points by running."""
    return is_graded(cell) and not is_answer(cell) and cell["cell_type"] == "code"


def is_reference(cell: Mapping[str, Any]) -> bool:
    """Say whether a cell only shows what the reference library does."""
    return "reference" in cell["metadata"].get("tags", [])


def is_answered(cell: Mapping[str, Any]) -> bool:
    """Say whether an answer holds anything but what was released."""
    text = cell["source"].strip()
    return bool(text) and not any(stub in text for stub in STUBS)


# ------------------------------------------------------------------ reading


def open_inside(folder: Path, name: str) -> int:
    """Open a regular file inside a folder, without following links, the folder itself included.

    Raises:
        OSError: If there is none, or a link is on the way.
    """
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        *folders, last = Path(name).parts
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        file = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{name} is no regular file")
    return file


def read_bounded(folder: Path, name: str, most: int) -> bytes:
    """Return a file's content.

    Raises:
        OSError: If it is no regular file, or links are in the way.
        Unreadable: If it is larger than ``most`` bytes.
    """
    with os.fdopen(open_inside(folder, name), "rb") as file:
        content = file.read(most + 1)
        if len(content) > most:
            size = os.fstat(file.fileno()).st_size
            raise Unreadable(f"{name} has {size / 2**20:.0f} MB; the limit is {most / 2**20:.0f}")
    return content


def read_notebook(
    folder: Path, name: str, limits: Limits
) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the cells of a submitted notebook as far as they can be read.

    Args:
        folder: What was handed in.
        name: The notebook's file name.
        limits: The limits.

    Returns:
        The cells, each with ``cell_type``, ``metadata`` and ``source`` of the right types, and
        what to tell the instructor.

    Raises:
        Unreadable: If there is no notebook.
    """
    try:
        content = read_bounded(folder, name, limits.notebook_bytes)
    except OSError:
        try:
            there = sorted(p.name for p in folder.iterdir() if p.suffix == ".ipynb")[:3]
        except OSError:
            there = []
        found = f" (found {', '.join(name[:60] for name in there)})" if there else ""
        raise Unreadable(f"no notebook named {name} was handed in{found}") from None
    if not content.strip():
        raise Unreadable(f"{name} is empty")
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not UTF-8 text") from None
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable(f"{name} is not JSON; perhaps it was cut short") from None
    flags = []
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if (
        cells is None
        and isinstance(notebook, dict)
        and isinstance(notebook.get("worksheets"), list)
    ):
        flags.append("an old notebook format (version 3) was read")
        cells = [
            {**cell, "source": cell.get("source", cell.get("input", ""))}
            for sheet in notebook["worksheets"]
            if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
            for cell in sheet["cells"]
            if isinstance(cell, dict)
        ]
    if not isinstance(cells, list):
        raise Unreadable(f"{name} is JSON, but no notebook: it has no list of cells")
    metadata = notebook.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language") if isinstance(kernel, dict) else None
    if language not in (None, "python"):
        flags.append(
            f"the notebook names the kernel language {str(language)[:40]!r}; run as Python"
        )
    read = [clean for clean in map(_clean_cell, cells) if clean is not None]
    if len(read) < len(cells):
        flags.append(f"{len(cells) - len(read)} cells could not be read and were left out")
    return read, flags


def _clean_cell(cell: Any) -> dict[str, Any] | None:
    """Return a cell's type, metadata and source, or None if it has none."""
    if not isinstance(cell, dict):
        return None
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    source = source.encode("utf-8", "replace").decode("utf-8")  # lone surrogates end here
    kind = cell.get("cell_type")
    found = marks(cell)
    name = found.get("grade_id")
    metadata = {"nbgrader": found} if isinstance(name, str) else {}
    return {"cell_type": kind if kind in KINDS else "raw", "metadata": metadata, "source": source}


def read_files(folder: Path, notebook: str, limits: Limits) -> tuple[dict[str, bytes], list[str]]:
    """Read the other files that were handed in.

    Returns:
        Their contents by relative path, and what to tell the instructor about those left out.
    """
    files: dict[str, bytes] = {}
    flags, room, seen = [], limits.extra_bytes, 0
    for here, folders, names in os.walk(folder, followlinks=False):
        for name in sorted(folders):
            if os.path.islink(os.path.join(here, name)):
                flags.append(f"a link to a folder was left out: {name!r}")
        folders[:] = sorted(each for each in folders if not each.startswith("."))[:50]
        for name in sorted(names):
            path = os.path.relpath(os.path.join(here, name), folder)
            if path == notebook or path == "timestamp.txt" or name.endswith(".ipynb"):
                continue
            seen += 1
            if seen > limits.extra_files:
                flags.append(f"more than {limits.extra_files} other files; the rest was left out")
                return files, flags
            try:
                path.encode()
                files[path] = read_bounded(folder, path, room)
                room -= len(files[path])
            except (OSError, UnicodeEncodeError):
                flags.append(f"a link or special file was left out: {name!r}")
            except Unreadable:
                flags.append(f"a file was left out, too large: {name!r}")
    return files, flags


# ------------------------------------------------------------------ matching


def merge(
    solution: NotebookNode, handed_in: list[dict[str, Any]]
) -> tuple[NotebookNode, list[str]]:
    """Lay a student's cells into the instructor's notebook.

    Of cells with the same ``grade_id`` the last counts, as in nbgrader.

    Returns:
        The notebook to run, without outputs, and what to tell the instructor.
    """
    wanted = {marks(cell)["grade_id"]: cell for cell in solution.cells if marks(cell)}
    last = {marks(cell).get("grade_id"): index for index, cell in enumerate(handed_in)}
    cells: list[NotebookNode] = []
    flags, order = [], []
    for index, cell in enumerate(handed_in):
        name = marks(cell).get("grade_id")
        if name not in wanted:
            if name is not None:
                flags.append(f"cell {name[:60]!r} is none of the instructor's")
            cells.append(_plain(cell))
            continue
        if last[name] != index:
            flags.append(f"cell {name} stands there more than once; the last one counts")
            if is_answer(wanted[name]):
                cells.append(_plain({**cell, "cell_type": wanted[name]["cell_type"]}))
            continue
        original = wanted[name]
        taken = _copied(original)
        order.append(name)
        if cell["cell_type"] != original.cell_type:
            flags.append(f"cell {name} was made a {cell['cell_type']} cell")
        if is_answer(original):
            taken.source = cell["source"]
        elif not _same_text(cell["source"], original.source):
            flags.append(f"cell {name} was edited; the instructor's text was used")
        cells.append(taken)
    names = list(wanted)
    if order != [name for name in names if name in order]:
        flags.append("graded or locked cells stand in another order")
    for position, name in enumerate(names):
        if name in order:
            continue
        taken = _copied(wanted[name])
        kind = "answer" if is_answer(taken) else "check" if is_graded(taken) else "locked"
        flags.append(f"{kind} cell {name} was deleted")
        if is_answer(taken):
            taken.source = ""
        before = set(names[:position])
        places = [i for i, cell in enumerate(cells) if marks(cell).get("grade_id") in before]
        cells.insert(places[-1] + 1 if places else 0, taken)
    for index, cell in enumerate(cells):
        cell.id = marks(cell).get("grade_id", f"cell-{index:03}")[:64]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=copy.deepcopy(solution.metadata))
    return notebook, flags


def _copied(cell: NotebookNode) -> NotebookNode:
    """Return an instructor's cell without outputs."""
    taken = copy.deepcopy(cell)
    if taken.cell_type == "code":
        taken.outputs, taken.execution_count = [], None
    return taken


def _plain(cell: Mapping[str, Any]) -> NotebookNode:
    """Return a student's cell without a ``grade_id``."""
    make = getattr(nbformat.v4, f"new_{cell['cell_type']}_cell")
    return make(cell["source"])


BEGIN, END = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def without_hidden(source: str) -> str:
    r"""Return a test cell's text as it was released.

    >>> without_hidden("a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS")
    'a'
    """
    kept, hidden = [], False
    for line in source.split("\n"):
        hidden = hidden or BEGIN in line
        if not hidden:
            kept.append(line)
        if END in line:
            hidden = False
    return "\n".join(kept).strip()


def _same_text(ours: str, original: str) -> bool:
    return ours.strip() == without_hidden(original)


# ------------------------------------------------------------------ outcomes


def zeros(solution: NotebookNode, reason: str, flags: list[str] | None = None) -> Outcome:
    """Return the outcome of a submission that earned nothing as a whole."""
    note = nbformat.v4.new_markdown_cell(f"**Not graded: {reason}.**", id="not-graded")
    notebook = nbformat.v4.new_notebook(cells=[note], metadata=copy.deepcopy(solution.metadata))
    results = []
    for cell in solution.cells:
        if is_graded(cell):
            shown = _copied(cell)
            shown.source = ""
            if shown.cell_type == "code":
                shown.outputs = [failure("NotGraded", reason)]
            notebook.cells.append(shown)
            points = float(marks(cell)["points"])
            results.append(CellResult(marks(cell)["grade_id"], 0.0, points, reason))
    return Outcome(notebook, results, [reason, *(flags or [])])


def failure(name: str, text: str, lines: list[str] | None = None) -> NotebookNode:
    """Return the output of a check that failed."""
    traceback = lines or [f"{name}: {text}"]
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=traceback)
