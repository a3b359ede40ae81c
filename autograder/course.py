"""Where things are: the course's assignments, and the folders of a class."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config, PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[1]


class UserError(Exception):
    """Something the user can mend; the message says what and how."""


@dataclass(frozen=True)
class Assignment:
    """One notebook of the course.

    Attributes:
        name: The assignment's name, such as ``"03-momentum"``.
        root: The project's folder.
    """

    name: str
    root: Path

    @property
    def notebook(self) -> str:
        """The notebook's name: the assignment's, without the number."""
        return self.name.split("-", 1)[1]

    @property
    def script(self) -> Path:
        """The percent script: the truth."""
        return self.root / "solutions" / self.name / f"{self.notebook}.py"

    @property
    def solution(self) -> Path:
        """The notebook built from the script."""
        return self.script.with_suffix(".ipynb")

    @property
    def release(self) -> Path:
        """The notebook that students get."""
        return self.root / "course" / self.name / f"{self.notebook}.ipynb"


def assignments(root: Path = ROOT, names: Sequence[str] = ()) -> list[Assignment]:
    """Return the assignments named, or all there are, in their order.

    Args:
        root: The project's folder.
        names: Names of assignments, with or without their number; none means all.

    Raises:
        UserError: If one does not exist, or there are none.
    """
    folders = sorted(path for path in (root / "solutions").glob("[0-9][0-9]-*") if path.is_dir())
    found = [Assignment(folder.name, root) for folder in folders]
    if not found:
        raise UserError(
            f"no assignments in {root / 'solutions'}: expected folders like 03-momentum"
        )
    if not names:
        return found
    known = {key: each for each in found for key in (each.name, each.notebook)}
    for name in names:
        if name not in known:
            raise UserError(
                f"no assignment {name!r}; there are: {', '.join(each.name for each in found)}"
            )
    return [each for each in found if each in {known[name] for name in names}]


@dataclass(frozen=True)
class ClassFolder:
    """A class at work: what was handed in, its grades and its feedback.

    Attributes:
        path: The folder.
        root: The project's folder.
    """

    path: Path
    root: Path = ROOT

    @property
    def database(self) -> str:
        """The gradebook's URL."""
        return f"sqlite:///{self.path / 'gradebook.db'}"

    @property
    def submitted(self) -> Path:
        """What students handed in: ``submitted/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb``."""
        return self.path / "submitted"

    @property
    def autograded(self) -> Path:
        """The graded notebooks."""
        return self.path / "autograded"

    @cached_property
    def seed(self) -> str:
        """The seed of the class's hidden cases, drawn once and kept: a regrade is the same."""
        file = self.path / "seed"
        if not file.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            draft = self.path / f".seed-{os.getpid()}"
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(16) + "\n")
            draft.replace(file)
        return file.read_text().strip()

    def students(self, assignment: Assignment) -> list[str]:
        """Return who handed in a folder for an assignment, sorted."""
        if not self.submitted.is_dir():
            return []
        return sorted(
            path.name
            for path in self.submitted.iterdir()
            if not path.is_symlink() and (path / assignment.name).is_dir()
        )

    def config(self) -> Config:
        """Return nbgrader's configuration for this class, from ``nbgrader_config.py``."""
        file = self.root / "nbgrader_config.py"
        before = os.environ.get("DESCENT_CLASS")
        os.environ["DESCENT_CLASS"] = str(self.path)
        try:
            return PyFileConfigLoader(file.name, path=str(file.parent)).load_config()
        finally:
            if before is None:
                del os.environ["DESCENT_CLASS"]
            else:
                os.environ["DESCENT_CLASS"] = before


def read_notebook(path: Path) -> NotebookNode:
    """Read a notebook of the course.

    Raises:
        UserError: If it does not exist.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist: run `autograder build` and `autograder release`")
    return nbformat.read(path, as_version=4)


def marks(cell: NotebookNode) -> dict:
    """Return a cell's nbgrader metadata, empty if it has none."""
    return cell.metadata.get("nbgrader", {})


def is_answer(cell: NotebookNode) -> bool:
    """Say whether a student writes this cell."""
    return bool(marks(cell).get("solution"))


def is_check(cell: NotebookNode) -> bool:
    """Say whether this cell gives points by running."""
    return bool(marks(cell).get("grade")) and not is_answer(cell)


def is_graded(cell: NotebookNode) -> bool:
    """Say whether this cell gives points, by running or by a person."""
    return bool(marks(cell).get("grade"))
