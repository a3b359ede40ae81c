"""What the notebook on RMSProp relies on, beyond its exercises' cases."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import rules
from lib.exercises import rmsprop

F64 = torch.float64
USUAL = {"eta_minus": 0.5, "eta_plus": 1.2, "step_min": 1e-6, "step_max": 50.0}


@given(st.lists(st.floats(-3, 3).filter(lambda g: g == 0 or abs(g) > 1e-3), min_size=2, max_size=2))
def test_rprop_is_pytorchs_but_for_the_rest_after_a_flip(pair):
    before, now = (torch.tensor([g], dtype=F64) for g in pair)
    w, step = torch.ones(1, dtype=F64), torch.tensor([0.5], dtype=F64)
    ours, our_step = rmsprop.rprop_step(w, step, now, before, **USUAL)
    theirs, state = rules.rprop(w, now, rules.RpropState(step, before), 2, **USUAL)
    assert torch.equal(our_step, state.step)
    flipped = (before * now).item() < 0
    assert torch.equal(theirs, w if flipped else ours)
    assert not flipped or not torch.equal(ours, w)


@pytest.mark.parametrize("n", [5, 10, 50])
@pytest.mark.parametrize("memory_in_cycles", [4, 20])
def test_a_long_memory_leaves_a_quarter_of_cycle_over_memory(n, memory_in_cycles):
    beta = 1 - 1 / (n * memory_in_cycles)
    # The mean square just after the large gradient, in a cycle that repeats for ever.
    after = ((1 - beta) * (n - 1) ** 2 + beta - beta**n) / (1 - beta**n)
    way = sum(1 / math.sqrt(beta**k * after + 1 - beta**k) for k in range(1, n))
    back = (n - 1) / math.sqrt(after)
    share = (way - back) / way / ((n - 2) / (n - 1))
    assert share == pytest.approx(1 / (4 * memory_in_cycles), rel=0.05)
