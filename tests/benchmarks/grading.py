"""Grade the same hand-ins with stock nbgrader and with the referee, on the same cores, in one run.

``python tests/benchmarks/grading.py [--stock 6] [--ours 30] [--large 0] [ASSIGNMENT]``

Stock nbgrader is given its best: two commands side by side, one thread each, on half of the
hand-ins each. Both sides write their gradebooks. The scores are compared, too.
"""

from __future__ import annotations

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["OMP_NUM_THREADS"] = "1"
warnings.simplefilter("ignore")

import nbformat  # noqa: E402

from autograder import gradebook, run  # noqa: E402
from autograder.course import Assignment, ClassFolder, assignments  # noqa: E402
from autograder.demo import HandIn, hand_ins  # noqa: E402
from autograder.grade import grade_class, limits_of  # noqa: E402
from autograder.release import register  # noqa: E402

HONEST = ("ada", "bela", "chen", "dora", "emil", "fatou", "hana", "mika", "nour", "otto", "rosa")
JOBS = 2
CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "stock"
c.Execute.timeout = 300
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
"""


@dataclass
class Measured:
    """What grading some hand-ins took."""

    count: int
    seconds: float
    cpu: float
    memory: float
    scores: dict[tuple[str, str], float | None]

    @property
    def per_minute(self) -> float:
        return 60 * self.count / self.seconds


def stock(assignment: Assignment, chosen: list[HandIn], seed: str) -> Measured:
    """Grade with plain ``nbgrader autograde``, two commands side by side."""
    with tempfile.TemporaryDirectory() as folder:
        halves = [chosen[i::JOBS] for i in range(JOBS)]
        roots = []
        for number, half in enumerate(halves):
            root = Path(folder) / str(number)
            (root / "source" / "work").mkdir(parents=True)
            solution = nbformat.read(assignment.solution, as_version=4)
            nbformat.write(solution, root / "source" / "work" / assignment.solution.name)
            (root / "nbgrader_config.py").write_text(CONFIG)
            for each in half:
                place = root / "submitted" / each.student / "work"
                place.mkdir(parents=True)
                (place / each.filename).write_text(each.content)
            _nbgrader(root, "generate_assignment", seed).wait()
            roots.append(root)
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        for process in [_nbgrader(root, "autograde", seed) for root in roots]:
            process.wait()
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        scores: dict[tuple[str, str], float | None] = {}
        for root in roots:
            with sqlite3.connect(root / "gradebook.db") as book:
                rows = book.execute(
                    "select a.student_id, c.name, g.auto_score from grade g "
                    "join submitted_notebook n on g.notebook_id = n.id "
                    "join submitted_assignment a on n.assignment_id = a.id "
                    "join base_cell c on g.cell_id = c.id"
                )
                scores |= {(student, cell): score for student, cell, score in rows}
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Measured(len(chosen), seconds, cpu, after.ru_maxrss / 1024, scores)


def _nbgrader(root: Path, command: str, seed: str) -> subprocess.Popen:
    return subprocess.Popen(
        [Path(sys.executable).with_name("nbgrader"), command, "work"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DESCENT_SEED": seed},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def ours(assignment: Assignment, chosen: list[HandIn], count: int, seed: str) -> Measured:
    """Grade ``count`` hand-ins with the referee, walled in, gradebook included."""
    with tempfile.TemporaryDirectory() as name:
        folder = ClassFolder(Path(name), ROOT)
        (folder.path / "seed").write_text(seed)
        for number in range(count):
            each = chosen[number % len(chosen)]
            place = folder.submitted / f"{each.student}-{number:04}" / assignment.name
            place.mkdir(parents=True)
            (place / each.filename).write_text(each.content)
        cpu, memory = 0.0, 0.0
        grade = run.Engine.grade

        def counted(self, *args, **options):
            nonlocal cpu, memory
            outcome = grade(self, *args, **options)
            cpu += outcome.usage.get("student_cpu", 0) + outcome.usage.get("referee_cpu", 0)
            memory = max(memory, outcome.usage.get("student_memory", 0) / 2**20)
            return outcome

        register(assignment, folder)  # as stock nbgrader's assignment is, before the clock starts
        run.Engine.grade = counted
        main, began = time.process_time(), time.perf_counter()
        try:
            done = sum(1 for _ in grade_class(folder, [assignment], jobs=JOBS))
        finally:
            run.Engine.grade = grade
        seconds = time.perf_counter() - began
        cpu += time.process_time() - main
        scores = {}
        for row in gradebook.rows(folder, [assignment]):
            scores[row.student.rsplit("-", 1)[0], row.exercise] = row.score
        return Measured(done, seconds, cpu, memory, scores)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("assignment", nargs="?", default="03-momentum")
    parser.add_argument("--stock", type=int, default=6, help="hand-ins for stock nbgrader")
    parser.add_argument("--ours", type=int, default=30, help="hand-ins for the referee")
    parser.add_argument("--large", type=int, default=0, help="and again with so many")
    options = parser.parse_args()
    [assignment] = assignments(names=[options.assignment])
    chosen = [each for each in hand_ins(assignment) if each.student in HONEST][: options.stock]
    seed = "benchmark"
    began = time.perf_counter()
    run.start(limits_of(ClassFolder(ROOT / "classroom", ROOT).config()))
    warm = time.perf_counter() - began
    rows = [("referee", ours(assignment, chosen, options.ours, seed))]
    if options.large:
        rows.append(("referee", ours(assignment, chosen, options.large, seed)))
    theirs = stock(assignment, chosen, seed)
    run.stop()
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{assignment.name}, {cores} cores, {JOBS} jobs, one thread each, load {load:.1f}")
    print(
        f"{'':10} {'hand-ins':>8} {'seconds':>8} {'a minute':>9} {'CPU s each':>11} {'peak MiB':>9}"
    )
    for name, it in [("nbgrader", theirs), *rows]:
        print(
            f"{name:10} {it.count:8} {it.seconds:8.1f} {it.per_minute:9.1f} "
            f"{it.cpu / it.count:11.2f} {it.memory:9.0f}"
        )
    for name, it in rows:
        print(
            f"{name}, {it.count}: {it.per_minute / theirs.per_minute:.0f} × as many a minute, "
            f"{theirs.cpu / theirs.count * it.count / it.cpu:.0f} × less CPU time"
        )
    print(f"the referee's two zygotes took {warm:.1f} s to start, once")
    different = [
        (key, theirs.scores[key], score)
        for key, score in theirs.scores.items()
        if key[1].endswith("-check")
        and rows[0][1].scores[key[0], key[1].removesuffix("-check")] != score
    ]
    print(f"scores that differ: {different or 'none'}")


if __name__ == "__main__":
    main()
