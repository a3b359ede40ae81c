"""Follow an update rule downhill: one path, or ten thousand at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from lib import rules
from lib.surfaces import Surface

Step = Callable[[Tensor, Tensor, Any, int], tuple[Tensor, Any]]


class Trajectory(NamedTuple):
    """Where a method went.

    Attributes:
        w: The weights, the start first, shape (steps + 1, ..., 2).
        loss: The loss there, shape (steps + 1, ...).
    """

    w: Tensor
    loss: Tensor


def descend(
    surface: Surface, step: Step, start: Tensor, steps: int, state: Any = None
) -> Trajectory:
    """Take steps from a start, or from a batch of starts, in a plain loop.

    Args:
        surface: The loss.
        step: ``step(w, g, state, t) -> (w, state)``: a rule of ``lib.rules`` with its
            hyper-parameters filled in by ``functools.partial``, or any function of that form.
            ``lib.rules.nesterov`` gets the surface's gradient function in place of ``g``.
        start: Points, shape (..., 2).
        steps: Number of steps.
        state: What the step carries at first; by default what ``lib.rules.init`` says, or None.

    Returns:
        The `Trajectory`.

    Raises:
        ValueError: If the points do not have two coordinates.

    >>> from lib import surfaces
    >>> step = functools.partial(rules.momentum, lr=0.01, alpha=0.9)
    >>> path = descend(surfaces.two_wells, step, surfaces.two_wells.start, 100)
    >>> path.w.shape, path.loss.shape
    (torch.Size([101, 2]), torch.Size([101]))
    """
    if start.ndim == 0 or start.shape[-1] != 2:
        raise ValueError(f"start must have shape (..., 2), got {tuple(start.shape)}")
    rule = step.func if isinstance(step, functools.partial) else step
    if state is None and rule in rules.STATES:
        state = rules.init(rule, start)
    w, points = start, [start]
    for t in range(1, steps + 1):
        g = surface.grad if rule is rules.nesterov else surface.grad(w)
        w, state = step(w, g, state, t)
        points.append(w)
    w = torch.stack([point.detach() for point in points])
    return Trajectory(w, surface(w))


def sweep(
    rule: Callable[..., tuple[Tensor, Any]],
    surface: Surface,
    *,
    starts: Tensor,
    hyper: Mapping[str, Tensor | float],
    steps: int,
    seeds: Tensor | None = None,
    noise: float = 0.0,
    every: int = 1,
) -> Trajectory:
    """Follow a rule from many starts, with many hyper-parameters and many noise seeds, at once.

    Every hyper-parameter that is a 1-d tensor is an axis of the result, in the order given; the
    starts are the last one before the coordinates, and the seeds the one before the starts.

    Args:
        rule: A rule of ``lib.rules``.
        surface: The loss.
        starts: Points, shape (n, 2).
        hyper: Hyper-parameters by name: floats, or 1-d tensors to sweep over.
        steps: Number of steps.
        seeds: Whole numbers, shape (s,), one noise stream each; needed if there is noise.
        noise: Standard deviation of normal noise on every gradient.
        every: Record each so many steps only, and the start.

    Returns:
        A `Trajectory` with w of shape (steps // every + 1, *swept, [s,] n, 2).

    Raises:
        ValueError: If a shape is wrong, or there is noise without seeds.

    >>> from lib import surfaces
    >>> result = sweep(rules.adam, surfaces.two_wells, starts=torch.randn(5, 2), steps=10,
    ...                hyper={"lr": torch.logspace(-3, -1, 4), "beta1": torch.tensor([0.0, 0.9])})
    >>> result.w.shape
    torch.Size([11, 4, 2, 5, 2])
    """
    if starts.ndim != 2 or starts.shape[-1] != 2:
        raise ValueError(f"starts must have shape (n, 2), got {tuple(starts.shape)}")
    if noise and seeds is None:
        raise ValueError("noise needs seeds: pass seeds=torch.arange(k)")
    swept = {
        name: value.to(starts)
        for name, value in hyper.items()
        if isinstance(value, Tensor) and value.ndim
    }
    for name, value in swept.items():
        if value.ndim != 1:
            raise ValueError(f"{name} must be a number or a 1-d tensor, got {tuple(value.shape)}")
    fixed = {name: value for name, value in hyper.items() if name not in swept}

    # One flat batch: (every combination of hyper-parameters) × seeds × starts.
    axes = [len(value) for value in swept.values()]
    if seeds is not None:
        axes.append(len(seeds))
    axes.append(len(starts))
    index = torch.cartesian_prod(*(torch.arange(n) for n in axes)).reshape(-1, len(axes))
    index = index.to(starts.device)
    settings = {name: value[index[:, i]] for i, (name, value) in enumerate(swept.items())}
    w = starts[index[:, -1]]  # (batch, 2)

    def one(w: Tensor, g: Tensor, state: Any, t: Tensor, settings: dict) -> tuple[Tensor, Any]:
        return rule(w, g, state, t, **fixed, **settings)

    def one_lookahead(w, offset, state, t, settings):
        def grad_fn(point):
            return torch.func.grad(surface.f)(point) + offset

        return rule(w, grad_fn, state, t, **fixed, **settings)

    lookahead = rule is rules.nesterov
    stepper = vmap(one_lookahead if lookahead else one, in_dims=(0, 0, 0, None, 0))
    state = vmap(functools.partial(rules.init, rule))(w)
    if not state:  # a rule without state gives vmap nothing to map over
        state = rules.init(rule, w)
        stepper = vmap(one_lookahead if lookahead else one, in_dims=(0, 0, None, None, 0))
    generators = [
        torch.Generator(starts.device).manual_seed(int(seed)) for seed in (seeds if noise else ())
    ]
    points = [w]
    for t in range(1, steps + 1):
        g = torch.zeros_like(w) if lookahead else surface.grad(w)
        if noise:
            draws = [
                torch.randn(len(starts), 2, generator=each, dtype=w.dtype, device=w.device)
                for each in generators
            ]
            g = g + noise * torch.stack(draws)[index[:, -2], index[:, -1]]
        w, state = stepper(w, g, state, torch.tensor(t, device=w.device), settings)
        if t % every == 0:
            points.append(w)
    w = torch.stack(points).reshape(len(points), *axes, 2)
    return Trajectory(w, surface(w))
