"""The schedules: values worked out by hand, tensors of times, and PyTorch's schedulers."""

import math

import pytest
import torch
from torch.optim import lr_scheduler

from lib import schedules

# schedule, its constants, and rates at times, computed by hand
TABLE = [
    (schedules.exponential, {"lr0": 0.5, "k": 0.05}, {0: 0.5, 1: 0.4756147, 100: 0.0033690}),
    (schedules.staircase, {"lr0": 0.5, "k": 0.05}, {0: 0.5, 9: 0.5, 10: 0.3032653, 19: 0.3032653}),
    (schedules.halving, {"lr0": 0.8, "every": 5}, {0: 0.8, 4: 0.8, 5: 0.4, 9: 0.4, 10: 0.2}),
    (schedules.inverse, {"lr0": 0.5, "k": 0.1}, {0: 0.5, 10: 0.25, 40: 0.1}),
    (
        schedules.triangular,
        {"lr_min": 0.1, "lr_max": 0.5, "stepsize": 4},
        {0: 0.1, 1: 0.2, 4: 0.5, 7: 0.2, 8: 0.1, 12: 0.5, 14: 0.3},
    ),
    (schedules.geometric, {"lr0": 0.1, "gamma": 0.1}, {0: 0.1, 1: 0.01, 4: 0.00001}),
]
IDS = [schedule.__name__ for schedule, *_ in TABLE]


def optimizer(*lrs):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs]
    return torch.optim.SGD(groups, lr=1.0)


def follow(sgd, scheduler, epochs):
    seen = []
    for _ in range(epochs):
        seen.append([group["lr"] for group in sgd.param_groups])
        sgd.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("schedule", "constants", "rates"), TABLE, ids=IDS)
def test_values(schedule, constants, rates):
    assert [schedule(t, **constants) for t in rates] == pytest.approx(
        list(rates.values()), rel=1e-5
    )
    times = torch.tensor(list(rates), dtype=torch.float64)
    together = schedule(times, **constants)
    alone = torch.tensor([schedule(t, **constants) for t in rates], dtype=torch.float64)
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)
    mapped = torch.func.vmap(lambda t: schedule(t, **constants))(times)
    torch.testing.assert_close(mapped, alone, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("schedule", "constants", "rates"), TABLE, ids=IDS)
def test_scheduler_follows_the_schedule(schedule, constants, rates):
    first = [constants.get("lr0", schedule(0, **constants)), 0.25]
    sgd = optimizer(*first)
    others = {name: value for name, value in constants.items() if name != "lr0"}
    seen = follow(sgd, schedules.scheduler(sgd, schedule, **others), 15)
    for t, (one, two) in enumerate(seen):
        assert one == pytest.approx(schedule(t, **constants), rel=1e-12)
        scale = 0.25 / constants["lr0"] if "lr0" in constants else 1
        assert two == pytest.approx(scale * schedule(t, **constants), rel=1e-12)


def test_scheduler_resumes():
    def start():
        sgd = optimizer(0.5)
        return sgd, schedules.scheduler(sgd, schedules.halving, every=3)

    sgd, scheduler = start()
    whole = follow(sgd, scheduler, 12)
    sgd, scheduler = start()
    follow(sgd, scheduler, 5)
    saved = sgd.state_dict(), scheduler.state_dict()
    sgd, scheduler = start()
    sgd.load_state_dict(saved[0])
    scheduler.load_state_dict(saved[1])
    assert follow(sgd, scheduler, 7) == whole[5:]


def test_scheduler_refuses_a_rate_of_zero():
    with pytest.raises(ValueError, match="group 1 has lr 0"):
        schedules.scheduler(optimizer(0.1, 0.0), schedules.inverse, k=1)


@pytest.mark.parametrize(
    ("torchs", "ours"),
    [
        (
            lambda o: lr_scheduler.ExponentialLR(o, gamma=0.8),
            lambda t: schedules.geometric(t, lr0=0.5, gamma=0.8),
        ),
        (
            lambda o: lr_scheduler.StepLR(o, step_size=4, gamma=0.5),
            lambda t: schedules.halving(t, lr0=0.5, every=4),
        ),
        (
            lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5, step_size_up=3, cycle_momentum=False),
            lambda t: schedules.triangular(t, lr_min=0.1, lr_max=0.5, stepsize=3),
        ),
        (
            lambda o: lr_scheduler.LambdaLR(o, lambda t: t // 3),
            lambda t: schedules.lambda_lr([0.5], [lambda t: t // 3], t)[0],
        ),
        (
            lambda o: lr_scheduler.ExponentialLR(o, gamma=math.exp(-0.3)),
            lambda t: schedules.exponential(t, lr0=0.5, k=0.3),
        ),
    ],
    ids=["ExponentialLR", "StepLR", "CyclicLR", "LambdaLR", "ExponentialLR of e^-k"],
)
def test_agrees_with_torch(torchs, ours):
    sgd = optimizer(0.5)
    seen = follow(sgd, torchs(sgd), 13)
    assert [lr for (lr,) in seen] == pytest.approx([ours(t) for t in range(13)], rel=1e-9)


def test_lambda_lr_wants_a_function_for_each_group():
    with pytest.raises(ValueError, match="2 groups need as many functions, not 1"):
        schedules.lambda_lr([0.1, 0.2], [lambda t: 1.0], 0)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_agrees_with_torch(patience):
    generator = torch.Generator().manual_seed(patience)
    losses = (3 * torch.rand(40, generator=generator)).round().tolist()  # with ties
    sgd = optimizer(0.5)
    scheduler = schedules.plateau_scheduler(sgd, patience, 0.5)
    for epoch, loss in enumerate(losses, 1):
        scheduler.step(loss)
        expected = schedules.decay_on_plateau(losses[:epoch], patience, 0.5, 0.5)
        assert sgd.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-12)
    assert expected < 0.5
    assert schedules.decay_on_plateau([], patience, 0.5, 0.5) == 0.5


def test_what_exponential_decay_leaves_undone():
    """∏(1 − ηλe^(−kt)) with ηλ = .05: the part of the error that stays forever."""
    times = torch.arange(20_000, dtype=torch.float64)
    left = [torch.prod(1 - schedules.exponential(times, 0.05, k)) for k in (0.01, 0.05, 0.1, 0.5)]
    assert [x.item() for x in left] == pytest.approx([0.006, 0.354, 0.587, 0.879], abs=6e-4)
