"""On honest hand-ins every score is what stock ``nbgrader autograde`` gives."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from autograder.course import Assignment, is_answer, is_graded, marks
from autograder.demo import hand_ins
from autograder.referee.doctor import missing
from autograder.referee.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
MOMENTUM = Assignment("03-momentum", ROOT)
SEED = "the class's seed"
# Right, wrong, nothing solved, an exception. tests/benchmarks/grading.py compares the others, too.
STUDENTS = ("ada", "dora", "mika", "otto")
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "equal"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
"""


def short(notebook):
    """Leave out the lesson's own cells, which take most of the time, and the slowest exercise."""
    notebook.cells = [
        cell
        for cell in notebook.cells
        if marks(cell)
        and "reference" not in cell.metadata.get("tags", [])
        and not marks(cell)["grade_id"].startswith("basin-fraction")
    ]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def automatic(root):
    """Return the automatic scores by student and cell."""
    with sqlite3.connect(root / "gradebook.db") as book:
        rows = book.execute(
            "select submitted_assignment.student_id, base_cell.name, grade.auto_score from grade "
            "join submitted_notebook on grade.notebook_id = submitted_notebook.id "
            "join submitted_assignment on "
            "submitted_notebook.assignment_id = submitted_assignment.id "
            "join base_cell on grade.cell_id = base_cell.id"
        )
        return {(student, cell): score for student, cell, score in rows}


@pytest.mark.slow
@pytest.mark.skipif(not MOMENTUM.solution.exists(), reason="solutions/03-momentum is not built")
def test_scores_are_those_of_stock_nbgrader(tmp_path):
    solution = short(nbformat.read(MOMENTUM.solution, as_version=4))
    (tmp_path / "source" / "equal").mkdir(parents=True)
    nbformat.write(solution, tmp_path / "source" / "equal" / "momentum.ipynb")
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    about = {}
    for hand_in in hand_ins(MOMENTUM):
        if hand_in.student in STUDENTS:
            about[hand_in.student] = hand_in.about
            folder = tmp_path / "submitted" / hand_in.student / "equal"
            folder.mkdir(parents=True)
            notebook = short(nbformat.reads(hand_in.content, as_version=4))
            nbformat.write(notebook, folder / "momentum.ipynb")
    for command in ("generate_assignment", "autograde"):
        subprocess.run(
            [Path(sys.executable).with_name("nbgrader"), command, "equal"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "ignore",
                "OMP_NUM_THREADS": "1",
                "DESCENT_SEED": SEED,
            },
            check=True,
            capture_output=True,
            timeout=280,
        )
    stock = automatic(tmp_path)
    assert len({student for student, _ in stock}) == len(STUDENTS)

    manual = {marks(c)["grade_id"] for c in solution.cells if is_graded(c) and is_answer(c)}
    ours = {}
    with Engine(sandboxed=not missing()) as engine:
        for student in STUDENTS:
            outcome = engine.grade(
                tmp_path / "source" / "equal" / "momentum.ipynb",
                tmp_path / "submitted" / student / "equal",
                seed=SEED,
            )
            ours |= {(student, cell.grade_id): cell.score for cell in outcome.cells}
    # an essay left as released is nobody's to grade; nbgrader sees that by a checksum, which this
    # short course has not kept
    checks = {key: score for key, score in ours.items() if key[1] not in manual}
    assert checks == {key: score for key, score in stock.items() if key[1] not in manual}
    assert {score for key, score in checks.items() if key[0] == "mika"} == {0.0}
