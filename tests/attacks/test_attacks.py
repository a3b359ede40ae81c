"""Every attack earns nothing it did not solve, harms nobody, and leaves nothing behind."""

import hashlib
import os
import runpy
import time
from pathlib import Path

import nbformat
import pytest

from autograder.referee.doctor import missing
from autograder.referee.engine import Engine
from autograder.referee.limits import Limits, MiB

pytestmark = [
    pytest.mark.namespace,
    pytest.mark.skipif(bool(missing()), reason=f"no namespaces here: {missing()}"),
]

_hand_ins = runpy.run_path(str(Path(__file__).with_name("hand_ins.py")), run_name="hand_ins")
ATTACKS, RIGHT, SEED = (_hand_ins[name] for name in ("ATTACKS", "RIGHT", "SEED"))
LIMITS = Limits(
    cell_seconds=2.5,
    check_seconds=2,
    notebook_seconds=40,
    memory=400 * MiB,
    processes=24,
    callbacks=300,
    disk_bytes=16 * MiB,
    extra_files=50,
)

ZYGOTES = 3  # the students', what waits for it outside of its process namespace, the referees'


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "solution").mkdir()
    nbformat.write(_hand_ins["solution"](), root / "solution" / "toy.ipynb")
    (root / "gradebook.db").write_bytes(b"grades")
    (root / "seed").write_text(SEED)
    attack = _hand_ins["Attack"]
    attack("honest", "", answers=RIGHT).write(root / "submitted" / "honest" / "toy")
    return root


@pytest.fixture(scope="module")
def engine():
    with Engine(LIMITS) as engine:
        yield engine


def grade(engine, course, student):
    return engine.grade(
        course / "solution" / "toy.ipynb",
        course / "submitted" / student / "toy",
        seed=SEED,
    )


def scores(outcome):
    return {cell.grade_id.removesuffix("-check"): cell.score for cell in outcome.cells}


def processes_of(engine):
    """The processes below the zygotes: nobody, between two submissions."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry)] = int(fields[1])
    family = [process.pid for process in engine._processes]
    for each in family:
        family += [pid for pid, parent in parents.items() if parent == each]
    return family


def state_of(folder):
    """Everything in a folder, so that any change shows."""
    found = {}
    for here, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(here, name)
            if path.is_symlink():
                found[str(path)] = os.readlink(path)
            elif path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[str(path)] = "folder"
    return found


def test_the_honest_hand_in_is_right(engine, course):
    outcome = grade(engine, course, "honest")
    assert scores(outcome) == {"double": 2, "momentum-step": 2, "look-ahead": 2}
    assert outcome.flags == []


def test_the_attacks_are_many():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 40


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack(engine, course, attack):
    student = f"student-{ATTACKS.index(attack)}"
    folder = course / "submitted" / student / "toy"
    attack.write(folder)
    before = state_of(course)
    temporary = set(os.listdir("/tmp")) if os.path.isdir("/tmp") else set()

    outcome = grade(engine, course, student)

    expected = {name: 2 if name in attack.earns else 0 for name in RIGHT}
    assert scores(outcome) == expected, [cell.reason for cell in outcome.cells]
    assert all(cell.reason for cell in outcome.cells if cell.score == 0)
    if attack.flag:
        assert any(attack.flag in flag for flag in outcome.flags), outcome.flags
    shown = str(outcome.notebook)
    assert SEED not in shown and "<script>" not in str(
        [c.get("outputs") for c in outcome.notebook.cells]
    )
    assert "wrong for another number" not in shown or "double" in attack.answers
    assert state_of(course) == before
    deadline = time.monotonic() + 5
    while len(processes_of(engine)) > ZYGOTES and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(processes_of(engine)) == ZYGOTES
    left = {
        name
        for name in set(os.listdir("/tmp")) - temporary
        if not name.startswith(("pytest", "pymp"))
    }
    assert not [name for name in left if name in ("left-behind", "results.json") or name.isdigit()]

    after = grade(engine, course, "honest")
    assert scores(after) == {"double": 2, "momentum-step": 2, "look-ahead": 2}
    assert after.flags == []
