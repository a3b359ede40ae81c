"""Scripts become notebooks, notebooks become releases, and lint finds what is wrong."""

import nbformat
import pytest

from autograder import build, release
from autograder.course import Assignment, UserError, assignments, is_check, marks
from autograder.lint import lint, reference_used, strays


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


def test_widgets_without_their_kernel_are_left_out(write):
    show = "import ipywidgets; display(ipywidgets.IntSlider()); print(7)\n"
    toy = write("demonstration = [", show + "demonstration = [")
    build.build(toy)
    notebook = nbformat.read(toy.solution, as_version=4)
    assert "widgets" not in notebook.metadata
    assert [output.output_type for output in notebook.cells[4].outputs] == ["stream"]


def test_a_failing_cell_is_named(write):
    broken = write("demonstration = [", "demonstration = undefined or [")
    with pytest.raises(UserError, match=r"cell cell-005 of 01-toy fails(.|\n)*NameError"):
        build.build(broken)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", "cell cell-005 of 01-toy did not end within 1 s"),
        ("import os; os._exit(1)", "cell cell-005 of 01-toy ended the kernel"),
    ],
)
def test_a_cell_that_hangs_or_dies_is_named(write, monkeypatch, code, message):
    monkeypatch.setattr(build, "CELL_TIMEOUT", 1)
    with pytest.raises(UserError, match=message):
        build.build(write("demonstration = [", f"{code}\ndemonstration = ["))


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
        (
            '"locked": true',
            '"locked": tru',
            r"cannot read a cell's header, expected JSON: nbgrader",
        ),
        ('"grade_id": "setup"', '"grade_id": "set up"', "the grade_id 'set up' is not valid"),
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
    assert any("cell-001: the solution of double stands in" in each for each in complaints)


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


def complaints_about(assignment):
    return [f"{each.where}: {each.what} → {each.mend}" for each in lint(assignment)]


@pytest.mark.parametrize(
    ("old", "new", "cell"),
    [
        ("2 must become 4", "2 has to become 4", "double-check"),
        ("Twice x.", "Two times x.", "double"),
        ("import math", "import math\nimport cmath", "setup"),
        ("print(demonstration)", "print(*demonstration)", "cell-005"),
    ],
    ids=["check", "answer", "locked", "lesson"],
)
def test_lint_names_the_cell_in_which_a_release_is_stale(copy, rewrite, old, new, cell):
    rewrite(old, new)
    assert complaints_about(copy) == [
        f"01-toy: {cell}: the release is not made from this solution → autograder release 01-toy"
    ]
    release.release(copy)
    assert complaints_about(copy) == []


def test_lint_sees_hidden_tests_and_a_model_answer_in_a_release(copy):
    notebook = nbformat.read(copy.release, as_version=4)
    notebook.cells[3].source += "\n" + (
        'assert double(math.pi) == 2 * math.pi, "double: wrong for another number"'
    )
    notebook.cells[0].source += "\n**Model answer.** Because a product with itself has no sign."
    nbformat.write(notebook, copy.release)
    found = complaints_about(copy)
    for where, what in (("double-check", "hidden tests of double-check"), ("cell-001", "essay")):
        assert any(f"01-toy: {where}: the " in each and what in each for each in found)


@pytest.mark.parametrize(
    "check",
    [
        "assert square",
        "assert double(1) == 2 and square",  # fails while nothing at all is solved
    ],
)
def test_lint_sees_a_public_check_that_passes_unsolved(copy, rewrite, check):
    rewrite('assert square(3) == 9, "square: 3 must become 9"', check)
    release.release(copy)
    assert complaints_about(copy) == [
        "01-toy: square-check: passes although nothing is solved → edit toy.py"
    ]


@pytest.mark.parametrize(
    "use",
    [
        "from lib import optim",
        "import lib.optim as o",
        "import lib\nlib.optim.Adam",
        "import importlib\nimportlib.import_module('lib.optim')",
        "%matplotlib inline\nfrom lib.optim import Adam",
        "%%time\nfrom lib.optim import Adam",
    ],
)
def test_every_way_to_the_reference_is_seen(use):
    assert reference_used(use) == ["lib.optim"]


def test_lint_sees_a_cell_that_needs_a_reference_cell(copy, rewrite):
    picture = '# %% nbgrader={"grade_id": "picture", "locked": true} tags=["reference"]\n'
    rewrite("# %%\ndemonstration", f"{picture}shown = [1]\n\n# %%\nprint(shown)\ndemonstration")
    release.release(copy)
    (complaint,) = complaints_about(copy)
    assert "cell-006: uses shown of the reference cell picture, which a grader" in complaint


def test_lint_names_a_cell_that_is_no_python(copy):
    copy.script.write_text(copy.script.read_text().replace("import math", "import math math"))
    assert complaints_about(copy) == [
        "01-toy: setup: is not Python: invalid syntax, line 1 of the cell → edit toy.py"
    ]


def test_lint_sees_what_belongs_to_no_assignment(copy):
    assert list(strays(copy.root)) == []
    (copy.root / "course" / "01-toy-old").mkdir()
    (copy.root / "course" / ".ipynb_checkpoints").mkdir()
    (complaint,) = strays(copy.root)
    assert (complaint.where, complaint.mend) == ("course/01-toy-old", "rm -r course/01-toy-old")


def test_a_release_that_fails_leaves_the_old_one(copy):
    before = copy.release.read_bytes()
    notebook = nbformat.read(copy.solution, as_version=4)
    notebook.cells[2].source = notebook.cells[2].source.replace("### END SOLUTION", "")
    nbformat.write(notebook, copy.solution)
    with pytest.raises(
        UserError, match="could not convert 01-toy: .*no end solution statement found"
    ):
        release.release(copy)
    assert copy.release.read_bytes() == before


def test_an_unknown_assignment_is_refused_with_the_known_ones(toy):
    with pytest.raises(UserError, match="no assignment '09-magic'; there are: 01-toy"):
        assignments(toy.root, ["09-magic"])
    assert assignments(toy.root, ["toy"]) == [Assignment("01-toy", toy.root)]


def test_checks_are_told_from_answers(toy):
    cells = nbformat.read(toy.solution, as_version=4).cells
    assert [cell.id for cell in cells if is_check(cell)] == ["double-check", "square-check"]
