"""What the notebook on learning-rate decay relies on, beyond its exercises' cases."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lib import harness, schedules
from lib.exercises import lr_decay


@given(
    scaled=st.floats(5e-3, 0.3),
    share=st.floats(0.01, 0.5),
)
def test_the_fastest_decay_never_leaves_more_than_the_share(scaled, share):
    k = lr_decay.fastest_decay(scaled, 1.0, share)
    assert lr_decay.residual(scaled, 1.0, k, round(25 / k)) <= share * (1 + 1e-6)


def test_the_repaired_function_is_the_staircase():
    data = {"epochs": list(range(45)), "groups": 2, "initial_lr": 0.5, "decay_rate": 0.05}
    rows = harness.adjusted_rates(lr_decay.adjust_learning_rate, **data)
    for epoch, (_, values) in enumerate(rows):
        assert values["rates"] == pytest.approx([schedules.staircase(epoch, 0.5, 0.05)] * 2)


@pytest.mark.parametrize("epochs_done", [0, 1, 29, 30, 31, 60])
def test_a_resumed_schedule_continues_the_whole_one(epochs_done):
    def rates(done, epochs):
        rows = harness.scheduled_rates(
            lr_decay.two_group_scheduler, lrs=[1.0, 0.5], epochs_done=done, epochs=epochs
        )
        return [values["rates"] for _, values in rows]

    whole, part = rates(0, 70), rates(epochs_done, 70 - epochs_done)
    for have, want in zip(part, whole[epochs_done:], strict=True):
        assert have == pytest.approx(want, rel=1e-12)


def test_lambda_lr_is_pytorchs():
    lambdas = [lambda t: 0.1 ** (t // 3), lambda t: 0.95**t]
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": lr} for lr in (1.0, 0.3)])
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas)
    for epoch in range(10):
        rates = [group["lr"] for group in optimizer.param_groups]
        assert lr_decay.lambda_lr([1.0, 0.3], lambdas, epoch) == rates
        optimizer.step()
        scheduler.step()


def test_a_run_resumed_from_a_file_is_bitwise_the_run_without_a_break():
    saved = harness.resumed_from_saved(lr_decay.save_checkpoint, seed=5, before=2, after=3)
    loaded = harness.resumed_from_loaded(lr_decay.load_checkpoint, seed=5, before=2, after=3)
    whole = harness.resumed_from_loaded(lr_decay.load_checkpoint, seed=5, before=0, after=5)
    assert saved[0] == ("the file", {"parts": ["model", "optimizer", "scheduler"]})
    for a, b, c in zip(saved[1:], loaded, whole[2:], strict=True):
        assert a[0] == b[0] == c[0]
        assert torch.equal(a[1]["weights"], c[1]["weights"])
        assert torch.equal(b[1]["weights"], c[1]["weights"])
        assert a[1]["rate"] == b[1]["rate"] == c[1]["rate"]


@pytest.mark.parametrize(
    ("drive", "answer", "data", "says"),
    [
        (
            harness.scheduled_rates,
            lambda optimizer, epochs_done: None,
            {"lrs": [1.0, 0.5], "epochs_done": 0, "epochs": 1},
            "expected a scheduler",
        ),
        (
            harness.resumed_from_saved,
            lambda path, model, optimizer, scheduler: None,
            {"seed": 1, "before": 1, "after": 1},
            "wrote no file",
        ),
        (
            harness.resumed_from_saved,
            lambda path, model, optimizer, scheduler: torch.save([1, 2], path),
            {"seed": 1, "before": 1, "after": 1},
            "expected a dict",
        ),
    ],
)
def test_a_harness_says_what_it_misses(drive, answer, data, says):
    with pytest.raises((TypeError, FileNotFoundError), match=says):
        drive(answer, **data)


def test_content_of_the_table_of_residuals():
    for k, forever in ((0.01, 0.0062), (0.05, 0.3539), (0.1, 0.5871), (0.5, 0.8789)):
        assert math.isclose(lr_decay.residual(0.05, 1.0, k, 10_000), forever, abs_tol=5e-5)
