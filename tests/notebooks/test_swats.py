"""What the notebook on switching from Adam to SGD relies on, beyond its exercises' cases."""

import math

import pytest
import torch

from autograder.course import ROOT
from lib import rules
from lib.check.run import judge
from lib.exercises import swats

SCRIPT = ROOT / "solutions/07-swats/swats.py"


def cell(name):
    """Run a locked cell of the notebook and return what it defines."""
    text = SCRIPT.read_text(encoding="utf-8").split(f'"grade_id": "{name}"')[1].split("# %%")[0]
    names = {"torch": torch}
    exec(text.split("\n", 1)[1], names)
    return names


@pytest.mark.parametrize("eps", [1e-9, 0.01, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_the_right_step_is_the_rule_on_the_whole_model(seed, eps):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 3), (3,))
    hyper = {"lr": 0.1, "beta1": 0.8, "beta2": 0.9, "eps": eps}

    def draw():
        return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]

    def flat(vectors):
        return torch.cat([x.flatten() for x in vectors])

    w, g = draw(), draw()
    state, whole = swats._fresh(w), flat(w)
    rule_state = rules.init(rules.swats, whole)
    for t in range(1, 15):
        g = [x + 0.2 * y for x, y in zip(g, draw(), strict=True)]
        w, state = swats.swats_step(w, state, g, **hyper)
        whole, rule_state = rules.swats(whole, flat(g), rule_state, t, **hyper)
        assert torch.allclose(flat(w), whole, rtol=1e-12, atol=1e-14)
        assert (state["rate"] is None) == (rule_state.switched == 0)
        assert (state["rate"] or 0.0) == pytest.approx(rule_state.rate.item(), rel=1e-12)
    assert (state["rate"] is not None) == (eps > 1e-9)


@pytest.mark.parametrize("defect", swats.DEFECTS)
def test_each_planted_defect_is_told(defect):
    assert swats.diagnose(swats.planted(defect)) == defect


def test_a_rescaled_buffer_is_nine_times_too_small_and_its_first_step_right():
    def settled(defect, steps):
        step, w, state, g = swats.planted(defect), [torch.zeros(1)], None, [torch.ones(1)]
        for _ in range(steps):
            before = w
            w, state = step(w, state, g, 0.1, 0.9, 0.999, 1e-6)
        return (w[0] - before[0]).item()

    assert settled("none", 3) == pytest.approx(settled("buffer rescaled", 3), rel=1e-3)
    ratio = settled("none", 300) / settled("buffer rescaled", 300)
    assert math.isclose(ratio, 9.1, rel_tol=1e-3)


def test_the_notebook_defines_what_the_exercises_do():
    assert cell("defects")["DEFECTS"] == swats.DEFECTS
    w = [torch.ones(2, 3), torch.ones(3)]
    assert swats._equal(cell("swats-start")["start"](w), swats._fresh(w))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w, state: (w, None), "state as a NoneType"),
        (lambda w, state: (w, {"k": 1}), "without 'm'"),
        (lambda w, state: (w, {**state, "lam": [0.1]}), "state\\['lam'\\] as a list"),
        (lambda w, state: (w[:1], state), "w in another form"),
        (lambda w, state: ([x.float() for x in w], state), "w with an element"),
        (lambda w, state: (w, {**state, "m": [1.0, 2.0]}), "state\\['m'\\] with an element"),
    ],
)
def test_a_result_of_another_form_is_refused_in_words(spoil, says):
    def answer(*arguments):
        return spoil(*swats.swats_step(*arguments))

    with pytest.raises(AssertionError, match=says):
        raise judge(swats.SWATS_STEP, answer, swats.SWATS_STEP.public[1:2])


def test_the_cases_convert_to_another_dtype():
    for exercise in (swats.GAMMA, swats.SWATS_STEP):
        assert judge(exercise, exercise.reference, [exercise.public[1].to(torch.float32)]) is None
