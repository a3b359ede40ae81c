"""Exercises of the Nesterov notebook."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib import rules
from lib.check import Call, Case, Exercise, Observation, Steps
from lib.check.draws import F32, F64, normal, uniform

# ------------------------------------------------------------------ jump, then correct


def nesterov_step(w, dw, grad_fn, lr, alpha):
    """Δw ← αΔw + η∇L(w − αΔw), w ← w − Δw (the lecture; Sutskever et al. 2013)."""
    w, state = rules.nesterov(w, grad_fn, rules.MomentumState(dw), 1, lr=lr, alpha=alpha)
    return w, state.v


@dataclass(frozen=True)
class Watched(Case):
    """Steps on the gradient ``curvature · w + slope``, noting where it is asked for.

    Attributes:
        w: Weights at the start.
        dw: The last step at the start.
        curvature: One a weight.
        slope: One a weight.
        lrs: The learning rate of each step.
        alpha: The momentum rate.
    """

    w: torch.Tensor
    dw: torch.Tensor
    curvature: torch.Tensor
    slope: torch.Tensor
    lrs: Sequence[float]
    alpha: float

    def run(self, call):
        """Take the steps; where and how often the gradient was taken are results, too."""
        w, dw, seen = self.w.clone(), self.dw.clone(), []
        for number, lr in enumerate(self.lrs, 1):
            points = []

            def grad_fn(point, points=points):
                points.append(point.detach().clone())
                return self.curvature.to(point.dtype) * point + self.slope.to(point.dtype)

            given = {"w": w.clone(), "dw": dw.clone(), "lr": lr, "alpha": self.alpha}
            values = call(w=w, dw=dw, grad_fn=grad_fn, lr=lr, alpha=self.alpha)
            watched = {"gradient at": points, "gradient calls": len(points)}
            seen.append(Observation(f"step {number}", given, {**values, **watched}))
            w, dw = values["w"], values["dw"]
        return seen


def _watched(label, generator, shape, lrs, alpha, dtype=F64):
    curvature = 0.5 + torch.rand(shape, generator=generator, dtype=F64)
    w, dw, slope = (normal(generator, *shape) for _ in range(3))
    tensors = (x.to(dtype) for x in (w, dw, curvature, slope))
    return Watched(label, *tensors, lrs, alpha)


def _nesterov_hidden(generator):
    alpha = uniform(generator, 0.5, 0.95)
    lrs = [uniform(generator, 0.05, 0.5) for _ in range(4)]
    return [
        _watched("four steps of a matrix, a new lr at each", generator, (3, 2), lrs, alpha),
        _watched("four steps in float32", generator, (4,), lrs, alpha, F32),
        _watched("alpha = 0: plain gradient descent", generator, (2,), lrs[:2], 0.0),
    ]


_seen = torch.Generator().manual_seed(36)

NESTEROV_STEP = Exercise(
    notebook="nesterov",
    reference=nesterov_step,
    returns=("w", "dw"),
    public=[
        Watched(
            "one weight on L = w², so ∇L(w) = 2w: you can do this one by hand",
            *(torch.tensor([x], dtype=F64) for x in (1.0, 0.5, 2.0, 0.0)),
            [0.1],
            0.8,
        ),
        _watched("four steps, lr cut after two", _seen, (2, 3), [0.2, 0.2, 0.02, 0.02], 0.9),
        _watched("three steps in float32", _seen, (4,), [0.3] * 3, 0.7, F32),
    ],
    draw=_nesterov_hidden,
)


@NESTEROV_STEP.misconception(
    "the gradient is taken at w: this is classical momentum",
    "Jump first: ask grad_fn at w − α·dw, where the old velocity is about to carry you.",
)
def gradient_at_w(w, dw, grad_fn, lr, alpha):
    dw = alpha * dw + lr * grad_fn(w)
    return w - dw, dw


@NESTEROV_STEP.misconception(
    "the gradient is taken at w + α·dw, on the wrong side",
    "Steps are subtracted here, w ← w − dw, so the jump leads to w − α·dw.",
)
def wrong_side(w, dw, grad_fn, lr, alpha):
    dw = alpha * dw + lr * grad_fn(w + alpha * dw)
    return w - dw, dw


@NESTEROV_STEP.misconception(
    "the gradient is taken at w − dw: the jump is α·dw, not the whole last step",
    "Only the part α of the velocity survives into this step: jump to w − α·dw.",
)
def whole_jump(w, dw, grad_fn, lr, alpha):
    dw = alpha * dw + lr * grad_fn(w - dw)
    return w - dw, dw


@NESTEROV_STEP.misconception(
    "grad_fn is called twice; one gradient a step is enough, and gradients are what costs",
    "Call it once, at w − α·dw, and keep the result.",
)
def asked_twice(w, dw, grad_fn, lr, alpha):
    grad_fn(w)
    dw = alpha * dw + lr * grad_fn(w - alpha * dw)
    return w - dw, dw


@NESTEROV_STEP.misconception(
    "the step starts at the look-ahead point and takes the whole velocity on top",
    "The jump only says where to ask for the gradient; the step starts at w: w ← w − dw.",
)
def stays_ahead(w, dw, grad_fn, lr, alpha):
    ahead = w - alpha * dw
    dw = alpha * dw + lr * grad_fn(ahead)
    return ahead - dw, dw


@NESTEROV_STEP.misconception(
    "the learning rate multiplies the whole step; the lecture scales only the gradient",
    "dw ← α·dw + η·∇L(w − α·dw), then w ← w − dw.",
)
def lr_outside(w, dw, grad_fn, lr, alpha):
    dw = alpha * dw + grad_fn(w - alpha * dw)
    return w - lr * dw, dw


@NESTEROV_STEP.misconception(
    "the look-ahead also moves by the gradient: it is α·dw alone",
    "Jump by α·dw, take the gradient there, and only then step.",
)
def jump_by_gradient(w, dw, grad_fn, lr, alpha):
    g = grad_fn(w)
    dw = alpha * dw + lr * grad_fn(w - alpha * dw - lr * g)
    return w - dw, dw


@NESTEROV_STEP.misconception(
    "the old step is returned, so the next one forgets this one",
    "Return the new dw beside the new w.",
)
def old_step_returned(w, dw, grad_fn, lr, alpha):
    new = alpha * dw + lr * grad_fn(w - alpha * dw)
    return w - new, dw


@NESTEROV_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − dw.",
)
def climbs(w, dw, grad_fn, lr, alpha):
    dw = alpha * dw + lr * grad_fn(w - alpha * dw)
    return w + dw, dw


# ------------------------------------------------------------------ PyTorch's form


def nesterov_pytorch_step(theta, buf, g, lr, momentum):
    """B ← μB + g, θ ← θ − η(g + μB) (torch.optim.SGD with nesterov=True)."""
    state = rules.SGDMomentumState(buf)
    theta, state = rules.sgd_nesterov(theta, g, state, 2, lr=lr, momentum=momentum)
    return theta, state.buf


def _torch_steps(label, generator, shape, lrs, momentum):
    return Steps(
        label,
        start={"theta": normal(generator, *shape), "buf": normal(generator, *shape)},
        steps=[{"g": normal(generator, *shape), "lr": lr, "momentum": momentum} for lr in lrs],
    )


def _torch_hidden(generator):
    momentum = uniform(generator, 0.5, 0.95)
    lrs = [uniform(generator, 0.05, 0.5) for _ in range(4)]
    return [
        _torch_steps("four steps, a new lr at each", generator, (2, 3), lrs, momentum),
        _torch_steps("four steps in float32", generator, (5,), lrs, momentum).to(F32),
    ]


NESTEROV_PYTORCH_STEP = Exercise(
    notebook="nesterov",
    reference=nesterov_pytorch_step,
    returns=("theta", "buf"),
    public=[
        Steps(
            "one weight, one step, by hand",
            start={"theta": torch.tensor([1.0], dtype=F64), "buf": torch.tensor([0.5], dtype=F64)},
            steps=[{"g": torch.tensor([2.0], dtype=F64), "lr": 0.1, "momentum": 0.9}],
        ),
        _torch_steps("four steps, lr cut after two", _seen, (2, 3), [0.1, 0.1, 0.01, 0.01], 0.8),
        _torch_steps("three steps in float32", _seen, (4,), [0.3] * 3, 0.9).to(F32),
    ],
    draw=_torch_hidden,
    forbids=("torch.optim",),
)


@NESTEROV_PYTORCH_STEP.misconception(
    "the weights move by the buffer alone: this is PyTorch's classical momentum",
    "Nesterov's form adds the look-ahead: θ ← θ − η·(g + μ·B), with the new B.",
)
def buffer_alone(theta, buf, g, lr, momentum):
    buf = momentum * buf + g
    return theta - lr * buf, buf


@NESTEROV_PYTORCH_STEP.misconception(
    "μ is missing before the buffer in the step",
    "θ ← θ − η·(g + μ·B): the look-ahead is only the part μ of the buffer.",
)
def mu_missing(theta, buf, g, lr, momentum):
    buf = momentum * buf + g
    return theta - lr * (g + buf), buf


@NESTEROV_PYTORCH_STEP.misconception(
    "the learning rate is inside the buffer; PyTorch multiplies the step",
    "B ← μ·B + g, without η.",
)
def lr_inside(theta, buf, g, lr, momentum):
    buf = momentum * buf + lr * g
    return theta - (lr * g + momentum * buf), buf


@NESTEROV_PYTORCH_STEP.misconception(
    "the look-ahead is stored in the buffer; only θ moves by g + μB",
    "Return B = μ·B + g; g + μ·B is used for the step and then forgotten.",
)
def lookahead_stored(theta, buf, g, lr, momentum):
    buf = momentum * buf + g
    step = g + momentum * buf
    return theta - lr * step, step


@NESTEROV_PYTORCH_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "θ ← θ − η·(g + μ·B).",
)
def climbs_too(theta, buf, g, lr, momentum):
    buf = momentum * buf + g
    return theta + lr * (g + momentum * buf), buf


# ------------------------------------------------------------------ one method, two stored points


def to_lookahead(w, dw, alpha):
    """θ = w − αΔw, the point PyTorch stores."""
    return w - alpha * dw


TO_LOOKAHEAD = Exercise(
    notebook="nesterov",
    reference=to_lookahead,
    returns=("theta",),
    public=[
        Call(
            "by hand",
            {
                "w": torch.tensor([1.0], dtype=F64),
                "dw": torch.tensor([0.5], dtype=F64),
                "alpha": 0.8,
            },
        ),
        Call("a matrix", {"w": normal(_seen, 2, 3), "dw": normal(_seen, 2, 3), "alpha": 0.9}),
        Call("in float32", {"w": normal(_seen, 4), "dw": normal(_seen, 4), "alpha": 0.99}).to(F32),
    ],
    draw=lambda generator: [
        Call(
            "other weights",
            {
                "w": normal(generator, 3),
                "dw": normal(generator, 3),
                "alpha": uniform(generator, 0.3, 0.95),
            },
        )
        for _ in range(3)
    ],
)


@TO_LOOKAHEAD.misconception(
    "the sign is wrong: this looks back to where the weights came from",
    "The next jump leads to w − α·dw.",
)
def looks_back(w, dw, alpha):
    return w + alpha * dw


@TO_LOOKAHEAD.misconception(
    "α is missing: only the part α of the last step survives",
    "w − α·dw.",
)
def alpha_missing(w, dw, alpha):
    return w - dw


@TO_LOOKAHEAD.misconception(
    "α and 1 − α are swapped",
    "α is the part of the last step that is kept: w − α·dw.",
)
def swapped(w, dw, alpha):
    return w - (1 - alpha) * dw


@TO_LOOKAHEAD.misconception(
    "changes its input w in place",
    "Write w - alpha * dw, which makes a new tensor, not w -= alpha * dw.",
)
def writes_to_w(w, dw, alpha):
    w -= alpha * dw
    return w


# ------------------------------------------------------------------ Sutskever's Theorem 2.1


def effective_momentum(alpha, lr, lam):
    """α(1 − ηλ): NAG is classical momentum with this α along an eigendirection."""
    return alpha * (1 - lr * lam)


EFFECTIVE_MOMENTUM = Exercise(
    notebook="nesterov",
    reference=effective_momentum,
    returns=("alpha_effective",),
    public=[
        Call("ηλ = .5", {"alpha": 0.9, "lr": 0.1, "lam": 5.0}),
        Call("a flat direction: λ = 0", {"alpha": 0.9, "lr": 0.1, "lam": 0.0}),
        Call("ηλ = 1.2, past the minimum", {"alpha": 0.8, "lr": 0.2, "lam": 6.0}),
    ],
    draw=lambda generator: [
        Call(
            "other values",
            {
                "alpha": uniform(generator, 0.5, 0.99),
                "lr": uniform(generator, 0.01, 0.3),
                "lam": uniform(generator, *curvatures),
            },
        )
        for curvatures in [(0.5, 3.0), (0.5, 3.0), (110.0, 150.0)]
    ],
)


@EFFECTIVE_MOMENTUM.misconception(
    "the learning rate's shrinking is left out: in a steep direction α loses ηλα",
    "Put the gradient λ(w − αΔw) into the rule and collect what multiplies Δw: α − ηλα.",
)
def unchanged(alpha, lr, lam):
    return alpha


@EFFECTIVE_MOMENTUM.misconception(
    "ηλ is subtracted from α; it multiplies it: α·(1 − ηλ)",
    "The gradient at the look-ahead is λw − λαΔw: the second part carries an α.",
)
def subtracted(alpha, lr, lam):
    return alpha - lr * lam


@EFFECTIVE_MOMENTUM.misconception(
    "the sign is wrong: looking ahead lowers the momentum, it does not raise it",
    "dw ← αΔw + ηλ(w − αΔw) = α(1 − ηλ)Δw + ηλw.",
)
def raised(alpha, lr, lam):
    return alpha * (1 + lr * lam)


@EFFECTIVE_MOMENTUM.misconception(
    "negative values are cut off at 0; for ηλ > 1 the momentum really is negative",
    "Past the minimum the look-ahead brakes: α(1 − ηλ) < 0 is right.",
)
def clipped(alpha, lr, lam):
    return alpha * max(0.0, 1 - lr * lam)


@EFFECTIVE_MOMENTUM.misconception(
    "α multiplies ηλ once too often",
    "α(1 − ηλ), not α(1 − αηλ).",
)
def alpha_twice(alpha, lr, lam):
    return alpha * (1 - alpha * lr * lam)


# ------------------------------------------------------------------ Nesterov's own momentum


def nesterov_schedule(t):
    """(a_t − 1)/a_{t+1} with a_1 = 1, a_{t+1} = (1 + √(4a_t² + 1))/2 (Nesterov 1983)."""
    a = 1.0
    for _ in range(t - 1):
        a = (1 + math.sqrt(4 * a * a + 1)) / 2
    return (a - 1) / ((1 + math.sqrt(4 * a * a + 1)) / 2)


NESTEROV_SCHEDULE = Exercise(
    notebook="nesterov",
    reference=nesterov_schedule,
    returns=("alpha",),
    public=[
        Call("the first step, t = 1: there is no velocity yet", {"t": 1}),
        Call("t = 2", {"t": 2}),
        Call("t = 3", {"t": 3}),
        Call("t = 100", {"t": 100}),
    ],
    draw=lambda generator: [
        Call(f"t = {t}", {"t": t})
        for t in torch.randint(4, 300, (3,), generator=generator).tolist()
    ],
)


@NESTEROV_SCHEDULE.misconception(
    "1 − 3/(t + 5) is Sutskever's approximation, not the sequence itself",
    "Compute a_1 = 1, a_2, … by a loop, then (a_t − 1)/a_{t+1}.",
)
def approximated(t):
    return 1 - 3 / (t + 5)


@NESTEROV_SCHEDULE.misconception(
    "the sequence is one step behind: a_t is 1 at t = 1, so α is 0 there and only there",
    "For α_t take a_t, after t − 1 passes of the recursion.",
)
def behind(t):
    a = 1.0
    for _ in range(t - 2):
        a = (1 + math.sqrt(4 * a * a + 1)) / 2
    return (a - 1) / ((1 + math.sqrt(4 * a * a + 1)) / 2)


@NESTEROV_SCHEDULE.misconception(
    "the sequence is one step ahead: t passes of the recursion give a_{t+1}, not a_t",
    "a_1 = 1 needs no pass. For a_t run the loop t − 1 times.",
)
def ahead(t):
    a = 1.0
    for _ in range(t):
        a = (1 + math.sqrt(4 * a * a + 1)) / 2
    return (a - 1) / ((1 + math.sqrt(4 * a * a + 1)) / 2)


@NESTEROV_SCHEDULE.misconception(
    "the − 1 is missing: a_t/a_{t+1} in place of (a_t − 1)/a_{t+1}",
    "α_t = (a_t − 1)/a_{t+1}, which is 0 at the first step.",
)
def one_missing(t):
    a = 1.0
    for _ in range(t - 1):
        a = (1 + math.sqrt(4 * a * a + 1)) / 2
    return a / ((1 + math.sqrt(4 * a * a + 1)) / 2)


@NESTEROV_SCHEDULE.misconception(
    "divided by a_t where a_{t+1} belongs",
    "α_t = (a_t − 1)/a_{t+1}: one more pass for the denominator.",
)
def same_denominator(t):
    a = 1.0
    for _ in range(t - 1):
        a = (1 + math.sqrt(4 * a * a + 1)) / 2
    return (a - 1) / a


@NESTEROV_SCHEDULE.misconception(
    "the 4 under the root is missing",
    "a_{t+1} = (1 + √(4·a_t² + 1))/2.",
)
def four_missing(t):
    a = 1.0
    for _ in range(t - 1):
        a = (1 + math.sqrt(a * a + 1)) / 2
    return (a - 1) / ((1 + math.sqrt(a * a + 1)) / 2)
