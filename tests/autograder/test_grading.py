"""A class is graded: every hand-in ends in a grade or a reasoned zero."""

import csv
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from nbgrader.api import Gradebook
from rich.console import Console

from autograder import demo, gradebook, report
from autograder.course import ClassFolder, UserError, is_answer, marks
from autograder.grade import fingerprint, grade_class
from autograder.needed import needed
from autograder.release import register

RIGHT = {
    "double": "def double(x):\n    return 2 * x",
    "square": "def square(x):\n    return x**2",
    "essay": "It has no sign.",
}


@pytest.fixture
def hand_in(classroom, toy):
    """Hand in the released notebook with some cells' text replaced, or any text."""

    def write(student, answers=None, edit=None, text=None, filename="toy.ipynb"):
        notebook = nbformat.read(toy.release, as_version=4)
        for cell in notebook.cells:
            if is_answer(cell) and answers is not None:
                cell.source = answers.get(marks(cell)["grade_id"], cell.source)
        if edit:
            edit(notebook)
        folder = classroom.submitted / student / toy.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / filename).write_text(nbformat.writes(notebook) if text is None else text)
        return folder

    return write


@pytest.fixture
def grade(classroom, toy):
    """Grade the class; return the scores by student and exercise, and what was done."""

    def run(**options):
        done = list(grade_class(classroom, [toy], jobs=1, **options))
        rows = gradebook.rows(classroom, [toy])
        return {(row.student, row.exercise): row for row in rows}, done

    return run


def scores(rows, student):
    return [row.score for (who, _), row in rows.items() if who == student]


def test_every_hand_in_gets_a_grade_or_a_reasoned_zero(hand_in, grade):
    def without_check(notebook):
        notebook.cells = [c for c in notebook.cells if c.id != "double-check"]

    def tampered(notebook):
        for cell in notebook.cells:
            if cell.id == "square-check":
                cell.source = "pass"

    def twice(notebook):
        again = nbformat.from_dict(notebook.cells[2])
        again.id = "again"
        notebook.cells.append(again)

    wrong = {**RIGHT, "square": "def square(x):\n    return x + x"}
    noisy = RIGHT["double"] + "\n\nimport sys\nprint('careful', file=sys.stderr)"
    hand_in("right", RIGHT)
    hand_in("wrong", wrong)
    hand_in("unsolved")
    hand_in("syntax", {**RIGHT, "square": "def square(x)\n    return x"})
    hand_in("raises", {**RIGHT, "square": "def square(x):\n    return x / 0"})
    hand_in("deleted", RIGHT, edit=without_check)
    hand_in("tampered", wrong, edit=tampered)
    hand_in("twice", RIGHT, edit=twice)
    hand_in("noisy", {**RIGHT, "double": noisy})
    hand_in("cut", text='{"cells": [')
    hand_in("empty", text="")
    hand_in("renamed", RIGHT, filename="Toy final.ipynb")
    hand_in("list", text="[]")
    rows, done = grade()
    full = [2.0, 3.0, None]
    assert {student: scores(rows, student) for student, _ in rows} == {
        "right": full,
        "wrong": [2.0, 0.0, None],
        "unsolved": [0.0, 0.0, 0.0],
        "syntax": [2.0, 0.0, None],
        "raises": [2.0, 0.0, None],
        "deleted": full,
        "tampered": [2.0, 0.0, None],
        "twice": full,
        "noisy": full,
        "cut": [0.0, 0.0, 0.0],
        "empty": [0.0, 0.0, 0.0],
        "renamed": [0.0, 0.0, 0.0],
        "list": [0.0, 0.0, 0.0],
    }
    reasons = {who: row.reason for (who, exercise), row in rows.items() if exercise == "square"}
    assert reasons["right"] == ""
    assert "square: 3 must become 9" in reasons["wrong"]
    assert "ZeroDivisionError" in reasons["raises"]
    assert "its cell stops with SyntaxError: expected ':' (line 1)" in reasons["syntax"]
    assert reasons["cut"] == "toy.ipynb is not JSON; perhaps it was cut short"
    assert reasons["empty"] == "toy.ipynb is empty"
    assert reasons["renamed"] == "no notebook named toy.ipynb was handed in (found Toy final.ipynb)"
    assert rows["unsolved", "essay"].reason == "no answer was given"
    flags = {each.student: each.flags for each in done}
    assert any("double-check was deleted" in flag for flag in flags["deleted"])
    assert flags["twice"]
    assert flags["right"] == []


def test_unchanged_hand_ins_are_not_run_again(hand_in, grade):
    hand_in("ann", RIGHT)
    assert [each.fresh for each in grade()[1]] == [True]
    assert [each.fresh for each in grade()[1]] == [False]
    assert [each.fresh for each in grade(force=True)[1]] == [True]
    hand_in("ann", {**RIGHT, "double": "def double(x):\n    return 3 * x"})
    rows, done = grade()
    assert done[0].fresh
    assert scores(rows, "ann") == [0.0, 3.0, None]


def test_a_later_hand_in_without_checks_does_not_keep_the_old_score(hand_in, grade):
    hand_in("eve", RIGHT)
    grade()
    hand_in("eve", {}, edit=lambda nb: nb.cells.clear())
    rows, done = grade()
    assert scores(rows, "eve") == [0.0, 0.0, 0.0]
    assert len(done[0].flags) >= 4


def test_a_persons_scores_and_comments_survive_a_regrade(hand_in, grade, classroom, toy):
    hand_in("ann", RIGHT)
    grade()
    with Gradebook(classroom.database, "descent") as book:
        given = book.find_grade("essay", "toy", toy.name, "ann")
        given.manual_score = 0.5
        book.find_comment("essay", "toy", toy.name, "ann").manual_comment = "Well argued."
        book.db.commit()
    grade(force=True)
    with Gradebook(classroom.database, "descent") as book:
        assert book.find_grade("essay", "toy", toy.name, "ann").manual_score == 0.5
        comment = book.find_comment("essay", "toy", toy.name, "ann")
        assert comment.manual_comment == "Well argued."


EXTRA = """# %% nbgrader={"grade_id": "extra-check", "grade": true, "points": 5}
assert double(1) == 2
### BEGIN HIDDEN TESTS
assert double(2) == 4
### END HIDDEN TESTS

# %% [markdown] nbgrader"""


def test_exercises_can_come_and_go_while_there_are_hand_ins(hand_in, grade, copy, rewrite):
    # nbgrader refuses: "Cannot add or remove cells … because there are submissions" (its #1646)
    classroom = ClassFolder(copy.root / "classroom", copy.root)
    shutil.copytree(hand_in("ann", RIGHT), classroom.submitted / "ann" / copy.name)
    scores = []
    for old, new in (
        ("# # A toy", "# # A toy, as it was released"),
        ("# %% [markdown] nbgrader", EXTRA),
        (EXTRA, "# %% [markdown] nbgrader"),
        (
            '"grade_id": "double-check", "grade": true, "points": 2',
            '"grade_id": "twice-check", "grade": true, "points": 4',
        ),
    ):
        rewrite(old, new)
        list(grade_class(classroom, [copy], jobs=1))
        scores.append([(r.exercise, r.score) for r in gradebook.rows(classroom, [copy])])
    first = [("double", 2.0), ("square", 3.0), ("essay", None)]
    assert scores[:3] == [first, [*first[:2], ("extra", 5.0), first[2]], first]
    assert scores[3] == [("twice", 4.0), *first[1:]]


def test_what_a_person_graded_is_not_dropped_with_its_exercise(hand_in, copy, rewrite):
    classroom = ClassFolder(copy.root / "classroom", copy.root)
    shutil.copytree(hand_in("ann", RIGHT), classroom.submitted / "ann" / copy.name)
    list(grade_class(classroom, [copy], jobs=1))
    with Gradebook(classroom.database, "descent") as book:
        book.find_grade("essay", "toy", copy.name, "ann").manual_score = 1.0
        book.db.commit()
    rewrite('"grade_id": "essay"', '"grade_id": "why"')
    with pytest.raises(UserError, match=r"01-toy: cells are gone .* essay \(1\); put them back"):
        register(copy, classroom)
    with Gradebook(classroom.database, "descent") as book:
        assert book.find_grade("essay", "toy", copy.name, "ann").manual_score == 1.0


def test_a_demo_class_never_replaces_a_real_one(hand_in, classroom):
    folder = hand_in("ann", RIGHT)
    with pytest.raises(UserError, match="holds hand-ins that `autograder demo` did not make"):
        demo.make_class(classroom, [], None)
    assert (folder / "toy.ipynb").exists()


def test_a_demo_class_replaces_an_earlier_one(tmp_path):
    folder = ClassFolder(tmp_path)
    demo.make_class(folder, [], None)
    (folder.submitted / "ada").mkdir(parents=True)
    demo.make_class(folder, [], None)
    assert not (folder.submitted / "ada").exists()


def test_the_table_shows_every_exercise_and_why(hand_in, grade, capsys):
    hand_in("ann", RIGHT)
    hand_in("bob", {**RIGHT, "square": "def square(x):\n    return x"})
    rows, _ = grade()
    console = Console(width=100)
    for table in report.grade_tables(list(rows.values())):
        console.print(table)
    printed = capsys.readouterr().out.replace("\N{NO-BREAK SPACE}", " ")
    assert "Exercises: 1 double (2), 2 square (3), 3 essay (1)." in printed
    (ann,) = (line for line in printed.splitlines() if "ann" in line)
    (bob,) = (line for line in printed.splitlines() if "bob" in line)
    assert "5/5" in ann and "2 3 –" in ann
    assert "2/5" in bob and "2 0 –" in bob and "square: 3 must become 9" in bob


def test_one_student_can_be_graded_alone(hand_in, grade):
    hand_in("ann", RIGHT)
    hand_in("bob", RIGHT)
    rows, done = grade(student="bob")
    assert [each.student for each in done] == ["bob"]
    assert {student for student, _ in rows} == {"bob"}


def test_nothing_handed_in_is_said(grade):
    with pytest.raises(UserError, match=r"nothing was handed in for 01-toy: expected .*STUDENT"):
        grade()


class Exploding(ThreadPoolExecutor):
    """An executor whose workers die."""

    def submit(self, *_, **__):
        def die():
            raise MemoryError("worker died")

        return super().submit(die)


def test_a_dying_worker_costs_its_own_submission_only(hand_in, grade):
    hand_in("ann", RIGHT)
    with Exploding() as executor:
        rows, _ = grade(executor=executor)
    assert scores(rows, "ann") == [0.0, 0.0, 0.0]
    assert "the grader could not run it (MemoryError: worker died)" in rows["ann", "square"].reason


def test_the_seed_is_drawn_once_and_private(classroom):
    seed = classroom.seed
    assert len(seed) == 32
    assert (classroom.path / "seed").stat().st_mode & 0o077 == 0
    assert type(classroom)(classroom.path, classroom.root).seed == seed


def test_a_fingerprint_follows_content_and_names(toy, tmp_path):
    (tmp_path / "a").write_text("1")
    first = fingerprint(toy, tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert fingerprint(toy, tmp_path) != first


def test_only_what_a_grade_depends_on_runs(toy):
    solution = nbformat.read(toy.solution, as_version=4)
    notebook = nbformat.from_dict(solution)
    ran = [
        cell.id for cell, run in zip(notebook.cells, needed(solution, notebook), strict=True) if run
    ]
    assert ran == ["setup", "double", "double-check", "square", "square-check"]
    notebook.cells[5].source = "def square(x):\n    return x * demonstration[1] / 2 * x"
    assert needed(solution, notebook)[4]


def test_csv_is_quoted_and_holds_no_formulas(tmp_path):
    row = gradebook.Row("=cmd()", "01-toy", "square", None, 3.0, 'says "no",\nthen stops')
    assert report.write_csv([row], tmp_path / "grades.csv") == 1
    with (tmp_path / "grades.csv").open(newline="") as file:
        header, line = csv.reader(file)
    assert header == ["student", "assignment", "exercise", "score", "points", "reason"]
    assert line == ["'=cmd()", "01-toy", "square", "", "3.0", 'says "no",\nthen stops']


def test_the_report_counts_mistakes_and_escapes_them(tmp_path):
    rows = [
        gradebook.Row("ann", "01-toy", "square", 3.0, 3.0, ""),
        gradebook.Row("bob", "01-toy", "square", 0.0, 3.0, "square: <b>wrong</b>"),
        gradebook.Row("eve", "01-toy", "square", 0.0, 3.0, "square: <b>wrong</b>"),
        gradebook.Row("eve", "01-toy", "essay", None, 1.0, ""),
    ]
    assert report.summary(rows) == [("01-toy square", 1, 3, [("<b>wrong</b>", 2)])]
    report.write_html(rows, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "2 × &lt;b&gt;wrong&lt;/b&gt;" in page
    assert "<b>" not in page


def test_the_graded_notebook_can_be_given_back(hand_in, grade, classroom, toy):
    from autograder.release import feedback

    hand_in("ann", {**RIGHT, "square": "def square(x):\n    return 7"})
    hand_in("cut", text="{")
    grade()
    feedback(toy, classroom)
    page = (classroom.path / "feedback" / "ann" / toy.name / "toy.html").read_text()
    assert "square: 3 must become 9" in page
    assert "wrong for a negative number" not in page
    assert "not JSON" in (classroom.path / "feedback" / "cut" / toy.name / "toy.html").read_text()


def test_a_state_file_that_is_damaged_means_a_regrade(hand_in, grade, classroom, toy):
    hand_in("ann", RIGHT)
    grade()
    state = classroom.autograded / "ann" / toy.name / ".graded.json"
    assert json.loads(state.read_text())["state"]
    state.write_text("{")
    assert grade()[1][0].fresh
