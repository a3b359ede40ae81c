"""The command line: what a person types, and the one sentence that answers a mistake."""

import csv
import functools
import sys

import nbformat
import pytest

from autograder import cli, course
from autograder.course import is_answer


@pytest.fixture
def autograder(monkeypatch, toy, tmp_path, capsys):
    """Type a command in the toy course; return its exit code and all that it printed."""
    monkeypatch.setattr(cli, "assignments", functools.partial(course.assignments, toy.root))
    monkeypatch.setattr(cli, "ROOT", toy.root)
    monkeypatch.setattr(cli, "strays", lambda: iter(()))
    # a class of the toy course, not of the real one
    monkeypatch.setattr(cli, "ClassFolder", functools.partial(course.ClassFolder, root=toy.root))
    monkeypatch.setattr(cli.console, "_width", 200)
    monkeypatch.chdir(tmp_path)

    def typed(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["autograder", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            cli.main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out + printed.err

    return typed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["build", "09-magic"], "no assignment '09-magic'; there are: 01-toy"),
        (["grade"], "submitted does not exist: put hand-ins into"),
        (["export"], "nothing was graded in"),
        (["report"], "nothing was graded in"),
        (["feedback"], "nothing of 01-toy was graded in"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_one_sentence(autograder, tmp_path, arguments, sentence):
    folder = tmp_path / "class"
    option = [] if arguments[0] == "build" else ["--class", folder]
    code, printed = autograder(*arguments, *option)
    assert code == 2
    assert printed.startswith("autograder: ")
    assert sentence in printed
    assert "Traceback" not in printed
    assert not folder.exists(), "a command that only reads must not make a class"


def test_from_hand_ins_to_feedback(autograder, toy, tmp_path):
    folder = tmp_path / "class"
    for student, power in (("ann", "x * x"), ("bob", "x + x")):
        notebook = nbformat.read(toy.release, as_version=4)
        for cell in notebook.cells:
            if is_answer(cell) and cell.cell_type == "code":
                result = {"double": "2 * x", "square": power}[cell.id]
                cell.source = f"def {cell.id}(x):\n    return {result}"
        path = folder / "submitted" / student / toy.name
        path.mkdir(parents=True)
        nbformat.write(notebook, path / "toy.ipynb")

    code, printed = autograder("grade", "--class", folder, "--jobs", "1")
    assert code == 0
    assert "square: 3 must become 9" in printed
    assert "2 graded, 0 unchanged" in printed
    assert "Warning" not in printed
    assert "0 graded, 2 unchanged" in autograder("grade", "--class", folder)[1]

    assert autograder("export", "--class", folder, "--to", tmp_path / "grades.csv") == (
        0,
        f"6 lines in {tmp_path / 'grades.csv'}\n",
    )
    with (tmp_path / "grades.csv").open(newline="") as file:
        lines = {(line["student"], line["exercise"]): line for line in csv.DictReader(file)}
    assert lines["ann", "square"]["score"] == "3.0"
    assert "3 must become 9" in lines["bob", "square"]["reason"]

    code, printed = autograder("report", "--class", folder)
    assert code == 0
    assert "1/2" in printed
    assert "3 must become 9" in (folder / "report.html").read_text()

    assert autograder("feedback", "--class", folder) == (0, "01-toy: class/feedback\n")
    assert (folder / "feedback" / "bob" / toy.name / "toy.html").exists()

    code, printed = autograder(
        "export", "--class", folder, "--to", tmp_path / "none" / "grades.csv"
    )
    assert code == 2
    assert "name another with --to" in printed

    code, printed = autograder("demo", "--class", folder)
    assert code == 2
    assert "did not make" in printed
    assert (folder / "submitted" / "ann" / toy.name / "toy.ipynb").exists()


def test_lint_counts_what_is_to_mend(autograder, monkeypatch):
    assert autograder("lint") == (0, "The course is in order.\n")
    brackets = cli.lint_assignment.__globals__["Complaint"](
        "01-toy: a", "takes [/b] for markup", "edit"
    )
    monkeypatch.setattr(cli, "lint_assignment", lambda assignment: [brackets])
    assert autograder("lint") == (
        1,
        "01-toy: a: takes [/b] for markup\n    → edit\n1 to mend.\n",
    )


def test_an_interrupt_says_that_what_was_done_is_kept(autograder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "lint_assignment", interrupted)
    code, printed = autograder("lint")
    assert code == 130
    assert printed == "autograder: stopped; what was done is kept.\n"
