"""Exercises of the Adam notebook."""

import math

import torch

from lib import rules
from lib.check import Call, Exercise, Steps
from lib.check.draws import F32, F64, normal, uniform, whole


def _tensor(*values):
    return torch.tensor(values, dtype=F64)


_seen = torch.Generator().manual_seed(42)


# ------------------------------------------------------------------ Algorithm 1


def adam_step(w, m, v, g, t, lr, beta1, beta2, eps):
    """Kingma and Ba (2015), Algorithm 1."""
    state = rules.AdamState(m, v)
    w, state = rules.adam(w, g, state, t, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    return w, state.m, state.v


def _halfway(label, generator, shape, *, t, lrs, beta1, beta2, eps):
    """Steps in the middle of a training: the state is not zero, and the rate changes."""
    start = {
        "w": normal(generator, *shape),
        "m": normal(generator, *shape),
        "v": normal(generator, *shape) ** 2 + 0.1,
    }
    rest = {"beta1": beta1, "beta2": beta2, "eps": eps}
    steps = [
        {"g": normal(generator, *shape), "t": t + i, "lr": lr, **rest} for i, lr in enumerate(lrs)
    ]
    return Steps(label, start=start, steps=steps)


def _fresh(label, generator, shape, *, size, steps, lr, beta1, beta2, eps):
    """The first steps of a training, with gradients of about a given size."""
    zero = torch.zeros(shape, dtype=F64)
    rest = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}
    gradients = (size * (normal(generator, *shape).abs() + 0.2) for _ in range(steps))
    return Steps(
        label,
        start={"w": normal(generator, *shape), "m": zero, "v": zero},
        steps=[{"g": g, "t": t, **rest} for t, g in enumerate(gradients, 1)],
    )


def _adam_hidden(generator):
    usual = {"beta1": 0.9, "beta2": 0.999}
    other = {
        "beta1": uniform(generator, 0.5, 0.8),
        "beta2": uniform(generator, 0.9, 0.99),
        "eps": uniform(generator, 0.05, 0.5),
    }
    lrs = [uniform(generator, 0.05, 0.5) for _ in range(4)]
    t = whole(generator, 2, 8)
    return [
        _halfway(
            "four steps of a matrix, a new lr at each", generator, (3, 2), t=t, lrs=lrs, **other
        ),
        _fresh("tiny gradients", generator, (4,), size=1e-8, steps=3, lr=0.1, eps=1e-8, **usual),
        _halfway("four steps in float32", generator, (5,), t=2, lrs=lrs, **other).to(F32),
    ]


def _adam_public():
    return [
        Steps(
            "one weight, step 2: you can do this one by hand",
            start={"w": _tensor(1.0), "m": _tensor(1.0), "v": _tensor(2.0)},
            steps=[{"g": _tensor(2.0), "t": 2, "lr": 0.1, "beta1": 0.5, "beta2": 0.5, "eps": 2.0}],
        ),
        _halfway(
            "four steps of a matrix with a large ε, lr cut after two",
            _seen,
            (3, 2),
            t=3,
            lrs=[0.2, 0.2, 0.02, 0.02],
            beta1=0.7,
            beta2=0.95,
            eps=0.3,
        ),
        _fresh(
            "the first three steps, with gradients no larger than ε",
            _seen,
            (4,),
            size=1e-8,
            steps=3,
            lr=0.1,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
        ),
        _fresh(
            "the first three steps in float32",
            _seen,
            (2, 2),
            size=1.0,
            steps=3,
            lr=0.1,
            beta1=0.9,
            beta2=0.99,
            eps=0.01,
        ).to(F32),
    ]


ADAM_STEP = Exercise(
    notebook="adam",
    reference=adam_step,
    returns=("w", "m", "v"),
    public=_adam_public(),
    draw=_adam_hidden,
    forbids=("torch.optim",),
)


@ADAM_STEP.misconception(
    "the bias correction is left out",
    "Divide before the step: m/(1 − β1ᵗ) and v/(1 − β2ᵗ).",
)
def no_correction(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (v.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "only m is corrected; v started at zero, too",
    "v̂ = v/(1 − β2ᵗ).",
)
def only_m_corrected(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (1 - beta1**t) / (v.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "only v is corrected; m started at zero, too",
    "m̂ = m/(1 − β1ᵗ).",
)
def only_v_corrected(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / ((v / (1 - beta2**t)).sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "t is counted from 0: the corrections are those of the step before",
    "The first step has t = 1. Use t as it is given: at t = 0 the correction would divide by 0.",
)
def t_from_zero(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1 ** (t - 1)), v / (1 - beta2 ** (t - 1))
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "t is one too large: the correction of step t uses t itself, not t + 1",
    "t counts from 1 and is already the number of this step.",
)
def t_too_large(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "ε is inside the root; Algorithm 1 adds it outside",
    "√v̂ + ε. Inside, an ε of 1e-8 acts like 1e-4.",
)
def eps_inside(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat + eps).sqrt(), m, v


@ADAM_STEP.misconception(
    "ε is left out",
    "Divide by √v̂ + ε. With tiny gradients it matters, and with none it saves you from 0/0.",
)
def eps_missing(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / v_hat.sqrt(), m, v


@ADAM_STEP.misconception(
    "ε is fixed at 1e-8; it is an argument",
    "Use the eps that you are given.",
)
def eps_fixed(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + 1e-8), m, v


@ADAM_STEP.misconception(
    "ε is fixed at 1e-6; it is an argument",
    "Use the eps that you are given.",
)
def eps_of_others(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + 1e-6), m, v


@ADAM_STEP.misconception(
    "ε is added to the uncorrected √v, before the correction: that makes it larger at first",
    "Correct v first: √(v/(1 − β2ᵗ)) + ε.",
)
def eps_corrected_too(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (1 - beta1**t) * (1 - beta2**t) ** 0.5 / (v.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "β1 and β2 are swapped",
    "β1 belongs to m, the mean of the gradients; β2, the longer memory, to v.",
)
def betas_swapped(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta2 * m + (1 - beta2) * g
    v = beta1 * v + (1 - beta1) * g**2
    m_hat, v_hat = m / (1 - beta2**t), v / (1 - beta1**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "v averages g, not g² (the square that one slide drops)",
    "v ← β2·v + (1 − β2)·g².",
)
def square_dropped(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "the learning rate is inside m, as on the slide; m is an average of gradients only",
    "m ← β1·m + (1 − β1)·g, and η multiplies the step.",
)
def lr_inside(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * lr * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "the root is missing, as on the slide: the step is divided by v̂, not by √v̂",
    "w ← w − η·m̂/(√v̂ + ε).",
)
def no_root(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat + eps), m, v


@ADAM_STEP.misconception(
    "this is the slide's formula: η inside the moment and outside, no root, no correction",
    "Go through the four repairs above, one at a time.",
)
def the_slide(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + lr * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (v + eps), m, v


@ADAM_STEP.misconception(
    "the corrected moments are returned; the next step must go on from the uncorrected ones",
    "m̂ and v̂ are used for this step and then forgotten: return w, m, v.",
)
def hats_returned(w, m, v, g, t, lr, beta1, beta2, eps):
    m_hat = (beta1 * m + (1 - beta1) * g) / (1 - beta1**t)
    v_hat = (beta2 * v + (1 - beta2) * g**2) / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m_hat, v_hat


@ADAM_STEP.misconception(
    "the old v is forgotten: β2·v is missing",
    "v ← β2·v + (1 − β2)·g². From a start at zero you would not notice in the first step.",
)
def v_forgotten(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "the averages' weights are swapped: β is what is kept of the old one",
    "m ← β1·m + (1 − β1)·g, and so for v.",
)
def weights_swapped(w, m, v, g, t, lr, beta1, beta2, eps):
    m = (1 - beta1) * m + beta1 * g
    v = (1 - beta2) * v + beta2 * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "m is a sum, as in momentum; Adam's is an average, so the new gradient counts 1 − β1",
    "m ← β1·m + (1 − β1)·g.",
)
def m_is_a_sum(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "m is not used: this is RMSProp with a correction",
    "The numerator of the step is m̂, not g.",
)
def m_unused(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * g / ((v / (1 - beta2**t)).sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − η·m̂/(√v̂ + ε).",
)
def climbs(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w + lr * m_hat / (v_hat.sqrt() + eps), m, v


@ADAM_STEP.misconception(
    "changes its input m in place",
    "Write m = beta1 * m + …, which makes a new tensor, not m.mul_(…) or m *= ….",
)
def m_in_place(w, m, v, g, t, lr, beta1, beta2, eps):
    m.mul_(beta1).add_((1 - beta1) * g)
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), m, v


# ------------------------------------------------------------------ how large the bias is


def bias_factor(t, beta1, beta2):
    """(1 − β1ᵗ)/√(1 − β2ᵗ): the uncorrected step over the corrected one, ε aside."""
    return (1 - beta1**t) / math.sqrt(1 - beta2**t)


def _factor(label, t, beta1=0.9, beta2=0.999):
    return Call(label, {"t": t, "beta1": beta1, "beta2": beta2})


BIAS_FACTOR = Exercise(
    notebook="adam",
    reference=bias_factor,
    returns=("factor",),
    public=[
        _factor("by hand: t = 1, β1 = .5 and β2 = .96, whose 1 − β2 is .2²", 1, 0.5, 0.96),
        _factor("the usual betas at t = 1", 1),
        _factor("the usual betas at t = 12", 12),
        _factor("β2 = .99 at t = 100", 100, 0.9, 0.99),
        _factor("β1 = 0: no momentum", 3, 0.0, 0.999),
    ],
    draw=lambda generator: [
        _factor("t = 1", 1, uniform(generator, 0.5, 0.9), uniform(generator, 0.95, 0.999)),
        *(
            _factor(
                "a later step",
                int(torch.randint(2, 60, (), generator=generator)),
                uniform(generator, 0.5, 0.95),
                uniform(generator, 0.96, 0.999),
            )
            for _ in range(3)
        ),
    ],
)


@BIAS_FACTOR.misconception(
    "the ratio is upside down: asked is the uncorrected step over the corrected one",
    "Uncorrected m/√v; corrected (m/(1 − β1ᵗ))/√(v/(1 − β2ᵗ)). Divide the first by the second.",
)
def upside_down(t, beta1, beta2):
    return math.sqrt(1 - beta2**t) / (1 - beta1**t)


@BIAS_FACTOR.misconception(
    "the root is missing: the step divides by √v, so v's correction enters by its root",
    "(1 − β1ᵗ)/√(1 − β2ᵗ).",
)
def factor_without_root(t, beta1, beta2):
    return (1 - beta1**t) / (1 - beta2**t)


@BIAS_FACTOR.misconception(
    "β1 and β2 are swapped",
    "β1 belongs to m, in the numerator.",
)
def factor_swapped(t, beta1, beta2):
    return (1 - beta2**t) / math.sqrt(1 - beta1**t)


@BIAS_FACTOR.misconception(
    "t is counted from 0",
    "The first step has t = 1.",
)
def factor_from_zero(t, beta1, beta2):
    return (1 - beta1 ** (t - 1)) / math.sqrt(1 - beta2 ** (t - 1))


@BIAS_FACTOR.misconception(
    "the power is missing: at step t the correction is 1 − βᵗ, not 1 − β",
    "Write beta1**t: the weights of t gradients sum to 1 − β1ᵗ.",
)
def power_missing(t, beta1, beta2):
    return (1 - beta1) / math.sqrt(1 - beta2)


@BIAS_FACTOR.misconception(
    "only m's bias is counted",
    "v is too small, too, and the step divides by its root: (1 − β1ᵗ)/√(1 − β2ᵗ).",
)
def only_first(t, beta1, beta2):
    return 1 - beta1**t


@BIAS_FACTOR.misconception(
    "only v's bias is counted",
    "m is too small, too, and that shortens the step: (1 − β1ᵗ)/√(1 − β2ᵗ).",
)
def only_second(t, beta1, beta2):
    return 1 / math.sqrt(1 - beta2**t)


# ------------------------------------------------------------------ the efficient order


def adam_efficient_step(w, m, v, g, t, lr, beta1, beta2, eps):
    """Kingma and Ba (2015), section 2, last paragraph, with ε̂ = ε √(1 − β2ᵗ)."""
    w, state = rules.adam_efficient(
        w,
        g,
        rules.AdamState(m, v),
        t,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        eps_hat=eps * math.sqrt(1 - beta2**t),
    )
    return w, state.m, state.v


ADAM_EFFICIENT_STEP = Exercise(
    notebook="adam",
    reference=adam_efficient_step,
    returns=("w", "m", "v"),
    public=_adam_public(),
    draw=_adam_hidden,
    forbids=("torch.optim",),
)


@ADAM_EFFICIENT_STEP.misconception(
    "ε is not rescaled: in this order it must be ε̂ = ε√(1 − β2ᵗ)",
    "Multiply numerator and denominator of Algorithm 1's step by √(1 − β2ᵗ); ε gets it, too.",
)
def eps_not_rescaled(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return w - rate * m / (v.sqrt() + eps), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "ε is divided by √(1 − β2ᵗ) where it must be multiplied",
    "√(v/(1 − β2ᵗ)) + ε = (√v + ε√(1 − β2ᵗ))/√(1 − β2ᵗ).",
)
def eps_divided(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    root = (1 - beta2**t) ** 0.5
    return w - lr * root / (1 - beta1**t) * m / (v.sqrt() + eps / root), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "ε̂ lacks the root: ε√(1 − β2ᵗ), not ε(1 − β2ᵗ)",
    "What leaves the root on the left, √(1 − β2ᵗ), multiplies ε on the right.",
)
def eps_without_root(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return w - rate * m / (v.sqrt() + eps * (1 - beta2**t)), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "ε is scaled with β1's correction; it stands beside √v, so β2 decides",
    "ε̂ = ε√(1 − β2ᵗ).",
)
def eps_with_beta1(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    rate = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    return w - rate * m / (v.sqrt() + eps * (1 - beta1**t)), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "the rate is upside down: η(1 − β1ᵗ)/√(1 − β2ᵗ) doubles the bias where it should remove it",
    "η_t = η√(1 − β2ᵗ)/(1 − β1ᵗ).",
)
def rate_upside_down(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    root = (1 - beta2**t) ** 0.5
    return w - lr * (1 - beta1**t) / root * m / (v.sqrt() + eps * root), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "the rate lacks the root over 1 − β2ᵗ",
    "η_t = η√(1 − β2ᵗ)/(1 − β1ᵗ): v enters the step by its root, and so does its correction.",
)
def rate_without_root(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    rate = lr * (1 - beta2**t) / (1 - beta1**t)
    return w - rate * m / (v.sqrt() + eps * (1 - beta2**t) ** 0.5), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "the moments are corrected twice: once by themselves and once in the rate",
    "In this order m and v stay as they are; η_t carries both corrections.",
)
def corrected_twice(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    root = (1 - beta2**t) ** 0.5
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * root / (1 - beta1**t) * m_hat / (v_hat.sqrt() + eps * root), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "t is counted from 0 in the corrections",
    "The first step has t = 1.",
)
def efficient_from_zero(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    root = (1 - beta2 ** (t - 1)) ** 0.5
    rate = lr * root / (1 - beta1 ** (t - 1))
    return w - rate * m / (v.sqrt() + eps * root), m, v


@ADAM_EFFICIENT_STEP.misconception(
    "ε̂ is inside the root",
    "√v + ε̂.",
)
def eps_hat_inside(w, m, v, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    root = (1 - beta2**t) ** 0.5
    return w - lr * root / (1 - beta1**t) * m / (v + eps * root).sqrt(), m, v


# ------------------------------------------------------------------ AMSGrad


def amsgrad_step(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    """Reddi, Kale and Kumar (2018), Algorithm 2, with an ε and without the projection."""
    state = rules.AMSGradState(m, v, v_max)
    w, state = rules.amsgrad(w, g, state, t, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    return w, state.m, state.v, state.v_max


def _amsgrad_steps(label, generator, shape, *, t, lrs, beta1, beta2, eps, sizes):
    """Steps in which some weights' v is above its old maximum and some below it."""
    start = {
        "w": normal(generator, *shape),
        "m": normal(generator, *shape),
        "v": 0.2 + torch.rand(shape, generator=generator, dtype=F64),
    }
    start["v_max"] = start["v"] + 0.1 * torch.rand(shape, generator=generator, dtype=F64)
    rest = {"beta1": beta1, "beta2": beta2, "eps": eps}
    steps = [
        {"g": size * normal(generator, *shape), "t": t + i, "lr": lr, **rest}
        for i, (lr, size) in enumerate(zip(lrs, sizes, strict=True))
    ]
    return Steps(label, start=start, steps=steps)


def _amsgrad_fresh(label, generator, shape, *, sizes, **rest):
    zero = torch.zeros(shape, dtype=F64)
    return Steps(
        label,
        start={"w": normal(generator, *shape), "m": zero, "v": zero, "v_max": zero},
        steps=[
            {"g": size * normal(generator, *shape), "t": t, **rest}
            for t, size in enumerate(sizes, 1)
        ],
    )


def _amsgrad_hidden(generator):
    other = {
        "beta1": uniform(generator, 0.5, 0.8),
        "beta2": uniform(generator, 0.85, 0.95),
        "eps": uniform(generator, 0.05, 0.3),
    }
    lrs = [uniform(generator, 0.05, 0.5) for _ in range(5)]
    sizes = [5.0, 0.1, 0.1, 3.0, 0.1]
    return [
        _amsgrad_steps(
            "five steps of a matrix", generator, (3, 2), t=2, lrs=lrs, sizes=sizes, **other
        ),
        _amsgrad_fresh(
            "the first four steps", generator, (4,), sizes=[3.0, 0.1, 0.1, 5.0], lr=0.1, **other
        ),
        _amsgrad_steps(
            "five steps in float32", generator, (5,), t=4, lrs=lrs, sizes=sizes, **other
        ).to(F32),
    ]


AMSGRAD_STEP = Exercise(
    notebook="adam",
    reference=amsgrad_step,
    returns=("w", "m", "v", "v_max"),
    public=[
        Steps(
            "one weight, by hand: v falls to 3, its maximum stays 4",
            start={
                "w": _tensor(1.0),
                "m": _tensor(0.0),
                "v": _tensor(2.0),
                "v_max": _tensor(4.0),
            },
            steps=[{"g": _tensor(2.0), "t": 2, "lr": 0.1, "beta1": 0.5, "beta2": 0.5, "eps": 2.0}],
        ),
        _amsgrad_steps(
            "five steps of a matrix: large gradients, then small ones",
            _seen,
            (3, 2),
            t=3,
            lrs=[0.2, 0.2, 0.02, 0.02, 0.02],
            sizes=[5.0, 0.1, 0.1, 3.0, 0.1],
            beta1=0.7,
            beta2=0.9,
            eps=0.1,
        ),
        _amsgrad_fresh(
            "the first four steps",
            _seen,
            (4,),
            sizes=[3.0, 0.1, 0.1, 5.0],
            lr=0.1,
            beta1=0.9,
            beta2=0.99,
            eps=1e-3,
        ),
        _amsgrad_fresh(
            "the first three steps in float32",
            _seen,
            (2, 2),
            sizes=[1.0, 0.1, 2.0],
            lr=0.1,
            beta1=0.9,
            beta2=0.99,
            eps=1e-3,
        ).to(F32),
    ],
    draw=_amsgrad_hidden,
    forbids=("torch.optim",),
)


@AMSGRAD_STEP.misconception(
    "the maximum is taken of the corrected v; the paper takes the uncorrected one",
    "v_max ← max(v_max, v), with v as it is. The paper's algorithm has no bias correction.",
)
def max_of_corrected(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, v / (1 - beta2**t))
    return w - lr * m / (1 - beta1**t) / (v_max.sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "the maximum is taken of the corrected v (m is left uncorrected, as the paper has it)",
    "v_max ← max(v_max, v), with v as it is.",
)
def max_of_corrected_v(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, v / (1 - beta2**t))
    return w - lr * m / (v_max.sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "this is PyTorch's AMSGrad: the maximum is right, but the step is bias-corrected",
    "The paper's step is η·m/(√v_max + ε), without 1 − βᵗ anywhere.",
)
def pytorchs(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, v)
    v_hat = v_max / (1 - beta2**t)
    return w - lr * m / (1 - beta1**t) / (v_hat.sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "the maximum is used but not carried: the old v_max comes back",
    "Return the new v_max, so that the next step knows it.",
)
def max_not_carried(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (torch.maximum(v_max, v).sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "the maximum is only over the last two v: the old v_max is ignored",
    "v_max ← max(v_max, v): the largest v of all steps so far.",
)
def max_of_two(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    new = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v, new)
    return w - lr * m / (v_max.sqrt() + eps), m, new, v_max


@AMSGRAD_STEP.misconception(
    "the maximum is kept but the step is still divided by √v",
    "w ← w − η·m/(√v_max + ε).",
)
def max_unused(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (v.sqrt() + eps), m, v, torch.maximum(v_max, v)


@AMSGRAD_STEP.misconception(
    "the average v goes on from v_max; it has a life of its own beside its maximum",
    "v ← β2·v + (1 − β2)·g² from the old v, then v_max ← max(v_max, v).",
)
def average_from_max(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v_max + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, v)
    return w - lr * m / (v_max.sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "one maximum is taken over all weights; every weight has its own",
    "torch.maximum(v_max, v) compares element by element; torch.max(v) does not.",
)
def one_for_all(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, v).max() * torch.ones_like(v)
    return w - lr * m / (v_max.sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "the minimum is taken: the step may grow, which is what AMSGrad forbids",
    "The largest v gives the smallest step: torch.maximum.",
)
def minimum(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.minimum(v_max, v)
    return w - lr * m / (v_max.sqrt() + eps), m, v, v_max


@AMSGRAD_STEP.misconception(
    "the maximum is taken of g², not of its average v",
    "First v ← β2·v + (1 − β2)·g², then v_max ← max(v_max, v).",
)
def max_of_squares(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, g**2)
    return w - lr * m / (v_max.sqrt() + eps), m, v, v_max


# ------------------------------------------------------------------ find the bug

DEFECTS = (
    "none",
    "m uncorrected",
    "v uncorrected",
    "t from 0",
    "eps inside root",
    "betas swapped",
    "g not squared",
    "no root",
    "lr inside m",
    "hats kept",
)


def planted(defect):
    """Return Adam's step with one of the `DEFECTS` planted in it."""

    def step(w, m, v, g, t, lr, beta1, beta2, eps):
        a, b = (beta2, beta1) if defect == "betas swapped" else (beta1, beta2)
        m = a * m + (1 - a) * (lr * g if defect == "lr inside m" else g)
        v = b * v + (1 - b) * (g if defect == "g not squared" else g**2)
        at = t - 1 if defect == "t from 0" else t
        m_hat = m if defect == "m uncorrected" else m / (1 - a**at)
        v_hat = v if defect == "v uncorrected" else v / (1 - b**at)
        root = v_hat if defect == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if defect == "eps inside root" else root + eps
        w = w - (1 if defect == "lr inside m" else lr) * m_hat / bottom
        return (w, m_hat, v_hat) if defect == "hats kept" else (w, m, v)

    return step


def debug_adam(step):
    """Tell which of the `DEFECTS` a step has, by one probe at which all ten differ."""
    w, m, v, g = (_tensor(x) for x in (1.0, 0.5, 0.2, 0.3))
    probe = (w, m, v, g, 3, 0.1, 0.8, 0.6, 0.5)
    seen = step(*probe)
    for defect in DEFECTS:
        if all(torch.allclose(x, y) for x, y in zip(seen, planted(defect)(*probe), strict=True)):
            return defect
    raise ValueError("this step has a defect that is not on the list")


def _to_examine(order):
    steps = [planted(defect) for defect in DEFECTS]
    steps.append(adam_efficient_step)  # right, and rounded differently
    return [
        Call(f"number {number} of {len(steps)} steps, with one defect or none", {"step": steps[at]})
        for number, at in enumerate(order, 1)
    ]


DEBUG_ADAM = Exercise(
    notebook="adam",
    reference=debug_adam,
    returns=("defect",),
    public=_to_examine([5, 2, 10, 7, 4, 0, 8, 1, 6, 3, 9]),
    draw=lambda generator: _to_examine(torch.randperm(11, generator=generator).tolist()),
    forbids=("torch.optim",),
)


@DEBUG_ADAM.misconception(
    "the probe is a late step, where both corrections are 1 and no one misses them",
    "Probe at t = 2 or 3.",
)
def probes_late(step):
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (1.0, 0.5, 0.2, 0.3))
    t, lr, beta1, beta2, eps = 10_000, 0.1, 0.8, 0.6, 0.5
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def expected(name):
        a, b = (beta2, beta1) if name == "betas swapped" else (beta1, beta2)
        new_m = a * m + (1 - a) * (lr * g if name == "lr inside m" else g)
        new_v = b * v + (1 - b) * (g if name == "g not squared" else g**2)
        at = t - 1 if name == "t from 0" else t
        m_hat = new_m if name == "m uncorrected" else new_m / (1 - a**at)
        v_hat = new_v if name == "v uncorrected" else new_v / (1 - b**at)
        root = v_hat if name == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if name == "eps inside root" else root + eps
        new_w = w - (1 if name == "lr inside m" else lr) * m_hat / bottom
        return (new_w, m_hat, v_hat) if name == "hats kept" else (new_w, new_m, new_v)

    for name in DEFECTS:
        if all(torch.allclose(x, y) for x, y in zip(seen, expected(name), strict=True)):
            return name
    return "none"


@DEBUG_ADAM.misconception(
    "the probe's gradient is 1, so g and g² are the same",
    "Take a gradient like .3.",
)
def probes_with_ones(step):
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (1.0, 0.5, 0.2, 1.0))
    t, lr, beta1, beta2, eps = 3, 0.1, 0.8, 0.6, 0.5
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def expected(name):
        a, b = (beta2, beta1) if name == "betas swapped" else (beta1, beta2)
        new_m = a * m + (1 - a) * (lr * g if name == "lr inside m" else g)
        new_v = b * v + (1 - b) * (g if name == "g not squared" else g**2)
        at = t - 1 if name == "t from 0" else t
        m_hat = new_m if name == "m uncorrected" else new_m / (1 - a**at)
        v_hat = new_v if name == "v uncorrected" else new_v / (1 - b**at)
        root = v_hat if name == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if name == "eps inside root" else root + eps
        new_w = w - (1 if name == "lr inside m" else lr) * m_hat / bottom
        return (new_w, m_hat, v_hat) if name == "hats kept" else (new_w, new_m, new_v)

    for name in DEFECTS:
        if all(torch.allclose(x, y) for x, y in zip(seen, expected(name), strict=True)):
            return name
    return "none"


@DEBUG_ADAM.misconception(
    "the probe's ε is so small that it makes no difference where it stands",
    "You choose ε, too: take .5, as large as the gradients.",
)
def probes_with_tiny_eps(step):
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (1.0, 0.5, 0.2, 0.3))
    t, lr, beta1, beta2, eps = 3, 0.1, 0.8, 0.6, 1e-12
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def expected(name):
        a, b = (beta2, beta1) if name == "betas swapped" else (beta1, beta2)
        new_m = a * m + (1 - a) * (lr * g if name == "lr inside m" else g)
        new_v = b * v + (1 - b) * (g if name == "g not squared" else g**2)
        at = t - 1 if name == "t from 0" else t
        m_hat = new_m if name == "m uncorrected" else new_m / (1 - a**at)
        v_hat = new_v if name == "v uncorrected" else new_v / (1 - b**at)
        root = v_hat if name == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if name == "eps inside root" else root + eps
        new_w = w - (1 if name == "lr inside m" else lr) * m_hat / bottom
        return (new_w, m_hat, v_hat) if name == "hats kept" else (new_w, new_m, new_v)

    for name in DEFECTS:
        if all(torch.allclose(x, y) for x, y in zip(seen, expected(name), strict=True)):
            return name
    return "none"


@DEBUG_ADAM.misconception(
    "the probe's β1 and β2 are equal, so nobody sees them swapped",
    "Take two that differ, such as .8 and .6.",
)
def probes_with_equal_betas(step):
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (1.0, 0.5, 0.2, 0.3))
    t, lr, beta1, beta2, eps = 3, 0.1, 0.8, 0.8, 0.5
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def expected(name):
        a, b = (beta2, beta1) if name == "betas swapped" else (beta1, beta2)
        new_m = a * m + (1 - a) * (lr * g if name == "lr inside m" else g)
        new_v = b * v + (1 - b) * (g if name == "g not squared" else g**2)
        at = t - 1 if name == "t from 0" else t
        m_hat = new_m if name == "m uncorrected" else new_m / (1 - a**at)
        v_hat = new_v if name == "v uncorrected" else new_v / (1 - b**at)
        root = v_hat if name == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if name == "eps inside root" else root + eps
        new_w = w - (1 if name == "lr inside m" else lr) * m_hat / bottom
        return (new_w, m_hat, v_hat) if name == "hats kept" else (new_w, new_m, new_v)

    for name in DEFECTS:
        if all(torch.allclose(x, y) for x, y in zip(seen, expected(name), strict=True)):
            return name
    return "none"


@DEBUG_ADAM.misconception(
    "only the new weights are compared; some bugs sit in the state that is carried on",
    "Compare m and v as well: they are what the next step starts from.",
)
def looks_at_weights_only(step):
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (1.0, 0.0, 0.0, 0.3))
    t, lr, beta1, beta2, eps = 3, 0.1, 0.8, 0.6, 0.5
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def expected(name):
        a, b = (beta2, beta1) if name == "betas swapped" else (beta1, beta2)
        new_m = a * m + (1 - a) * (lr * g if name == "lr inside m" else g)
        new_v = b * v + (1 - b) * (g if name == "g not squared" else g**2)
        at = t - 1 if name == "t from 0" else t
        m_hat = new_m if name == "m uncorrected" else new_m / (1 - a**at)
        v_hat = new_v if name == "v uncorrected" else new_v / (1 - b**at)
        root = v_hat if name == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if name == "eps inside root" else root + eps
        new_w = w - (1 if name == "lr inside m" else lr) * m_hat / bottom
        return (new_w, m_hat, v_hat) if name == "hats kept" else (new_w, new_m, new_v)

    for name in DEFECTS:
        if torch.allclose(seen[0], expected(name)[0]):
            return name
    return "none"


@DEBUG_ADAM.misconception(
    "numbers are compared with ==; a right Adam in another order of operations rounds differently",
    "Use torch.allclose, with its tolerance.",
)
def compares_exactly(step):
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (0.1, 0.5, 0.2, 0.3))
    t, lr, beta1, beta2, eps = 3, 0.1, 0.8, 0.6, 0.5
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def expected(name):
        a, b = (beta2, beta1) if name == "betas swapped" else (beta1, beta2)
        new_m = a * m + (1 - a) * (lr * g if name == "lr inside m" else g)
        new_v = b * v + (1 - b) * (g if name == "g not squared" else g**2)
        at = t - 1 if name == "t from 0" else t
        m_hat = new_m if name == "m uncorrected" else new_m / (1 - a**at)
        v_hat = new_v if name == "v uncorrected" else new_v / (1 - b**at)
        root = v_hat if name == "no root" else v_hat.sqrt()
        bottom = (v_hat + eps).sqrt() if name == "eps inside root" else root + eps
        new_w = w - (1 if name == "lr inside m" else lr) * m_hat / bottom
        return (new_w, m_hat, v_hat) if name == "hats kept" else (new_w, new_m, new_v)

    for name in DEFECTS:
        if all(torch.equal(x, y) for x, y in zip(seen, expected(name), strict=True)):
            return name
    return "unknown"


@DEBUG_ADAM.misconception(
    "every step is acquitted",
    "Compare what the step returns with what Algorithm 1 gives for the same arguments.",
)
def acquits_all(step):
    return "none"
