"""Exercises of the RMSProp notebook."""

import torch

from lib import rules
from lib.check import Call, Exercise, Steps
from lib.check.draws import F32, F64, normal, uniform


def _positive(generator, *shape):
    return 0.2 + 2 * torch.rand(shape, generator=generator, dtype=F64)


def _gradients(generator, steps, *shape):
    """Draw gradients of which some flip, some agree, and some are zero."""
    grads = normal(generator, steps, *shape)
    grads[:, ..., 0] = grads[:, ..., 0].abs()  # agrees with itself
    grads[::2, ..., 1] = grads[::2, ..., 1].abs()  # flips at every step
    grads[1::2, ..., 1] = -grads[1::2, ..., 1].abs()
    grads[steps // 2, ..., -1] = 0.0
    return grads


# A Python number times a boolean tensor is float32: right answers may be written so.
BOOLEANS = 1e-5

_seen = torch.Generator().manual_seed(5)

# ------------------------------------------------------------------ local gains


def update_gain(gain, g, g_prev, beta):
    """Gain + β where the signs agree, gain·(1 − β) where they differ, gain where one is zero."""
    _, state = rules.delta_bar_delta(
        torch.zeros_like(g),
        g,
        rules.GainState(gain, g_prev),
        2,
        beta=beta,
        gain_min=0.0,
        gain_max=float("inf"),
    )
    return state.gain


def _gains(label, generator, beta, *shape):
    before, now = _gradients(generator, 2, *shape)
    before[..., 2] = now[..., 2] = 0.0  # no news twice
    return Call(
        label,
        {"gain": _positive(generator, *shape), "g": now, "g_prev": before, "beta": beta},
    )


UPDATE_GAIN = Exercise(
    notebook="rmsprop",
    reference=update_gain,
    returns=("gain",),
    public=[
        Call(
            "by hand: one weight agrees, one flips, one has a gradient of zero",
            {
                "gain": torch.tensor([2.0, 2.0, 2.0], dtype=F64),
                "g": torch.tensor([3.0, -0.5, 0.0], dtype=F64),
                "g_prev": torch.tensor([1.0, 4.0, 1.0], dtype=F64),
                "beta": 0.25,
            },
        ),
        _gains("a matrix of weights", _seen, 0.1, 3, 4),
        _gains("in float32", _seen, 0.05, 6).to(F32),
    ],
    draw=lambda generator: [
        _gains("other weights", generator, uniform(generator, 0.05, 0.3), 4, 3),
        _gains("in float32", generator, 0.2, 5).to(F32),
    ],
    rtol=BOOLEANS,
)


@UPDATE_GAIN.misconception(
    "the gain is multiplied up; it must grow by adding β",
    "Consistent: gain + β. Only the way down multiplies.",
)
def multiplied_up(gain, g, g_prev, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    return torch.where(g * g_prev > 0, gain * (1 + beta), cut)


@UPDATE_GAIN.misconception(
    "the gain is lowered by subtracting; it must be multiplied by 1 − β",
    "A flip: gain · (1 − β). Subtracting can even make a gain negative.",
)
def subtracted(gain, g, g_prev, beta):
    cut = torch.where(g * g_prev < 0, gain - beta, gain)
    return torch.where(g * g_prev > 0, gain + beta, cut)


@UPDATE_GAIN.misconception(
    "the test is reversed: gains grow where the gradient flips",
    "g · g_prev > 0 means that the signs agree.",
)
def reversed_test(gain, g, g_prev, beta):
    cut = torch.where(g * g_prev > 0, gain * (1 - beta), gain)
    return torch.where(g * g_prev < 0, gain + beta, cut)


@UPDATE_GAIN.misconception(
    "a gradient of zero is treated as a flip",
    "Where g · g_prev = 0 there is neither agreement nor a flip: the gain stays.",
)
def zero_is_a_flip(gain, g, g_prev, beta):
    return torch.where(g * g_prev > 0, gain + beta, gain * (1 - beta))


@UPDATE_GAIN.misconception(
    "a gradient of zero is treated as agreement",
    "Where g · g_prev = 0 there is neither agreement nor a flip: the gain stays.",
)
def zero_agrees(gain, g, g_prev, beta):
    return torch.where(g * g_prev >= 0, gain + beta, gain * (1 - beta))


@UPDATE_GAIN.misconception(
    "signs are compared with ==: two zeros count as agreement, and one as a flip",
    "Where g · g_prev = 0 there is neither agreement nor a flip: the gain stays.",
)
def signs_equal(gain, g, g_prev, beta):
    return torch.where(torch.sign(g) == torch.sign(g_prev), gain + beta, gain * (1 - beta))


@UPDATE_GAIN.misconception(
    "after a flip the gain is multiplied by β; it must be 1 − β",
    "β is small, and a flip takes away the part β only.",
)
def times_beta(gain, g, g_prev, beta):
    cut = torch.where(g * g_prev < 0, gain * beta, gain)
    return torch.where(g * g_prev > 0, gain + beta, cut)


@UPDATE_GAIN.misconception(
    "if asks for one truth value, but each weight has its own",
    "torch.where(condition, a, b) decides for every weight by itself.",
)
def one_if_for_all(gain, g, g_prev, beta):
    if g * g_prev > 0:
        return gain + beta
    if g * g_prev < 0:
        return gain * (1 - beta)
    return gain


@UPDATE_GAIN.misconception(
    "one sign is found for all weights together; each weight has its own",
    "Compare g and g_prev weight by weight: no sum, no mean.",
)
def one_sign_for_all(gain, g, g_prev, beta):
    agree = (g * g_prev).sum()
    return gain + beta if agree > 0 else gain * (1 - beta)


# ------------------------------------------------------------------ a step with gains


def gain_step(w, gain, g, g_prev, lr, beta):
    """Update the gain, then w ← w − η·gain·g."""
    gain = update_gain(gain, g, g_prev, beta)
    return w - lr * gain * g, gain


def _gain_steps(label, generator, steps, lr, beta, *shape):
    grads = _gradients(generator, steps + 1, *shape)
    return Steps(
        label,
        start={"w": normal(generator, *shape), "gain": _positive(generator, *shape)},
        steps=[
            {"g": grads[i + 1], "g_prev": grads[i], "lr": lr, "beta": beta} for i in range(steps)
        ],
    )


GAIN_STEP = Exercise(
    notebook="rmsprop",
    reference=gain_step,
    returns=("w", "gain"),
    public=[
        Steps(
            "one step, two weights, by hand",
            start={
                "w": torch.tensor([1.0, 1.0], dtype=F64),
                "gain": torch.tensor([1.0, 2.0], dtype=F64),
            },
            steps=[
                {
                    "g": torch.tensor([2.0, -1.0], dtype=F64),
                    "g_prev": torch.tensor([1.0, 1.0], dtype=F64),
                    "lr": 0.1,
                    "beta": 0.5,
                }
            ],
        ),
        _gain_steps("four steps of a matrix", _seen, 4, 0.1, 0.2, 2, 3),
        _gain_steps("three steps in float32", _seen, 3, 0.3, 0.05, 5).to(F32),
    ],
    draw=lambda generator: [
        _gain_steps("four steps", generator, 4, uniform(generator, 0.05, 0.5), 0.15, 3, 4),
        _gain_steps("in float32", generator, 3, 0.2, 0.1, 4).to(F32),
    ],
    rtol=BOOLEANS,
)


@GAIN_STEP.misconception(
    "the step is made with the old gain",
    "First update the gain by today's sign, then use it.",
)
def old_gain(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    return w - lr * gain * g, torch.where(g * g_prev > 0, gain + beta, cut)


@GAIN_STEP.misconception(
    "the gain is not used in the step",
    "w ← w − η · gain · g.",
)
def gain_not_used(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    return w - lr * g, torch.where(g * g_prev > 0, gain + beta, cut)


@GAIN_STEP.misconception(
    "the old gain is returned, so nothing is ever learned about the weights",
    "Return the updated gain beside w.",
)
def old_gain_returned(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    new = torch.where(g * g_prev > 0, gain + beta, cut)
    return w - lr * new * g, gain


@GAIN_STEP.misconception(
    "only the sign of the gradient is used; that is Rprop",
    "Local gains keep the gradient's size: η · gain · g.",
)
def sign_only(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    gain = torch.where(g * g_prev > 0, gain + beta, cut)
    return w - lr * gain * torch.sign(g), gain


@GAIN_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − η · gain · g.",
)
def climbs(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    gain = torch.where(g * g_prev > 0, gain + beta, cut)
    return w + lr * gain * g, gain


@GAIN_STEP.misconception(
    "the learning rate is missing",
    "w ← w − η · gain · g.",
)
def rate_missing(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    gain = torch.where(g * g_prev > 0, gain + beta, cut)
    return w - gain * g, gain


@GAIN_STEP.misconception(
    "the gain is multiplied up in the step; it must grow by adding β",
    "Use your update_gain.",
)
def multiplied_up_in_the_step(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    gain = torch.where(g * g_prev > 0, gain * (1 + beta), cut)
    return w - lr * gain * g, gain


@GAIN_STEP.misconception(
    "the test is reversed in the step: gains grow where the gradient flips",
    "g · g_prev > 0 means that the signs agree.",
)
def reversed_in_the_step(w, gain, g, g_prev, lr, beta):
    cut = torch.where(g * g_prev > 0, gain * (1 - beta), gain)
    gain = torch.where(g * g_prev < 0, gain + beta, cut)
    return w - lr * gain * g, gain


@GAIN_STEP.misconception(
    "in the step a gradient of zero is treated as a flip",
    "Where g · g_prev = 0 there is neither agreement nor a flip: the gain stays.",
)
def zero_flips_in_the_step(w, gain, g, g_prev, lr, beta):
    gain = torch.where(g * g_prev > 0, gain + beta, gain * (1 - beta))
    return w - lr * gain * g, gain


# ------------------------------------------------------------------ Rprop


def rprop_step(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    """Δ·η⁺ where signs agree, Δ·η⁻ where they differ, clipped; w − sign(g)·Δ (Rprop⁻)."""
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * step, step


def _rprop_steps(label, generator, steps, limits, *shape):
    grads = _gradients(generator, steps + 1, *shape)
    fixed = {
        "eta_minus": uniform(generator, 0.4, 0.6),
        "eta_plus": uniform(generator, 1.2, 1.4),
        "step_min": limits[0],
        "step_max": limits[1],
    }
    return Steps(
        label,
        start={"w": normal(generator, *shape), "step": _positive(generator, *shape)},
        steps=[{"g": grads[i + 1], "g_prev": grads[i], **fixed} for i in range(steps)],
    )


RPROP_STEP = Exercise(
    notebook="rmsprop",
    reference=rprop_step,
    returns=("w", "step"),
    public=[
        Steps(
            "by hand: one weight agrees, one flips, one is at rest",
            start={
                "w": torch.tensor([1.0, 1.0, 1.0], dtype=F64),
                "step": torch.tensor([0.5, 0.5, 0.5], dtype=F64),
            },
            steps=[
                {
                    "g": torch.tensor([7.0, -0.01, 0.0], dtype=F64),
                    "g_prev": torch.tensor([1.0, 1.0, 1.0], dtype=F64),
                    "eta_minus": 0.5,
                    "eta_plus": 1.2,
                    "step_min": 1e-6,
                    "step_max": 50.0,
                }
            ],
        ),
        _rprop_steps("five steps, far from the limits", _seen, 5, (1e-6, 50.0), 2, 4),
        _rprop_steps("five steps that meet both limits", _seen, 5, (0.5, 1.5), 3, 4),
        _rprop_steps("three steps in float32", _seen, 3, (0.3, 2.0), 5).to(F32),
    ],
    draw=lambda generator: [
        _rprop_steps("far from the limits", generator, 4, (1e-6, 50.0), 3, 4),
        _rprop_steps("meeting both limits", generator, 6, (0.6, 1.4), 4, 4),
        _rprop_steps("in float32", generator, 3, (0.3, 2.0), 5).to(F32),
    ],
    rtol=BOOLEANS,
    forbids=("torch.optim",),
)


@RPROP_STEP.misconception(
    "η⁺ and η⁻ are swapped: steps grow where the gradient flips",
    "Agreement: larger steps, times η⁺ > 1. A flip: smaller, times η⁻ < 1.",
)
def factors_swapped(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_plus, step)
    step = torch.where(g * g_prev > 0, step * eta_minus, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * step, step


@RPROP_STEP.misconception(
    "the size of the gradient is used; Rprop looks at its sign only",
    "w ← w − sign(g) · step.",
)
def size_used(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w - g * step, step


@RPROP_STEP.misconception(
    "the step sizes are not kept between their limits",
    "Clip them: step.clamp(step_min, step_max).",
)
def not_clipped(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut)
    return w - torch.sign(g) * step, step


@RPROP_STEP.misconception(
    "the step is clipped for the move only; the next one starts from the unclipped size",
    "Clip first, then move, and return the clipped step.",
)
def clipped_for_the_move(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut)
    return w - torch.sign(g) * step.clamp(step_min, step_max), step


@RPROP_STEP.misconception(
    "the move is made with the old step size",
    "First update the step size, then move by it.",
)
def old_size(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    new = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * step, new


@RPROP_STEP.misconception(
    "a product of zero is treated as a flip",
    "Where g · g_prev = 0 the step size stays.",
)
def zero_flips(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    step = torch.where(g * g_prev > 0, step * eta_plus, step * eta_minus)
    step = step.clamp(step_min, step_max)
    return w - torch.sign(g) * step, step


@RPROP_STEP.misconception(
    "the weight rests after a flip: that is iRprop⁻, PyTorch's variant",
    "Here every weight whose gradient is not zero moves, also after a flip.",
)
def rests_after_a_flip(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * (g * g_prev >= 0) * step, step


@RPROP_STEP.misconception(
    "the weight goes the whole last step back after a flip: that is the Rprop of 1993",
    "Here a flip changes nothing but the step size: w ← w − sign(g) · step, with the new step.",
)
def goes_back_after_a_flip(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    new = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * torch.where(g * g_prev < 0, step, new), new


@RPROP_STEP.misconception(
    "the step size grows by adding; Rprop multiplies both ways",
    "Agreement: step · η⁺.",
)
def grows_by_adding(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step + eta_plus - 1, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * step, step


@RPROP_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − sign(g) · step.",
)
def climbs_by_signs(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w + torch.sign(g) * step, step


# ------------------------------------------------------------------ RMSProp


def rmsprop_step(w, ms, g, lr, beta, eps):
    """The lecture's step: ms ← β·ms + (1 − β)g², w ← w − ηg/(√ms + ε)."""
    w, state = rules.rmsprop(w, g, rules.RMSPropState(ms), 2, lr=lr, beta=beta, eps=eps)
    return w, state.ms


def _rms_steps(label, generator, beta, eps, *shape, lrs=(0.1, 0.1, 0.01), size=1.0):
    return Steps(
        label,
        start={
            "w": normal(generator, *shape),
            "ms": size**2 * torch.rand(shape, generator=generator, dtype=F64),
        },
        steps=[
            {"g": size * normal(generator, *shape), "lr": lr, "beta": beta, "eps": eps}
            for lr in lrs
        ],
    )


RMSPROP_STEP = Exercise(
    notebook="rmsprop",
    reference=rmsprop_step,
    returns=("w", "ms"),
    public=[
        Steps(
            "one weight, one step, by hand: the new mean square is 4",
            start={"w": torch.tensor([1.0], dtype=F64), "ms": torch.tensor([1.0], dtype=F64)},
            steps=[{"g": torch.tensor([2.5], dtype=F64), "lr": 0.4, "beta": 3 / 7, "eps": 0.5}],
        ),
        _rms_steps("three steps, lr cut after two", _seen, 0.9, 1e-8, 2, 3),
        _rms_steps("a large ε", _seen, 0.8, 0.3, 3),
        _rms_steps("tiny gradients", _seen, 0.95, 1e-8, 3, size=1e-7),
        Steps(
            "no gradient yet at all",
            start={"w": torch.ones(2, dtype=F64), "ms": torch.zeros(2, dtype=F64)},
            steps=[{"g": torch.zeros(2, dtype=F64), "lr": 0.1, "beta": 0.9, "eps": 1e-8}],
        ),
        _rms_steps("three steps in float32", _seen, 0.99, 1e-3, 4).to(F32),
    ],
    draw=lambda generator: [
        _rms_steps("other values", generator, uniform(generator, 0.7, 0.95), 1e-8, 3, 2),
        _rms_steps("a large ε", generator, 0.6, uniform(generator, 0.1, 0.5), 4),
        _rms_steps("tiny gradients", generator, 0.9, 1e-8, 3, size=1e-7),
        Steps(
            "no gradient yet",
            start={"w": torch.ones(3, dtype=F64), "ms": torch.zeros(3, dtype=F64)},
            steps=[{"g": torch.zeros(3, dtype=F64), "lr": 0.1, "beta": 0.9, "eps": 1e-8}],
        ),
        _rms_steps("in float32", generator, 0.98, 1e-2, 4).to(F32),
    ],
    forbids=("torch.optim",),
)


@RMSPROP_STEP.misconception(
    "ε is inside the root; the lecture (and PyTorch) add it outside",
    "Divide by torch.sqrt(ms) + eps, not by torch.sqrt(ms + eps).",
)
def eps_inside(w, ms, g, lr, beta, eps):
    ms = beta * ms + (1 - beta) * g**2
    return w - lr * g / torch.sqrt(ms + eps), ms


@RMSPROP_STEP.misconception(
    "the root is missing",
    "RMS is the root of the mean of squares: torch.sqrt(ms).",
)
def no_root(w, ms, g, lr, beta, eps):
    ms = beta * ms + (1 - beta) * g**2
    return w - lr * g / (ms + eps), ms


@RMSPROP_STEP.misconception(
    "β and 1 − β are swapped: the memory lasts for one step only",
    "ms ← β·ms + (1 − β)·g²: β is what is kept.",
)
def weights_swapped(w, ms, g, lr, beta, eps):
    ms = (1 - beta) * ms + beta * g**2
    return w - lr * g / (torch.sqrt(ms) + eps), ms


@RMSPROP_STEP.misconception(
    "the roots are averaged and the sum is squared; the squares must be averaged",
    "The mean of squares is not the square of the mean: β·ms + (1 − β)·g².",
)
def square_of_the_sum(w, ms, g, lr, beta, eps):
    ms = (beta * torch.sqrt(ms) + (1 - beta) * g) ** 2
    return w - lr * g / (torch.sqrt(ms) + eps), ms


@RMSPROP_STEP.misconception(
    "the sizes of the gradient are averaged, not their squares",
    "g², not |g|.",
)
def absolute_values(w, ms, g, lr, beta, eps):
    ms = beta * ms + (1 - beta) * g.abs()
    return w - lr * g / (torch.sqrt(ms) + eps), ms


@RMSPROP_STEP.misconception(
    "g is averaged where g² is meant (a slide drops the square)",
    "ms ← β·ms + (1 − β)·g². Without the square the root of a negative number is nan.",
)
def square_dropped(w, ms, g, lr, beta, eps):
    ms = beta * ms + (1 - beta) * g
    return w - lr * g / (torch.sqrt(ms) + eps), ms


@RMSPROP_STEP.misconception(
    "the old mean square is used for the step",
    "First update ms with today's gradient, then divide by its root.",
)
def old_mean_square(w, ms, g, lr, beta, eps):
    return w - lr * g / (torch.sqrt(ms) + eps), beta * ms + (1 - beta) * g**2


@RMSPROP_STEP.misconception(
    "ε is missing: where there was no gradient yet this is 0/0",
    "Divide by torch.sqrt(ms) + eps.",
)
def eps_missing(w, ms, g, lr, beta, eps):
    ms = beta * ms + (1 - beta) * g**2
    return w - lr * g / torch.sqrt(ms), ms


@RMSPROP_STEP.misconception(
    "1 − β is missing before g²: this is a sum and not an average",
    "ms ← β·ms + (1 − β)·g².",
)
def sum_of_squares(w, ms, g, lr, beta, eps):
    ms = beta * ms + g**2
    return w - lr * g / (torch.sqrt(ms) + eps), ms


@RMSPROP_STEP.misconception(
    "the root is stored as the new mean square",
    "Return ms itself; its root is for this step only.",
)
def root_stored(w, ms, g, lr, beta, eps):
    rms = torch.sqrt(beta * ms + (1 - beta) * g**2)
    return w - lr * g / (rms + eps), rms


@RMSPROP_STEP.misconception(
    "the old mean square is returned, so nothing is remembered",
    "Return the updated ms beside w.",
)
def nothing_remembered(w, ms, g, lr, beta, eps):
    new = beta * ms + (1 - beta) * g**2
    return w - lr * g / (torch.sqrt(new) + eps), ms


@RMSPROP_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − η·g/(√ms + ε).",
)
def climbs_scaled(w, ms, g, lr, beta, eps):
    ms = beta * ms + (1 - beta) * g**2
    return w + lr * g / (torch.sqrt(ms) + eps), ms


# ------------------------------------------------------------------ AdaDelta


def adadelta_step(w, ms, du, g, rho, eps):
    """Δ = √(du + ε)/√(ms + ε)·g with the new ms and the old du (Zeiler 2012, Algorithm 1)."""
    w, state = rules.adadelta(w, g, rules.AdaDeltaState(ms, du), 2, rho=rho, eps=eps)
    return w, state.ms, state.du


def _delta_steps(label, generator, rho, eps, *shape, steps=3):
    return Steps(
        label,
        start={
            "w": normal(generator, *shape),
            "ms": torch.rand(shape, generator=generator, dtype=F64),
            "du": 0.1 * torch.rand(shape, generator=generator, dtype=F64),
        },
        steps=[{"g": normal(generator, *shape), "rho": rho, "eps": eps} for _ in range(steps)],
    )


ADADELTA_STEP = Exercise(
    notebook="rmsprop",
    reference=adadelta_step,
    returns=("w", "ms", "du"),
    public=[
        Steps(
            "one weight, one step, by hand: Δ = √4/√9 · 3 = 2",
            start={
                "w": torch.tensor([1.0], dtype=F64),
                "ms": torch.tensor([7.0], dtype=F64),
                "du": torch.tensor([3.0], dtype=F64),
            },
            steps=[{"g": torch.tensor([3.0], dtype=F64), "rho": 0.5, "eps": 1.0}],
        ),
        _delta_steps("three steps", _seen, 0.9, 1e-6, 2, 3),
        _delta_steps("a large ε", _seen, 0.8, 0.2, 3),
        _delta_steps("three steps in float32", _seen, 0.95, 1e-3, 4).to(F32),
    ],
    draw=lambda generator: [
        _delta_steps("other values", generator, uniform(generator, 0.6, 0.95), 1e-6, 3, 2),
        _delta_steps("a large ε", generator, 0.7, uniform(generator, 0.1, 0.4), 4),
        _delta_steps("in float32", generator, 0.9, 1e-2, 4).to(F32),
    ],
    forbids=("torch.optim",),
)


@ADADELTA_STEP.misconception(
    "du is updated before the step; Δ needs the du of the steps before it",
    "Compute Δ with the old du, then du ← ρ·du + (1 − ρ)·Δ².",
)
def du_first(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g
    du = rho * du + (1 - rho) * delta**2
    return w - torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g, ms, du


@ADADELTA_STEP.misconception(
    "ε is outside the roots; in AdaDelta it is inside both",
    "√(du + ε) and √(ms + ε).",
)
def eps_outside(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = (torch.sqrt(du) + eps) / (torch.sqrt(ms) + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * delta**2


@ADADELTA_STEP.misconception(
    "ε is missing above: from du = 0 such a method never moves",
    "√(du + ε) above, √(ms + ε) below.",
)
def eps_missing_above(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = torch.sqrt(du) / torch.sqrt(ms + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * delta**2


@ADADELTA_STEP.misconception(
    "the roots are missing",
    "The ratio of the two root mean squares: √(du + ε)/√(ms + ε).",
)
def roots_missing(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = (du + eps) / (ms + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * delta**2


@ADADELTA_STEP.misconception(
    "the ratio is upside down",
    "Past updates above, gradients below: that gives the step the unit of a weight.",
)
def upside_down(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = torch.sqrt(ms + eps) / torch.sqrt(du + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * delta**2


@ADADELTA_STEP.misconception(
    "du collects squared gradients; it must collect squared updates",
    "du ← ρ·du + (1 − ρ)·Δ².",
)
def du_of_gradients(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * g**2


@ADADELTA_STEP.misconception(
    "Δ is not squared in du",
    "du is a mean of squares, like ms: ρ·du + (1 − ρ)·Δ².",
)
def du_not_squared(w, ms, du, g, rho, eps):
    ms = rho * ms + (1 - rho) * g**2
    delta = torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * delta.abs()


@ADADELTA_STEP.misconception(
    "the old ms is used for the step",
    "ms first, with today's gradient; then Δ; then du.",
)
def old_ms(w, ms, du, g, rho, eps):
    delta = torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g
    return w - delta, rho * ms + (1 - rho) * g**2, rho * du + (1 - rho) * delta**2


@ADADELTA_STEP.misconception(
    "ρ and 1 − ρ are swapped",
    "ρ is what is kept.",
)
def rho_swapped(w, ms, du, g, rho, eps):
    ms = (1 - rho) * ms + rho * g**2
    delta = torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g
    return w - delta, ms, (1 - rho) * du + rho * delta**2
