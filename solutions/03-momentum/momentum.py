# ---
# jupyter:
#   descent:
#     title: Momentum
#     points: 20
#     minutes: 90
# ---

# %% [markdown]
# # Momentum
#
# *Notebook 3 of 7 · 20 points · about 90 minutes · follows the slides "Momentum" of lecture 12, STAT 479 (S. Raschka, 2019)*
#
# **The question.** Two optimizers start at the same place, on the same loss, and take 60 steps each. One is still
# a third of the way out; the other has arrived. They differ in one line of code. Which line, and why does it help so much?
#
# By the end you will have written that line twice (as the lecture has it, and as PyTorch has it: they are *not* the same),
# you will know how far to trust the picture of a rolling ball, and you will have derived, and tested, a law that says which
# learning rates go with which momentum.
#
# **How this notebook works.** Cells that say `raise NotImplementedError()` are yours to write. The cell below each of them
# checks your answer; run it as often as you like. When it fails, it lays your numbers beside the expected ones and, if it
# can, names the mistake. A grader runs the same checks again with numbers you have not seen. Run the cells from top to bottom.

# %% nbgrader={"grade_id": "setup", "locked": true}
import math

import matplotlib.pyplot as plt
import torch

from lib import data, measure, models, plots, surfaces, trajectories
from lib.check import check

plots.use_style()
f64 = torch.float64

# %% [markdown] covers=[25]
# ## 1 · A valley a hundred times longer than it is wide
#
# The loss below is $\mathcal L(w) = \tfrac12(\lambda_1 w_1^2 + \lambda_2 w_2^2)$ with $\lambda_1 = 1$ and $\lambda_2 = 100$: gentle along the
# valley, steep across it. The ratio $\kappa = \lambda_{\max}/\lambda_{\min}$ is its *condition number*. Both runs use the
# same learning rate.

# %% nbgrader={"grade_id": "opening-picture", "locked": true} tags=["reference"] covers=[25]
from functools import partial

from lib import rules

_ravine = surfaces.ravine(kappa=100)
_plain = partial(rules.sgd, lr=0.018)
_momentum = partial(rules.momentum, lr=0.018, alpha=0.8)
plots.paths(
    _ravine,
    {
        "without momentum": trajectories.descend(_ravine, _plain, _ravine.start, 60),
        "with momentum": trajectories.descend(_ravine, _momentum, _ravine.start, 60),
    },
)
plt.show()

# %% [markdown]
# *Sixty steps at the same learning rate: without momentum the path bounces between the walls and creeps along the floor; with
# momentum the bouncing dies out and the floor is crossed.*
#
# ### Why plain gradient descent is slow here
#
# Across one eigendirection with curvature $\lambda$ the gradient is $\lambda w$, so a step of gradient descent is
# $$w \leftarrow w - \eta\lambda w = (1 - \eta\lambda)\,w .$$
# The error in that direction is multiplied by $1 - \eta\lambda$ at *every* step. The steep direction needs $|1 - \eta\lambda_{\max}| < 1$,
# so $\eta < 2/\lambda_{\max}$; and then the gentle one shrinks only by $1 - \eta\lambda_{\min}$, which is close to 1. The best compromise is
# $\eta = 2/(\lambda_{\min}+\lambda_{\max})$. It makes both factors equal in size:
# $$\text{rate} = \frac{\kappa - 1}{\kappa + 1}.$$

# %%
for kappa in (10, 100, 1000):
    rate = (kappa - 1) / (kappa + 1)
    print(f"κ = {kappa:4}: error × {rate:.4f} a step, {math.log(10) / -math.log(rate):6.0f} steps for one digit")

# %% [markdown] covers=[24, 26]
# Every digit of accuracy costs about $1.15\,\kappa$ steps. The walls dictate the step size, the floor pays for it.
#
# ## 2 · The idea: also move where you have been moving
#
# Look at the left path again. *Across* the valley consecutive gradients point in opposite directions; *along* it they all agree.
# Add up the last few and the first kind cancels, the second kind accumulates. That is the key take-away of the lecture:
#
# > Not only move in the (opposite) direction of the gradient, but also move in the "averaged" direction of the last few updates.
#
# So we keep a second vector $v$, the **velocity**: a fading memory of past updates.
#
# **About the word.** In physics momentum is $p = m\,v$, mass times velocity, and without a force it is *conserved*. Nothing of the
# kind happens here: there is no mass (or it is 1, and then $p$ and $v$ are the same thing), and even on flat ground
# $v$ decays, by the factor $\alpha$ a step. The right mechanical picture is a light ball in thick oil: the gradient is the force, and the
# oil takes away the part $1-\alpha$ of the speed each step. "Momentum" is jargon, and a bit of a misnomer. So is calling $\alpha$
# "friction", as is often done: $\alpha$ is the part that is **kept**; the friction is $1 - \alpha$. ($\alpha = 1$ would be a ball without
# any friction, which never stops.)

# %% [markdown] covers=[28, 29]
# ## 3 · The rule
#
# With $\Delta w(t)$ for the velocity, as Qian (1999) and the lecture write it, for each weight $w_{i,j}$:
# $$
# \Delta w_{i,j}(t) := \alpha\cdot\Delta w_{i,j}(t-1) + \eta\cdot\frac{\partial\mathcal L}{\partial w_{i,j}}(t),
# \qquad
# w_{i,j}(t+1) := w_{i,j}(t) - \Delta w_{i,j}(t).
# $$
#
# | symbol | in code | meaning |
# |---|---|---|
# | $\Delta w$ | `v` | velocity, starts at 0 |
# | $\alpha$ | `alpha` | momentum rate: the part of the old velocity that is kept; usually between .9 and .999 |
# | $\eta$ | `lr` | learning rate at this step |
# | $\partial\mathcal L/\partial w$ | `g` | gradient at the current weights |
#
# Note where $\eta$ stands: *inside* the velocity, on the new gradient only. Section 6 shows that this matters.
#
# ### Exercise 1 · `momentum_step` (3 points)
#
# Write one step. All of `w`, `v`, `g` are tensors of one shape; your formula should not care which. Return *new* tensors: the caller still
# needs the old ones, so no `-=` and no `.sub_()`.

# %% nbgrader={"grade_id": "momentum-step", "solution": true}
def momentum_step(w, v, g, lr, alpha):
    """One step of momentum in the lecture's form.

    Args:
        w: weights, a tensor of any shape.
        v: velocity, the same shape.
        g: gradient of the loss at w, the same shape.
        lr: learning rate η.
        alpha: momentum rate α.

    Returns:
        The pair (w, v) after the step.
    """
    ### BEGIN SOLUTION
    v = alpha * v + lr * g
    return w - v, v
    ### END SOLUTION


# %% nbgrader={"grade_id": "momentum-step-check", "grade": true, "points": 3}
check("momentum_step", momentum_step)
### BEGIN HIDDEN TESTS
check("momentum_step", momentum_step, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### See it work
#
# The same valley, now with *your* function, and with more of everything: what does a larger $\alpha$ do?

# %%
ravine = surfaces.ravine(kappa=100)


def roll(surface, start, steps, lr, alpha):
    """Follow momentum_step downhill; the velocity is the state that is carried along."""

    def step(w, g, v, t):
        return momentum_step(w, v, g, lr, alpha)

    return trajectories.descend(surface, step, start, steps, state=torch.zeros_like(start))


runs = {f"α = {alpha}": roll(ravine, ravine.start, 120, 0.018, alpha) for alpha in (0.0, 0.8, 0.95)}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.paths(ravine, runs, ax=left)
plots.curves({name: run.loss for name, run in runs.items()}, ax=right, xlabel="step", ylabel="loss", log=True)
plt.show()

# %% [markdown]
# *Left: more momentum, longer strides along the floor. Right: α = .8 falls fastest to begin with; at α = .95 the ball overshoots and
# rolls back several times, so the loss oscillates while it falls. More is not simply better: there is a best value, and section 7 derives it.*

# %% [markdown] covers=[26, 28]
# ## 4 · What a velocity is made of
#
# "The averaged direction of the last few updates": which average, and how few? Unroll the recursion from $v_0 = 0$:
# $$
# v_1 = \eta g_1,\qquad v_2 = \alpha\eta g_1 + \eta g_2,\qquad v_3 = \alpha^2\eta g_1 + \alpha\eta g_2 + \eta g_3,\ \dots
# $$
#
# ### Exercise 2 · `unrolled_velocity` (2 points)
#
# Write $v_T$ as one sum over all gradients $g_1, \dots, g_T$, without the recursion. `grads` is a tensor whose first dimension is time:
# `grads[0]` is $g_1$, the oldest.

# %% nbgrader={"grade_id": "unrolled-velocity", "solution": true}
def unrolled_velocity(alpha, lr, grads):
    """The velocity after len(grads) steps at a constant learning rate, from v = 0.

    Args:
        alpha: momentum rate α.
        lr: learning rate η.
        grads: gradients, a tensor of shape (T, …), the oldest first.

    Returns:
        The velocity, a tensor of shape (…).
    """
    ### BEGIN SOLUTION
    T = len(grads)
    return lr * sum(alpha ** (T - 1 - i) * grads[i] for i in range(T))
    ### END SOLUTION


# %% nbgrader={"grade_id": "unrolled-velocity-check", "grade": true, "points": 2}
check("unrolled_velocity", unrolled_velocity)
### BEGIN HIDDEN TESTS
check("unrolled_velocity", unrolled_velocity, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# So a gradient that is $k$ steps old counts $\alpha^k$. The weights sum to $1 + \alpha + \alpha^2 + \dots = 1/(1-\alpha)$, and that is the length of the
# memory, too: the "last few" updates are about $1/(1-\alpha)$. Three consequences, each worth a line of arithmetic:
#
# * If the gradient is **always the same**, the velocity grows to $\eta g/(1-\alpha)$: momentum .9 is a ten times larger learning rate.
# * If the gradient **flips its sign** every step, the velocity shrinks to $\eta g/(1+\alpha)$: about half.
# * The slides' range, α from .9 to .999, is a memory of 10 to 1000 steps.
#
# So the consistent direction gains on the flipping one by the factor $(1+\alpha)/(1-\alpha)$. Here is your function on both kinds of gradient.

# %%
print("    α   memory   steady gradient   flipping gradient   advantage")
for alpha in (0.9, 0.99, 0.999):
    T = round(20 / (1 - alpha))
    steady = unrolled_velocity(alpha, 1.0, torch.ones(T, 1, dtype=f64)).item()
    signs = (-1.0) ** torch.arange(T, 0, -1, dtype=f64)
    flipping = abs(unrolled_velocity(alpha, 1.0, signs.unsqueeze(1)).item())
    print(f"{alpha:5} {1 / (1 - alpha):8.0f} {steady:17.1f} {flipping:19.3f} {steady / flipping:11.0f}")
    assert abs(steady - 1 / (1 - alpha)) < 1e-3 * steady
    assert abs(flipping - 1 / (1 + alpha)) < 1e-3

# %%
ages = torch.arange(0, 61)
fig, ax = plt.subplots(figsize=(7, 3.4))
for alpha, marker, line in [(0.5, "v", ":"), (0.9, "o", "-"), (0.99, "s", "--"), (0.999, "^", "-.")]:
    ax.plot(ages, alpha**ages, marker=marker, markevery=10, linestyle=line, label=f"α = {alpha}")
ax.set(xlabel="age of a gradient, in steps", ylabel="its weight in the velocity", ylim=(0, 1.05))
ax.legend()
plt.show()

# %% [markdown]
# *How much a gradient still counts after so many steps: α = .9 has all but forgotten it after 30, α = .999 remembers it nearly whole.*

# %% [markdown] covers=[27]
# ## 5 · Over the hill
#
# The lecture gives momentum a second job: it "also helps with escaping local minima traps". A ball that arrives with speed can roll *through* a
# shallow dip, over a small hill, and off a saddle where the gradient is nearly zero. That is a claim, so we test it, on a surface with two wells:
# $$
# f(x, y) = -2e^{-((x-1)^2+y^2)/.2} - 3e^{-((x+1)^2+y^2)/.2} + x^2 + y^2 .
# $$
# The well near $x = -1$ is the deeper one. One start that gets caught:

# %%
wells = surfaces.two_wells
start = torch.tensor([1.9, 0.6], dtype=f64)
runs = {f"α = {alpha}": roll(wells, start, 150, 0.01, alpha) for alpha in (0.0, 0.9)}
plots.paths(wells, runs)
plt.show()

# %% [markdown]
# *Without momentum the path ends in the nearer, shallower well; with α = .9 the ball rolls through it, over the ridge, and ends in the deeper one.*
#
# One start proves nothing, since another might be carried *out of* the deeper well. So count.
#
# ### Exercise 3 · `basin_fraction` (3 points)
#
# From every point of an 81 × 81 grid on $[-2, 2]^2$, at rest, take 500 steps of your `momentum_step` with learning rate .01. Return the share of starts
# that end in the deeper well, that is with $x < 0$. The whole grid is one tensor of shape (81, 81, 2), and `surfaces.two_wells.grad(w)` gives all of its
# gradients at once: no loop over starts.

# %% nbgrader={"grade_id": "basin-fraction", "solution": true}
def basin_fraction(alpha):
    """Share of an 81 × 81 grid of starts on [-2, 2]² that ends in the deeper well.

    Args:
        alpha: momentum rate α.

    Returns:
        A float between 0 and 1.
    """
    side = torch.linspace(-2, 2, 81, dtype=torch.float64)
    w = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)  # (81, 81, 2)
    ### BEGIN SOLUTION
    v = torch.zeros_like(w)
    for _ in range(500):
        w, v = momentum_step(w, v, surfaces.two_wells.grad(w), lr=0.01, alpha=alpha)
    return (w[..., 0] < 0).double().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "basin-fraction-check", "grade": true, "points": 3}
check("basin_fraction", basin_fraction)
### BEGIN HIDDEN TESTS
check("basin_fraction", basin_fraction, hidden=True)
### END HIDDEN TESTS

# %%
alphas = [0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96]
fractions = [basin_fraction(alpha) for alpha in alphas]
for alpha, fraction in zip(alphas, fractions, strict=True):
    print(f"α = {alpha:4}: {fraction:.3f} of all starts reach the deeper well")
assert abs(fractions[0] - 0.55) < 0.01 and fractions[5] > fractions[0] + 0.1

# %% [markdown]
# Momentum helps *on this surface*, but not monotonically, and nowhere near always. Where did the extra starts come from?

# %%
side = torch.linspace(-2, 2, 81, dtype=f64)
grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
fig, axes = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True)
for ax, alpha in zip(axes, (0.0, 0.9), strict=True):
    ends = roll(wells, grid, 500, 0.01, alpha).w[-1]
    deeper = (ends[..., 0] < 0).T
    ax.contourf(side, side, deeper, levels=[-0.5, 0.5, 1.5], colors=["0.95", "0.72"], hatches=["", "///"])
    ax.plot(*zip((-1, 0), strict=True), "k*", markersize=14)
    ax.plot(*zip((1, 0), strict=True), "k.", markersize=12)
    ax.set(title=f"α = {alpha}: {deeper.double().mean():.0%} reach the deeper well (★)", xlabel="x of the start")
axes[0].set_ylabel("y of the start")
plt.show()

# %% [markdown]
# *Starts that end in the deeper well (★) are hatched. Without momentum the plane is split nearly down the middle; with α = .9 far-away starts on the right roll through
# the shallow well, and some on the left are carried out of the deeper one.*
#
# Read the second picture twice: momentum moves the boundary *both* ways. "Escaping local minima" is a gain only because here the deeper well is also harder to leave.
#
# **Saddles** are the other trap. At $f = \tfrac12(x^2 - y^2)$ the point $(0, 0)$ is flat but no minimum. A start a hair's breadth
# $10^{-6}$ off the ridge leaves by growing $y$: plain gradient descent multiplies it by $1 + \eta$ a step; momentum, by the larger root of
# $z^2 - (1 + \alpha + \eta)z + \alpha = 0$.

# %%
saddle_grad = torch.tensor([1.0, -1.0], dtype=f64)
for alpha in (0.0, 0.9):
    w, v, steps = torch.tensor([1.0, 1e-6], dtype=f64), torch.zeros(2, dtype=f64), 0
    while w[1].abs() < 1:
        w, v = momentum_step(w, v, saddle_grad * w, 0.01, alpha)
        steps += 1
    root = ((1.01 + alpha) + math.sqrt((1.01 + alpha) ** 2 - 4 * alpha)) / 2
    print(f"α = {alpha}: {steps:5} steps to leave the saddle; the root {root:.4f} predicts {math.log(1e6) / math.log(root):5.0f}")

# %% [markdown] covers=[31, 32, 33]
# ## 6 · PyTorch's momentum is another one
#
# ```python
# torch.optim.SGD(params, lr=<required>, momentum=0, dampening=0, weight_decay=0, nesterov=False)
# ```
#
# (as the slide has it; today `lr` has a default of 1e-3 and there are a few keywords more). `momentum` is our α. The lecture gives the rule as
#
# ```
# v = momentum * v + (1 - dampening) * gradient
# w = w - lr * v
# ```
#
# and points out the difference: "in PyTorch, the learning rate is also applied to the momentum terms, instead of the original definition".
# There is one more difference, not on the slide. PyTorch fills its buffer at the **first step with the whole gradient**, without the factor
# $(1 - \text{dampening})$:
# $$
# B_1 = g_1, \qquad B_t = \mu B_{t-1} + (1 - d)\,g_t \quad (t > 1), \qquad w_{t+1} = w_t - \eta_t B_t .
# $$
#
# ### Exercise 4 · `sgd_step` (3 points)
#
# Write PyTorch's step, the first one included: then `buf` is `None`.

# %% nbgrader={"grade_id": "sgd-step", "solution": true}
def sgd_step(w, buf, g, lr, momentum, dampening):
    """One step of SGD with momentum as torch.optim.SGD takes it.

    Args:
        w: weights, a tensor of any shape.
        buf: PyTorch's momentum buffer B, the same shape, or None at the first step.
        g: gradient of the loss at w, the same shape.
        lr: learning rate η.
        momentum: the part μ of the buffer that is kept.
        dampening: d; from the second step on the gradient enters as (1 - d) g.

    Returns:
        The pair (w, buf) after the step.
    """
    ### BEGIN SOLUTION
    buf = g.clone() if buf is None else momentum * buf + (1 - dampening) * g
    return w - lr * buf, buf
    ### END SOLUTION


# %% nbgrader={"grade_id": "sgd-step-check", "grade": true, "points": 3}
check("sgd_step", sgd_step)
### BEGIN HIDDEN TESTS
check("sgd_step", sgd_step, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Do not take our word for it: here is the real `torch.optim.SGD` beside your function, and beside the slide's formula, which dampens the first gradient too.

# %%
generator = torch.Generator().manual_seed(0)
w0, gradients = torch.ones(3, dtype=f64), torch.randn(30, 3, generator=generator, dtype=f64)

parameter = torch.nn.Parameter(w0.clone())
optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9, dampening=0.5)
ours, buf = w0, None
slide, v = w0, torch.zeros_like(w0)
for g in gradients:
    parameter.grad = g.clone()
    optimizer.step()
    ours, buf = sgd_step(ours, buf, g, 0.1, 0.9, 0.5)
    v = 0.9 * v + (1 - 0.5) * g
    slide = slide - 0.1 * v

print(f"largest difference to torch.optim.SGD after 30 steps: yours {(parameter - ours).abs().max():.1e}")
print(f"                                                 the slide's {(parameter - slide).abs().max():.2f}")
assert torch.allclose(parameter, ours, rtol=1e-12)

# %% [markdown] covers=[33]
# ### Does it matter where the learning rate stands?
#
# As long as η is constant, no: with dampening 0, $v_t = \eta B_t$, and both rules give the same weights. But suppose the learning rate drops by ten in the middle
# of training (notebook 2). PyTorch's step $\eta_t B_t$ shrinks *at once*; the lecture's velocity was accumulated at the old rate and still has to fade.

# %%
steady = torch.ones(1, dtype=f64)
lrs = [0.1] * 120 + [0.01] * 60
original, pytorch = [], []
w, v = torch.zeros(1, dtype=f64), torch.zeros(1, dtype=f64)
u, buf = torch.zeros(1, dtype=f64), None
for lr in lrs:
    new_w, v = momentum_step(w, v, steady, lr, 0.9)
    new_u, buf = sgd_step(u, buf, steady, lr, 0.9, 0.0)
    original.append((w - new_w).item())
    pytorch.append((u - new_u).item())
    w, u = new_w, new_u

after = {"lecture": original[120] / original[119], "PyTorch": pytorch[120] / pytorch[119]}
fig, ax = plt.subplots(figsize=(7, 3.4))
ax.plot(range(100, 180), original[100:], "o-", markevery=6, label="lecture: η inside the velocity")
ax.plot(range(100, 180), pytorch[100:], "s--", markevery=6, label="PyTorch: η outside")
ax.axvline(120, color="0.5", linestyle=":")
ax.text(121, 0.04, "η drops from .1 to .01")
ax.set(xlabel="step", ylabel="distance moved in the step", ylim=(0, None))
ax.legend()
plt.show()
print({name: round(share, 2) for name, share in after.items()})
assert abs(after["lecture"] - 0.91) < 0.005 and abs(after["PyTorch"] - 0.10) < 0.005

# %% [markdown]
# *A constant gradient, α = .9, and a tenfold drop of the learning rate at step 120. The first step after it is .10 of the one before in PyTorch and .91 in the
# lecture's form, which needs some twenty steps to notice.*
#
# | form | velocity | weights | first step | used by |
# |---|---|---|---|---|
# | lecture, Qian 1999 | $v \leftarrow \alpha v + \eta g$ | $w \leftarrow w - v$ | $\eta g$ | this course |
# | Sutskever et al. 2013 | $v \leftarrow \mu v - \varepsilon g$ | $w \leftarrow w + v$ | $-\varepsilon g$ | the same path, $v$ with another sign |
# | PyTorch | $B \leftarrow \mu B + (1 - d) g$, but $B_1 = g_1$ | $w \leftarrow w - \eta B$ | $\eta g$ | `torch.optim.SGD` |
# | moving average (EMA) | $m \leftarrow \beta m + (1-\beta) g$ | $w \leftarrow w - \eta m$ | $(1-\beta)\eta g$ | Adam's first moment (notebook 6) |
#
# A learning rate tuned in one row is off by $1/(1-\alpha)$ in the last one. When a paper says "momentum .9, learning rate .1", find out which row it means.

# %% [markdown] covers=[30]
# ## 7 · A law: which learning rate goes with which momentum
#
# Take one direction with curvature $\lambda$, so $g = \lambda w$. Since $v_t = w_{t-1} - w_t$, the rule is a recursion in the weights alone:
# $$
# w_{t+1} = (1 + \alpha - \eta\lambda)\, w_t - \alpha\, w_{t-1},
# \qquad
# \begin{pmatrix} w_{t+1} \\ w_t \end{pmatrix} =
# \underbrace{\begin{pmatrix} 1 + \alpha - \eta\lambda & -\alpha \\ 1 & 0 \end{pmatrix}}_{M}
# \begin{pmatrix} w_t \\ w_{t-1} \end{pmatrix}.
# $$
# After many steps the error shrinks (or grows) by the **spectral radius** of $M$ a step: the largest $|z|$ among its two eigenvalues, the roots of
# $z^2 - (1 + \alpha - \eta\lambda) z + \alpha = 0$. They may be a complex pair: then the ball spirals in.
#
# ### Exercise 5 · `convergence_rate` (3 points)

# %% nbgrader={"grade_id": "convergence-rate", "solution": true}
def convergence_rate(lr, alpha, lam):
    """The factor by which momentum shrinks the error a step, in the long run.

    Args:
        lr: learning rate η, a float.
        alpha: momentum rate α, a float.
        lam: curvature λ of a quadratic loss, a float.

    Returns:
        The spectral radius of M, a float; below 1 if the method converges.
    """
    ### BEGIN SOLUTION
    M = torch.tensor([[1 + alpha - lr * lam, -alpha], [1.0, 0.0]], dtype=torch.float64)
    return torch.linalg.eigvals(M).abs().max().item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "convergence-rate-check", "grade": true, "points": 3}
check("convergence_rate", convergence_rate)
### BEGIN HIDDEN TESTS
check("convergence_rate", convergence_rate, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[30]
# In a ravine all directions share one η and one α, and the slowest direction decides. Goh's article *Why Momentum Really Works* (Distill, 2017), which the lecture shows, lets its
# reader move two sliders, step size and momentum, and watch the path. Here is every setting of the two sliders at once.

# %%
kappa = 100.0
scaled = torch.linspace(0.02, 4.2, 75, dtype=f64)
momenta = torch.linspace(0.0, 0.99, 67, dtype=f64)
rates = torch.tensor(
    [
        [max(convergence_rate(s / kappa, a, lam) for lam in (1.0, kappa)) for s in scaled.tolist()]
        for a in momenta.tolist()
    ]
)

fig, ax = plt.subplots(figsize=(8, 4.8))
shades = ax.contourf(scaled, momenta, rates, levels=[0.8, 0.84, 0.88, 0.92, 0.96, 0.98, 1.0], cmap="gray", extend="min")
lines = ax.contour(scaled, momenta, rates, levels=[0.84, 0.88, 0.92, 0.96, 0.98], colors="k", linewidths=0.8)
ax.clabel(lines, fmt="%.2f")
ax.plot(2 + 2 * momenta, momenta, "k-", linewidth=2.5)
ax.text(3.12, 0.42, "diverges:\nηλ_max > 2 + 2α", fontsize=11)
ax.plot(2 * kappa / (1 + kappa), 0, "kX", markersize=12, clip_on=False)
ax.annotate("best without momentum", (2 * kappa / (1 + kappa), 0.0), (0.55, 0.12), arrowprops={"arrowstyle": "->"})
best = divmod(rates.argmin().item(), len(scaled))
ax.plot(scaled[best[1]], momenta[best[0]], "*", color="white", markeredgecolor="black", markersize=18)
ax.set(xlabel="step size, as ηλ_max", ylabel="momentum rate α", ylim=(0, 0.99))
fig.colorbar(shades, label="error × this, a step")
plt.show()
print(f"best on this grid: rate {rates.min():.3f} at ηλ_max = {scaled[best[1]]:.2f}, α = {momenta[best[0]]:.2f}")

# %% [markdown]
# *Every pair of step size and momentum for κ = 100; the numbers on the lines are the error's factor a step. The thick line is the edge of stability $\eta\lambda_{\max} = 2 + 2\alpha$. The best pair (★) sits near it, at a step
# size 1.6 times the best one without momentum (✕), in a narrow corner: too little momentum and too much are both slow.*
#
# ### Exercise 6 · `optimal_heavy_ball` (2 points)
#
# Where exactly is the star? While the roots are a complex pair, $|z|^2$ is their product, $\alpha$: the rate is $\sqrt\alpha$, whatever λ. So make α as small as
# possible, with *every* direction still complex or just about to turn real. The roots turn real when $(1 + \alpha - \eta\lambda)^2 = 4\alpha$, that is when
# $$\sqrt{\eta\lambda} = 1 - \sqrt\alpha \quad\text{or}\quad \sqrt{\eta\lambda} = 1 + \sqrt\alpha .$$
# Ask for the first at $\lambda_{\min}$ and the second at $\lambda_{\max}$, and solve for η and α.

# %% nbgrader={"grade_id": "optimal-heavy-ball", "solution": true}
def optimal_heavy_ball(lam_min, lam_max):
    """The best learning rate and momentum for a quadratic with curvatures in [lam_min, lam_max].

    Args:
        lam_min: smallest curvature, a float > 0.
        lam_max: largest curvature, a float.

    Returns:
        The pair of floats (lr, alpha).
    """
    ### BEGIN SOLUTION
    low, high = math.sqrt(lam_min), math.sqrt(lam_max)
    return (2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2
    ### END SOLUTION


# %% nbgrader={"grade_id": "optimal-heavy-ball-check", "grade": true, "points": 2}
check("optimal_heavy_ball", optimal_heavy_ball)
### BEGIN HIDDEN TESTS
check("optimal_heavy_ball", optimal_heavy_ball, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: theory against measurement
#
# The theory says $\sqrt\alpha = (\sqrt\kappa - 1)/(\sqrt\kappa + 1)$: momentum replaces $\kappa$ by $\sqrt\kappa$. For κ = 100 that is .8182 a step in place of
# .9802. Run both, and measure the factor over a hundred steps.

# %%
def measured_rate(lr, alpha, first=100, last=200):
    """Mean factor a step of the distance to the minimum."""
    distance = roll(ravine, ravine.start, last, lr, alpha).w.norm(dim=-1)
    return (distance[last] / distance[first]).item() ** (1 / (last - first))


lr, alpha = optimal_heavy_ball(1.0, 100.0)
table = {
    "gradient descent": (measured_rate(2 / 101, 0.0), 99 / 101),
    "heavy ball": (measured_rate(lr, alpha), math.sqrt(alpha)),
}
for name, (measured, theory) in table.items():
    steps = math.log(10) / -math.log(measured)
    print(f"{name:17} measured {measured:.4f}   theory {theory:.4f}   {steps:5.0f} steps for a digit")
assert abs(table["gradient descent"][0] - 99 / 101) < 1e-4
assert abs(table["heavy ball"][0] - 9 / 11 * 2 ** (1 / 100)) < 1e-3

# %% [markdown]
# The heavy ball comes out slightly *slower* than its theory: at the best setting the two roots coincide, the matrix has only one eigenvector, and the error falls
# like $t\,\alpha^{t/2}$, not $\alpha^{t/2}$. Between steps 100 and 200 the extra factor $t$ costs
# $(200/100)^{1/100} = 1.007$ a step, and $.8182 \times 1.007 = .8239$ is what was measured. In the long run it costs nothing.

# %% [markdown]
# ## 8 · On real data
#
# A quadratic is where momentum is understood; a network is where it is used. A small MLP (64–32–10) on scikit-learn's 8 × 8 handwritten digits, minibatches of 32, eight epochs, and
# *your* `momentum_step` on every parameter. Three settings: a learning rate, the same one with momentum .9, and a ten times larger one without momentum.
# Why ten? See exercise 2. Five seeds each: the seed sets the split, the initial weights and the order of the batches.

# %%
digits = data.digits()


def train(lr, alpha, seed, epochs=8, batch_size=32, n_train=1297):
    """Train the MLP with momentum_step; return the training loss after each epoch and the validation accuracy."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits.y), generator=generator)
    X, y = digits.X[order[:n_train]], digits.y[order[:n_train]]
    X_val, y_val = digits.X[order[n_train:]], digits.y[order[n_train:]]
    model = models.MLP(64, 32, 10, activation=torch.relu, init="default", generator=generator)
    parameters = list(model.parameters())
    velocities = [torch.zeros_like(p) for p in parameters]
    losses = []
    for _ in range(epochs):
        for batch in torch.randperm(n_train, generator=generator).split(batch_size):
            loss = torch.nn.functional.cross_entropy(model(X[batch]), y[batch])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                    new_p, velocities[i] = momentum_step(p, velocities[i], g, lr, alpha)
                    p.copy_(new_p)
        with torch.no_grad():
            losses.append(torch.nn.functional.cross_entropy(model(X), y).item())
    with torch.no_grad():
        accuracy = (model(X_val).argmax(1) == y_val).double().mean().item()
    return losses, accuracy


settings = {
    "η = .02": (0.02, 0.0),
    "η = .02, α = .9": (0.02, 0.9),
    "η = .2": (0.2, 0.0),
}
losses, accuracies = {}, {}
for name, (lr, alpha) in settings.items():
    results = [train(lr, alpha, seed) for seed in range(5)]
    losses[name] = torch.tensor([r[0] for r in results])  # (seeds, epochs)
    accuracies[name] = torch.tensor([r[1] for r in results])

plots.curves(losses, x=range(1, 9), xlabel="epoch", ylabel="training loss", log=True)
plt.show()
for name, values in accuracies.items():
    mean, half = measure.mean_interval(values)
    print(f"{name:16} validation accuracy {mean:.2f} ± {half:.2f} (95 %, five seeds)")
assert losses["η = .02, α = .9"][:, -1].max() < losses["η = .02"][:, -1].min()

# %% [markdown]
# *Training loss, mean over five seeds with 95% intervals: momentum .9 beats no momentum at the same learning rate by far, and can hardly be told from a ten times larger learning rate without it.*
#
# ### Question 1 (2 points, graded by a person)
#
# A fellow student shows the first two curves and concludes: "Momentum makes training much faster." Use all three curves and exercise 2 to judge the claim. What do these data show, and what
# do they *not* show? On what kind of loss would the second and the third setting part company, and why?

# %% [markdown] nbgrader={"grade_id": "question-speed", "grade": true, "solution": true, "points": 2}
# **Model answer.** The comparison changes two things at once. When gradients change slowly, momentum α multiplies the effective learning rate by 1/(1−α), here by ten (exercise 2), so η = .02
# with α = .9 should be compared with η = .2 without. These two curves coincide within their intervals: on this problem nearly all of the "gain of momentum" is that of a larger learning rate. The data
# don't show that momentum as such helps; neither do they show that it never does. The two part company where one learning rate cannot serve all directions: in a ravine (κ large), η = .2 would exceed
# 2/λ_max and diverge or bounce across the valley, while momentum enlarges the step only along directions whose gradients agree, and damps the flipping ones by 1/(1+α); its limit is (2+2α)/λ_max.
#
# **Rubric.** 1 point: says that the effective learning rate is ten times larger and that the fair comparison is with the third curve, citing that they agree within the intervals. 1 point: names
# ill-conditioned (ravine-like) losses, with the reason (the large step is unstable across the valley, or: flipping gradients are damped, agreeing ones amplified). Half a point off for a claim beyond the data,
# such as "momentum is useless".

# %% [markdown]
# ## 9 · The price: a larger noise ball
#
# Minibatch gradients are noisy (notebook 1). Near a minimum, $g_t = \lambda w_t + \sigma\xi_t$, and a method at constant η never arrives: it keeps jittering in a ball around the minimum. For momentum in the lecture's form the stationary variance is
# $$
# \operatorname{Var}(w) = \frac{\eta\sigma^2\,(1+\alpha)}{\lambda\,(1-\alpha)\,\bigl(2(1+\alpha) - \eta\lambda\bigr)} .
# $$
# For small η that is $\eta\sigma^2 / (2\lambda(1-\alpha))$: the variance grows like the effective learning rate. Simulate it: 400 independent walkers, five seeds.

# %%
def noise_ball(lr, alpha, seed, lam=1.0, sigma=1.0, walkers=400, steps=2000, burn_in=800):
    """Mean of w² over walkers and time, once the start is forgotten."""
    generator = torch.Generator().manual_seed(seed)
    w = v = torch.zeros(walkers, dtype=f64)
    total = 0.0
    for t in range(steps):
        noise = torch.randn(walkers, generator=generator, dtype=f64)
        w, v = momentum_step(w, v, lam * w + sigma * noise, lr, alpha)
        if t >= burn_in:
            total += (w**2).mean().item()
    return total / (steps - burn_in)


print("    η     α   measured (95 %, five seeds)   formula")
for lr, alpha in [(0.05, 0.0), (0.05, 0.9), (0.005, 0.9)]:
    values = torch.tensor([noise_ball(lr, alpha, seed) for seed in range(5)])
    mean, half = measure.mean_interval(values)
    formula = lr * (1 + alpha) / ((1 - alpha) * (2 * (1 + alpha) - lr))
    print(f"{lr:5} {alpha:5}      {mean:.4f} ± {half:.4f} {formula:19.4f}")
    assert abs(mean - formula) < 0.03 * formula

# %% [markdown]
# At the same η, momentum .9 makes the ball's variance ten times larger. At the same *effective* learning rate the two balls are equal: nothing is lost there, and nothing gained.
#
# ### Question 2 (2 points, graded by a person)
#
# Momentum enlarges the noise ball. When is it still worth it? Give one situation in which it is and one in which it is not, each with a reason that uses a result of this notebook.

# %% [markdown] nbgrader={"grade_id": "question-noise-ball", "grade": true, "solution": true, "points": 2}
# **Model answer.** It is worth it while the error is dominated by the *distance still to go* and not by the noise: early in training, or with large batches, and when the loss is ill-conditioned. There
# momentum turns κ into √κ (for κ = 100: .98 a step into .82), and the ball is of no concern yet; it can be shrunk at the end by decaying η (or α), as section 6 warns, with the lag of the lecture's form in mind.
# It is not worth it when noise dominates: near the end at constant η, or with tiny batches; there the variance is ησ²/(2λ(1−α)), ten times larger for α = .9. At equal η/(1−α) it neither helps nor hurts, so on a well-conditioned,
# noisy problem a larger learning rate without momentum does the same (section 8).
#
# **Rubric.** 1 point for a situation where it pays, with a reason from the notebook (rate √κ against κ; crossing flat ground or saddles; the bias phase before the noise floor). 1 point for one where it does not (noise-dominated end phase at constant η, well-conditioned loss), with the variance formula
# or the equal effective learning rate as the reason. Half a point each if the reason is missing.

# %% [markdown]
# ## 10 · Extension: does the law survive a real network? (not graded)
#
# For a quadratic, momentum is stable while $\eta\lambda_{\max} < 2 + 2\alpha$. A network is no quadratic: its largest curvature, the top eigenvalue of the Hessian or *sharpness*, changes as it learns.
# Cohen et al. (2021) found something remarkable: under full-batch training the sharpness *rises until it sits at the limit of stability*, and hovers there. Is the limit the one you derived? A tanh MLP (64–32–32–10),
# squared error on 200 digits, three seeds, with and without momentum.

# %%
def sharpness_while_training(lr, alpha, seed, steps, every):
    """Train on the full batch with momentum_step; return the Hessian's largest eigenvalue now and then."""
    generator = torch.Generator().manual_seed(seed)
    model = models.TanhMLP((64, 32, 32, 10), generator=generator)
    X, target = digits.X[:200], torch.nn.functional.one_hot(digits.y[:200], 10).float()

    def loss(output, target):
        return ((output - target) ** 2).sum(1).mean() / 2

    parameters = list(model.parameters())
    velocities = [torch.zeros_like(p) for p in parameters]
    seen = []
    for t in range(steps + 1):
        if t % every == 0:
            seen.append(measure.sharpness(model, X, target, loss, generator=generator, rtol=1e-3))
        gradients = torch.autograd.grad(loss(model(X), target), parameters)
        with torch.no_grad():
            for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                new_p, velocities[i] = momentum_step(p, velocities[i], g, lr, alpha)
                p.copy_(new_p)
    return seen


fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
for ax, (alpha, steps) in zip(axes, [(0.0, 1600), (0.9, 600)], strict=True):
    every = steps // 20
    limit = (2 + 2 * alpha) / 0.2
    runs = torch.tensor([sharpness_while_training(0.2, alpha, seed, steps, every) for seed in range(3)])
    for run, line in zip(runs, ("-", "--", "-."), strict=True):
        ax.plot(range(0, steps + 1, every), run, "k" + line)
    ax.axhline(limit, color="0.4", linewidth=3, alpha=0.5)
    ax.text(steps, limit + 0.6, f"(2 + 2α)/η = {limit:.0f}", ha="right")
    ax.set(title=f"η = .2, α = {alpha}", xlabel="step", ylabel="sharpness", ylim=(0, 23))
    settled = runs[:, 10:].mean(dim=1)  # over the second half
    assert (settled / limit - 1).abs().max() < 0.15
plt.show()
print("second half of training, all six runs: the mean sharpness is within 15 % of (2 + 2α)/η")

# %% [markdown]
# *Sharpness of three networks (three line styles) at the same learning rate. Without momentum it settles at 10; with α = .9 it walks through 10 as if nothing were there and climbs until it meets 19. Both are the limits that the quadratic predicts (gray).*
#
# The law was derived for a bowl and holds, to within some ten percent, for a network that is nothing like one. It is no magic: near its limit the momentum runs are thrown back, and with cross-entropy in place of the
# squared error the sharpness never gets there. Try it.
#
# ## What to take away
#
# * Momentum adds up gradients with weights $\alpha^k$: agreeing directions gain $1/(1-\alpha)$, flipping ones lose $1/(1+\alpha)$.
# * It turns κ into √κ on a quadratic, with $\eta = \bigl(\tfrac{2}{\sqrt{\lambda_1}+\sqrt{\lambda_n}}\bigr)^2$ and $\alpha = \bigl(\tfrac{\sqrt\kappa-1}{\sqrt\kappa+1}\bigr)^2$, and it is stable for $\eta\lambda < 2 + 2\alpha$.
# * On a well-conditioned problem most of its effect is a larger effective learning rate. Compare at equal $\eta/(1-\alpha)$.
# * Lecture and PyTorch differ in where η stands, which shows when η changes, and in the first dampened step.
#
# **Sources.** Polyak (1964), *Some methods of speeding up the convergence of iteration methods* · Qian (1999), *On the momentum term in gradient descent learning algorithms* · Sutskever, Martens, Dahl, Hinton (2013),
# *On the importance of initialization and momentum in deep learning* · Goh (2017), *Why momentum really works*, Distill · Cohen, Kaur, Li, Kolter, Talwalkar (2021), *Gradient descent on neural networks typically occurs at the edge of stability* ·
# the documentation of `torch.optim.SGD`.
