"""Run what a student wrote where it lives, and bring back plain data.

Some exercises take objects that cannot be copied from one process to another: an optimizer, a
model, a file. A harness builds them beside the student's function, drives it, and returns tensors,
numbers and lists. A grader that keeps the student's code in another process gives the checks remote
functions; these know how to call a harness there.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler


def where_it_lives(harness: Callable[..., Any], *functions: Callable, **data: Any) -> Any:
    """Call ``harness(*functions, **data)`` in the process in which the functions live.

    Args:
        harness: A function of this module.
        functions: Functions that a student wrote.
        data: Plain data for the harness.

    Returns:
        What the harness returns: plain data.
    """
    remote = getattr(functions[0], "run_harness", None)
    if remote is not None:
        return remote(harness.__name__, functions, data)
    return harness(*functions, **data)


# ---------------------------------------------------------------- learning-rate decay (notebook 02)

Row = tuple[str, dict[str, Any]]


def adjusted_rates(
    adjust_learning_rate: Callable[..., Any],
    *,
    epochs: list[int],
    groups: int,
    initial_lr: float,
    decay_rate: float,
) -> list[Row]:
    """Call a function that sets an optimizer's rates, once an epoch.

    Args:
        adjust_learning_rate: ``(optimizer, epoch, initial_lr, decay_rate)``, changes the optimizer.
        epochs: When it is called.
        groups: Parameter groups of the optimizer; all start at ``initial_lr``.
        initial_lr: η0.
        decay_rate: k.

    Returns:
        The rates of the groups after each call.
    """
    optimizer = _optimizer([initial_lr] * groups)
    rows = []
    for epoch in epochs:
        adjust_learning_rate(optimizer, epoch, initial_lr, decay_rate)
        rows.append((f"epoch {epoch}", {"rates": _rates(optimizer)}))
    return rows


def scheduled_rates(
    make_scheduler: Callable[..., Any], *, lrs: list[float], epochs_done: int, epochs: int
) -> list[Row]:
    """Make a scheduler for an optimizer with several groups and let it run.

    Args:
        make_scheduler: ``(optimizer, epochs_done)``, returns a scheduler.
        lrs: First rate of each group.
        epochs_done: Epochs that an earlier part of the run has done.
        epochs: Epochs to go through now.

    Returns:
        The rates in each epoch.
    """
    optimizer = _optimizer(lrs)
    if epochs_done:
        for group in optimizer.param_groups:  # as a loaded optimizer state would have it
            group["initial_lr"] = group["lr"]
    scheduler = make_scheduler(optimizer, epochs_done)
    if not hasattr(scheduler, "step"):
        raise TypeError(f"returned a {type(scheduler).__name__}; expected a scheduler")
    rows = []
    for epoch in range(epochs_done, epochs_done + epochs):
        rows.append((f"epoch {epoch}", {"rates": _rates(optimizer)}))
        optimizer.step()
        scheduler.step()
    return rows


def looped_rates(
    run_epochs: Callable[..., Any], *, epochs: int, lr: float, gamma: float
) -> list[Row]:
    """Let a training loop run, and note in which order it does what at which rate.

    Args:
        run_epochs: ``(epochs, train, validate, scheduler)``.
        epochs: Epochs to go through.
        lr: The first rate.
        gamma: What ``ExponentialLR`` multiplies it by.

    Returns:
        One row: the calls in their order, the rate in each training, and the rate at the end.
    """
    optimizer = _optimizer([lr])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    calls, rates = [], []

    def train(epoch: int) -> None:
        calls.append(f"train({epoch})")
        rates.extend(_rates(optimizer))
        optimizer.step()

    def validate(epoch: int) -> None:
        calls.append(f"validate({epoch})")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, of a wrong order, which the check explains
        run_epochs(epochs, train, validate, scheduler)
    values = {"calls": calls, "rates in training": rates, "rate at the end": _rates(optimizer)[0]}
    return [("", values)]


def resumed_from_saved(
    save_checkpoint: Callable[..., Any], *, seed: int, before: int, after: int
) -> list[Row]:
    """Train, save, and go on from the file with new objects.

    Args:
        save_checkpoint: ``(path, model, optimizer, scheduler)``, writes a dict with the keys
            "model", "optimizer" and "scheduler".
        seed: Of weights and data.
        before: Epochs before saving.
        after: Epochs after it.

    Returns:
        Which parts the file has, then weights and rate after each further epoch.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        first = _small_run(seed)
        _train_small(*first, seed, range(before))
        save_checkpoint(path, *first)
        if not os.path.isfile(path):
            raise FileNotFoundError("it wrote no file at the path that it was given")
        try:
            content = torch.load(path, weights_only=True)
        except pickle.UnpicklingError:
            raise ValueError("its file holds whole objects, not plain data") from None
    if not isinstance(content, dict):
        raise TypeError(f"its file holds a {type(content).__name__}; expected a dict")
    second = dict(zip(_PARTS, _small_run(seed + 1), strict=True))
    found = [name for name in _PARTS if name in content]
    for name in found:
        try:
            second[name].load_state_dict(content[name])
        except Exception:
            raise ValueError(f'what its file has under "{name}" is no state of that') from None
    rows = _train_small(*second.values(), seed, range(before, before + after))
    return [("the file", {"parts": found}), *rows]


def resumed_from_loaded(
    load_checkpoint: Callable[..., Any], *, seed: int, before: int, after: int
) -> list[Row]:
    """Train, save, load into new objects, and go on.

    Args:
        load_checkpoint: ``(path, model, optimizer, scheduler)``, fills the three from the file.
        seed: Of weights and data.
        before: Epochs before saving.
        after: Epochs after loading.

    Returns:
        Weights and rate after each further epoch.
    """
    first, second = _small_run(seed), _small_run(seed + 1)
    _train_small(*first, seed, range(before))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        torch.save({n: part.state_dict() for n, part in zip(_PARTS, first, strict=True)}, path)
        load_checkpoint(path, *second)
    return _train_small(*second, seed, range(before, before + after))


_PARTS = ("model", "optimizer", "scheduler")


def _small_run(seed: int) -> tuple[nn.Module, torch.optim.Optimizer, LRScheduler]:
    """Make a model whose training depends on momentum and on the scheduler's count of epochs."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.utils.skip_init(nn.Linear, 3, 2, dtype=torch.float64)
    for parameter in model.parameters():
        nn.init.normal_(parameter, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    return model, optimizer, scheduler


def _train_small(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: LRScheduler,
    seed: int,
    epochs: range,
) -> list[Row]:
    rows = []
    for epoch in epochs:
        generator = torch.Generator().manual_seed(1000 * seed + epoch)  # each epoch has its own
        for _ in range(3):
            X = torch.randn(8, 3, generator=generator, dtype=torch.float64)
            loss = ((model(X) - X[:, :2].sin()) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        weights = nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        rows.append((f"epoch {epoch}", {"weights": weights, "rate": _rates(optimizer)[0]}))
    return rows


def _optimizer(lrs: list[float]) -> torch.optim.Optimizer:
    """Make an optimizer with one group for each rate."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs]
    return torch.optim.SGD(groups, lr=lrs[0])


def _rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]
