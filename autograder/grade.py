"""Grade a class: run every submission that is new, and keep what it earned."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import nbformat
from traitlets.config import Config

from autograder import gradebook
from autograder.course import ROOT, Assignment, ClassFolder, UserError
from autograder.referee.limits import Limits
from autograder.referee.matching import Unreadable, read_bounded
from autograder.release import register
from autograder.run import Outcome, run_submission, start, stop, zeros

UNSANDBOXED = "was run without walls: its code had the grader's rights"


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
    sandboxed: bool = True,
    executor: Executor | None = None,
    on_plan: Callable[[int], None] = lambda total: None,
) -> Iterator[Graded]:
    """Grade submissions, and yield each as it is done.

    It may be ended at any moment: what is done is kept, and another run does the rest.

    Args:
        class_folder: The class.
        assignments: What to grade.
        student: Only this one's.
        jobs: How many to run at once.
        force: Run those too that have not changed since they were graded.
        sandboxed: Whether to wall students' code in.
        executor: Where to run them; threads that wait for this machine's engine by default.
        on_plan: Called once, with the number of submissions.

    Raises:
        UserError: If nothing was handed in, or students' code cannot be walled in here.
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
    limits = limits_of(class_folder.config())
    if executor is None:
        start(limits, sandboxed)  # here, so that a machine that cannot is told once
    pool = executor or ThreadPoolExecutor(max_workers=jobs)
    running: dict[Future[Outcome], tuple[Assignment, str, str]] = {}
    try:
        for assignment, each in plan:
            submitted = class_folder.submitted / each / assignment.name
            state = fingerprint(assignment, submitted, class_folder.seed)
            if not force and _graded_state(class_folder, assignment, each) == state:
                yield Graded(assignment, each, [], fresh=False)
                continue
            future = pool.submit(
                run_submission,
                assignment.solution,
                submitted,
                seed=class_folder.seed,
                limits=limits,
                sandboxed=sandboxed,
            )
            running[future] = (assignment, each, state)
            if len(running) > 2 * jobs:  # a bounded number, so that memory does not grow
                yield from _done(class_folder, running, sandboxed)
        while running:
            yield from _done(class_folder, running, sandboxed)
    except BaseException:
        if executor is None:
            stop()  # what still runs is not waited for
        raise
    finally:
        for future in running:
            future.cancel()
        if executor is None:
            pool.shutdown(wait=False, cancel_futures=True)


def limits_of(config: Config) -> Limits:
    """Return the limits, with nbgrader's own setting for the time of a cell."""
    seconds = float(config.Execute.get("timeout", Limits().cell_seconds))
    return Limits(cell_seconds=seconds, check_seconds=seconds)


def _done(
    class_folder: ClassFolder,
    running: dict[Future[Outcome], tuple[Assignment, str, str]],
    sandboxed: bool,
) -> Iterator[Graded]:
    """Wait until something is done, and keep it."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        assignment, student, state = running.pop(future)
        outcome = _outcome(future, assignment)
        if not sandboxed:
            outcome.flags.append(UNSANDBOXED)
        keep(class_folder, assignment, student, outcome, state)
        yield Graded(assignment, student, outcome.flags, fresh=True)


def keep(
    class_folder: ClassFolder, assignment: Assignment, student: str, outcome: Outcome, state: str
) -> None:
    """Keep a submission's results: first the grades, then that they are those of this state."""
    submitted = class_folder.submitted / student / assignment.name
    try:
        gradebook.record(class_folder, assignment, student, outcome, _timestamp(submitted))
    except UnicodeError as error:  # a folder's name that is no text cannot be a student's
        outcome.flags.append(f"could not be kept, its folder's name is no text: {error}")
        return
    file = _state_file(class_folder, assignment, student)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps({"state": state, "flags": outcome.flags}))
    draft.replace(file)


def _outcome(future: Future[Outcome], assignment: Assignment) -> Outcome:
    """Return a run's outcome; one that broke the grader itself is a zero with the reason."""
    try:
        return future.result()
    except Exception as error:  # whatever it is, the other students' grades go on
        solution = nbformat.read(assignment.solution, as_version=4)
        return zeros(solution, f"the grader could not run it ({type(error).__name__}: {error})")


def fingerprint(assignment: Assignment, submitted: Path, seed: str = "") -> str:
    """Return a hash of all that a grade depends on.

    That is the solution, the reference and its checks, the seed, and the files handed in.
    """
    digest = hashlib.sha256(assignment.solution.read_bytes())
    digest.update(_reference().encode())
    digest.update(seed.encode())
    for here, folders, names in os.walk(submitted):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            digest.update(os.fsencode(path.relative_to(submitted)) + b"\0")
            try:
                if stat.S_ISREG(path.lstat().st_mode):
                    with path.open("rb") as file:
                        digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError:
                continue
    return digest.hexdigest()


@cache
def _reference() -> str:
    """Return a hash of the library that checks and answers come from."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        digest.update(path.read_bytes())
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
        return parse_utc(read_bounded(submitted, "timestamp.txt", 200).decode().strip())
    except (OSError, ValueError, Unreadable, OverflowError):
        return None
