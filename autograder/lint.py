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

import nbformat
from nbformat import NotebookNode

from autograder.build import from_script, is_executed, source_view
from autograder.course import Assignment, UserError, is_answer, is_check, is_graded, marks
from autograder.needed import is_reference

MARKERS = (
    "BEGIN SOLUTION",
    "END SOLUTION",
    "BEGIN HIDDEN TESTS",
    "END HIDDEN TESTS",
    "hidden=True",
)
REFERENCE = ("lib.rules", "lib.optim", "lib.exercises")


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
    try:
        script = from_script(assignment.script)
    except UserError as error:
        yield Complaint(name, str(error), f"edit {assignment.script.name}")
        return
    yield from _metadata(assignment, script)
    build, release = f"autograder build {name}", f"autograder release {name}"
    for path, command in ((assignment.solution, build), (assignment.release, release)):
        if not path.exists():
            yield Complaint(name, f"{path.relative_to(assignment.root)} is missing", command)
            return
    solution = nbformat.read(assignment.solution, as_version=4)
    released = nbformat.read(assignment.release, as_version=4)
    if source_view(solution) != source_view(script):
        yield Complaint(name, "the solution notebook is not what its script builds", build)
    if not is_executed(solution):
        yield Complaint(name, "not every cell of the solution was executed in order", build)
    for cell in solution.cells:
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            yield Complaint(f"{name}: {cell.id}", "the solution's own cell fails", build)
    yield from _leaks(assignment, solution, released)
    yield from _exercises(assignment, solution, released)


def _metadata(assignment: Assignment, script: NotebookNode) -> Iterator[Complaint]:
    edit = f"edit {assignment.script.name}"
    total = sum(marks(cell)["points"] for cell in script.cells if is_graded(cell))
    declared = script.metadata["descent"]["points"]
    if total != declared:
        yield Complaint(
            assignment.name, f"its cells give {total:g} points, its header says {declared}", edit
        )
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
        for module in sorted(imported(cell.source) & set(REFERENCE)):
            yield Complaint(
                where, f'uses {module} but is not tagged "reference": a grader hides it', edit
            )


def imported(source: str) -> set[str]:
    """Return the modules a cell imports, and those it takes from a package, by full name.

    >>> sorted(imported("from lib import rules, data"))
    ['lib', 'lib.data', 'lib.rules']
    """
    found = set()
    for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _leaks(
    assignment: Assignment, solution: NotebookNode, released: NotebookNode
) -> Iterator[Complaint]:
    """Find what a student must not see, and what a release lost on the way."""
    again = f"autograder release {assignment.name}"
    folder = assignment.release.parent
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != assignment.release:
            where = str(path.relative_to(assignment.root))
            yield Complaint(where, "a stray file in the release", f"rm {where}")
    if "jupytext" in released.metadata:
        yield Complaint(assignment.name, "jupytext metadata in the release", again)
    text = json.dumps(released, ensure_ascii=False)
    for marker in MARKERS:
        if marker in text:
            yield Complaint(assignment.name, f"{marker!r} stands in the release", again)
    for cell in solution.cells:
        for body in _secrets(cell):
            if any(body in each.source for each in released.cells):
                yield Complaint(
                    f"{assignment.name}: {cell.id}", "its solution stands in the release", again
                )
    stripped = [(cell.id, cell.source) for cell in solution.cells if not marks(cell)]
    if stripped != [(cell.id, cell.source) for cell in released.cells if not marks(cell)]:
        yield Complaint(assignment.name, "the release is not made from this solution", again)
    for cell in released.cells:
        if cell.get("outputs"):
            yield Complaint(f"{assignment.name}: {cell.id}", "has outputs in the release", again)


def _secrets(cell: NotebookNode) -> list[str]:
    """Return the texts of a cell that only instructors may see."""
    if cell.cell_type == "markdown":
        return [cell.source] if is_answer(cell) else []
    found = re.findall(r"### BEGIN SOLUTION\n(.*?)\n\s*### END SOLUTION", cell.source, re.DOTALL)
    return [body.strip() for body in found if len(body.strip()) > 20]


def _exercises(
    assignment: Assignment, solution: NotebookNode, released: NotebookNode
) -> Iterator[Complaint]:
    """Run the checks against stubs and against solutions, without the rest of the lesson."""
    edit = f"edit {assignment.script.name}"
    stubs = {marks(cell).get("grade_id"): cell.source for cell in released.cells if is_answer(cell)}
    for passes, answers in ((True, {}), (False, stubs)):
        cells = [
            (cell.id, answers.get(cell.id, cell.source), is_check(cell))
            for cell in solution.cells
            if cell.cell_type == "code" and marks(cell) and not is_reference(cell)
        ]
        for cell_id, passed in _run_checks(cells, assignment).items():
            if passed and not passes:
                yield Complaint(
                    f"{assignment.name}: {cell_id}", "passes although nothing is solved", edit
                )
            if passes and not passed:
                yield Complaint(f"{assignment.name}: {cell_id}", "its own solution fails", edit)


_RUNNER = """
import json, sys
namespace, passed = {"__name__": "__main__"}, {}
for name, source, check in json.load(sys.stdin):
    try:
        exec(compile(source, name, "exec"), namespace)
        ok = True
    except Exception:
        ok = False
    if check:
        passed[name] = ok
print("\\n" + json.dumps(passed))
"""


def _run_checks(cells: list[tuple[str, str, bool]], assignment: Assignment) -> dict[str, bool]:
    """Run cells in a fresh process and say which checks passed."""
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        cwd=assignment.root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    if done.returncode:
        raise UserError(f"the checks of {assignment.name} could not be run:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
