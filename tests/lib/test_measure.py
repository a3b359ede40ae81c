"""Gradients, curvature and intervals."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from lib import measure
from lib.data import digits
from lib.models import CNN, MLP, TanhMLP


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def samples():
    X, y = digits(dtype=torch.float64)
    return X[:40], y[:40]


MODELS = {
    "MLP": lambda: MLP(64, 4, 10, generator=seeded(0)).double(),
    "TanhMLP": lambda: TanhMLP((64, 3, 4, 10), generator=seeded(0)).double(),
    "CNN": lambda: CNN(image_size=8, generator=seeded(0)).double(),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_gradients_agree_with_autograd(build, samples):
    model = build()
    X, y = samples
    F.cross_entropy(model(X), y).backward()
    expected = torch.cat([w.grad.flatten() for w in model.parameters()])
    model.zero_grad()
    gradient = measure.full_gradient(model, X, y)
    G = measure.sample_gradients(model, X, y)
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(G.mean(0), expected)
    torch.testing.assert_close(G, measure.sample_gradients(model, X, y, chunk_size=7))
    torch.testing.assert_close(G[3], measure.full_gradient(model, X[3:4], y[3:4]))
    assert all(w.grad is None for w in model.parameters())


def exact_hessian(model, X, y):
    w = measure.flat_parameters(model)
    return torch.autograd.functional.hessian(measure.flat_loss(model, X, y), w)


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_sharpness_is_the_largest_eigenvalue_of_the_hessian(build, samples):
    model = build()
    H = exact_hessian(model, *samples)
    v = torch.randn(len(H), dtype=torch.float64, generator=seeded(1))
    torch.testing.assert_close(measure.hessian_vector_product(model, *samples)(v), H @ v)
    largest = torch.linalg.eigvalsh(H)[-1].item()
    for seed in range(3):
        value = measure.sharpness(model, *samples, generator=seeded(seed), rtol=1e-6)
        assert value == pytest.approx(largest, rel=1e-5)


def test_sharpness_in_single_precision(samples):
    model = MODELS["TanhMLP"]()
    largest = torch.linalg.eigvalsh(exact_hessian(model, *samples))[-1].item()
    X, y = samples
    value = measure.sharpness(model.float(), X.float(), y, generator=seeded(0))
    assert value == pytest.approx(largest, rel=1e-3)


class Quadratic(nn.Module):
    """L(w) = ½ wᵀ diag(λ) w, whatever the data."""

    def __init__(self, eigenvalues):
        super().__init__()
        self.eigenvalues = torch.tensor(eigenvalues)
        self.w = nn.Parameter(torch.ones(len(eigenvalues)))

    def forward(self, X):
        return 0.5 * (self.eigenvalues * self.w**2).sum()


@pytest.mark.parametrize(
    "eigenvalues", [[3.0], [1.0, 2.0], [1.0, -50.0, 7.0, 2.0], [-3.0, -1.0], [5.0, 5.0, 5.0]]
)
def test_sharpness_is_the_most_positive_not_the_largest_in_size(eigenvalues):
    value = measure.sharpness(
        Quadratic(eigenvalues), torch.zeros(1), None, lambda out, y: out, generator=seeded(0)
    )
    assert value == pytest.approx(max(eigenvalues), rel=1e-4)


def test_sharpness_refuses_what_it_cannot_know(samples):
    model = TanhMLP(generator=seeded(0)).double()
    with pytest.raises(ValueError, match="not known to 1e-12 after 3 products"):
        measure.sharpness(model, *samples, generator=seeded(0), rtol=1e-12, max_products=3)
    with torch.no_grad():
        model.layers[0].weight.fill_(math.nan)
    with pytest.raises(ValueError, match="diverged"):
        measure.sharpness(model, *samples, generator=seeded(0))


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_mean_interval_is_students(confidence):
    values = torch.randn(5, 3, dtype=torch.float64, generator=seeded(0))
    mean, half = measure.mean_interval(values, confidence)
    low, high = stats.t.interval(confidence, 4, values.mean(0), stats.sem(values))
    torch.testing.assert_close(mean - half, torch.as_tensor(low))
    torch.testing.assert_close(mean + half, torch.as_tensor(high))
    across = measure.mean_interval(values.T, confidence, dim=1)
    torch.testing.assert_close(across.half_width, half)


def test_mean_interval_covers_the_truth_as_often_as_it_says():
    values = torch.randn(3, 4000, generator=seeded(0))
    mean, half = measure.mean_interval(values)
    covered = (mean.abs() <= half).float().mean().item()
    low, high = measure.proportion_interval(round(covered * 4000), 4000, 0.999)
    assert low <= 0.95 <= high


@pytest.mark.parametrize("successes, n", [(0, 10), (3, 10), (10, 10), (9777, 10000)])
def test_proportion_interval_is_wilsons(successes, n):
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    low, high = measure.proportion_interval(successes, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measure.mean_interval(torch.ones(1)), "at least two values, got 1"),
        (lambda: measure.mean_interval(torch.ones(3), 95), "between 0 and 1.*got 95"),
        (lambda: measure.proportion_interval(3, 2), "got 3 of 2"),
        (lambda: measure.proportion_interval(0, 0), "got 0 of 0"),
        (lambda: measure.proportion_interval(1, 2, 1.0), "between 0 and 1"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
