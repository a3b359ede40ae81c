# ruff: noqa: E501
"""Write docs/attacks.md: every attack before stock nbgrader and before the referee.

Run it by hand: ``python tests/attacks/compare.py``. It takes about ten minutes, since nbgrader
starts a kernel for each and some never end. nbgrader runs in a container of its own (bubblewrap),
because some attacks would otherwise hit this machine; what would exhaust its memory is not run.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
TABLE = ROOT / "docs" / "attacks.md"
RESULTS = HERE / "stock.json"
NOT_RUN = ("a memory bomb", "a memory bomb of many processes", "a fork bomb")
CELL_SECONDS, RUN_SECONDS = 10, 60

_hand_ins = runpy.run_path(str(HERE / "hand_ins.py"), run_name="hand_ins")
CONFIG = f"""
c = get_config()
c.CourseDirectory.course_id = "toy"
c.Execute.timeout = {CELL_SECONDS}
c.ClearSolutions.code_stub = {{"python": "raise NotImplementedError()"}}
"""


def make_course(root: Path) -> None:
    """Make a course in nbgrader's own layout, with one honest student already graded."""
    for name in ("source", "solution"):
        (root / name / "toy").mkdir(parents=True)
        nbformat.write(_hand_ins["solution"](), root / name / "toy" / "toy.ipynb")
    shutil.copy(root / "source" / "toy" / "toy.ipynb", root / "solution" / "toy.ipynb")
    (root / "nbgrader_config.py").write_text(CONFIG)
    honest = _hand_ins["Attack"]("honest", "", answers=_hand_ins["RIGHT"])
    honest.write(root / "submitted" / "honest" / "toy")
    nbgrader(root, "generate_assignment", "toy")
    nbgrader(root, "autograde", "toy", "--student", "honest")
    assert scores(root, "honest") == 6.0, "the honest hand-in is not right under stock nbgrader"


def nbgrader(root: Path, *arguments: str) -> str:
    """Run an nbgrader command in a container that can write to the course and nothing else."""
    home = root / "home"
    home.mkdir(exist_ok=True)
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"]
    command += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", root, root]
    command += [
        "--chdir",
        root,
        "--setenv",
        "HOME",
        home,
        "--setenv",
        "DESCENT_SEED",
        _hand_ins["SEED"],
    ]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    command += [
        "--setenv",
        "PATH",
        path,
        "--setenv",
        "PYTHONPATH",
        ROOT,
        "--setenv",
        "OMP_NUM_THREADS",
        "1",
    ]
    command += [Path(sys.executable).with_name("nbgrader"), *arguments]
    try:
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, timeout=RUN_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {RUN_SECONDS} s"
    if done.returncode and "-v" in sys.argv:
        print(done.stderr[-3000:], file=sys.stderr)
    return "" if done.returncode == 0 else "the command failed"


def scores(root: Path, student: str) -> float | None:
    """Return a student's automatic points, or None if there are none."""
    with sqlite3.connect(root / "gradebook.db") as book:
        return book.execute(
            "select sum(grade.auto_score) from grade join submitted_notebook on "
            "grade.notebook_id = submitted_notebook.id join submitted_assignment on "
            "submitted_notebook.assignment_id = submitted_assignment.id "
            "where submitted_assignment.student_id = ?",
            (student,),
        ).fetchone()[0]


def stock(attack, template: Path) -> dict:
    """Return what stock nbgrader makes of an attack."""
    if attack.name in NOT_RUN:
        return {"points": None, "note": "not run: nbgrader sets no limit, the machine would stop"}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder) / "course"
        shutil.copytree(template, root, symlinks=True)
        attack.write(root / "submitted" / "eve" / "toy")
        begun = time.monotonic()
        note = nbgrader(root, "autograde", "toy", "--student", "eve")
        seconds = time.monotonic() - begun
        try:
            points, honest = scores(root, "eve"), scores(root, "honest")
        except sqlite3.DatabaseError:
            return {"points": None, "note": "the gradebook is destroyed", "seconds": seconds}
        notes = [note] if note else []
        if honest != 6.0:
            notes.append(f"an honest student's 6 points became {honest}")
        if (root / "home" / ".ipython/profile_default/startup/00.py").exists():
            notes.append("a startup file stays for the next student")
        if points is None:
            notes.append("no grade")
        return {"points": points, "note": "; ".join(notes), "seconds": seconds}


def ours(template: Path) -> dict[str, dict]:
    """Return what the referee makes of every attack."""
    sys.path.insert(0, str(ROOT))
    from autograder.referee.engine import Engine
    from autograder.referee.limits import Limits, MiB

    limits = Limits(
        cell_seconds=4,
        check_seconds=2,
        notebook_seconds=40,
        memory=400 * MiB,
        processes=24,
        callbacks=300,
        disk_bytes=16 * MiB,
        extra_files=50,
    )
    found = {}
    with Engine(limits) as engine:
        for attack in _hand_ins["ATTACKS"]:
            folder = template / "submitted" / "eve" / "toy"
            attack.write(folder)
            outcome = engine.grade(template / "solution" / "toy.ipynb", folder, seed="s")
            reasons = [cell.reason for cell in outcome.cells if cell.reason]
            found[attack.name] = {
                "points": sum(cell.score or 0 for cell in outcome.cells),
                "reason": reasons[0] if reasons else "",
                "flags": outcome.flags,
            }
            shutil.rmtree(template / "submitted" / "eve")
    return found


def write_table(stock_results: dict[str, dict], our_results: dict[str, dict]) -> None:
    """Write the page."""
    rows = []
    for attack in _hand_ins["ATTACKS"]:
        theirs, mine = stock_results[attack.name], our_results[attack.name]
        points = "–" if theirs["points"] is None else f"{theirs['points']:g}"
        flag = "⚑" if mine["flags"] else ""
        reason = mine["reason"].replace("|", "\\|").replace("<", "&lt;")[:110]
        name = attack.name.replace("|", "\\|")
        rows.append(
            f"| {attack.kind} | {name} | {points} | {theirs['note']} | {mine['points']:g} | {flag} "
            f"| {reason} |"
        )
    cheated = sum(1 for r in stock_results.values() if (r["points"] or 0) > 0)
    failed = sum(1 for r in stock_results.values() if r["points"] is None or "failed" in r["note"])
    page = f"""# Attacks

{len(rows)} hand-ins that try to get points without solving anything, to harm others, or to see too much
(`tests/attacks/hand_ins.py`). Each was handed to stock nbgrader 0.9.6 and to the referee; the course has
three exercises, six points in all, and none of these hand-ins solves one. `tests/attacks/test_attacks.py`
holds the referee to the right half of the table, and also checks that an honest hand-in graded right
after each attack gets its points, that no file and no process is left, and that the seed is nowhere to be seen.
The left half was written by `tests/attacks/compare.py`, where nbgrader ran in a container, since some
attacks would have hit the machine.

Stock nbgrader gives points to {cheated} of them, and no grade, or a failed command, to {failed}. The referee gives
points to {sum(1 for r in our_results.values() if r["points"])}, and a reasoned zero to every one. ⚑: the instructor is told.

| aims at | attack | nbgrader: points of 6 | | referee: points | ⚑ | reason given for the first exercise |
|---|---|---|---|---|---|---|
"""
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(page + "\n".join(rows) + "\n")


def main() -> None:
    """Run everything; what stock nbgrader made of an attack is kept and not run again."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        template = Path(folder) / "course"
        template.mkdir()
        make_course(template)
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        for attack in _hand_ins["ATTACKS"]:
            if attack.name not in results:
                results[attack.name] = stock(attack, template)
                print(attack.name, results[attack.name], flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + os.linesep)
        write_table(results, ours(template))


if __name__ == "__main__":
    main()
