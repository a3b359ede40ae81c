"""The referee of one submission: it runs the instructor's cells and asks the student's process.

Forked, trusted, and thrown away after one submission. The verdict of a cell is what happened in
here. What it finds out goes to the grader as soon as it is known, one JSON message each, so that a
referee that is itself ended has not worked for nothing.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import io
import json
import math
import os
import pkgutil
import re
import resource
import signal
import socket
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.needed import needed
from autograder.referee import forbidden, matching, sandbox, zygote
from autograder.referee.limits import Limits
from autograder.referee.matching import failure, is_answer, is_check, is_graded, marks
from autograder.referee.remote import Link, Stopped
from autograder.referee.verdict import CellResult, Outcome
from autograder.referee.wire import Unsendable

NO_RESPONSE = "no answer was given"
OUTPUTS = 32 * 2**20

_students: socket.socket


def warm_up(students: socket.socket) -> None:
    """Import the reference and remember where students' processes are asked for."""
    global _students
    _students = students
    os.environ["MPLBACKEND"] = "agg"
    import lib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zygote.warm_torch()
    for module in pkgutil.iter_modules(lib.__path__):
        importlib.import_module(f"lib.{module.name}")
    import matplotlib.pyplot  # noqa: F401
    import scipy.stats  # noqa: F401

    failure("", "")  # nbformat compiles its schema at the first cell
    needed(*2 * [nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("%time 1")])])


_prepared: dict[tuple[str, str, float], NotebookNode] = {}


def prepare(message: dict) -> None:
    """Once for a class: let references that remember their results see all of its cases.

    What is done here, in the process that the referees are forked from, none of them does again.
    """
    key = _key(message)
    if key in _prepared:
        return
    _prepared.clear()  # a class is graded notebook by notebook
    solution = nbformat.from_dict(json.loads(Path(message["source"]).read_bytes()))
    for cell in solution.cells:
        if isinstance(cell.source, list):
            cell.source = "".join(cell.source)
    _prepared[key] = solution
    from lib.check.run import hidden_cases, judge, public_cases
    from lib.exercises import EXERCISES

    forbidden.Reading([cell.source for cell in solution.cells if cell.cell_type == "code"])
    for cell in solution.cells:
        name = str(marks(cell).get("grade_id")).removesuffix("-check").replace("-", "_")
        if is_check(cell) and name in EXERCISES:
            exercise = EXERCISES[name]
            judge(exercise, exercise.reference, public_cases(exercise))
            judge(exercise, exercise.reference, hidden_cases(exercise, message["seed"]))


def _key(message: dict) -> tuple[str, str, float]:
    return message["source"], message["seed"], os.stat(message["source"]).st_mtime


def live(wire: socket.socket, message: dict, limits: Limits) -> None:
    """Judge one submission and report."""
    os.environ["DESCENT_SEED"] = message["seed"]
    most = sandbox.data_bytes() + limits.memory
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    begun = time.monotonic()
    source, submitted = Path(message["source"]), Path(message["submitted"])
    solution = _prepared[_key(message)]
    session = Session(solution, limits, message["sandboxed"], source.parent)
    try:
        outcome = session.judge(submitted, source.name)
    finally:
        session.close()
    outcome.seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    outcome.usage = {
        "student_cpu": session.link.cpu if session.link else 0.0,
        "student_memory": session.link.memory if session.link else 0,
        "referee_cpu": used.ru_utime + used.ru_stime,
        "processes": session.link.generation if session.link else 0,
    }
    content = json.dumps(outcome.plain()).encode()
    wire.sendall(content)
    wire.shutdown(socket.SHUT_WR)


class OutOfTime(BaseException):
    """A test cell that took too long by itself."""


class Names(dict):
    """The instructor's names; those that nobody here defines are asked of the student's process."""

    link: Link

    def __missing__(self, name: str) -> Any:
        if name.startswith("__") or hasattr(builtins, name):
            raise KeyError(name)
        value = self.link.get(name)
        self.fetched[name] = value
        self[name] = value  # one copy for the whole cell, however often it is read
        return value

    @contextlib.contextmanager
    def one_cell(self):
        """Forget afterwards what was asked for: another cell may find other values."""
        self.fetched: dict[str, Any] = {}
        try:
            yield
        finally:
            for name, value in self.fetched.items():
                if self.get(name) is value:
                    del self[name]


class Session:
    """One submission before the referee.

    Args:
        solution: The instructor's notebook.
        limits: The limits.
        sandboxed: Whether students' processes are walled in.
        folder: The folder of the solution notebook; test cells run in it.
    """

    def __init__(self, solution: NotebookNode, limits: Limits, sandboxed: bool, folder: Path):
        self.solution, self.limits, self.sandboxed = solution, limits, sandboxed
        self.folder = folder
        self.link: Link | None = None
        self.flags: list[str] = []
        self.room = OUTPUTS
        self.reading: forbidden.Reading | None = None
        self.results: dict[str, CellResult] = {}
        self.broken: dict[str, str] = {}  # how answers' cells failed, by grade_id
        self.names = Names(__name__="__main__", __builtins__=builtins)
        self.names.one_cell().__enter__()

    def close(self) -> None:
        """End the student's process."""
        if self.link is not None:
            self.link.close()

    def judge(self, submitted: Path, name: str) -> Outcome:
        """Run a submission and say what it came to."""
        try:
            handed_in, flags = matching.read_notebook(submitted, name, self.limits)
        except matching.Unreadable as error:
            return matching.zeros(self.solution, str(error))
        files, about_files = matching.read_files(submitted, name, self.limits)
        notebook, about_cells = matching.merge(self.solution, handed_in)
        self.flags += flags + about_files + about_cells
        self.notebook = notebook
        deadline = time.monotonic() + self.limits.notebook_seconds
        self.link = Link(_students, self.limits, self.sandboxed, files, deadline)
        self.names.link = self.link
        os.chdir(self.folder)
        for cell, run in zip(notebook.cells, needed(self.solution, notebook), strict=True):
            if matching.is_reference(cell) and marks(cell):
                self._show_reference(cell)
            elif is_check(cell):
                self._check(cell)
            elif run:
                self._run(cell)
        self._flag_ways_around()
        cells = [self._result(cell) for cell in self.solution.cells if is_graded(cell)]
        for cell in notebook.cells:
            if is_check(cell):
                cell.source = matching.without_hidden(cell.source)
        return Outcome(notebook, cells, list(dict.fromkeys(self.flags)))

    def _show_reference(self, cell: NotebookNode) -> None:
        for original in self.solution.cells:
            if original.id == cell.id or marks(original).get("grade_id") == marks(cell)["grade_id"]:
                cell.outputs = original.get("outputs", [])

    def _result(self, cell: NotebookNode) -> CellResult:
        name, points = marks(cell)["grade_id"], float(marks(cell)["points"])
        if name in self.results:
            return self.results[name]
        answer = next(c for c in self.notebook.cells if marks(c).get("grade_id") == name)
        if is_answer(cell) and not matching.is_answered(answer):
            return CellResult(name, 0.0, points, NO_RESPONSE)
        return CellResult(name, None, points)

    # ------------------------------------------------------------ the student's and locked cells

    def _run(self, cell: NotebookNode) -> None:
        """Run a cell in the student's process; a locked one in here, too."""
        name = marks(cell).get("grade_id")
        if marks(cell) and not is_answer(cell):
            with self._stage() as stage:
                self._execute(cell.source, stage)
            if stage.error is not None:
                self.flags.append(f"locked cell {name} failed in the referee: {stage.reason}")
        try:
            outputs = self.link.run(cell.source, f"cell {name}" if name else "a cell")
            for each in outputs:
                if name and each.get("output_type") == "error":
                    self.broken[name] = _in_one_line(each)
            self.room -= sum(len(str(each)) for each in outputs)
            if self.room < 0:
                outputs = []
                self.flags.append("outputs were left out: the notebook has too many")
            cell.outputs = [nbformat.from_dict(each) for each in outputs]
        except Stopped as stop:
            self._stopped(stop)
            cell.outputs = [failure("Stopped", str(stop))]

    def _stopped(self, stop: Stopped) -> None:
        if str(stop) not in self.flags:
            self.flags.append(str(stop))

    # ------------------------------------------------------------ checks

    def _check(self, cell: NotebookNode) -> None:
        """Run a test cell in here and keep its verdict."""
        name, points = marks(cell)["grade_id"], float(marks(cell)["points"])
        began = time.monotonic()
        stage = Stage()
        score, reason = 0.0, ""
        forbids = self._forbids(cell)
        used = self._uses_forbidden(cell, forbids)
        if used:
            reason = f"uses {used}, which this exercise asks you to write yourself"
            if used.startswith("lib."):
                reason = f"uses {used}, which is the reference"
            self.flags.append(f"{name}: {reason}")
            cell.outputs = [failure("Forbidden", reason)]
        else:
            with self._stage() as stage:
                if forbids:
                    self.link.guard(forbids)
                value = self._execute(cell.source, stage)
                score = _points(value, points)
            if forbids and not self.link.over:
                with contextlib.suppress(Stopped):
                    self.link.guard([])
            if stage.error is not None:
                score, reason = 0.0, stage.reason
                answer = name.removesuffix("-check")
                if isinstance(stage.error, NameError) and answer in self.broken:
                    reason += f": its cell stops with {self.broken[answer]}"
                if isinstance(stage.error, Stopped):
                    self._stopped(stage.error)
            elif score < points:
                reason = "earned part of the points"
            cell.outputs = stage.outputs(cell.source)
            if stage.error is None and score < points:
                plain = {"text/plain": repr(score)}
                cell.outputs.append(nbformat.v4.new_output("execute_result", plain))
        self.results[name] = CellResult(name, score, points, reason, time.monotonic() - began)

    def _forbids(self, cell: NotebookNode) -> list[str]:
        """Return what the exercise forbids, by its cells' metadata and its declaration."""
        from lib.exercises import EXERCISES

        name = marks(cell)["grade_id"].removesuffix("-check")
        found = []
        for each in self.solution.cells:
            if marks(each).get("grade_id") in (name, f"{name}-check"):
                found += each.metadata.get("forbids", marks(each).get("forbids", []))
        exercise = EXERCISES.get(name.replace("-", "_"))
        return [*found, *(exercise.forbids if exercise else ())]

    def _own_sources(self) -> list[str]:
        return [
            cell.source
            for cell in self.notebook.cells
            if cell.cell_type == "code" and (not marks(cell) or is_answer(cell))
        ]

    def _uses_forbidden(self, cell: NotebookNode, forbids: Sequence[str]) -> str | None:
        function = marks(cell)["grade_id"].removesuffix("-check").replace("-", "_")
        if self.reading is None:
            self.reading = forbidden.Reading(self._own_sources())
        return self.reading.forbidden_use(function, forbids)

    def _flag_ways_around(self) -> None:
        """Tell the instructor what deserves a look, in cells that the student wrote or changed."""
        released = {cell.source for cell in self.solution.cells}
        checks = [cell for cell in self.solution.cells if is_check(cell)]
        forbids = sorted({name for cell in checks for name in self._forbids(cell)})
        for cell in self.notebook.cells:
            if cell.cell_type != "code" or cell.source in released:
                continue
            where = marks(cell).get("grade_id", cell.id)
            if marks(cell) and not is_answer(cell):
                continue
            around = forbidden.ways_around(cell.source)
            if around:
                self.flags.append(f"cell {where} uses {', '.join(around)}")
            mentioned = forbidden.mentions(cell.source, forbids)
            if mentioned:
                self.flags.append(f"cell {where} mentions {mentioned}")

    # ------------------------------------------------------------ running the instructor's code

    @contextlib.contextmanager
    def _stage(self):
        """Run what is inside with a time limit; keep what it printed and how it failed."""
        stage = Stage()

        def ring(*_: Any) -> None:
            raise OutOfTime(f"the check took longer than {self.limits.check_seconds:g} s")

        before = signal.signal(signal.SIGALRM, ring)
        # a student's call has its own limit of the same length; this one catches what is ours
        signal.setitimer(signal.ITIMER_REAL, 1.5 * self.limits.check_seconds + 5)
        try:
            with (
                self.names.one_cell(),
                contextlib.redirect_stdout(stage.printed),
                contextlib.redirect_stderr(stage.printed),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                yield stage
        except (Exception, Stopped) as error:
            stage.error = error
        except OutOfTime as error:
            stage.error = error
            self.link.close()  # an answer may be on its way to a question that nobody asks now
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _execute(self, source: str, stage: Stage) -> Any:
        """Run an instructor's cell; return the value of its last expression."""
        lines = source.split("\n")
        plain = "\n".join("" if line.startswith(("%", "!")) else line for line in lines)
        tree = ast.parse(plain)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, stage.file, "exec"), self.names)
        if last is not None:
            return eval(compile(ast.Expression(last.value), stage.file, "eval"), self.names)
        return None


def _in_one_line(error: Mapping[str, Any]) -> str:
    """Return an error output's name and message, without the made-up name of the cell's file."""
    message = str(error.get("evalue", "")).strip().split("\n")[0]
    message = re.sub(r"\([^()]*, line (\d+)\)$", r"(line \1)", message)
    name = str(error.get("ename", "Error"))
    return f"{name}: {message}"[:300] if message else name[:300]


class Stage:
    """What a test cell printed, and how it failed."""

    file = "<check>"

    def __init__(self):
        self.printed = io.StringIO()
        self.error: BaseException | None = None

    @property
    def reason(self) -> str:
        """The failure in one line."""
        error = self.error
        first = str(error).strip().split("\n")[0][:500]
        if isinstance(error, Stopped | OutOfTime) or type(error).__module__.startswith("lib."):
            return first
        if isinstance(error, NameError):
            return f"{first.replace('name ', '', 1)}" if "is not defined" in first else first
        if isinstance(error, Unsendable):
            return f"the check cannot use it: {first}"
        return f"{type(error).__name__}: {first}" if first else type(error).__name__

    def outputs(self, source: str) -> list[NotebookNode]:
        """Return the outputs to show: never a line of a hidden test."""
        shown = []
        if self.printed.getvalue():
            text = self.printed.getvalue()[:20_000]
            shown.append(nbformat.v4.new_output("stream", name="stdout", text=text))
        if self.error is not None:
            shown.append(failure(type(self.error).__name__, str(self.error), self._lines(source)))
        return shown

    def _lines(self, source: str) -> list[str]:
        render = getattr(self.error, "_render_traceback_", None)
        if render is not None:
            return render()
        lines = []
        released = set(matching.without_hidden(source).split("\n"))
        for frame in traceback.extract_tb(self.error.__traceback__):
            if frame.filename == self.file and frame.lineno is not None:
                line = source.split("\n")[frame.lineno - 1]
                lines += [f"----> {line}" if line in released else "----> (a hidden test)"]
        lines += [f"  {each}" for each in getattr(self.error, "student_lines", [])]
        return [*lines, f"{type(self.error).__name__}: {self.error}"]


def _points(value: Any, most: float) -> float:
    """Return the points that a test cell's last value stands for, as nbgrader reads it.

    Raises:
        ValueError: If it is a number outside of 0 … ``most``.
    """
    if value is None:
        return most
    try:
        number = float(repr(value))
    except ValueError:
        return most
    if not math.isfinite(number) or not 0 <= number <= most:
        raise ValueError(f"the check gave {number:g} of {most:g} points")
    return number
