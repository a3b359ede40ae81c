"""nbgrader's own commands, called plainly from the project's folder, work on the same files."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.course import is_answer
from autograder.release import register


@pytest.fixture
def nbgrader(toy, classroom):
    """Run an nbgrader command in the course's folder."""

    def run(*arguments: str) -> str:
        # The command itself: a deprecated import in it is not ours to fail on.
        done = subprocess.run(
            [Path(sys.executable).with_name("nbgrader"), *arguments],
            cwd=toy.root,
            env={**os.environ, "DESCENT_CLASS": str(classroom.path), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


@pytest.mark.slow
def test_autograde_feedback_and_export(toy, classroom, nbgrader):
    notebook = nbformat.read(toy.release, as_version=4)
    for cell in notebook.cells:
        if is_answer(cell) and cell.cell_type == "code":
            cell.source = f"def {cell.id}(x):\n    return x * x"
    folder = classroom.submitted / "ann" / toy.name
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / "toy.ipynb")
    register(toy, classroom)

    nbgrader("autograde", toy.name)
    with Gradebook(classroom.database, "descent") as book:
        submission = book.find_submission(toy.name, "ann")
        assert submission.score == 3.0
        assert submission.max_score == 6.0
    nbgrader("generate_feedback", toy.name)
    assert (classroom.path / "feedback" / "ann" / toy.name / "toy.html").exists()
    nbgrader("export", "--to", str(classroom.path / "grades.csv"))
    assert "ann" in (classroom.path / "grades.csv").read_text()
