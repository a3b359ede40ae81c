"""Exercises of the momentum notebook."""

import functools
import math

import torch

from lib import rules, surfaces
from lib.check import Call, Exercise, Steps
from lib.check.draws import F32, F64, normal, uniform


def _tensor(*values, dtype=F64):
    return torch.tensor(values, dtype=dtype)


# ------------------------------------------------------------------ the lecture's momentum


def momentum_step(w, v, g, lr, alpha):
    """V ← αv + ηg, w ← w − v (Qian 1999; the lecture)."""
    w, state = rules.momentum(w, g, rules.MomentumState(v), 1, lr=lr, alpha=alpha)
    return w, state.v


def _momentum_steps(label, generator, shape, lrs, alpha):
    return Steps(
        label,
        start={"w": normal(generator, *shape), "v": normal(generator, *shape)},
        steps=[{"g": normal(generator, *shape), "lr": lr, "alpha": alpha} for lr in lrs],
    )


def _momentum_hidden(generator):
    alpha = uniform(generator, 0.6, 0.95)
    lrs = [uniform(generator, 0.02, 0.4) for _ in range(5)]
    return [
        _momentum_steps("five steps of a matrix, a new lr at each", generator, (3, 2), lrs, alpha),
        _momentum_steps("five steps in float32", generator, (4,), lrs, alpha).to(F32),
        _momentum_steps("a single weight, no dimension", generator, (), lrs[:2], 0.999),
        _momentum_steps("alpha = 0: plain gradient descent", generator, (5,), lrs[:3], 0.0),
    ]


_seen = torch.Generator().manual_seed(12)

MOMENTUM_STEP = Exercise(
    notebook="momentum",
    reference=momentum_step,
    returns=("w", "v"),
    public=[
        Steps(
            "one weight, one step: you can do this one by hand",
            start={"w": _tensor(1.0), "v": _tensor(0.5)},
            steps=[{"g": _tensor(2.0), "lr": 0.1, "alpha": 0.9}],
        ),
        _momentum_steps(
            "four steps of a 2×3 matrix, lr cut after the second",
            _seen,
            (2, 3),
            [0.1, 0.1, 0.01, 0.01],
            0.8,
        ),
        _momentum_steps("three steps in float32", _seen, (4,), [0.3] * 3, 0.9).to(F32),
        _momentum_steps("a single weight, no dimension", _seen, (), [0.05], 0.999),
    ],
    draw=_momentum_hidden,
)


@MOMENTUM_STEP.misconception(
    "the learning rate multiplies the whole velocity (PyTorch's form); here it belongs inside",
    "The lecture scales only the new gradient: v ← α·v + η·g, and then w ← w − v.",
)
def lr_outside(w, v, g, lr, alpha):
    v = alpha * v + g
    return w - lr * v, v


@MOMENTUM_STEP.misconception(
    "the learning rate is applied twice, in the velocity and again in the weights",
    "η is already inside v, so the weights move by v itself: w ← w − v.",
)
def lr_twice(w, v, g, lr, alpha):
    v = alpha * v + lr * g
    return w - lr * v, v


@MOMENTUM_STEP.misconception(
    "α and 1 − α are swapped",
    "α is the part of the old velocity that is kept: α·v. With α = .9, nine tenths stay.",
)
def alpha_swapped(w, v, g, lr, alpha):
    v = (1 - alpha) * v + lr * g
    return w - v, v


@MOMENTUM_STEP.misconception(
    "the new gradient is weighted by 1 − α, which makes v a moving average",
    "The lecture's velocity is a sum, not an average: the gradient enters as η·g, undamped.",
)
def moving_average(w, v, g, lr, alpha):
    v = alpha * v + (1 - alpha) * lr * g
    return w - v, v


@MOMENTUM_STEP.misconception(
    "the velocity is added to the weights, which climbs the loss",
    "With v = α·v + η·g the step is w ← w − v: against the gradient.",
)
def plus_for_minus(w, v, g, lr, alpha):
    v = alpha * v + lr * g
    return w + v, v


@MOMENTUM_STEP.misconception(
    "v has the opposite sign: it is built from −η·g",
    "Here v is what is taken away: v ← α·v + η·g, w ← w − v. (Sutskever's form, with w + v and "
    "v built from −η·g, describes the same path with another sign for v.)",
)
def sutskever_sign(w, v, g, lr, alpha):
    v = alpha * v - lr * g
    return w + v, v


@MOMENTUM_STEP.misconception(
    "the gradient enters the velocity with the wrong sign",
    "v ← α·v + η·g; the only minus is in w ← w − v.",
)
def gradient_subtracted(w, v, g, lr, alpha):
    v = alpha * v - lr * g
    return w - v, v


@MOMENTUM_STEP.misconception(
    "the old velocity is returned, so the next step forgets this one",
    "Return the new v beside the new w: return w - v, v, after v has been updated.",
)
def old_velocity_returned(w, v, g, lr, alpha):
    new_v = alpha * v + lr * g
    return w - new_v, v


@MOMENTUM_STEP.misconception(
    "the weights move by the old velocity, not the updated one",
    "First update v, then use the updated v to move w.",
)
def old_velocity_used(w, v, g, lr, alpha):
    new_v = alpha * v + lr * g
    return w - v, new_v


@MOMENTUM_STEP.misconception(
    "the old velocity is not used: this is plain gradient descent",
    "v ← α·v + η·g carries α·v over from the step before.",
)
def no_memory(w, v, g, lr, alpha):
    v = lr * g
    return w - v, v


@MOMENTUM_STEP.misconception(
    "the gradient is added once more to the weights' step: this is Nesterov's update",
    "Classical momentum moves by v alone: w ← w − v.",
)
def nesterov_instead(w, v, g, lr, alpha):
    v = alpha * v + lr * g
    return w - (alpha * v + lr * g), v


@MOMENTUM_STEP.misconception(
    "the order is (v, w); asked is (w, v)",
    "return w, v: the weights first.",
)
def order_swapped(w, v, g, lr, alpha):
    v = alpha * v + lr * g
    return v, w - v


@MOMENTUM_STEP.misconception(
    "changes its input v in place",
    "Write v = alpha * v + …, which makes a new tensor, not v *= alpha, which overwrites the "
    "caller's. An optimizer that keeps v would find it changed behind its back.",
)
def in_place(w, v, g, lr, alpha):
    v *= alpha
    v += lr * g
    return w - v, v


@MOMENTUM_STEP.misconception(
    "returns only the weights; the velocity is lost",
    "The caller has to hand v back to you at the next step: return w, v.",
)
def only_weights(w, v, g, lr, alpha):
    return w - (alpha * v + lr * g)


# ------------------------------------------------------------------ PyTorch's momentum


def sgd_step(w, buf, g, lr, momentum, dampening):
    """B ← g at first, then B ← μB + (1 − d)g; w ← w − ηB (torch.optim.SGD)."""
    first = buf is None
    state = rules.SGDMomentumState(torch.zeros_like(w) if first else buf)
    w, state = rules.sgd_momentum(
        w, g, state, 1 if first else 2, lr=lr, momentum=momentum, dampening=dampening
    )
    return w, state.buf


def _sgd_steps(label, generator, shape, lrs, momentum, dampening, buf=None):
    return Steps(
        label,
        start={"w": normal(generator, *shape), "buf": buf},
        steps=[
            {
                "g": normal(generator, *shape),
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
            }
            for lr in lrs
        ],
    )


def _sgd_hidden(generator):
    lrs = [uniform(generator, 0.02, 0.4) for _ in range(4)]
    momentum, dampening = uniform(generator, 0.6, 0.95), uniform(generator, 0.2, 0.8)
    start = normal(generator, 2, 2)
    return [
        _sgd_steps("four steps from the start", generator, (3,), lrs, momentum, dampening),
        _sgd_steps("without dampening", generator, (3, 2), lrs, momentum, 0.0),
        _sgd_steps("in mid-training", generator, (2, 2), lrs, momentum, dampening, start),
        _sgd_steps("in float32", generator, (4,), lrs, momentum, dampening).to(F32),
    ]


SGD_STEP = Exercise(
    notebook="momentum",
    reference=sgd_step,
    returns=("w", "buf"),
    public=[
        Steps(
            "one weight, the very first step: buf is None",
            start={"w": _tensor(1.0), "buf": None},
            steps=[{"g": _tensor(2.0), "lr": 0.1, "momentum": 0.9, "dampening": 0.5}],
        ),
        Steps(
            "one weight, a later step",
            start={"w": _tensor(1.0), "buf": _tensor(0.5)},
            steps=[{"g": _tensor(2.0), "lr": 0.1, "momentum": 0.9, "dampening": 0.5}],
        ),
        _sgd_steps("four steps, lr cut after two", _seen, (2, 3), [0.1, 0.1, 0.01, 0.01], 0.9, 0.3),
        _sgd_steps("three steps without dampening", _seen, (3,), [0.2] * 3, 0.8, 0.0),
        _sgd_steps("three steps in float32", _seen, (4,), [0.3] * 3, 0.9, 0.5).to(F32),
    ],
    draw=_sgd_hidden,
    forbids=("torch.optim",),
)


@SGD_STEP.misconception(
    "the first gradient is dampened too, as on the slide; PyTorch starts with the whole gradient",
    "When buf is None there is nothing to keep yet: buf becomes g itself, without (1 − dampening).",
)
def first_dampened(w, buf, g, lr, momentum, dampening):
    old = torch.zeros_like(w) if buf is None else buf
    buf = momentum * old + (1 - dampening) * g
    return w - lr * buf, buf


@SGD_STEP.misconception(
    "the learning rate is inside the buffer (the lecture's form); PyTorch multiplies the step",
    "buf ← momentum·buf + (1 − dampening)·g, and only then w ← w − lr·buf.",
)
def lr_inside(w, buf, g, lr, momentum, dampening):
    buf = lr * g if buf is None else momentum * buf + (1 - dampening) * lr * g
    return w - buf, buf


@SGD_STEP.misconception(
    "dampening and 1 − dampening are swapped",
    "dampening = 0, the default, leaves the gradient whole: its factor is 1 − dampening.",
)
def dampening_swapped(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else momentum * buf + dampening * g
    return w - lr * buf, buf


@SGD_STEP.misconception(
    "dampening is not used",
    "After the first step the gradient enters as (1 − dampening)·g.",
)
def dampening_ignored(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else momentum * buf + g
    return w - lr * buf, buf


@SGD_STEP.misconception(
    "dampening acts on the kept buffer; it belongs to the new gradient",
    "momentum says how much of buf is kept; 1 − dampening, how much of g enters.",
)
def buffer_dampened(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else momentum * (1 - dampening) * buf + g
    return w - lr * buf, buf


@SGD_STEP.misconception(
    "the gradient is weighted by 1 − momentum; PyTorch's factor is 1 − dampening",
    "momentum and dampening are two settings in PyTorch, and dampening is 0 unless you set it.",
)
def averages(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else momentum * buf + (1 - momentum) * g
    return w - lr * buf, buf


@SGD_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − lr·buf: against the averaged gradient.",
)
def climbs(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else momentum * buf + (1 - dampening) * g
    return w + lr * buf, buf


@SGD_STEP.misconception(
    "the weights move by the gradient alone; the buffer is updated but never used",
    "w ← w − lr·buf, with the updated buf.",
)
def buffer_unused(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else momentum * buf + (1 - dampening) * g
    return w - lr * g, buf


@SGD_STEP.misconception(
    "the very first step does not work: buf is None there, and None cannot be multiplied",
    "Ask `if buf is None:` first; then the new buf is g itself.",
)
def none_forgotten(w, buf, g, lr, momentum, dampening):
    buf = momentum * buf + (1 - dampening) * g
    return w - lr * buf, buf


@SGD_STEP.misconception(
    "changes its input buf in place",
    "Write buf = momentum * buf + …, which makes a new tensor, not buf.mul_(…).",
)
def buffer_in_place(w, buf, g, lr, momentum, dampening):
    buf = g.clone() if buf is None else buf.mul_(momentum).add_((1 - dampening) * g)
    return w - lr * buf, buf


# ------------------------------------------------------------------ what a velocity is made of


def unrolled_velocity(alpha, lr, grads):
    """v_T = η Σ α^(T−i) g_i for i = 1 … T, from v_0 = 0."""
    powers = alpha ** torch.arange(len(grads) - 1, -1, -1, dtype=grads.dtype, device=grads.device)
    return lr * torch.tensordot(powers, grads, dims=1)


def _unrolled_hidden(generator):
    return [
        Call(
            f"{steps} gradients",
            {
                "alpha": uniform(generator, 0.5, 0.95),
                "lr": uniform(generator, 0.01, 0.5),
                "grads": normal(generator, steps, *shape),
            },
        )
        for steps, shape in [(4, (3,)), (7, (2, 2)), (60, (1,))]
    ]


UNROLLED_VELOCITY = Exercise(
    notebook="momentum",
    reference=unrolled_velocity,
    returns=("velocity",),
    public=[
        Call(
            "three gradients of one weight: 1, 2 and 4",
            {"alpha": 0.5, "lr": 0.1, "grads": _tensor(1.0, 2.0, 4.0).unsqueeze(1)},
        ),
        Call("one gradient only", {"alpha": 0.9, "lr": 0.1, "grads": normal(_seen, 1, 2)}),
        Call("twenty gradients", {"alpha": 0.9, "lr": 0.05, "grads": normal(_seen, 20, 2, 2)}),
        Call("in float32", {"alpha": 0.9, "lr": 0.05, "grads": normal(_seen, 5, 3)}).to(F32),
    ],
    draw=_unrolled_hidden,
)


@UNROLLED_VELOCITY.misconception(
    "the weights run the wrong way: the oldest gradient counts most",
    "The newest gradient has just entered: its factor is α⁰ = 1; the one before it, α¹.",
)
def oldest_first(alpha, lr, grads):
    return lr * sum(alpha**i * g for i, g in enumerate(grads))


@UNROLLED_VELOCITY.misconception(
    "the exponent is one too large: even the newest gradient is multiplied by α",
    "In v ← αv + ηg the new g is not multiplied by α. Its exponent is 0.",
)
def exponent_off_by_one(alpha, lr, grads):
    return lr * sum(alpha ** (len(grads) - i) * g for i, g in enumerate(grads))


@UNROLLED_VELOCITY.misconception(
    "the weights are divided by their sum, which makes an average; the velocity is a sum",
    "Nothing in v ← αv + ηg divides. At a constant gradient v grows to ηg/(1 − α).",
)
def normalized(alpha, lr, grads):
    powers = [alpha ** (len(grads) - 1 - i) for i in range(len(grads))]
    return lr * sum(p * g for p, g in zip(powers, grads, strict=True)) / sum(powers)


@UNROLLED_VELOCITY.misconception(
    "the sum carries the factor 1 − α of a moving average",
    "The lecture's velocity is a plain sum: v ← αv + ηg, with no 1 − α.",
)
def moving_average_sum(alpha, lr, grads):
    return (1 - alpha) * lr * sum(alpha ** (len(grads) - 1 - i) * g for i, g in enumerate(grads))


@UNROLLED_VELOCITY.misconception(
    "the learning rate is missing",
    "Each gradient entered the velocity as η·g.",
)
def no_lr(alpha, lr, grads):
    return sum(alpha ** (len(grads) - 1 - i) * g for i, g in enumerate(grads))


@UNROLLED_VELOCITY.misconception(
    "the learning rate takes the power too: (αη)^k instead of η·α^k",
    "Each gradient is scaled by η once, on entering; after that only α multiplies it, once a step.",
)
def lr_in_power(alpha, lr, grads):
    return lr * sum((alpha * lr) ** (len(grads) - 1 - i) * g for i, g in enumerate(grads))


@UNROLLED_VELOCITY.misconception(
    "all gradients count alike; older ones must fade with the powers of α",
    "A gradient that entered k steps ago has been multiplied by α k times.",
)
def no_fading(alpha, lr, grads):
    return lr * sum(alpha * g for g in grads)


# ------------------------------------------------------------------ the best step and momentum


def optimal_heavy_ball(lam_min, lam_max):
    """η = (2/(√λ₁ + √λₙ))², α = ((√λₙ − √λ₁)/(√λₙ + √λ₁))² (Polyak 1964)."""
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return (2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2


OPTIMAL_HEAVY_BALL = Exercise(
    notebook="momentum",
    reference=optimal_heavy_ball,
    returns=("lr", "alpha"),
    public=[
        Call("κ = 100", {"lam_min": 1.0, "lam_max": 100.0}),
        Call("κ = 9, small curvatures", {"lam_min": 0.01, "lam_max": 0.09}),
        Call("κ = 1: a round bowl", {"lam_min": 2.0, "lam_max": 2.0}),
    ],
    draw=lambda generator: [
        Call(
            "some λ_min and λ_max",
            {
                "lam_min": (low := uniform(generator, 0.05, 3.0)),
                "lam_max": low * uniform(generator, 2.0, 500.0),
            },
        )
        for _ in range(4)
    ],
)


@OPTIMAL_HEAVY_BALL.misconception(
    "α is not squared: (√κ − 1)/(√κ + 1) is Nesterov's best value, not the heavy ball's",
    "The heavy ball shrinks by √α a step, and √α = (√κ − 1)/(√κ + 1).",
)
def alpha_not_squared(lam_min, lam_max):
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return (2 / (low + high)) ** 2, (high - low) / (high + low)


@OPTIMAL_HEAVY_BALL.misconception(
    "α is built from κ where √κ is meant",
    "Momentum replaces κ by √κ: that is the whole gain. α = ((√κ − 1)/(√κ + 1))².",
)
def kappa_not_rooted(lam_min, lam_max):
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return (2 / (low + high)) ** 2, ((lam_max - lam_min) / (lam_max + lam_min)) ** 2


@OPTIMAL_HEAVY_BALL.misconception(
    "the learning rate is plain gradient descent's best one, 2/(λ_min + λ_max)",
    "With momentum a larger step is stable: η = (2/(√λ_min + √λ_max))².",
)
def gd_lr(lam_min, lam_max):
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return 2 / (lam_min + lam_max), ((high - low) / (high + low)) ** 2


@OPTIMAL_HEAVY_BALL.misconception(
    "the learning rate is not squared",
    "From √(ηλ_min) = 1 − √α and √(ηλ_max) = 1 + √α comes √η = 2/(√λ_min + √λ_max).",
)
def lr_not_squared(lam_min, lam_max):
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return 2 / (low + high), ((high - low) / (high + low)) ** 2


@OPTIMAL_HEAVY_BALL.misconception(
    "the order is (alpha, lr); asked is (lr, alpha)",
    "return lr, alpha",
)
def pair_swapped(lam_min, lam_max):
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return ((high - low) / (high + low)) ** 2, (2 / (low + high)) ** 2


# ------------------------------------------------------------------ how fast it converges


def convergence_rate(lr, alpha, lam):
    """Largest |z| with z² − (1 + α − ηλ)z + α = 0, the error's factor a step."""
    trace = 1 + alpha - lr * lam
    discriminant = trace**2 - 4 * alpha
    if discriminant < 0:
        return math.sqrt(alpha)
    return (abs(trace) + math.sqrt(discriminant)) / 2


def _rate(label, lr, alpha, lam):
    return Call(label, {"lr": lr, "alpha": alpha, "lam": lam})


def _rate_hidden(generator):
    lam = uniform(generator, 0.5, 20.0)
    alpha = uniform(generator, 0.3, 0.9)
    return [
        _rate("plain gradient descent", uniform(generator, 0.2, 0.8) / lam, 0.0, lam),
        _rate("a small step: no oscillation", (1 - math.sqrt(alpha)) ** 2 * 0.6 / lam, alpha, lam),
        _rate("a middling step: oscillation", 1.1 / lam, alpha, lam),
        _rate("a large step, still stable", (2 + 2 * alpha - 0.05) / lam, alpha, lam),
        _rate("too large a step", (2 + 2 * alpha + 0.3) / lam, alpha, lam),
    ]


CONVERGENCE_RATE = Exercise(
    notebook="momentum",
    reference=convergence_rate,
    returns=("rate",),
    public=[
        _rate("plain gradient descent: α = 0, so |1 − ηλ|", 0.1, 0.0, 3.0),
        _rate("a step past the minimum: α = 0, ηλ = 1.5", 0.5, 0.0, 3.0),
        _rate("small ηλ: both roots real and positive", 0.01, 0.5, 1.0),
        _rate("middling ηλ: a complex pair", 0.1, 0.81, 5.0),
        _rate("ηλ just below 2 + 2α: real and negative", 0.37, 0.9, 10.0),
        _rate("ηλ above 2 + 2α: diverges", 0.4, 0.9, 10.0),
    ],
    draw=_rate_hidden,
    rtol=1e-6,
)


@CONVERGENCE_RATE.misconception(
    "√α is right only while the two roots are a complex pair",
    "For small and for very large ηλ the roots are real, and the larger |z| rules. Take the "
    "largest absolute value of torch.linalg.eigvals, or treat both signs of the discriminant.",
)
def always_complex(lr, alpha, lam):
    return math.sqrt(alpha)


@CONVERGENCE_RATE.misconception(
    "momentum is left out: |1 − ηλ| is plain gradient descent's rate",
    "The state is the pair (w_t, w_{t−1}), so the update is a 2 × 2 matrix and α enters it.",
)
def plain_descent(lr, alpha, lam):
    return abs(1 - lr * lam)


@CONVERGENCE_RATE.misconception(
    "the largest real part is taken; the rate is the largest absolute value",
    "A complex or a negative eigenvalue shrinks (or grows) by its absolute value: "
    "torch.linalg.eigvals(M).abs().max().",
)
def real_part(lr, alpha, lam):
    M = torch.tensor([[1 + alpha - lr * lam, -alpha], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.eigvals(M).real.max().item()


@CONVERGENCE_RATE.misconception(
    "the smaller eigenvalue is taken; the slowest part of the error decides",
    "After many steps only the largest |z| is left: .max(), not .min().",
)
def smallest(lr, alpha, lam):
    M = torch.tensor([[1 + alpha - lr * lam, -alpha], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.eigvals(M).abs().min().item()


@CONVERGENCE_RATE.misconception(
    "this is the largest singular value (a matrix norm), not the spectral radius",
    "A norm bounds one step. Over many steps the eigenvalues decide: torch.linalg.eigvals.",
)
def singular_value(lr, alpha, lam):
    M = torch.tensor([[1 + alpha - lr * lam, -alpha], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.matrix_norm(M, ord=2).item()


@CONVERGENCE_RATE.misconception(
    "the matrix is Nesterov's: there α multiplies 1 − ηλ",
    "Classical momentum: w_{t+1} = w_t − ηλw_t + α(w_t − w_{t−1}).",
)
def nesterov_matrix(lr, alpha, lam):
    s = 1 - lr * lam
    M = torch.tensor([[(1 + alpha) * s, -alpha * s], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.eigvals(M).abs().max().item()


@CONVERGENCE_RATE.misconception(
    "the sign of α in the matrix's corner is wrong: w_{t−1} enters with −α",
    "w_{t+1} = (1 + α − ηλ) w_t − α w_{t−1}.",
)
def corner_sign(lr, alpha, lam):
    M = torch.tensor([[1 + alpha - lr * lam, alpha], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.eigvals(M).abs().max().item()


# ------------------------------------------------------------------ which valley


@functools.cache
def basin_fraction(alpha):
    """Share of an 81 × 81 grid on [−2, 2]² that ends in the deeper of the two wells."""
    side = torch.linspace(-2, 2, 81, dtype=F64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)  # (81, 81, 2)
    state = rules.MomentumState(torch.zeros_like(w))
    for t in range(1, 501):
        w, state = rules.momentum(w, surfaces.two_wells.grad(w), state, t, lr=0.01, alpha=alpha)
    return (w[..., 0] < 0).double().mean().item()


BASIN_FRACTION = Exercise(
    notebook="momentum",
    reference=basin_fraction,
    returns=("fraction",),
    public=[
        Call("plain gradient descent", {"alpha": 0.0}),
        Call("with momentum", {"alpha": 0.9}),
    ],
    draw=lambda generator: [
        Call("another α", {"alpha": round(uniform(generator, 0.6, 0.88), 3)}) for _ in range(2)
    ],
    rtol=3e-3,
)


@BASIN_FRACTION.misconception(
    "α has no effect: every start descends without momentum",
    "Hand alpha to momentum_step, and hand the velocity it returns to the next step.",
)
def alpha_unused(alpha):
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    for _ in range(500):
        w = w - 0.01 * surfaces.two_wells.grad(w)
    return (w[..., 0] < 0).double().mean().item()


@BASIN_FRACTION.misconception(
    "the share of the shallower well is returned",
    "The well at x ≈ −1 is the deeper one (depth 3 against 2): count x < 0.",
)
def other_well(alpha):
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    v = torch.zeros_like(w)
    for _ in range(500):
        v = alpha * v + 0.01 * surfaces.two_wells.grad(w)
        w = w - v
    return (w[..., 0] > 0).double().mean().item()


@BASIN_FRACTION.misconception(
    "the starts are counted, not where they end",
    "Count x < 0 after the last step, in the w that the loop returned.",
)
def starts_counted(alpha):
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    return (w[..., 0] < 0).double().mean().item()


@BASIN_FRACTION.misconception(
    "a number of starts is returned, not their share",
    "Divide by the 81² starts: .mean(), not .sum().",
)
def count_not_share(alpha):
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    v = torch.zeros_like(w)
    for _ in range(500):
        v = alpha * v + 0.01 * surfaces.two_wells.grad(w)
        w = w - v
    return (w[..., 0] < 0).double().sum().item()


@BASIN_FRACTION.misconception(
    "the loop stops after 50 steps, while many balls are still rolling",
    "Take the 500 steps asked for, so that all of them have come to rest.",
)
def stopped_early(alpha):
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    v = torch.zeros_like(w)
    for _ in range(50):
        v = alpha * v + 0.01 * surfaces.two_wells.grad(w)
        w = w - v
    return (w[..., 0] < 0).double().mean().item()


@BASIN_FRACTION.misconception(
    "the balls roll uphill",
    "surfaces.two_wells.grad(w) points up; momentum_step takes it as g and subtracts.",
)
def ascends(alpha):
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
    v = torch.zeros_like(w)
    for _ in range(500):
        v = alpha * v + 0.01 * surfaces.two_wells.grad(w)
        w = w + v
    return (w[..., 0] < 0).double().mean().item()
