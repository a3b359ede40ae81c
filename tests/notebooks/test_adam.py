"""What the notebook on Adam relies on, beyond its exercises' cases."""

import math

import pytest
import torch

from lib.exercises import adam


def random_step(seed):
    generator = torch.Generator().manual_seed(seed)
    w, m, g = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    v = torch.rand(4, generator=generator, dtype=torch.float64)
    return w, m, v, g


@pytest.mark.parametrize("amsgrad", [False, True])
def test_the_right_step_is_pytorchs(amsgrad):
    parameter = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    optimizer = torch.optim.Adam([parameter], lr=0.1, betas=(0.8, 0.95), eps=0.1, amsgrad=amsgrad)
    state = [torch.zeros(4, dtype=torch.float64)] * (4 if amsgrad else 3)
    for t in range(1, 30):
        g = random_step(t)[3] / t  # shrinking, so that the maximum matters
        parameter.grad = g.clone()
        optimizer.step()
        if amsgrad:  # the paper's, with the corrections in the rate and in ε
            rate = 0.1 / adam.bias_factor(t, 0.8, 0.95)
            state = adam.amsgrad_step(*state, g, t, rate, 0.8, 0.95, 0.1 * math.sqrt(1 - 0.95**t))
        else:
            state = adam.planted("none")(*state, g, t, 0.1, 0.8, 0.95, 0.1)
        assert torch.allclose(state[0], parameter.detach(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_one_probe_tells_all_defects_apart(seed):
    probe = (*random_step(seed), 3, 0.1, 0.8, 0.6, 0.5)
    seen = {defect: torch.cat(adam.planted(defect)(*probe)) for defect in adam.DEFECTS}
    for first, a in seen.items():
        for second, b in seen.items():
            same = torch.allclose(a, b, rtol=1e-3, equal_nan=True)
            assert same == (first == second), (first, second)


def test_the_notebook_lists_the_planted_defects():
    from autograder.course import ROOT

    text = (ROOT / "solutions/06-adam/adam.py").read_text(encoding="utf-8")
    cell = text.split('"grade_id": "defects"')[1].split("# %%")[0]
    names = {}
    exec(cell.split("\n", 1)[1], names)
    assert names["DEFECTS"] == adam.DEFECTS
