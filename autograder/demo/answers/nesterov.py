"""Right answers to the Nesterov notebook's exercises."""

import math

import torch


def nesterov_step__plain(w, dw, grad_fn, lr, alpha):
    kept = alpha * dw
    ahead = w - kept
    new_dw = kept + lr * grad_fn(ahead)
    return w - new_dw, new_dw


def nesterov_step__terse(w, dw, grad_fn, lr, alpha):
    dw = torch.add(alpha * dw, grad_fn(torch.sub(w, dw, alpha=alpha)), alpha=lr)
    return w.sub(dw), dw


def nesterov_pytorch_step__plain(theta, buf, g, lr, momentum):
    new_buf = momentum * buf + g
    step = g + momentum * new_buf
    return theta - lr * step, new_buf


def nesterov_pytorch_step__terse(theta, buf, g, lr, momentum):
    buf = buf.mul(momentum).add(g)
    return theta.sub(g.add(buf, alpha=momentum), alpha=lr), buf


def to_lookahead__plain(w, dw, alpha):
    jump = alpha * dw
    return w - jump


def to_lookahead__terse(w, dw, alpha):
    return torch.add(w, dw, alpha=-alpha)


def effective_momentum__plain(alpha, lr, lam):
    return alpha - alpha * lr * lam


def effective_momentum__terse(alpha, lr, lam):
    return (1 - lr * lam) * alpha


def nesterov_schedule__plain(t):
    a = [0.0, 1.0]
    while len(a) <= t + 1:
        a.append((1 + math.sqrt(1 + 4 * a[-1] ** 2)) / 2)
    return (a[t] - 1) / a[t + 1]


def nesterov_schedule__terse(t):
    a = b = 1.0
    for _ in range(t):
        a, b = b, 0.5 + math.sqrt(b * b + 0.25)
    return (a - 1) / b
