"""Exercises of the learning-rate decay notebook."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from lib import harness, schedules
from lib.check import Call, Case, Exercise, Observation
from lib.check.draws import F32, F64, uniform, whole


def _times(*values):
    return torch.tensor(values, dtype=F64)


@dataclass(frozen=True)
class Driven(Case):
    """A harness drives the function, because its arguments cannot leave their process.

    Attributes:
        harness: A function of ``lib.harness`` that returns rows (where, values).
        data: What the harness is given.
    """

    harness: Callable[..., Any]
    data: Mapping[str, Any] = field(default_factory=dict)

    def run(self, call):
        """Drive the function and return an observation a row."""
        rows = harness.where_it_lives(self.harness, call.function, **self.data)
        return [Observation(where, self.data, values) for where, values in rows]


# ------------------------------------------------------------------ exponential decay


def _exponential(label, t, lr0, k):
    return Call(label, {"t": t, "lr0": lr0, "k": k})


EXPONENTIAL = Exercise(
    notebook="lr-decay",
    reference=schedules.exponential,
    returns=("lr",),
    public=[
        _exponential("kt = 1, so η0/e: you can do this one by hand", 10, 0.5, 0.1),
        _exponential("t = 0: η0 itself", 0, 0.5, 0.1),
        _exponential("a whole number of steps, between two drops of a staircase", 13, 0.5, 0.05),
        _exponential("many times at once, as for a plot", _times(0, 1, 7, 30, 100), 0.5, 0.05),
        _exponential("many times in float32", _times(0, 3, 12), 0.2, 0.1).to(F32),
    ],
    draw=lambda generator: [
        _exponential("a number", whole(generator, 11, 19), uniform(generator, 0.1, 1), 0.07),
        _exponential("another number", whole(generator, 31, 39), 0.3, 0.021),
        _exponential(
            "a matrix of times",
            _times(1, 2, 15, 40).reshape(2, 2),
            0.3,
            uniform(generator, 0.02, 0.2),
        ),
        _exponential("in float32", _times(0, 5, 23), 0.9, 0.03).to(F32),
    ],
    rtol=1e-5,
    forbids=("lib.schedules", "torch.optim"),
)


@EXPONENTIAL.misconception(
    "torch.exp takes tensors only, and here t is a Python number (the slide's bug)",
    "t may be a number or a tensor. math.e ** x works for both.",
)
def torch_exp_of_a_number(t, lr0, k):
    return lr0 * torch.exp(-k * t)


@EXPONENTIAL.misconception(
    "math.exp takes single numbers only, and here t is a tensor of many times",
    "t may be a number or a tensor. math.e ** x works for both.",
)
def math_exp_of_a_tensor(t, lr0, k):
    return lr0 * math.exp(-k * t)


@EXPONENTIAL.misconception(
    "the sign of the exponent is missing: this grows",
    "η_t = η0 · e^(−kt), with a minus.",
)
def grows(t, lr0, k):
    return lr0 * math.e ** (k * t)


@EXPONENTIAL.misconception(
    "the base is 10; the formula has e",
    "At kt = 1 the rate is η0/e ≈ .368 η0, not a tenth.",
)
def base_ten(t, lr0, k):
    return lr0 * 10 ** (-k * t)


@EXPONENTIAL.misconception(
    "the base is 2; the formula has e",
    "At kt = 1 the rate is η0/e ≈ .368 η0, not a half.",
)
def base_two(t, lr0, k):
    return lr0 * 2 ** (-k * t)


@EXPONENTIAL.misconception(
    "the time is divided into whole tens: that is the staircase of the slide's code",
    "The formula is smooth: every t has a rate of its own.",
)
def staircase_of_ten(t, lr0, k):
    return lr0 * math.e ** (-k * (t // 10 * 10))


@EXPONENTIAL.misconception(
    "the exponent kt is cut down to a whole number",
    "k * t is a real number; // and int() have no place in it.",
)
def integer_exponent(t, lr0, k):
    return lr0 * math.e ** -(k * t // 1)


@EXPONENTIAL.misconception(
    "off by one: t counts from 0, so that the schedule starts at η0",
    "No t + 1. At t = 0 the rate is η0.",
)
def one_step_ahead(t, lr0, k):
    return lr0 * math.e ** (-k * (t + 1))


@EXPONENTIAL.misconception(
    "k is used as the factor that remains, η0 · kᵗ",
    "That is PyTorch's ExponentialLR with γ = k. Here the factor a step is e^(−k).",
)
def factor_k(t, lr0, k):
    return lr0 * k**t


@EXPONENTIAL.misconception(
    "(1 − k)ᵗ is close to e^(−kt) for small k only",
    "Use the exponential function itself.",
)
def compound(t, lr0, k):
    return lr0 * (1 - k) ** t


@EXPONENTIAL.misconception(
    "this is a straight line; exponential decay multiplies",
    "η_t = η0 · e^(−kt).",
)
def linear(t, lr0, k):
    return lr0 * (1 - k * t)


# ------------------------------------------------------------------ halving


def _halving(label, t, lr0, every):
    return Call(label, {"t": t, "lr0": lr0, "every": every})


HALVING = Exercise(
    notebook="lr-decay",
    reference=schedules.halving,
    returns=("lr",),
    public=[
        _halving("two drops are behind: by hand, 1/4", 7, 1.0, 3),
        _halving("just before the first drop", 2, 1.0, 3),
        _halving("at the first drop", 3, 1.0, 3),
        _halving("at the start", 0, 1.0, 3),
        _halving("many times at once", _times(0, 4, 5, 9, 10, 40), 0.5, 5),
        _halving("many times in float32", _times(0, 3, 12), 0.2, 4).to(F32),
    ],
    draw=lambda generator: [
        _halving("two and a half", 5 * (n := whole(generator, 2, 6)), 0.7, 2 * n),
        _halving("at the third drop", 3 * (n := whole(generator, 4, 9)), 0.7, n),
        _halving("the last epoch before it", 3 * n - 1, 0.7, n),
        _halving("at the start", 0, 0.4, 4),
        _halving("a matrix", _times(0, 9, 10, 29, 30, 31).reshape(2, 3), 0.3, 10),
        _halving("in float32", _times(0, 5, 23), 0.9, 6).to(F32),
    ],
    rtol=1e-5,
    forbids=("lib.schedules", "torch.optim"),
)


@HALVING.misconception(
    "the rate falls smoothly; it must stay the same between two drops",
    "The exponent is the number of drops so far, a whole number: t // every.",
)
def smooth_halving(t, lr0, every):
    return lr0 * 0.5 ** (t / every)


@HALVING.misconception(
    "the drop comes one epoch late",
    "At t = every the rate is already halved: t // every is 1 there.",
)
def drops_late(t, lr0, every):
    return lr0 * 0.5 ** ((t + (t == 0) - 1) // every)


@HALVING.misconception(
    "the drop comes one epoch early",
    "t counts from 0. The rate stays η0 for t = 0 … every − 1.",
)
def drops_early(t, lr0, every):
    return lr0 * 0.5 ** ((t + 1) // every)


@HALVING.misconception(
    "it is halved already at the start",
    "At t = 0 no drop is behind: the exponent is 0.",
)
def halved_at_once(t, lr0, every):
    return lr0 * 0.5 ** (t // every + 1)


@HALVING.misconception(
    "it is halved once and never again (the slide's η₁/2, taken at its word)",
    "Each drop halves the rate before it: after n drops the rate is η0 / 2ⁿ.",
)
def halved_once(t, lr0, every):
    return lr0 * (1 - 0.5 * (t >= every))


@HALVING.misconception(
    "n drops divide by n + 1; they must divide by 2ⁿ",
    "Halving twice leaves a quarter.",
)
def divides_by_count(t, lr0, every):
    return lr0 / (1 + t // every)


@HALVING.misconception(
    "n drops divide by 2n; they must divide by 2ⁿ",
    "Halving is a power: 2 ** n, not 2 * n.",
)
def divides_by_twice_the_count(t, lr0, every):
    return lr0 / (2 * (t // every))


@HALVING.misconception(
    "the rate is halved at every epoch",
    "Only every `every` epochs: the exponent is t // every.",
)
def halved_every_epoch(t, lr0, every):
    return lr0 * 0.5**t


@HALVING.misconception(
    "2 and `every` have changed places",
    "The factor is a half; how often it is applied is t // every.",
)
def constants_swapped(t, lr0, every):
    return lr0 * (1 / every) ** (t // 2)


@HALVING.misconception(
    "math.floor and int take single numbers only, and here t is a tensor of many times",
    "t // every works for numbers and for tensors.",
)
def floor_of_a_tensor(t, lr0, every):
    return lr0 * 0.5 ** int(t / every)


# ------------------------------------------------------------------ inverse decay


def _inverse(label, t, lr0, k):
    return Call(label, {"t": t, "lr0": lr0, "k": k})


INVERSE = Exercise(
    notebook="lr-decay",
    reference=schedules.inverse,
    returns=("lr",),
    public=[
        _inverse("kt = 1: by hand, half of η0", 10, 0.5, 0.1),
        _inverse("at the start", 0, 0.5, 0.1),
        _inverse("kt = 2.5", 25, 0.5, 0.1),
        _inverse("many times at once", _times(0, 1, 7, 30, 100), 0.5, 0.05),
        _inverse("many times in float32", _times(0, 3, 12), 0.2, 0.4).to(F32),
    ],
    draw=lambda generator: [
        _inverse("a number", whole(generator, 11, 19), uniform(generator, 0.1, 1), 0.07),
        _inverse("at the start", 0, uniform(generator, 0.2, 0.9), 0.3),
        _inverse("a matrix", _times(1, 2, 15, 40).reshape(2, 2), 0.3, uniform(generator, 0.1, 2)),
        _inverse("in float32", _times(0, 5, 23), 0.9, 0.03).to(F32),
    ],
    rtol=1e-5,
    forbids=("lib.schedules", "torch.optim"),
)


@INVERSE.misconception(
    "parentheses are missing: η0 / 1 + kt grows",
    "Divide by the whole sum: lr0 / (1 + k * t).",
)
def parentheses_missing(t, lr0, k):
    return lr0 / 1 + k * t


@INVERSE.misconception(
    "the 1 in the denominator is missing",
    "Without it the schedule does not start at η0, and at t = 0 it divides by zero.",
)
def one_missing(t, lr0, k):
    return lr0 / (k * t)


@INVERSE.misconception(
    "the power is taken where the product is meant: (1 + k)ᵗ is exponential decay",
    "The denominator grows in a straight line: 1 + k·t.",
)
def power_for_product(t, lr0, k):
    return lr0 / (1 + k) ** t


@INVERSE.misconception(
    "this is exponential decay",
    "Inverse decay is η0 / (1 + kt): slower, and its sum over all t is infinite.",
)
def exponential_instead(t, lr0, k):
    return lr0 * math.e ** (-k * t)


@INVERSE.misconception(
    "the denominator is cut down to a whole number",
    "1 + k·t is a real number; // has no place in it.",
)
def whole_denominator(t, lr0, k):
    return lr0 / (1 + k * t // 1)


@INVERSE.misconception(
    "off by one: t counts from 0, so that the schedule starts at η0",
    "No t + 1. At t = 0 the rate is η0.",
)
def inverse_one_ahead(t, lr0, k):
    return lr0 / (1 + k * (t + 1))


@INVERSE.misconception(
    "a root is taken; the lecture's inverse decay has none",
    "η0 / √(1 + kt) falls more slowly. Here: η0 / (1 + kt).",
)
def inverse_root(t, lr0, k):
    return lr0 / (1 + k * t) ** 0.5


# ------------------------------------------------------------------ triangular


def _triangular(label, t, lr_min, lr_max, stepsize):
    return Call(label, {"t": t, "lr_min": lr_min, "lr_max": lr_max, "stepsize": stepsize})


TRIANGULAR = Exercise(
    notebook="lr-decay",
    reference=schedules.triangular,
    returns=("lr",),
    public=[
        _triangular("half of the way up: by hand, 2", 2, 1.0, 3.0, 4),
        _triangular("at the start", 0, 1.0, 3.0, 4),
        _triangular("at the top", 4, 1.0, 3.0, 4),
        _triangular("a quarter of the way down", 5, 1.0, 3.0, 4),
        _triangular("in the third cycle", 17, 1.0, 3.0, 4),
        _triangular(
            "Smith's own numbers", _times(0, 500, 2000, 3300, 4000, 9000), 0.001, 0.006, 2000
        ),
        _triangular("many times in float32", _times(0, 3, 12, 17), 0.1, 0.5, 5).to(F32),
    ],
    draw=lambda generator: [
        _triangular("on the way up", 3, lr := uniform(generator, 0.1, 0.3), 5 * lr, 10),
        _triangular("on the way down", 13, lr, 4 * lr, 10),
        _triangular("in a later cycle", 10 * whole(generator, 4, 9) + 3, lr, 7 * lr, 10),
        _triangular("a matrix", _times(0, 1, 4, 5, 10, 33).reshape(3, 2), 0.2, 0.9, 5),
        _triangular("in float32", _times(0, 5, 23), 0.3, 0.9, 6).to(F32),
    ],
    rtol=1e-5,
    forbids=("lib.schedules", "torch.optim"),
)


@TRIANGULAR.misconception(
    "stepsize is taken for the whole cycle; it is half of one",
    "Up for stepsize steps and down for stepsize steps: a cycle takes 2·stepsize.",
)
def stepsize_is_the_cycle(t, lr_min, lr_max, stepsize):
    half = stepsize / 2
    x = abs(t / half - 2 * (1 + t // stepsize) + 1)
    return lr_min + (lr_max - lr_min) * (1 - x)


@TRIANGULAR.misconception(
    "the triangle stands on its head: it starts at the top",
    "At t = 0 the rate is lr_min: use 1 − x, with x = 1 at the start and 0 at the top.",
)
def upside_down(t, lr_min, lr_max, stepsize):
    x = abs(t / stepsize - 2 * (1 + t // (2 * stepsize)) + 1)
    return lr_min + (lr_max - lr_min) * x


@TRIANGULAR.misconception(
    "lr_max is added to lr_min; what is added is the difference of the two",
    "The top must be lr_max: lr_min + (lr_max − lr_min)·(1 − x).",
)
def too_high(t, lr_min, lr_max, stepsize):
    x = abs(t / stepsize - 2 * (1 + t // (2 * stepsize)) + 1)
    return lr_min + lr_max * (1 - x)


@TRIANGULAR.misconception(
    "lr_min is forgotten: the cycle comes down to 0",
    "Add lr_min: the rate moves between lr_min and lr_max.",
)
def bottom_is_zero(t, lr_min, lr_max, stepsize):
    x = abs(t / stepsize - 2 * (1 + t // (2 * stepsize)) + 1)
    return lr_max * (1 - x)


@TRIANGULAR.misconception(
    "this is a saw: it goes up and then falls at once to lr_min",
    "After the top the rate comes down as slowly as it went up: that is what |…| is for.",
)
def saw(t, lr_min, lr_max, stepsize):
    return lr_min + (lr_max - lr_min) * (t % stepsize) / stepsize


@TRIANGULAR.misconception(
    "there is only one cycle; after it the rate must go up again",
    "Count cycles: cycle = 1 + t // (2·stepsize).",
)
def single_cycle(t, lr_min, lr_max, stepsize):
    return lr_min + (lr_max - lr_min) * (1 - abs(t / stepsize - 1))


@TRIANGULAR.misconception(
    "the absolute value is missing, so the second half of a cycle goes on upwards",
    "x = |t/stepsize − 2·cycle + 1|.",
)
def no_absolute_value(t, lr_min, lr_max, stepsize):
    x = t / stepsize - 2 * (1 + t // (2 * stepsize)) + 1
    return lr_min + (lr_max - lr_min) * (1 + x)


@TRIANGULAR.misconception(
    "t/stepsize is divided down to a whole number, which leaves only the corners",
    "Only the count of cycles is whole. Inside a cycle, t / stepsize with one slash.",
)
def corners_only(t, lr_min, lr_max, stepsize):
    x = abs(t // stepsize - 2 * (1 + t // (2 * stepsize)) + 1)
    return lr_min + (lr_max - lr_min) * (1 - x)


# ------------------------------------------------------------------ what is left of the error


def residual(lr, lam, k, steps):
    """∏ (1 − ηλe^(−kt)) for t = 0 … steps − 1."""
    return math.prod(1 - lr * lam * math.exp(-k * t) for t in range(steps))


def _residual(label, lr, lam, k, steps):
    return Call(label, {"lr": lr, "lam": lam, "k": k, "steps": steps})


RESIDUAL = Exercise(
    notebook="lr-decay",
    reference=residual,
    returns=("share",),
    public=[
        _residual("one step: 1 − ηλ, by hand .8", 0.1, 2.0, 0.3, 1),
        _residual("two steps, the rate halved in between: .8 · .9", 0.1, 2.0, math.log(2), 2),
        _residual("no step at all", 0.1, 2.0, 0.3, 0),
        _residual("no decay: (1 − ηλ)¹⁰", 0.1, 2.0, 0.0, 10),
        _residual("two hundred steps", 0.05, 1.0, 0.05, 200),
    ],
    draw=lambda generator: (
        [
            _residual(
                "some numbers",
                uniform(generator, 0.02, 0.1),
                uniform(generator, 0.5, 2.0),
                uniform(generator, 0.02, 0.3),
                whole(generator, 7, 60),
            )
            for _ in range(3)
        ]
        + [_residual("no step at all", 0.1, 1.0, 0.1, 0), _residual("no decay", 0.1, 1.0, 0.0, 5)]
    ),
    rtol=1e-7,
    forbids=("lib.schedules",),
)


@RESIDUAL.misconception(
    "the first factor is skipped: t must start at 0, where the rate is η itself",
    "for t in range(steps): 0, 1, …, steps − 1.",
)
def starts_at_one(lr, lam, k, steps):
    return math.prod(1 - lr * lam * math.exp(-k * t) for t in range(1, steps + 1))


@RESIDUAL.misconception(
    "there is one factor too many",
    "steps factors: t = 0 … steps − 1, as range(steps) gives them.",
)
def one_too_many(lr, lam, k, steps):
    return math.prod(1 - lr * lam * math.exp(-k * t) for t in range(steps + 1))


@RESIDUAL.misconception(
    "the decay of the rate is left out",
    "At step t the factor is 1 − ηλe^(−kt), another one each time.",
)
def rate_constant(lr, lam, k, steps):
    return (1 - lr * lam) ** steps


@RESIDUAL.misconception(
    "all factors are the last one; the rate was larger in the steps before",
    "Multiply steps different factors: a loop, or math.prod of a generator.",
)
def last_factor_only(lr, lam, k, steps):
    return (1 - lr * lam * math.exp(-k * (steps - 1))) ** steps


@RESIDUAL.misconception(
    "this is the approximation e^(−Σ ηλe^(−kt)); the product itself is asked for",
    "1 − x is a little less than e^(−x). Multiply the factors 1 − x.",
)
def exponential_of_the_sum(lr, lam, k, steps):
    return math.exp(-sum(lr * lam * math.exp(-k * t) for t in range(steps)))


@RESIDUAL.misconception(
    "the terms are added up; each step multiplies the error",
    "1 − Σx is only the beginning of ∏(1 − x).",
)
def sum_for_product(lr, lam, k, steps):
    return 1 - sum(lr * lam * math.exp(-k * t) for t in range(steps))


@RESIDUAL.misconception(
    "the share that is gone is returned; asked is the share that is left",
    "Return the product itself, not 1 minus it.",
)
def share_gone(lr, lam, k, steps):
    return 1 - math.prod(1 - lr * lam * math.exp(-k * t) for t in range(steps))


@RESIDUAL.misconception(
    "the decay multiplies the error; it belongs to the rate",
    "e^(−kt) stands beside η, inside 1 − ηλe^(−kt).",
)
def decay_on_the_error(lr, lam, k, steps):
    return math.prod((1 - lr * lam) * math.exp(-k * t) for t in range(steps))


# ------------------------------------------------------------------ how fast one may decay


def fastest_decay(lr, lam, share):
    """K at which e^(−ηλ/(1 − e^(−k))) = share: k = −ln(1 − ηλ/ln(1/share))."""
    return -math.log(1 - lr * lam / math.log(1 / share))


def _fastest(label, lr, lam, share):
    return Call(label, {"lr": lr, "lam": lam, "share": share})


FASTEST_DECAY = Exercise(
    notebook="lr-decay",
    reference=fastest_decay,
    returns=("k",),
    public=[
        _fastest("ln(1/share) = 2ηλ, so k = ln 2", 0.5, 2.0, math.exp(-2)),
        _fastest("one percent may stay", 0.05, 1.0, 0.01),
        _fastest("a flat direction", 0.1, 0.02, 0.1),
        _fastest("a steep one", 0.5, 3.0, 0.1),
    ],
    draw=lambda generator: [
        _fastest(
            "some numbers",
            uniform(generator, 0.02, 0.5),
            uniform(generator, 0.5, 2.0),
            uniform(generator, 0.01, 0.3),
        )
        for _ in range(4)
    ],
    rtol=1e-7,
)


@FASTEST_DECAY.misconception(
    "the sum is taken as ηλ/k, which it is only for small k; use ηλ/(1 − e^(−k))",
    "Sum the geometric series exactly: 1 + q + q² + … = 1/(1 − q), with q = e^(−k).",
)
def small_k(lr, lam, share):
    return lr * lam / math.log(1 / share)


@FASTEST_DECAY.misconception(
    "the sign of the logarithm is lost, and with it k is negative",
    "share < 1, so ln(share) < 0: the sum of all ηλ must be −ln(share) = ln(1/share).",
)
def negative(lr, lam, share):
    return math.log(1 - lr * lam / math.log(1 / share))


@FASTEST_DECAY.misconception(
    "ln(share) stands where ln(1/share) is needed",
    "e^(−S) = share means S = −ln(share), a positive number.",
)
def wrong_logarithm(lr, lam, share):
    return -math.log(1 - lr * lam / math.log(share))


@FASTEST_DECAY.misconception(
    "the logarithm is to base 10",
    "The share is e^(−S): use math.log, the natural logarithm.",
)
def log_ten(lr, lam, share):
    return -math.log(1 - lr * lam / math.log10(1 / share))


@FASTEST_DECAY.misconception(
    "the factor e^(−k) is returned; asked is k",
    "From q = e^(−k) follows k = −ln q.",
)
def factor_for_k(lr, lam, share):
    return 1 - lr * lam / math.log(1 / share)


@FASTEST_DECAY.misconception(
    "this makes the share that is gone equal to `share`; it is the share that is left",
    "Solve e^(−S) = share, not 1 − e^(−S) = share.",
)
def share_gone_for_left(lr, lam, share):
    return -math.log(1 + lr * lam / math.log(1 - share)) if -math.log(1 - share) > lr * lam else 0.0


# ------------------------------------------------------------------ the slide's function, repaired


def adjust_learning_rate(optimizer, epoch, initial_lr, decay_rate):
    """Set η0·e^(−k·epoch) in every group at every tenth epoch; else leave the rate."""
    if epoch % 10 == 0:
        for group in optimizer.param_groups:
            group["lr"] = initial_lr * math.exp(-decay_rate * epoch)


def _adjusted(label, epochs, groups, initial_lr, decay_rate):
    data = {
        "epochs": list(epochs),
        "groups": groups,
        "initial_lr": initial_lr,
        "decay_rate": decay_rate,
    }
    return Driven(label, harness.adjusted_rates, data)


ADJUST_LEARNING_RATE = Exercise(
    notebook="lr-decay",
    reference=adjust_learning_rate,
    returns=("nothing",),
    public=[
        _adjusted("one group; at epoch 10 the rate is 1/e", (0, 9, 10), 1, 1.0, 0.1),
        _adjusted("every epoch from 0 to 25, two groups", range(26), 2, 0.5, 0.05),
    ],
    draw=lambda generator: [
        _adjusted(
            "thirty epochs, three groups",
            range(31),
            3,
            uniform(generator, 0.1, 1.0),
            uniform(generator, 0.03, 0.2),
        )
    ],
    rtol=1e-5,
    forbids=("lib.schedules", "torch.optim.lr_scheduler"),
)


@ADJUST_LEARNING_RATE.misconception(
    "torch.exp takes tensors only, and this is a float (the slide's bug)",
    "math.exp(−decay_rate * epoch).",
)
def slide_as_it_is(optimizer, epoch, initial_lr, decay_rate):
    if not epoch % 10:
        lr = initial_lr * torch.exp(-decay_rate * epoch)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr


@ADJUST_LEARNING_RATE.misconception(
    "the rate changes at every epoch; the slide's changes at every tenth and stays in between",
    "Keep the slide's first line: if not epoch % 10.",
)
def every_epoch(optimizer, epoch, initial_lr, decay_rate):
    for group in optimizer.param_groups:
        group["lr"] = initial_lr * math.exp(-decay_rate * epoch)


@ADJUST_LEARNING_RATE.misconception(
    "the decay is applied to the rate that has decayed already, so it compounds",
    "e^(−k·epoch) holds all the decay since the start: multiply initial_lr by it.",
)
def compounding(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10 == 0:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * math.exp(-decay_rate * epoch)


@ADJUST_LEARNING_RATE.misconception(
    "only the first parameter group gets the new rate",
    "for group in optimizer.param_groups: all of them.",
)
def first_group_only(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10 == 0:
        optimizer.param_groups[0]["lr"] = initial_lr * math.exp(-decay_rate * epoch)


@ADJUST_LEARNING_RATE.misconception(
    "the exponent counts drops, epoch // 10, where the slide's counts epochs",
    "e^(−decay_rate · epoch): decay_rate is per epoch.",
)
def integer_divided_exponent(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10 == 0:
        for group in optimizer.param_groups:
            group["lr"] = initial_lr * math.exp(-decay_rate * (epoch // 10))


@ADJUST_LEARNING_RATE.misconception(
    "the base is 10; the formula has e",
    "math.exp(−decay_rate * epoch).",
)
def adjusts_to_base_ten(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10 == 0:
        for group in optimizer.param_groups:
            group["lr"] = initial_lr * 10 ** (-decay_rate * epoch)


@ADJUST_LEARNING_RATE.misconception(
    "the test is turned round: it acts in all epochs but every tenth",
    "`not epoch % 10` is true when the remainder is 0.",
)
def test_reversed(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10:
        for group in optimizer.param_groups:
            group["lr"] = initial_lr * math.exp(-decay_rate * epoch)


@ADJUST_LEARNING_RATE.misconception(
    "the groups keep their rate: what was set is no part of them",
    "An optimizer reads group['lr'] in each of optimizer.param_groups, nothing else.",
)
def sets_an_attribute(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10 == 0:
        optimizer.lr = initial_lr * math.exp(-decay_rate * epoch)


@ADJUST_LEARNING_RATE.misconception(
    "the drop comes one epoch early",
    "Test epoch % 10, not (epoch + 1) % 10.",
)
def adjusts_early(optimizer, epoch, initial_lr, decay_rate):
    if (epoch + 1) % 10 == 0:
        for group in optimizer.param_groups:
            group["lr"] = initial_lr * math.exp(-decay_rate * (epoch + 1))


# ------------------------------------------------------------------ what LambdaLR computes


@dataclass(frozen=True)
class Epochs(Case):
    """Several epochs, with one list of rates that is given each time.

    Attributes:
        lr0s: First rate of each group.
        lambdas: A function for each group, by its text.
        epochs: The epochs to ask for.
    """

    lr0s: Sequence[float]
    lambdas: Mapping[str, Callable[[int], float]]
    epochs: Sequence[int]

    def run(self, call):
        """Ask for one epoch after the other."""
        lr0s, seen = list(self.lr0s), []
        for epoch in self.epochs:
            given = {"lr0s": list(self.lr0s), "lambdas": list(self.lambdas), "epoch": epoch}
            values = call(lr0s=lr0s, lambdas=tuple(self.lambdas.values()), epoch=epoch)
            seen.append(Observation(f"epoch {epoch}", given, values))
        return seen


def lambda_lr(lr0s, lambdas, epoch):
    """η_i = η0_i · λ_i(epoch)."""
    return [lr0 * factor(epoch) for lr0, factor in zip(lr0s, lambdas, strict=True)]


def _lambda_hidden(generator):
    a, b = uniform(generator, 0.7, 0.95), uniform(generator, 0.1, 0.6)
    lambdas = {"aᵗ": lambda t: a**t, "b to the ⌊t/3⌋": lambda t: b ** (t // 3), "1": lambda t: 1.0}
    lr0s = [uniform(generator, 0.1, 0.9) for _ in lambdas]
    return [Epochs("three groups, six epochs", lr0s, lambdas, [0, 1, 2, 3, 4, 9])]


LAMBDA_LR = Exercise(
    notebook="lr-decay",
    reference=lambda_lr,
    returns=("lrs",),
    public=[
        Epochs(
            "two groups, the second halved each epoch: by hand",
            [1.0, 0.8],
            {"1 / (1 + t)": lambda t: 1 / (1 + t), "0.5 ** t": lambda t: 0.5**t},
            [0, 1, 2, 3],
        ),
        Epochs(
            "the slide's two functions, as they are",
            [0.5, 0.1],
            {"t // 30": lambda t: t // 30, "0.95 ** t": lambda t: 0.95**t},
            [0, 29, 30, 90],
        ),
    ],
    draw=_lambda_hidden,
    rtol=1e-7,
    forbids=("lib.schedules", "torch.optim"),
)


@LAMBDA_LR.misconception(
    "the list of first rates is overwritten, so the decay compounds from call to call",
    "Make a new list. lr0s are the rates at epoch 0 and must stay so.",
)
def overwrites(lr0s, lambdas, epoch):
    for i, factor in enumerate(lambdas):
        lr0s[i] = lr0s[i] * factor(epoch)
    return list(lr0s)


@LAMBDA_LR.misconception(
    "the decay compounds: all factors up to this epoch are multiplied",
    "LambdaLR multiplies the *first* rate by λ(epoch), once. (MultiplicativeLR compounds.)",
)
def multiplicative(lr0s, lambdas, epoch):
    return [
        lr0 * math.prod(factor(t) for t in range(1, epoch + 1))
        for lr0, factor in zip(lr0s, lambdas, strict=True)
    ]


@LAMBDA_LR.misconception(
    "all groups use the first function",
    "Pair them: for lr0, factor in zip(lr0s, lambdas).",
)
def first_for_all(lr0s, lambdas, epoch):
    return [lr0 * lambdas[0](epoch) for lr0 in lr0s]


@LAMBDA_LR.misconception(
    "the factors are returned without the first rates",
    "The new rate is lr0 · λ(epoch).",
)
def factors_only(lr0s, lambdas, epoch):
    return [factor(epoch) for factor in lambdas]


@LAMBDA_LR.misconception(
    "off by one: the functions are asked for the next epoch",
    "λ(epoch), with the epoch that was given.",
)
def next_epoch(lr0s, lambdas, epoch):
    return [lr0 * factor(epoch + 1) for lr0, factor in zip(lr0s, lambdas, strict=True)]


@LAMBDA_LR.misconception(
    "only the first group's rate is returned",
    "Return a list with one rate for each group.",
)
def one_group(lr0s, lambdas, epoch):
    return [lr0s[0] * lambdas[0](epoch)]


@LAMBDA_LR.misconception(
    "the factor is subtracted or added; LambdaLR multiplies",
    "lr0 · λ(epoch).",
)
def adds(lr0s, lambdas, epoch):
    return [lr0 + factor(epoch) for lr0, factor in zip(lr0s, lambdas, strict=True)]


# ------------------------------------------------------------------ the slide's two groups


def two_group_scheduler(optimizer, epochs_done):
    """LambdaLR with a tenth every 30 epochs and .95 every epoch, from any epoch on."""
    lambdas = [lambda epoch: 0.1 ** (epoch // 30), lambda epoch: 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)


def _two_groups(label, lrs, epochs_done, epochs):
    data = {"lrs": lrs, "epochs_done": epochs_done, "epochs": epochs}
    return Driven(label, harness.scheduled_rates, data)


TWO_GROUP_SCHEDULER = Exercise(
    notebook="lr-decay",
    reference=two_group_scheduler,
    returns=("scheduler",),
    public=[
        _two_groups("a new run of 65 epochs", [1.0, 0.5], 0, 65),
        _two_groups("going on after 29 epochs", [1.0, 0.5], 29, 4),
    ],
    draw=lambda generator: [
        _two_groups("a new run", [lr := uniform(generator, 0.1, 0.9), 0.3], 0, 70),
        _two_groups("going on", [lr, 0.7], whole(generator, 25, 50), 40),
    ],
    rtol=1e-6,
    forbids=("lib.schedules",),
)


@TWO_GROUP_SCHEDULER.misconception(
    "the slide's epoch // 30 is used as the factor: 0 for 30 epochs, then 1, 2, 3, …",
    "The factor multiplies the first rate. A tenth for each 30 epochs: 0.1 ** (epoch // 30).",
)
def slide_lambda(optimizer, epochs_done):
    lambdas = [lambda epoch: epoch // 30, lambda epoch: 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)


@TWO_GROUP_SCHEDULER.misconception(
    "a resumed run is one epoch ahead: last_epoch is the index of the last epoch done",
    "Epochs count from 0: after 29 of them the last one was number 28. A new run has −1.",
)
def resumes_one_ahead(optimizer, epochs_done):
    lambdas = [lambda epoch: 0.1 ** (epoch // 30), lambda epoch: 0.95**epoch]
    last = epochs_done if epochs_done else -1
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=last)


@TWO_GROUP_SCHEDULER.misconception(
    "a resumed run starts its schedule over",
    "Tell LambdaLR which epoch was the last: last_epoch=epochs_done − 1.",
)
def starts_over(optimizer, epochs_done):
    lambdas = [lambda epoch: 0.1 ** (epoch // 30), lambda epoch: 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas)


@TWO_GROUP_SCHEDULER.misconception(
    "the two functions have changed places",
    "The list has one function a group, in the order of the groups.",
)
def functions_swapped(optimizer, epochs_done):
    lambdas = [lambda epoch: 0.95**epoch, lambda epoch: 0.1 ** (epoch // 30)]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)


@TWO_GROUP_SCHEDULER.misconception(
    "both groups have the first function",
    "A list of two functions, one for each group.",
)
def same_for_both(optimizer, epochs_done):
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda epoch: 0.1 ** (epoch // 30), last_epoch=epochs_done - 1
    )


@TWO_GROUP_SCHEDULER.misconception(
    "** binds before //: 0.1 ** epoch // 30 is (0.1 ** epoch) // 30, which is 0",
    "Parentheses: 0.1 ** (epoch // 30).",
)
def precedence(optimizer, epochs_done):
    lambdas = [lambda epoch: 0.1**epoch // 30, lambda epoch: 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)


@TWO_GROUP_SCHEDULER.misconception(
    "the first group falls a little every epoch; it must stay for 30 and then drop",
    "The exponent is the number of drops, a whole number: epoch // 30.",
)
def first_group_smooth(optimizer, epochs_done):
    lambdas = [lambda epoch: 0.1 ** (epoch / 30), lambda epoch: 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)


@TWO_GROUP_SCHEDULER.misconception(
    "the first rates are multiplied in a second time: a factor is asked for, not a rate",
    "LambdaLR multiplies the group's first rate by your function's value.",
)
def rates_for_factors(optimizer, epochs_done):
    first, second = (group["lr"] for group in optimizer.param_groups)
    lambdas = [lambda epoch: first * 0.1 ** (epoch // 30), lambda epoch: second * 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)


# ------------------------------------------------------------------ the slide's loop


def run_epochs(epochs, train, validate, scheduler):
    """Train, validate, and only then let the scheduler step."""
    for epoch in range(epochs):
        train(epoch)
        validate(epoch)
        scheduler.step()


def _looped(label, epochs, lr, gamma):
    return Driven(label, harness.looped_rates, {"epochs": epochs, "lr": lr, "gamma": gamma})


RUN_EPOCHS = Exercise(
    notebook="lr-decay",
    reference=run_epochs,
    returns=("nothing",),
    public=[
        _looped("three epochs, the rate halved after each: 1, 1/2, 1/4", 3, 1.0, 0.5),
        _looped("five epochs", 5, 0.1, 0.9),
    ],
    draw=lambda generator: [
        _looped("some epochs", whole(generator, 4, 8), 0.3, uniform(generator, 0.3, 0.9))
    ],
    rtol=1e-7,
)


@RUN_EPOCHS.misconception(
    "the scheduler steps before the training (the slide's order): the first rate is never used",
    "Since PyTorch 1.1 the scheduler sets the first rate when it is made. Step it last.",
)
def slide_order(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        scheduler.step()
        train(epoch)
        validate(epoch)


@RUN_EPOCHS.misconception(
    "the scheduler never steps, so the rate stays as it is",
    "Call scheduler.step() once an epoch.",
)
def never_steps(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        train(epoch)
        validate(epoch)


@RUN_EPOCHS.misconception(
    "the scheduler steps twice an epoch",
    "Once, after the training.",
)
def steps_twice(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        train(epoch)
        scheduler.step()
        validate(epoch)
        scheduler.step()


@RUN_EPOCHS.misconception(
    "the scheduler steps once, after all epochs",
    "scheduler.step() belongs inside the loop.",
)
def outside_the_loop(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        train(epoch)
        validate(epoch)
    scheduler.step()


@RUN_EPOCHS.misconception(
    "validate is not called",
    "Validate after each epoch's training: you will need it to judge the decay.",
)
def never_validates(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        train(epoch)
        scheduler.step()


@RUN_EPOCHS.misconception(
    "validation comes before training",
    "What the epoch's training achieved is seen after it.",
)
def validates_first(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        validate(epoch)
        train(epoch)
        scheduler.step()


@RUN_EPOCHS.misconception(
    "epochs count from 1; they must count from 0",
    "for epoch in range(epochs).",
)
def counts_from_one(epochs, train, validate, scheduler):
    for epoch in range(1, epochs + 1):
        train(epoch)
        validate(epoch)
        scheduler.step()


@RUN_EPOCHS.misconception(
    "scheduler.step(epoch) sets the rate of the epoch that is over, one too late",
    "scheduler.step() without an argument: it counts by itself. (The argument is deprecated.)",
)
def steps_to_the_epoch(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        train(epoch)
        validate(epoch)
        scheduler.step(epoch)


# ------------------------------------------------------------------ judged by validation


def _plateau(label, val_history, patience, factor, lr0):
    return Call(
        label,
        {"val_history": val_history, "patience": patience, "factor": factor, "lr0": lr0},
    )


_UPS_AND_DOWNS = [5.0, 4.0, 4.5, 4.2, 4.1, 3.9, 3.9, 3.9, 4.4, 4.3, 4.25, 4.2, 3.5, 3.6, 3.6]


def _plateau_hidden(generator):
    noise = torch.rand(40, generator=generator, dtype=F64)
    wavy = [round(3 / (1 + t) + noise[t].item(), 2) for t in range(40)]
    factor = uniform(generator, 0.2, 0.7)
    return [
        _plateau("a wavy history", wavy, 2, factor, 0.3),
        _plateau("its beginning", wavy[:11], 1, factor, 0.3),
        _plateau("never better", [1.0, *[1.5] * whole(generator, 9, 14)], 2, factor, 1.0),
        _plateau("standing still", [1.0] * whole(generator, 4, 9), 1, factor, 1.0),
        _plateau("never two bad ones in a row", [5.0, 6.0, 4.0, 5.0, 3.0, 4.0], 1, factor, 1.0),
        _plateau("falling", [5.0, 4.0, 3.0, 2.0, 1.0], 0, factor, 1.0),
        _plateau("down again, but not as far", [3.0, 1.0, 2.5, 2.0, 1.5], 1, factor, 1.0),
        _plateau("better after a decay, but not best", [1.0, 3.0, 3.0, 2.0, 2.0], 1, factor, 1.0),
    ]


DECAY_ON_PLATEAU = Exercise(
    notebook="lr-decay",
    reference=schedules.decay_on_plateau,
    returns=("lr",),
    public=[
        _plateau("two bad epochs with patience 1: one decay", [3.0, 2.0, 2.5, 2.5], 1, 0.1, 1.0),
        _plateau("one bad epoch is tolerated", [3.0, 2.0, 2.5], 1, 0.1, 1.0),
        _plateau("no history yet", [], 1, 0.1, 1.0),
        _plateau("getting better all the time", [4.0, 3.0, 2.0, 1.0], 0, 0.1, 1.0),
        _plateau("standing still is not getting better", [2.0, 2.0, 2.0], 1, 0.5, 1.0),
        _plateau("seven bad epochs, patience 2: two decays", [1.0, *[1.5] * 7], 2, 0.5, 1.0),
        _plateau("down again, but not below the best", [3.0, 1.0, 2.5, 2.0, 1.5], 1, 0.5, 1.0),
        _plateau("the best survives a decay", [1.0, 3.0, 3.0, 2.0, 2.0], 1, 0.5, 1.0),
        _plateau("bad epochs, but never two in a row", [5.0, 6.0, 4.0, 5.0, 3.0], 1, 0.5, 1.0),
        _plateau("ups and downs", _UPS_AND_DOWNS, 2, 0.5, 0.4),
    ],
    draw=_plateau_hidden,
    rtol=1e-9,
    forbids=("lib.schedules", "torch.optim"),
)


@DECAY_ON_PLATEAU.misconception(
    "it decays one bad epoch too early: `patience` bad epochs in a row are tolerated",
    "Decay when the count is larger than patience, not when it reaches it.",
)
def impatient(val_history, patience, factor, lr0):
    lr, best, bad = lr0, math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value < best else (best, bad + 1)
        if bad >= patience and bad:
            lr, bad = lr * factor, 0
    return lr


@DECAY_ON_PLATEAU.misconception(
    "the count of bad epochs is not set back after a decay, so every further one decays again",
    "After a decay the new rate gets its chance: bad = 0.",
)
def count_not_reset(val_history, patience, factor, lr0):
    lr, best, bad = lr0, math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value < best else (best, bad + 1)
        if bad > patience:
            lr = lr * factor
    return lr


@DECAY_ON_PLATEAU.misconception(
    "each value is compared with the one before; it must beat the best so far",
    "Keep the smallest value seen. Down from a peak is no improvement.",
)
def against_previous(val_history, patience, factor, lr0):
    lr, last, bad = lr0, math.inf, 0
    for value in val_history:
        bad = 0 if value < last else bad + 1
        last = value
        if bad > patience:
            lr, bad = lr * factor, 0
    return lr


@DECAY_ON_PLATEAU.misconception(
    "an equal value counts as an improvement; it must be lower",
    "value < best, not <=. A loss that stands still is a plateau.",
)
def equal_is_better(val_history, patience, factor, lr0):
    lr, best, bad = lr0, math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value <= best else (best, bad + 1)
        if bad > patience:
            lr, bad = lr * factor, 0
    return lr


@DECAY_ON_PLATEAU.misconception(
    "larger is taken for better; val_history holds losses",
    "An improvement is a *lower* loss. (For accuracies, hand in their negatives.)",
)
def larger_is_better(val_history, patience, factor, lr0):
    lr, best, bad = lr0, -math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value > best else (best, bad + 1)
        if bad > patience:
            lr, bad = lr * factor, 0
    return lr


@DECAY_ON_PLATEAU.misconception(
    "the best is forgotten at each decay",
    "best stays the best of the whole run; only the count starts again.",
)
def best_forgotten(val_history, patience, factor, lr0):
    lr, best, bad = lr0, math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value < best else (best, bad + 1)
        if bad > patience:
            lr, best, bad = lr * factor, math.inf, 0
    return lr


@DECAY_ON_PLATEAU.misconception(
    "bad epochs are counted over the whole run; they must come in a row",
    "An improvement sets the count back to 0.",
)
def not_in_a_row(val_history, patience, factor, lr0):
    lr, best, bad = lr0, math.inf, 0
    for value in val_history:
        best, bad = (value, bad) if value < best else (best, bad + 1)
        if bad > patience:
            lr, bad = lr * factor, 0
    return lr


@DECAY_ON_PLATEAU.misconception(
    "it decays once at most",
    "Each further plateau multiplies the rate by factor again.",
)
def once_only(val_history, patience, factor, lr0):
    best, bad = math.inf, 0
    for value in val_history:
        best, bad = (value, 0) if value < best else (best, bad + 1)
        if bad > patience:
            return lr0 * factor
    return lr0


# ------------------------------------------------------------------ saving


def save_checkpoint(path, model, optimizer, scheduler):
    """Write one dict with the three states."""
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    torch.save({name: part.state_dict() for name, part in parts.items()}, path)


def _saved(label, seed, before, after):
    data = {"seed": seed, "before": before, "after": after}
    return Driven(label, harness.resumed_from_saved, data)


SAVE_CHECKPOINT = Exercise(
    notebook="lr-decay",
    reference=save_checkpoint,
    returns=("nothing",),
    public=[_saved("saved after two epochs, two more from the file", 1, 2, 2)],
    draw=lambda generator: [
        _saved("saved after some epochs", whole(generator, 10, 999), whole(generator, 2, 5), 3)
    ],
    forbids=("lib.training.save_checkpoint",),
)


@SAVE_CHECKPOINT.misconception(
    "the optimizer's state is left out, and with it the momentum and the learning rate",
    'Save "optimizer": optimizer.state_dict() as well.',
)
def save_without_optimizer(path, model, optimizer, scheduler):
    torch.save({"model": model.state_dict(), "scheduler": scheduler.state_dict()}, path)


@SAVE_CHECKPOINT.misconception(
    "the scheduler's state is left out, so the schedule starts over",
    'Save "scheduler": scheduler.state_dict() as well.',
)
def save_without_scheduler(path, model, optimizer, scheduler):
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)


@SAVE_CHECKPOINT.misconception(
    "only the model is saved",
    "Training needs the optimizer's and the scheduler's state, too.",
)
def save_model_only(path, model, optimizer, scheduler):
    torch.save({"model": model.state_dict()}, path)


@SAVE_CHECKPOINT.misconception(
    "three torch.save calls on one path: each replaces the file before, and one state is left",
    "Put the three states into one dict and save it once.",
)
def last_one_wins(path, model, optimizer, scheduler):
    torch.save(model.state_dict(), path)
    torch.save(optimizer.state_dict(), path)
    torch.save(scheduler.state_dict(), path)


@SAVE_CHECKPOINT.misconception(
    "there is no file at `path`: the slide writes three files, here it is one",
    "torch.save({…}, path), with exactly the path that was given.",
)
def three_files(path, model, optimizer, scheduler):
    torch.save(model.state_dict(), f"{path}_model.pt")
    torch.save(optimizer.state_dict(), f"{path}_optimizer.pt")
    torch.save(scheduler.state_dict(), f"{path}_scheduler.pt")


@SAVE_CHECKPOINT.misconception(
    "the objects themselves are pickled: such a file runs code when it is read",
    "Save state_dict(), plain data that weights_only=True can read.",
)
def whole_objects(path, model, optimizer, scheduler):
    torch.save({"model": model, "optimizer": optimizer}, path)


@SAVE_CHECKPOINT.misconception(
    "optimizer's and scheduler's state stand under each other's name",
    "The keys say which is which.",
)
def names_swapped(path, model, optimizer, scheduler):
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": scheduler.state_dict(),
            "scheduler": optimizer.state_dict(),
        },
        path,
    )


# ------------------------------------------------------------------ loading


def load_checkpoint(path, model, optimizer, scheduler):
    """Read the dict and fill the three objects."""
    states = torch.load(path, weights_only=True)
    model.load_state_dict(states["model"])
    optimizer.load_state_dict(states["optimizer"])
    scheduler.load_state_dict(states["scheduler"])


def _loaded(label, seed, before, after):
    data = {"seed": seed, "before": before, "after": after}
    return Driven(label, harness.resumed_from_loaded, data)


LOAD_CHECKPOINT = Exercise(
    notebook="lr-decay",
    reference=load_checkpoint,
    returns=("nothing",),
    public=[_loaded("two epochs are in the file, two more after loading", 1, 2, 2)],
    draw=lambda generator: [
        _loaded("some epochs in the file", whole(generator, 10, 999), whole(generator, 2, 5), 3)
    ],
    forbids=("lib.training.load_checkpoint",),
)


@LOAD_CHECKPOINT.misconception(
    "the optimizer's state is not loaded: momentum and learning rate start afresh",
    'optimizer.load_state_dict(states["optimizer"]).',
)
def load_without_optimizer(path, model, optimizer, scheduler):
    states = torch.load(path, weights_only=True)
    model.load_state_dict(states["model"])
    scheduler.load_state_dict(states["scheduler"])


@LOAD_CHECKPOINT.misconception(
    "the scheduler's state is not loaded, so the schedule starts over",
    'scheduler.load_state_dict(states["scheduler"]).',
)
def load_without_scheduler(path, model, optimizer, scheduler):
    states = torch.load(path, weights_only=True)
    model.load_state_dict(states["model"])
    optimizer.load_state_dict(states["optimizer"])


@LOAD_CHECKPOINT.misconception(
    "only the model is loaded",
    "Going on as before takes the optimizer's and the scheduler's state, too.",
)
def load_model_only(path, model, optimizer, scheduler):
    model.load_state_dict(torch.load(path, weights_only=True)["model"])


@LOAD_CHECKPOINT.misconception(
    "the model's weights are not loaded",
    'model.load_state_dict(states["model"]).',
)
def load_without_model(path, model, optimizer, scheduler):
    states = torch.load(path, weights_only=True)
    optimizer.load_state_dict(states["optimizer"])
    scheduler.load_state_dict(states["scheduler"])


@LOAD_CHECKPOINT.misconception(
    "nothing is loaded: what was filled is a copy, and the three objects are as before",
    "state_dict() returns a new dict. Fill the object itself: model.load_state_dict(…), and so on.",
)
def fills_a_copy(path, model, optimizer, scheduler):
    states = torch.load(path, weights_only=True)
    model.state_dict().update(states["model"])
    optimizer.state_dict().update(states["optimizer"])
    scheduler.state_dict().update(states["scheduler"])


@LOAD_CHECKPOINT.misconception(
    'the whole dict is given to the model; its state is under the key "model"',
    'model.load_state_dict(states["model"]), and the same for the other two.',
)
def whole_dict(path, model, optimizer, scheduler):
    states = torch.load(path, weights_only=True)
    model.load_state_dict(states)
    optimizer.load_state_dict(states)
    scheduler.load_state_dict(states)
