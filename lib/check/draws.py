"""Numbers for hidden cases, drawn from a generator."""

import torch
from torch import Tensor

F64, F32 = torch.float64, torch.float32


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Draw a tensor of a shape from the standard normal distribution, in float64."""
    return torch.randn(shape, generator=generator, dtype=F64)


def uniform(generator: torch.Generator, low: float, high: float) -> float:
    """Draw a number between two bounds."""
    return low + (high - low) * torch.rand((), generator=generator, dtype=F64).item()


def whole(generator: torch.Generator, low: int, high: int) -> int:
    """Draw a whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))
