"""The lecture's networks and its seven weight initializations.

All models return *logits*, shape (batch, classes). The lecture's code returns logits and softmax
probabilities; its loss, `F.cross_entropy`, takes the logits, and so does everything here.

Models are built on the CPU from a CPU generator and moved with `.to(device)`, so that a seed gives
the same weights on every device. A model that is given a generator draws from no other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def _default(weight: Tensor, bias: Tensor, generator: torch.Generator | None) -> None:
    # What nn.Linear and nn.Conv2d do on their own: uniform on ±1/√fan_in, for the biases too.
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)
    bound = 1 / math.sqrt(weight[0].numel())
    nn.init.uniform_(bias, -bound, bound, generator=generator)


def _zero_bias(init: Callable[..., Tensor], *args: float) -> Callable[..., None]:
    def initialize_layer(weight: Tensor, bias: Tensor, generator: torch.Generator | None) -> None:
        init(weight, *args, generator=generator)
        nn.init.zeros_(bias)

    return initialize_layer


INITS: dict[str, Callable[[Tensor, Tensor, torch.Generator | None], None]] = {
    "default": _default,
    "uniform": _zero_bias(nn.init.uniform_, -0.1, 0.1),
    "normal": _zero_bias(nn.init.normal_, 0.0, 0.1),
    "xavier_normal": _zero_bias(nn.init.xavier_normal_),
    "xavier_uniform": _zero_bias(nn.init.xavier_uniform_),
    "he_normal": _zero_bias(nn.init.kaiming_normal_),
    "he_uniform": _zero_bias(nn.init.kaiming_uniform_),
}


@torch.no_grad()
def initialize(
    model: nn.Module, init: str, *, generator: torch.Generator | None = None
) -> nn.Module:
    """Draw the weights of every linear and convolutional layer anew.

    With n_in and n_out the numbers of inputs and outputs of a layer (its fan-in and fan-out):

        default         uniform on ±1/√n_in, biases too (what PyTorch does)
        uniform         uniform on ±0.1
        normal          normal, standard deviation 0.1
        xavier_normal   normal, standard deviation √(2 / (n_in + n_out))
        xavier_uniform  uniform on ±√(6 / (n_in + n_out))
        he_normal       normal, standard deviation √(2 / n_in)
        he_uniform      uniform on ±√(6 / n_in)

    All but `default` set the biases to zero, as the lecture's code does.

    Args:
        model: Changed in place.
        init: One of the seven names.
        generator: Source of the draws, on the model's device; None is torch's global one.

    Returns:
        The model.

    Raises:
        ValueError: If there is no initialization of that name.

    Source: the lecture's follow-up on weight initialization; X. Glorot and Y. Bengio, AISTATS 2010;
    K. He et al., ICCV 2015.

    >>> layer = initialize(nn.Linear(4, 3), "uniform", generator=torch.Generator().manual_seed(0))
    >>> bool(layer.weight.abs().max() <= 0.1), layer.bias.tolist()
    (True, [0.0, 0.0, 0.0])
    """
    if init not in INITS:
        raise ValueError(f"There is no initialization {init!r}; choose one of {', '.join(INITS)}.")
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            INITS[init](layer.weight, layer.bias, generator)
    return model


class MLP(nn.Module):
    """The lecture's multilayer perceptron, with one hidden layer.

        h = σ(x W1ᵀ + b1),  logits = h W2ᵀ + b2

    The slides give the sizes and the optimizer but not the class. The logistic σ, the weights drawn
    from a normal distribution with standard deviation 0.1 and the zero biases are assumed, after
    the perceptron in the same course's lecture 9.

    Args:
        num_features: Inputs.
        num_hidden: Hidden units.
        num_classes: Outputs.
        activation: σ, an elementwise function.
        init: A name of `INITS`.
        generator: Source of the initial weights; None is torch's global one.

    >>> model = MLP(64, 100, 10, generator=torch.Generator().manual_seed(0))
    >>> model(torch.zeros(5, 64)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        num_features: int = 28 * 28,
        num_hidden: int = 100,
        num_classes: int = 10,
        *,
        activation: Callable[[Tensor], Tensor] = torch.sigmoid,
        init: str = "normal",
        generator: torch.Generator | None = None,
    ):
        """Build the layers and draw their weights; see the class."""
        super().__init__()
        self.activation = activation
        self.linear_1 = nn.utils.skip_init(nn.Linear, num_features, num_hidden)
        self.linear_out = nn.utils.skip_init(nn.Linear, num_hidden, num_classes)
        initialize(self, init, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, classes) for features (batch, features)."""
        return self.linear_out(self.activation(self.linear_1(x)))


class TanhMLP(nn.Module):
    """A perceptron of any depth with tanh between its layers, for the edge of stability.

    Its loss is smooth, so that the largest eigenvalue of its Hessian is well defined everywhere.

    Args:
        widths: Units of each layer, inputs and outputs included.
        init: A name of `INITS`.
        generator: Source of the initial weights; None is torch's global one.

    Raises:
        ValueError: If there are fewer than two widths.

    >>> model = TanhMLP(generator=torch.Generator().manual_seed(0))
    >>> sum(w.numel() for w in model.parameters())
    3466
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 32, 32, 10),
        *,
        init: str = "default",
        generator: torch.Generator | None = None,
    ):
        """Build the layers and draw their weights; see the class."""
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"widths needs inputs and outputs at least, got {tuple(widths)}.")
        self.layers = nn.ModuleList(
            nn.utils.skip_init(nn.Linear, n_in, n_out)
            for n_in, n_out in zip(widths[:-1], widths[1:], strict=True)
        )
        initialize(self, init, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, classes) for features (batch, features)."""
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        return self.layers[-1](x)


class CNN(nn.Module):
    """The lecture's small convolutional network.

    Twice 3×3 convolution (padding 1), ReLU and 2×2 max-pooling, with 4 and 8 channels, then one
    linear layer: 392 → 10 for MNIST's 28×28 images, 32 → 10 for the 8×8 digits.

    Args:
        num_classes: Outputs.
        image_size: Height and width of the images, a multiple of 4.
        init: A name of `INITS`.
        generator: Source of the initial weights; None is torch's global one.

    Raises:
        ValueError: If image_size is not a positive multiple of 4.

    Source: the lecture's cnn-with-diff-init notebooks.

    >>> model = CNN(image_size=8, generator=torch.Generator().manual_seed(0))
    >>> model(torch.zeros(5, 64)).shape, model.linear_1.in_features
    (torch.Size([5, 10]), 32)
    """

    def __init__(
        self,
        num_classes: int = 10,
        *,
        image_size: int = 28,
        init: str = "default",
        generator: torch.Generator | None = None,
    ):
        """Build the layers and draw their weights; see the class."""
        super().__init__()
        if image_size < 4 or image_size % 4:
            raise ValueError(
                f"image_size must be a positive multiple of 4, as the images are halved twice; "
                f"got {image_size}."
            )
        self.image_size = image_size
        self.conv_1 = nn.utils.skip_init(nn.Conv2d, 1, 4, 3, padding=1)
        self.conv_2 = nn.utils.skip_init(nn.Conv2d, 4, 8, 3, padding=1)
        self.linear_1 = nn.utils.skip_init(nn.Linear, 8 * (image_size // 4) ** 2, num_classes)
        initialize(self, init, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (batch, classes) for images, flat or of shape (batch, 1, size, size)."""
        x = x.reshape(-1, 1, self.image_size, self.image_size)
        x = F.max_pool2d(torch.relu(self.conv_1(x)), 2)  # (batch, 4, size/2, size/2)
        x = F.max_pool2d(torch.relu(self.conv_2(x)), 2)  # (batch, 8, size/4, size/4)
        return self.linear_1(x.flatten(1))
