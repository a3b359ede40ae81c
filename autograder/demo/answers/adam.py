"""Right answers to the Adam notebook's exercises."""

import math

import torch


def adam_step__plain(w, m, v, g, t, lr, beta1, beta2, eps):
    new_m = m + (1 - beta1) * (g - m)
    new_v = v + (1 - beta2) * (g * g - v)
    m_hat = new_m / (1 - beta1**t)
    v_hat = new_v / (1 - beta2**t)
    step = lr * m_hat / (torch.sqrt(v_hat) + eps)
    return w - step, new_m, new_v


def adam_step__terse(w, m, v, g, t, lr, beta1, beta2, eps):
    m, v = m.lerp(g, 1 - beta1), v.lerp(g.square(), 1 - beta2)
    denominator = v.div(1 - beta2**t).sqrt().add(eps)
    return torch.addcdiv(w, m, denominator, value=-lr / (1 - beta1**t)), m, v


def bias_factor__plain(t, beta1, beta2):
    too_small_m = 1 - beta1**t
    too_small_v = 1 - beta2**t
    return too_small_m / too_small_v**0.5


def bias_factor__terse(t, beta1, beta2):
    return (1 - math.pow(beta1, t)) * math.pow(1 - math.pow(beta2, t), -0.5)


def adam_efficient_step__plain(w, m, v, g, t, lr, beta1, beta2, eps):
    root = math.sqrt(1 - beta2**t)
    new_m = beta1 * m + (1 - beta1) * g
    new_v = beta2 * v + (1 - beta2) * g * g
    rate = lr * root / (1 - beta1**t)
    return w - rate * new_m / (torch.sqrt(new_v) + eps * root), new_m, new_v


def adam_efficient_step__terse(w, m, v, g, t, lr, beta1, beta2, eps):
    m, v, c = m.lerp(g, 1 - beta1), v.lerp(g**2, 1 - beta2), (1 - beta2**t) ** 0.5
    return w.addcdiv(m, v.sqrt().add(c * eps), value=-lr * c / (1 - beta1**t)), m, v


def amsgrad_step__plain(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    new_m = beta1 * m + (1 - beta1) * g
    new_v = beta2 * v + (1 - beta2) * g * g
    largest = torch.where(new_v > v_max, new_v, v_max)
    return w - lr * new_m / (torch.sqrt(largest) + eps), new_m, new_v, largest


def amsgrad_step__terse(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    m, v = m.lerp(g, 1 - beta1), v.lerp(g.square(), 1 - beta2)
    v_max = v_max.maximum(v)
    return w.addcdiv(m, v_max.sqrt().add(eps), value=-lr), m, v, v_max


def debug_adam__plain(step):
    w, m, v, g = (torch.tensor(x, dtype=torch.float64) for x in (2.0, -0.3, 0.6, 0.4))
    t, lr, beta1, beta2, eps = 2, 0.2, 0.7, 0.9, 0.3
    new_w, new_m, new_v = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def near(a, b):
        return abs(float(a) - float(b)) < 1e-7

    right_m = beta1 * m + (1 - beta1) * g
    right_v = beta2 * v + (1 - beta2) * g**2
    c1, c2 = 1 - beta1**t, 1 - beta2**t
    if near(new_m, beta2 * m + (1 - beta2) * g):
        return "betas swapped"
    if near(new_m, beta1 * m + (1 - beta1) * lr * g):
        return "lr inside m"
    if near(new_m, right_m / c1):
        return "hats kept"
    if near(new_v, beta2 * v + (1 - beta2) * g):
        return "g not squared"
    moved = (w - new_w) / lr
    if near(moved, right_m / (torch.sqrt(right_v / c2) + eps)):
        return "m uncorrected"
    if near(moved, right_m / c1 / (torch.sqrt(right_v) + eps)):
        return "v uncorrected"
    if near(moved, right_m / c1 / torch.sqrt(right_v / c2 + eps)):
        return "eps inside root"
    if near(moved, right_m / c1 / (right_v / c2 + eps)):
        return "no root"
    if near(moved, right_m / c1 / (torch.sqrt(right_v / c2) + eps)):
        return "none"
    return "t from 0"


def debug_adam__terse(step):
    w, m, v, g = torch.tensor([1.0, 0.4, 0.7, -0.2], dtype=torch.float64)
    t, lr, b1, b2, eps = 4, 0.5, 0.6, 0.8, 0.1
    got = [float(x) for x in step(w, m, v, g, t, lr, b1, b2, eps)]
    w, m, v, g = w.item(), m.item(), v.item(), g.item()

    def adam(b1=b1, b2=b2, c1=None, c2=None, at=t, h=g, s=g * g, outer=lr, p=0.5, inside=0, kept=0):
        M, V = b1 * m + (1 - b1) * h, b2 * v + (1 - b2) * s
        M_, V_ = M / (c1 or 1 - b1**at), V / (c2 or 1 - b2**at)
        W = w - outer * M_ / ((V_ + inside * eps) ** p + (1 - inside) * eps)
        return (W, M_, V_) if kept else (W, M, V)

    suspects = {
        "none": adam(),
        "m uncorrected": adam(c1=1),
        "v uncorrected": adam(c2=1),
        "t from 0": adam(at=t - 1),
        "eps inside root": adam(inside=1),
        "betas swapped": adam(b1=b2, b2=b1),
        "g not squared": adam(s=g),
        "no root": adam(p=1),
        "lr inside m": adam(h=lr * g, outer=1),
        "hats kept": adam(kept=1),
    }
    return min(suspects, key=lambda name: math.dist(got, suspects[name]))
