"""The lecture's networks and the seven initializations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lib.models import CNN, INITS, MLP, TanhMLP, initialize


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


BUILD = {
    "MLP": (lambda **k: MLP(**k), (5, 784), 784 * 100 + 100 + 100 * 10 + 10),
    "small MLP": (lambda **k: MLP(64, 32, 3, **k), (5, 64), 64 * 32 + 32 + 32 * 3 + 3),
    "TanhMLP": (lambda **k: TanhMLP(**k), (5, 64), 64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10),
    "CNN": (lambda **k: CNN(**k), (5, 1, 28, 28), 4 * 9 + 4 + 8 * 36 + 8 + 392 * 10 + 10),
    "small CNN": (
        lambda **k: CNN(3, image_size=8, **k),
        (5, 1, 8, 8),
        4 * 9 + 4 + 8 * 36 + 8 + 32 * 3 + 3,
    ),
}


@pytest.mark.parametrize("name", BUILD)
def test_shapes_and_numbers_of_parameters(name):
    build, shape, parameters = BUILD[name]
    model = build(generator=seeded(0))
    assert sum(p.numel() for p in model.parameters()) == parameters
    classes = 3 if "small" in name else 10
    assert model(torch.randn(shape, generator=seeded(1))).shape == (5, classes)


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("init", INITS)
def test_a_seed_gives_the_same_weights_and_touches_no_other_generator(name, init):
    build, _, _ = BUILD[name]
    before = torch.get_rng_state()
    first, again, other = (build(init=init, generator=seeded(s)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    for (key, a), b, c in zip(
        first.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(a, b)
        if "weight" in key or init == "default":
            assert not torch.equal(a, c)


def test_mlp_computes_the_lectures_formula():
    model = MLP(4, 3, 2, generator=seeded(0))
    x = torch.randn(6, 4, generator=seeded(1))
    W1, b1, W2, b2 = model.parameters()
    expected = (1 / (1 + torch.exp(-(x @ W1.T + b1)))) @ W2.T + b2
    assert torch.allclose(model(x), expected, atol=1e-6)
    relu = MLP(4, 3, 2, activation=torch.relu, generator=seeded(0))
    assert torch.allclose(relu(x), (x @ W1.T + b1).clamp(min=0) @ W2.T + b2, atol=1e-6)


def test_mlp_default_weights_are_normal_with_standard_deviation_a_tenth():
    model = MLP(generator=seeded(0))
    assert model.linear_1.weight.std().item() == pytest.approx(0.1, rel=0.02)
    assert not model.linear_1.bias.any() and not model.linear_out.bias.any()


def test_cnn_matches_the_lectures_layers():
    model = CNN(generator=seeded(0))
    assert model.conv_1.weight.shape == (4, 1, 3, 3)
    assert model.conv_2.weight.shape == (8, 4, 3, 3)
    assert (model.linear_1.in_features, model.linear_1.out_features) == (392, 10)
    layers = nn.Sequential(
        model.conv_1, nn.ReLU(), nn.MaxPool2d(2), model.conv_2, nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), model.linear_1,
    )  # fmt: skip
    x = torch.randn(3, 1, 28, 28, generator=seeded(1))
    assert torch.equal(model(x), layers(x))
    assert torch.equal(model(x.flatten(1)), layers(x))


# (fan in, fan out) of the three kinds of layer; a convolution's count its window.
LAYERS = {
    "linear": (lambda: nn.Linear(200, 300), 200, 300),
    "convolution": (lambda: nn.Conv2d(20, 40, 5), 500, 1000),
}


def standard_deviation(init: str, n_in: int, n_out: int) -> float:
    return {
        "default": 1 / math.sqrt(3 * n_in),
        "uniform": 0.1 / math.sqrt(3),
        "normal": 0.1,
        "xavier_normal": math.sqrt(2 / (n_in + n_out)),
        "xavier_uniform": math.sqrt(2 / (n_in + n_out)),
        "he_normal": math.sqrt(2 / n_in),
        "he_uniform": math.sqrt(2 / n_in),
    }[init]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("init", INITS)
def test_initialization(init, layer):
    build, n_in, n_out = LAYERS[layer]
    model = initialize(build(), init, generator=seeded(0))
    weight, bias = model.weight.detach(), model.bias.detach()
    sigma = standard_deviation(init, n_in, n_out)
    assert weight.mean().abs() < 5 * sigma / math.sqrt(weight.numel())
    assert weight.std().item() == pytest.approx(sigma, rel=0.02)
    largest = weight.abs().max().item() / sigma
    if init.endswith("normal"):
        assert largest > 3.5  # a uniform distribution ends at √3
    else:
        assert 1.70 < largest <= math.sqrt(3) * (1 + 1e-6)
    if init == "default":
        assert bias.any() and bias.abs().max() <= 1 / math.sqrt(n_in)
    else:
        assert not bias.any()


def test_default_is_what_torch_does():
    torch.manual_seed(0)
    expected = nn.Linear(7, 5)
    layer = initialize(nn.Linear(7, 5), "default", generator=seeded(0))
    assert torch.equal(layer.weight, expected.weight) and torch.equal(layer.bias, expected.bias)


def test_the_lectures_seven_names():
    assert set(INITS) == {
        "default",
        "uniform",
        "normal",
        "xavier_normal",
        "xavier_uniform",
        "he_normal",
        "he_uniform",
    }


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MLP(init="glorot"), "no initialization 'glorot'; choose one of default, uniform"),
        (lambda: CNN(image_size=10), "positive multiple of 4.*got 10"),
        (lambda: CNN(image_size=0), "positive multiple of 4.*got 0"),
        (lambda: TanhMLP((3,)), r"at least, got \(3,\)"),
    ],
)
def test_refuses(build, message):
    with pytest.raises(ValueError, match=message):
        build()
