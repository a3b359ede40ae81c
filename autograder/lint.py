"""Check the course as a product: what must hold of every notebook before a student sees it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from autograder.build import from_script, is_executed, source_view
from autograder.course import (
    ROOT,
    Assignment,
    UserError,
    assignments,
    is_answer,
    is_check,
    is_graded,
    marks,
)
from autograder.gradebook import exercise_of
from autograder.needed import is_reference, names
from autograder.release import generated

MARKERS = (
    "BEGIN SOLUTION",
    "END SOLUTION",
    "BEGIN HIDDEN TESTS",
    "END HIDDEN TESTS",
    "hidden=True",
)
REFERENCE = ("lib.rules", "lib.optim", "lib.exercises")
CHECKS_TIMEOUT = 600


@dataclass(frozen=True)
class Complaint:
    """Something to mend.

    Attributes:
        where: The notebook, and the cell if it is one cell.
        what: What is wrong.
        mend: The command or the edit that mends it.
    """

    where: str
    what: str
    mend: str


def lint(assignment: Assignment) -> Iterator[Complaint]:
    """Yield all complaints about an assignment."""
    name = assignment.name
    edit = f"edit {assignment.script.name}"
    try:
        script = from_script(assignment.script)
    except UserError as error:
        yield Complaint(name, str(error), edit)
        return
    unparsed = list(_unparsed(assignment, script))
    if unparsed:
        yield from unparsed
        return
    yield from _metadata(assignment, script)
    build, release = f"autograder build {name}", f"autograder release {name}"
    for path, command in ((assignment.solution, build), (assignment.release, release)):
        if not path.exists():
            yield Complaint(name, f"{path.relative_to(assignment.root)} is missing", command)
            return
    solution = nbformat.read(assignment.solution, as_version=4)
    released = nbformat.read(assignment.release, as_version=4)
    cell_id = first_difference(solution, script)
    if cell_id:
        what = "the solution notebook is not what its script builds"
        yield Complaint(f"{name}: {cell_id}", what, build)
    if not is_executed(solution):
        yield Complaint(name, "not every cell of the solution was executed in order", build)
    for cell in solution.cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            yield Complaint(f"{name}: {cell.id}", "the solution's own cell fails", build)
    cell_id = first_difference(released, generated(assignment))
    if cell_id:
        what = "the release is not made from this solution"
        yield Complaint(f"{name}: {cell_id}", what, release)
    yield from _leaks(assignment, solution, released)
    yield from _exercises(assignment, solution, released)


def strays(root: Path = ROOT) -> Iterator[Complaint]:
    """Yield what lies in ``course/`` and belongs to no assignment."""
    known = {each.name for each in assignments(root)}
    for path in sorted((root / "course").glob("*")):
        if path.name not in known and path.name != ".ipynb_checkpoints":
            where = str(path.relative_to(root))
            yield Complaint(where, "belongs to no assignment of solutions/", f"rm -r {where}")


def first_difference(found: NotebookNode, wanted: NotebookNode) -> str | None:
    """Return the first cell in which two notebooks differ in what a build determines.

    Returns:
        Its id, or ``"metadata"`` if it is the notebook's own; None if there is no difference.
    """
    (found_about, *found_cells), (about, *cells) = source_view(found), source_view(wanted)
    for ours, theirs in zip_longest(found_cells, cells):
        if ours != theirs:
            return (theirs or ours)[1]
    return None if found_about == about else "metadata"


def _unparsed(assignment: Assignment, script: NotebookNode) -> Iterator[Complaint]:
    for cell in script.cells:
        if cell.cell_type == "code":
            try:
                ast.parse(python(cell.source))
            except SyntaxError as error:
                yield Complaint(
                    f"{assignment.name}: {cell.id}",
                    f"is not Python: {error.msg}, line {error.lineno} of the cell",
                    f"edit {assignment.script.name}",
                )


def _metadata(assignment: Assignment, script: NotebookNode) -> Iterator[Complaint]:
    edit = f"edit {assignment.script.name}"
    total = sum(marks(cell)["points"] for cell in script.cells if is_graded(cell))
    declared = script.metadata["descent"]["points"]
    if total != declared:
        yield Complaint(
            assignment.name, f"its cells give {total:g} points, its header says {declared}", edit
        )
    shown, own = {}, set()
    for cell in script.cells:
        if cell.cell_type == "code":
            if is_reference(cell):
                shown.update(dict.fromkeys(names(cell.source)[0], cell.id))
            else:
                own |= names(cell.source)[0]
    for cell in script.cells:
        where = f"{assignment.name}: {cell.id}"
        if cell.cell_type != "code" or is_reference(cell):
            if is_reference(cell) and not marks(cell).get("locked"):
                yield Complaint(where, "a reference cell must be locked", edit)
            continue
        if is_answer(cell) and "### BEGIN SOLUTION" not in cell.source:
            yield Complaint(where, "an answer cell without ### BEGIN SOLUTION", edit)
        if is_check(cell) and "### BEGIN HIDDEN TESTS" not in cell.source:
            yield Complaint(where, "a check without hidden tests", edit)
        for module in reference_used(cell.source):
            yield Complaint(
                where, f'uses {module} but is not tagged "reference": a grader hides it', edit
            )
        for name in sorted(names(cell.source)[1] & (set(shown) - own)):
            what = f"uses {name} of the reference cell {shown[name]}, which a grader does not run"
            yield Complaint(where, what, edit)


def python(source: str) -> str:
    r"""Return a cell as plain Python: magics become calls.

    >>> python("%matplotlib inline\nx = 1").splitlines()
    ["get_ipython().run_line_magic('matplotlib', 'inline')", 'x = 1']
    """
    # The body of a cell magic such as %%time is Python of its own.
    return TransformerManager().transform_cell(re.sub(r"\A\s*%%.*\n?", "", source))


def reference_used(source: str) -> list[str]:
    r"""Return the modules of the reference library that a cell takes or names.

    >>> reference_used("from lib import rules, data")
    ['lib.rules']
    >>> reference_used("import lib as course\nstep = course.optim.Adam")
    ['lib.optim']
    """
    tree = ast.parse(python(source))
    found, aliases = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            aliases.update({each.asname: each.name for each in node.names if each.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)  # importlib.import_module("lib.rules")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            found.add(f"{aliases.get(root, root)}.{rest}")
    return [
        module
        for module in REFERENCE
        if any(name == module or name.startswith(f"{module}.") for name in found)
    ]


def _leaks(
    assignment: Assignment, solution: NotebookNode, released: NotebookNode
) -> Iterator[Complaint]:
    """Find what a student must not see."""
    again = f"autograder release {assignment.name}"
    for path in sorted(assignment.release.parent.rglob("*")):
        stray = path.is_file() and path != assignment.release
        if stray and ".ipynb_checkpoints" not in path.parts:  # JupyterLab's; git ignores them
            where = str(path.relative_to(assignment.root))
            yield Complaint(where, "a stray file in the release", f"rm {where}")
    if "jupytext" in released.metadata:
        yield Complaint(assignment.name, "jupytext metadata in the release", again)
    for cell in released.cells:
        where = f"{assignment.name}: {cell.id}"
        text = json.dumps(cell, ensure_ascii=False)
        for marker in MARKERS:
            if marker in text:
                yield Complaint(where, f"{marker!r} stands in the release", again)
        if cell.get("outputs"):
            yield Complaint(where, "has outputs in the release", again)
    for cell in solution.cells:
        for what, body in _secrets(cell):
            for each in released.cells:
                if body in each.source:
                    where = f"{assignment.name}: {each.id}"
                    edit = f"edit {assignment.script.name}, or {again}"
                    yield Complaint(where, f"the {what} of {cell.id} stands in the release", edit)


def _secrets(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    """Yield the texts of a cell that only instructors may see."""
    if cell.cell_type == "markdown" and is_answer(cell):
        yield "model answer", cell.source
    for what in ("solution", "hidden tests"):
        begin, end = f"### BEGIN {what.upper()}", f"### END {what.upper()}"
        for body in re.findall(rf"{begin}\n(.*?)\n\s*{end}", cell.source, re.DOTALL):
            if len(body.strip()) > 20:  # a shorter one, such as "return w", stands anywhere
                yield what, body.strip()


def _exercises(
    assignment: Assignment, solution: NotebookNode, released: NotebookNode
) -> Iterator[Complaint]:
    """Run the checks: all with everything solved, then each as released, its exercise unsolved.

    The rest of the lesson does not run, so a check that needs more than locked cells fails here.
    """
    cells = [
        cell
        for cell in solution.cells
        if cell.cell_type == "code" and marks(cell) and not is_reference(cell)
    ]
    stubs = {cell.id: cell.source for cell in released.cells if is_answer(cell)}
    public = {cell.id: cell.source for cell in released.cells if is_check(cell)}
    checks = [cell.id for cell in cells if is_check(cell) and cell.id in public]
    runs = [[(cell.id, cell.source, is_check(cell)) for cell in cells]]
    for check in checks:
        # A check that names no answer is one of all of them.
        unsolved = {exercise_of(check)} & set(stubs) or set(stubs)
        sources = {name: stubs[name] for name in unsolved} | {check: public[check]}
        runs.append(
            [
                (cell.id, sources.get(cell.id, cell.source), is_check(cell))
                for cell in cells
                if not is_check(cell) or cell.id == check
            ]
        )
    solved, *unsolved_runs = _run_checks(runs, assignment)
    edit = f"edit {assignment.script.name}"
    for check, passed in solved.items():
        if not passed:
            yield Complaint(f"{assignment.name}: {check}", "its own solution fails", edit)
    for check, results in zip(checks, unsolved_runs, strict=True):
        if results[check]:
            what = "passes although nothing is solved"
            yield Complaint(f"{assignment.name}: {check}", what, edit)


_RUNNER = """
import json, sys
results = []
for cells in json.load(sys.stdin):
    namespace, passed = {"__name__": "__main__"}, {}
    for name, source, check in cells:
        try:
            exec(compile(source, name, "exec"), namespace)
            ok = True
        except BaseException:
            ok = False
        if check:
            passed[name] = ok
    results.append(passed)
print("\\n" + json.dumps(results))
"""


def _run_checks(
    runs: list[list[tuple[str, str, bool]]], assignment: Assignment
) -> list[dict[str, bool]]:
    """Run lists of cells in a process of their own, and say for each which checks passed."""
    plain = [[(name, python(source), check) for name, source, check in cells] for cells in runs]
    try:
        done = subprocess.run(
            [sys.executable, "-c", _RUNNER],
            input=json.dumps(plain),
            capture_output=True,
            text=True,
            cwd=assignment.root,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"},
            timeout=CHECKS_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"the checks of {assignment.name} did not end within {CHECKS_TIMEOUT} s"
        ) from error
    if done.returncode:
        raise UserError(f"the checks of {assignment.name} could not be run:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
