"""Loss surfaces in the plane, on which an optimizer's path can be drawn.

A surface's function takes points of shape (..., 2) and returns values of shape (...), on any device
and dtype, so a batch of points needs no loop.

>>> two_wells(torch.tensor([[0.0, 0.0], [-1.0, 0.0]])).shape
torch.Size([2])
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Surface:
    """A loss over two weights.

    Attributes:
        name: Its name, for titles.
        f: The loss, (..., 2) -> (...).
        start: A telling place to start, shape (2,), float64.
        minima: Where its local minima are, shape (k, 2), the global one first; k may be 0.
        xlim: Range to plot of the first weight.
        ylim: Range to plot of the second weight.
        levels: Heights of contour lines that show its shape.
        slope: Its gradient in closed form, (..., 2) -> (..., 2); without it autograd is asked.
    """

    name: str
    f: Callable[[Tensor], Tensor]
    start: Tensor
    minima: Tensor
    xlim: tuple[float, float]
    ylim: tuple[float, float]
    levels: tuple[float, ...]
    slope: Callable[[Tensor], Tensor] | None = None

    def __call__(self, w: Tensor) -> Tensor:
        """Return the loss at points ``w`` (..., 2)."""
        return self.f(w)

    def grad(self, w: Tensor) -> Tensor:
        """Return the gradient at points ``w`` (..., 2), of the same shape.

        >>> ravine(kappa=10).grad(torch.tensor([1.0, 1.0]))
        tensor([ 1., 10.])
        """
        if self.slope is not None:
            return self.slope(w)
        return torch.func.grad(lambda points: self.f(points).sum())(w)


def quadratic(
    lam_min: float, lam_max: float, *, angle: float = 0.0, name: str = "quadratic"
) -> Surface:
    """Return a quadratic bowl with given curvatures, turned by an angle.

        f(w) = ½ (λ_min u₁² + λ_max u₂²),  u = R(−angle) w

    Args:
        lam_min: Curvature along the first axis, > 0.
        lam_max: Curvature along the second axis, at least ``lam_min``.
        angle: Turn of the axes, in degrees, counterclockwise.
        name: The surface's name.

    Raises:
        ValueError: If not 0 < lam_min <= lam_max.
    """
    if not 0 < lam_min <= lam_max:
        raise ValueError(f"expected 0 < lam_min <= lam_max, got {lam_min} and {lam_max}")
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def f(w: Tensor) -> Tensor:
        u1, u2 = c * w[..., 0] + s * w[..., 1], -s * w[..., 0] + c * w[..., 1]
        return 0.5 * (lam_min * u1**2 + lam_max * u2**2)

    start = torch.tensor([-9.0 * c - 0.9 * s, -9.0 * s + 0.9 * c], dtype=torch.float64)
    flat = angle % 180 == 0
    return Surface(
        name=name,
        f=f,
        start=start,
        minima=torch.zeros(1, 2, dtype=torch.float64),
        xlim=(-10.0, 2.0) if flat else (-10.0, 10.0),
        ylim=(-1.4, 1.4) if flat else (-10.0, 10.0),
        levels=tuple(lam_min * level for level in (0.5, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)),
    )


def ravine(kappa: float = 100.0, *, angle: float = 0.0) -> Surface:
    """Return a valley with condition number κ: curvature 1 along it and κ across.

    >>> ravine(kappa=100)(torch.tensor([1.0, 1.0]))
    tensor(50.5000)
    """
    return quadratic(1.0, kappa, angle=angle, name=f"ravine, κ = {kappa:g}")


def _two_wells(w: Tensor) -> Tensor:
    x, y = w[..., 0], w[..., 1]
    shallow = torch.exp(-((x - 1) ** 2 + y**2) / 0.2)
    deep = torch.exp(-((x + 1) ** 2 + y**2) / 0.2)
    return -2 * shallow - 3 * deep + x**2 + y**2


def _two_wells_slope(w: Tensor) -> Tensor:
    """The gradient of the above, four times as fast as autograd: an exercise takes 13 M of them."""
    x, y = w[..., 0], w[..., 1]
    shallow = 2 * torch.exp(-((x - 1) ** 2 + y**2) / 0.2)
    deep = 3 * torch.exp(-((x + 1) ** 2 + y**2) / 0.2)
    along_x = 10 * (x - 1) * shallow + 10 * (x + 1) * deep + 2 * x
    return torch.stack([along_x, 10 * y * (shallow + deep) + 2 * y], -1)


two_wells = Surface(
    name="two wells",
    f=_two_wells,
    start=torch.tensor([0.75, 1.6], dtype=torch.float64),
    minima=torch.tensor([[-0.936300634, 0.0], [0.905317899, 0.0]], dtype=torch.float64),
    xlim=(-2.0, 2.0),
    ylim=(-2.0, 2.0),
    levels=(-1.8, -1.2, -0.8, -0.4, 0.0, 0.4, 0.8, 1.2, 1.8, 2.6, 3.6, 5.0),
    slope=_two_wells_slope,
)
"""f = −2e^{−((x−1)²+y²)/.2} − 3e^{−((x+1)²+y²)/.2} + x² + y²: E. Dupont's demo of optimizers."""


def _rosenbrock(w: Tensor) -> Tensor:
    x, y = w[..., 0], w[..., 1]
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


rosenbrock = Surface(
    name="Rosenbrock's valley",
    f=_rosenbrock,
    start=torch.tensor([-1.2, 1.0], dtype=torch.float64),
    minima=torch.tensor([[1.0, 1.0]], dtype=torch.float64),
    xlim=(-1.8, 1.6),
    ylim=(-0.8, 2.2),
    levels=(0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0),
)
"""f = (1 − x)² + 100 (y − x²)²: a bent valley (Rosenbrock 1960, The Computer Journal 3(3))."""


def _saddle(w: Tensor) -> Tensor:
    return 0.5 * (w[..., 0] ** 2 - w[..., 1] ** 2)


saddle = Surface(
    name="saddle",
    f=_saddle,
    start=torch.tensor([1.0, 1e-6], dtype=torch.float64),
    minima=torch.zeros(0, 2, dtype=torch.float64),
    xlim=(-1.2, 1.2),
    ylim=(-1.2, 1.2),
    levels=(-0.6, -0.4, -0.2, -0.05, 0.0, 0.05, 0.2, 0.4, 0.6),
)
"""f = ½(x² − y²): no minimum; its gradient vanishes at the origin."""
