"""Run one submission and say what it earned. Everything else here treats this as a black box."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.reader import NotJSONError
from nbgrader import utils
from nbgrader.preprocessors import Execute
from traitlets.config import Config

from autograder.course import is_answer, is_check, is_graded, marks
from autograder.needed import needed

MAX_BYTES = 20 * 2**20
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", re.DOTALL)
NO_RESPONSE = "no answer was given"


@dataclass(frozen=True)
class CellResult:
    """What one graded cell came to.

    Attributes:
        grade_id: The cell.
        score: Points earned; None if a person has to grade it.
        points: Points there were.
        reason: Why points were lost, in one line; empty if none were.
    """

    grade_id: str
    score: float | None
    points: float
    reason: str = ""


@dataclass
class Outcome:
    """What a submission came to.

    Attributes:
        notebook: The notebook as it ran, with outputs, for feedback.
        cells: One result for every graded cell of the solution notebook, in its order.
        flags: What an instructor should look at, such as a deleted cell.
        seconds: How long it took.
    """

    notebook: NotebookNode
    cells: list[CellResult]
    flags: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Unreadable(Exception):
    """A submission that holds no notebook to run; the message says why."""


def run_submission(
    source: Path, submitted: Path, *, seed: str, config: Config | None = None
) -> Outcome:
    """Run a submitted notebook and judge every graded cell of the solution.

    Args:
        source: The solution notebook; test cells and locked cells come from here.
        submitted: The folder that was handed in.
        seed: Seed of the hidden cases.
        config: nbgrader's configuration.

    Returns:
        The outcome. A submission that cannot be read is an outcome too: zeros, with the reason.
    """
    begun = time.perf_counter()
    solution = nbformat.read(source, as_version=4)
    try:
        handed_in = read_submission(submitted / source.name)
    except Unreadable as error:
        return zeros(solution, str(error))
    notebook, flags = merge(solution, handed_in)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        shutil.copytree(submitted, work, symlinks=True)
        _execute(solution, notebook, work, seed, config or Config())
    cells = judge(solution, notebook)
    hide_tests(notebook)
    return Outcome(notebook, cells, flags, time.perf_counter() - begun)


def read_submission(path: Path) -> NotebookNode:
    """Read a submitted notebook.

    Raises:
        Unreadable: If there is none, or it is too large, or no notebook.
    """
    if path.is_symlink() or not path.is_file():
        others = sorted(p.name for p in path.parent.glob("*.ipynb"))[:3]
        found = f" (found {', '.join(others)})" if others else ""
        raise Unreadable(f"no notebook named {path.name} was handed in{found}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Unreadable(
            f"{path.name} has {size / 2**20:.0f} MB; the limit is {MAX_BYTES / 2**20:.0f}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path.name} is not UTF-8 text") from error
    if not text.strip():
        raise Unreadable(f"{path.name} is empty")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what nbformat mends by itself
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
    except NotJSONError as error:
        raise Unreadable(f"{path.name} is not JSON; perhaps it was cut short") from error
    except Exception as error:  # nbformat raises whatever a damaged file makes it stumble over
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise Unreadable(f"{path.name} is not a valid notebook: {first[0][:200]}") from error
    return notebook


def zeros(solution: NotebookNode, reason: str) -> Outcome:
    """Return the outcome of a submission that earned nothing as a whole."""
    note = nbformat.v4.new_markdown_cell(f"**Not graded: {reason}.**", id="not-graded")
    notebook = nbformat.v4.new_notebook(cells=[note], metadata=dict(solution.metadata))
    for cell in solution.cells:
        if is_graded(cell):
            shown = nbformat.from_dict(cell)
            shown.source = ""
            if shown.cell_type == "code":
                shown.outputs, shown.execution_count = [], None
            notebook.cells.append(shown)
    cells = [
        CellResult(marks(cell)["grade_id"], 0.0, float(marks(cell)["points"]), reason)
        for cell in solution.cells
        if is_graded(cell)
    ]
    return Outcome(notebook, cells, [reason])


def merge(solution: NotebookNode, handed_in: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """Lay a student's answers into the instructor's notebook.

    Cells are matched by ``grade_id``. Test and locked cells are the instructor's, whatever the
    student did to theirs; cells without a ``grade_id`` are the student's, where they stand.

    Returns:
        The notebook to run, without outputs, and what to tell the instructor.
    """
    wanted = {marks(cell)["grade_id"]: cell for cell in solution.cells if marks(cell)}
    flags, seen, cells = [], set(), []
    for cell in handed_in.cells:
        name = marks(cell).get("grade_id") if isinstance(marks(cell), dict) else None
        if name is None or name not in wanted:
            cell.metadata.pop("nbgrader", None)
            cells.append(cell)
            continue
        if name in seen:
            flags.append(f"cell {name} stands there twice; the first one counts")
            cell.metadata.pop("nbgrader", None)
            cells.append(cell)
            continue
        seen.add(name)
        original = wanted[name]
        taken = nbformat.from_dict(original)
        if is_answer(original):
            if cell.cell_type != original.cell_type:
                flags.append(f"cell {name} was made a {cell.cell_type} cell")
            taken.source = cell.source
        cells.append(taken)
    order = list(wanted)
    for name in order:
        if name in seen:
            continue
        kind = (
            "check" if is_check(wanted[name]) else "answer" if is_answer(wanted[name]) else "locked"
        )
        flags.append(f"{kind} cell {name} was deleted")
        taken = nbformat.from_dict(wanted[name])
        if is_answer(taken):
            taken.source = ""
        before = set(order[: order.index(name)])
        at = 0
        for index, cell in enumerate(cells):
            if marks(cell).get("grade_id") in before:
                at = index + 1
        cells.insert(at, taken)
    for index, cell in enumerate(cells):
        cell.id = marks(cell).get("grade_id", f"cell-{index:03}")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.v4.new_notebook(cells=cells, metadata=dict(solution.metadata)), flags


def _execute(
    solution: NotebookNode, notebook: NotebookNode, folder: Path, seed: str, config: Config
) -> None:
    """Run the cells that matter in one kernel, going on after errors, as nbgrader does."""
    runs = [
        cell for cell, run in zip(notebook.cells, needed(solution, notebook), strict=True) if run
    ]
    step = Execute(config=config)
    resources = {"metadata": {"path": str(folder)}}
    with utils.setenv(DESCENT_SEED=seed, OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", "1")):
        part = nbformat.v4.new_notebook(cells=runs, metadata=notebook.metadata)
        executed, _ = step.preprocess(part, resources)
    done = {cell.id: cell for cell in executed.cells}
    notebook.cells = [done.get(cell.id, cell) for cell in notebook.cells]


def judge(solution: NotebookNode, notebook: NotebookNode) -> list[CellResult]:
    """Read the results of all graded cells off an executed notebook."""
    ran = {marks(cell)["grade_id"]: cell for cell in notebook.cells if marks(cell)}
    results = []
    for cell in solution.cells:
        if not is_graded(cell):
            continue
        name, points = marks(cell)["grade_id"], float(marks(cell)["points"])
        if is_answer(cell):
            results.append(_manual(cell, ran[name], points))
            continue
        # A warning is no mistake; nbgrader takes anything on stderr for one.
        cell.outputs = [o for o in ran[name].outputs if o.get("name") != "stderr"]
        score, _ = utils.determine_grade(cell)
        reason = "" if score >= points else reason_of(ran[name].outputs)
        results.append(CellResult(name, score, points, reason))
    return results


def hide_tests(notebook: NotebookNode) -> None:
    """Take hidden tests out of a notebook that a student will see, and out of its tracebacks."""
    for cell in notebook.cells:
        if not is_check(cell):
            continue
        cell.source = HIDDEN.sub("# The hidden cases ran here.\n", cell.source)
        for output in cell.outputs:
            if output.output_type == "error" and output.ename != "CheckFailed":
                output.traceback = [f"{output.ename}: {output.evalue}"]


def _manual(cell: NotebookNode, answer: NotebookNode, points: float) -> CellResult:
    text = answer.source.strip()
    if not text or text.startswith("*Your answer here"):
        return CellResult(marks(cell)["grade_id"], 0.0, points, NO_RESPONSE)
    return CellResult(marks(cell)["grade_id"], None, points)


def reason_of(outputs: Sequence[NotebookNode]) -> str:
    """Return why a check failed, in one line: the first line of its error."""
    for output in outputs:
        if output.output_type == "error":
            first = output.evalue.strip().split("\n")[0]
            if output.ename == "CheckFailed":
                return first
            if output.ename in ("KeyboardInterrupt", "CellTimeoutError"):
                return "did not end in time and was stopped"
            return f"{output.ename}: {first}" if first else output.ename
    return "earned part of the points"
