"""The mutation proof: every known wrong answer fails and is named; right answers pass.

It holds for the public cases alone and for hidden cases of several seeds alone.
"""

import pytest

from lib.check.run import hidden_cases, judge, public_cases
from lib.exercises import EXERCISES

HIDDEN_SEEDS = ("descent", "spring", "autumn")

MUTANTS = [
    pytest.param(exercise, known, id=f"{exercise.name}-{known.name}")
    for exercise in EXERCISES.values()
    for known in exercise.misconceptions
]


def case_sets(exercise):
    yield "public", public_cases(exercise)
    for seed in HIDDEN_SEEDS:
        yield f"hidden {seed}", hidden_cases(exercise, seed)


@pytest.mark.parametrize(("exercise", "known"), MUTANTS)
def test_every_known_wrong_answer_fails_and_is_named(exercise, known):
    for label, cases in case_sets(exercise):
        failure = judge(exercise, known.function, cases)
        assert failure is not None, f"passes the {label} cases"
        assert failure.reason == f"{exercise.name}: {known.says}", f"misnamed in the {label} cases"


@pytest.mark.parametrize(("exercise", "known"), MUTANTS)
def test_the_source_of_a_wrong_answer_can_be_handed_in(exercise, known):
    source = exercise.source(known.name)
    assert source.startswith(f"def {exercise.name}(")
    compile(source, known.name, "exec")


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.name)
def test_the_reference_passes_all_cases(exercise):
    for label, cases in case_sets(exercise):
        assert judge(exercise, exercise.reference, cases) is None, label


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.name)
def test_an_unsolved_exercise_is_called_unsolved(exercise):
    def stub(*arguments):
        raise NotImplementedError()

    failure = judge(exercise, stub, public_cases(exercise))
    assert failure.reason == f"{exercise.name}: not solved yet"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=lambda e: e.name)
def test_an_exercise_has_wrong_answers_to_recognize(exercise):
    names = [known.name for known in exercise.misconceptions]
    assert len(names) >= 3
    assert len(set(names)) == len(names)
    assert len({known.says for known in exercise.misconceptions}) == len(names)
