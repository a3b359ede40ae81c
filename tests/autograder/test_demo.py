"""The demo class: every row of its grade table is as the class was made."""

import pytest

from autograder import gradebook
from autograder.course import ClassFolder, assignments
from autograder.demo import hand_ins, make_class
from autograder.grade import grade_class
from autograder.referee.doctor import missing

WITHOUT_WALLS = bool(missing())


@pytest.mark.slow
@pytest.mark.parametrize("assignment", assignments(), ids=lambda a: a.name)
def test_every_row_is_as_the_class_was_made(tmp_path, monkeypatch, assignment):
    monkeypatch.setenv("DESCENT_CELL_TIMEOUT", "10")
    folder = ClassFolder(tmp_path)
    made = {each.student: each for each in hand_ins(assignment)}
    assert make_class(folder, [assignment], None) == len(made)
    done = list(grade_class(folder, [assignment], sandboxed=not WITHOUT_WALLS))
    assert {each.student for each in done} == set(made)
    rows = gradebook.rows(folder, [assignment])
    for student, each in made.items():
        got = {row.exercise: row for row in rows if row.student == student}
        scores = {name: row.score for name, row in got.items()}
        assert scores == each.expected, f"{student}: {each.about}"
        for name, reason in each.says.items():
            assert reason in got[name].reason, f"{student}, {name}"
    flags = {each.student: each.flags for each in done}
    for student in ("quan", "sven", "tara"):
        assert flags[student]
