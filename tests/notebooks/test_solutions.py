"""The built notebooks: executed in order, without errors, and answered rightly in other words."""

import nbformat
import pytest

from autograder.build import is_executed
from autograder.course import assignments
from autograder.demo import answers, hand_ins
from lib.check.run import hidden_cases, judge, public_cases
from lib.exercises import EXERCISES


@pytest.mark.parametrize("assignment", assignments(), ids=lambda a: a.name)
def test_every_solution_was_executed_in_order_and_has_no_error(assignment):
    notebook = nbformat.read(assignment.solution, as_version=4)
    assert is_executed(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


@pytest.mark.parametrize("style", answers.STYLES)
@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.name)
def test_a_differently_written_right_answer_passes(exercise, style):
    module = answers.module_of(exercise)
    function = getattr(module, f"{exercise.name}__{style}")
    assert judge(exercise, function, public_cases(exercise)) is None
    assert judge(exercise, function, hidden_cases(exercise, "descent")) is None


@pytest.mark.parametrize("assignment", assignments(), ids=lambda a: a.name)
def test_the_demo_class_has_every_kind_of_hand_in(assignment):
    made = list(hand_ins(assignment))
    assert len(made) >= 12
    assert len({each.student for each in made}) == len(made)
    for each in made:
        assert set(each.says) == {name for name, score in each.expected.items() if score == 0}
