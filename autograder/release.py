"""From solutions/ to course/, and into a class's gradebook, through nbgrader."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder import gradebook
from autograder.course import Assignment, ClassFolder, UserError, read_notebook


def generated(assignment: Assignment) -> NotebookNode:
    """Return the students' notebook that nbgrader makes of the solution, without keeping it.

    Raises:
        UserError: If the notebook was not built, or nbgrader refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = ClassFolder(Path(folder, "class"), assignment.root)
        target = Path(folder, "course")
        _generate(assignment, scratch, target, no_database=True)
        return nbformat.read(target / assignment.name / assignment.release.name, as_version=4)


def release(assignment: Assignment) -> None:
    """Write the students' notebook of an assignment into ``course/``.

    Raises:
        UserError: If the notebook was not built, or nbgrader refuses it.
    """
    notebook = generated(assignment)
    target = assignment.release
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".ipynb.tmp")
    nbformat.write(notebook, draft)
    draft.replace(target)


def register(assignment: Assignment, class_folder: ClassFolder) -> None:
    """Make a class's gradebook know an assignment as it is now.

    Raises:
        UserError: If the notebook was not built, nbgrader refuses it, or an exercise is gone to
            which a person gave points.
    """
    solution = read_notebook(assignment.solution)
    wanted = gradebook.cells_of(solution)
    class_folder.path.mkdir(parents=True, exist_ok=True)
    with Gradebook(class_folder.database, "descent") as book:
        try:
            notebook = book.find_notebook(assignment.notebook, assignment.name)
            known = gradebook.cells_known(notebook)
        except MissingEntry:
            known = None
        if known not in (None, wanted) and notebook.submissions:
            gradebook.follow(book, notebook, solution)
    if known != wanted:
        with tempfile.TemporaryDirectory() as folder:
            _generate(assignment, class_folder, Path(folder))


def feedback(assignment: Assignment, class_folder: ClassFolder, student: str = "*") -> None:
    """Write the feedback pages of an assignment, for all students or one.

    Raises:
        UserError: If nothing of it was graded.
    """
    if not any(class_folder.autograded.glob(f"{student}/{assignment.name}/*.ipynb")):
        raise UserError(
            f"nothing of {assignment.name} was graded in {class_folder.path}: "
            "run `autograder grade` first"
        )
    config = class_folder.config()
    config.CourseDirectory.assignment_id = assignment.name
    config.CourseDirectory.student_id = student
    _convert(GenerateFeedback, config)


def _generate(
    assignment: Assignment, class_folder: ClassFolder, target: Path, no_database: bool = False
) -> None:
    if not assignment.solution.exists():
        raise UserError(f"{assignment.solution} does not exist: run `autograder build`")
    config = class_folder.config()
    config.CourseDirectory.assignment_id = assignment.name
    config.CourseDirectory.release_directory = str(target)
    config.GenerateAssignment.no_database = no_database
    config.SaveCells.enabled = not no_database
    _convert(GenerateAssignment, config)


class _Kept(logging.Handler):
    """Keeps what nbgrader logs, so that it can be told in one sentence."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += record.getMessage().strip().splitlines()

    def reason(self, error: Exception) -> str:
        """Return the last line of the last traceback, which nbgrader's own error only points at."""
        for at, line in reversed(list(enumerate(self.lines))):
            if line.startswith("Traceback"):
                rest = (each for each in self.lines[at + 1 :] if each and not each[0].isspace())
                return next(rest, str(error))
        return str(error)


def _convert(converter: type, config: Config) -> None:
    config.CourseDirectory.root = config.CourseDirectory.root or str(Path.cwd())
    coursedir = CourseDirectory(config=config)
    kept = _Kept()
    log = logging.Logger("autograder.nbgrader", logging.ERROR)
    log.addHandler(kept)
    run = converter(coursedir=coursedir, config=config, log=log)
    run.force = True
    try:
        run.start()
    except NbGraderException as error:
        raise UserError(
            f"nbgrader could not convert {coursedir.assignment_id}: {kept.reason(error)}"
        ) from error
