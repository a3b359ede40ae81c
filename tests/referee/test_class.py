"""A run of a class that is killed again and again ends as if nobody had touched it."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from autograder import run
from autograder.course import Assignment, ClassFolder
from autograder.grade import grade_class
from autograder.referee.doctor import missing
from autograder.referee.engine import Engine, Refused
from autograder.release import register

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
# Grades class folders named on its input, each in a fork of its own that can be killed, in an
# engine that is warm already: twenty runs, and one time of importing everything.
WORKER = """
import os, socket, sys, threading
from pathlib import Path
sys.path.insert(0, {root!r})
from autograder import grade, run
from autograder.course import Assignment, ClassFolder
from autograder.referee.engine import Engine
from autograder.referee.limits import Limits
engine = object.__new__(Engine)
engine.limits, engine.sandboxed, engine._processes = Limits(), {sandboxed}, []
engine._closed, engine._lock, engine._generation = threading.Event(), threading.Lock(), 0
engine.referees = socket.socket(fileno={fd})
grade.start = run.start = lambda *a, **k: engine
root = Path({course!r})
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        folder = ClassFolder(Path(line.strip()), root)
        print(os.getpid(), flush=True)
        done = list(grade.grade_class(folder, [Assignment("01-toy", root)], jobs=2))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture
def course(tmp_path, judge):
    """A course of one assignment, and a class of which most did something."""
    judge({"f": "assert f(3) == 6", "g": "assert g(3) == 9"}, {"f": "def f(x): return 2 * x"})
    root = tmp_path / "project"
    for name in ("solutions", "course"):
        (root / name / "01-toy").mkdir(parents=True)
        shutil.copy(tmp_path / "solution" / "toy.ipynb", root / name / "01-toy" / "toy.ipynb")
    shutil.copy(ROOT / "nbgrader_config.py", root)
    notebook = nbformat.read(tmp_path / "solution" / "toy.ipynb", as_version=4)
    for number in range(16):
        for cell in notebook.cells:
            if cell.id in ("f", "g"):
                right = number % (2 if cell.id == "f" else 3) == 0
                cell.source = f"def {cell.id}(x): return x {'+' if cell.id == 'f' else '*'} x" + (
                    "" if right else " + 1"
                )
        folder = root / "submitted" / f"s{number:02}" / "01-toy"
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / "toy.ipynb")
    (root / "submitted" / "s03" / "01-toy" / "toy.ipynb").write_text("{")
    return root


def new_class(course, name):
    template = course / "template"  # made once: nbgrader takes seconds to create its database
    if not template.exists():
        shutil.copytree(course / "submitted", template / "submitted")
        (template / "seed").write_text("the same seed for every class of this test")
        register(Assignment("01-toy", course), ClassFolder(template, course))
    return Path(shutil.copytree(template, course / name))


def state(folder):
    """The whole gradebook as text but for its random keys, and the notebooks."""
    with sqlite3.connect(folder / "gradebook.db") as book:
        grades = book.execute(
            "select student.id, base_cell.name, grade.auto_score, grade.manual_score, "
            "grade.needs_manual_grade from grade join submitted_notebook on "
            "grade.notebook_id = submitted_notebook.id join submitted_assignment on "
            "submitted_notebook.assignment_id = submitted_assignment.id join student on "
            "submitted_assignment.student_id = student.id join base_cell on "
            "grade.cell_id = base_cell.id order by 1, 2"
        ).fetchall()
        comments = book.execute("select auto_comment from comment").fetchall()
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "autograded").rglob("*"))
        if path.is_file()
    }
    return grades, sorted(map(str, comments)), files


@pytest.fixture
def graders(engine, course):
    """Grade a class folder in a process of its own, killed after some seconds or not at all."""
    script = WORKER.format(
        root=str(ROOT),
        sandboxed=engine.sandboxed,
        fd=engine.referees.fileno(),
        course=str(course),
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script],
        pass_fds=[engine.referees.fileno()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:

        def run(folder, seconds=None):
            process.stdin.write(f"{folder}\n")
            process.stdin.flush()
            pid = int(process.stdout.readline())
            if seconds is not None:
                time.sleep(seconds)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def test_killed_at_twenty_moments_a_class_ends_the_same(graders, course):
    undisturbed = new_class(course, "undisturbed")
    begun = time.monotonic()
    assert graders(undisturbed) == 0
    whole = time.monotonic() - begun
    wanted = state(undisturbed)
    assert [row[2] for row in wanted[0] if row[1] == "f-check"][:4] == [2, 0, 2, 0]

    rng = random.Random(7)
    killed, folders = 0, 0
    while killed < KILLS:
        folder = new_class(course, f"killed-{folders}")
        folders += 1
        for _ in range(5):
            killed += graders(folder, rng.uniform(0, whole / 3)) == -signal.SIGKILL
        assert graders(folder) == 0
        assert state(folder) == wanted


def test_an_interrupt_stops_cleanly_and_the_next_run_does_the_rest(engine, course, monkeypatch):
    monkeypatch.setattr("autograder.grade.start", lambda *_: engine)
    monkeypatch.setattr("autograder.run.start", lambda *_: engine)
    folder = ClassFolder(new_class(course, "interrupted"), course)
    work = grade_class(folder, [Assignment("01-toy", course)], jobs=2)
    first = [next(work) for _ in range(3)]
    with pytest.raises(KeyboardInterrupt):
        work.throw(KeyboardInterrupt)
    assert all(each.fresh for each in first)
    rest = list(grade_class(folder, [Assignment("01-toy", course)], jobs=2))
    assert len(rest) == 16 and sum(not each.fresh for each in rest) == 3


def test_without_walls_grading_refuses_and_says_so(monkeypatch):
    def no_walls(*_, **__):
        raise Refused("cannot start the students' process: no namespaces here")

    monkeypatch.setattr(run, "_engine", None)
    monkeypatch.setattr(run, "Engine", no_walls)
    with pytest.raises(run.UserError, match="no namespaces here"):
        run.start()


@pytest.mark.slow
def test_without_walls_on_request(course):
    with Engine(sandboxed=False) as engine:
        outcome = engine.grade(
            course / "solutions" / "01-toy" / "toy.ipynb",
            course / "submitted" / "s00" / "01-toy",
            seed="s",
        )
        assert [cell.score for cell in outcome.cells[:2]] == [2, 2]


@pytest.mark.slow
def test_a_zygote_that_dies_is_replaced(course):
    with Engine(sandboxed=not missing()) as engine:
        engine._processes[0].kill()  # the students'
        engine._processes[0].wait()
        outcome = engine.grade(
            course / "solutions" / "01-toy" / "toy.ipynb",
            course / "submitted" / "s00" / "01-toy",
            seed="s",
        )
        assert [cell.score for cell in outcome.cells[:2]] == [2, 2]


@pytest.mark.namespace
@pytest.mark.skipif(bool(missing()), reason=f"no namespaces here: {missing()}")
def test_memory_stays_flat(engine, course):
    def resident():
        pages = [
            int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            for process in engine._processes
        ]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")

    def once():
        engine.grade(
            course / "solutions" / "01-toy" / "toy.ipynb",
            course / "submitted" / "s00" / "01-toy",
            seed="s",
        )

    for _ in range(10):
        once()
    before = resident()
    for _ in range(60):
        once()
    assert resident() - before < 2 * 2**20
