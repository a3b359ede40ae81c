"""The rules against transcriptions of their papers, against each other, and against laws."""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import rules

F64 = torch.float64

# ------------------------------------------------------------------ the papers, in NumPy
# Each takes weights, a list of gradients (or the gradient function) and returns all weights.


def np_sgd(w, grads, lr):
    path = []
    for g in grads:
        w = w - lr * g
        path.append(w)
    return path


def np_momentum(w, grads, lr, alpha):
    path, dw = [], 0
    for g in grads:
        dw = alpha * dw + lr * g
        w = w - dw
        path.append(w)
    return path


def np_sgd_momentum(w, grads, lr, momentum, dampening):
    path, buf = [], None
    for g in grads:
        buf = g if buf is None else momentum * buf + (1 - dampening) * g
        w = w - lr * buf
        path.append(w)
    return path


def np_sgd_nesterov(w, grads, lr, momentum):
    path, buf = [], None
    for g in grads:
        buf = g if buf is None else momentum * buf + g
        w = w - lr * (g + momentum * buf)
        path.append(w)
    return path


def np_delta_bar_delta(w, grads, lr, beta, gain_min, gain_max):
    path, gain, before = [], np.ones_like(w), np.zeros_like(w)
    for g in grads:
        for i in np.ndindex(w.shape):
            if g[i] > 0 and before[i] > 0 or g[i] < 0 and before[i] < 0:
                gain[i] = min(gain[i] + beta, gain_max)
            elif g[i] * before[i] != 0:
                gain[i] = max(gain[i] * (1 - beta), gain_min)
        w, before = w - lr * gain * g, g
        path.append(w)
    return path


def np_rprop(w, grads, eta_minus, eta_plus, step_min, step_max):
    path, step, before = [], np.full_like(w, 0.01), np.zeros_like(w)
    for g in grads:
        w, g = w.copy(), g.copy()
        for i in np.ndindex(w.shape):
            if g[i] * before[i] > 0:
                step[i] = min(step[i] * eta_plus, step_max)
            elif g[i] * before[i] < 0:
                step[i] = max(step[i] * eta_minus, step_min)
                g[i] = 0
            w[i] -= np.sign(g[i]) * step[i]
        before = g
        path.append(w)
    return path


def np_adagrad(w, grads, lr, lr_decay, eps):
    path = []
    for t in range(len(grads)):
        total = sum(g * g for g in grads[: t + 1])
        w = w - lr / (1 + t * lr_decay) * grads[t] / (np.sqrt(total) + eps)
        path.append(w)
    return path


def np_rmsprop(w, grads, lr, beta, eps):
    path = []
    for t in range(len(grads)):
        ms = sum((1 - beta) * beta ** (t - i) * grads[i] ** 2 for i in range(t + 1))
        w = w - lr * grads[t] / (np.sqrt(ms) + eps)
        path.append(w)
    return path


def np_adadelta(w, grads, lr, rho, eps):
    path, eg, ex = [], 0, 0
    for g in grads:
        eg = rho * eg + (1 - rho) * g**2
        dx = -np.sqrt(ex + eps) / np.sqrt(eg + eps) * g
        ex = rho * ex + (1 - rho) * dx**2
        w = w + lr * dx
        path.append(w)
    return path


def moments(grads, t, beta1, beta2):
    """m and v after t gradients, unrolled."""
    m = sum((1 - beta1) * beta1 ** (t - i) * grads[i - 1] for i in range(1, t + 1))
    v = sum((1 - beta2) * beta2 ** (t - i) * grads[i - 1] ** 2 for i in range(1, t + 1))
    return m, v


def np_adam(w, grads, lr, beta1, beta2, eps):
    path = []
    for t in range(1, len(grads) + 1):
        m, v = moments(grads, t, beta1, beta2)
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
        path.append(w)
    return path


def np_adam_efficient(w, grads, lr, beta1, beta2, eps_hat):
    path = []
    for t in range(1, len(grads) + 1):
        m, v = moments(grads, t, beta1, beta2)
        w = w - lr * math.sqrt(1 - beta2**t) / (1 - beta1**t) * m / (np.sqrt(v) + eps_hat)
        path.append(w)
    return path


def np_amsgrad(w, grads, lr, beta1, beta2, eps):
    path = []
    for t in range(1, len(grads) + 1):
        m, _ = moments(grads, t, beta1, beta2)
        largest = np.max([moments(grads, i, beta1, beta2)[1] for i in range(1, t + 1)], axis=0)
        w = w - lr * m / (np.sqrt(largest) + eps)
        path.append(w)
    return path


def np_amsgrad_torch(w, grads, lr, beta1, beta2, eps):
    path = []
    for t in range(1, len(grads) + 1):
        m, _ = moments(grads, t, beta1, beta2)
        largest = np.max([moments(grads, i, beta1, beta2)[1] for i in range(1, t + 1)], axis=0)
        root = np.sqrt(largest / (1 - beta2**t))
        w = w - lr * m / (1 - beta1**t) / (root + eps)
        path.append(w)
    return path


def np_slide_dampening(w, grads, lr, momentum, dampening):
    path, v = [], 0
    for g in grads:
        v = momentum * v + (1 - dampening) * g
        w = w - lr * v
        path.append(w)
    return path


def np_slide_adam(w, grads, lr, alpha, beta, eps):
    path, dw, r = [], 0, 0
    for g in grads:
        dw, r = alpha * dw + lr * g, beta * r + (1 - beta) * g**2
        w = w - lr * dw / (r + eps)
        path.append(w)
    return path


def np_uncorrected_adam(w, grads, lr, beta1, beta2, eps):
    path = []
    for t in range(1, len(grads) + 1):
        m, v = moments(grads, t, beta1, beta2)
        w = w - lr * m / (np.sqrt(v) + eps)
        path.append(w)
    return path


def np_swats(w, grads, lr, beta1, beta2, eps):
    """Algorithm 1 of arXiv 1712.07628, line by line; also returns the switch step and Λ."""
    path, switched, rate = [], None, None
    m = a = v = np.zeros_like(w)
    lam = 0.0
    for k in range(1, len(grads) + 1):
        g = grads[k - 1]
        if switched:
            v = beta1 * v + g
            w = w - (1 - beta1) * rate * v
            path.append(w)
            continue
        m = beta1 * m + (1 - beta1) * g
        a = beta2 * a + (1 - beta2) * g**2
        p = -lr * math.sqrt(1 - beta2**k) / (1 - beta1**k) * m / (np.sqrt(a) + eps)
        w = w + p
        if np.vdot(p, g) != 0:
            gamma = np.vdot(p, p) / -np.vdot(p, g)
            lam = beta2 * lam + (1 - beta2) * gamma
            if k > 1 and abs(lam / (1 - beta2**k) - gamma) < eps:
                switched, rate = k, lam / (1 - beta2**k)
        path.append(w)
    return path, switched, rate


ADAM = {"lr": 0.1, "beta1": 0.8, "beta2": 0.95, "eps": 0.01}
TABLE = {
    rules.sgd: (np_sgd, {"lr": 0.1}),
    rules.momentum: (np_momentum, {"lr": 0.1, "alpha": 0.8}),
    rules.sgd_momentum: (np_sgd_momentum, {"lr": 0.1, "momentum": 0.8, "dampening": 0.3}),
    rules.sgd_nesterov: (np_sgd_nesterov, {"lr": 0.1, "momentum": 0.8}),
    rules.delta_bar_delta: (
        np_delta_bar_delta,
        {"lr": 0.1, "beta": 0.3, "gain_min": 0.6, "gain_max": 1.5},
    ),
    rules.rprop: (
        np_rprop,
        {"eta_minus": 0.5, "eta_plus": 1.5, "step_min": 4e-3, "step_max": 0.02},
    ),
    rules.adagrad: (np_adagrad, {"lr": 0.1, "lr_decay": 0.2, "eps": 0.01}),
    rules.rmsprop: (np_rmsprop, {"lr": 0.1, "beta": 0.8, "eps": 0.01}),
    rules.adadelta: (np_adadelta, {"lr": 0.7, "rho": 0.8, "eps": 0.01}),
    rules.adam: (np_adam, ADAM),
    rules.adam_efficient: (
        np_adam_efficient,
        {"lr": 0.1, "beta1": 0.8, "beta2": 0.95, "eps_hat": 0.01},
    ),
    rules.amsgrad: (np_amsgrad, ADAM),
    rules.amsgrad_torch: (np_amsgrad_torch, ADAM),
    rules.slide_dampening: (np_slide_dampening, {"lr": 0.1, "momentum": 0.8, "dampening": 0.3}),
    rules.slide_adam: (np_slide_adam, {"lr": 0.1, "alpha": 0.8, "beta": 0.95, "eps": 0.01}),
    rules.uncorrected_adam: (np_uncorrected_adam, ADAM),
    rules.swats: (lambda *a, **k: np_swats(*a, **k)[0], {**ADAM, "eps": 0.02}),  # switches
}


def gradients(steps=9, shape=(3, 2), seed=0):
    """Gradients with agreements, flips, a zero and very different sizes."""
    grads = np.random.default_rng(seed).normal(size=(steps, *shape))
    grads *= np.logspace(-3, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    grads[3, 0] = 0.0
    return grads


def run(rule, w, grads, hyper, state=None):
    state, path = rules.init(rule, w) if state is None else state, []
    for t, g in enumerate(grads, 1):
        w, state = rule(w, g, state, t, **hyper)
        path.append(w)
    return path, state


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.__name__)
def test_follows_its_paper(rule):
    transcription, hyper = TABLE[rule]
    grads = gradients()
    start = np.random.default_rng(1).normal(size=grads[0].shape)
    expected = transcription(start, list(grads), **hyper)
    path, _ = run(rule, torch.tensor(start), torch.tensor(grads), hyper)
    torch.testing.assert_close(
        torch.stack(path), torch.tensor(np.array(expected)), rtol=1e-11, atol=1e-14
    )


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("dtype", [F64, torch.float32, torch.bfloat16], ids=str)
def test_keeps_dtype_and_inputs(rule, dtype):
    hyper = TABLE[rule][1]
    w, g = torch.randn(2, 4, dtype=dtype), torch.randn(2, 4, dtype=dtype)
    state = rules.init(rule, w)
    for t in (1, torch.tensor(2), torch.tensor(3.0, dtype=F64)):
        inputs = (w, g, *state)
        before = [x.clone() for x in inputs]
        w, state = rule(w, g, state, t, **hyper)
        assert all(torch.equal(x, y) for x, y in zip(inputs, before, strict=True))
        assert w.dtype == dtype and w.shape == g.shape
        assert [x.dtype for x in state] == [x.dtype for x in rules.init(rule, w)]


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.__name__)
def test_step_number_may_be_a_tensor(rule):
    hyper, grads = TABLE[rule][1], torch.tensor(gradients())
    w = torch.ones(3, 2, dtype=F64)
    state = other = rules.init(rule, w)
    v = w
    for t, g in enumerate(grads, 1):
        w, state = rule(w, g, state, t, **hyper)
        v, other = rule(v, g, other, torch.tensor(t), **hyper)
    torch.testing.assert_close(v, w, rtol=1e-14, atol=0)


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.__name__)
def test_vmap_over_weights_and_hyper_parameters_is_a_loop(rule):
    hyper, grads = TABLE[rule][1], torch.tensor(gradients(shape=(3, 2)))
    scales = torch.tensor([0.5, 0.9, 1.0], dtype=F64)
    starts = torch.randn(3, 3, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    swept = {name: value * scales for name, value in hyper.items()}

    def last(w, hyper):
        return run(rule, w, grads, hyper)[0][-1]

    batched = torch.func.vmap(last)(starts, swept)
    for i in range(3):
        alone = last(starts[i], {name: value[i].item() for name, value in swept.items()})
        torch.testing.assert_close(batched[i], alone, rtol=1e-12, atol=1e-15)


def test_table_is_complete():
    elsewhere = {rules.nesterov, rules.swats_adam, rules.swats_sgd}
    assert set(TABLE) | elsewhere == set(rules.STATES)
    public = {
        value
        for name, value in vars(rules).items()
        if inspect.isfunction(value)
        and "state" in inspect.signature(value).parameters
        and not name.startswith("_")
    }
    assert public == set(rules.STATES)


def test_init_names_the_rules():
    with pytest.raises(TypeError, match=r"not a rule of lib.rules; .*adam, .*sgd"):
        rules.init(print, torch.zeros(1))


# ------------------------------------------------------------------ SWATS


def quadratic(curvatures):
    curvatures = torch.tensor(curvatures, dtype=F64)
    return lambda w: curvatures * w


@pytest.mark.parametrize(
    ("eps", "seed", "step"), [(0.02, 0, 2), (0.005, 0, 9), (0.005, 2, 7), (1e-9, 0, 0)]
)
def test_swats_switches_where_the_paper_does(eps, seed, step):
    grads = gradients(steps=40, shape=(5,), seed=seed)
    hyper = {**ADAM, "eps": eps}
    expected, switched, rate = np_swats(np.ones(5), list(grads), **hyper)
    path, state = run(rules.swats, torch.ones(5, dtype=F64), torch.tensor(grads), hyper)
    assert state.switched.item() == (switched or 0) == step
    assert state.rate.item() == pytest.approx(rate or 0.0, rel=1e-12)
    np.testing.assert_allclose(torch.stack(path).numpy(), expected, rtol=1e-11)


def test_swats_published_constants_and_the_switch_at_two():
    given = inspect.signature(rules.swats).parameters
    assert {n: given[n].default for n in ("lr", "beta1", "beta2", "eps")} == {
        "lr": 1e-3,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-9,
    }
    w = torch.tensor([4.99959124847467e-4], dtype=F64)
    state, path = rules.init(rules.swats, w), [w]
    for t in range(1, 40):
        w, state = rules.swats(w, w, state, t, beta1=0.0)
        path.append(w)
    assert state.switched == 2
    assert state.rate.item() == pytest.approx(2.000037, abs=1e-6)
    # |1 − Λ| > 1: the rate is stationary, not stable.
    assert abs(path[-1]) > abs(path[3])


def test_swats_leaves_lambda_alone_where_gamma_does_not_exist():
    one, zero = torch.tensor(1.0, dtype=F64), torch.tensor(0.0, dtype=F64)
    lam, switch, _ = rules.swats_monitor(one, zero, 0.25 * one, 5, eps=1e9)
    assert lam == 0.25 and not switch
    lam, switch, rate = rules.swats_monitor(one, -2 * one, zero, 1, eps=1e9)
    assert rate.item() == pytest.approx(0.5) and not switch, "never at k = 1"
    assert rules.swats_monitor(one, -2 * one, lam, 2, eps=1e9)[1]


# ------------------------------------------------------------------ laws

floats = st.floats(-3, 3).map(lambda x: round(x, 3) or 0.5)
streams = st.lists(st.tuples(floats, floats, floats), min_size=1, max_size=12).map(
    lambda rows: torch.tensor(rows, dtype=F64)
)
fast = settings(max_examples=40, deadline=None, derandomize=True)


@fast
@given(streams, st.sampled_from([1e-4, 1e-2, 8.0, 1e5]))
def test_adam_does_not_see_the_scale_of_the_loss(grads, scale):
    hyper = {"lr": 0.1, "eps": 0.0}
    path, _ = run(rules.adam, torch.zeros(3, dtype=F64), grads, hyper)
    scaled, _ = run(rules.adam, torch.zeros(3, dtype=F64), scale * grads, hyper)
    torch.testing.assert_close(scaled, path, rtol=1e-9, atol=1e-12)


@fast
@given(streams, st.floats(0, 0.99), st.floats(0, 0.9999), st.floats(1e-4, 1))
def test_adams_first_step_is_lr(grads, beta1, beta2, lr):
    hyper = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": 0.0}
    path, _ = run(rules.adam, torch.zeros(3, dtype=F64), grads[:1], hyper)
    torch.testing.assert_close(path[0], -lr * torch.sign(grads[0]), rtol=1e-9, atol=0)


@fast
@given(streams, st.floats(1e-8, 1))
def test_epsilon_hat(grads, eps):
    w = v = torch.zeros(3, dtype=F64)
    state = other = rules.init(rules.adam, w)
    for t, g in enumerate(grads, 1):
        w, state = rules.adam(w, g, state, t, lr=0.1, eps=eps)
        eps_hat = eps * math.sqrt(1 - 0.999**t)
        v, other = rules.adam_efficient(v, g, other, t, lr=0.1, eps_hat=eps_hat)
    torch.testing.assert_close(v, w, rtol=1e-9, atol=1e-12)


@fast
@given(st.floats(0, 0.99), st.floats(0.01, 0.5), streams)
def test_pytorchs_nesterov_stores_the_look_ahead_point(alpha, lr, start):
    grad_fn = quadratic([0.3, 1.0, 1.9])
    w = theta = start[0]
    state, other = rules.init(rules.nesterov, w), rules.init(rules.sgd_nesterov, w)
    for t in range(1, 51):
        w, state = rules.nesterov(w, grad_fn, state, t, lr=lr, alpha=alpha)
        theta, other = rules.sgd_nesterov(theta, grad_fn(theta), other, t, lr=lr, momentum=alpha)
        torch.testing.assert_close(theta, w - alpha * state.v, rtol=1e-9, atol=1e-11)


@fast
@given(streams, st.floats(0, 0.99), st.floats(1e-3, 1))
def test_where_the_rate_stands_does_not_matter_while_it_is_constant(grads, alpha, lr):
    w = torch.zeros(3, dtype=F64)
    lecture, _ = run(rules.momentum, w, grads, {"lr": lr, "alpha": alpha})
    pytorch, _ = run(rules.sgd_momentum, w, grads, {"lr": lr, "momentum": alpha})
    torch.testing.assert_close(lecture, pytorch, rtol=1e-10, atol=1e-13)


def test_where_the_rate_stands_matters_after_a_drop():
    """Constant gradient, β .9, rate cut tenfold: .91 of the old step against .10."""
    w, g = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)
    steady = torch.tensor([10.0], dtype=F64)
    moved = [
        rules.momentum(w, g, rules.MomentumState(steady), 9, lr=0.1)[0],
        rules.sgd_momentum(w, g, rules.SGDMomentumState(steady), 9, lr=0.1)[0],
    ]
    assert [-x.item() / 10 for x in moved] == pytest.approx([0.91, 0.10])


@pytest.mark.parametrize("kappa", [10, 100])
def test_heavy_balls_rate_on_a_quadratic(kappa):
    """With the best η and α the error falls by √α = (√κ − 1)/(√κ + 1) a step; GD's by more."""
    grad_fn, root = quadratic([1.0, kappa]), math.sqrt(kappa)
    alpha, lr = ((root - 1) / (root + 1)) ** 2, (2 / (1 + root)) ** 2
    w = torch.ones(2, dtype=F64)
    state, norms = rules.init(rules.momentum, w), []
    for t in range(1, 301):
        w, state = rules.momentum(w, grad_fn(w), state, t, lr=lr, alpha=alpha)
        norms.append(w.norm().item())
    # The best α is a double root: the error is t·ρᵗ, whose rate from t to 2t is ρ · 2^(1/t).
    measured = (norms[299] / norms[149]) ** (1 / 150) / 2 ** (1 / 150)
    assert measured == pytest.approx(math.sqrt(alpha), rel=2e-3)

    w = torch.ones(2, dtype=F64)
    for _ in range(2):
        before, w = w, rules.sgd(w, grad_fn(w), rules.NoState(), 1, lr=2 / (1 + kappa))[0]
    assert (w.norm() / before.norm()).item() == pytest.approx((kappa - 1) / (kappa + 1))


def test_rmsprop_drifts_on_hintons_cycle_and_rprop_walks():
    """Nine gradients of +.1 and one of −.9: their sum is zero."""
    cycle = torch.tensor([0.1] * 9 + [-0.9], dtype=F64).unsqueeze(1)
    for beta, drift in [(0.9, 0.679), (0.99, 0.067), (0.999, 0.008)]:
        path, _ = run(
            rules.rmsprop,
            torch.zeros(1, dtype=F64),
            cycle.repeat(60, 1),
            {"lr": 1.0, "beta": beta, "eps": 0.0},
            rules.RMSPropState(torch.full((1,), 0.09, dtype=F64)),  # the cycle's mean square
        )
        assert (path[-11] - path[-1]).item() == pytest.approx(drift, abs=1.5e-3)
    hyper = {"eta_minus": 0.999999, "eta_plus": 1.000001}
    path, _ = run(rules.rprop, torch.zeros(1, dtype=F64), cycle.repeat(3, 1), hyper)
    # Nine steps: where the sign flips, this Rprop rests instead of stepping back.
    assert -path[-1].item() / 0.01 == pytest.approx(3 * 9, abs=1e-3)


def test_adams_failure_that_amsgrad_mends():
    """Reddi et al.'s counterexample: the gradient is C every third step and −1 otherwise."""

    def end(rule):
        big = 3.0
        w = torch.tensor([0.0], dtype=F64)
        state = rules.init(rule, w)
        for t in range(1, 1001):
            g = torch.tensor([big if t % 3 == 1 else -1.0], dtype=F64)
            hyper = {"lr": 0.5 / math.sqrt(t), "beta1": 0.0, "beta2": 1 / (1 + big**2)}
            w, state = rule(w, g, state, t, **hyper)
            w = w.clamp(-1, 1)
        return w.item()

    assert end(rules.adam) > 0.9
    assert end(rules.amsgrad) == pytest.approx(-1, abs=0.05)
