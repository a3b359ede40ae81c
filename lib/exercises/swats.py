"""Exercises of the notebook on switching from Adam to SGD."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from lib.check import Call, Case, Exercise, Observation, Steps
from lib.check.compare import is_scalar
from lib.check.draws import F32, F64, uniform
from lib.check.messages import Refused

SHAPES = ((2, 3), (3,))


def _vectors(generator, shapes=SHAPES, dtype=F64):
    """Draw a list of tensors, the weights of a small model."""
    return [torch.randn(shape, generator=generator, dtype=F64).to(dtype) for shape in shapes]


def _sizes(generator, shapes=SHAPES, dtype=F64):
    """Draw a list of positive tensors, neither tiny nor large."""
    drawn = (0.5 + torch.rand(shape, generator=generator, dtype=F64) for shape in shapes)
    return [x.to(dtype) for x in drawn]


def _scaled(vectors, *factors):
    """Multiply each tensor of a list by its own factor, or all by one."""
    factors = factors if len(factors) > 1 else factors * len(vectors)
    return [factor * x for factor, x in zip(factors, vectors, strict=True)]


def _one(*values):
    return [torch.tensor([x], dtype=F64) for x in values]


def _refuse_changed(name, after, before):
    if not _equal(after, before):
        raise Refused(
            f"changes its input {name} in place",
            "Make new tensors, lists and dicts, such as {**state, 'k': k}, and write no x.add_(…): "
            f"whoever calls your function still needs the old {name}.",
        )


def _equal(a, b):
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and a == b


def _moved(value, target):
    """Convert all floating tensors inside lists and dicts to a dtype or a device."""
    if isinstance(value, torch.Tensor):
        return value.to(target) if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {name: _moved(each, target) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_moved(each, target) for each in value]
    return value


@dataclass(frozen=True)
class Lists(Call):
    """A single call whose arguments may hold lists of tensors, none of which may change."""

    def run(self, call):
        """Call once, with copies all the way down."""
        arguments = copy.deepcopy(dict(self.args))
        values = call(**arguments)
        for name, value in self.args.items():
            _refuse_changed(name, arguments[name], value)
        return [Observation("", self.args, values)]

    def to(self, target):
        """Return the same case with floating tensors converted to a dtype or a device."""
        return replace(self, args=_moved(self.args, target))


# ------------------------------------------------------------------ a rate from Adam's step


def gamma(p, g):
    """γ = pᵀp / (−pᵀg) over the whole model, NaN if pᵀg = 0 (Keskar and Socher 2017, eq. 5)."""
    pp = sum((x * x).sum(dtype=F64).item() for x in p)
    pg = sum((x * y).sum(dtype=F64).item() for x, y in zip(p, g, strict=True))
    return pp / -pg if pg != 0 else math.nan


def _uphill(generator, factor=1.0):
    """Draw p and g whose γ is negative: the step goes up the gradient it is measured with."""
    g = _sizes(generator)
    return {"p": _scaled(g, 0.1, 0.1 * factor), "g": g}


def _downhill(generator, dtype=F64):
    """Draw p and g with pᵀg < 0 in both tensors, and two quite different γ's."""
    g, p = _sizes(generator, dtype=dtype), _sizes(generator, dtype=dtype)
    return {"p": _scaled(p, -0.1, -0.3), "g": _scaled(g, 1.0, 5.0)}


def _gamma_hidden(generator):
    return [
        Lists("two tensors", _downhill(generator)),
        Lists("two tensors in float32", _downhill(generator, F32)),
        Lists("a step uphill", _uphill(generator, uniform(generator, 2, 3))),
        Lists("p and g at right angles", {"p": _one(1.0, 2.0), "g": _one(-6.0, 3.0)}),
    ]


_seen = torch.Generator().manual_seed(48)

GAMMA = Exercise(
    notebook="swats",
    reference=gamma,
    returns=("gamma",),
    public=[
        Lists("by hand: pᵀp = 5, pᵀg = −4", {"p": _one(-1.0, 2.0), "g": _one(8.0, 2.0)}),
        Lists("two tensors of other shapes", _downhill(_seen)),
        Lists("in float32", _downhill(_seen, F32)),
        Lists("a step uphill: γ is negative", _uphill(_seen, 2.0)),
        Lists("p and g at right angles: no γ", {"p": _one(3.0, 1.0), "g": _one(-2.0, 6.0)}),
    ],
    draw=_gamma_hidden,
    rtol=1e-5,
)


@GAMMA.misconception(
    "every tensor gets a γ of its own and these are averaged; the vectors are the whole model's",
    "Add up pᵀp over all tensors, add up pᵀg over all tensors, and divide once.",
)
def averaged_over_tensors(p, g):
    each = [
        (x * x).sum().item() / -(x * y).sum().item() if (x * y).sum() != 0 else math.nan
        for x, y in zip(p, g, strict=True)
    ]
    return sum(each) / len(each)


@GAMMA.misconception(
    "every tensor gets a γ of its own; the vectors are the whole model's, and γ is one number",
    "Add up pᵀp over all tensors, add up pᵀg over all tensors, and divide once.",
)
def one_each(p, g):
    return [-((x * x).sum() / (x * y).sum()).item() for x, y in zip(p, g, strict=True)]


@GAMMA.misconception(
    "the minus is missing: Adam steps against the gradient, so pᵀg is negative as a rule",
    "γ = pᵀp / (−pᵀg).",
)
def minus_missing(p, g):
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    return pp / pg if pg != 0 else math.nan


@GAMMA.misconception(
    "Adam's step is projected on the gradient; here the SGD step is projected on Adam's",
    "Ask for the γ with which the projection of −γg on p is p: γ = pᵀp / (−pᵀg).",
)
def projected_the_other_way(p, g):
    gg = sum((y * y).sum().item() for y in g)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    return -pg / gg if pg != 0 else math.nan


@GAMMA.misconception(
    "the lengths are matched, |p|/|g|; that forgets the angle between p and g",
    "γ = pᵀp / (−pᵀg): the more the two disagree, the longer the SGD step has to be.",
)
def lengths_matched(p, g):
    pp = sum((x * x).sum().item() for x in p)
    gg = sum((y * y).sum().item() for y in g)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    return math.sqrt(pp / gg) if pg != 0 else math.nan


@GAMMA.misconception(
    "the sign is thrown away: a step uphill has a negative γ",
    "No abs: γ = pᵀp / (−pᵀg).",
)
def always_positive(p, g):
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    return pp / abs(pg) if pg != 0 else math.nan


@GAMMA.misconception(
    "pᵀg = 0 is not looked after; no SGD step casts a shadow on p then, and there is no γ",
    "Return math.nan if pᵀg is 0.",
)
def divides_by_zero(p, g):
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    return pp / -pg


@GAMMA.misconception(
    "where pᵀg = 0 the result is infinite; an infinite γ would spoil every average it gets into",
    "Return math.nan if pᵀg is 0.",
)
def infinite(p, g):
    pp = sum((x * x).sum() for x in p)
    pg = sum((x * y).sum() for x, y in zip(p, g, strict=True))
    return (pp / -pg).item()


@GAMMA.misconception(
    "changes its input p in place",
    "Write x * x, which makes a new tensor, not x.mul_(x).",
)
def squares_in_place(p, g):
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    pp = sum(x.mul_(x).sum().item() for x in p)
    return pp / -pg if pg != 0 else math.nan


@GAMMA.misconception(
    "the fraction stands on its head",
    "γ = pᵀp / (−pᵀg): double p and γ doubles, as a learning rate should.",
)
def upside_down(p, g):
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    return -pg / pp if pg != 0 else math.nan


# ------------------------------------------------------------------ when to switch


def watch_gamma(lam, gamma_k, k, beta2, eps):
    """λ ← β2λ + (1 − β2)γ; the rate Λ = λ/(1 − β2ᵏ) if k > 1 and |Λ − γ| < ε, else None."""
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and abs(rate - gamma_k) < eps else None


def _watched(label, gammas, beta2, eps, k=1, lam=0.0):
    return Steps(
        label,
        start={"lam": lam},
        steps=[
            {"gamma_k": each, "k": at, "beta2": beta2, "eps": eps}
            for at, each in enumerate(gammas, k)
        ],
    )


def _watch_hidden(generator):
    beta2, size = uniform(generator, 0.85, 0.95), uniform(generator, 1, 2)
    return [
        _watched("γ hardly changes", [size, size], beta2, 1e-9),
        _watched("large γ's, far apart for ε", [200 * size, 201 * size, 199 * size], beta2, 0.1),
        _watched("small γ's, close for ε", [0.02 * size, 0.03 * size], beta2, 0.05),
        _watched("γ's below zero", [-0.5 * size, -0.55 * size], beta2, 0.2),
        _watched(
            "steps 5 and 6, one without γ", [math.nan, 0.3 * size], beta2, 0.01, 5, 0.4 * size
        ),
        _watched("step 5", [0.3 * size], beta2, 1.0, 5, 0.4 * size),
    ]


WATCH_GAMMA = Exercise(
    notebook="swats",
    reference=watch_gamma,
    returns=("lam", "rate"),
    public=[
        _watched("by hand: γ = 4 twice, with β2 = .5", [4.0, 4.0], 0.5, 1e-9),
        _watched("large γ's, .5 apart, and ε = .1", [200.0, 201.0, 199.0], 0.9, 0.1),
        _watched("small γ's, .005 apart, and ε = .01", [0.02, 0.03], 0.9, 0.01),
        _watched("γ's below zero", [-0.5, -0.55], 0.9, 0.1),
        _watched("steps 7 to 9, one without γ", [0.4, math.nan, 0.41], 0.9, 0.01, 7, 0.3),
        _watched("step 7, with a large ε", [0.3], 0.9, 1.0, 7, 0.4),
    ],
    draw=_watch_hidden,
)


@WATCH_GAMMA.misconception(
    "λ itself is compared with γ; it starts at 0 and has to be corrected, as Adam's averages are",
    "Compare λ/(1 − β2ᵏ) with γ.",
)
def lambda_uncorrected(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    return lam, lam if k > 1 and abs(lam - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "the tolerance is relative to γ; in Algorithm 1 it is absolute",
    "|Λ − γ| < ε, without a factor γ beside ε.",
)
def relative(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    close = abs(rate - gamma_k) < eps * abs(gamma_k)
    return lam, rate if k > 1 and close else None


@WATCH_GAMMA.misconception(
    "it may switch at k = 1, where Λ is γ itself and the condition says nothing",
    "Ask for k > 1.",
)
def switches_at_one(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "γ, the value of one step, becomes the learning rate; it must be the average Λ",
    "Return Λ = λ/(1 − β2ᵏ).",
)
def takes_gamma(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, gamma_k if k > 1 and abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "the comparison is right, but λ is returned as the rate, without its correction",
    "Return Λ = λ/(1 − β2ᵏ), the number that was compared.",
)
def takes_lambda(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, lam if k > 1 and abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "the difference is taken without its absolute value, so any Λ below γ switches",
    "|Λ − γ| < ε.",
)
def sign_kept(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and rate - gamma_k < eps else None


@WATCH_GAMMA.misconception(
    "β2 and 1 − β2 are swapped: the average forgets almost all of the past",
    "λ ← β2·λ + (1 − β2)·γ.",
)
def weights_swapped(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = (1 - beta2) * lam + beta2 * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "a step without γ is averaged in as γ = 0; λ must stay as it is",
    "If gamma_k is NaN, return the old lam and None.",
)
def none_is_zero(lam, gamma_k, k, beta2, eps):
    gamma_k = 0.0 if math.isnan(gamma_k) else gamma_k
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "a step without γ turns λ into NaN, and nothing ever switches again",
    "If gamma_k is NaN, return the old lam and None.",
)
def nan_averaged(lam, gamma_k, k, beta2, eps):
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "negative rates are refused; Algorithm 1 has no such condition",
    "Switch if k > 1 and |Λ − γ| < ε, whatever the sign.",
)
def negative_refused(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and rate > 0 and abs(rate - gamma_k) < eps else None


@WATCH_GAMMA.misconception(
    "the corrected average is carried to the next step and corrected again",
    "Return λ itself beside the rate; Λ is only for the comparison and for the switch.",
)
def corrected_carried(lam, gamma_k, k, beta2, eps):
    if math.isnan(gamma_k):
        return lam, None
    rate = (beta2 * lam + (1 - beta2) * gamma_k) / (1 - beta2**k)
    return rate, rate if k > 1 and abs(rate - gamma_k) < eps else None


# ------------------------------------------------------------------ the first step of SGD


def first_sgd_step(w, m, g, rate, beta1):
    """The step after the switch: v ← β1·0 + g, w ← w − (1 − β1)Λv."""
    return w - (1 - beta1) * rate * g, g.clone()


def _first(label, generator, shape, rate, beta1):
    w, m, g = (torch.randn(shape, generator=generator, dtype=F64) for _ in range(3))
    return Call(label, {"w": w, "m": m, "g": g, "rate": rate, "beta1": beta1})


def _first_hidden(generator):
    rate, beta1 = uniform(generator, 0.05, 2), uniform(generator, 0.6, 0.95)
    return [
        _first("a matrix", generator, (2, 3), rate, beta1),
        _first("in float32", generator, (4,), rate, beta1).to(F32),
        _first("a negative rate", generator, (2,), -rate, beta1),
    ]


FIRST_SGD_STEP = Exercise(
    notebook="swats",
    reference=first_sgd_step,
    returns=("w", "v"),
    public=[
        Call(
            "by hand: a tenth of Λg",
            {
                **dict(zip("wmg", _one(1.0, 3.0, 2.0), strict=True)),
                "rate": 0.5,
                "beta1": 0.9,
            },
        ),
        _first("a matrix", _seen, (2, 3), 0.06, 0.8),
        _first("in float32", _seen, (4,), 0.7, 0.9).to(F32),
        _first("a negative rate, which nothing forbids", _seen, (2,), -0.3, 0.9),
    ],
    draw=_first_hidden,
    forbids=("torch.optim",),
)


@FIRST_SGD_STEP.misconception(
    "(1 − β1) is missing: with the buffer settled, the steps are 1/(1 − β1) times too long",
    "w ← w − (1 − β1)·Λ·v.",
)
def factor_missing(w, m, g, rate, beta1):
    return w - rate * g, g.clone()


@FIRST_SGD_STEP.misconception(
    "(1 − β1) goes into the buffer; this step comes out right, and every later one too short",
    "Return v = g. The factor (1 − β1) belongs to the step alone.",
)
def buffer_scaled(w, m, g, rate, beta1):
    v = (1 - beta1) * g
    return w - rate * v, v


@FIRST_SGD_STEP.misconception(
    "SGD's buffer starts from Adam's m; Algorithm 1 sets it to 0 at the switch",
    "v = 0 at the switch, so v = β1·0 + g.",
)
def starts_at_m(w, m, g, rate, beta1):
    v = beta1 * m + g
    return w - (1 - beta1) * rate * v, v


@FIRST_SGD_STEP.misconception(
    "this is Adam's average of gradients, v ← β1·m + (1 − β1)·g, times Λ",
    "SGD has a buffer of its own: v = g at first.",
)
def adams_average(w, m, g, rate, beta1):
    v = beta1 * m + (1 - beta1) * g
    return w - rate * v, v


@FIRST_SGD_STEP.misconception(
    "β1 stands where 1 − β1 belongs",
    "w ← w − (1 − β1)·Λ·v: with β1 = .9, a tenth.",
)
def beta_for_rest(w, m, g, rate, beta1):
    return w - beta1 * rate * g, g.clone()


@FIRST_SGD_STEP.misconception(
    "the step is added to the weights, which climbs the loss",
    "w ← w − (1 − β1)·Λ·v.",
)
def climbs(w, m, g, rate, beta1):
    return w + (1 - beta1) * rate * g, g.clone()


@FIRST_SGD_STEP.misconception(
    "the whole step, (1 − β1)Λg, is kept in the buffer; Algorithm 1 keeps the gradient",
    "Return v = g, without Λ.",
)
def step_in_buffer(w, m, g, rate, beta1):
    v = (1 - beta1) * rate * g
    return w - v, v


@FIRST_SGD_STEP.misconception(
    "the buffer is returned as it was at the switch, all zeros",
    "Return the new v, which is g after this step.",
)
def buffer_not_updated(w, m, g, rate, beta1):
    return w - (1 - beta1) * rate * g, torch.zeros_like(g)


# ------------------------------------------------------------------ Algorithm 1


def swats_step(w, state, g, lr, beta1, beta2, eps):
    """One step of Algorithm 1 of Keskar and Socher (2017), for the whole model."""
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    lam, rate = watch_gamma(state["lam"], gamma(p, g), k, beta2, eps)
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate}


@dataclass(frozen=True)
class Stream(Case):
    """Steps on a prescribed stream of gradients.

    Attributes:
        w: Weights at the start, a list of tensors.
        state: The state at the start.
        gradients: A list of tensors for each step.
        hyper: lr, beta1, beta2 and eps.
    """

    w: Sequence[torch.Tensor]
    state: Mapping[str, Any]
    gradients: Sequence[Sequence[torch.Tensor]]
    hyper: Mapping[str, float] = field(default_factory=dict)

    def run(self, call):
        """Take the steps; of the state, observe what the phase uses."""
        w, state, seen = list(self.w), dict(self.state), []
        for number, g in enumerate(self.gradients, 1):
            given = {"w": w, "state": state, "g": list(g), **self.hyper}
            arguments = copy.deepcopy(given)
            values = call(**arguments)
            for name in ("w", "state", "g"):
                _refuse_changed(name, arguments[name], given[name])
            w, state = values["w"], values["state"]
            _refuse_malformed(w, state, given["w"])
            used = ("k", "rate", "lam", "m", "a")
            if state["rate"] is not None:
                used = ("k", "rate", "v")
            seen.append(
                Observation(
                    f"step {number}", given, {"w": w, **{name: state[name] for name in used}}
                )
            )
        return seen

    def to(self, target):
        """Return the same case with floating tensors converted to a dtype or a device."""
        moved = {name: _moved(getattr(self, name), target) for name in ("w", "state", "gradients")}
        return replace(self, **moved)


def _refuse_malformed(w, state, old):
    """Refuse what the next step could not start from."""
    if not isinstance(state, Mapping):
        raise Refused(f"returns state as a {type(state).__name__}; expected a dict")
    for name in ("k", "m", "a", "lam", "rate", "v"):
        if name not in state:
            raise Refused(
                f"returns a state without {name!r}",
                "Start from the old state: {**state, 'k': k, …}.",
            )
    for name in ("k", "lam", "rate"):
        value = state[name]
        number = is_scalar(value) or (isinstance(value, torch.Tensor) and value.ndim == 0)
        if not number and not (name == "rate" and value is None):
            raise Refused(
                f"returns state[{name!r}] as a {type(value).__name__}; expected a number",
                "There is one γ, one λ and one Λ for the whole model.",
            )
    for name, values in (("w", w), *((f"state[{key!r}]", state[key]) for key in ("m", "a", "v"))):
        if not isinstance(values, list | tuple) or len(values) != len(old):
            raise Refused(f"returns {name} in another form; expected a list of {len(old)} tensors")
        for x, y in zip(values, old, strict=True):
            if not isinstance(x, torch.Tensor) or (x.shape, x.dtype) != (y.shape, y.dtype):
                what = f"{tuple(x.shape)}, {x.dtype}" if isinstance(x, torch.Tensor) else type(x)
                raise Refused(
                    f"returns {name} with an element of {what}; "
                    f"expected a tensor of {tuple(y.shape)}, {y.dtype}"
                )


def _fresh(w):
    zeros = [torch.zeros_like(x) for x in w]
    return {"k": 0, "m": zeros, "a": zeros, "lam": 0.0, "rate": None, "v": zeros}


def _hyper(lr, beta1, beta2, eps):
    return {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}


def _stream(label, generator, factors, hyper, dtype=F64):
    """Start Adam afresh, on one drawn gradient times a factor a step."""
    w, g = _vectors(generator, dtype=dtype), _scaled(_sizes(generator, dtype=dtype), 1.0, -5.0)
    return Stream(label, w, _fresh(w), [_scaled(g, factor) for factor in factors], hyper)


def _in_adam(label, generator, hyper):
    """Go on in the Adam phase at step 4, with a tolerance that is met."""
    w, g = _vectors(generator), _sizes(generator)
    state = {
        **_fresh(w),
        "k": 3,
        "m": _scaled(_sizes(generator), 8.0),
        "a": _scaled(_sizes(generator), 60.0),
        "lam": 0.001,
    }
    return Stream(label, w, state, [_scaled(g, s) for s in (10.0, 3.0, -2.0)], hyper)


def _in_sgd(label, generator, rate, hyper, dtype=F64):
    """Go on in the SGD phase at step 8."""
    w = _vectors(generator, dtype=dtype)
    state = {
        **_fresh(w),
        "k": 7,
        "m": _vectors(generator, dtype=dtype),
        "lam": 0.3,
        "rate": rate,
        "v": _vectors(generator, dtype=dtype),
    }
    gradients = [_vectors(generator, dtype=dtype) for _ in range(3)]
    return Stream(label, w, state, gradients, hyper)


def _without_gamma(label, generator, hyper):
    """Have one step with a zero gradient, at which γ does not exist."""
    return _stream(label, generator, [1.0, 2.5, 0.0, 0.4], hyper)


def _swats_hidden(generator):
    lr, beta1 = uniform(generator, 0.05, 0.2), uniform(generator, 0.7, 0.9)
    beta2, rate = uniform(generator, 0.9, 0.97), uniform(generator, 0.1, 0.6)
    published, wide = _hyper(lr, beta1, beta2, 1e-9), _hyper(lr, beta1, beta2, 0.5)
    return [
        _stream("a constant gradient: switches", generator, [1.0] * 4, published),
        _stream("gradients that change: does not switch", generator, [1, 2.5, 0.4, 2], published),
        _stream("gradients that change, large ε", generator, [20, 60, 9, 30], wide),
        _stream("a flip: γ below zero, and a large ε", generator, [5.0, -0.8, 5.0, 1.0], wide),
        _without_gamma("a step without γ", generator, published),
        _in_adam("step 4, large ε", generator, wide),
        _in_sgd("in the SGD phase, float32", generator, rate, published, F32),
    ]


_published = _hyper(0.1, 0.9, 0.95, 1e-9)
_wide = _hyper(0.1, 0.8, 0.9, 0.5)

SWATS_STEP = Exercise(
    notebook="swats",
    reference=swats_step,
    returns=("w", "state"),
    public=[
        Stream(
            "by hand: one weight, g = 2 at every step, so p = −.1 and γ = .05",
            _one(1.0),
            _fresh(_one(0.0)),
            [_one(2.0)] * 4,
            _hyper(0.1, 0.5, 0.5, 1e-9),
        ),
        _stream("two tensors, a constant gradient: switches", _seen, [1.0] * 4, _published),
        _stream("gradients that change: does not switch", _seen, [1, 2.5, 0.4, 2], _published),
        _stream("gradients that change, large ε: switches", _seen, [20, 60, 9, 30], _wide),
        _stream("a flip: γ below zero, large ε", _seen, [5.0, -0.8, 5.0, 1.0], _wide),
        _without_gamma("a step at which pᵀg = 0", _seen, _published),
        _in_adam("from step 4 on, large ε", _seen, _wide),
        _in_sgd("from step 8 on, in the SGD phase, in float32", _seen, 0.3, _published, F32),
    ],
    draw=_swats_hidden,
    rtol=2e-5,
    forbids=("torch.optim",),
)


@SWATS_STEP.misconception(
    "every tensor has its own γ, λ and Λ; in Algorithm 1 the vectors are the whole model's",
    "Add up pᵀp and pᵀg over all tensors: one γ, one λ, one Λ.",
)
def per_tensor(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        rates = state["rate"] if isinstance(state["rate"], list) else [state["rate"]] * len(w)
        w = [x - (1 - beta1) * r * y for x, r, y in zip(w, rates, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    lams = state["lam"] if isinstance(state["lam"], list) else [state["lam"]] * len(w)
    rates = [None] * len(w)
    for i in range(len(w)):
        pp, pg = (p[i] * p[i]).sum().item(), (p[i] * g[i]).sum().item()
        if pg != 0:
            lams = [*lams[:i], beta2 * lams[i] + (1 - beta2) * pp / -pg, *lams[i + 1 :]]
            average = lams[i] / (1 - beta2**k)
            rates[i] = average if k > 1 and abs(average + pp / pg) < eps else None
    w = [x + y for x, y in zip(w, p, strict=True)]
    rate = None if None in rates else rates
    return w, {**state, "k": k, "m": m, "a": a, "lam": lams, "rate": rate}


@SWATS_STEP.misconception(
    "γ is the average of the tensors' own γ's; the vectors are the whole model's",
    "Add up pᵀp and pᵀg over all tensors and divide once.",
)
def average_of_tensors(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = sum(
            (x * x).sum().item() / -(x * y).sum().item() for x, y in zip(p, g, strict=True)
        ) / len(p)
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "λ itself is compared with γ; it starts at 0 and has to be corrected, as Adam's averages are",
    "Compare λ/(1 − β2ᵏ) with γ, and switch to that.",
)
def lam_uncorrected(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "the tolerance is relative to γ; in Algorithm 1 it is absolute",
    "|Λ − γ| < ε, without a factor γ beside ε.",
)
def tolerance_relative(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps * abs(gam):
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "it may switch at k = 1, where Λ is γ itself and the condition says nothing",
    "Ask for k > 1.",
)
def switch_at_one(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "(1 − β1) is missing in the SGD phase: its steps are 1/(1 − β1) times too long",
    "w ← w − (1 − β1)·Λ·v.",
)
def no_one_minus_beta1(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "(1 − β1) is multiplied into the buffer that is carried on; it belongs to the step alone",
    "v ← β1·v + g is kept as it is; only the step has the factor (1 − β1).",
)
def buffer_rescaled(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [(1 - beta1) * (beta1 * x + y) for x, y in zip(state["v"], g, strict=True)]
        w = [x - state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "γ, the value of one step, becomes the learning rate; it must be the average Λ",
    "Λ = λ/(1 − β2ᵏ).",
)
def rate_is_gamma(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = gam
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "a step without γ is averaged in as γ = 0; λ must stay as it is",
    "Where pᵀg = 0, leave λ alone and do not switch.",
)
def zero_averaged(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if True:
        gam = pp / -pg if pg != 0 else 0.0
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "pᵀg = 0 is not looked after",
    "Where pᵀg = 0, leave λ alone and do not switch.",
)
def zero_divided(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if True:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "SGD's buffer starts from Adam's m; Algorithm 1 sets it to 0 at the switch",
    "v = 0 at the switch: everything that Adam remembers is dropped.",
)
def m_kept(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate, v = average, m
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "the step at which it switches is not taken; Adam makes it, and SGD the next one",
    "Algorithm 1 decides the switch and then still takes w ← w + p.",
)
def last_step_lost(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)] if rate is None else w
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "the SGD phase multiplies Λ by Adam's learning rate; Λ is the whole learning rate",
    "w ← w − (1 − β1)·Λ·v, without lr.",
)
def lr_again(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - lr * (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "Adam's step lacks the bias correction √(1 − β2ᵏ)/(1 − β1ᵏ)",
    "p = −lr·√(1 − β2ᵏ)/(1 − β1ᵏ)·m/(√a + ε).",
)
def adam_uncorrected(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "ε is added to the corrected √a; Algorithm 1 here adds it to √a itself (Adam's efficient form)",
    "p = −lr·√(1 − β2ᵏ)/(1 − β1ᵏ)·m/(√a + ε).",
)
def other_eps(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr / (1 - beta1**k)
    p = [-size * x / ((y / (1 - beta2**k)).sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "negative rates are refused; Algorithm 1 has no such condition",
    "Switch if k > 1 and |Λ − γ| < ε, whatever the sign.",
)
def negative_rates_refused(w, state, g, lr, beta1, beta2, eps):
    k = state["k"] + 1
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and average > 0 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


@SWATS_STEP.misconception(
    "the state it was given is overwritten",
    "Start a new dict: {**state, 'k': k, …}.",
)
def state_overwritten(w, state, g, lr, beta1, beta2, eps):
    state["k"] = state["k"] + 1
    k = state["k"]
    if state["rate"] is not None:
        v = [beta1 * x + y for x, y in zip(state["v"], g, strict=True)]
        w = [x - (1 - beta1) * state["rate"] * y for x, y in zip(w, v, strict=True)]
        return w, {**state, "k": k, "v": v}
    m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["m"], g, strict=True)]
    a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["a"], g, strict=True)]
    size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    p = [-size * x / (y.sqrt() + eps) for x, y in zip(m, a, strict=True)]
    pp = sum((x * x).sum().item() for x in p)
    pg = sum((x * y).sum().item() for x, y in zip(p, g, strict=True))
    lam, rate, v = state["lam"], None, state["v"]
    if pg != 0:
        gam = pp / -pg
        lam = beta2 * lam + (1 - beta2) * gam
        average = lam / (1 - beta2**k)
        if k > 1 and abs(average - gam) < eps:
            rate = average
    w = [x + y for x, y in zip(w, p, strict=True)]
    return w, {**state, "k": k, "m": m, "a": a, "lam": lam, "rate": rate, "v": v}


# ------------------------------------------------------------------ find a package's bug

DEFECTS = (
    "none",
    "buffer rescaled",
    "gamma per tensor",
    "relative tolerance",
    "switch at k = 1",
    "negative rates refused",
)


def planted(defect):
    """Return a step of SWATS with one of the `DEFECTS` in it; its state starts as None."""

    def step(w, state, g, lr, beta1, beta2, eps):
        zeros = [torch.zeros_like(x) for x in w]
        groups = [[i] for i in range(len(w))] if defect == "gamma per tensor" else [range(len(w))]
        state = state or {
            "step": 0,
            "exp_avg": zeros,
            "exp_avg_sq": zeros,
            "exp_avg2": [0.0] * len(groups),
            "phase2_lr": [None] * len(groups),
            "momentum_buffer": zeros,
        }
        k = state["step"] + 1
        m = [beta1 * x + (1 - beta1) * y for x, y in zip(state["exp_avg"], g, strict=True)]
        a = [beta2 * x + (1 - beta2) * y**2 for x, y in zip(state["exp_avg_sq"], g, strict=True)]
        lams, rates = list(state["exp_avg2"]), list(state["phase2_lr"])
        w, v = list(w), list(state["momentum_buffer"])
        for at, group in enumerate(groups):
            if rates[at] is not None:
                for i in group:
                    v[i] = beta1 * v[i] + g[i]
                    if defect == "buffer rescaled":
                        v[i] = (1 - beta1) * v[i]
                        w[i] = w[i] - rates[at] * v[i]
                    else:
                        w[i] = w[i] - (1 - beta1) * rates[at] * v[i]
                continue
            size = lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
            p = {i: -size * m[i] / (a[i].sqrt() + eps) for i in group}
            pp = sum((p[i] * p[i]).sum().item() for i in group)
            pg = sum((p[i] * g[i]).sum().item() for i in group)
            for i in group:
                w[i] = w[i] + p[i]
            if pg == 0:
                continue
            lams[at] = beta2 * lams[at] + (1 - beta2) * pp / -pg
            rate = lams[at] / (1 - beta2**k)
            tolerance = eps * abs(pp / pg) if defect == "relative tolerance" else eps
            allowed = k > 1 or defect == "switch at k = 1"
            if defect == "negative rates refused":
                allowed = allowed and rate > 0
            if allowed and abs(rate + pp / pg) < tolerance:
                rates[at] = rate
        return w, {
            "step": k,
            "exp_avg": m,
            "exp_avg_sq": a,
            "exp_avg2": lams,
            "phase2_lr": rates,
            "momentum_buffer": v,
        }

    return step


def _algorithm_1(w, state, g, lr, beta1, beta2, eps):
    """Algorithm 1 without a defect, written differently, so that it rounds differently."""
    state = _fresh(w) if state is None else state
    return swats_step(w, state, g, lr, beta1, beta2, eps)


def diagnose(step):
    """Tell which of the `DEFECTS` a step has, by one small experiment each."""

    def drive(gradients, lrs, eps=1e-9):
        w, state, moves = _one(*(0.0 for _ in gradients[0])), None, []
        for g, lr in zip(gradients, lrs, strict=True):
            new, state = step(w, state, _one(*g), lr, 0.5, 0.5, eps)
            moves.append([(y - x).item() for x, y in zip(w, new, strict=True)])
            w = new
        return moves

    # At lr = 0 Adam stands still and SGD, whose rate is Λ, does not: a move tells the phase.
    if drive([[1.0]] * 2, [0.1, 0.0])[-1] != [0.0]:
        return "switch at k = 1"
    (third,), (fourth,) = drive([[1.0]] * 4, [0.1] * 4)[2:]
    if abs(fourth / third - 1.5) > 0.01:
        return "buffer rescaled"
    slow, fast = drive([[1.0, 4.0]] * 3, [0.1] * 3)[2]
    if abs(fast / slow - 4) > 0.01:
        return "gamma per tensor"
    if drive([[100.0], [1000.0], [100.0]], [0.1, 0.1, 0.0], 0.5)[-1] == [0.0]:
        return "relative tolerance"
    if drive([[1.0], [-0.2], [1.0]], [0.1, 0.1, 0.0], 10.0)[-1] == [0.0]:
        return "negative rates refused"
    return "none"


def _packages(order):
    steps = [planted(defect) for defect in DEFECTS]
    steps.append(_algorithm_1)
    return [
        Call(f"number {number} of {len(steps)} steps, with one defect or none", {"step": steps[at]})
        for number, at in enumerate(order, 1)
    ]


DIAGNOSE = Exercise(
    notebook="swats",
    reference=diagnose,
    returns=("defect",),
    public=_packages([1, 6, 3, 2, 0, 5, 4]),
    draw=lambda generator: _packages(torch.randperm(7, generator=generator).tolist()),
    forbids=("torch.optim",),
)


@DIAGNOSE.misconception(
    "the buffer is judged by the first SGD step, at which a rescaled one cannot be told",
    "Compare the second SGD step with the first: 1 + β1 times as long at a constant gradient.",
)
def first_step_only(step):
    def drive(gradients, lrs, eps=1e-9):
        state, moves = None, []
        w = [torch.zeros(1, dtype=torch.float64) for _ in gradients[0]]
        for g, lr in zip(gradients, lrs, strict=True):
            g = [torch.tensor([x], dtype=torch.float64) for x in g]
            new, state = step(w, state, g, lr, 0.5, 0.5, eps)
            moves.append([(y - x).item() for x, y in zip(w, new, strict=True)])
            w = new
        return moves

    if drive([[1.0]] * 2, [0.1, 0.0])[-1] != [0.0]:
        return "switch at k = 1"
    (third,) = drive([[1.0]] * 3, [0.1] * 3)[2]
    if abs(third + 0.05) > 0.001:
        return "buffer rescaled"
    slow, fast = drive([[1.0, 4.0]] * 3, [0.1] * 3)[2]
    if abs(fast / slow - 4) > 0.01:
        return "gamma per tensor"
    if drive([[100.0], [1000.0], [100.0]], [0.1, 0.1, 0.0], 0.5)[-1] == [0.0]:
        return "relative tolerance"
    if drive([[1.0], [-0.2], [1.0]], [0.1, 0.1, 0.0], 10.0)[-1] == [0.0]:
        return "negative rates refused"
    return "none"


@DIAGNOSE.misconception(
    "the probe has a single tensor, and with one tensor γ per tensor is γ of the model",
    "Drive a model of two tensors with gradients of different size.",
)
def one_tensor(step):
    def drive(gradients, lrs, eps=1e-9):
        state, moves = None, []
        w = [torch.zeros(1, dtype=torch.float64) for _ in gradients[0]]
        for g, lr in zip(gradients, lrs, strict=True):
            g = [torch.tensor([x], dtype=torch.float64) for x in g]
            new, state = step(w, state, g, lr, 0.5, 0.5, eps)
            moves.append([(y - x).item() for x, y in zip(w, new, strict=True)])
            w = new
        return moves

    if drive([[1.0]] * 2, [0.1, 0.0])[-1] != [0.0]:
        return "switch at k = 1"
    (third,), (fourth,) = drive([[1.0]] * 4, [0.1] * 4)[2:]
    if abs(fourth / third - 1.5) > 0.01:
        return "buffer rescaled"
    (move,) = drive([[4.0]] * 3, [0.1] * 3)[2]
    if abs(move + 0.05) > 0.01:
        return "gamma per tensor"
    if drive([[100.0], [1000.0], [100.0]], [0.1, 0.1, 0.0], 0.5)[-1] == [0.0]:
        return "relative tolerance"
    if drive([[1.0], [-0.2], [1.0]], [0.1, 0.1, 0.0], 10.0)[-1] == [0.0]:
        return "negative rates refused"
    return "none"


@DIAGNOSE.misconception(
    "at a constant gradient γ stands still, and every tolerance is met",
    "To tell a relative tolerance, change the gradient so that γ is tiny and jumps.",
)
def constant_gradient(step):
    def drive(gradients, lrs, eps=1e-9):
        state, moves = None, []
        w = [torch.zeros(1, dtype=torch.float64) for _ in gradients[0]]
        for g, lr in zip(gradients, lrs, strict=True):
            g = [torch.tensor([x], dtype=torch.float64) for x in g]
            new, state = step(w, state, g, lr, 0.5, 0.5, eps)
            moves.append([(y - x).item() for x, y in zip(w, new, strict=True)])
            w = new
        return moves

    if drive([[1.0]] * 2, [0.1, 0.0])[-1] != [0.0]:
        return "switch at k = 1"
    (third,), (fourth,) = drive([[1.0]] * 4, [0.1] * 4)[2:]
    if abs(fourth / third - 1.5) > 0.01:
        return "buffer rescaled"
    slow, fast = drive([[1.0, 4.0]] * 3, [0.1] * 3)[2]
    if abs(fast / slow - 4) > 0.01:
        return "gamma per tensor"
    if drive([[100.0]] * 3, [0.1, 0.1, 0.0], 0.5)[-1] == [0.0]:
        return "relative tolerance"
    if drive([[1.0], [-0.2], [1.0]], [0.1, 0.1, 0.0], 10.0)[-1] == [0.0]:
        return "negative rates refused"
    return "none"


@DIAGNOSE.misconception(
    "all probes go downhill; whether negative rates are refused shows only at a negative γ",
    "Let the gradient flip to a smaller one: m still points the old way, and p goes uphill.",
)
def never_uphill(step):
    def drive(gradients, lrs, eps=1e-9):
        state, moves = None, []
        w = [torch.zeros(1, dtype=torch.float64) for _ in gradients[0]]
        for g, lr in zip(gradients, lrs, strict=True):
            g = [torch.tensor([x], dtype=torch.float64) for x in g]
            new, state = step(w, state, g, lr, 0.5, 0.5, eps)
            moves.append([(y - x).item() for x, y in zip(w, new, strict=True)])
            w = new
        return moves

    if drive([[1.0]] * 2, [0.1, 0.0])[-1] != [0.0]:
        return "switch at k = 1"
    (third,), (fourth,) = drive([[1.0]] * 4, [0.1] * 4)[2:]
    if abs(fourth / third - 1.5) > 0.01:
        return "buffer rescaled"
    slow, fast = drive([[1.0, 4.0]] * 3, [0.1] * 3)[2]
    if abs(fast / slow - 4) > 0.01:
        return "gamma per tensor"
    if drive([[100.0], [1000.0], [100.0]], [0.1, 0.1, 0.0], 0.5)[-1] == [0.0]:
        return "relative tolerance"
    if drive([[1.0], [0.2], [1.0]], [0.1, 0.1, 0.0], 10.0)[-1] == [0.0]:
        return "negative rates refused"
    return "none"


@DIAGNOSE.misconception(
    "nothing looks at the first step, where a switch is not allowed yet",
    "Take one step, and then one with lr = 0: it may not move.",
)
def starts_late(step):
    def drive(gradients, lrs, eps=1e-9):
        state, moves = None, []
        w = [torch.zeros(1, dtype=torch.float64) for _ in gradients[0]]
        for g, lr in zip(gradients, lrs, strict=True):
            g = [torch.tensor([x], dtype=torch.float64) for x in g]
            new, state = step(w, state, g, lr, 0.5, 0.5, eps)
            moves.append([(y - x).item() for x, y in zip(w, new, strict=True)])
            w = new
        return moves

    if drive([[1.0], [3.0], [1.0], [1.0]], [0.0, 0.0, 0.1, 0.0])[-1] != [0.0]:
        return "switch at k = 1"
    (third,), (fourth,) = drive([[1.0]] * 4, [0.1] * 4)[2:]
    if abs(fourth / third - 1.5) > 0.01:
        return "buffer rescaled"
    slow, fast = drive([[1.0, 4.0]] * 3, [0.1] * 3)[2]
    if abs(fast / slow - 4) > 0.01:
        return "gamma per tensor"
    if drive([[100.0], [1000.0], [100.0]], [0.1, 0.1, 0.0], 0.5)[-1] == [0.0]:
        return "relative tolerance"
    if drive([[1.0], [-0.2], [1.0]], [0.1, 0.1, 0.0], 10.0)[-1] == [0.0]:
        return "negative rates refused"
    return "none"


@DIAGNOSE.misconception(
    "every step is acquitted",
    "Drive the step with gradients of your own and compare its moves with what Algorithm 1 gives.",
)
def acquits_all(step):
    return "none"
