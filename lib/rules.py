"""The update rules of the lecture, each as a pure function in the lecture's symbols.

Every rule has the same form::

    w, state = rule(w, g, state, t, **hyper_parameters)

- ``w``: the weights, of any shape; ``g``: the gradient of the loss at ``w``, of the same shape.
- ``state``: what the rule remembers, a ``NamedTuple`` made by ``init(rule, w)``.
- ``t``: the number of this step, 1 at the first; an int or a 0-d tensor.
- Hyper-parameters are floats or 0-d tensors. (Against a 0-d ``w``, give these the dtype of ``w``:
  tensors of equal rank are promoted to the wider dtype.)

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


def _step(t: Scalar) -> Scalar:
    """Return t such that βᵗ is exact to double precision: an integer tensor's would be float32."""
    return t.double() if isinstance(t, Tensor) else t


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


def _zeros(state: type, w: Tensor) -> Any:
    """Start every field of a state at zero."""
    return state(*(torch.zeros_like(w) for _ in state._fields))


# ------------------------------------------------------------------ gradient descent and momentum


class NoState(NamedTuple):
    """Nothing to remember."""

    @classmethod
    def init(cls, w: Tensor) -> NoState:
        """Return the empty state."""
        return cls()


def sgd(w, g, state, t, *, lr=0.01):
    """Stochastic gradient descent: a step against the minibatch's gradient.

        w ← w − ηg

    Hyper-parameters:
        lr: η.

    Source: Robbins and Monro (1951).

    >>> sgd(torch.tensor(1.0), torch.tensor(2.0), NoState(), 1, lr=0.25)[0]
    tensor(0.5000)
    """
    return w - lr * g, state


class MomentumState(NamedTuple):
    """The velocity: the lecture's v, or Δw."""

    v: Tensor

    init = classmethod(_zeros)


def momentum(w, g, state, t, *, lr=0.01, alpha=0.9):
    """The lecture's momentum: the learning rate enters the velocity with the gradient.

        v ← αv + ηg
        w ← w − v

    A change of η bears on new gradients only; the velocity keeps what it had.

    Hyper-parameters:
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

    init = classmethod(_zeros)


def sgd_momentum(w, g, state, t, *, lr=0.01, momentum=0.9, dampening=0.0):
    """PyTorch's momentum: the learning rate multiplies the whole buffer.

        b ← g                      at t = 1, when b is 0: undampened
        b ← μb + (1 − d)g          after that
        w ← w − ηb

    The slide's formula dampens the first gradient too; see ``slide_dampening``.

    Hyper-parameters:
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
    first = 0.0 ** (_step(t) - 1)  # 1 at the first step, when b is 0; then 0
    buf = momentum * state.buf + (1 - dampening * (1 - first)) * g
    return w - lr * buf, SGDMomentumState(buf)


def nesterov(w, grad_fn, state, t, *, lr=0.01, alpha=0.9):
    """Nesterov's accelerated gradient as the lecture has it: jump first, then correct.

        v ← αv + η∇L(w − αv)
        w ← w − v

    Here ∇L, a function, stands where the other rules take g. It is called once, at the point that
    the jump leads to, and not at ``w``.

    Hyper-parameters:
        lr: η.
        alpha: α.

    Source: Nesterov (1983); in this form Sutskever, Martens, Dahl and Hinton (2013), ICML.

    >>> nesterov(torch.tensor(1.0), lambda w: 2 * w, MomentumState(torch.tensor(0.5)), 2, lr=0.1)
    (tensor(0.4400), MomentumState(v=tensor(0.5600)))
    """
    v = alpha * state.v + lr * grad_fn(w - alpha * state.v)
    return w - v, MomentumState(v)


def sgd_nesterov(w, g, state, t, *, lr=0.01, momentum=0.9):
    """PyTorch's Nesterov momentum: the weights it stores are the look-ahead point.

        b ← μb + g
        w ← w − η(g + μb)

    With the lecture's w and v at a constant η, this w is w − αv and this ηb is v: the same path,
    seen from the point where the gradient is taken.

    Hyper-parameters:
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


# ------------------------------------------------------------------ local gains and signs


class GainState(NamedTuple):
    """One gain for each weight, and the gradient before."""

    gain: Tensor
    g_prev: Tensor

    @classmethod
    def init(cls, w: Tensor) -> GainState:
        """Start with gain 1; with no gradient before, the first step leaves it so."""
        return cls(torch.ones_like(w), torch.zeros_like(w))


def delta_bar_delta(w, g, state, t, *, lr=0.01, beta=0.05, gain_min=0.01, gain_max=100.0):
    """Local gains: each weight's own learning rate, ruled by the signs of its gradients.

        gain ← gain + β          where g_t · g_{t−1} > 0: consistent
        gain ← gain · (1 − β)    where g_t · g_{t−1} < 0: a flip
        gain ← clip(gain, gain_min, gain_max)
        w ← w − η · gain · g

    Up by adding and down by multiplying: a large gain falls fast when the sign starts to flip.
    Where a product is zero there is neither agreement nor a flip, and the gain stays.

    Hyper-parameters:
        lr: η.
        beta: β.
        gain_min: Smallest gain.
        gain_max: Largest gain.

    Source: the lecture, after Jacobs (1988), Neural Networks 1(4), who compares with an average
    of past gradients; the limits are from Hinton's Coursera lecture 6d.

    >>> state = GainState(gain=torch.ones(3), g_prev=torch.tensor([1.0, -1.0, 0.0]))
    >>> delta_bar_delta(torch.zeros(3), torch.ones(3), state, 2, beta=0.1)[1].gain
    tensor([1.1000, 0.9000, 1.0000])
    """
    product = g * state.g_prev
    kept_or_cut = torch.where(product < 0, state.gain * (1 - beta), state.gain)
    gain = torch.where(product > 0, state.gain + beta, kept_or_cut)
    gain = _clip(gain, gain_min, gain_max)
    return w - lr * (gain * g), GainState(gain, g)


class RpropState(NamedTuple):
    """One step size for each weight, and the gradient before."""

    step: Tensor
    g_prev: Tensor

    @classmethod
    def init(cls, w: Tensor, step: float = 0.01) -> RpropState:
        """Start all weights with the same step size."""
        return cls(torch.full_like(w, step), torch.zeros_like(w))


def rprop(w, g, state, t, *, eta_minus=0.5, eta_plus=1.2, step_min=1e-6, step_max=50.0):
    """Rprop: only the gradient's sign counts, and each weight has a step size of its own.

        Δ ← clip(η⁺Δ, Δmin, Δmax)                where g_t · g_{t−1} > 0
        Δ ← clip(η⁻Δ, Δmin, Δmax), g_t ← 0       where g_t · g_{t−1} < 0
        w ← w − sign(g_t) Δ

    After a flip the weight rests for one step, because g_t is forgotten there: Igel and Hüsken's
    iRprop⁻, which is what PyTorch computes. For whole batches: a minibatch's sign is too noisy.

    Hyper-parameters:
        eta_minus: η⁻, below 1.
        eta_plus: η⁺, above 1.
        step_min: Δmin.
        step_max: Δmax.

    Source: Riedmiller and Braun (1993); Igel and Hüsken (2000), which the lecture cites.

    >>> state = RpropState(step=torch.ones(3), g_prev=torch.tensor([1.0, -1.0, 0.0]))
    >>> w, state = rprop(torch.zeros(3), torch.full((3,), 5.0), state, 2)
    >>> w, state.step, state.g_prev
    (tensor([-1.2000,  0.0000, -1.0000]), tensor([1.2000, 0.5000, 1.0000]), tensor([5., 0., 5.]))
    """
    product = g * state.g_prev
    kept_or_cut = torch.where(product < 0, state.step * eta_minus, state.step)
    step = torch.where(product > 0, state.step * eta_plus, kept_or_cut)
    step = _clip(step, step_min, step_max)
    g = torch.where(product < 0, 0.0, g)
    return w - torch.sign(g) * step, RpropState(step, g)


def _clip(x: Tensor, low: Scalar, high: Scalar) -> Tensor:
    """Clip by two calls, since ``torch.clamp`` will not take a float and a tensor together."""
    return torch.clamp(torch.clamp(x, min=low), max=high)


# ------------------------------------------------------------------ squared gradients


class AdagradState(NamedTuple):
    """The sum of squared gradients."""

    total: Tensor

    @classmethod
    def init(cls, w: Tensor, total: float = 0.0) -> AdagradState:
        """Start the sum at zero, or at a constant."""
        return cls(torch.full_like(w, total))


def adagrad(w, g, state, t, *, lr=0.01, lr_decay=0.0, eps=1e-10):
    """Adagrad: the learning rate over the root of all squared gradients so far.

        G ← G + g²
        w ← w − η / (1 + (t − 1)·lr_decay) · g / (√G + ε)

    Hyper-parameters:
        lr: η.
        lr_decay: PyTorch's addition, zero in the paper.
        eps: ε, outside the root.

    Source: Duchi, Hazan and Singer (2011), JMLR 12.

    >>> adagrad(torch.tensor(1.0), torch.tensor(3.0), AdagradState(torch.tensor(16.0)), 2, lr=0.5)
    (tensor(0.7000), AdagradState(total=tensor(25.)))
    """
    total = state.total + g**2
    rate = lr / (1 + (_step(t) - 1) * lr_decay)
    return w - rate * g / (torch.sqrt(total) + eps), AdagradState(total)


class RMSPropState(NamedTuple):
    """The moving average of squared gradients: the lecture's MeanSquare."""

    ms: Tensor

    init = classmethod(_zeros)


def rmsprop(w, g, state, t, *, lr=0.01, beta=0.99, eps=1e-8):
    """RMSProp: the gradient over the root of the moving average of its square.

        ms ← β·ms + (1 − β)g²
        w ← w − ηg / (√ms + ε)

    Hyper-parameters:
        lr: η.
        beta: β, from .9 to .999 in the lecture; PyTorch's ``alpha``.
        eps: ε, outside the root, as in the lecture and in PyTorch.

    Source: Hinton, Coursera lecture 6e (2012); the lecture, whose ∂L/w reads ∂L/∂w.

    >>> rmsprop(torch.tensor(1.0), torch.tensor(3.0), RMSPropState(torch.tensor(1.0)), 2, beta=0.0)
    (tensor(0.9900), RMSPropState(ms=tensor(9.)))
    """
    ms = beta * state.ms + (1 - beta) * g**2
    return w - lr * g / (torch.sqrt(ms) + eps), RMSPropState(ms)


class AdaDeltaState(NamedTuple):
    """Moving averages of squared gradients and of squared updates."""

    ms: Tensor
    du: Tensor

    init = classmethod(_zeros)


def adadelta(w, g, state, t, *, lr=1.0, rho=0.9, eps=1e-6):
    """AdaDelta: the ratio of two roots gives the step the unit of a weight.

        ms ← ρ·ms + (1 − ρ)g²
        Δ = √(du + ε) / √(ms + ε) · g
        du ← ρ·du + (1 − ρ)Δ²
        w ← w − ηΔ

    Hyper-parameters:
        lr: η, PyTorch's addition, 1 in the paper.
        rho: ρ.
        eps: ε, inside both roots: without it the first step would be zero, and so all others.

    Source: Zeiler (2012), arXiv 1212.5701, Algorithm 1.

    >>> state = AdaDeltaState(ms=torch.tensor(0.0), du=torch.tensor(0.0))
    >>> adadelta(torch.tensor(1.0), torch.tensor(2.0), state, 1, rho=0.75, eps=1.0)[0]
    tensor(-0.4142)
    """
    ms = rho * state.ms + (1 - rho) * g**2
    delta = torch.sqrt(state.du + eps) / torch.sqrt(ms + eps) * g
    du = rho * state.du + (1 - rho) * delta**2
    return w - lr * delta, AdaDeltaState(ms, du)


# ------------------------------------------------------------------ Adam


class AdamState(NamedTuple):
    """Moving averages of the gradient and of its square."""

    m: Tensor
    v: Tensor

    init = classmethod(_zeros)


def adam(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam: momentum and RMSProp, both corrected for having started at zero.

        m ← β1·m + (1 − β1)g
        v ← β2·v + (1 − β2)g²
        m̂ = m / (1 − β1ᵗ)
        v̂ = v / (1 − β2ᵗ)
        w ← w − η·m̂ / (√v̂ + ε)

    Hyper-parameters:
        lr: η, the paper's α.
        beta1: β1.
        beta2: β2.
        eps: ε, outside the root.

    Source: Kingma and Ba (2015), arXiv 1412.6980, Algorithm 1.

    >>> w = torch.zeros(3)
    >>> adam(w, torch.tensor([1e-3, -1.0, 1e3]), init(adam, w), 1, lr=0.5)[0]
    tensor([-0.5000,  0.5000, -0.5000])
    """
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1 ** _step(t))
    v_hat = v / (1 - beta2 ** _step(t))
    return w - lr * m_hat / (torch.sqrt(v_hat) + eps), AdamState(m, v)


def adam_efficient(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps_hat=1e-8):
    """Adam in the paper's more efficient order: both corrections go into the learning rate.

        η_t = η √(1 − β2ᵗ) / (1 − β1ᵗ)
        w ← w − η_t · m / (√v + ε̂)

    It is ``adam`` exactly if ε̂ = ε √(1 − β2ᵗ) at each step; with a constant ε̂ the early steps of
    weights with tiny gradients are shorter.

    Hyper-parameters:
        lr: η.
        beta1: β1.
        beta2: β2.
        eps_hat: ε̂.

    Source: Kingma and Ba (2015), section 2, last paragraph.

    >>> w, g = torch.tensor([1.0]), torch.tensor([0.01])
    >>> adam_efficient(w, g, init(adam, w), 1, lr=0.5, eps_hat=0.1 * (1 - 0.999) ** 0.5)[0]
    tensor([0.9545])
    >>> adam(w, g, init(adam, w), 1, lr=0.5, eps=0.1)[0]
    tensor([0.9545])
    """
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    rate = lr * (1 - beta2 ** _step(t)) ** 0.5 / (1 - beta1 ** _step(t))
    return w - rate * m / (torch.sqrt(v) + eps_hat), AdamState(m, v)


class AMSGradState(NamedTuple):
    """Adam's averages, and the largest v so far."""

    m: Tensor
    v: Tensor
    v_max: Tensor

    init = classmethod(_zeros)


def amsgrad(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """AMSGrad as its paper has it: the largest v so far, and no bias correction.

        m ← β1·m + (1 − β1)g
        v ← β2·v + (1 − β2)g²
        v_max ← max(v_max, v)
        w ← w − η·m / (√v_max + ε)

    PyTorch's differs: see ``amsgrad_torch``.

    Hyper-parameters:
        lr: η, the paper's α_t.
        beta1: β1.
        beta2: β2.
        eps: ε; the paper's Algorithm 2 has none, and a zero gradient would divide by zero.

    Source: Reddi, Kale and Kumar (2018), ICLR, Algorithm 2, without its projection.

    >>> state = AMSGradState(m=torch.tensor(0.0), v=torch.tensor(1.0), v_max=torch.tensor(4.0))
    >>> amsgrad(torch.tensor(1.0), torch.tensor(1.0), state, 2, lr=0.5, beta1=0.0)[0]
    tensor(0.7500)
    """
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    v_max = torch.maximum(state.v_max, v)
    return w - lr * m / (torch.sqrt(v_max) + eps), AMSGradState(m, v, v_max)


def amsgrad_torch(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """AMSGrad as in PyTorch: Adam's corrections stay, and divide the largest *uncorrected* v.

        v_max ← max(v_max, v)
        w ← w − η · m/(1 − β1ᵗ) / (√(v_max/(1 − β2ᵗ)) + ε)

    PyTorch makes AMSGrad an option of Adam, so that turning it on changes only the maximum; the
    paper's Algorithm 2 has no corrections. The two differ by the factor
    √(1 − β2ᵗ)/(1 − β1ᵗ), ε aside, and agree when t is large.

    Hyper-parameters:
        lr: η.
        beta1: β1.
        beta2: β2.
        eps: ε.

    Source: ``torch.optim.Adam(amsgrad=True)``.

    >>> w, g = torch.tensor([1.0]), torch.tensor([2.0])
    >>> amsgrad_torch(w, g, init(amsgrad_torch, w), 1, lr=0.5)[0]
    tensor([0.5000])
    """
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    v_max = torch.maximum(state.v_max, v)
    m_hat = m / (1 - beta1 ** _step(t))
    v_hat = v_max / (1 - beta2 ** _step(t))
    return w - lr * m_hat / (torch.sqrt(v_hat) + eps), AMSGradState(m, v, v_max)


# ------------------------------------------------------------------ from Adam to SGD


class SWATSAdamState(NamedTuple):
    """Adam's averages, and the step just taken."""

    m: Tensor
    v: Tensor
    p: Tensor

    init = classmethod(_zeros)


def swats_adam(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-9):
    """The first phase of SWATS: Adam, keeping its step p. See ``swats``.

    p = −η √(1 − β2ᵗ)/(1 − β1ᵗ) · m / (√v + ε);  w ← w + p
    """
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    rate = lr * (1 - beta2 ** _step(t)) ** 0.5 / (1 - beta1 ** _step(t))
    p = -rate * m / (torch.sqrt(v) + eps)
    return w + p, SWATSAdamState(m, v, p)


class SWATSSGDState(NamedTuple):
    """SGD's buffer."""

    u: Tensor

    init = classmethod(_zeros)


def swats_sgd(w, g, state, t, *, rate, beta1=0.9):
    """The second phase of SWATS: SGD with momentum at the rate Λ that Adam found. See ``swats``.

    u ← β1·u + g;  w ← w − (1 − β1) Λ u, where u starts at 0.
    """
    u = beta1 * state.u + g
    return w - (1 - beta1) * rate * u, SWATSSGDState(u)


def swats_monitor(pp, pg, lam, t, *, beta2=0.999, eps=1e-9):
    """Decide whether SWATS switches: when the corrected average of γ has met γ itself.

        γ = pᵀp / (−pᵀg)
        λ ← β2·λ + (1 − β2)γ,  Λ = λ / (1 − β2ᵗ)
        switch if t > 1 and |Λ − γ| < ε

    Where pᵀg = 0, γ does not exist: λ stays and nothing switches.

    Args:
        pp: pᵀp over the whole model.
        pg: pᵀg over the whole model.
        lam: λ before.
        t: Step number, 1 at the first.
        beta2: β2.
        eps: ε, an absolute tolerance.

    Returns:
        λ, whether to switch (a bool tensor), and Λ.
    """
    exists = pg != 0
    gamma = pp / torch.where(exists, -pg, torch.ones_like(pg))
    lam = torch.where(exists, beta2 * lam + (1 - beta2) * gamma, lam)
    rate = lam / (1 - beta2 ** _step(t))
    met = torch.abs(rate - gamma) < eps
    return lam, exists & met & torch.as_tensor(t > 1, device=pg.device), rate


class SWATSState(NamedTuple):
    """Both phases of SWATS.

    ``m``, ``v``: Adam's averages; ``u``: SGD's buffer; and 0-d: ``lam``: λ; ``rate``: Λ, zero
    before the switch; ``switched``: the step at which it switched, 0 before.
    """

    m: Tensor
    v: Tensor
    u: Tensor
    lam: Tensor
    rate: Tensor
    switched: Tensor

    @classmethod
    def init(cls, w: Tensor) -> SWATSState:
        """Start in the Adam phase, with everything at zero."""
        zero = torch.zeros((), dtype=torch.float64, device=w.device)
        vectors = (torch.zeros_like(w) for _ in range(3))
        return cls(*vectors, zero, zero, torch.zeros((), dtype=torch.int64, device=w.device))


def swats(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-9):
    """SWATS: Adam until a learning rate for SGD has been found, then SGD with that.

    The Adam phase, with p its step:

        p = −η √(1 − β2ᵗ)/(1 − β1ᵗ) · m / (√v + ε)
        γ = pᵀp / (−pᵀg),  λ ← β2·λ + (1 − β2)γ     unless pᵀg = 0
        switch if t > 1 and |λ/(1 − β2ᵗ) − γ| < ε, with Λ = λ/(1 − β2ᵗ)
        w ← w + p

    The SGD phase, from the step after the switch on, with u = 0 at first:

        u ← β1·u + g
        w ← w − (1 − β1) Λ u

    γ belongs to the whole model: ``w`` and ``g`` are all of its weights as one tensor. Scalars are
    kept in float64, since ε is far below the resolution of float32.

    Hyper-parameters:
        lr: η, the paper's α; not used after the switch.
        beta1: β1, of Adam and of SGD.
        beta2: β2, of Adam and of λ.
        eps: ε, both in the denominator and as the tolerance: 1e-9, as published.

    Source: Keskar and Socher (2017), arXiv 1712.07628, Algorithm 1.

    >>> w = torch.tensor([4.99959124847467e-4], dtype=torch.float64)
    >>> state = init(swats, w)
    >>> for t in (1, 2):
    ...     w, state = swats(w, w, state, t, beta1=0.0)  # the loss is w²/2
    >>> state.switched.item(), round(state.rate.item(), 6)
    (2, 2.000037)
    """
    w_adam, (m, v, p) = swats_adam(
        w, g, SWATSAdamState(state.m, state.v, g), t, lr=lr, beta1=beta1, beta2=beta2, eps=eps
    )
    w_sgd, (u,) = swats_sgd(w, g, SWATSSGDState(state.u), t, rate=state.rate, beta1=beta1)
    pp, pg = (torch.sum(p * x, dtype=torch.float64) for x in (p, g))
    lam, switch, rate = swats_monitor(pp, pg, state.lam, t, beta2=beta2, eps=eps)

    sgd_phase = state.switched > 0
    now = torch.as_tensor(t, dtype=torch.int64, device=w.device)
    adam_state = SWATSState(
        m,
        v,
        torch.zeros_like(u),
        lam,
        torch.where(switch, rate, torch.zeros_like(rate)),
        torch.where(switch, now, torch.zeros_like(now)),
    )
    sgd_state = state._replace(u=u)
    chosen = (torch.where(sgd_phase, *pair) for pair in zip(sgd_state, adam_state, strict=True))
    return torch.where(sgd_phase, w_sgd, w_adam), SWATSState(*chosen)


# ------------------------------------------------------------------ what the slides print


def slide_dampening(w, g, state, t, *, lr=0.01, momentum=0.9, dampening=0.0):
    """For teaching only: the slide's dampening, which weakens the first gradient as well.

        v ← μv + (1 − d)g
        w ← w − ηv

    Compare ``sgd_momentum``, which is what PyTorch computes.

    >>> slide_dampening(torch.tensor(1.0), torch.tensor(2.0), SGDMomentumState(torch.tensor(0.0)),
    ...                 1, dampening=0.5)[1].buf
    tensor(1.)
    """
    buf = momentum * state.buf + (1 - dampening) * g
    return w - lr * buf, SGDMomentumState(buf)


def slide_adam(w, g, state, t, *, lr=1e-3, alpha=0.9, beta=0.999, eps=1e-8):
    """For teaching only: the lecture's Adam slide, taken at its word.

        Δw ← αΔw + ηg
        m = αΔw + (1 − α)Δw          which is Δw again
        r ← β·r + (1 − β)g²
        w ← w − η·m / (r + ε)

    The learning rate enters twice, there is no root and no bias correction. Compare ``adam``.

    >>> w = torch.tensor([1.0])
    >>> slide_adam(w, torch.tensor([2.0]), init(slide_adam, w), 1, lr=0.1)[0]
    tensor([-4.0000])
    """
    dw = alpha * state.m + lr * g
    m = alpha * dw + (1 - alpha) * dw
    r = beta * state.v + (1 - beta) * g**2
    return w - lr * m / (r + eps), AdamState(dw, r)


def uncorrected_adam(w, g, state, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """For teaching only: Adam without bias correction, as many a demonstration has it.

        w ← w − η·m / (√v + ε)

    Its first step is (1 − β1)/√(1 − β2) times ``adam``'s: 3.16 times with the usual values.

    >>> w = torch.tensor([1.0])
    >>> uncorrected_adam(w, torch.tensor([2.0]), init(uncorrected_adam, w), 1, lr=0.1)[0]
    tensor([0.6838])
    """
    m = beta1 * state.m + (1 - beta1) * g
    v = beta2 * state.v + (1 - beta2) * g**2
    return w - lr * m / (torch.sqrt(v) + eps), AdamState(m, v)


STATES: dict[Callable[..., Any], Any] = {
    sgd: NoState,
    momentum: MomentumState,
    sgd_momentum: SGDMomentumState,
    nesterov: MomentumState,
    sgd_nesterov: SGDMomentumState,
    delta_bar_delta: GainState,
    rprop: RpropState,
    adagrad: AdagradState,
    rmsprop: RMSPropState,
    adadelta: AdaDeltaState,
    adam: AdamState,
    adam_efficient: AdamState,
    amsgrad: AMSGradState,
    amsgrad_torch: AMSGradState,
    swats_adam: SWATSAdamState,
    swats_sgd: SWATSSGDState,
    swats: SWATSState,
    slide_dampening: SGDMomentumState,
    slide_adam: AdamState,
    uncorrected_adam: AdamState,
}
