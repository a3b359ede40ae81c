"""The update rules of the lecture, each as a pure function in the lecture's symbols.

Every rule has the same form::

    w, state = rule(w, g, state, t, **hyper_parameters)

- ``w``: the weights, of any shape; ``g``: the gradient of the loss at ``w``, of the same shape.
- ``state``: what the rule remembers, a ``NamedTuple`` made by ``init(rule, w)``.
- ``t``: the number of this step, 1 at the first; an int or a 0-d tensor.
- Hyper-parameters are floats or 0-d tensors.

A rule returns new tensors and never writes to those it is given. It has no opinion about devices,
dtypes or batches: it runs wherever its arguments live, and under ``torch.func.vmap`` over weights
and hyper-parameters alike.

>>> w, g = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 0.5])
>>> w, state = sgd(w, g, init(sgd, w), 1, lr=0.1)
>>> w
tensor([ 0.9500, -2.0500])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Scalar = float | Tensor


def init(rule: Callable[..., Any], w: Tensor, **start: Any) -> Any:
    """Return the state with which a rule starts at ``w``.

    Args:
        rule: A function of this module.
        w: The weights; the state takes their shape, dtype and device.
        start: Starting values that the rule's state lets one choose.

    Raises:
        TypeError: If ``rule`` is not one of this module's.

    >>> init(momentum, torch.ones(2))
    MomentumState(v=tensor([0., 0.]))
    """
    if rule not in STATES:
        known = ", ".join(sorted(each.__name__ for each in STATES))
        raise TypeError(f"{rule!r} is not a rule of lib.rules; the rules are: {known}")
    return STATES[rule].init(w, **start)


# ------------------------------------------------------------------ gradient descent and momentum


class NoState(NamedTuple):
    """Nothing to remember."""

    @classmethod
    def init(cls, w: Tensor) -> NoState:
        """Return the empty state."""
        return cls()


def sgd(
    w: Tensor, g: Tensor, state: NoState, t: Scalar, *, lr: Scalar = 0.01
) -> tuple[Tensor, NoState]:
    """Stochastic gradient descent: a step against the minibatch's gradient.

        w ← w − ηg

    Args:
        w: Weights.
        g: Gradient at ``w``.
        state: Empty.
        t: Step number (not used).
        lr: η.

    Source: Robbins and Monro (1951).

    >>> sgd(torch.tensor(1.0), torch.tensor(2.0), NoState(), 1, lr=0.25)[0]
    tensor(0.5000)
    """
    return w - lr * g, state


class MomentumState(NamedTuple):
    """The velocity: the lecture's v, or Δw."""

    v: Tensor

    @classmethod
    def init(cls, w: Tensor) -> MomentumState:
        """Start at rest."""
        return cls(torch.zeros_like(w))


def momentum(
    w: Tensor, g: Tensor, state: MomentumState, t: Scalar, *, lr: Scalar = 0.01, alpha: Scalar = 0.9
) -> tuple[Tensor, MomentumState]:
    """The lecture's momentum: the learning rate enters the velocity with the gradient.

        v ← αv + ηg
        w ← w − v

    A change of η bears on new gradients only; the velocity keeps what it had.

    Args:
        w: Weights.
        g: Gradient at ``w``.
        state: Velocity.
        t: Step number (not used).
        lr: η.
        alpha: α, the part of the velocity that is kept.

    Source: Qian (1999), Neural Networks 12(1); Rumelhart, Hinton and Williams (1986).

    >>> w, state = momentum(torch.tensor(1.0), torch.tensor(2.0), MomentumState(torch.tensor(0.5)),
    ...                     2, lr=0.1, alpha=0.9)
    >>> w, state.v
    (tensor(0.3500), tensor(0.6500))
    """
    v = alpha * state.v + lr * g
    return w - v, MomentumState(v)


class SGDMomentumState(NamedTuple):
    """PyTorch's momentum buffer."""

    buf: Tensor

    @classmethod
    def init(cls, w: Tensor) -> SGDMomentumState:
        """Start empty: the first gradient fills it."""
        return cls(torch.zeros_like(w))


def sgd_momentum(
    w: Tensor,
    g: Tensor,
    state: SGDMomentumState,
    t: Scalar,
    *,
    lr: Scalar = 0.01,
    momentum: Scalar = 0.9,
    dampening: Scalar = 0.0,
) -> tuple[Tensor, SGDMomentumState]:
    """PyTorch's momentum: the learning rate multiplies the whole buffer.

        b ← g                      at t = 1, undampened
        b ← μb + (1 − d)g          after that
        w ← w − ηb

    The slide's formula dampens the first gradient too; see ``slide_dampening``.

    Args:
        w: Weights.
        g: Gradient at ``w``.
        state: Buffer.
        t: Step number, 1 at the first.
        lr: η.
        momentum: μ, the lecture's α.
        dampening: d.

    Source: the documentation of ``torch.optim.SGD``.

    >>> state = SGDMomentumState(torch.tensor(0.0))
    >>> for t in (1, 2):
    ...     _, state = sgd_momentum(torch.tensor(1.0), torch.tensor(2.0), state, t, dampening=0.5)
    ...     print(state.buf)
    tensor(2.)
    tensor(2.8000)
    """
    first = torch.as_tensor(t == 1, device=g.device)
    buf = torch.where(first, g, momentum * state.buf + (1 - dampening) * g)
    return w - lr * buf, SGDMomentumState(buf)


def nesterov(
    w: Tensor,
    grad_fn: Callable[[Tensor], Tensor],
    state: MomentumState,
    t: Scalar,
    *,
    lr: Scalar = 0.01,
    alpha: Scalar = 0.9,
) -> tuple[Tensor, MomentumState]:
    """Nesterov's accelerated gradient as the lecture has it: jump first, then correct.

        v ← αv + η∇L(w − αv)
        w ← w − v

    Args:
        w: Weights.
        grad_fn: ∇L. It is called once, at the point that the jump leads to, and not at ``w``.
        state: Velocity, the lecture's Δw.
        t: Step number (not used).
        lr: η.
        alpha: α.

    Source: Nesterov (1983); in this form Sutskever, Martens, Dahl and Hinton (2013), ICML.

    >>> nesterov(torch.tensor(1.0), lambda w: 2 * w, MomentumState(torch.tensor(0.5)), 2, lr=0.1)
    (tensor(0.4400), MomentumState(v=tensor(0.5600)))
    """
    v = alpha * state.v + lr * grad_fn(w - alpha * state.v)
    return w - v, MomentumState(v)


def sgd_nesterov(
    w: Tensor,
    g: Tensor,
    state: SGDMomentumState,
    t: Scalar,
    *,
    lr: Scalar = 0.01,
    momentum: Scalar = 0.9,
) -> tuple[Tensor, SGDMomentumState]:
    """PyTorch's Nesterov momentum: the weights it stores are the look-ahead point.

        b ← μb + g
        w ← w − η(g + μb)

    With the lecture's w and v at a constant η, this w is w − αv and this ηb is v: the same path,
    seen from the point where the gradient is taken.

    Args:
        w: Weights, at the look-ahead point.
        g: Gradient at ``w``.
        state: Buffer.
        t: Step number (not used).
        lr: η.
        momentum: μ, the lecture's α.

    Source: the documentation of ``torch.optim.SGD``; Bengio, Boulanger-Lewandowski and Pascanu
    (2013), ICASSP.

    >>> sgd_nesterov(torch.tensor(1.0), torch.tensor(2.0), SGDMomentumState(torch.tensor(0.0)), 1,
    ...              lr=0.1, momentum=0.9)[0]
    tensor(0.6200)
    """
    buf = momentum * state.buf + g
    return w - lr * (g + momentum * buf), SGDMomentumState(buf)


STATES: dict[Callable[..., Any], Any] = {
    sgd: NoState,
    momentum: MomentumState,
    sgd_momentum: SGDMomentumState,
    nesterov: MomentumState,
    sgd_nesterov: SGDMomentumState,
}
