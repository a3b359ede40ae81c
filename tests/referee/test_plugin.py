"""Plain ``nbgrader autograde`` judges with the referee and leaves nothing for granted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import gradebook
from autograder.course import Assignment, ClassFolder
from autograder.grade import grade_class
from autograder.referee.doctor import missing
from autograder.release import register

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.namespace,
    pytest.mark.skipif(bool(missing()), reason=f"no namespaces here: {missing()}"),
]


@pytest.mark.slow
def test_nbgrader_autograde_gives_the_referees_scores(tmp_path, judge, engine, monkeypatch):
    judge({"f": "assert f(3) == 6", "g": "assert g(3) == 9"}, {})
    root = tmp_path / "project"
    for name in ("solutions", "course"):
        (root / name / "01-toy").mkdir(parents=True)
        shutil.copy(tmp_path / "solution" / "toy.ipynb", root / name / "01-toy" / "toy.ipynb")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    folder = ClassFolder(root / "classroom", root)
    assignment = Assignment("01-toy", root)
    register(assignment, folder)

    def hand_in(student, f, text=None):
        notebook = nbformat.read(assignment.solution, as_version=4)
        for cell in notebook.cells:
            if cell.id == "f":
                cell.source = f
        place = folder.submitted / student / "01-toy"
        place.mkdir(parents=True, exist_ok=True)
        (place / "toy.ipynb").write_text(nbformat.writes(notebook) if text is None else text)

    hand_in("cheat", "import sys\nsys.displayhook('x')\ndef f(x): return x")
    hand_in("right", "def f(x): return 2 * x")
    hand_in("cut", "def f(x): return 2 * x")
    monkeypatch.setattr("autograder.grade.start", lambda *_: engine)
    monkeypatch.setattr("autograder.run.start", lambda *_: engine)
    list(grade_class(folder, [assignment], jobs=1))
    hand_in("cut", "", text='{"cells": [')  # it had two points before; now it is no notebook

    done = subprocess.run(
        [Path(sys.executable).with_name("nbgrader"), "autograde", "01-toy", "--force"],
        cwd=root,
        env={**os.environ, "DESCENT_CLASS": str(folder.path), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "'cut'" in done.stderr  # nbgrader says that it could not read it
    rows = {(row.student, row.exercise): row for row in gradebook.rows(folder, [assignment])}
    assert [rows[who, "f"].score for who in ("cheat", "right", "cut")] == [0, 2, 0]
    assert rows["cut", "f"].reason == "toy.ipynb is not JSON; perhaps it was cut short"
    graded = nbformat.read(folder.autograded / "right" / "01-toy" / "toy.ipynb", as_version=4)
    assert {cell.id for cell in graded.cells} >= {"f-check", "g-check"}
    with Gradebook(folder.database, "descent") as book:
        assert book.find_submission("01-toy", "cut").score == 0
    # the command line takes up from there; nbgrader has thrown away what it could not read
    again = list(grade_class(folder, [assignment], jobs=1))
    assert {each.student for each in again if each.fresh} == {"cut"}
