"""A demo class: hand-ins whose grades are known before anyone grades them.

They are made from what the course itself declares: right answers in three styles, one known
mistake each, and the accidents that every class has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from autograder.course import (
    Assignment,
    ClassFolder,
    UserError,
    is_answer,
    is_graded,
    marks,
    read_notebook,
)
from autograder.demo import answers
from autograder.gradebook import exercise_of

MARKER = "made-by-autograder-demo"  # a class folder that holds this file may be made anew
MODEL_ESSAY = "Because the data of this notebook say so: see the figure above and exercise 2."


@dataclass(frozen=True)
class HandIn:
    """One student's hand-in.

    Attributes:
        student: Who.
        about: What is special about it.
        content: The file's text.
        expected: Points by exercise; None where a person has to grade.
        says: What the reason for a lost point must contain, by exercise.
        filename: The file's name.
    """

    student: str
    about: str
    content: str
    expected: dict[str, float | None]
    says: dict[str, str]
    filename: str


def hand_ins(assignment: Assignment) -> Iterator[HandIn]:
    """Yield the demo class's hand-ins for an assignment."""
    solution = read_notebook(assignment.solution)
    release = read_notebook(assignment.release)
    from lib.exercises import EXERCISES

    points = {
        exercise_of(marks(cell)["grade_id"]): float(marks(cell)["points"])
        for cell in solution.cells
        if is_graded(cell)
    }
    essays = [
        marks(cell)["grade_id"] for cell in solution.cells if is_graded(cell) and is_answer(cell)
    ]
    exercises = [e for e in EXERCISES.values() if e.notebook == assignment.notebook]
    exercises.sort(key=lambda e: list(points).index(e.grade_id))
    right = {
        marks(cell)["grade_id"]: cell.source
        for cell in solution.cells
        if is_answer(cell) and not is_graded(cell)
    }
    last = exercises[-1]

    def make(
        student, about, sources=None, lost=None, edit=None, text=None, filename=None
    ) -> HandIn:
        notebook = nbformat.from_dict(release)
        for cell in notebook.cells:
            name = marks(cell).get("grade_id")
            if name in right and sources is not None:
                cell.source = {**right, **sources}[name]
            elif name in essays and sources is not None:
                cell.source = MODEL_ESSAY
        if edit is not None:
            edit(notebook)
        lost = lost or {}
        expected = {
            name: 0.0 if name in lost else None if name in essays else worth
            for name, worth in points.items()
        }
        return HandIn(
            student,
            about,
            nbformat.writes(notebook) if text is None else text(nbformat.writes(notebook)),
            expected,
            lost,
            filename or f"{assignment.notebook}.ipynb",
        )

    everything = dict.fromkeys(points, "")
    yield make("ada", "all right, as in the solution", {})
    for student, style in zip(("bela", "chen"), answers.STYLES, strict=True):
        sources = {e.grade_id: answers.source(e, style) for e in exercises}
        yield make(student, f"all right, written {style}", sources)
    names = iter(("dora", "emil", "fatou", "goran", "hana", "ivan", "juno", "kofi", "lena"))
    for exercise, student in zip(exercises, names, strict=False):
        known = exercise.misconceptions[0]
        yield make(
            student,
            f"{exercise.name}: {known.says}",
            {exercise.grade_id: exercise.source(known.name)},
            {exercise.grade_id: known.says},
        )
    stubs = {**everything, **{e.grade_id: "not solved yet" for e in exercises}}
    stubs.update(dict.fromkeys(essays, "no answer was given"))
    yield make("mika", "nothing solved", None, stubs)
    head = f"def {last.name}({', '.join(last.parameters)})"
    yield make(
        "nour",
        "a syntax error",
        {last.grade_id: f"{head}\n    return 0\n"},
        {last.grade_id: "its cell stops with SyntaxError"},
    )
    yield make(
        "otto",
        "an exception",
        {last.grade_id: f"{head}:\n    return 1 / 0\n"},
        {last.grade_id: "ZeroDivisionError"},
    )
    yield make(
        "pia",
        "an endless loop",
        {last.grade_id: f"{head}:\n    while True:\n        pass\n"},
        {last.grade_id: "did not end"},
    )
    check = f"{exercises[0].grade_id}-check"
    yield make("quan", "a deleted check", {}, edit=_without(check))
    yield make("rosa", "warns, but is right", {}, edit=_warning(exercises[0].grade_id))
    yield make(
        "sven",
        "half a file",
        {},
        dict.fromkeys(points, "not JSON"),
        text=lambda whole: whole[: len(whole) // 2],
    )
    yield make(
        "tara",
        "a renamed file",
        {},
        dict.fromkeys(points, "no notebook named"),
        filename="final-version (2).ipynb",
    )


def _without(grade_id: str) -> Callable[[NotebookNode], None]:
    def edit(notebook: NotebookNode) -> None:
        notebook.cells = [c for c in notebook.cells if marks(c).get("grade_id") != grade_id]

    return edit


def _warning(grade_id: str) -> Callable[[NotebookNode], None]:
    def edit(notebook: NotebookNode) -> None:
        for cell in notebook.cells:
            if marks(cell).get("grade_id") == grade_id:
                cell.source += "\n\nimport warnings\n\nwarnings.warn('mind the gap')\n"

    return edit


def make_class(class_folder: ClassFolder, assignments: list[Assignment], size: int | None) -> int:
    """Write the demo class's hand-ins, in place of an earlier demo class's.

    Args:
        class_folder: Where.
        assignments: For which assignments.
        size: Hand-ins an assignment at most; all by default.

    Returns:
        The number of hand-ins written.

    Raises:
        UserError: If the folder holds hand-ins that are not a demo class's.
    """
    marker = class_folder.path / MARKER
    if class_folder.submitted.exists() and not marker.exists():
        raise UserError(
            f"{class_folder.submitted} holds hand-ins that `autograder demo` did not make, and it "
            "would delete them; name another folder with --class, or delete that one yourself"
        )
    class_folder.path.mkdir(parents=True, exist_ok=True)
    marker.touch()
    shutil.rmtree(class_folder.submitted, ignore_errors=True)
    count = 0
    for assignment in assignments:
        for hand_in in list(hand_ins(assignment))[:size]:
            folder = class_folder.submitted / hand_in.student / assignment.name
            folder.mkdir(parents=True)
            (folder / hand_in.filename).write_text(hand_in.content, encoding="utf-8")
            count += 1
    return count
