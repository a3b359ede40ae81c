"""Right answers to the RMSProp notebook's exercises."""

import torch


def update_gain__plain(gain, g, g_prev, beta):
    product = g * g_prev
    new = gain.clone()
    new[product > 0] = gain[product > 0] + beta
    new[product < 0] = gain[product < 0] * (1 - beta)
    return new


def update_gain__terse(gain, g, g_prev, beta):
    s = torch.sign(g) * torch.sign(g_prev)
    return gain + beta * (s > 0) - beta * gain * (s < 0)


def gain_step__plain(w, gain, g, g_prev, lr, beta):
    agree = torch.sign(g) * torch.sign(g_prev)
    gain = torch.where(agree > 0, gain + beta, torch.where(agree < 0, gain * (1 - beta), gain))
    step = lr * gain * g
    return w - step, gain


def gain_step__terse(w, gain, g, g_prev, lr, beta):
    s = torch.sign(g * g_prev)
    gain = gain + beta * torch.where(s < 0, -gain, s)
    return torch.addcmul(w, gain, g, value=-lr), gain


def rprop_step__plain(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    agree = torch.sign(g) * torch.sign(g_prev)
    new_step = step.clone()
    new_step[agree > 0] = step[agree > 0] * eta_plus
    new_step[agree < 0] = step[agree < 0] * eta_minus
    new_step = torch.clamp(new_step, min=step_min, max=step_max)
    return w - torch.sign(g) * new_step, new_step


def rprop_step__terse(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    s = torch.sign(g * g_prev)
    step = step * (1 + (s > 0) * (eta_plus - 1) + (s < 0) * (eta_minus - 1))
    step = step.clip(step_min, step_max)
    return w - step.copysign(g) * (g != 0), step


def rmsprop_step__plain(w, ms, g, lr, beta, eps):
    new_ms = beta * ms + (1 - beta) * g * g
    root = torch.sqrt(new_ms)
    return w - lr * g / (root + eps), new_ms


def rmsprop_step__terse(w, ms, g, lr, beta, eps):
    ms = torch.lerp(g.square(), ms, beta)
    return torch.addcdiv(w, g, ms.sqrt() + eps, value=-lr), ms


def adadelta_step__plain(w, ms, du, g, rho, eps):
    new_ms = rho * ms + (1 - rho) * g * g
    rms_du = torch.sqrt(du + eps)
    rms_g = torch.sqrt(new_ms + eps)
    update = -rms_du / rms_g * g
    new_du = rho * du + (1 - rho) * update * update
    return w + update, new_ms, new_du


def adadelta_step__terse(w, ms, du, g, rho, eps):
    ms = torch.lerp(g.square(), ms, rho)
    d = ((du + eps) / (ms + eps)).sqrt() * g
    return w - d, ms, torch.lerp(d.square(), du, rho)
