# ---
# jupyter:
#   descent:
#     title: Adaptive learning rates and RMSProp
#     points: 20
#     minutes: 90
# ---

# %% [markdown]
# # Adaptive learning rates and RMSProp
#
# *Notebook 5 of 7 · 20 points · about 90 minutes · follows the slides "Adaptive Learning Rates" and "Adaptive Learning Rate via RMSProp" of lecture 12, STAT 479 (S. Raschka, 2019)*
#
# **The question.** Here is a network with four hidden layers of sigmoids, before its first step, and the size of its gradient in each layer. All of these weights are about to be multiplied by the *same* learning rate. Which one would you choose?

# %% nbgrader={"grade_id": "setup", "locked": true}
import math

import matplotlib.pyplot as plt
import torch
from torch import nn

from lib import data, measure, models, plots, surfaces, training, trajectories
from lib.check import check

plots.use_style()
torch.set_num_threads(1)  # with tensors as small as ours, threads would only wait for each other
f64 = torch.float64

# %%
def sigmoid_network(hidden, generator):
    """A perceptron for the digits with some hidden layers of 32 sigmoids."""
    layers = [nn.Linear(64, 32), nn.Sigmoid()]
    for _ in range(hidden - 1):
        layers += [nn.Linear(32, 32), nn.Sigmoid()]
    return models.initialize(nn.Sequential(*layers, nn.Linear(32, 10)), "xavier_normal", generator=generator)


digits = data.digits()
sizes = []
for seed in range(5):
    network = sigmoid_network(4, torch.Generator().manual_seed(seed))
    nn.functional.cross_entropy(network(digits.X), digits.y).backward()
    sizes.append([layer.weight.grad.square().mean().sqrt().item() for layer in network if isinstance(layer, nn.Linear)])
sizes = torch.tensor(sizes)

fig, ax = plt.subplots(figsize=(8, 3.4))
for seed, style in zip(range(5), plots.styles(), strict=False):
    ax.semilogy(range(1, 6), sizes[seed], **style, label=f"seed {seed}")
ax.set_xticks(range(1, 6), ["1: next to the input", "2", "3", "4", "5: output"])
ax.set(xlabel="layer", ylabel="root mean square of the gradient")
ax.legend(fontsize=9)
plt.show()
ratio = sizes[:, -1] / sizes[:, 0]
print(f"the last layer's gradient is {ratio.min():.0f} to {ratio.max():.0f} times as large as the first layer's")
assert ratio.min() > 100

# %% [markdown]
# *The size of the gradient, layer by layer, for five seeds (logarithmic axis). Every sigmoid on the way back makes it several times smaller: between first and last layer lie more than two powers of ten.*
#
# A rate that suits the last layer leaves the first one where it is; a rate that suits the first blows up the last. The remedy of this notebook: **every weight gets a learning rate of its own**, and finds it out by itself, from the gradients it has seen.
#
# The slides say that there are "many different flavors" of this. We take them in the order in which they were invented, because each one repairs what was wrong with the one before: local gains → Rprop → RMSProp → AdaDelta.

# %% [markdown] covers=[37]
# ## 1 · What the signs tell
#
# The lecture's two key take-aways, for each weight by itself:
#
# > decrease the learning rate if the gradient changes its direction,
# > increase the learning rate if the gradient stays consistent.
#
# If the sign **flips**, the last step has jumped over the minimum: too long. If it **agrees** with the one before, the step could have been longer. No second derivative is needed to see that; two signs are enough. "Consistent" means precisely: $g_t$ and $g_{t-1}$ of *this weight* have the same sign, $g_t\,g_{t-1} > 0$.

# %% [markdown] covers=[37, 38]
# ## 2 · Local gains
#
# **Step 1.** Give every weight a *gain*, 1 at first, that multiplies the learning rate: $\ \Delta w_{i,j} := \eta\cdot g_{i,j}\cdot \dfrac{\partial\mathcal L}{\partial w_{i,j}}$. (The slides call the gain $g$. So that gradients may keep that letter, we write *gain*.)
#
# **Step 2.** After every step,
# $$
# \text{gain}(t) := \begin{cases} \text{gain}(t-1) + \beta & \text{if the gradient is consistent,}\\ \text{gain}(t-1)\cdot(1-\beta) & \text{else,}\end{cases}
# $$
# with a small β such as .05. One case hides in "else": if one of the two gradients is exactly **zero**, as happens behind a dead ReLU, there was neither agreement nor a flip. We leave the gain as it is.
#
# The method is Jacobs' *delta-bar-delta* (1988), in the form in which Hinton taught it. (Jacobs compares with an average of past gradients, which is what the bar stands for.)
#
# ### Exercise 1 · `update_gain` (3 points)
#
# Each weight decides for itself, so there is no `if`: `torch.where(condition, a, b)` chooses element by element.

# %% nbgrader={"grade_id": "update-gain", "solution": true}
def update_gain(gain, g, g_prev, beta):
    """Local gains after one more gradient.

    Args:
        gain: gains so far, a tensor of any shape.
        g: today's gradient, the same shape.
        g_prev: the gradient before, the same shape.
        beta: β, what is added, and the part that is taken away.

    Returns:
        The new gains, the same shape. Where g · g_prev is zero they have not changed.
    """
    ### BEGIN SOLUTION
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    return torch.where(g * g_prev > 0, gain + beta, cut)
    ### END SOLUTION


# %% nbgrader={"grade_id": "update-gain-check", "grade": true, "points": 3}
check("update_gain", update_gain)
### BEGIN HIDDEN TESTS
check("update_gain", update_gain, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[38]
# ### Why add on the way up, but multiply on the way down?
#
# The slide's answer: "multiplying by a factor has a larger impact if gains are large". Three small computations make that precise.
#
# * From a gain of 10, flips bring it back to 1 in about $\ln 10/\beta$ steps; at β = .05 in 45. Getting from 1 to 10 took $9/\beta = 180$. *Fear is quicker than hope*, which is right for something that can blow up.
# * If the signs are **random**, the gain should not drift. Up and down are then equally likely, and they balance where $\beta = \beta\cdot\text{gain}$, so at **gain = 1**: a weight whose gradient is pure noise gets the plain learning rate.
# * With other rules it is not so. Below: your function, and the two obvious alternatives, on the same random signs.

# %%
def walk(rule, seed, steps=2000, runs=200):
    """Gains of many weights whose gradients have random signs."""
    generator = torch.Generator().manual_seed(seed)
    signs = 2.0 * torch.randint(0, 2, (steps + 1, runs), generator=generator, dtype=f64) - 1
    gain = torch.ones(runs, dtype=f64)
    history = [gain]
    for before, now in zip(signs[:-1], signs[1:], strict=True):
        gain = rule(gain, now, before)
        history.append(gain)
    return torch.stack(history)


kinds = {
    "add up, multiply down (yours)": lambda gain, g, p: update_gain(gain, g, p, 0.05),
    "multiply both ways": lambda gain, g, p: torch.where(g * p > 0, gain * 1.05, gain * 0.95),
    "add both ways": lambda gain, g, p: torch.where(g * p > 0, gain + 0.05, gain - 0.05),
}
fig, axes = plt.subplots(1, 3, figsize=(12, 3.4))
print("2000 random signs, β = .05                mean gain (5 seeds)      smallest    largest of 1000")
for ax, (name, rule) in zip(axes, kinds.items(), strict=True):
    walks = [walk(rule, seed) for seed in range(5)]
    late = torch.stack([w[1000:].mean() for w in walks])
    mean, half = measure.mean_interval(late)
    ends = torch.cat([w[-1] for w in walks])
    print(f"{name:32} {mean:13.2f} ± {half:.2f} {ends.min():17.4f} {ends.max():10.2f}")
    low, middle, high = (walks[0].quantile(q, dim=1) for q in (0.05, 0.5, 0.95))
    ax.fill_between(range(2001), low, high, color=plots.COLORS[0], alpha=0.25)
    ax.plot(middle, color="black", linewidth=1.5)
    ax.axhline(1, color="black", linestyle=":", linewidth=1)
    ax.set(title=name, xlabel="step")
    if name.startswith("add up"):
        assert abs(mean - 1) < 0.05 and ends.min() > 0.2 and ends.max() < 3
    elif name.startswith("multiply"):
        assert ends.max() / ends.min() > 1000
    else:
        assert ends.min() < 0
axes[0].set_ylabel("gain")
axes[0].set_ylim(0, 4)
axes[1].set_yscale("log")
plt.show()

# %% [markdown]
# *Gains of 200 weights under random signs: median (line) and the middle 90% (band). Left: they stay near 1. Middle (logarithmic!): multiplying both ways, most gains die out while a few grow without limit. Right: adding both ways, they wander off, and many become negative, which turns descent into ascent.*
#
# In practice gains are also **clipped**, to [.1, 10] or [.01, 100] (Hinton), since a long consistent slope would let them grow for ever.
#
# ### Exercise 2 · `gain_step` (2 points)
#
# Now a whole step: first update the gain, then move with it. You may use your `update_gain`.

# %% nbgrader={"grade_id": "gain-step", "solution": true}
def gain_step(w, gain, g, g_prev, lr, beta):
    """One step of gradient descent with local gains.

    Args:
        w: weights, a tensor of any shape.
        gain: local gains, the same shape.
        g: gradient of the loss at w, the same shape.
        g_prev: the gradient before, the same shape; zeros before the first step.
        lr: learning rate η.
        beta: β of the gains.

    Returns:
        The pair (w, gain) after the step.
    """
    ### BEGIN SOLUTION
    cut = torch.where(g * g_prev < 0, gain * (1 - beta), gain)
    gain = torch.where(g * g_prev > 0, gain + beta, cut)
    return w - lr * gain * g, gain
    ### END SOLUTION


# %% nbgrader={"grade_id": "gain-step-check", "grade": true, "points": 2}
check("gain_step", gain_step)
### BEGIN HIDDEN TESTS
check("gain_step", gain_step, hidden=True)
### END HIDDEN TESTS

# %%
def with_gains(surface, start, steps, lr, beta):
    """Follow gain_step downhill; returns the path and the gains on the way."""
    w, gain, g_prev = start, torch.ones_like(start), torch.zeros_like(start)
    points, gains = [w], [gain]
    for _ in range(steps):
        g = surface.grad(w)
        w, gain = gain_step(w, gain, g, g_prev, lr, beta)
        g_prev = g
        points.append(w)
        gains.append(gain)
    points = torch.stack(points)
    return trajectories.Trajectory(points, surface(points)), torch.stack(gains)


ravine = surfaces.ravine(kappa=100)
adaptive, gains = with_gains(ravine, ravine.start, 60, 0.015, 0.1)
plain = trajectories.descend(ravine, lambda w, g, state, t: (w - 0.015 * g, state), ravine.start, 60)
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.paths(ravine, {"one learning rate": plain, "local gains": adaptive}, ax=left)
plots.curves({"along the valley ($w_1$)": gains[:, 0], "across ($w_2$)": gains[:, 1]}, ax=right, ylabel="gain")
right.axhline(1, color="black", linestyle=":", linewidth=1)
plt.show()
print(f"loss after 60 steps: one rate {plain.loss[-1]:.2f}, local gains {adaptive.loss[-1]:.4f}")
assert adaptive.loss[-1] < 0.1 * plain.loss[-1]

# %% [markdown]
# *A ravine with λ = 1 along and 100 across. The weight along the valley sees one sign all the way and its gain climbs by .1 a step; the weight across sees flips, and its gain falls and stays small.*
#
# Two ideas against two illnesses: momentum (notebook 3) averages gradients, gains rescale each weight. They can be combined. But note what gains cannot do: turn the ravine by 45°, and both weights see the same mixture of signs. All methods of this notebook look at the weights *one by one*. Notebook 6 measures what that costs.

# %% [markdown] covers=[39]
# ## 3 · Rprop: only the sign
#
# If the sizes of gradients differ a thousandfold, why look at them at all? **Rprop** (*resilient propagation*: Riedmiller and Braun, 1993; the slides cite Igel and Hüsken, 2000) keeps a step *size* Δ for every weight and takes from the gradient only its sign:
# $$
# \Delta \leftarrow \operatorname{clip}\Big(\Delta\cdot\begin{cases}\eta^+ & g_t g_{t-1} > 0\\ \eta^- & g_t g_{t-1} < 0\\ 1 & \text{else}\end{cases},\ \Delta_{\min},\ \Delta_{\max}\Big), \qquad w \leftarrow w - \operatorname{sign}(g_t)\,\Delta ,
# $$
# with η⁺ = 1.2 and η⁻ = .5. On a plateau it accelerates like a car; whether the loss is measured in euros or cents makes no difference.
#
# The papers know four variants, by what they do after a flip. Ours, the simplest (Igel and Hüsken's Rprop⁻), moves as always, with the smaller step. PyTorch's (their iRprop⁻) lets the weight *rest* for that step and forgets the sign.
#
# ### Exercise 3 · `rprop_step` (4 points)

# %% nbgrader={"grade_id": "rprop-step", "solution": true}
def rprop_step(w, step, g, g_prev, eta_minus, eta_plus, step_min, step_max):
    """One step of Rprop (without resting or going back after a flip).

    Args:
        w: weights, a tensor of any shape.
        step: step sizes Δ, the same shape.
        g: gradient of the loss at w, the same shape.
        g_prev: the gradient before, the same shape; zeros before the first step.
        eta_minus: factor η⁻ after a flip, below 1.
        eta_plus: factor η⁺ after agreement, above 1.
        step_min: smallest step size.
        step_max: largest step size.

    Returns:
        The pair (w, step) after the step.
    """
    ### BEGIN SOLUTION
    cut = torch.where(g * g_prev < 0, step * eta_minus, step)
    step = torch.where(g * g_prev > 0, step * eta_plus, cut).clamp(step_min, step_max)
    return w - torch.sign(g) * step, step
    ### END SOLUTION


# %% nbgrader={"grade_id": "rprop-step-check", "grade": true, "points": 4}
check("rprop_step", rprop_step)
### BEGIN HIDDEN TESTS
check("rprop_step", rprop_step, hidden=True)
### END HIDDEN TESTS

# %%
# The ravine as it is, and with its loss measured in millionths. Gradient descent has the best of five learning rates for the first.
def rprop_path(scale, steps=60):
    """Follow rprop_step downhill."""
    w, step, g_prev, points = ravine.start, torch.full((2,), 0.01, dtype=f64), torch.zeros(2, dtype=f64), [ravine.start]
    for _ in range(steps):
        g = scale * ravine.grad(w)
        w, step = rprop_step(w, step, g, g_prev, 0.5, 1.2, 1e-6, 50.0)
        g_prev = g
        points.append(w)
    points = torch.stack(points)
    return trajectories.Trajectory(points, ravine(points))


def descent_path(scale, lr, steps=60):
    """Follow plain gradient descent."""
    return trajectories.descend(ravine, lambda w, g, state, t: (w - lr * scale * g, state), ravine.start, steps)


lr = min((0.0025, 0.005, 0.01, 0.015, 0.0195), key=lambda lr: descent_path(1, lr).loss[-1].nan_to_num(math.inf))
print("loss after 60 steps       as it is    in millionths")
print(f"gradient descent, η = {lr} {descent_path(1, lr).loss[-1]:9.4f} {descent_path(1e-6, lr).loss[-1]:14.4f}")
print(f"Rprop                      {rprop_path(1).loss[-1]:9.4f} {rprop_path(1e-6).loss[-1]:14.4f}")
assert torch.equal(rprop_path(1).w, rprop_path(1e-6).w)

# %% [markdown]
# Rprop's path does not change by a single bit when the loss is rescaled. It needs no learning rate, and where the whole batch is used it does well to this day. Then why does nobody train networks with it any more?

# %% [markdown] covers=[39]
# ## 4 · Hinton's cycle: why minibatches break Rprop
#
# Take one weight, and let its gradient be +.1 on nine minibatches and −.9 on the tenth. The sum is zero: this weight should stay where it is, and with plain SGD it does. Rprop sees nine pluses and one minus. Hold its step size fixed, so that nothing but the signs counts (Δ_min = Δ_max), and count:

# %%
cycle = torch.tensor([0.1] * 9 + [-0.9], dtype=f64)


def sgd_drift(cycle, lr=1.0):
    return -(lr * cycle).sum().item()


def rprop_drift(cycle, size=1.0):
    """Where Rprop is after one cycle of gradients, in steps of a fixed size."""
    w, step, g_prev = torch.zeros(1, dtype=f64), torch.full((1,), size, dtype=f64), torch.zeros(1, dtype=f64)
    for g in cycle:
        w, step = rprop_step(w, step, g.reshape(1), g_prev, 0.5, 1.2, size, size)
        g_prev = g.reshape(1)
    return w.item()


parameter = nn.Parameter(torch.zeros(1, dtype=f64))
theirs = torch.optim.Rprop([parameter], lr=1.0, etas=(0.5, 1.2), step_sizes=(1.0, 1.0))
for g in cycle:
    parameter.grad = g.reshape(1).clone()
    theirs.step()
print(f"one cycle: SGD moves by {abs(sgd_drift(cycle)):.1f}, Rprop by {rprop_drift(cycle):.0f} steps, PyTorch's Rprop by {parameter.item():.0f}")
assert abs(sgd_drift(cycle)) < 1e-12 and rprop_drift(cycle) == -8 and parameter.item() == -9

# Now with step sizes that adapt, three cycles in a row.
w, step, g_prev = torch.zeros(1, dtype=f64), torch.ones(1, dtype=f64), torch.zeros(1, dtype=f64)
moves = []
for _ in range(3):
    before = w
    for g in cycle:
        w, step = rprop_step(w, step, g.reshape(1), g_prev, 0.5, 1.2, 1e-6, 50.0)
        g_prev = g.reshape(1)
    moves.append((w - before).item())
print("with sizes that adapt, in first steps:", ", ".join(f"{move:.1f}" for move in moves))
assert moves[2] < moves[1] < moves[0] < -8

# %% [markdown]
# Nine steps one way, one back: eight steps in a direction in which there is nothing to gain. (PyTorch's variant rests on the flip instead of stepping back, so it goes nine. The Rprop of 1993 goes the last step back: eight again.) Rprop throws away exactly what a minibatch method lives on: that *averages over many minibatches* come out right (notebook 1).
#
# With step sizes that adapt it gets worse: eight agreements in a row let Δ grow by $1.2^8 = 4.3$, and the two flips of a cycle (down to −.9 and up again) only quarter it. So each cycle goes 7.5% further the wrong way than the one before, until Δ_max.
#
# ## 5 · RMSProp
#
# Now look at Rprop as a gradient method: $\operatorname{sign}(g) = g/|g|$, the gradient divided by its own size, *at every step by a different number*. Hinton's idea (unpublished; lecture 6e of his online course, 2012): divide neighboring minibatches by **nearly the same number**, the running root mean square of the gradient. Then the sizes cancel
# between weights, but not between minibatches.
#
# Hence the name, Root Mean Squared propagation, and "based on Rprop".

# %% [markdown] covers=[39, 40]
# In the lecture's notation (with the ∂ that the slides lost in $\partial\mathcal L/w_{i,j}$), for every weight:
# $$
# MeanSquare(w_{i,j}, t) := \beta\cdot MeanSquare(w_{i,j}, t-1) + (1-\beta)\Big(\frac{\partial\mathcal L}{\partial w_{i,j}(t)}\Big)^2,
# \qquad
# w_{i,j}(t) := w_{i,j}(t) - \eta\,\frac{\partial\mathcal L}{\partial w_{i,j}(t)} \Big/ \Big(\sqrt{MeanSquare(w_{i,j}, t)} + \epsilon\Big).
# $$
# (The second rule should read $w(t+1) := w(t) - \dots$; as code it is the same.)
#
# | symbol | in code | meaning |
# |---|---|---|
# | $MeanSquare$ | `ms` | moving average of the squared gradient, 0 at the start |
# | β | `beta` | what is kept; typically .9 to .999, a memory of 10 to 1000 steps |
# | ε | `eps` | a small number against division by zero, *outside* the root |
#
# ### Exercise 4 · `rmsprop_step` (4 points)

# %% nbgrader={"grade_id": "rmsprop-step", "solution": true}
def rmsprop_step(w, ms, g, lr, beta, eps):
    """One step of RMSProp, as in the lecture.

    Args:
        w: weights, a tensor of any shape.
        ms: moving average of squared gradients, the same shape.
        g: gradient of the loss at w, the same shape.
        lr: learning rate η.
        beta: β, the part of the average that is kept.
        eps: ε, added to the root.

    Returns:
        The pair (w, ms) after the step.
    """
    ### BEGIN SOLUTION
    ms = beta * ms + (1 - beta) * g**2
    return w - lr * g / (torch.sqrt(ms) + eps), ms
    ### END SOLUTION


# %% nbgrader={"grade_id": "rmsprop-step-check", "grade": true, "points": 4}
check("rmsprop_step", rmsprop_step)
### BEGIN HIDDEN TESTS
check("rmsprop_step", rmsprop_step, hidden=True)
### END HIDDEN TESTS

# %% covers=[40]
# The same as torch.optim.RMSprop? Its α is our β, and its default is .99.
surface = surfaces.two_wells
w, ms = surface.start, torch.zeros_like(surface.start)
parameter = nn.Parameter(surface.start.clone())
theirs = torch.optim.RMSprop([parameter], lr=0.01, alpha=0.9, eps=1e-8)
apart = 0.0
for _ in range(200):
    w, ms = rmsprop_step(w, ms, surface.grad(w), 0.01, 0.9, 1e-8)
    parameter.grad = surface.grad(parameter.detach())
    theirs.step()
    apart = max(apart, (w - parameter.detach()).abs().max().item())
assert apart < 1e-12
print("200 steps on the two-well surface: yours = torch.optim.RMSprop, to rounding")

# ε inside or outside? For a gradient that is small, and has been for long, the step differs.
print("a steady gradient of:            1       1e-4       1e-8")
for place, rms in (("outside", lambda g: abs(g) + 1e-8), ("inside ", lambda g: math.sqrt(g * g + 1e-8))):
    print(f"step / η with ε {place} {1 / rms(1):12.3f} {1e-4 / rms(1e-4):10.3f} {1e-8 / rms(1e-8):10.4f}")

# %% [markdown]
# Both places of ε occur under the same name: PyTorch adds it outside the root, TensorFlow inside, and Chainer has a switch (`eps_inside_sqrt`) for those who port code. Inside the root, ε = 10⁻⁸ acts as 10⁻⁴ does outside: it switches the adaptation off for small gradients. When you port settings from one to the other, check.
#
# ### On the ravine
#
# The slide says that RMSProp "also damps oscillations like momentum". Look at the steep direction:

# %%
def rms_path(surface, start, steps, lr, beta, eps=1e-8):
    """Follow rmsprop_step downhill."""
    return trajectories.descend(surface, lambda w, g, ms, t: rmsprop_step(w, ms, g, lr, beta, eps), start, steps, state=torch.zeros_like(start))


runs = {
    "one learning rate, η = .018": trajectories.descend(ravine, lambda w, g, state, t: (w - 0.018 * g, state), ravine.start, 150),
    "RMSProp, η = .1, β = .9": rms_path(ravine, ravine.start, 150, 0.1, 0.9),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.paths(ravine, runs, ax=left)
plots.curves({name: run.loss for name, run in runs.items()}, ax=right, log=True)
plt.show()

# %% [markdown]
# *The ravine of notebook 3, 150 steps. RMSProp hardly sees that one direction is 100 times as steep as the other: both weights walk at about η a step, without swinging. But on the floor it is thrown out again and again: the divisor shrinks with the gradient, until the step is too long for the walls.*
#
# That is worth remembering: dividing by its size removes from the gradient the information that it is *getting small*. The rate that counts is $\eta/\sqrt{ms}$, and when that exceeds $2/\lambda$ the path is unstable until $ms$ has grown again. RMSProp needs a decaying learning rate (notebook 2) even where gradient descent would not. And the first steps are large: with $ms = 0$ at the start, the first is $\eta/\sqrt{1-\beta}$, which is 3.2 η for β = .9 and 32 η for β = .999. Adam will mend that (notebook 6).

# %% [markdown] covers=[39]
# ## 6 · Units: AdaDelta and Adagrad
#
# **Adagrad** (Duchi, Hazan and Singer, 2011) came first: divide by the root of the *sum* of all squared gradients so far. For convex problems with sparse features it has beautiful guarantees. But the sum only grows; with gradients of steady size the learning rate falls like $1/\sqrt t$, whether you want it or not. RMSProp is Adagrad that forgets.
#
# **AdaDelta** (Zeiler, 2012), which the slide calls "very similar" to RMSProp, was found independently, from the same complaint and one more: *units*. Say $w$ is a length in meters. The gradient is loss per meter, so a gradient step η·g has the wrong unit, and η must carry the difference; RMSProp's step $\eta g/\sqrt{ms}$ has no unit at all. Change meters
# into millimeters, and η must be changed as well. AdaDelta puts the missing unit back by multiplying with the root mean square of the *past updates*:
# $$
# ms \leftarrow \rho\,ms + (1-\rho) g^2, \qquad
# \Delta = \frac{\sqrt{du + \epsilon}}{\sqrt{ms + \epsilon}}\; g, \qquad
# du \leftarrow \rho\,du + (1-\rho)\Delta^2, \qquad
# w \leftarrow w - \Delta .
# $$
# There is no η. (PyTorch has one, 1 by default.) ε stands *inside* both roots here, and above it is needed: without it the first Δ would be 0, and so all others.
#
# ### Exercise 5 · `adadelta_step` (3 points)

# %% nbgrader={"grade_id": "adadelta-step", "solution": true}
def adadelta_step(w, ms, du, g, rho, eps):
    """One step of AdaDelta, Zeiler's Algorithm 1.

    Args:
        w: weights, a tensor of any shape.
        ms: moving average of squared gradients, the same shape.
        du: moving average of squared updates, the same shape.
        g: gradient of the loss at w, the same shape.
        rho: ρ, the part of the averages that is kept.
        eps: ε, inside both roots.

    Returns:
        The triple (w, ms, du) after the step.
    """
    ### BEGIN SOLUTION
    ms = rho * ms + (1 - rho) * g**2
    delta = torch.sqrt(du + eps) / torch.sqrt(ms + eps) * g
    return w - delta, ms, rho * du + (1 - rho) * delta**2
    ### END SOLUTION


# %% nbgrader={"grade_id": "adadelta-step-check", "grade": true, "points": 3}
check("adadelta_step", adadelta_step)
### BEGIN HIDDEN TESTS
check("adadelta_step", adadelta_step, hidden=True)
### END HIDDEN TESTS

# %%
# Change the unit of the weights: u = c·w. The loss is the same, its gradient is g/c. Does the same method take the same steps?
def in_other_units(method, c, steps=150):
    """Descend on the two-well surface in the unit u = c·w; returns the loss at the end."""
    u = c * surface.start
    state = (torch.zeros(2, dtype=f64),) * 2
    for _ in range(steps):
        g = surface.grad(u / c) / c
        if method == "SGD":
            u = u - 0.01 * g
        elif method == "RMSProp":
            u, ms = rmsprop_step(u, state[0], g, 0.01, 0.9, 1e-12)
            state = (ms, state[1])
        else:  # each root's ε in its own unit: 1e-6 for w, gradients and updates about 1
            u, *state = adadelta_in(c, u, *state, g)
    return surface(u / c).item()


def adadelta_in(c, u, ms, du, g):
    """AdaDelta with its two ε in the units they are added to: ms is 1/unit², du is unit²."""
    w, ms, du = adadelta_step(u / c, ms * c**2, du / c**2, g * c, 0.9, 1e-6)
    return c * w, ms / c**2, du * c**2


print("loss after 150 steps       w in m      in cm      in mm")
for method in ("SGD", "RMSProp", "AdaDelta"):
    print(f"{method:22}" + "".join(f"{in_other_units(method, c):11.3f}" for c in (1, 100, 1000)))
u = 1000 * surface.start
ms = du = torch.zeros(2, dtype=f64)
for _ in range(150):  # and with one and the same ε in both places, as everyone uses it
    u, ms, du = adadelta_step(u, ms, du, surface.grad(u / 1000) / 1000, 0.9, 1e-6)
print(f"AdaDelta in mm with ε = 1e-6 left as it is: {surface(u / 1000):.3f}")
assert abs(in_other_units("AdaDelta", 1) - in_other_units("AdaDelta", 1000)) < 1e-9
assert in_other_units("SGD", 1000) > in_other_units("SGD", 1) + 0.5

# %% [markdown]
# SGD and RMSProp stand still in millimeters: their learning rate means something else there. AdaDelta's formula is free of units; but its ε is not, and as the last line shows, in practice ε is a hidden learning rate. No method here is entirely without one.

# %% [markdown] covers=[40]
# ## 7 · Experiment: the memory against the cycle
#
# Does RMSProp pass Hinton's test? Its divisor changes a little within the cycle: just after the −.9 it is large, nine steps later smaller. So it drifts too, but less. Measure how far one cycle moves the weight, in units of η, once the average has settled; for several memories $1/(1-\beta)$, and for cycles of several lengths $n$ ($n-1$ gradients of +.1, then one that cancels them).

# %%
def rms_drift(n, beta, lr=1.0):
    """Where RMSProp goes in one cycle of n gradients that sum to zero, in the long run: the net movement, and the way of the n − 1 small ones."""
    w, ms = torch.zeros(1, dtype=f64), torch.zeros(1, dtype=f64)
    grads = [torch.tensor([0.1], dtype=f64)] * (n - 1) + [torch.tensor([-0.1 * (n - 1)], dtype=f64)]
    cycles = math.ceil(12 / (1 - beta) / n) + 1  # twelve memories
    for _ in range(cycles):
        start = w
        for g in grads:
            turn = w
            w, ms = rmsprop_step(w, ms, g, lr, beta, 1e-12)
    return (start - w).item(), (start - turn).item()


betas = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.998)
memory = torch.tensor([1 / (1 - beta) for beta in betas])
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
for n, style in zip((5, 10, 20, 50), plots.styles(), strict=False):
    net, way = torch.tensor([rms_drift(n, beta) for beta in betas]).T
    share = net / way / ((n - 2) / (n - 1))  # Rprop makes n − 1 steps and takes one back
    left.loglog(memory, net, **style, label=f"cycle of {n}")
    right.loglog(memory / n, share, **style)
    long = memory >= 4 * n
    assert (share[long] * 4 * memory[long] / n - 1).abs().max() < 0.05
    assert share.max() < 1 and (n < 20 or share[0] > 0.9)
x = torch.tensor([0.25, 100])
right.loglog(x, 1 / (4 * x), color="black", linewidth=1, label="cycle / (4 · memory)")
right.axhline(1, color="black", linestyle=":", linewidth=1.2, label="Rprop")
left.set(xlabel="memory 1/(1 − β), in steps", ylabel="drift in one cycle, in units of η")
right.set(xlabel="memory / length of the cycle", ylabel="part not taken back, Rprop's = 1")
left.legend()
right.legend()
plt.show()
hinton = [rms_drift(10, beta)[0] for beta in (0.9, 0.99, 0.999)]
print("Hinton's cycle of 10: drift a cycle, in η:", ", ".join(f"{d:.4f} at β = {b}" for d, b in zip(hinton, (0.9, 0.99, 0.999), strict=True)))
assert abs(hinton[0] - 0.679) < 0.002 and abs(hinton[1] - 0.067) < 0.001 and abs(hinton[2] - 0.0067) < 0.0002

# %% [markdown]
# *Left: how far one cycle of gradients that sum to zero moves the weight. Right: the part of the way that the large gradient does not take back, measured by Rprop's, which is (n − 2)/(n − 1). The four cycles fall on one curve, so what counts is memory / cycle: a short memory is Rprop, a long one leaves cycle / (4 · memory).*
#
# (Can you derive the 4? The mean square over a cycle is $.01\,(n-1)$. How far is $ms$ above it just after the large gradient, if a long memory lets it fall almost linearly until the next one? A root changes by half of that.)
#
# So the memory must be longer than the cycle: ten times as long leaves a fortieth. The cycle of a training set is its epoch, and rare samples come once in it. But a long memory is slow to forget, and makes the first steps large. And however long it is, the drift is never zero. Notebook 6 has a cycle of *three* gradients on which this
# small drift takes Adam to the wrong end of its interval; the repair, which never forgets a large gradient, is called AMSGrad.
#
# ### Question 1 (2 points, graded by a person)
#
# Why must RMSProp's memory be longer than the cycle? Explain with the formula what happens to the divisor within one cycle if the memory is short and if it is long, and use the figure. Then: minibatches of 32 from 60,000 images, and a class of rare samples that appears in one of 200 minibatches. Which β would you choose, and what do you pay for it?

# %% [markdown] nbgrader={"grade_id": "question-memory", "grade": true, "solution": true, "points": 2}
# **Model answer.** The net movement of a cycle is Σ g_t/√ms_t. If ms were constant over the cycle it could be taken out of the sum, and Σ g_t = 0 would leave nothing. With a short memory ms follows the gradient: small while the +.1 come (each is divided by about .1: a full step), and large at the −.9 (divided by about .9: one full step). That is g/|g|, Rprop, with n − 2 steps the wrong way. With a memory
# much longer than the cycle ms hardly changes within it, and the steps nearly cancel; the part not taken back is cycle/(4 · memory) of Rprop's, the line with slope −1 in the right figure. Rare class: the cycle is about 200 steps, so the memory should be at least some 1000: β = .999 (200/4000 = 5% of the way is not taken back). The price: the first steps are up to η/√(1 − β) = 32 η unless corrected, and
# the divisor follows a real change of the gradient's size only after about a thousand steps, so RMSProp is slow to speed up when gradients get small.
#
# **Rubric.** 1 point: a constant divisor cancels, a short memory turns g/√ms into g/|g|, supported by the figure (memory/cycle). 1 point: β with memory clearly above 200 (.995 to .999) and one correct cost (large first steps, or slow adaptation).

# %% [markdown] covers=[39]
# ## 8 · "In practice, works a bit better"
#
# The slide says of RMSProp: damps oscillations like momentum, "but in practice, works a bit better". Two networks on the digits, one with a single hidden layer of sigmoids and one with three; momentum .9 and your RMSProp; four learning rates each, six seeds each. Both methods may choose their best learning rate by validation accuracy; the choice among four flatters both a little.

# %%
train_set, validation = data.split(digits, 2 / 3, generator=torch.Generator().manual_seed(0))


def momentum_rule(w, g, v, t, lr):
    """Momentum, .9."""
    v = 0.9 * v + lr * g
    return w - v, v


def rmsprop_rule(w, g, ms, t, lr):
    """RMSProp with β = .99."""
    return rmsprop_step(w, ms, g, lr, 0.99, 1e-8)


rates = {"momentum .9": (momentum_rule, [0.1, 0.3, 1.0, 3.0]), "RMSProp": (rmsprop_rule, [0.001, 0.003, 0.01, 0.03])}
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
best = {}
for ax, hidden in zip(axes, (1, 3), strict=True):
    for (name, (rule, lrs)), style in zip(rates.items(), plots.styles(), strict=False):
        generators = [torch.Generator().manual_seed(seed) for _ in lrs for seed in range(6)]
        networks = [sigmoid_network(hidden, generator) for generator in generators]
        runs = training.fit_many(networks, rule, *train_set, batch_size=32, epochs=12, generators=generators, hyper={"lr": torch.tensor([lr for lr in lrs for _ in range(6)])}, init=torch.zeros_like, validation=validation)
        accuracy = runs.val_accuracy[-1].reshape(len(lrs), 6).double()
        mean, half = measure.mean_interval(accuracy, dim=1)
        ax.errorbar(range(4), mean, half, **style, capsize=4, label=name)
        chosen = int(mean.argmax())
        best[hidden, name] = accuracy[chosen]
        print(f"{hidden} hidden layer{'s' if hidden > 1 else ' '}  {name:12} best η = {lrs[chosen]:<5}: accuracy {mean[chosen]:.3f} ± {half[chosen]:.3f}")
    ax.set_xticks(range(4), [f"{a}\n{b}" for a, b in zip(*(lrs for _, lrs in rates.values()), strict=True)])
    ax.set(title=f"{hidden} hidden layer{'s' if hidden > 1 else ''}", xlabel="learning rate (above: momentum, below: RMSProp)")
axes[0].set_ylabel("validation accuracy")
axes[0].legend(loc="lower left")
plt.show()
shallow, half_shallow = measure.mean_interval(best[1, "RMSProp"] - best[1, "momentum .9"])
deep, half_deep = measure.mean_interval(best[3, "RMSProp"] - best[3, "momentum .9"])
print(f"momentum's six seeds with three layers: {best[3, 'momentum .9'].min():.2f} to {best[3, 'momentum .9'].max():.2f}")
print(f"RMSProp − momentum: {100 * shallow:+.1f} ± {100 * half_shallow:.1f} points with one hidden layer, {100 * deep:+.1f} ± {100 * half_deep:.1f} with three")
assert best[3, "RMSProp"].min() > 0.9 and -0.03 < shallow < 0.005 and deep > half_deep

# %% [markdown]
# *Validation accuracy after 12 epochs, mean of six seeds with its 95% interval, for four learning rates of each method. With one hidden layer the two are close; with three, where the layers' gradients differ most, RMSProp trains well at three of its rates; momentum, at its best one, ends between .56 and .90, depending on the seed, and stays at chance for the larger ones.*
#
# ### Question 2 (2 points, graded by a person)
#
# A friend reads the slide and concludes: "So I always use RMSProp." Argue from the printed numbers and the figure: for which of the two networks do the data support that RMSProp reaches a higher accuracy than momentum, and for which not? What does the opening figure have to do with it? Name one thing this experiment does not vary, and that could change the outcome.

# %% [markdown] nbgrader={"grade_id": "question-better", "grade": true, "solution": true, "points": 2}
# **Model answer.** With one hidden layer momentum is ahead, by about half a point, and the interval excludes zero: so no. With three layers RMSProp is ahead by many points; the interval is wide, because momentum's six seeds differ so much, but excludes zero, too. RMSProp also does well over a range of learning rates, while momentum needs the right one. The opening figure gives the reason: through each layer of sigmoids the gradient shrinks, so one
# learning rate cannot serve the first and the last layer; RMSProp divides each weight by its own scale. With one hidden layer the scales are close and there is nothing to repair. Not varied: activation (with ReLU the gradients would be of similar size), number of epochs, batch size, learning-rate schedule, width, data set, the grid of learning rates (momentum's best could lie between two values), or decay.
#
# **Rubric.** 1 point: reads both differences with their intervals correctly. ½ point: connects the deep case with the gradient sizes of the opening figure. ½ point: one thing not varied. No point for a claim in general.

# %% [markdown]
# ## What to take along
#
# * Two signs tell a weight whether its step was too long. Gains go up by adding and down by multiplying, so that noise leaves them at 1 and danger acts fast.
# * Rprop uses the sign alone. That is fine for whole batches, and wrong for minibatches, whose average is all that is right about them.
# * RMSProp divides by a root mean square that changes slowly. The memory must be longer than the cycle of the data.
# * Every method here treats weights one by one, and none is free of a hidden scale: η or ε.
#
# | | gradient enters as | memory | ε | free of the loss's unit | free of the weights' unit |
# |---|---|---|---|---|---|
# | SGD | $g$ | – | – | no | no |
# | local gains | $\text{gain}\cdot g$ | signs, since the start | – | no | no |
# | Rprop | $\operatorname{sign} g$ | signs, since the start | – | yes | no |
# | Adagrad | $g/\sqrt{\sum g^2}$ | all | outside, 1e-10 (PyTorch) | yes | no |
# | RMSProp, lecture and PyTorch | $g/(\sqrt{ms}+\epsilon)$ | 1/(1 − β); PyTorch: `alpha` = .99 | outside, 1e-8 | but for ε | no |
# | RMSProp, TensorFlow | $g/\sqrt{ms+\epsilon}$ | 1/(1 − β) | inside | but for ε | no |
# | AdaDelta | $g\sqrt{du+\epsilon}/\sqrt{ms+\epsilon}$ | 1/(1 − ρ) | inside, 1e-6 | but for ε | but for ε |
#
# ## Sources
#
# * R. A. Jacobs, "Increased rates of convergence through learning rate adaptation", *Neural Networks* 1(4), 1988.
# * M. Riedmiller, H. Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", ICNN 1993; C. Igel, M. Hüsken, "Improving the Rprop learning algorithm", NC 2000.
# * G. Hinton, N. Srivastava, K. Swersky, *Neural Networks for Machine Learning*, lectures 6d and 6e, 2012 (gains, the cycle, RMSProp).
# * J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods", *JMLR* 12, 2011. M. D. Zeiler, "ADADELTA", arXiv 1212.5701, 2012.
# * S. Raschka, *STAT 479: Deep Learning*, lecture 12, 2019.
