"""lib.check on a toy exercise: what passes, what is refused, and what the messages say."""

import pytest
import torch

from lib import check as check_module
from lib import exercises
from lib.check import Call, CheckFailed, Exercise, Steps, check, judge
from lib.check.cases import Observation
from lib.check.compare import first_difference, same
from lib.check.messages import show
from lib.check.run import hidden_cases, public_cases

F64, F32 = torch.float64, torch.float32


def decay_step(w, s, g, lr):
    """The toy exercise."""
    s = 0.5 * s + g
    return w - lr * s, s


def draw(generator):
    w, s, *g = torch.randn(4, 3, generator=generator, dtype=F64)
    return [Steps("drawn", {"w": w, "s": s}, [{"g": x, "lr": 0.2} for x in g])]


@pytest.fixture
def toy(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    w, s, *g = torch.randn(5, 3, generator=generator, dtype=F64)
    case = Steps("three steps", {"w": w, "s": s}, [{"g": x, "lr": 0.1} for x in g])
    exercise = Exercise("toy", decay_step, ("w", "s"), [case, case.to(F32)], draw)

    @exercise.misconception("the state is forgotten", "Carry s over.")
    def forgets(w, s, g, lr):
        return w - lr * g, g

    monkeypatch.setitem(exercises.EXERCISES, "decay_step", exercise)
    return exercise


def reason(exercise, function, cases=None):
    failure = judge(exercise, function, cases or public_cases(exercise))
    return failure and failure.reason.removeprefix("decay_step: ")


def test_a_right_answer_prints_one_line(toy, capsys):
    check("decay_step", decay_step)
    check("decay_step", decay_step, hidden=True)
    assert capsys.readouterr().out.splitlines() == [
        "✓ decay_step: right in 2 cases.",
        "✓ decay_step: right in 1 hidden case.",
    ]


def test_a_differently_written_right_answer_passes(toy):
    def rearranged(w, s, g, lr):
        s = (s + 2 * g) / 2
        return w.sub(s.mul(lr)), s

    assert reason(toy, rearranged) is None


def test_a_known_mistake_is_named_in_the_first_line(toy):
    with pytest.raises(CheckFailed) as caught:
        check("decay_step", lambda w, s, g, lr: (w - lr * g, g))
    assert str(caught.value).splitlines()[0] == "decay_step: the state is forgotten"
    assert "Carry s over." in str(caught.value)
    assert caught.value._render_traceback_()[0].endswith("the state is forgotten\x1b[0m")


def slightly_wrong(w, s, g, lr):
    s = 0.5 * s + g
    return w - lr * s * (1 + 1e-6), s


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda w, s, g, lr: w, "returns one Tensor; expected the tuple (w, s)"),
        (lambda w, s, g, lr: None, "returns nothing; expected (w, s)"),
        (lambda w, s, g, lr: (w, s, g), "returns 3 values; expected 2: (w, s)"),
        (lambda w, s, g, lr: (w, 1.0), "returns s as a float; expected a tensor"),
        (lambda w, s, g, lr: (w, s[:1]), "returns s of shape (1,); expected (3,)"),
        (lambda w, s, g, lr: (w, s.float()), "returns s as float32; expected float64"),
        (lambda w, s, g, lr: (w, s.sub_(1)), "changes its input s in place"),
        (lambda w, s, g, lr: decay_step(w, s, g, -lr), "w differs from the reference at step 1"),
        (lambda w, s, g, lr: w + undefined, "stops with NameError"),  # noqa: F821
        (lambda w, s: (w, s), "stops with TypeError"),
        (slightly_wrong, "w differs from the reference at step"),
    ],
)
def test_a_failure_says_what_is_wrong(toy, wrong, expected):
    assert reason(toy, wrong).startswith(expected)


def test_a_wrong_dtype_shows_in_the_float32_case(toy):
    def always_double(w, s, g, lr):
        return tuple(x.double() for x in decay_step(w, s, g, lr))

    assert reason(toy, always_double).startswith("returns w as float64; expected float32")


def test_something_that_is_no_function_is_refused(toy):
    assert reason(toy, 3) == "is a int, not a function"


def test_a_constant_factor_is_pointed_out(toy):
    failure = judge(
        toy, lambda w, s, g, lr: (decay_step(w, s, g, lr)[0], -s / 2 - g), public_cases(toy)[:1]
    )
    assert "s differs from the reference at step 1; w is right" in failure.reason


def test_hidden_numbers_stay_hidden(toy):
    with pytest.raises(CheckFailed) as caught:
        check("decay_step", lambda w, s, g, lr: (w, s + 1), hidden=True)
    assert "expected" not in str(caught.value)
    assert "hidden: drawn" in str(caught.value)


def test_hidden_cases_follow_the_seed(toy):
    first, again, other = (hidden_cases(toy, seed)[0] for seed in ("a", "a", "b"))
    assert torch.equal(first.start["w"], again.start["w"])
    assert not torch.equal(first.start["w"], other.start["w"])


def test_the_seed_comes_from_the_environment(toy, monkeypatch):
    monkeypatch.setenv("DESCENT_SEED", "secret")
    assert check_module.hidden_seed() == "secret"


def test_an_unknown_exercise_is_an_error_of_the_author():
    with pytest.raises(KeyError, match="no exercise named 'nonsense'; there are: "):
        check("nonsense", decay_step)


@pytest.mark.parametrize(
    ("actual", "expected", "agree"),
    [
        (torch.tensor([1.0 + 1e-6]), torch.tensor([1.0]), True),
        (torch.tensor([1.0 + 1e-3]), torch.tensor([1.0]), False),
        (torch.tensor([1.0, 1.0]), torch.tensor([1.0]), False),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), True),
        (torch.tensor([1, 2]), torch.tensor([1, 2]), True),
        (torch.tensor(0.5), 0.5, True),
        (True, 1.0, False),
        ("a", "a", True),
        (None, None, True),
        ([1, [2.0]], (1, (2.0,)), True),
        ({"k": 1.0}, {"k": 1.0}, True),
        ({"k": 1.0}, {"l": 1.0}, False),
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.0 + 1e-7, False),
        ("1.0", 1.0, False),
    ],
)
def test_same(actual, expected, agree):
    assert same(actual, expected, scale=1.0) is agree


def test_values_that_cancel_to_zero_are_judged_by_the_scale_of_the_case():
    def seen(*values):
        return [Observation("", {}, {"w": torch.tensor(v, dtype=F64)}) for v in values]

    assert first_difference(seen(1.0, 1e-17), seen(1.0, 0.0)) is None
    assert first_difference(seen(1.0, 1e-9), seen(1.0, 0.0)) == (1, ["w"])


def test_long_values_are_shown_short():
    assert show(torch.arange(100.0)) == "tensor of shape (100,): 0, 1, 2, 3, 4, 5, …"
    assert show([1.0, 2.5]) == "[1, 2.5]"
    assert show((1 / 3, None)) == "(0.333333, None)"


def test_a_single_call_case_converts_and_copies():
    case = Call("one", {"x": torch.ones(2, dtype=F64), "n": 3})
    assert case.to(F32).args["x"].dtype == F32

    def writes(x, n):
        return x.zero_()

    exercise = Exercise("toy", lambda x, n: x + n, ("y",), [case], lambda generator: [])
    assert judge(exercise, writes, [case]).reason.endswith("changes its input x in place")
    assert torch.equal(case.args["x"], torch.ones(2, dtype=F64))
