"""Keep results in nbgrader's gradebook, and read them back."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import (
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    SolutionCell,
    SourceCell,
)

from autograder.course import (
    Assignment,
    ClassFolder,
    UserError,
    is_answer,
    is_graded,
    marks,
    read_notebook,
)
from autograder.run import Outcome

# nbgrader adds a submission before its session knows it; harmless, and no reader's concern.
warnings.filterwarnings("ignore", message="Object of type <Submitted")


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


def cells_of(solution: NotebookNode) -> tuple[dict[str, float], set[str]]:
    """Return what a gradebook must know of a notebook: points by graded cell, and the answers."""
    graded = {
        marks(cell)["grade_id"]: float(marks(cell)["points"])
        for cell in solution.cells
        if is_graded(cell)
    }
    return graded, {marks(cell)["grade_id"] for cell in solution.cells if is_answer(cell)}


def cells_known(notebook: Notebook) -> tuple[dict[str, float], set[str]]:
    """Return what a gradebook does know of a notebook, as :func:`cells_of`."""
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    return graded, {cell.name for cell in notebook.solution_cells}


def follow(book: Gradebook, notebook: Notebook, solution: NotebookNode) -> None:
    """Add and remove a notebook's cells although there are submissions, which nbgrader refuses.

    An added exercise waits in every submission to be graded; a removed one takes its automatic
    scores with it. One transaction.

    Raises:
        UserError: If a removed exercise has a person's scores or comments.
    """
    cells = {
        marks(cell)["grade_id"]: cell
        for cell in solution.cells
        if is_graded(cell) or is_answer(cell) or marks(cell).get("locked")
    }
    graded, answers = cells_of(solution)
    gone_graded = [cell for cell in notebook.grade_cells if cell.name not in graded]
    gone_answers = [cell for cell in notebook.solution_cells if cell.name not in answers]
    entries = [grade for cell in gone_graded for grade in cell.grades]
    entries += [comment for cell in gone_answers for comment in cell.comments]
    by_hand = Counter(entry.cell.name for entry in entries if _by_hand(entry))
    if by_hand:
        found = ", ".join(f"{name} ({count})" for name, count in by_hand.items())
        raise UserError(
            f"{notebook.assignment.name}: cells are gone from the solution to which a person gave "
            f"points or comments: {found}; put them back under the same grade_id, or delete the "
            "assignment from the gradebook with `nbgrader db assignment remove`"
        )
    gone_sources = [cell for cell in notebook.source_cells if cell.name not in cells]
    for each in (*entries, *gone_graded, *gone_answers, *gone_sources):
        book.db.delete(each)
    known_graded, known_answers = cells_known(notebook)
    added: list[GradeCell | SolutionCell] = [
        GradeCell(
            name=name, notebook=notebook, max_score=points, cell_type=cells[name]["cell_type"]
        )
        for name, points in graded.items()
        if name not in known_graded
    ]
    added += [
        SolutionCell(name=name, notebook=notebook) for name in sorted(answers - known_answers)
    ]
    known_sources = {cell.name for cell in notebook.source_cells}
    sources = [
        SourceCell(name=name, notebook=notebook, cell_type=cell["cell_type"])
        for name, cell in cells.items()
        if name not in known_sources
    ]
    book.db.add_all([*added, *sources])
    book.db.flush()  # gives them their ids
    for submission in notebook.submissions:
        for cell in added:
            entry = Grade if isinstance(cell, GradeCell) else Comment
            book.db.add(entry(cell_id=cell.id, notebook=submission))
    book.db.commit()


def _by_hand(entry: Grade | Comment) -> bool:
    """Say whether a person gave this grade or comment."""
    if isinstance(entry, Grade):
        return entry.manual_score is not None or bool(entry.extra_credit)
    return bool(entry.manual_comment)


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
    """Read what the gradebook holds, by student, assignment and exercise.

    Raises:
        UserError: If the class has no gradebook.
    """
    if not (class_folder.path / "gradebook.db").is_file():
        raise UserError(
            f"nothing was graded in {class_folder.path}: run `autograder grade` first, or name a "
            "class with --class"
        )
    found = []
    with Gradebook(class_folder.database, "descent") as gradebook:
        for assignment in assignments:
            try:
                gradebook.find_notebook(assignment.notebook, assignment.name)
            except MissingEntry:
                continue
            solution = read_notebook(assignment.solution)
            order = {marks(cell).get("grade_id"): i for i, cell in enumerate(solution.cells)}
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
