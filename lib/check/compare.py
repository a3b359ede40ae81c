"""When are two results the same?

Two right ways to write a formula differ by rounding; two different formulas differ by more. Each
result is compared with a relative tolerance that depends on its dtype, and an absolute one that is
relative to the largest value of the same name seen in the case, for values that cancel to zero.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lib.check.cases import Observation

RTOL = {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 5e-3, torch.bfloat16: 3e-2}
ATOL_PER_RTOL = 1e-2


def is_scalar(value: Any) -> bool:
    """Say whether a value is a real number: a Python or NumPy scalar, not a bool."""
    return isinstance(value, numbers.Real | np.number) and not isinstance(value, bool | np.bool_)


def magnitude(value: Any) -> float:
    """Return the largest finite absolute value inside a result, 0.0 if it holds no number."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().abs().to(torch.float64).flatten()
        flat = flat[torch.isfinite(flat)]
        return flat.max().item() if flat.numel() else 0.0
    if is_scalar(value):
        return abs(float(value)) if np.isfinite(value) else 0.0
    if isinstance(value, Mapping):
        return max((magnitude(v) for v in value.values()), default=0.0)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return max((magnitude(v) for v in value), default=0.0)
    return 0.0


def same(actual: Any, expected: Any, scale: float, rtol: float | None = None) -> bool:
    """Say whether two results agree.

    Args:
        actual: The value to judge.
        expected: The value it should have.
        scale: Size of the values of this name in the case; sets the absolute tolerance.
        rtol: Relative tolerance; by default the one of the expected value's dtype.

    Returns:
        True if they agree. Tensors must have the same shape and dtype; whole numbers, be equal.
    """
    if isinstance(expected, torch.Tensor):
        if not isinstance(actual, torch.Tensor):
            return False
        if (actual.shape, actual.dtype) != (expected.shape, expected.dtype):
            return False
        if not expected.is_floating_point():
            return bool(torch.equal(actual.detach().cpu(), expected.cpu()))
        rtol = RTOL[expected.dtype] if rtol is None else rtol
        a, e = (x.detach().to("cpu", torch.float64) for x in (actual, expected))
        return torch.allclose(a, e, rtol=rtol, atol=rtol * ATOL_PER_RTOL * scale, equal_nan=True)
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return type(actual) is type(expected) and actual == expected
    if is_scalar(expected):
        if isinstance(actual, torch.Tensor) and actual.ndim == 0:
            actual = actual.item()
        if not is_scalar(actual):
            return False
        rtol = RTOL[torch.float64] if rtol is None else rtol
        return bool(
            np.isclose(
                actual, expected, rtol=rtol, atol=rtol * ATOL_PER_RTOL * scale, equal_nan=True
            )
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(actual, Mapping)
            and actual.keys() == expected.keys()
            and all(same(actual[k], expected[k], scale, rtol) for k in expected)
        )
    if isinstance(expected, Sequence):
        return (
            isinstance(actual, Sequence)
            and not isinstance(actual, str)
            and len(actual) == len(expected)
            and all(same(a, e, scale, rtol) for a, e in zip(actual, expected, strict=True))
        )
    raise TypeError(f"cannot compare values of type {type(expected).__name__}")


def first_difference(
    actual: Sequence[Observation], expected: Sequence[Observation], rtol: float | None = None
) -> tuple[int, list[str]] | None:
    """Find the first observation that differs.

    Returns:
        Its index and the names of the values that differ there, or None if all agree.
    """
    scale: dict[str, float] = {}
    for observation in expected:
        for name, value in observation.values.items():
            scale[name] = max(scale.get(name, 0.0), magnitude(value))
    for index, want in enumerate(expected):
        if index >= len(actual):
            return index, list(want.values)
        have = actual[index].values
        wrong = [
            name
            for name, value in want.values.items()
            if name not in have or not same(have[name], value, scale[name], rtol)
        ]
        if wrong:
            return index, wrong
    return None
