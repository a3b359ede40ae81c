"""Scripts become notebooks, notebooks become releases, and lint finds what is wrong."""

import nbformat
import pytest

from autograder import build, release
from autograder.course import Assignment, UserError, assignments, is_check, marks
from autograder.lint import lint


def test_a_build_fills_in_the_metadata_and_gives_stable_ids(toy):
    notebook = nbformat.read(toy.solution, as_version=4)
    ids = [cell.id for cell in notebook.cells]
    assert ids == ["cell-001", "setup", "double", "double-check", "cell-005"] + [
        "square",
        "square-check",
        "essay",
    ]
    assert marks(notebook.cells[3]) == {
        "cell_type": "code",
        "grade": True,
        "grade_id": "double-check",
        "locked": True,
        "points": 2,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    assert "jupytext" not in notebook.metadata
    assert build.is_executed(notebook)
    assert notebook.cells[4].outputs[0].text == "[0, 2, 4]\n"


def test_a_second_build_leaves_an_up_to_date_notebook_alone(toy):
    before = toy.solution.read_bytes()
    assert not build.build(toy)
    assert toy.solution.read_bytes() == before


def test_building_twice_gives_the_same_bytes(toy):
    before = toy.solution.read_bytes()
    assert build.build(toy, force=True)
    assert toy.solution.read_bytes() == before


def test_a_failing_cell_is_named(write):
    broken = write("demonstration = [", "demonstration = undefined or [")
    with pytest.raises(UserError, match=r"cell cell-005 of 01-toy fails(.|\n)*NameError"):
        build.build(broken)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#     points: 6\n", "", "its header needs descent: title, points and minutes"),
        (
            '"grade_id": "square-check"',
            '"grade_id": "double-check"',
            "the grade_id double-check is used 2 times",
        ),
        ('"grade": true, "points": 2', '"grade": true', "does not have points"),
    ],
)
def test_a_bad_script_is_refused_with_the_reason(write, old, new, message):
    with pytest.raises(UserError, match=message):
        build.build(write(old, new))


def test_a_release_holds_stubs_and_public_tests_only(toy):
    text = toy.release.read_text()
    assert text.count("raise NotImplementedError()") == 2
    assert "2 must become 4" in text
    for secret in ("doubled value", "another number", "BEGIN", "has no sign", "toy.py"):
        assert secret not in text
    assert [path.name for path in toy.release.parent.iterdir()] == ["toy.ipynb"]


def test_a_course_in_order_has_no_complaints(toy):
    assert list(lint(toy)) == []


@pytest.fixture
def changed(write):
    """Build and release a changed course, and return lint's complaints."""

    def complaints(old="", new="", after=lambda assignment: None) -> list[str]:
        assignment = write(old, new)
        build.build(assignment)
        release.release(assignment)
        after(assignment)
        return [f"{each.where}: {each.what} → {each.mend}" for each in lint(assignment)]

    return complaints


def test_lint_sees_wrong_totals(changed):
    assert changed("points: 6", "points: 7") == [
        "01-toy: its cells give 6 points, its header says 7 → edit toy.py"
    ]


def test_lint_sees_a_check_that_passes_unsolved(changed):
    (complaint,) = changed(
        'assert square(3) == 9, "square: 3 must become 9"\n### BEGIN HIDDEN TESTS\n'
        'assert square(-4) == 16, "square: wrong for a negative number"',
        "assert square\n### BEGIN HIDDEN TESTS\nassert callable(square)",
    )
    assert complaint.startswith("01-toy: square-check: passes although nothing is solved")


def test_lint_sees_a_solution_that_leaks(changed):
    complaints = changed("# # A toy", "# # A toy\n# Remember: return x + x  # the doubled value")
    assert any("double: its solution stands in the release" in each for each in complaints)


def test_lint_sees_the_reference_in_an_ordinary_cell(changed):
    complaints = changed("demonstration = [", "from lib import rules\n\ndemonstration = [")
    assert len(complaints) == 1
    assert "cell-005: uses lib.rules" in complaints[0]


def test_lint_sees_a_stale_notebook_and_a_stale_release(changed):
    def edit(assignment):
        text = assignment.script.read_text().replace("range(3)", "range(4)")
        assignment.script.write_text(text)

    complaints = changed(after=edit)
    assert any("not what its script builds → autograder build 01-toy" in c for c in complaints)


def test_lint_sees_an_unexecuted_cell_and_stray_files(changed):
    def spoil(assignment):
        notebook = nbformat.read(assignment.solution, as_version=4)
        notebook.cells[1].execution_count = None
        nbformat.write(notebook, assignment.solution)
        (assignment.release.parent / "toy.py").write_text("answers")

    complaints = changed(after=spoil)
    assert any("not every cell of the solution was executed" in c for c in complaints)
    assert any("a stray file in the release → rm course/01-toy/toy.py" in c for c in complaints)


def test_an_unknown_assignment_is_refused_with_the_known_ones(toy):
    with pytest.raises(UserError, match="no assignment '09-magic'; there are: 01-toy"):
        assignments(toy.root, ["09-magic"])
    assert assignments(toy.root, ["toy"]) == [Assignment("01-toy", toy.root)]


def test_checks_are_told_from_answers(toy):
    cells = nbformat.read(toy.solution, as_version=4).cells
    assert [cell.id for cell in cells if is_check(cell)] == ["double-check", "square-check"]
