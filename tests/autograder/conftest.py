"""A small course of two toy exercises, quick enough to be graded in every test."""

import shutil
from pathlib import Path

import nbformat
import pytest

from autograder import build, release
from autograder.course import ROOT, Assignment, ClassFolder

SCRIPT = '''# ---
# jupyter:
#   descent:
#     title: Toy
#     points: 6
#     minutes: 5
# ---

# %% [markdown]
# # A toy

# %% nbgrader={"grade_id": "setup", "locked": true}
import math

# %% nbgrader={"grade_id": "double", "solution": true}
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x  # the doubled value
    ### END SOLUTION


# %% nbgrader={"grade_id": "double-check", "grade": true, "points": 2}
assert double(2) == 4, "double: 2 must become 4"
### BEGIN HIDDEN TESTS
assert double(math.pi) == 2 * math.pi, "double: wrong for another number"
### END HIDDEN TESTS

# %%
demonstration = [double(x) for x in range(3)]
print(demonstration)

# %% nbgrader={"grade_id": "square", "solution": true}
def square(x):
    """The square of x."""
    ### BEGIN SOLUTION
    return x * x  # the squared value
    ### END SOLUTION


# %% nbgrader={"grade_id": "square-check", "grade": true, "points": 3}
assert square(3) == 9, "square: 3 must become 9"
### BEGIN HIDDEN TESTS
assert square(-4) == 16, "square: wrong for a negative number"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade_id": "essay", "grade": true, "solution": true, "points": 1}
# **Model answer.** Because a product with itself has no sign.
'''


def write_course(root: Path, script: str = SCRIPT) -> Assignment:
    """Write a course with one assignment into a folder."""
    folder = root / "solutions" / "01-toy"
    folder.mkdir(parents=True)
    (folder / "toy.py").write_text(script)
    config = root / "nbgrader_config.py"
    config.write_text((ROOT / "nbgrader_config.py").read_text())
    return Assignment("01-toy", root)


@pytest.fixture
def write(tmp_path):
    """Write the toy course into an empty folder, with one text of its script replaced."""

    def write_changed(old: str = "", new: str = "") -> Assignment:
        assert old in SCRIPT
        return write_course(tmp_path, SCRIPT.replace(old, new) if old else SCRIPT)

    return write_changed


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Assignment:
    """The toy assignment, built and released. Tests must not change it."""
    assignment = write_course(tmp_path_factory.mktemp("course"))
    build.build(assignment)
    release.release(assignment)
    return assignment


@pytest.fixture
def copy(tmp_path, toy) -> Assignment:
    """A copy of the built toy course, to be spoiled."""
    root = Path(shutil.copytree(toy.root, tmp_path / "copy"))
    return Assignment(toy.name, root)


@pytest.fixture
def rewrite(copy):
    """Change a text in the copy's script and built notebook, as a rebuild would, unexecuted."""

    def change(old: str, new: str) -> None:
        script = copy.script.read_text()
        assert old in script
        copy.script.write_text(script.replace(old, new))
        notebook = build.from_script(copy.script)
        for number, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
            cell.execution_count = number
        nbformat.write(notebook, copy.solution)

    return change


@pytest.fixture
def classroom(tmp_path, toy) -> ClassFolder:
    """An empty class of the toy course."""
    return ClassFolder(tmp_path / "classroom", toy.root)
