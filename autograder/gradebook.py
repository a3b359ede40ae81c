"""Keep results in nbgrader's gradebook, and read them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry

from autograder.course import Assignment, ClassFolder
from autograder.run import Outcome


@dataclass(frozen=True)
class Row:
    """What the gradebook holds of one exercise of one student.

    Attributes:
        student: The student.
        assignment: The assignment's name.
        exercise: The graded cell's ``grade_id``, without ``-check``.
        score: Points, a person's if there are any; None if a person has yet to grade.
        points: Points there were.
        reason: Why points were lost.
    """

    student: str
    assignment: str
    exercise: str
    score: float | None
    points: float
    reason: str


def exercise_of(grade_id: str) -> str:
    """Return the answer cell's ``grade_id`` that belongs to a graded cell.

    >>> exercise_of("momentum-step-check")
    'momentum-step'
    """
    return grade_id.removesuffix("-check")


def record(
    class_folder: ClassFolder,
    assignment: Assignment,
    student: str,
    outcome: Outcome,
    timestamp: datetime | None = None,
) -> None:
    """Write a submission's results: the graded notebook, then the gradebook in one transaction.

    Automatic scores and comments are replaced; what a person gave stays, and is marked to be
    looked at again, as nbgrader does.
    """
    _write_notebook(class_folder.autograded / student / assignment.name, assignment, outcome)
    results = {result.grade_id: result for result in outcome.cells}
    with Gradebook(class_folder.database, "descent") as gradebook:
        gradebook.update_or_create_student(student)
        submission = gradebook.update_or_create_submission(
            assignment.name, student, timestamp=timestamp
        )
        notebook = next(n for n in submission.notebooks if n.name == assignment.notebook)
        reasons: dict[str, str] = {}
        for grade in notebook.grades:
            result = results[grade.cell.name]
            grade.auto_score = result.score
            grade.needs_manual_grade = result.score is None or grade.manual_score is not None
            reasons[exercise_of(result.grade_id)] = result.reason
        for comment in notebook.comments:
            comment.auto_comment = reasons.get(comment.cell.name) or None
        gradebook.db.commit()


def _write_notebook(folder: Path, assignment: Assignment, outcome: Outcome) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{assignment.notebook}.ipynb"
    draft = folder / f".{assignment.notebook}.tmp"
    nbformat.write(outcome.notebook, draft)
    draft.replace(target)


def rows(
    class_folder: ClassFolder, assignments: Sequence[Assignment], student: str | None = None
) -> list[Row]:
    """Read what the gradebook holds, by student, assignment and exercise."""
    found = []
    with Gradebook(class_folder.database, "descent") as gradebook:
        for assignment in assignments:
            try:
                source = gradebook.find_notebook(assignment.notebook, assignment.name)
            except MissingEntry:
                continue
            order = {cell.name: i for i, cell in enumerate(source.source_cells)}
            for submission in gradebook.assignment_submissions(assignment.name):
                if student is not None and submission.student.id != student:
                    continue
                for notebook in submission.notebooks:
                    comments = {c.cell.name: c.auto_comment or "" for c in notebook.comments}
                    for grade in sorted(notebook.grades, key=lambda g: order.get(g.cell.name, 0)):
                        exercise = exercise_of(grade.cell.name)
                        found.append(
                            Row(
                                submission.student.id,
                                assignment.name,
                                exercise,
                                None if grade.needs_manual_grade else grade.score,
                                grade.max_score,
                                comments.get(exercise, ""),
                            )
                        )
    return sorted(found, key=lambda row: (row.assignment, row.student))
