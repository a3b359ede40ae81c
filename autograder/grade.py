"""Grade a class: run every submission that is new, and keep what it earned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import nbformat

from autograder import gradebook
from autograder.course import Assignment, ClassFolder, UserError
from autograder.release import register
from autograder.run import Outcome, run_submission, zeros


@dataclass(frozen=True)
class Graded:
    """One submission, done.

    Attributes:
        assignment: Its assignment.
        student: Who handed it in.
        flags: What an instructor should look at.
        fresh: Whether it was run now; False if nothing had changed since it was graded.
    """

    assignment: Assignment
    student: str
    flags: list[str]
    fresh: bool


def grade_class(
    class_folder: ClassFolder,
    assignments: Sequence[Assignment],
    *,
    student: str | None = None,
    jobs: int = 2,
    force: bool = False,
    executor: Executor | None = None,
    on_plan: Callable[[int], None] = lambda total: None,
) -> Iterator[Graded]:
    """Grade submissions, and yield each as it is done.

    Args:
        class_folder: The class.
        assignments: What to grade.
        student: Only this one's.
        jobs: How many to run at once.
        force: Run those too that have not changed since they were graded.
        executor: Where to run them; processes of this machine by default.
        on_plan: Called once, with the number of submissions.

    Raises:
        UserError: If nothing was handed in.
    """
    plan = [
        (assignment, each)
        for assignment in assignments
        for each in class_folder.students(assignment)
        if student in (None, each)
    ]
    if not plan:
        who = f" by {student}" if student else ""
        raise UserError(
            f"nothing was handed in{who} for {', '.join(a.name for a in assignments)}: expected "
            f"{class_folder.submitted}/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb"
        )
    for assignment in {each.name: each for each, _ in plan}.values():
        register(assignment, class_folder)
    on_plan(len(plan))
    seed, config = class_folder.seed, class_folder.config()
    pool = executor or ProcessPoolExecutor(max_workers=jobs)
    try:
        waiting: dict[Future[Outcome], tuple[Assignment, str, str]] = {}
        for assignment, each in plan:
            submitted = class_folder.submitted / each / assignment.name
            state = fingerprint(assignment, submitted)
            if not force and _graded_state(class_folder, assignment, each) == state:
                yield Graded(assignment, each, [], fresh=False)
                continue
            future = pool.submit(
                run_submission, assignment.solution, submitted, seed=seed, config=config
            )
            waiting[future] = (assignment, each, state)
        for future in as_completed(waiting):
            assignment, each, state = waiting[future]
            outcome = _outcome(future, assignment)
            submitted = class_folder.submitted / each / assignment.name
            gradebook.record(class_folder, assignment, each, outcome, _timestamp(submitted))
            _state_file(class_folder, assignment, each).write_text(json.dumps({"state": state}))
            yield Graded(assignment, each, outcome.flags, fresh=True)
    finally:
        if executor is None:
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(future: Future[Outcome], assignment: Assignment) -> Outcome:
    """Return a run's outcome; one that broke the grader itself is a zero with the reason."""
    try:
        return future.result()
    except Exception as error:  # whatever it is, the other students' grades go on
        solution = nbformat.read(assignment.solution, as_version=4)
        return zeros(solution, f"the grader could not run it ({type(error).__name__}: {error})")


def fingerprint(assignment: Assignment, submitted: Path) -> str:
    """Return a hash of all that a grade depends on: the solution and the files handed in."""
    digest = hashlib.sha256(assignment.solution.read_bytes())
    for path in sorted(submitted.rglob("*")):
        if path.is_file() and not path.is_symlink():
            digest.update(str(path.relative_to(submitted)).encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _state_file(class_folder: ClassFolder, assignment: Assignment, student: str) -> Path:
    return class_folder.autograded / student / assignment.name / ".graded.json"


def _graded_state(class_folder: ClassFolder, assignment: Assignment, student: str) -> str | None:
    try:
        return json.loads(_state_file(class_folder, assignment, student).read_text())["state"]
    except (OSError, ValueError, KeyError):
        return None


def _timestamp(submitted: Path) -> datetime | None:
    """Return when it was handed in, from nbgrader's ``timestamp.txt``, if that can be read."""
    from nbgrader.utils import parse_utc

    try:
        return parse_utc((submitted / "timestamp.txt").read_text()[:100].strip())
    except (OSError, ValueError):
        return None
