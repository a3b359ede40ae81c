"""What the notebooks measure: gradients, curvature, and how sure one can be of an average.

Gradients and curvature are those of the mean loss L(w) = (1/n) Σ_i ℓ(w; x_i, y_i) with respect to
all the parameters of a model, written as one vector w of P numbers in the order of
`model.parameters()`. None of these functions changes the model.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vjp, vmap
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


class Interval(NamedTuple):
    """An average and how far the truth may lie on either side of it.

    Attributes:
        mean: The average.
        half_width: Half the length of the confidence interval.
    """

    mean: Tensor
    half_width: Tensor


def flat_parameters(model: nn.Module) -> Tensor:
    """Return a copy of all parameters as one vector, shape (P,)."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def flat_loss(
    model: nn.Module, X: Tensor, y: Tensor, loss: Loss = F.cross_entropy
) -> Callable[[Tensor], Tensor]:
    """Return the mean loss as a pure function of one vector of parameters.

    Args:
        model: Gives the architecture; its own parameters are not used.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        loss: Maps (logits, labels) to their mean loss.

    Returns:
        L: (P,) -> (), to which `torch.func.grad`, `jvp` and `vmap` apply.

    >>> model = nn.Linear(2, 2)
    >>> L = flat_loss(model, torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    >>> round(L(torch.zeros(6)).item(), 4)  # two classes, equally likely: log 2
    0.6931
    """
    unflatten = unflattener(model)
    buffers = {name: buffer.detach() for name, buffer in model.named_buffers()}

    def value(w: Tensor) -> Tensor:
        return loss(functional_call(model, (unflatten(w), buffers), (X,)), y)

    return value


def unflattener(model: nn.Module) -> Callable[[Tensor], dict[str, Tensor]]:
    """Return the function that cuts a vector (P,) into the named parameters of a model."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    shapes = [parameter.shape for parameter in parameters]
    sizes = [parameter.numel() for parameter in parameters]

    def unflatten(w: Tensor) -> dict[str, Tensor]:
        # One split, since its backward is one concatenation; slices would each fill a vector.
        parts = w.split(sizes)
        return {n: part.view(s) for n, part, s in zip(names, parts, shapes, strict=True)}

    return unflatten


def full_gradient(model: nn.Module, X: Tensor, y: Tensor, loss: Loss = F.cross_entropy) -> Tensor:
    """Return the gradient of the whole set's mean loss, shape (P,).

    Args:
        model: Where the gradient is taken.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        loss: Maps (logits, labels) to their mean loss.

    Returns:
        ∇L(w).
    """
    return grad(flat_loss(model, X, y, loss))(flat_parameters(model))


def sample_gradients(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    loss: Loss = F.cross_entropy,
    *,
    chunk_size: int | None = None,
) -> Tensor:
    """Return the gradient of each sample's loss, one a row: G_i = ∇ℓ(w; x_i, y_i).

    The mean over the rows is `full_gradient`.

    Args:
        model: Where the gradients are taken.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        loss: Maps (logits, labels) to their mean loss.
        chunk_size: Samples worked on at once; fewer take less memory, the result is the same.

    Returns:
        G, shape (n, P).

    >>> model = nn.Linear(2, 2)
    >>> X, y = torch.randn(5, 2), torch.tensor([0, 1, 0, 1, 1])
    >>> G = sample_gradients(model, X, y)
    >>> G.shape, torch.allclose(G.mean(0), full_gradient(model, X, y), atol=1e-6)
    (torch.Size([5, 6]), True)
    """
    w = flat_parameters(model)

    def one(x: Tensor, label: Tensor) -> Tensor:
        return grad(flat_loss(model, x.unsqueeze(0), label.unsqueeze(0), loss))(w)

    return vmap(one, chunk_size=chunk_size)(X, y)


def hessian_vector_product(
    model: nn.Module, X: Tensor, y: Tensor, loss: Loss = F.cross_entropy
) -> Callable[[Tensor], Tensor]:
    """Return v -> H v, with H = ∇²L(w) the Hessian of the whole set's mean loss.

    H v = ∇(∇L · v), since H is symmetric. It costs about two gradients; H is never formed.

    Args:
        model: Where the Hessian is taken.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        loss: Maps (logits, labels) to their mean loss.

    Returns:
        A linear function (P,) -> (P,).

    Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1),
    1994.
    """
    w = flat_parameters(model)
    gradient = grad(flat_loss(model, X, y, loss))
    # Backward twice, where Pearlmutter goes forward over backward: torch's forward mode warns about
    # its own use of torch.jit, and the first pass backward serves all products.
    _, pullback = vjp(gradient, w)
    return lambda v: pullback(v)[0]


def sharpness(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    loss: Loss = F.cross_entropy,
    *,
    generator: torch.Generator,
    rtol: float = 1e-4,
    max_products: int = 100,
) -> float:
    """Return the largest eigenvalue of the Hessian of the whole set's mean loss.

    Gradient descent with learning rate η is stable on a quadratic only where it is below 2/η.

    Lanczos: from a random unit vector q_1, build orthonormal q_1, ..., q_k with
    span {q_1, H q_1, H² q_1, ...}; the largest eigenvalue θ of the small matrix T = Qᵀ H Q
    approaches that of H from below. With s the last entry of T's unit eigenvector and β the length
    of the next vector before it is normalized, an eigenvalue of H lies within β|s| of θ; that bound
    ends the iteration.

    Args:
        model: Where the Hessian is taken.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        loss: Maps (logits, labels) to their mean loss.
        generator: Source of q_1.
        rtol: Stop when the bound is below this share of θ.
        max_products: Most products H v to spend.

    Returns:
        The largest eigenvalue (the most positive one, not the one of largest size).

    Raises:
        ValueError: If the loss or the Hessian is not finite, or the iteration did not converge.

    Source: C. Lanczos, 1950; J. M. Cohen et al., "Gradient descent on neural networks typically
    occurs at the edge of stability", ICLR 2021, for its use here.

    >>> _ = torch.manual_seed(0)
    >>> model = nn.Linear(1, 1, bias=False)  # L = mean (w x)², so H = 2 mean x²
    >>> X = torch.tensor([[1.0], [3.0]])
    >>> loss = lambda out, target: (out**2).mean()
    >>> round(sharpness(model, X, X, loss, generator=torch.Generator().manual_seed(0)), 4)
    10.0
    """
    product = hessian_vector_product(model, X, y, loss)
    w = flat_parameters(model)
    q = torch.randn(w.shape, generator=generator, dtype=w.dtype, device=generator.device)
    q = (q / q.norm()).to(w.device)
    basis = [q]
    diagonal: list[float] = []
    beside: list[float] = []
    theta = bound = math.nan
    for _ in range(min(max_products, len(w))):
        r = product(basis[-1])
        if not torch.isfinite(r).all():
            raise ValueError("The Hessian is not finite here; training has probably diverged.")
        diagonal.append((r @ basis[-1]).item())
        # Twice against all former vectors: rounding would lose their orthogonality, and with it the
        # meaning of T, within a few steps.
        Q = torch.stack(basis)
        for _ in range(2):
            r = r - Q.T @ (Q @ r)
        beta = r.norm().item()
        T = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        if beside:
            off = torch.diag(torch.tensor(beside, dtype=torch.float64), 1)
            T = T + off + off.T
        values, vectors = torch.linalg.eigh(T)
        theta = values[-1].item()
        bound = abs(beta * vectors[-1, -1].item())
        if bound <= rtol * abs(theta) or len(diagonal) == len(w):
            return theta
        beside.append(beta)
        basis.append(r / beta)
    raise ValueError(
        f"The largest eigenvalue is not known to {rtol:g} after {max_products} products "
        f"(about {theta:g}, within {bound:.1g}); allow a larger max_products or rtol."
    )


def mean_interval(values: Tensor, confidence: float = 0.95, dim: int = 0) -> Interval:
    """Return the average over seeds and the half-width of its confidence interval.

        x̄ ± t_{(1+c)/2, n−1} · s / √n

    with s the sample standard deviation (dividing by n − 1) and t the quantile of Student's
    distribution. Exact for normally distributed values, a good guide for three seeds or more.

    Args:
        values: One value a seed along `dim`.
        confidence: c, between 0 and 1.
        dim: The dimension of the seeds.

    Returns:
        An `Interval` of tensors with `dim` removed.

    Raises:
        ValueError: If there are fewer than two values, or confidence is not between 0 and 1.

    Source: Student, "The probable error of a mean", Biometrika 6(1), 1908.

    >>> mean, half = mean_interval(torch.tensor([0.95, 0.96, 0.97]))
    >>> f"{mean:.3f} ± {half:.3f}"
    '0.960 ± 0.025'
    """
    from scipy.stats import t

    _check_confidence(confidence)
    values = torch.as_tensor(values)
    if not values.is_floating_point():
        values = values.to(torch.get_default_dtype())
    n = values.shape[dim] if values.ndim else 1
    if n < 2:
        raise ValueError(f"An interval needs at least two values, got {n}; run more seeds.")
    quantile = float(t.ppf((1 + confidence) / 2, n - 1))
    return Interval(values.mean(dim), quantile * values.std(dim) / math.sqrt(n))


def proportion_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's confidence interval of a proportion, such as an accuracy.

        (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n)

    with z the normal quantile at (1 + c)/2. Unlike p̂ ± z √(p̂(1 − p̂)/n), it never leaves [0, 1] and
    is not empty at p̂ = 1.

    Args:
        successes: How many of the n were right.
        n: How many were tried.
        confidence: c, between 0 and 1.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: If not 0 ≤ successes ≤ n with n ≥ 1, or confidence is not between 0 and 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22(158), 1927.

    >>> low, high = proportion_interval(9777, 10000)
    >>> f"{low:.4f} to {high:.4f}"
    '0.9746 to 0.9804'
    """
    from scipy.stats import norm

    _check_confidence(confidence)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"Expected 0 <= successes <= n with n at least 1, got {successes} of {n}.")
    z = float(norm.ppf((1 + confidence) / 2))
    p = successes / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, such as 0.95; got {confidence}.")
