"""From solutions/ to course/, and into a class's gradebook, through nbgrader."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder.course import Assignment, ClassFolder, UserError, is_graded, marks, read_notebook


def release(assignment: Assignment) -> None:
    """Write the students' notebook of an assignment into ``course/``.

    Raises:
        UserError: If the notebook was not built, or nbgrader refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = ClassFolder(Path(folder), assignment.root)
        _generate(assignment, scratch, assignment.root / "course")
    shutil.rmtree(assignment.release.parent / ".ipynb_checkpoints", ignore_errors=True)


def register(assignment: Assignment, class_folder: ClassFolder) -> None:
    """Make a class's gradebook know an assignment as it is now.

    Raises:
        UserError: If the notebook was not built, or nbgrader refuses it.
    """
    wanted = {
        marks(cell)["grade_id"]: float(marks(cell)["points"])
        for cell in read_notebook(assignment.solution).cells
        if is_graded(cell)
    }
    class_folder.path.mkdir(parents=True, exist_ok=True)
    with Gradebook(class_folder.database, "descent") as gradebook:
        try:
            notebook = gradebook.find_notebook(assignment.notebook, assignment.name)
            known = {cell.name: cell.max_score for cell in notebook.grade_cells}
        except MissingEntry:
            known = None
    if known != wanted:
        with tempfile.TemporaryDirectory() as folder:
            _generate(assignment, class_folder, Path(folder))


def feedback(assignment: Assignment, class_folder: ClassFolder, student: str = "*") -> None:
    """Write the feedback pages of an assignment, for all students or one."""
    config = class_folder.config()
    config.CourseDirectory.assignment_id = assignment.name
    config.CourseDirectory.student_id = student
    _convert(GenerateFeedback, config)


def _generate(assignment: Assignment, class_folder: ClassFolder, target: Path) -> None:
    if not assignment.solution.exists():
        raise UserError(f"{assignment.solution} does not exist: run `autograder build`")
    config = class_folder.config()
    config.CourseDirectory.assignment_id = assignment.name
    config.CourseDirectory.release_directory = str(target)
    _convert(GenerateAssignment, config)


def _convert(converter: type, config: Config) -> None:
    config.CourseDirectory.root = config.CourseDirectory.root or str(Path.cwd())
    coursedir = CourseDirectory(config=config)
    log = logging.getLogger("autograder.nbgrader")
    log.setLevel(logging.ERROR)  # below that, a line for every file
    run = converter(coursedir=coursedir, config=config, log=log)
    run.force = True
    try:
        run.start()
    except NbGraderException as error:
        raise UserError(f"nbgrader could not convert {coursedir.assignment_id}: {error}") from error
