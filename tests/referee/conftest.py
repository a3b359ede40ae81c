"""A small course that the referee judges in milliseconds."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.referee.doctor import missing
from autograder.referee.engine import Engine
from autograder.referee.limits import Limits, MiB

SEED = "seed-of-the-class"
LIMITS = Limits(
    cell_seconds=2,
    check_seconds=1,
    notebook_seconds=30,
    memory=300 * MiB,
    processes=24,
    disk_bytes=16 * MiB,
    message_bytes=4 * MiB,
    notebook_bytes=MiB,
)


def marked(source, grade_id, kind="code", **marks):
    """Return a cell with nbgrader's metadata."""
    cell = new_code_cell(source) if kind == "code" else new_markdown_cell(source)
    defaults = {"grade": False, "solution": False, "locked": False, "task": False}
    cell.metadata.nbgrader = {
        **defaults,
        "schema_version": 3,
        "cell_type": kind,
        "grade_id": grade_id,
        **marks,
    }
    cell.id = grade_id
    return cell


@pytest.fixture(scope="session")
def engine():
    """One engine for all tests, walled in where that is possible."""
    with Engine(LIMITS, sandboxed=not missing()) as engine:
        yield engine


@pytest.fixture
def judge(engine, tmp_path):
    """Judge answers by checks; return the outcome.

    ``checks`` maps a function's name to its test cell and ``answers`` to what was handed in.
    """

    def run(
        checks,
        answers,
        *,
        setup="import math\nimport torch",
        edit=None,
        files=None,
        text=None,
        forbids=(),
    ):
        cells = [marked(setup, "setup", locked=True)]
        for name, check in checks.items():
            cells.append(marked(f"def {name}(): ...", name, solution=True))
            cells.append(marked(check, f"{name}-check", grade=True, locked=True, points=2))
            cells[-1].metadata.forbids = list(forbids)
        cells.append(marked("*Why?*", "essay", "markdown", grade=True, solution=True, points=1))
        solution = new_notebook(cells=cells)
        (tmp_path / "solution").mkdir(exist_ok=True)
        nbformat.write(solution, tmp_path / "solution" / "toy.ipynb")
        handed_in = nbformat.from_dict(solution)
        for cell in handed_in.cells:
            if cell.id in answers:
                cell.source = answers[cell.id]
        if edit:
            edit(handed_in)
        folder = tmp_path / "submitted"
        folder.mkdir(exist_ok=True)
        (folder / "toy.ipynb").write_text(json.dumps(handed_in) if text is None else text)
        for name, content in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return engine.grade(tmp_path / "solution" / "toy.ipynb", folder, seed=SEED)

    return run


@pytest.fixture
def one(judge):
    """Judge one function ``f`` by one check; return its result and the outcome."""

    def run(check, answer, **more):
        outcome = judge({"f": check}, {"f": answer}, **more)
        return outcome.cells[0], outcome

    return run
