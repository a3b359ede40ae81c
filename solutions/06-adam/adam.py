# ---
# jupyter:
#   descent:
#     title: Adam, and what its slide leaves out
#     points: 20
#     minutes: 110
# ---

# %% [markdown]
# # Adam
#
# *Notebook 6 of 7 · 20 points · about 110 minutes · follows the slides "ADAM" of lecture 12, STAT 479 (S. Raschka, 2019)*
#
# **The question.** Adam is "probably the most widely used optimization algorithm in DL as of today". It is four lines long. Below, two versions of the four lines minimize the same loss, measured in three units: as it is, times 100, and divided by 100.
# Changing the unit changes nothing about where the minimum is. One version does not notice. The other stands still in one unit and is thrown off in another. That one is printed on the lecture's slide.
#
# Could you have told, from the formula alone? At the end of this notebook you can, and you will write the program that tells.

# %% nbgrader={"grade_id": "setup", "locked": true}
import dataclasses
import math
import tempfile

import matplotlib.pyplot as plt
import torch

from lib import data, measure, models, plots, surfaces, trajectories
from lib.check import check

plots.use_style()
f64 = torch.float64
cross_entropy = torch.nn.functional.cross_entropy

# %% nbgrader={"grade_id": "opening-picture", "locked": true} tags=["reference"]
from lib import rules


def _in_units(rule, unit, lr):
    """Minimize `unit` times the ravine's loss; return the loss in its own unit."""
    surface = surfaces.ravine(kappa=100)

    def step(w, g, state, t):
        return rule(w, unit * g, state, t, lr=lr)

    state = rules.init(rule, surface.start)
    return trajectories.descend(surface, step, surface.start, 150, state).loss


_fig, _axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
for _ax, _rule, _lr, _title in (
    (_axes[0], rules.slide_adam, 0.1, "the slide's four lines"),
    (_axes[1], rules.adam, 0.2, "Algorithm 1 of the paper"),
):
    _units = {"loss × 100": 100.0, "loss × 1": 1.0, "loss ÷ 100": 0.01}
    plots.curves({name: _in_units(_rule, unit, _lr) for name, unit in _units.items()}, ax=_ax, log=True)
    _ax.set(title=_title, ylabel="loss, in its own unit", ylim=(1e-3, 1e5))
plt.show()

# %% [markdown]
# *Left: with the slide's lines the first steps are a hundred times too small in one unit, and a hundred times too large in another. Right: the three curves of Algorithm 1 lie on top of each other.*

# %% [markdown] covers=[41]
# ## 1 · Momentum plus RMSProp
#
# You know both parents. **Momentum** (notebook 3) remembers *directions*: a fading sum of past gradients, in which agreeing ones add up and flipping ones cancel. **RMSProp** (notebook 5) remembers *sizes*: a fading average of squared
# gradients for every weight, by whose root the step is divided, so that each weight gets a learning rate of its own. Adam, *adaptive moment estimation*, keeps both:
#
# | | remembers | from | is used as |
# |---|---|---|---|
# | $m$ | the mean of recent gradients (first moment) | momentum, as an average: weights $\beta_1$ and $1-\beta_1$ | the step's direction |
# | $v$ | the mean of their squares (second moment) | RMSProp | the step's unit: divide by $\sqrt v$ |
#
# The step is then roughly $\eta\,m/\sqrt v$. A mean is never larger than the root of the mean of squares with the same weights, so this is, by and large, between $-\eta$ and $\eta$ for every weight: near $\pm\eta$ where gradients
# agree, near 0 where they flip. (By and large, because $m$ and $v$ weigh the past differently: a single gradient after a long silence makes a step of $3.2\,\eta$; see section 2.1 of the paper.) *The learning rate is the length of a step*, whatever the unit of the loss. That is the idea; the rest of this
# notebook is about the details that make it true.

# %% [markdown] covers=[42]
# ## 2 · The slide, taken apart
#
# This is what the slide says, symbol by symbol:
# $$
# \begin{aligned}
# \Delta w_{i,j}(t) &:= \alpha\cdot\Delta w_{i,j}(t-1) + \eta\cdot\tfrac{\partial\mathcal L}{\partial w_{i,j}}(t) &\qquad
# m &:= \alpha\cdot\Delta w_{i,j}(t) + (1-\alpha)\,\Delta w_{i,j}(t)\\
# r &:= \beta\cdot \mathit{MeanSquare}(w_{i,j}, t-1) + (1-\beta)\Bigl(\frac{\partial\mathcal L}{w_{i,j}(t)}\Bigr)^2 &
# w_{i,j} &:= w_{i,j} - \eta\,\frac{m}{r+\epsilon}
# \end{aligned}
# $$
# Type it in and ask it simple questions.

# %%
def slide_step(w, dw, r, g, lr, alpha, beta, eps):
    """The slide, letter by letter."""
    dw = alpha * dw + lr * g
    m = alpha * dw + (1 - alpha) * dw
    r = beta * r + (1 - beta) * g**2
    return w - lr * m / (r + eps), dw, r, m


zero = torch.zeros(3, dtype=f64)
g = torch.tensor([0.1, 1.0, 10.0], dtype=f64)
w, dw, r, m = slide_step(zero, zero, zero, g, lr=0.01, alpha=0.9, beta=0.999, eps=1e-8)
print("gradients               ", g.tolist())
print("first steps             ", [round(x, 4) for x in (-w).tolist()])
print("m is anything but Δw?   ", not torch.allclose(m, dw))
half, *_ = slide_step(zero, zero, zero, g, lr=0.005, alpha=0.9, beta=0.999, eps=1e-8)
print("half the lr divides the step by", round((w / half)[0].item(), 3))
up_and_down = torch.tensor([-1.0, 1.0], dtype=f64)
dw, r = 0.01 * up_and_down, 0.001 * up_and_down  # the first step, where one slide drops the square
print("g = −1 and g = +1 without the square:", [round(x, 4) for x in (-0.01 * dw / r).tolist()])

# %% [markdown]
# The weight with the *smallest* gradient takes the *largest* step, a hundred times that of the steepest. Half the learning rate makes a quarter of the step. The line for $m$ does nothing. And where a slide drops the square, both weights move down, one of them uphill. Here are the defects, and what repairs them:
#
# | the slide | what is wrong | repaired |
# |---|---|---|
# | $m := \alpha\,\Delta w(t) + (1-\alpha)\,\Delta w(t)$ | mixes $\Delta w(t)$ with itself, which gives $\Delta w(t)$ | mix the old average with the new *gradient*: $m_t = \beta_1 m_{t-1} + (1-\beta_1)\,g_t$ |
# | $+\,\eta\cdot\partial\mathcal L/\partial w$ inside $\Delta w$ | η is in the moment, and again in the update: η² | no η in the moments, once in the update |
# | $\partial\mathcal L / w$ | a ∂ is missing: $\mathcal L$ is not divided by a weight | $g_t = \partial\mathcal L/\partial w$ |
# | $(\ldots)$ without its $^2$, on one of the slides | $r$ becomes a mean of gradients and takes their sign | $v_t = \beta_2 v_{t-1} + (1-\beta_2)\,g_t^2$ |
# | $m/(r+\epsilon)$ | no root: the units do not cancel, steps go like $1/g$ | $\ldots/(\sqrt{\cdot} + \epsilon)$ |
# | $m$ and $r$ as they are | both start at 0 and are too small at first | $\hat m_t = m_t/(1-\beta_1^t)$, $\;\hat v_t = v_t/(1-\beta_2^t)$ |
#
# (The lecture shows Kingma and Ba's Algorithm 1 on the next slide, and points out the last repair: "also add a bias correction term for better conditioning in earlier iterations".)
#
# ### Algorithm 1
#
# With all repairs, for $t = 1, 2, \dots$ and $m_0 = v_0 = 0$, every operation taken weight by weight:
# $$
# \begin{aligned}
# m_t &= \beta_1 m_{t-1} + (1-\beta_1)\,g_t, & \hat m_t &= m_t/(1-\beta_1^t),\\
# v_t &= \beta_2 v_{t-1} + (1-\beta_2)\,g_t^2, & \hat v_t &= v_t/(1-\beta_2^t),
# \end{aligned}
# \qquad
# w_t = w_{t-1} - \eta\,\frac{\hat m_t}{\sqrt{\hat v_t}+\epsilon}.
# $$
# The paper writes α for η and θ for $w$; its defaults are $\eta = .001$, $\beta_1 = .9$, $\beta_2 = .999$, $\epsilon = 10^{-8}$. $\beta_1^t$ is a power.
#
# ### Exercise 1 · `adam_step` (4 points)
#
# Repair the slide, line by line. What goes on to the next step are the *uncorrected* moments; the hats are for this step only.

# %% nbgrader={"grade_id": "adam-step", "solution": true}
def adam_step(w, m, v, g, t, lr, beta1, beta2, eps):
    """One step of Adam, Kingma and Ba's Algorithm 1.

    Args:
        w: weights, a tensor of any shape.
        m: average of the gradients so far, the same shape.
        v: average of their squares, the same shape.
        g: gradient of the loss at w, the same shape.
        t: number of this step, 1 at the first.
        lr: learning rate η.
        beta1: the part of m that is kept.
        beta2: the part of v that is kept.
        eps: ε, added to the root.

    Returns:
        The triple (w, m, v) after the step.
    """
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return w - lr * m_hat / (torch.sqrt(v_hat) + eps), m, v
    ### END SOLUTION


# %% nbgrader={"grade_id": "adam-step-check", "grade": true, "points": 4}
check("adam_step", adam_step)
### BEGIN HIDDEN TESTS
check("adam_step", adam_step, hidden=True)
### END HIDDEN TESTS

# %%
# The same questions to the repaired rule.
usual = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
w, _, _ = adam_step(zero, zero, zero, g, 1, lr=0.01, **usual)
half, _, _ = adam_step(zero, zero, zero, g, 1, lr=0.005, **usual)
print("gradients               ", g.tolist())
print("first steps             ", [round(x, 6) for x in (-w).tolist()])
print("half the lr divides the step by", round((w / half)[0].item(), 3))
assert torch.allclose(w, torch.full_like(w, -0.01), rtol=1e-6)

# %% [markdown] covers=[43]
# Now every weight takes a first step of η, whatever its gradient: the first step of Adam is $-\eta\,\mathrm{sign}(g)$.
#
# ## 3 · What bias correction corrects
#
# Both averages start at zero, and zero is not a gradient anyone saw. Unroll $m_t = (1-\beta_1)\sum_{i\le t}\beta_1^{t-i} g_i$: the weights do not sum to 1, but to $1-\beta_1^t$. If the gradients all have the mean $\mathbb E[g]$, then
# $$ \mathbb E[m_t] = (1-\beta_1^t)\,\mathbb E[g], \qquad \mathbb E[v_t] = (1-\beta_2^t)\,\mathbb E[g^2]. $$
# Dividing by what the weights sum to removes the bias. At $t = 1$ with the usual betas, $m$ is ten times too small and $v$ a thousand times. The two errors pull in opposite directions: a small $m$ shortens the step, a small $v$ lengthens it.
# Which one wins, by how much, and for how long?
#
# ### Exercise 2 · `bias_factor` (2 points)
#
# Leave ε aside. By which factor is a step *without* bias correction longer than the right one?

# %% nbgrader={"grade_id": "bias-factor", "solution": true}
def bias_factor(t, beta1, beta2):
    """Length of the step without bias correction, over that of Adam's, for ε = 0.

    Args:
        t: number of the step, 1 at the first.
        beta1: β1, a float.
        beta2: β2, a float.

    Returns:
        A float.
    """
    ### BEGIN SOLUTION
    return (1 - beta1**t) / math.sqrt(1 - beta2**t)
    ### END SOLUTION


# %% nbgrader={"grade_id": "bias-factor-check", "grade": true, "points": 2}
check("bias_factor", bias_factor)
### BEGIN HIDDEN TESTS
check("bias_factor", bias_factor, hidden=True)
### END HIDDEN TESTS

# %%
t_all = range(1, 6001)
factors = {b2: [bias_factor(t, 0.9, b2) for t in t_all] for b2 in (0.999, 0.99, 0.9)}
worst = max(t_all, key=lambda t: factors[0.999][t - 1])
settled = max(t for t in t_all if abs(factors[0.999][t - 1] - 1) > 0.01) + 1
print(f"t = 1: {factors[0.999][0]:.3f}; largest {factors[0.999][worst - 1]:.2f} at t = {worst}; within 1 % from t = {settled} on")
assert worst == 12 and settled == 3925

fig, ax = plt.subplots(figsize=(7.5, 3.6))
for (b2, values), style in zip(factors.items(), plots.styles(), strict=False):
    ax.semilogx(t_all, values, **style, markevery=[0, 2, 11, 50, 200, 1000, 4000], label=f"β2 = {b2}")
ax.axhline(1, color="0.5", linewidth=1)
ax.set(xlabel="step t", ylabel="uncorrected / corrected", ylim=(0, 7))
ax.legend()
plt.show()

# %% [markdown]
# *How much too long the steps are without bias correction, at β1 = .9: with β2 = .999 over three times at the start, over six times soon after, and a bit too long for thousands of steps. With β2 = .9 they would be too short.*
#
# So $v$'s bias wins, and Adam without correction is *Adam with a larger learning rate at first*. Is that bad? Train the digits' MLP both ways. The uncorrected version needs no new code: it is your `adam_step` with η times your `bias_factor`
# (ε aside).

# %%
digits = data.digits()


def first_steps(lr, corrected, seed, steps=60):
    """Loss on the training set after each of the first steps."""
    generator = torch.Generator().manual_seed(seed)
    X, y = digits.X[:1297], digits.y[:1297]
    model = models.MLP(64, 100, 10, activation=torch.relu, init="default", generator=generator)
    parameters = list(model.parameters())
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    losses = []
    for t in range(1, steps + 1):
        batch = torch.randint(1297, (32,), generator=generator)
        gradients = torch.autograd.grad(cross_entropy(model(X[batch]), y[batch]), parameters)
        rate = lr if corrected else lr * bias_factor(t, 0.9, 0.999)
        with torch.no_grad():
            for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                new_p, *moments[i] = adam_step(p, *moments[i], g, t, rate, **usual)
                p.copy_(new_p)
            losses.append(cross_entropy(model(X), y).item())
    return losses


fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
gap = {}
for ax, lr in zip(axes, (0.001, 0.03), strict=True):
    both = {name: torch.tensor([first_steps(lr, corrected, seed) for seed in range(5)]) for name, corrected in (("corrected", True), ("not corrected", False))}
    plots.curves(both, x=range(1, 61), ax=ax, ylabel="training loss", log=True)
    ax.set_title(f"η = {lr}")
    gap[lr] = measure.mean_interval(both["not corrected"].mean(1) - both["corrected"].mean(1))
plt.show()
for lr, (mean, half) in gap.items():
    print(f"η = {lr}: not corrected − corrected, mean loss of the first 60 steps: {mean:+.2f} ± {half:.2f} (95 %, five seeds)")
assert gap[0.001].mean < -gap[0.001].half_width and gap[0.03].mean > gap[0.03].half_width

# %% [markdown]
# *Training loss in the first 60 steps, mean and 95% interval over five seeds. At the default learning rate the uncorrected version is ahead: its steps are longer and there is room for longer ones. At η = .03 its first steps throw the network off, and it has not
# caught up after 60.*
#
# That is what bias correction buys: not speed, but that η means the same in the first step as later. Without it, the largest learning rate that survives the first dozen steps decides about the whole training.
#
# ## 4 · The efficient order, and two kinds of ε
#
# Algorithm 1 divides two whole tensors by constants. The last paragraph of the paper's section 2 saves that: multiply numerator and denominator of the step by $\sqrt{1-\beta_2^t}$ and put everything that is a number into the rate.
# $$ \eta_t = \eta\,\frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t}, \qquad w_t = w_{t-1} - \eta_t\,\frac{m_t}{\sqrt{v_t}+\hat\epsilon} . $$
# What must $\hat\epsilon$ be, so that this is the *same* step?
#
# ### Exercise 3 · `adam_efficient_step` (3 points)
#
# The arguments are those of `adam_step`, with Algorithm 1's ε. The result must agree with it, for every ε.

# %% nbgrader={"grade_id": "adam-efficient-step", "solution": true}
def adam_efficient_step(w, m, v, g, t, lr, beta1, beta2, eps):
    """One step of Adam with the bias correction in the rate, as in section 2 of the paper.

    Args:
        w: weights, a tensor of any shape.
        m: average of the gradients so far, the same shape.
        v: average of their squares, the same shape.
        g: gradient of the loss at w, the same shape.
        t: number of this step, 1 at the first.
        lr: learning rate η.
        beta1: the part of m that is kept.
        beta2: the part of v that is kept.
        eps: ε of Algorithm 1.

    Returns:
        The triple (w, m, v) after the step.
    """
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    root = math.sqrt(1 - beta2**t)
    rate = lr * root / (1 - beta1**t)
    return w - rate * m / (torch.sqrt(v) + eps * root), m, v
    ### END SOLUTION


# %% nbgrader={"grade_id": "adam-efficient-step-check", "grade": true, "points": 3}
check("adam_efficient_step", adam_efficient_step)
### BEGIN HIDDEN TESTS
check("adam_efficient_step", adam_efficient_step, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Libraries that call the constant $\hat\epsilon$ itself "epsilon" (Keras does, and says so) take a slightly different first thousand steps: their ε acts like $\epsilon/\sqrt{1-\beta_2^t}$, 32 times as much at $t = 1$. With gradients far above
# $10^{-8}$ nobody can tell. With gradients of that size everybody can:

# %%
for size in (1e-2, 1e-6, 1e-8):
    g1 = torch.tensor([size], dtype=f64)
    paper, *_ = adam_step(zero[:1], zero[:1], zero[:1], g1, 1, lr=1.0, **usual)
    constant_hat, *_ = adam_efficient_step(zero[:1], zero[:1], zero[:1], g1, 1, 1.0, 0.9, 0.999, 1e-8 / math.sqrt(1 - 0.999))
    print(f"gradient {size:.0e}: first step {-paper.item():.4f} η with ε = 1e-8, {-constant_hat.item():.4f} η with a constant ε̂ = 1e-8")

# %% [markdown] covers=[44]
# ## 5 · `torch.optim.Adam`
#
# The slide quotes the signature: `torch.optim.Adam(params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, amsgrad=False)`. The slide adds that the default betas "work usually just fine". (Today's signature has a few more options, for speed and for other variants; these six and their defaults are unchanged.) What PyTorch stores, for every parameter, is

# %%
parameter = torch.nn.Parameter(surfaces.two_wells.start.clone())
optimizer = torch.optim.Adam([parameter])
print({name: optimizer.defaults[name] for name in ("lr", "betas", "eps", "weight_decay", "amsgrad")})
surfaces.two_wells(parameter).backward()
optimizer.step()
print({name: tuple(value.shape) for name, value in optimizer.state[parameter].items()})


# %%
def apart(surface, steps, **settings):
    """Largest distance between your adam_step and torch.optim.Adam on the way down."""
    parameter = torch.nn.Parameter(surface.start.clone())
    optimizer = torch.optim.Adam([parameter], lr=settings["lr"], betas=(settings["beta1"], settings["beta2"]), eps=settings["eps"])
    w, m, v = surface.start, torch.zeros(2, dtype=f64), torch.zeros(2, dtype=f64)
    distance = 0.0
    for t in range(1, steps + 1):
        w, m, v = adam_step(w, m, v, surface.grad(w), t, **settings)
        optimizer.zero_grad()
        surface(parameter).backward()
        optimizer.step()
        distance = max(distance, (w - parameter.detach()).abs().max().item())
    return distance


for surface in (surfaces.ravine(kappa=100), surfaces.two_wells):
    for settings in ({"lr": 0.05, **usual}, {"lr": 0.02, "beta1": 0.5, "beta2": 0.9, "eps": 0.1}):
        assert apart(surface, 200, **settings) < 1e-9
print("200 steps on two surfaces, two settings: your adam_step = torch.optim.Adam, to rounding")

# %% [markdown]
# The class has `exp_avg` for $m$, `exp_avg_sq` for $v$ and `step` for $t$: three things to remember, and section 10 shows what happens if one is forgotten. `weight_decay` adds λw to the gradient, so it goes through $m$ and $v$ like any gradient;
# `torch.optim.AdamW` subtracts ηλw from the weights directly, which is not the same (Loshchilov and Hutter 2019). The last option, `amsgrad`, needs a section of its own.

# %% [markdown] covers=[44]
# ## 6 · Where Adam walks the wrong way
#
# $v$ forgets. A rare but large gradient is divided by the $\sqrt v$ it has itself just made large, while the small ones that follow, in the other direction, are divided by a $v$ that has shrunk again. Reddi, Kale and Kumar (2018) turned that into a proof
# that Adam need not converge, even on a convex problem. Here is their online problem for $w \in [-1, 1]$, in a cycle of three:
# $$ f_t(w) = \begin{cases} C\,w & t \equiv 1 \pmod 3\\ -w & \text{otherwise}\end{cases}, \qquad C = 3 . $$
# The sum over a cycle is $(C - 2)\,w = w$, so the best $w$ is $-1$. With $\beta_1 = 0$, $\beta_2 = 1/(1+C^2) = .1$ and $\eta_t = .5/\sqrt t$, what does Adam do?
#
# Their remedy: never let the denominator shrink. **AMSGrad** keeps the largest $v$ so far. As the paper has it (Algorithm 2), without any bias correction:
# $$ v^{\max}_t = \max(v^{\max}_{t-1}, v_t), \qquad w_t = w_{t-1} - \eta_t\,\frac{m_t}{\sqrt{v^{\max}_t}+\epsilon}, $$
# with Adam's uncorrected $m_t$ and $v_t$. (The paper has no ε; we add one as in Adam, since a weight that has had no gradient yet would divide 0 by 0.)
#
# ### Exercise 4 · `amsgrad_step` (3 points)
#
# `t` is among the arguments because every step of this notebook has it. Decide whether you need it.

# %% nbgrader={"grade_id": "amsgrad-step", "solution": true}
def amsgrad_step(w, m, v, v_max, g, t, lr, beta1, beta2, eps):
    """One step of AMSGrad as in its paper, with an ε and without the projection.

    Args:
        w: weights, a tensor of any shape.
        m: average of the gradients so far, the same shape.
        v: average of their squares, the same shape.
        v_max: the largest v so far, weight by weight, the same shape.
        g: gradient of the loss at w, the same shape.
        t: number of this step, 1 at the first.
        lr: learning rate at this step.
        beta1: the part of m that is kept.
        beta2: the part of v that is kept.
        eps: ε, added to the root.

    Returns:
        The tuple (w, m, v, v_max) after the step.
    """
    ### BEGIN SOLUTION
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    v_max = torch.maximum(v_max, v)
    return w - lr * m / (torch.sqrt(v_max) + eps), m, v, v_max
    ### END SOLUTION


# %% nbgrader={"grade_id": "amsgrad-step-check", "grade": true, "points": 3}
check("amsgrad_step", amsgrad_step)
### BEGIN HIDDEN TESTS
check("amsgrad_step", amsgrad_step, hidden=True)
### END HIDDEN TESTS

# %%
def online(method, C=3.0, T=1000):
    """w after each step of the three-periodic problem, kept in [-1, 1]."""
    w, *state = torch.zeros(3 if method is adam_step else 4, dtype=f64)
    path = []
    for t in range(1, T + 1):
        g = torch.tensor(C if t % 3 == 1 else -1.0, dtype=f64)
        w, *state = method(w, *state, g, t, lr=0.5 / math.sqrt(t), beta1=0.0, beta2=1 / (1 + C**2), eps=1e-8)
        w = w.clamp(-1, 1)
        path.append(w.item())
    return path


ways = {"Adam": online(adam_step), "AMSGrad": online(amsgrad_step)}
fig, ax = plt.subplots(figsize=(7.5, 3.4))
plots.curves(ways, x=range(1, 1001), ax=ax, ylabel="w")
ax.set_xscale("log")
ax.axhline(-1, color="0.5", linewidth=1)
ax.annotate("the best w", (1.2, -0.95), color="0.3")
plt.show()
for name, path in ways.items():
    print(f"{name:8} ends at {path[-1]:+.3f}; mean of the last 300 steps {sum(path[-300:]) / 300:+.3f}")
assert ways["Adam"][-1] > 0.98 and ways["AMSGrad"][-1] < -0.999

# %% [markdown]
# *The three-periodic problem: Adam drifts to +1, the worst point there is; AMSGrad goes to −1, the best.*
#
# Two caveats. This is a theorem about a short memory: β2 = .1 was chosen for the problem, and from β2 = .9 on, Adam goes to −1 as well (try it). And it is one problem in one dimension: it proves that there is no general guarantee, and says nothing about how often a network meets the like.
#
# ### The maximum of what?
#
# `torch.optim.Adam(amsgrad=True)` is not the paper's algorithm: it has bias correction. But where? It could take the maximum of the corrected $\hat v$, or correct the maximum of the uncorrected $v$. Three candidates, fed with the same random gradients as PyTorch:

# %%
generator = torch.Generator().manual_seed(0)
gradients = torch.randn(50, 4, generator=generator, dtype=f64) * torch.logspace(0, -1, 50, dtype=f64)[:, None]
lr, b1, b2, eps = 0.01, 0.9, 0.99, 1e-8

parameter = torch.nn.Parameter(torch.zeros(4, dtype=f64))
optimizer = torch.optim.Adam([parameter], lr=lr, betas=(b1, b2), eps=eps, amsgrad=True)
paper = [torch.zeros(4, dtype=f64)] * 4
correct_the_max = [torch.zeros(4, dtype=f64)] * 4
w, m, v, largest = [torch.zeros(4, dtype=f64)] * 4
for t, g in enumerate(gradients, 1):
    parameter.grad = g.clone()
    optimizer.step()
    paper = amsgrad_step(*paper, g, t, lr, b1, b2, eps)
    # The corrections in the rate, as in exercise 3: then v_max itself stays uncorrected.
    correct_the_max = amsgrad_step(*correct_the_max, g, t, lr / bias_factor(t, b1, b2), b1, b2, eps * math.sqrt(1 - b2**t))
    _, m, v = adam_step(w, m, v, g, t, lr, b1, b2, eps)
    largest = torch.maximum(largest, v / (1 - b2**t))
    w = w - lr * m / (1 - b1**t) / (largest.sqrt() + eps)
for name, weights in {"paper: max of v, no correction": paper[0], "max of v, then corrected": correct_the_max[0], "max of the corrected v": w}.items():
    print(f"{name:32} {(weights - parameter.detach()).abs().max().item():.4f} away from PyTorch")
assert (correct_the_max[0] - parameter.detach()).abs().max() < 1e-12
assert min((x - parameter.detach()).abs().max() for x in (paper[0], w)) > 1e-3

# %% [markdown]
# PyTorch corrects the maximum. Note what follows: $v^{\max}$ never shrinks, but $v^{\max}/(1-\beta_2^t)$ does while the correction fades, so the effective rate can still *grow* early in training, which is what the paper's algorithm was made to exclude.
#
# | | $m$ in the step | denominator |
# |---|---|---|
# | Adam, Algorithm 1 and PyTorch | $\hat m$ | $\sqrt{\hat v}+\epsilon$ |
# | Adam, "efficient" order | $m$, corrections in $\eta_t$ | $\sqrt v+\hat\epsilon$, $\;\hat\epsilon = \epsilon\sqrt{1-\beta_2^t}$ |
# | the slide | $\Delta w$, with η inside | $r+\epsilon$ |
# | AMSGrad, the paper | $m$ | $\sqrt{\max v}$ |
# | AMSGrad, PyTorch | $\hat m$ | $\sqrt{\max v\,/\,(1-\beta_2^t)}+\epsilon$ |

# %% [markdown]
# ## 7 · Turn the valley
#
# Gradient descent does not care how the axes lie. Turn the loss by 45°, and the whole path turns with it. Does Adam's? Take the ravine with κ = 100, turn it, start at the turned start, and count the steps until the loss stays below $10^{-4}$ of its value at the start.
# Gradient descent and momentum have their best settings for this κ (notebook 3), Adam has η = .1.

# %%
def steps_needed(step, kappa, angle, state, steps=500, share=1e-4):
    """Steps until the loss stays below a share of its first value."""
    valley = surfaces.ravine(kappa, angle=angle)
    H = valley.grad(torch.eye(2, dtype=f64))  # a bowl's gradient is Hw, so these rows are H
    valley = dataclasses.replace(valley, slope=lambda w: w @ H)  # faster than autograd
    loss = trajectories.descend(valley, step, valley.start, steps, state).loss
    return int((loss > share * loss[0]).nonzero()[-1]) + 1


def adam_on(lr, scale=lambda t: 1.0, beta1=0.9, beta2=0.999):
    """A step for trajectories.descend, made of your adam_step."""

    def step(w, g, state, t):
        w, *state = adam_step(w, *state, g, t, lr * scale(t), beta1, beta2, 1e-8)
        return w, state

    return step


def momentum_on(lr, alpha):
    """A step for trajectories.descend: the lecture's momentum."""

    def step(w, g, v, t):
        v = alpha * v + lr * g
        return w - v, v

    return step


nothing = torch.zeros(2, dtype=f64)
root = math.sqrt(100)
angles = range(0, 91, 15)
needed = {
    "gradient descent": [steps_needed(momentum_on(2 / 101, 0.0), 100, angle, nothing) for angle in angles],
    "momentum": [steps_needed(momentum_on((2 / (root + 1)) ** 2, ((root - 1) / (root + 1)) ** 2), 100, angle, nothing) for angle in angles],
    "Adam": [steps_needed(adam_on(0.1), 100, angle, [nothing, nothing]) for angle in angles],
}
fig, ax = plt.subplots(figsize=(7.5, 3.6))
for (name, counts), style in zip(needed.items(), plots.styles(), strict=False):
    ax.plot(angles, counts, **style, label=name)
ax.set(xlabel="angle of the valley, in degrees", ylabel="steps needed", xticks=angles, ylim=(0, 450))
ax.legend(loc="upper right")
plt.show()
print("angle", *angles)
for name, counts in needed.items():
    print(name, *counts)
assert len(set(needed["gradient descent"])) == 1 and len(set(needed["momentum"])) == 1
assert needed["Adam"][3] > 2 * needed["Adam"][0]

# %% [markdown]
# *Steps until the loss stays below a ten-thousandth, on one valley in seven directions. Gradient descent and momentum cannot tell the directions apart; Adam needs twice as many steps in a valley that lies across the axes.*

# %%
print("κ     η     along the axes   turned by 45°")
for kappa, lr in ((100, 0.03), (100, 0.1), (100, 0.3), (20, 0.1), (20, 0.3)):
    along, across = (steps_needed(adam_on(lr), kappa, angle, [nothing, nothing], 1200 if lr < 0.1 else 500) for angle in (0, 45))
    print(f"{kappa:3}  {lr:4}  {along:15}  {across:14}")

# %% [markdown]
# How much it costs depends on the problem: at κ = 100 a factor between 1.6 and 2.1, at each of three learning rates; at κ = 20 the turned valley is even a little easier. That it *matters* how the axes lie is the point. A network's weights come with axes, and Adam uses them.
#
# ### Question 1 (2 points, graded by a person)
#
# Why is Adam not rotation-invariant, while gradient descent and momentum are? Show it on one step from $m = v = 0$ with the gradient $(1, 0)$ and with the same gradient turned by 45°, and connect it with the figure.

# %% [markdown] nbgrader={"grade_id": "question-rotation", "grade": true, "solution": true, "points": 2}
# **Model answer.** Let R be a rotation. In the turned problem the gradient at Rw is Rg. Gradient descent gives Rw − ηRg = R(w − ηg), the turned step, and momentum adds up such steps, so their whole paths turn and the number of steps is the same at all angles (the two flat lines). Adam squares and divides
# *weight by weight*, and that does not commute with R: (Rg)² ≠ R(g²). In the example, the first step is −η·sign(g) (ε aside): for (1, 0) it is −η(1, 0), of length η; the gradient turned by 45° is (.71, .71) and gives −η(1, 1), of length 1.41 η. For a gradient that is
# turned by 10° the step still points along the diagonal, (1, 1), not at 10°. In the figure: along the axes each direction of the valley is one weight, and √v gives the steep and the flat one learning rates of their own; at 45° both weights see the same mixture, √v is nearly equal for
# both, nothing is balanced any more, and the steps needed go from 179 to 377.
#
# **Rubric.** 1 point: the weight-by-weight square (or division) does not commute with a rotation, while a sum of gradients does. 1 point: the example worked out (−η(1, 0) against −η(1, 1)), with a sentence on why the balance is lost at 45°. Half a point if the example is right and the connection is missing.

# %% [markdown] covers=[45]
# ## 8 · A race
#
# The lecture shows Emilien Dupont's animation: several optimizers start together on a surface with two wells. Here it is with your functions. RMSProp is `adam_step` with β1 = 0 and its correction undone; momentum and plain gradient descent you know.
#
# One runner needs a word. The "Adam" of that demo has **no bias correction**; its first dozens of steps are three to six times too long. So it runs here as a fifth entry, under its own name.

# %%
def undone(beta1, beta2):
    """The factor that takes the bias correction out of adam_step again."""
    return lambda t: bias_factor(t, beta1, beta2)


wells = surfaces.two_wells
entries = {
    "gradient descent": (momentum_on(0.01, 0.0), 1),
    "momentum": (momentum_on(0.01, 0.9), 1),
    "RMSProp": (adam_on(0.02, undone(0.0, 0.9), 0.0, 0.9), 2),
    "Adam": (adam_on(0.05), 2),
    "Adam, uncorrected": (adam_on(0.05, undone(0.9, 0.999)), 2),
}


def enter(name, start, steps):
    """Let one entry run from a start, or from many."""
    step, memories = entries[name]
    zero = torch.zeros_like(start)
    return trajectories.descend(wells, step, start, steps, zero if memories == 1 else [zero, zero])


line_up = torch.tensor([1.9, -0.6], dtype=f64)
runs = {name: enter(name, line_up, 120) for name in entries}
plots.paths(wells, runs)
plt.show()

# %% [markdown]
# *The still: 120 steps of five optimizers from one start. Gradient descent, RMSProp and Adam end in the shallow well on the right; momentum and the uncorrected Adam roll through it into the deeper one on the left (★).*

# %% tags=["nbval-ignore-output"]
plots.race(wells, runs, frames=20, interval=200)

# %% [markdown]
# *The race, step by step: press ▶.*
#
# It looks as if leaving out the correction were a good idea. One start proves nothing (notebook 3), so start everywhere:

# %%
side = torch.linspace(-2, 2, 41, dtype=f64)
grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), -1)
share = {name: (enter(name, grid, 400).w[-1, ..., 0] < 0).double().mean().item() for name in entries}
for name, value in share.items():
    print(f"{name:18} {value:.2f} of 41² starts end in the deeper well")
for lr in (0.02, 0.1, 0.2):
    other = trajectories.descend(wells, adam_on(lr), grid, 400, [torch.zeros_like(grid)] * 2)
    print(f"{f'Adam, η = {lr}':18} {(other.w[-1, ..., 0] < 0).double().mean().item():.2f}")

# %% [markdown]
# Over all starts the uncorrected Adam is ahead of Adam by .67 to .63. But η alone moves Adam's share from .60 to .68, and not even in one direction. Which well a run ends in depends on where it starts and how long its strides happen to be. A race on one surface shows how methods *move*;
# it does not show which one is better.

# %% [markdown] covers=[46]
# ## 9 · Swapping optimizers
#
# In PyTorch one line decides. The slide has the two lines below it:
#
# ```python
# optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
# optimizer = torch.optim.Adam(model.parameters(), lr=0.0001)
# ```
#
# Everything else in the loop stays. That is convenient, and it invites a mistake: comparing two *settings* and talking about two *methods*. Digits, MLP 64–100–10, batches of 32, ten epochs, five seeds; the slide's two settings first.

# %%
def train(make_optimizer, seed, epochs=10, n_train=1297):
    """Training loss after each epoch, and validation accuracy at the end."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits.y), generator=generator)
    X, y = digits.X[order[:n_train]], digits.y[order[:n_train]]
    X_val, y_val = digits.X[order[n_train:]], digits.y[order[n_train:]]
    model = models.MLP(64, 100, 10, activation=torch.relu, init="default", generator=generator)
    optimizer = make_optimizer(model.parameters())  # the one line
    losses = []
    for _ in range(epochs):
        for batch in torch.randperm(n_train, generator=generator).split(32):
            loss = cross_entropy(model(X[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(cross_entropy(model(X), y).item())
    with torch.no_grad():
        return losses, (model(X_val).argmax(1) == y_val).double().mean().item()


settings = {
    "SGD .01, momentum .9": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
    "Adam .0001": lambda parameters: torch.optim.Adam(parameters, lr=1e-4),
    "Adam .001": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    "SGD .1, momentum .9": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam .01": lambda parameters: torch.optim.Adam(parameters, lr=1e-2),
}
results = {name: [train(make, seed) for seed in range(5)] for name, make in settings.items()}
losses = {name: torch.tensor([loss for loss, _ in runs]) for name, runs in results.items()}
fig, ax = plt.subplots(figsize=(7.5, 4.2))
plots.curves(losses, x=range(1, 11), ax=ax, xlabel="epoch", ylabel="training loss", log=True)
plt.show()
print("                          training loss     validation accuracy, %   (mean ± 95 %, five seeds)")
for name, runs in results.items():
    loss, half = measure.mean_interval(losses[name][:, -1])
    accuracy, width = measure.mean_interval(100 * torch.tensor([accuracy for _, accuracy in runs]))
    print(f"{name:22} {loss:11.2f} ± {half:.2f} {accuracy:18.1f} ± {width:.1f}")

# %%
print("loss after ten epochs, Adam − SGD (mean ± 95 %, five seeds)")
gaps = {}
for adam, sgd in (("Adam .0001", "SGD .01, momentum .9"), ("Adam .001", "SGD .01, momentum .9"), ("Adam .01", "SGD .1, momentum .9")):
    gaps[adam] = measure.mean_interval(losses[adam][:, -1] - losses[sgd][:, -1])
    print(f"{adam:10} − {sgd}: {gaps[adam].mean:+.3f} ± {gaps[adam].half_width:.3f}")
assert gaps["Adam .0001"].mean > 1 and abs(gaps["Adam .001"].mean) < 0.05 and abs(gaps["Adam .01"].mean) < 0.02

# %% [markdown]
# *Training loss on the digits, mean and 95% interval over five seeds. With the slide's settings SGD is far ahead of Adam; with ten times the learning rate Adam is where SGD was; with ten times more for both, their curves lie together again, lower.*
#
# What may we say? On this network and data, in ten epochs, the slide's Adam is slower than the slide's SGD, and the learning rate explains it: Adam's steps are about η long, so η = .0001 moves a weight by at most about .04 in the 410 steps. It does *not* say that SGD is better than Adam, nor the reverse:
# for that, each would need its own search for the best η, on validation data, and more than one problem. Swap optimizers freely, but take a new learning rate with each.
#
# And the betas, which "work usually just fine"? Same network, η = .001, three seeds:

# %% covers=[44]
print("β1     β2     training loss after ten epochs (mean ± 95 %, three seeds)")
means = {}
for betas in ((0.9, 0.999), (0.0, 0.999), (0.99, 0.999), (0.9, 0.9), (0.99, 0.9)):
    ends = [train(lambda parameters, betas=betas: torch.optim.Adam(parameters, lr=1e-3, betas=betas), seed)[0][-1] for seed in range(3)]
    means[betas], half = measure.mean_interval(torch.tensor(ends))
    print(f"{betas[0]:4}  {betas[1]:5}  {means[betas]:6.2f} ± {half:.2f}")
assert max(means.values()) - min(means.values()) < 0.05

# %% [markdown]
# At this learning rate the betas hardly matter, not even β1 = 0, which is RMSProp. The last row is the one to avoid: it breaks the condition $\beta_1^2/\sqrt{\beta_2} < 1$ of the paper's analysis, which asks that $v$ remember longer than $m$. Here that only shows in the wider interval; try it with η = .01.

# %% [markdown] covers=[47]
# ## 10 · Save the optimizer, too
#
# The lecture's last advice on Adam: *remember to save the optimizer's state if you want to continue training later.* What exactly happens if you do not? Adam's state has three parts, and each can be lost. Train 200 steps with η = .01, save, and go on from the file in four ways: with the whole state; with a new
# optimizer, so that nothing is remembered; with $m$ and $v$ but $t$ set back to 0; with $t$ but $m$ and $v$ set back to 0. The batches are the same in all four.

# %%
def resumed(seed, before=200, after=40, lr=0.01):
    """Loss around a break for each way of resuming, and the length of the first step after it."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits.y), generator=generator)[:1297]
    X, y = digits.X[order], digits.y[order]

    def go_on(model, optimizer, steps, generator):
        """Return the loss on the training set after each step."""
        losses = []
        for _ in range(steps):
            batch = torch.randint(1297, (32,), generator=generator)
            optimizer.zero_grad()
            cross_entropy(model(X[batch]), y[batch]).backward()
            optimizer.step()
            with torch.no_grad():
                losses.append(cross_entropy(model(X), y).item())
        return losses

    model = models.MLP(64, 100, 10, activation=torch.relu, init="default", generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = go_on(model, optimizer, before, generator)[-10:]
    ratios = [memory["exp_avg"].abs() / (memory["exp_avg_sq"] / (1 - 0.999**before)).sqrt() for memory in optimizer.state.values()]
    ratios = torch.cat([ratio.flatten() for ratio in ratios])
    typical = ratios[~ratios.isnan()].median().item()  # pixels that are always 0 have no gradient: 0/0
    curves, first = {}, {}
    with tempfile.TemporaryFile() as file:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
        at_the_break = generator.get_state()
        unbroken = go_on(model, optimizer, after, generator)
        for way in ("whole state", "nothing", "t set back to 0", "m, v set back to 0"):
            file.seek(0)
            saved = torch.load(file, weights_only=True)
            model.load_state_dict(saved["model"])
            for memory in saved["optimizer"]["state"].values():
                if way == "t set back to 0":
                    memory["step"].zero_()
                if way == "m, v set back to 0":
                    memory["exp_avg"].zero_()
                    memory["exp_avg_sq"].zero_()
            optimizer = torch.optim.Adam(model.parameters(), lr=lr)
            if way != "nothing":
                optimizer.load_state_dict(saved["optimizer"])
            weights = measure.flat_parameters(model)
            same_batches = torch.Generator()
            same_batches.set_state(at_the_break)
            one = go_on(model, optimizer, 1, same_batches)
            first[way] = (measure.flat_parameters(model) - weights).norm().item()
            curves[way] = history + one + go_on(model, optimizer, after - 1, same_batches)
    assert curves["whole state"] == history + unbroken  # to the last bit
    return curves, first, typical


breaks = [resumed(seed) for seed in range(5)]
around = {way: torch.tensor([curves[way] for curves, _, _ in breaks]) for way in breaks[0][0]}
fig, ax = plt.subplots(figsize=(8, 4.2))
plots.curves(around, x=range(-9, 41), ax=ax, xlabel="steps since the break", ylabel="training loss", log=True)
ax.axvline(0.5, color="0.5", linewidth=1)
plt.show()
print(f"before the break: median |m̂|/√v̂ = {sum(typical for _, _, typical in breaks) / 5:.2f}")
print("                     length of the first step   highest loss in 10 steps   mean loss of steps 31 to 40")
print("                     ÷ that with whole state    ÷ loss before the break    ÷ that with whole state")
for way, curves in around.items():
    ratio = measure.mean_interval(torch.tensor([first[way] / first["whole state"] for _, first, _ in breaks]))
    peak = measure.mean_interval(curves[:, 10:20].max(1).values / curves[:, 9])
    later = measure.mean_interval(curves[:, 40:].mean(1) / around["whole state"][:, 40:].mean(1))
    print(f"{way:20} {ratio.mean:12.2f} ± {ratio.half_width:.2f} {peak.mean:19.1f} ± {peak.half_width:.1f} {later.mean:21.1f} ± {later.half_width:.1f}")
    if way == "t set back to 0":
        assert abs(ratio.mean - bias_factor(201, 0.9, 0.999) / bias_factor(1, 0.9, 0.999)) < 0.01
jump = {way: measure.mean_interval(curves[:, 10] / around["whole state"][:, 10]) for way, curves in around.items()}
assert all(jump[way].mean - jump[way].half_width > 1 for way in ("nothing", "m, v set back to 0"))

# %% [markdown]
# *Training loss around the break (gray line), mean and 95% interval over five seeds. With the whole state the run goes on as if there had been no break, to the last bit. With a new optimizer the loss jumps, and with old t but empty m and v it jumps higher. With t alone set back it falls as before, if anything a little faster.*
#
# Why the jumps? After 200 steps half of the weights have $|\hat m| < .06\,\sqrt{\hat v}$, because their gradients are mostly noise, and so take steps far shorter than η. A **new** Adam takes a first step of $\eta\,\mathrm{sign}(g)$: a full η for every weight that has a gradient, seven times the length of the step it replaces, in a direction that one batch
# decides. With **empty moments but an old t** there is not even a correction, and the step is longer by your `bias_factor(1)` over `bias_factor(201)` again: $6.84 \cdot 3.16/2.34 = 9.2$. Over steps 31 to 40 after the break the loss is still 1.3 and 2.2 times that of the unbroken run; and a run with a break is, in all cases but the first, not the run it would have been.
#
# So save `optimizer.state_dict()`, which holds all three parts, beside `model.state_dict()`. With a scheduler, save its state, too, and the data's random generator if the run is to be the same to the last bit (notebook 2).
#
# ### Question 2 (2 points, graded by a person)
#
# A colleague saves $m$ and $v$ in a format of her own and forgets $t$. She resumes with $t$ counted from 0, sees that the loss even falls a little faster at first, and concludes that nothing is broken. What *is* broken, by how much, and for how long? Use `bias_factor`. Why does the loss look fine, and when would it not?

# %% [markdown] nbgrader={"grade_id": "question-restart", "grade": true, "solution": true, "points": 2}
# **Model answer.** With T steps done, the next ones divide m by 1 − β1^t and v by 1 − β2^t with t = 1, 2, … again, although both averages are full: they are "corrected" for a bias that they do not have. The steps are multiplied by bias_factor(T + t)/bias_factor(t). After a long
# training (T ≫ 1000) that is 1/bias_factor(t): .32 at the first step, .15 (1/6.57) at the twelfth, within 1 % only from t = 3925 on. In the experiment T = 200, so the first step is 2.34/3.16 = .74 of the right one, as measured. It is an unasked dip of the learning rate to a sixth, which fades over thousands
# of steps. The loss looks fine because shorter steps quiet the noise, as every decay of the learning rate does at first (notebook 2: the danger of decaying early). It would not look fine where progress is limited by the step length, early in training or on a plateau: there it is up to six times slower for
# hundreds of steps. If runs are resumed often (a shared cluster), every restart repeats it. In any case the resumed run is not the run without a break.
#
# **Rubric.** 1 point: the steps are too short, by bias_factor(t) (.32 at first, about .15 at t = 12, thousands of steps to fade; or .74 and the ratio for T = 200). 1 point: a reason why the loss falls (shorter steps, less noise) *and* a situation in which it hurts or a result that is not reproduced. Half a point
# if "longer steps" is argued consistently for empty moments instead.

# %% [markdown]
# ## 11 · Find the bug
#
# Most Adams in the world are not written by their users but inherited. Suppose you are handed a `step` function with the signature of `adam_step` and no source. You may call it as often as you like, with tensors and numbers *you* choose. It is either right or has exactly one of these defects:
#
# | name | defect |
# |---|---|
# | `"none"` | it is right, to rounding |
# | `"m uncorrected"` | $m$ in place of $\hat m$ |
# | `"v uncorrected"` | $v$ in place of $\hat v$ |
# | `"t from 0"` | the corrections use $t-1$ |
# | `"eps inside root"` | $\sqrt{\hat v+\epsilon}$ |
# | `"betas swapped"` | β1 and β2 exchanged everywhere |
# | `"g not squared"` | $v$ averages $g$ |
# | `"no root"` | $\hat v+\epsilon$ in the denominator |
# | `"lr inside m"` | $m$ averages $\eta g$, and the step has no η |
# | `"hats kept"` | $\hat m$ and $\hat v$ are returned in place of $m$ and $v$ |

# %% nbgrader={"grade_id": "defects", "locked": true}
DEFECTS = (
    "none",
    "m uncorrected",
    "v uncorrected",
    "t from 0",
    "eps inside root",
    "betas swapped",
    "g not squared",
    "no root",
    "lr inside m",
    "hats kept",
)

# %% [markdown]
# ### Exercise 5 · `debug_adam` (4 points)
#
# Write the function that names the defect. The art is in the *probe*: with $g = 1$ nobody sees a missing square, at $t = 10\,000$ nobody misses a correction. One good probe is enough to tell all ten apart. The check hands you eleven steps in an order of its own; two of them are right, but round differently.

# %% nbgrader={"grade_id": "debug-adam", "solution": true}
def debug_adam(step):
    """Name the defect of a step function.

    Args:
        step: maps (w, m, v, g, t, lr, beta1, beta2, eps) to (w, m, v), like adam_step.

    Returns:
        One of DEFECTS.
    """
    ### BEGIN SOLUTION
    w, m, v, g = (torch.tensor([x], dtype=torch.float64) for x in (1.0, 0.5, 0.2, 0.3))
    t, lr, beta1, beta2, eps = 3, 0.1, 0.8, 0.6, 0.5
    seen = step(w, m, v, g, t, lr, beta1, beta2, eps)

    def suspect(defect):
        """What a step with this defect would have returned."""
        b1, b2 = (beta2, beta1) if defect == "betas swapped" else (beta1, beta2)
        new_m = b1 * m + (1 - b1) * (lr * g if defect == "lr inside m" else g)
        new_v = b2 * v + (1 - b2) * (g if defect == "g not squared" else g**2)
        at = t - 1 if defect == "t from 0" else t
        m_hat = new_m if defect == "m uncorrected" else new_m / (1 - b1**at)
        v_hat = new_v if defect == "v uncorrected" else new_v / (1 - b2**at)
        if defect == "eps inside root":
            denominator = torch.sqrt(v_hat + eps)
        elif defect == "no root":
            denominator = v_hat + eps
        else:
            denominator = torch.sqrt(v_hat) + eps
        new_w = w - (1 if defect == "lr inside m" else lr) * m_hat / denominator
        return (new_w, m_hat, v_hat) if defect == "hats kept" else (new_w, new_m, new_v)

    for defect in DEFECTS:
        if all(torch.allclose(a, b) for a, b in zip(seen, suspect(defect), strict=True)):
            return defect
    raise ValueError("this step has a defect that is not on the list")
    ### END SOLUTION


# %% nbgrader={"grade_id": "debug-adam-check", "grade": true, "points": 4}
check("debug_adam", debug_adam)
### BEGIN HIDDEN TESTS
check("debug_adam", debug_adam, hidden=True)
### END HIDDEN TESTS

# %%
print("my adam_step:          ", debug_adam(adam_step))
print("my adam_efficient_step:", debug_adam(adam_efficient_step))

# %% [markdown]
# ## What to take away
#
# * Adam is a mean of gradients over the root of a mean of squares: steps of about η, in any unit. Root, square, one η, no η in the moments.
# * Bias correction makes η mean the same from the first step on; without it steps are 3 to 6.6 times too long at first (β's .9 and .999).
# * ε belongs outside the root; in the efficient order it must be rescaled.
# * Adam can walk the wrong way (Reddi et al.), and depends on how the axes lie. AMSGrad in the paper and in PyTorch are two algorithms.
# * A new optimizer needs a new learning rate, and a saved run needs $m$, $v$ *and* $t$.
#
# **Sources.** Kingma and Ba (2015), *Adam: a method for stochastic optimization*, arXiv 1412.6980 · Reddi, Kale and Kumar (2018), *On the convergence of Adam and beyond*, ICLR · Loshchilov and Hutter (2019), *Decoupled weight decay regularization*, ICLR · E. Dupont, *Optimization algorithms visualization* (the surface of section 8) ·
# the documentation of `torch.optim.Adam` and of Keras's `Adam`.
