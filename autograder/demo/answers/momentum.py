"""Right answers to the momentum notebook's exercises."""

import math

import torch

from lib import surfaces


def momentum_step__plain(w, v, g, lr, alpha):
    kept = alpha * v
    new_velocity = kept + lr * g
    new_weights = w - new_velocity
    return new_weights, new_velocity


def momentum_step__terse(w, v, g, lr, alpha):
    return w.sub(v := torch.add(v.mul(alpha), g, alpha=lr)), v


def sgd_step__plain(w, buf, g, lr, momentum, dampening):
    if buf is None:
        new_buf = g
    else:
        new_buf = momentum * buf
        new_buf = new_buf + g - dampening * g
    return w - lr * new_buf, new_buf


def sgd_step__terse(w, buf, g, lr, momentum, dampening):
    b = torch.clone(g) if buf is None else torch.add(buf * momentum, g, alpha=1 - dampening)
    return torch.add(w, b, alpha=-lr), b


def unrolled_velocity__plain(alpha, lr, grads):
    total = torch.zeros_like(grads[0])
    factor = lr
    for g in reversed(list(grads)):
        total = total + factor * g
        factor = factor * alpha
    return total


def unrolled_velocity__terse(alpha, lr, grads):
    ages = torch.arange(len(grads), dtype=grads.dtype).flip(0)
    return torch.einsum("t,t...->...", lr * alpha**ages, grads)


def basin_fraction__plain(alpha):
    values = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.cartesian_prod(values, values)
    v = 0 * w
    for _ in range(500):
        g = surfaces.two_wells.grad(w)
        v = alpha * v + 0.01 * g
        w = w - v
    ends_left = (w[:, 0] < 0).sum().item()
    return ends_left / 81**2


def basin_fraction__terse(alpha):
    x = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = u = torch.stack(torch.meshgrid(x, x, indexing="xy"), -1)
    for _ in range(500):
        w, u = w + alpha * (w - u) - 0.01 * surfaces.two_wells.grad(w), w
    return (w[..., 0] < 0).double().mean().item()


def convergence_rate__plain(lr, alpha, lam):
    b = 1 + alpha - lr * lam
    inside = b * b - 4 * alpha
    if inside < 0:
        return math.sqrt(alpha)
    first = (b + math.sqrt(inside)) / 2
    second = (b - math.sqrt(inside)) / 2
    return max(abs(first), abs(second))


def convergence_rate__terse(lr, alpha, lam):
    b = 1 + alpha - lr * lam
    root = complex(b * b - 4 * alpha) ** 0.5
    return max(abs(b + root), abs(b - root)) / 2


def optimal_heavy_ball__plain(lam_min, lam_max):
    kappa = lam_max / lam_min
    alpha = ((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1)) ** 2
    lr = (1 + math.sqrt(alpha)) ** 2 / lam_max
    return lr, alpha


def optimal_heavy_ball__terse(lam_min, lam_max):
    a, b = lam_min**0.5, lam_max**0.5
    return 4 / (a + b) ** 2, (1 - 2 * a / (a + b)) ** 2
