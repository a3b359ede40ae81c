"""The command line: one command a step of an instructor's work."""

from __future__ import annotations

import os
import sys
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from autograder import build as building
from autograder import gradebook, report
from autograder import release as releasing
from autograder.course import ROOT, Assignment, ClassFolder, UserError, assignments
from autograder.grade import grade_class
from autograder.lint import lint as lint_assignment
from autograder.lint import strays
from autograder.referee.doctor import doctor as examine

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build and release the course's notebooks, grade a class, report on it.",
)
console = Console()

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ASSIGNMENT]…", help="Such as 03-momentum; all by default."),
]
ClassOption = Annotated[
    Path, typer.Option("--class", help="The class's folder: submitted/, gradebook.db, …")
]
CLASSROOM = ROOT / "classroom"
UNSANDBOXED_HELP = "Run students' code with your own rights, where walls cannot be built."
CORES = os.cpu_count() or 1
INTERRUPTED = 130  # typer's exit code for Ctrl-C


def main() -> None:
    """Run the command line; a mistake of the user's ends in one clear message, not a traceback."""
    try:
        app()
    except UserError as error:
        message = f"autograder: {error}"
        Console(stderr=True, soft_wrap=True).print(message, style="bold red", markup=False)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            Console(stderr=True).print("autograder: stopped; what was done is kept.", markup=False)
        raise


@app.command()
def build(
    names: Names = None,
    force: Annotated[bool, typer.Option(help="Execute up-to-date notebooks, too.")] = False,
) -> None:
    """Build the solution notebooks from their scripts and execute them."""
    for assignment in assignments(names=names or ()):
        _build(assignment, force)


def _build(assignment: Assignment, force: bool = False) -> None:
    with _progress() as progress:
        task = progress.add_task(assignment.name, total=None)

        def on_cell(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        fresh = building.build(assignment, force=force, on_cell=on_cell)
    console.print(f"{assignment.name}: {'built and executed' if fresh else 'up to date'}")


@app.command()
def release(names: Names = None) -> None:
    """Write the students' notebooks into course/, through nbgrader."""
    for assignment in assignments(names=names or ()):
        releasing.release(assignment)
        console.print(f"{assignment.name}: {assignment.release.relative_to(ROOT)}")


@app.command()
def lint(names: Names = None) -> None:
    """Check the course: metadata, points, leaks, and that every exercise can fail and pass."""
    found = 0
    for complaint in chain(*map(lint_assignment, assignments(names=names or ())), strays()):
        found += 1
        where, what, mend = map(escape, (complaint.where, complaint.what, complaint.mend))
        console.print(f"[bold]{where}[/]: {what}\n    → {mend}", highlight=False)
    if found:
        console.print(f"{found} to mend.")
        raise typer.Exit(1)
    console.print("The course is in order.")


@app.command()
def grade(
    names: Names = None,
    class_folder: ClassOption = CLASSROOM,
    student: Annotated[str | None, typer.Option(help="Only this student.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions run at once.")] = CORES,
    force: Annotated[bool, typer.Option(help="Run unchanged submissions, too.")] = False,
    unsandboxed: Annotated[bool, typer.Option("--unsandboxed", help=UNSANDBOXED_HELP)] = False,
) -> None:
    """Grade what was handed in and print what the gradebook holds."""
    folder = ClassFolder(class_folder.resolve())
    _grade(folder, assignments(names=names or ()), student, jobs, force, not unsandboxed)


def _grade(
    class_folder: ClassFolder,
    chosen: list[Assignment],
    student: str | None = None,
    jobs: int = CORES,
    force: bool = False,
    sandboxed: bool = True,
) -> None:
    if not class_folder.submitted.is_dir():
        raise UserError(
            f"{class_folder.submitted} does not exist: put hand-ins into "
            "submitted/STUDENT/ASSIGNMENT/NOTEBOOK.ipynb, or name a class with --class"
        )
    chosen = [each for each in chosen if class_folder.students(each)] or chosen
    flags, runs = [], Counter()
    with _progress() as progress:
        task = progress.add_task("grading", total=None)

        def on_plan(total: int) -> None:
            progress.update(task, total=total)

        for done in grade_class(
            class_folder,
            chosen,
            student=student,
            jobs=jobs,
            force=force,
            sandboxed=sandboxed,
            on_plan=on_plan,
        ):
            progress.advance(task)
            runs[done.fresh] += 1
            flags += [f"{done.student}, {done.assignment.name}: {flag}" for flag in done.flags]
    for table in report.grade_tables(gradebook.rows(class_folder, chosen, student)):
        console.print(table)
    for flag in sorted(flags):
        console.print(f"⚑ {flag}", markup=False, highlight=False)
    if not sandboxed:
        console.print("Students' code ran without walls (--unsandboxed): it had your rights.")
    console.print(f"{runs[True]} graded, {runs[False]} unchanged since they were graded.")


@app.command()
def feedback(names: Names = None, class_folder: ClassOption = CLASSROOM) -> None:
    """Write a feedback page for every graded notebook, through nbgrader."""
    folder = ClassFolder(class_folder.resolve())
    chosen = assignments(names=names or ())
    # Without names, those that nobody handed in yet are none of a mistake.
    for assignment in [each for each in chosen if folder.students(each)] or chosen:
        releasing.feedback(assignment, folder)
        console.print(f"{assignment.name}: {_short(folder.path / 'feedback')}")


@app.command()
def export(
    names: Names = None,
    class_folder: ClassOption = CLASSROOM,
    to: Annotated[Path, typer.Option(help="The file to write.")] = Path("grades.csv"),
) -> None:
    """Write the gradebook as CSV, a line an exercise."""
    rows = gradebook.rows(ClassFolder(class_folder.resolve()), assignments(names=names or ()))
    try:
        count = report.write_csv(rows, to)
    except OSError as error:
        raise UserError(f"cannot write {to}: {error.strerror}; name another with --to") from error
    console.print(f"{count} lines in {to}")


@app.command("report")
def report_command(
    names: Names = None,
    class_folder: ClassOption = CLASSROOM,
) -> None:
    """Say what the class got wrong: right answers and the commonest mistakes, by exercise."""
    folder = ClassFolder(class_folder.resolve())
    rows = gradebook.rows(folder, assignments(names=names or ()))
    console.print(report.class_table(rows))
    page = folder.path / "report.html"
    report.write_html(rows, page)
    console.print(f"The same as a page: {_short(page)}")


@app.command()
def doctor() -> None:
    """Say what this machine offers for walling students' code in."""
    if not examine(console):
        raise typer.Exit(1)


@app.command()
def demo(
    names: Names = None,
    class_folder: ClassOption = CLASSROOM / "demo",
    size: Annotated[int | None, typer.Option(help="Hand-ins an assignment, at most.")] = None,
    unsandboxed: Annotated[bool, typer.Option("--unsandboxed", help=UNSANDBOXED_HELP)] = False,
) -> None:
    """Make a demo class, grade it, and print its grades."""
    from autograder.demo import make_class

    chosen = assignments(names=names or ())
    for assignment in chosen:
        if not assignment.solution.exists():
            _build(assignment)
        if not assignment.release.exists():
            releasing.release(assignment)
    folder = ClassFolder(class_folder.resolve())
    os.environ.setdefault("DESCENT_CELL_TIMEOUT", "20")  # one hand-in never ends on purpose
    count = make_class(folder, chosen, size)
    console.print(f"A demo class of {count} hand-ins lies in {_short(folder.submitted)}.")
    _grade(folder, chosen, sandboxed=not unsandboxed)
    page = folder.path / "report.html"
    report.write_html(gradebook.rows(folder, chosen), page)
    console.print(f"What the class got wrong: {_short(page)}")
    console.print("Open the course in JupyterLab with: make lab")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
