"""Learning-rate schedules as pure functions of the time t, and adapters to PyTorch's schedulers.

``t`` counts epochs (or steps) from 0, so that a schedule starts at ``lr0``. It may be an int, a
float or a tensor of many times at once:

>>> exponential(torch.tensor([0.0, 10.0]), lr0=0.5, k=0.1)
tensor([0.5000, 0.1839])
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import lr_scheduler

Time = float | Tensor


def exponential(t: Time, lr0: float, k: float) -> Time:
    """Exponential decay.

        η_t = η0 · e^(−kt)

    Args:
        t: Time, 0 at the start.
        lr0: η0.
        k: Decay rate, per unit of t.

    Source: the lecture. (Its code calls ``torch.exp`` on a float, which raises ``TypeError``.)

    >>> exponential(0, lr0=0.5, k=0.1)
    0.5
    """
    return lr0 * _exp(-k * t)


def staircase(t: Time, lr0: float, k: float, every: int = 10) -> Time:
    """Exponential decay that moves only every so many epochs.

        η_t = η0 · e^(−k · T⌊t/T⌋)

    This is what the lecture's ``adjust_learning_rate`` does when repaired: the rate is computed
    from η0 and not from the rate before, and stays until the next multiple of T.

    Args:
        t: Time, 0 at the start.
        lr0: η0.
        k: Decay rate, per unit of t.
        every: T.

    Source: the lecture, "Option 1".

    >>> [round(staircase(t, lr0=1.0, k=0.1), 3) for t in (0, 9, 10, 19, 20)]
    [1.0, 1.0, 0.368, 0.368, 0.135]
    """
    return exponential(every * (t // every), lr0, k)


def halving(t: Time, lr0: float, every: int) -> Time:
    """Halve the rate every so many epochs.

        η_t = η0 · 2^(−⌊t/T⌋)

    Args:
        t: Time, 0 at the start.
        lr0: η0.
        every: T.

    Source: the lecture, whose η_{t=1}/2 means half of the rate before, at each drop.

    >>> [halving(t, lr0=1.0, every=3) for t in (0, 2, 3, 6)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return lr0 * 0.5 ** (t // every)


def inverse(t: Time, lr0: float, k: float) -> Time:
    """Inverse decay.

        η_t = η0 / (1 + kt)

    Its sum over all t is infinite: however far away a minimum is, the steps can reach it.

    Args:
        t: Time, 0 at the start.
        lr0: η0.
        k: Decay rate, per unit of t.

    Source: the lecture; Robbins and Monro (1951) for what the sum must do.

    >>> inverse(10, lr0=1.0, k=0.1)
    0.5
    """
    return lr0 / (1 + k * t)


def triangular(t: Time, lr_min: float, lr_max: float, stepsize: float) -> Time:
    """The triangular cyclical rate: up for a stepsize, down for a stepsize.

        cycle = ⌊1 + t/(2s)⌋
        x = |t/s − 2·cycle + 1|
        η_t = η_min + (η_max − η_min)(1 − x)

    Args:
        t: Time, 0 at the start.
        lr_min: Rate at the start of each cycle.
        lr_max: Rate in its middle.
        stepsize: s, half a cycle, in the unit of t.

    Source: Smith (2017), WACV, figure 2. (The lecturer found no benefit in it.)

    >>> [triangular(t, lr_min=1.0, lr_max=3.0, stepsize=2) for t in (0, 1, 2, 3, 4)]
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    cycle = 1 + t // (2 * stepsize)
    x = abs(t / stepsize - 2 * cycle + 1)
    return lr_min + (lr_max - lr_min) * (1 - x)


def geometric(t: Time, lr0: float, gamma: float) -> Time:
    """The rate of ``ExponentialLR``: multiplied by γ every epoch.

        η_t = η0 · γᵗ

    It is ``exponential`` with k = −ln γ. The lecture's γ = .1 leaves a thousandth after three
    epochs: all epochs together move the weights no further than 1.11 epochs at η0.

    Args:
        t: Time, 0 at the start.
        lr0: η0.
        gamma: γ.

    Source: the lecture's training example; ``torch.optim.lr_scheduler.ExponentialLR``.

    >>> geometric(2, lr0=0.5, gamma=0.5)
    0.125
    """
    return lr0 * gamma**t


def lambda_lr(
    lr0s: Sequence[float], lambdas: Sequence[Callable[[int], float]], epoch: int
) -> list[float]:
    """The rates of ``LambdaLR``: each group's first rate times its own function of the epoch.

        η_i(t) = η0_i · λ_i(t)

    Args:
        lr0s: First rate of each group.
        lambdas: A function for each group.
        epoch: t, 0 at the start.

    Raises:
        ValueError: If there are not as many functions as rates.

    Source: ``torch.optim.lr_scheduler.LambdaLR``. (The documentation's old example, which the
    lecture shows, ``epoch // 30``, is 0 for the first 30 epochs and grows after that.)

    >>> lambda_lr([1.0, 0.5], [lambda t: t // 30, lambda t: 0.5**t], epoch=2)
    [0.0, 0.125]
    """
    if len(lr0s) != len(lambdas):
        raise ValueError(f"{len(lr0s)} groups need as many functions, not {len(lambdas)}")
    return [lr0 * factor(epoch) for lr0, factor in zip(lr0s, lambdas, strict=True)]


def decay_on_plateau(
    val_history: Sequence[float], patience: int, factor: float, lr0: float
) -> float:
    """Decay when validation has stopped to improve.

    A value is an improvement if it is lower than all before. After more than ``patience`` values in
    a row without one, the rate is multiplied by ``factor`` and the count starts again.

    Args:
        val_history: A validation loss for each epoch so far (negate an accuracy).
        patience: Epochs without improvement that are tolerated.
        factor: What the rate is multiplied by.
        lr0: η0.

    Returns:
        The rate for the next epoch.

    Source: ``torch.optim.lr_scheduler.ReduceLROnPlateau`` with a threshold of 0.

    >>> decay_on_plateau([3.0, 2.0, 2.5, 2.5], patience=1, factor=0.1, lr0=1.0)
    0.1
    """
    lr, best, bad = lr0, math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value < best else (best, bad + 1)
        if bad > patience:
            lr, bad = lr * factor, 0
    return lr


def scheduler(
    optimizer: torch.optim.Optimizer, schedule: Callable[..., Any], **constants: float
) -> lr_scheduler.LambdaLR:
    """Let a schedule of this module rule an optimizer, through PyTorch's ``LambdaLR``.

    Args:
        optimizer: Its groups' present rates are each group's η0.
        schedule: A function ``schedule(t, …)``.
        constants: The schedule's other arguments; ``lr0`` comes from the groups.

    Raises:
        ValueError: If a group starts at a rate of 0, which no factor can change.

    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> halve = scheduler(optimizer, halving, every=2)
    >>> for _ in range(4):
    ...     print(optimizer.param_groups[0]["lr"], end=" ")
    ...     optimizer.step()
    ...     halve.step()
    1.0 1.0 0.5 0.5
    """
    takes_lr0 = "lr0" in inspect.signature(schedule).parameters
    factors = []
    for number, group in enumerate(optimizer.param_groups):
        lr0 = float(group["lr"])
        if lr0 == 0:
            raise ValueError(f"parameter group {number} has lr 0; give it the rate to start from")
        given = {"lr0": lr0, **constants} if takes_lr0 else constants
        factors.append(functools.partial(_factor, schedule, lr0, given))
    return lr_scheduler.LambdaLR(optimizer, factors)


def plateau_scheduler(
    optimizer: torch.optim.Optimizer, patience: int, factor: float
) -> lr_scheduler.ReduceLROnPlateau:
    """Let ``decay_on_plateau`` rule an optimizer, through PyTorch's ``ReduceLROnPlateau``.

    Args:
        optimizer: Its groups' present rates are each group's η0.
        patience: As in ``decay_on_plateau``.
        factor: As in ``decay_on_plateau``.

    Returns:
        A scheduler whose ``step`` takes the validation loss.
    """
    return lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=factor, patience=patience, threshold=0.0, eps=0.0
    )


def _factor(schedule: Callable[..., Any], lr0: float, constants: dict[str, Any], t: int) -> float:
    return schedule(t, **constants) / lr0


def _exp(x: Time) -> Time:
    return torch.exp(x) if isinstance(x, Tensor) else math.exp(x)
