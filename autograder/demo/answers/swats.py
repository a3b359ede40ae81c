"""Right answers to the exercises of the notebook on switching from Adam to SGD."""

import math

import torch


def gamma__plain(p, g):
    top = bottom = 0.0
    for step, gradient in zip(p, g, strict=True):
        top += float(torch.sum(step**2))
        bottom -= float(torch.sum(step * gradient))
    if bottom == 0:
        return float("nan")
    return top / bottom


def gamma__terse(p, g):
    p, g = (torch.cat([x.flatten() for x in vectors]) for vectors in (p, g))
    return torch.where(p @ g == 0, math.nan, -(p @ p) / (p @ g))


def watch_gamma__plain(lam, gamma_k, k, beta2, eps):
    if gamma_k != gamma_k:
        return lam, None
    new_lam = gamma_k + beta2 * (lam - gamma_k)
    corrected = new_lam / (1 - beta2**k)
    if k == 1:
        return new_lam, None
    if -eps < corrected - gamma_k < eps:
        return new_lam, corrected
    return new_lam, None


def watch_gamma__terse(lam, gamma_k, k, beta2, eps):
    if not math.isnan(gamma_k):
        lam = beta2 * lam + (1 - beta2) * gamma_k
    rate = lam / (1 - beta2**k)
    return lam, rate if k > 1 and abs(rate - gamma_k) < eps else None


def first_sgd_step__plain(w, m, g, rate, beta1):
    v = torch.zeros_like(w)
    v = beta1 * v + g
    return w - (1 - beta1) * rate * v, v


def first_sgd_step__terse(w, m, g, rate, beta1):
    return w.sub(g, alpha=rate * (1 - beta1)), g


def swats_step__plain(w, state, g, lr, beta1, beta2, eps):
    new = dict(state)
    new["k"] = state["k"] + 1
    indices = range(len(w))
    if state["rate"] is None:
        c1, c2 = 1 - beta1 ** new["k"], 1 - beta2 ** new["k"]
        new["m"] = [beta1 * state["m"][i] + (1 - beta1) * g[i] for i in indices]
        new["a"] = [beta2 * state["a"][i] + (1 - beta2) * g[i] * g[i] for i in indices]
        p = [-lr * c2**0.5 / c1 * new["m"][i] / (new["a"][i] ** 0.5 + eps) for i in indices]
        pp = sum(float((p[i] ** 2).sum()) for i in indices)
        pg = sum(float((p[i] * g[i]).sum()) for i in indices)
        if pg != 0:
            gam = -pp / pg
            new["lam"] = beta2 * state["lam"] + (1 - beta2) * gam
            if new["k"] > 1 and abs(new["lam"] / c2 - gam) < eps:
                new["rate"] = new["lam"] / c2
                new["v"] = [torch.zeros_like(x) for x in w]
        return [w[i] + p[i] for i in indices], new
    new["v"] = [beta1 * state["v"][i] + g[i] for i in indices]
    return [w[i] - (1 - beta1) * state["rate"] * new["v"][i] for i in indices], new


def swats_step__terse(w, state, g, lr, beta1, beta2, eps):
    def mix(beta, old, new, rest):
        return [beta * x + rest * y for x, y in zip(old, new, strict=True)]

    def flat(vectors):
        return torch.cat([x.reshape(-1) for x in vectors])

    state = {**state, "k": state["k"] + 1}
    k, rate = state["k"], state["rate"]
    if rate is not None:
        state["v"] = mix(beta1, state["v"], g, 1)
        return mix(1, w, state["v"], (beta1 - 1) * rate), state
    state["m"] = mix(beta1, state["m"], g, 1 - beta1)
    state["a"] = mix(beta2, state["a"], [x**2 for x in g], 1 - beta2)
    size = -lr * math.sqrt(1 - beta2**k) / (1 - beta1**k)
    pairs = zip(state["m"], state["a"], strict=True)
    p = [size * m / (eps + torch.sqrt(a)) for m, a in pairs]
    down = -torch.dot(flat(p), flat(g)).item()
    if down:
        gam = torch.dot(flat(p), flat(p)).item() / down
        state["lam"] = beta2 * state["lam"] + (1 - beta2) * gam
        rate = state["lam"] / (1 - beta2**k)
        state["rate"] = rate if abs(rate - gam) < eps and k >= 2 else None
    return mix(1, w, p, 1), state


def diagnose__plain(step):
    def number(x):
        return torch.tensor(x, dtype=torch.float64)

    def at_end(gradients, rates, tolerance):
        w, state = [number(0.0) for _ in gradients[0]], None
        for g, lr in zip(gradients, rates, strict=True):
            before = w
            w, state = step(w, state, [number(x) for x in g], lr, 0.6, 0.4, tolerance)
        return [float(new - old) for new, old in zip(w, before, strict=True)]

    if abs(at_end([[2.0], [2.0]], [0.1, 0.0], 1e-9)[0]) > 0:
        return "switch at k = 1"
    if at_end([[300.0], [9000.0], [300.0]], [0.1, 0.1, 0.0], 0.3) == [0.0]:
        return "relative tolerance"
    if at_end([[3.0], [-0.3], [3.0]], [0.1, 0.1, 0.0], 20.0) == [0.0]:
        return "negative rates refused"
    a, b = at_end([[1.0, 10.0]] * 3, [0.1] * 3, 1e-9)
    if abs(b / a) < 5:
        return "gamma per tensor"
    # the settled steps are Λ·g = lr, or a good deal less
    settled = at_end([[1.0]] * 20, [0.1] * 20, 1e-9)[0]
    return "none" if abs(settled) > 0.09 else "buffer rescaled"


def diagnose__terse(step):
    def run(*stream, eps):
        w, state, places = [torch.zeros(1), torch.zeros(1)], None, []
        for lr, *g in stream:
            g = [torch.tensor([x]) for x in g]
            w, state = step(w, state, g, lr, 0.5, 0.5, eps)
            places.append(torch.cat(w).double())
        return torch.stack(places).diff(dim=0)

    constant = (0.1, 1.0, 8.0)
    moves = run(constant, (0.0, 1.0, 8.0), constant, constant, constant, eps=1e-6)
    if moves[0].any():
        return "switch at k = 1"
    moves = run(constant, constant, constant, constant, eps=1e-6)
    if (moves[1, 1] / moves[1, 0] - 8).abs() > 0.1:
        return "gamma per tensor"
    if (moves[2, 0] / moves[1, 0] - 1.5).abs() > 0.1:
        return "buffer rescaled"
    if not run((0.1, 90.0, 0.0), (0.1, 900.0, 0.0), (0.0, 9.0, 0.0), eps=0.4)[1].any():
        return "relative tolerance"
    if not run((0.1, 1.0, 0.0), (0.1, -0.1, 0.0), (0.0, 1.0, 0.0), eps=30.0)[1].any():
        return "negative rates refused"
    return "none"
