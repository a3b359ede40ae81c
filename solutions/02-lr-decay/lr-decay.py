# ---
# jupyter:
#   descent:
#     title: Learning-rate decay
#     points: 20
#     minutes: 110
# ---

# %% [markdown]
# # Learning-rate decay
#
# *Notebook 2 of 7 · 20 points · about 110 minutes · follows the slides "Learning Rate Decay" of lecture 12, STAT 479 (S. Raschka, 2019)*
#
# **The question.** Three runs start at the same place, on the same loss, with the same learning rate and the same noise in their gradients. None of them ever changes anything but its learning rate. One never
# comes to rest. One comes to rest in the wrong place, and stays there. One arrives. When should a learning rate fall, how fast, and who decides?
#
# By the end you will have written the lecture's schedules and repaired its code, derived how much of the way a decay *costs* you (there is a law, and you will test it), measured what is wrong with the lecture's own
# training example, seen a training loss recommend the wrong schedule, and stopped and resumed a run without changing a single bit of it.
#
# **How this notebook works.** Cells that say `raise NotImplementedError()` are yours to write. The cell below each of them
# checks your answer; run it as often as you like. When it fails, it lays your numbers beside the expected ones and, if it
# can, names the mistake. A grader runs the same checks again with numbers you have not seen. Run the cells from top to bottom.

# %% nbgrader={"grade_id": "setup", "locked": true}
import math
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F

from lib import data, measure, models, plots, surfaces, training, trajectories
from lib.check import check

plots.use_style()
f64 = torch.float64

# %% covers=[10, 11]
bowl = surfaces.quadratic(0.2, 1.0)
t = torch.arange(400, dtype=f64)
rates = {
    "never decays": torch.full((400,), 0.3, dtype=f64),
    "decays from the first step": 0.3 * 0.95**t,
    "decays after 150 steps": 0.3 * 0.98 ** (t - 150).clamp(min=0),
}
runs = {}
for name, rate in rates.items():
    generator = torch.Generator().manual_seed(3)

    def step(w, g, state, t, rate=rate, generator=generator):
        noise = torch.randn(w.shape, generator=generator, dtype=f64)
        return w - rate[t - 1] * (g + noise), state

    runs[name] = trajectories.descend(bowl, step, bowl.start.expand(200, 2), 400)

fig, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.2))
plots.contours(bowl, left)
for run, style in zip(runs.values(), plots.styles(), strict=False):
    left.plot(*run.w[-1].T, marker=style["marker"], color=style["color"], markersize=4, linestyle="none", alpha=0.7)
left.plot(*bowl.start, "o", color="white", markeredgecolor="black", markersize=9)
left.annotate("start of all", bowl.start, xytext=(8, 6), textcoords="offset points")
left.plot(0, 0, "*", color="white", markeredgecolor="black", markersize=17, zorder=6)
left.set(xlim=(-10, 4), ylim=(-1.6, 1.6), title="where 200 runs of each are in the end")
distance = {name: run.w.norm(dim=-1).square().mean(1).sqrt() for name, run in runs.items()}
plots.curves(distance, ax=right, ylabel="distance to the minimum, root mean square", log=True)
plt.show()

# %% [markdown]
# *Without decay (●) the runs are soon near the minimum ★ and then jitter around it for ever. With decay from the first step (■) they are calm, and calm far from it. With decay later (▲) they first come near and then settle.*
#
# ## 1 · Why a run does not settle
#
# Notebook 1 said it: a minibatch is a sample of the training set, so its loss and its gradient are approximations. The slide draws the consequence: the **minibatch loss** jumps about from step to step, and the **loss of the whole
# training set**, which nobody computes at every step, oscillates with it, because the weights are pushed around by the samples.
#
# Let us look at both. The data for this notebook are scikit-learn's 8 × 8 digits, 640 for training and 1157 for validation, and there is a twist: **30% of the training samples get a random label**. (One in ten of those is right by luck, so 27% are
# wrong. The validation labels are untouched.) Real data have wrong labels, too, only nobody tells you which. They keep the gradients noisy to the end, as they are on tasks harder than digits.

# %% nbgrader={"grade_id": "digits", "locked": true}
digits = data.digits()


def noisy_digits(seed, wrong):
    """Return (training, validation) samples; a share of the training labels is drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    train, validation = data.split(digits, 640 / 1797, generator=generator)
    y = train.y.clone()
    drawn = torch.rand(len(y), generator=generator) < wrong
    y[drawn] = torch.randint(0, 10, (int(drawn.sum()),), generator=generator)
    return data.Samples(train.X, y), validation


def network(seed):
    """A multilayer perceptron 64-50-10."""
    return models.MLP(64, 50, 10, activation=torch.relu, init="default", generator=torch.Generator().manual_seed(seed))


# %% [markdown]
# The training loop asks a function `schedule(epoch, val_losses)` for the learning rate of each epoch; for now that is always 1.

# %% covers=[10]
def train_digits(schedule, seed, wrong=0.3, epochs=40):
    """Train on noisy digits; return what there is to see, one value a step or an epoch."""
    train, validation = noisy_digits(seed, wrong)
    model = network(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loader = data.Loader(*train, 32, generator=torch.Generator().manual_seed(seed))
    seen = {"minibatch loss": [], "whole-set loss": [], "lr": [], "val loss": [], "val accuracy": []}
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = schedule(epoch, seen["val loss"])
        seen["lr"].append(optimizer.param_groups[0]["lr"])
        for X, y in loader:
            loss = F.cross_entropy(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen["minibatch loss"].append(loss.item())
            with torch.no_grad():
                seen["whole-set loss"].append(F.cross_entropy(model(train.X), train.y).item())
        loss, accuracy = training.evaluate(model, *validation)
        seen["val loss"].append(loss)
        seen["val accuracy"].append(accuracy)
    seen["model"] = model
    return seen


constant = train_digits(lambda epoch, val_losses: 1.0, seed=0)
fig, ax = plt.subplots(figsize=(9, 3.8))
ax.plot(constant["minibatch loss"], ".", color="0.6", markersize=4, label="minibatch loss")
ax.plot(constant["whole-set loss"], "k-", linewidth=1.2, label="whole-training-set loss")
ax.set(xlabel="step", ylabel="loss", ylim=(0, 2.5))
ax.legend()
plt.show()

# %% [markdown]
# *One run at a constant learning rate of 1. The losses of the minibatches of 32 (dots) scatter widely. The loss of the whole training set (line) is smoother, since it averages over all samples, but the weights that it is taken at
# jump about, and so does it.*
#
# ### How large is the jitter?
#
# Near a minimum with curvature $\lambda$ a noisy gradient is $\lambda w + \sigma\xi$ with a fresh $\xi$ of variance 1. One step makes
# $$w \leftarrow w - \eta(\lambda w + \sigma\xi) = (1-\eta\lambda)\,w - \eta\sigma\xi,
# \qquad\text{so}\qquad
# V \leftarrow \underbrace{(1-\eta\lambda)^2\,V}_{\text{forgets}} + \underbrace{\eta^2\sigma^2}_{\text{new noise}}$$
# for $V = \mathbb E[w^2]$. It stands still where both balance:
# $$V = \frac{\eta\,\sigma^2}{\lambda\,(2-\eta\lambda)} .$$
# For small η that is proportional to η. There it is, the whole reason for this lecture: **a constant learning rate never arrives, and a smaller one stops nearer.** Check it with a thousand walkers:

# %%
def noisy_descent(rates, seed, w0=0.0, lam=1.0, sigma=1.0, walkers=1000):
    """Mean square of w over the walkers, at the start and after each step of noisy gradient descent."""
    generator = torch.Generator().manual_seed(seed)
    w = torch.full((walkers,), w0, dtype=f64)
    squares = [w.square().mean()]
    for rate in rates.tolist():
        w = w - rate * (lam * w + sigma * torch.randn(walkers, generator=generator, dtype=f64))
        squares.append(w.square().mean())
    return torch.stack(squares)


print("   η    measured (95%, five seeds)   formula")
for lr in (0.4, 0.1, 0.025):
    plateaus = torch.stack([noisy_descent(torch.full((1000,), lr), seed)[400:].mean() for seed in range(5)])
    mean, half = measure.mean_interval(plateaus)
    formula = lr / (2 - lr)
    print(f"{lr:5}   {mean:.4f} ± {half:.4f} {formula:18.4f}")
    assert abs(mean - formula) < 0.03 * formula

# %% [markdown] covers=[14]
# So why not take a small learning rate from the start? Because then you do not get *near*. We want a large one first and a small one later. That is a **schedule**.
#
# ## 2 · Four schedules
#
# In all of them $t$ counts from 0 (epochs, usually; steps, if you like), and $\eta_0$ is the learning rate at the start.
#
# ### Exercise 1 · `exponential` (1 point)
#
# $$\eta_t := \eta_0\, e^{-k t}$$
# with the decay rate $k$. One thing to get right: `t` may be a plain number (a training loop has a number) or a tensor of many times (a plot has those), and your function should serve both.

# %% nbgrader={"grade_id": "exponential", "solution": true}
def exponential(t, lr0, k):
    """Exponential decay.

    Args:
        t: time, 0 at the start; a number, or a tensor of times of any shape.
        lr0: learning rate η0 at the start.
        k: decay rate, per unit of t.

    Returns:
        The learning rate at t; a number, or a tensor of the shape of t.
    """
    ### BEGIN SOLUTION
    return lr0 * math.e ** (-k * t)
    ### END SOLUTION


# %% nbgrader={"grade_id": "exponential-check", "grade": true, "points": 1}
check("exponential", exponential)
### BEGIN HIDDEN TESTS
check("exponential", exponential, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[15]
# ### Exercise 2 · `halving` (1 point)
#
# Halve the learning rate every so many epochs, and leave it alone in between. (The slide prints $\eta_t := \eta_{t=1}/2$. Taken at its word, that is one drop. What is meant is that *each* drop halves the rate before it: after $n$ drops, $\eta_0/2^n$.)

# %% nbgrader={"grade_id": "halving", "solution": true}
def halving(t, lr0, every):
    """Halve the learning rate every so many epochs.

    Args:
        t: epoch, 0 at the start; a number, or a tensor of any shape.
        lr0: learning rate η0 at the start.
        every: epochs between two drops; the first drop is at t = every.

    Returns:
        The learning rate at t; a number, or a tensor of the shape of t.
    """
    ### BEGIN SOLUTION
    return lr0 * 0.5 ** (t // every)
    ### END SOLUTION


# %% nbgrader={"grade_id": "halving-check", "grade": true, "points": 1}
check("halving", halving)
### BEGIN HIDDEN TESTS
check("halving", halving, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[16]
# ### Exercise 3 · `inverse` (1 point)
#
# $$\eta_t := \frac{\eta_0}{1 + k\,t}$$

# %% nbgrader={"grade_id": "inverse", "solution": true}
def inverse(t, lr0, k):
    """Inverse decay.

    Args:
        t: time, 0 at the start; a number, or a tensor of times of any shape.
        lr0: learning rate η0 at the start.
        k: decay rate, per unit of t.

    Returns:
        The learning rate at t; a number, or a tensor of the shape of t.
    """
    ### BEGIN SOLUTION
    return lr0 / (1 + k * t)
    ### END SOLUTION


# %% nbgrader={"grade_id": "inverse-check", "grade": true, "points": 1}
check("inverse", inverse)
### BEGIN HIDDEN TESTS
check("inverse", inverse, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[14, 16]
# Here are the slides' plots, with the slides' constants: $\eta_0 = .5$, $k = .01, .05, .1$, a hundred epochs.

# %% covers=[14, 16]
t = torch.arange(0, 101, dtype=f64)
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
for ax, schedule, title in ((axes[0], exponential, "exponential: η₀ e^(−kt)"), (axes[1], inverse, "inverse: η₀ / (1 + kt)")):
    plots.curves({f"k = {k}": schedule(t, 0.5, k) for k in (0.01, 0.05, 0.1)}, ax=ax, xlabel="epoch t", ylabel="learning rate")
    ax.set(title=title, ylim=(0, 0.52))
axes[1].set_ylabel("")
plt.show()
print(f"at t = 100, k = .1: exponential {exponential(100, 0.5, 0.1):.6f}, inverse {inverse(100, 0.5, 0.1):.3f}")

# %% [markdown]
# *The slides' two plots. They begin alike. But at k = .1 the exponential schedule is all but over after 50 epochs, while the inverse one keeps a tenth of its rate after 90: it has a long tail. Section 4 shows what the tail is worth.*
#
# ### Exercise 4 · `triangular` (1 point)
#
# "There are many, many more", says the slide, and shows one that does not even decay: Smith's **cyclical** learning rate (2017). It goes up in a straight line from `lr_min` to `lr_max` for `stepsize` steps, comes down for as many, and starts again. The idea: now and
# then a large rate shakes the weights out of wherever they are.

# %% nbgrader={"grade_id": "triangular", "solution": true}
def triangular(t, lr_min, lr_max, stepsize):
    """The triangular cyclical learning rate.

    Args:
        t: time, 0 at the start; a number, or a tensor of times of any shape.
        lr_min: learning rate at the start of each cycle.
        lr_max: learning rate in the middle of each cycle.
        stepsize: half the length of a cycle, in the unit of t.

    Returns:
        The learning rate at t; a number, or a tensor of the shape of t.
    """
    ### BEGIN SOLUTION
    cycle = 1 + t // (2 * stepsize)
    x = abs(t / stepsize - 2 * cycle + 1)
    return lr_min + (lr_max - lr_min) * (1 - x)
    ### END SOLUTION


# %% nbgrader={"grade_id": "triangular-check", "grade": true, "points": 1}
check("triangular", triangular)
### BEGIN HIDDEN TESTS
check("triangular", triangular, hidden=True)
### END HIDDEN TESTS

# %% covers=[15, 17]
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
left.plot(t, halving(t, 0.5, 20), "k-", drawstyle="steps-post")
left.set(xlabel="epoch t", ylabel="learning rate", title="halving: η₀ = .5, every 20 epochs", ylim=(0, 0.52))
iterations = torch.arange(0, 10001, 50, dtype=f64)
right.plot(iterations, triangular(iterations, 0.001, 0.006, 2000), "k-")
right.annotate("", (0, 0.0062), (2000, 0.0062), arrowprops={"arrowstyle": "<->"})
right.text(1000, 0.0063, "stepsize", ha="center")
right.axhline(0.001, color="0.5", linestyle=":")
right.text(10000, 0.00105, "lr_min", ha="right", va="bottom")
right.set(xlabel="iteration", title="triangular: .001 to .006, stepsize 2000", ylim=(0, 0.0069))
plt.show()

# %% [markdown]
# *Left: halving is a staircase. Right: the triangular policy, as in Smith's figure 2, which the slide shows; the constants are those of his own CIFAR-10 example.*
#
# The lecturer adds a remark that papers seldom make: "which, I found, didn't work well at all in practice, unfortunately, at least in my case". We will let it run in section 7.
#
# ### PyTorch has them all
#
# You are not asked to believe that your functions are what PyTorch computes. Compare:

# %%
def rates_of(make_scheduler, lr0, epochs):
    """The learning rates that a scheduler gives, epoch after epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr0)
    scheduler = make_scheduler(optimizer)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(rates, dtype=f64)


lrs = torch.optim.lr_scheduler
epochs = torch.arange(60, dtype=f64)
pairs = {
    "exponential, k = .1     ExponentialLR(gamma=e^-.1)     ": (
        exponential(epochs, 0.5, 0.1),
        rates_of(lambda o: lrs.ExponentialLR(o, gamma=math.exp(-0.1)), 0.5, 60),
    ),
    "halving, every 20       StepLR(20, gamma=.5)           ": (
        halving(epochs, 0.5, 20),
        rates_of(lambda o: lrs.StepLR(o, 20, gamma=0.5), 0.5, 60),
    ),
    "inverse, k = .1         LambdaLR(1 / (1 + .1 t))       ": (
        inverse(epochs, 0.5, 0.1),
        rates_of(lambda o: lrs.LambdaLR(o, lambda t: inverse(t, 1.0, 0.1)), 0.5, 60),
    ),
    "triangular, stepsize 7  CyclicLR(.1, .5, step_size_up=7)": (
        triangular(epochs, 0.1, 0.5, 7),
        rates_of(lambda o: lrs.CyclicLR(o, 0.1, 0.5, step_size_up=7, cycle_momentum=False), 0.5, 60),
    ),
}
for name, (ours, theirs) in pairs.items():
    same = torch.allclose(ours, theirs, rtol=1e-9)
    print(name, "the same for 60 epochs" if same else "DIFFERENT")
    assert same

# %% [markdown]
# ### See it work
#
# The run of section 1 again, with *your* halving every 8 epochs. How much does the whole-set loss still move from one step to the next, in the last five epochs?

# %% covers=[10]
schedules = {"η = 1": lambda epoch, _: 1.0, "halved every 8 epochs": lambda epoch, _: halving(epoch, 1.0, 8)}
results = {name: [train_digits(schedule, seed) for seed in range(3)] for name, schedule in schedules.items()}

fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), sharey=True)
moves = {}
for ax, (name, seen) in zip(axes, results.items(), strict=True):
    ax.plot(seen[0]["minibatch loss"], ".", color="0.6", markersize=3, label="minibatch loss")
    ax.plot(seen[0]["whole-set loss"], "k-", linewidth=1, label="whole-training-set loss")
    ax.set(title=name, xlabel="step", ylim=(0, 2.5))
    losses = torch.tensor([each["whole-set loss"] for each in seen])
    moves[name] = losses[:, -100:].diff(dim=1).abs().mean(1)
axes[0].set_ylabel("loss")
axes[0].legend()
plt.show()
for name, values in moves.items():
    mean, half = measure.mean_interval(values)
    print(f"{name:22} whole-set loss moves by {mean:.3f} ± {half:.3f} a step (95%, three seeds)")
assert moves["halved every 8 epochs"].max() < moves["η = 1"].min() / 3

# %% [markdown]
# *The same network, data and minibatches. With the rate halved every 8 epochs (right) the oscillation of the whole-set loss dies out. The minibatch losses still scatter: that part of the noise is in the samples and not in the weights, and no
# learning rate removes it.*
#
# Look at the heights as well. The calmer run is not the one with the lower loss everywhere. Keep that in mind until section 7.

# %% [markdown] covers=[11]
# ## 3 · The price of decaying early
#
# The slide warns: "Danger of learning rate decay is to decrease the learning rate too early." Why is that a danger, and not just a delay? Derive it. One direction with curvature $\lambda$, no noise, exponential decay. The error is multiplied by $1-\eta\lambda$ in the first step, where $t = 0$, and then by
# $$1-\eta\lambda\,e^{-kt}\qquad\text{in step } t .$$
#
# ### Exercise 5 · `residual` (2 points)
#
# What share of the error is left after `steps` steps?
# $$\text{residual} = \prod_{t=0}^{\text{steps}-1}\bigl(1 - \eta\lambda\,e^{-kt}\bigr)$$

# %% nbgrader={"grade_id": "residual", "solution": true}
def residual(lr, lam, k, steps):
    """Share of the error that is left, after gradient descent with exponential decay.

    Args:
        lr: learning rate η at the start, a float.
        lam: curvature λ, a float.
        k: decay rate, per step, a float.
        steps: number of steps, an int; 0 leaves all of the error.

    Returns:
        The share, a float.
    """
    ### BEGIN SOLUTION
    return math.prod(1 - lr * lam * math.exp(-k * t) for t in range(steps))
    ### END SOLUTION


# %% nbgrader={"grade_id": "residual-check", "grade": true, "points": 2}
check("residual", residual)
### BEGIN HIDDEN TESTS
check("residual", residual, hidden=True)
### END HIDDEN TESTS

# %%
print("ηλ = .05        steps:   100    1000   10000")
for k in (0.0, 0.01, 0.05, 0.1, 0.5):
    left = [residual(0.05, 1.0, k, steps) for steps in (100, 1000, 10000)]
    print(f"k = {k:4}   error left:  " + "   ".join(f"{share:.3f}" for share in left))
for k, forever in ((0.01, 0.006), (0.05, 0.354), (0.1, 0.587), (0.5, 0.879)):
    assert abs(residual(0.05, 1.0, k, 10_000) - forever) < 5e-4

# %% [markdown] covers=[11]
# Read the rows. Without decay (k = 0) patience pays. With decay, the steps from the thousandth to the ten-thousandth change *nothing*: at k = .1 more than half of the error stays, **for ever**. It is not a delay.
#
# And it depends on $\lambda$: a direction with ten times less curvature is hit much harder. In a ravine (notebook 3) the walls are steep and the floor is gentle, so the floor pays. Your `residual` should predict to the digit where each run gets stuck.

# %% covers=[11]
ravine = surfaces.ravine(kappa=100)
runs, lr = {}, 0.018
for k in (0.0, 0.005, 0.05):

    def step(w, g, state, t, k=k):
        return w - exponential(t - 1, lr, k) * g, state

    runs[f"k = {k}"] = run = trajectories.descend(ravine, step, ravine.start, 1200)
    predicted = residual(lr, 1.0, k, 1200) * ravine.start[0]
    print(f"k = {k:5}: ends at w₁ = {run.w[-1, 0]:7.4f}, predicted {predicted:7.4f}")
    assert torch.allclose(run.w[-1, 0], predicted, rtol=1e-9)

fig, (left, right) = plt.subplots(1, 2, figsize=(12, 3.8))
plots.contours(ravine, left)
for (name, run), style in zip(runs.items(), plots.styles(), strict=False):
    left.plot(*run.w[:400].T, color=style["color"], linestyle=style["linestyle"], linewidth=1)
    left.plot(*run.w[-1], marker=style["marker"], color=style["color"], markersize=12, markeredgecolor="white", linestyle="none", label=f"{name}: end")
left.legend(loc="lower right")
plots.curves({name: run.w[:501, 0].abs() for name, run in runs.items()}, ax=right, ylabel="distance along the floor", log=True)
plt.show()

# %% [markdown]
# *A ravine with κ = 100, without any noise. With decay the run stops on the floor, short of the minimum ★: the steep direction has long converged, the gentle one never will.*
#
# ### The law behind it
#
# For small $x$, $\ln(1-x)\approx -x$. So
# $$\ln(\text{residual}) \approx -\lambda\sum_t \eta_t .$$
# Only the **sum of all learning rates** counts: it is the budget of distance that a schedule can spend. Without decay the budget is infinite. Exponential decay has
# $$\sum_{t=0}^\infty \eta\,e^{-kt} = \frac{\eta}{1-e^{-k}} ,$$
# a finite one. When it is spent, the run is over, whatever the loss says.
#
# ### Exercise 6 · `fastest_decay` (2 points)
#
# Turn the law around. You can tolerate that the share `share` of the error stays for ever. How large may $k$ be at most? Use the approximation for the logarithm and the exact geometric sum, and solve for $k$. (Assume that $\ln(1/\text{share}) > \eta\lambda$; else one step is enough.)

# %% nbgrader={"grade_id": "fastest-decay", "solution": true}
def fastest_decay(lr, lam, share):
    """The largest decay rate that leaves, in the end, no more than a share of the error.

    Args:
        lr: learning rate η at the start, a float.
        lam: curvature λ, a float.
        share: share of the error that may stay, a float between 0 and 1.

    Returns:
        The decay rate k, a float.
    """
    ### BEGIN SOLUTION
    # e^(-S) = share with S = ηλ / (1 - e^(-k))
    return -math.log(1 - lr * lam / math.log(1 / share))
    ### END SOLUTION


# %% nbgrader={"grade_id": "fastest-decay-check", "grade": true, "points": 2}
check("fastest_decay", fastest_decay)
### BEGIN HIDDEN TESTS
check("fastest_decay", fastest_decay, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# An approximation went in, so test the law against the exact product:

# %%
print("  ηλ    share wanted    k allowed     share that stays")
for scaled in (0.05, 0.01, 0.001):
    for share in (0.1, 0.01):
        k = fastest_decay(scaled, 1.0, share)
        stays = residual(scaled, 1.0, k, round(20 / k))
        print(f"{scaled:5} {share:12} {k:15.6f} {stays:18.5f}")
        assert 0.9 * share < stays <= share

# %% [markdown]
# The law errs on the safe side, always: $\ln(1-x)$ is *below* $-x$. And it says something plain. For small $k$ it reads $k \approx \eta\lambda/\ln(1/\text{share})$: **you may decay about as fast as your slowest direction learns, and no faster.** Since nobody knows the smallest $\lambda$ of a network,
# the slide's tip is sound: *first train without decay*, see how long the loss keeps falling, and add the decay then.
#
# ## 4 · Both prices at once
#
# Decay too little and you pay in noise (section 1). Decay too much and you pay in distance (section 3). Put both into one picture: start at $w = 10$, take 500 steps on a noisy quadratic with $\lambda = \sigma = 1$ and $\eta = .05$, and try every $k$.

# %% covers=[11, 12]
steps, w0, lr = 500, 10.0, 0.05
ks = torch.logspace(-3.5, -1, 16, dtype=f64)
t = torch.arange(steps, dtype=f64)
measured = torch.tensor([[noisy_descent(exponential(t, lr, k), seed, w0)[-1] for k in ks.tolist()] for seed in range(5)])
distance = torch.tensor([(residual(lr, 1.0, k, steps) * w0) ** 2 for k in ks.tolist()])
noise = []
for k in ks.tolist():
    variance = 0.0
    for rate in exponential(t, lr, k).tolist():
        variance = (1 - rate) ** 2 * variance + rate**2
    noise.append(variance)
noise = torch.tensor(noise)
mean, half = measure.mean_interval(measured)

fig, ax = plt.subplots(figsize=(8.5, 4.3))
ax.loglog(ks, noise, "k--", linewidth=1.3)
ax.loglog(ks, distance, "k:", linewidth=2)
ax.errorbar(ks, mean, yerr=half, fmt="o", color=plots.COLORS[0], markersize=6, capsize=3, label="measured, 95% over five seeds")
ax.axvline(fastest_decay(lr, 1.0, 0.01), color="0.6")
ax.text(fastest_decay(lr, 1.0, 0.01) * 1.06, 40, "your fastest_decay\nfor a share of 1%", va="top")
ax.text(5e-4, 0.027, "noise that remains")
ax.text(0.017, 0.09, "distance that remains", va="top")
ax.set(xlabel="decay rate k", ylabel="mean square error after 500 steps", ylim=(1e-3, 1e2))
ax.legend(loc="upper left")
plt.show()
best = mean.argmin().item()
print(f"best k here: {ks[best]:.4f}, error {mean[best]:.4f}; almost no decay {mean[0]:.4f}; k = .1: {mean[-1]:.1f}")
assert 0 < best < len(ks) - 1 and mean[0] > 4 * mean[best] and mean[-1] > 1000 * mean[best]
assert ((mean - (noise + distance)).abs() < 0.1 * (noise + distance)).all()

# %% [markdown]
# *The error after 500 steps is the sum of two parts: noise, which more decay removes (dashed), and distance not covered, which more decay adds (dotted). Best is a k somewhat below what your law allows. Mind the slopes: too small a k costs a factor of ten at most, too large a k a factor of ten thousand.*
#
# The two errors are not alike. That is the second reason for the slide's advice to **train without decay first**: the mistake of decaying too little is small, you see it (the loss oscillates), and you can mend it by decaying later. The mistake of decaying too early looks like convergence.
#
# ### What the long tail is worth
#
# Is there a schedule that pays neither price? It must have an infinite budget, $\sum\eta_t = \infty$, to get anywhere, and yet calm down; Robbins and Monro (1951) found that $\sum\eta_t^2 < \infty$ is calm enough.
#
# | schedule | $\sum\eta_t$ | $\sum\eta_t^2$ | in the long run |
# |---|---|---|---|
# | constant, triangular | $\infty$ | $\infty$ | jitters for ever |
# | exponential, halving | finite | finite | freezes, perhaps short of the minimum |
# | inverse | $\infty$ | finite | arrives |

# %% covers=[16]
steps = 5000
t = torch.arange(steps, dtype=f64)
curves = {
    "constant, η = .05": torch.full((steps,), 0.05, dtype=f64),
    "exponential, η₀ = .05, k = .01": exponential(t, 0.05, 0.01),
    "inverse, η₀ = .5, k = .1": inverse(t, 0.5, 0.1),
}
errors = {name: torch.stack([noisy_descent(rates, seed, w0=10.0) for seed in range(3)]) for name, rates in curves.items()}
at = torch.unique(torch.logspace(0, math.log10(steps), 60).long())
ax = plots.curves({name: error[:, at] for name, error in errors.items()}, x=at, ylabel="mean square error", log=True)
ax.set_xscale("log")
plt.show()

plateau = errors["constant, η = .05"][:, 2000:].mean().item()
frozen = errors["exponential, η₀ = .05, k = .01"]
late = at[at >= 300]
slopes = torch.stack([
    torch.linalg.lstsq(torch.stack([late.double().log(), torch.ones(len(late), dtype=f64)], 1), error[late].log().unsqueeze(1)).solution[0, 0]
    for error in errors["inverse, η₀ = .5, k = .1"]
])
slope, half = measure.mean_interval(slopes)
print(f"constant: plateau {plateau:.4f}, formula ησ²/(λ(2 − ηλ)) = {0.05 / 1.95:.4f}")
print(f"exponential: {frozen[:, 2000].mean():.4f} after 2000 steps, {frozen[:, -1].mean():.4f} after 5000")
print(f"inverse: error falls like t to the power {slope:.2f} ± {half:.2f}")
assert abs(plateau / (0.05 / 1.95) - 1) < 0.03
assert abs(frozen[:, -1] / frozen[:, 2000] - 1).max() < 1e-6
assert abs(slope + 1) < 0.05

# %% [markdown]
# *A noisy quadratic, mean of 3 × 1000 walkers. A constant rate ends on the plateau that you computed. Exponential decay freezes. Inverse decay keeps falling, in proportion to 1/t.*
#
# No method does better than the order 1/t here: even the plain average of t noisy readings has variance $\sigma^2/t$. The tail has to be long enough, though. By the law of section 3 the start is forgotten like $e^{-\lambda\sum\eta_t}\approx t^{-\eta_0\lambda/k}$, so its square falls faster than 1/t only if $\eta_0\lambda/k > \tfrac12$ (here it is 5).
#
# In deep learning inverse decay is nevertheless rare: networks are trained for a fixed number of epochs, and what counts is the error *then*, not in the long run.

# %% [markdown] covers=[18]
# ## 5 · In PyTorch, and repaired
#
# Slides with code age quickly, and these have three bugs. Two of them raise no error.
#
# ### Option 1: your own function
#
# ```python
# def adjust_learning_rate(optimizer, epoch, initial_lr, decay_rate):
#     """Exponential decay every 10 epochs"""
#     if not epoch % 10:
#         lr = initial_lr * torch.exp(-decay_rate*epoch)
#         for param_group in optimizer.param_groups:
#             param_group['lr'] = lr
# ```

# %% covers=[18]
try:
    torch.exp(-0.1 * 10)
except TypeError as error:
    print("TypeError:", error)

# %% [markdown] covers=[18]
# ### Exercise 7 · `adjust_learning_rate` (2 points)
#
# Repair it. Keep what its docstring promises. The rate changes at epochs 0, 10, 20, … only. It is computed from `initial_lr`, not from the present rate. And *all* parameter groups get it.

# %% nbgrader={"grade_id": "adjust-learning-rate", "solution": true}
def adjust_learning_rate(optimizer, epoch, initial_lr, decay_rate):
    """Exponential decay every 10 epochs: set the rate of all parameter groups.

    Args:
        optimizer: a torch.optim.Optimizer, changed in place.
        epoch: the epoch about to begin, 0 for the first.
        initial_lr: learning rate η0 at epoch 0.
        decay_rate: k, per epoch.
    """
    ### BEGIN SOLUTION
    if not epoch % 10:
        lr = initial_lr * math.exp(-decay_rate * epoch)
        for param_group in optimizer.param_groups:
            param_group["lr"] = lr
    ### END SOLUTION


# %% nbgrader={"grade_id": "adjust-learning-rate-check", "grade": true, "points": 2}
check("adjust_learning_rate", adjust_learning_rate)
### BEGIN HIDDEN TESTS
check("adjust_learning_rate", adjust_learning_rate, hidden=True)
### END HIDDEN TESTS

# %%
optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
stairs = []
for epoch in range(100):
    adjust_learning_rate(optimizer, epoch, 0.5, 0.05)
    stairs.append(optimizer.param_groups[0]["lr"])
smooth = exponential(torch.arange(100, dtype=f64), 0.5, 0.05)

fig, ax = plt.subplots(figsize=(8, 3.4))
ax.plot(stairs, "k-", drawstyle="steps-post", label="adjust_learning_rate")
ax.plot(smooth, "k:", label="η₀ e^(−kt)")
ax.set(xlabel="epoch t", ylabel="learning rate", ylim=(0, 0.52))
ax.legend()
plt.show()
print(f"sum of the rates: staircase {sum(stairs):.2f}, formula {smooth.sum():.2f}")

# %% [markdown]
# *The function is a staircase over the smooth formula and touches it at every tenth epoch. It lies above the curve everywhere else, so its budget is larger, here by a quarter.*

# %% [markdown] covers=[19]
# ### Option 2: PyTorch's schedulers
#
# ```python
# torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda, last_epoch=-1)
# ```
#
# It is the most general one: "sets the learning rate of each parameter group to the initial lr times a given function". One function for all groups, or a list with one each.
#
# ### Exercise 8 · `lambda_lr` (1 point)
#
# What does it compute? Return the rates of all groups at an epoch, as a list. `lambdas` holds one function of the epoch for each group.

# %% nbgrader={"grade_id": "lambda-lr", "solution": true}
def lambda_lr(lr0s, lambdas, epoch):
    """The learning rates that LambdaLR sets at an epoch.

    Args:
        lr0s: list of floats, the initial learning rate of each parameter group.
        lambdas: list or tuple of functions, one a group; each maps an epoch to a factor.
        epoch: the epoch, 0 for the first.

    Returns:
        A list of floats, the learning rate of each group.
    """
    ### BEGIN SOLUTION
    return [lr0 * factor(epoch) for lr0, factor in zip(lr0s, lambdas, strict=True)]
    ### END SOLUTION


# %% nbgrader={"grade_id": "lambda-lr-check", "grade": true, "points": 1}
check("lambda_lr", lambda_lr)
### BEGIN HIDDEN TESTS
check("lambda_lr", lambda_lr, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[19]
# The slide's example (copied from PyTorch's documentation of the time) has two groups:
#
# ```python
# lambda1 = lambda epoch: epoch // 30
# lambda2 = lambda epoch: 0.95 ** epoch
# scheduler = LambdaLR(optimizer, lr_lambda=[lambda1, lambda2])
# ```
#
# What does *your* function make of it?

# %% covers=[19]
slide = [lambda epoch: epoch // 30, lambda epoch: 0.95**epoch]
for epoch in (0, 1, 29, 30, 60, 90):
    first, second = lambda_lr([0.1, 0.1], slide, epoch)
    print(f"epoch {epoch:2}: group 1 has η = {first:.3f}, group 2 has η = {second:.5f}")

# %% [markdown] covers=[19]
# Group 1 does not learn at all for thirty epochs, and then its rate *grows*. No error, no warning. The function must return a **factor**. What was meant, most likely, is "a tenth, every 30 epochs".
#
# `last_epoch` is there for resuming: it is the index of the last epoch that is done, so −1 for a new run. (With another value PyTorch expects each group to have an entry `initial_lr`, which a loaded optimizer state has.)
#
# ### Exercise 9 · `two_group_scheduler` (2 points)
#
# Write the example as it was meant: group 1 falls to a tenth every 30 epochs, group 2 to 95% every epoch. `epochs_done` epochs of the run lie behind us, perhaps none; the schedule has to go on from there.

# %% nbgrader={"grade_id": "two-group-scheduler", "solution": true}
def two_group_scheduler(optimizer, epochs_done):
    """A LambdaLR for two parameter groups: a tenth every 30 epochs, and 95% every epoch.

    Args:
        optimizer: a torch.optim.Optimizer with two parameter groups.
        epochs_done: the number of epochs that are done, 0 for a new run.

    Returns:
        The scheduler.
    """
    ### BEGIN SOLUTION
    lambdas = [lambda epoch: 0.1 ** (epoch // 30), lambda epoch: 0.95**epoch]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambdas, last_epoch=epochs_done - 1)
    ### END SOLUTION


# %% nbgrader={"grade_id": "two-group-scheduler-check", "grade": true, "points": 2}
check("two_group_scheduler", two_group_scheduler)
### BEGIN HIDDEN TESTS
check("two_group_scheduler", two_group_scheduler, hidden=True)
### END HIDDEN TESTS

# %%
parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
optimizer = torch.optim.SGD([{"params": [p]} for p in parameters], lr=0.1)
scheduler = two_group_scheduler(optimizer, 0)
meant = []
for _ in range(100):
    meant.append([group["lr"] for group in optimizer.param_groups])
    optimizer.step()
    scheduler.step()
written = [lambda_lr([0.1, 0.1], slide, epoch) for epoch in range(100)]
fig, axes = plt.subplots(1, 2, figsize=(11, 3.5))
for ax, rates, title in ((axes[0], written, "as the slide has it"), (axes[1], meant, "as you repaired it")):
    for group, line in enumerate(("k-", "k--")):
        ax.plot([each[group] for each in rates], line, drawstyle="steps-post", label=f"group {group + 1}")
    ax.set(title=title, xlabel="epoch", ylabel="learning rate")
    ax.legend()
axes[1].set_yscale("log")
plt.show()

# %% [markdown]
# *Left: in the slide's example group 1 stands still for 30 epochs and then learns faster and faster (linear axis). Right: what was meant (logarithmic axis).*
#
# ### The order of the calls
#
# The third bug is in the same example's loop:
#
# ```python
# for epoch in range(100):
#     scheduler.step()
#     train(...)
#     validate(...)
# ```
#
# When the slides were made, a scheduler had to step *before* each epoch. Since PyTorch 1.1 (2019) it sets the first rate when it is made. The old order then throws the first value away and is one epoch ahead ever after. PyTorch warns, once, if it notices.
#
# ### Exercise 10 · `run_epochs` (1 point)
#
# Write the loop as it has to be today. `train` and `validate` take the number of the epoch.

# %% nbgrader={"grade_id": "run-epochs", "solution": true}
def run_epochs(epochs, train, validate, scheduler):
    """Train for some epochs, validate after each, and let the scheduler set the next one's rate.

    Args:
        epochs: how many, an int.
        train: a function of the epoch (0 for the first) that trains; it calls optimizer.step().
        validate: a function of the epoch that validates.
        scheduler: a scheduler of torch.optim.lr_scheduler.
    """
    ### BEGIN SOLUTION
    for epoch in range(epochs):
        train(epoch)
        validate(epoch)
        scheduler.step()
    ### END SOLUTION


# %% nbgrader={"grade_id": "run-epochs-check", "grade": true, "points": 1}
check("run_epochs", run_epochs)
### BEGIN HIDDEN TESTS
check("run_epochs", run_epochs, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[20]
# ## 6 · The lecture's own example
#
# The lecture trains an MLP (784-100-10) on MNIST with SGD, η = .1, and this:
#
# ```python
# scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.1, last_epoch=-1)
#
# for epoch in range(5):
#     model.train()
#     for batch_idx, (features, targets) in enumerate(train_loader):
#         ...
#         cost = F.cross_entropy(logits, targets)
#         optimizer.zero_grad()
#         cost.backward()
#         minibatch_cost.append(cost)
#         optimizer.step()
#     scheduler.step()  # don't have to do it every epoch!
#     model.eval()
# ```
#
# The order is right here. Two other things are not.
#
# **First, a small one.** `minibatch_cost.append(cost)` keeps a tensor, and a tensor remembers how it was computed:

# %% covers=[20]
model = models.MLP(64, 100, 10, generator=torch.Generator().manual_seed(0))
cost = F.cross_entropy(model(digits.X[:128]), digits.y[:128])
cost.backward()
nodes, todo = set(), [cost.grad_fn]
while todo:
    node = todo.pop()
    if node is not None and node not in nodes:
        nodes.add(node)
        todo += [parent for parent, _ in node.next_functions]
print(f"cost        keeps {len(nodes)} nodes of its graph alive")
print(f"cost.item() is a {type(cost.item()).__name__} and keeps nothing")

# %% [markdown] covers=[11, 20]
# After `backward()` the large buffers are gone, but the nodes stay, for every minibatch of the run; and for a loss that you never call `backward()` on, the activations stay as well. So: `.item()`.
#
# **Second, a large one.** γ = .1 *every epoch*, for five epochs. You know the budget: $.1 + .01 + .001 + .0001 + .00001 = .11111$ an epoch's step, against $.5$ at a constant rate. Section 3 then predicts: **the five epochs get about as far as 1.11 epochs at the constant rate**; and the loss, plotted not against epochs but against the budget spent,
# should lie on *one* curve for every schedule. Let us rerun the example with the lecture's constants (100 hidden units, η = .1, γ = .1, 5 epochs), once as it is and once with γ = 1, that is without decay. On digits in place of MNIST; so that an epoch is as long as the lecture's, it takes 469 minibatches of 128,
# as MNIST's 60,000 images give.

# %% covers=[12, 20]
def lecture_example(gamma, seed, steps_per_epoch=469):
    """The lecture's training example; return budget spent and whole-set loss along the way, and the validation accuracy."""
    generator = torch.Generator().manual_seed(seed)
    train, validation = data.split(digits, 1297 / 1797, generator=generator)
    model = models.MLP(64, 100, 10, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=gamma, last_epoch=-1)
    minibatch_cost, budget, spent, losses = [], 0.0, [], []

    def train_epoch(epoch):
        nonlocal budget
        model.train()
        for step in range(steps_per_epoch):
            if step % 67 == 0:
                spent.append(budget)
                losses.append(training.evaluate(model, *train).loss)
            batch = torch.randint(0, len(train.y), (128,), generator=generator)
            cost = F.cross_entropy(model(train.X[batch]), train.y[batch])
            optimizer.zero_grad()
            cost.backward()
            minibatch_cost.append(cost.item())
            optimizer.step()
            budget += optimizer.param_groups[0]["lr"] / steps_per_epoch

    accuracy = []
    run_epochs(5, train_epoch, lambda epoch: accuracy.append(training.evaluate(model, *validation).accuracy), scheduler)
    spent.append(budget)
    losses.append(training.evaluate(model, *train).loss)
    return torch.tensor(spent, dtype=f64), torch.tensor(losses, dtype=f64), accuracy[-1]


decayed = [lecture_example(0.1, seed) for seed in range(3)]
steady = [lecture_example(1.0, seed) for seed in range(3)]

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), sharey=True)
epochs = torch.linspace(0, 5, 36)
for runs, label, style in ((steady, "no decay", "k-"), (decayed, "γ = .1, the lecture's", "k--o")):
    for seed, (spent, losses, _) in enumerate(runs):
        line = {"linewidth": 1.2, "markersize": 5, "markevery": 7, "label": label if seed == 0 else None}
        left.plot(epochs, losses, style, **line)
        right.plot(spent, losses, style, **line)
left.set(xlabel="epoch", ylabel="loss of the whole training set", ylim=(0, 2.4))
right.set(xlabel="sum of the epochs' learning rates so far")
left.legend()
plt.show()

gaps = []
for (spent, losses, _), (spent_1, losses_1, _) in zip(decayed, steady, strict=True):
    i = (spent_1 <= spent[-1]).sum() - 1  # interpolate the steady run at the budget of the decayed one
    part = (spent[-1] - spent_1[i]) / (spent_1[i + 1] - spent_1[i])
    gaps.append(losses[-1] - (losses_1[i] + part * (losses_1[i + 1] - losses_1[i])))
for name, runs in (("γ = .1", decayed), ("no decay", steady)):
    loss, half = measure.mean_interval(torch.stack([run[1][-1] for run in runs]))
    accuracy, half_accuracy = measure.mean_interval(torch.tensor([run[2] for run in runs]))
    print(f"{name:9} budget {runs[0][0][-1]:.3f}   final loss {loss:.3f} ± {half:.3f}   validation accuracy {accuracy:.2f} ± {half_accuracy:.2f}")
gap, half = measure.mean_interval(torch.stack(gaps))
print(f"loss of γ = .1 after 5 epochs, minus loss without decay after 1.11 epochs: {gap:+.3f} ± {half:.3f}")
assert abs(gap) < 0.02
assert min(run[1][-1] for run in decayed) > 3 * max(run[1][-1] for run in steady)

# %% [markdown]
# *The lecture's example on digits, three seeds each. Left: with γ = .1 the loss stands still after little more than one epoch. It looks converged. Right: against the sum of the learning rates all six runs follow the same curve; the decayed ones stop at .111 of it.*
#
# The law was derived for a bowl and holds for this network to within six thousandths, where decay costs more than half a unit of loss and five points of accuracy. So the example breaks the advice that comes before it. It is there to show the API; but many a training script has been copied from a slide. The comment in it, "don't have to do it every epoch!", is the way out. Flat and calm, the left curve would pass for convergence on any dashboard. **Before you trust a plateau, ask what your learning rate is.**
#
# ## 7 · Who decides? Validation does
#
# So far the judge was the training loss, or its stand-in, the distance to the minimum. The slide says: "You can also use the validation performance (e.g., accuracy) to judge whether lr decay is useful (as opposed to using the training loss)." Does it matter? Here are the halving schedules, from every epoch to never, plus the triangular one, on clean digits and on digits with 30% random labels.
# All of them start from the same weights and see the same minibatches, and train side by side in one call. Five seeds: each is a new split, new wrong labels, new weights, new minibatches.

# %% covers=[12, 13, 17]
periods = [1, 3, 5, 8, 20, 40]  # halve every so many of 40 epochs; the last one never does
candidates = [lambda t, every=every: halving(t, 1.0, every) for every in periods]
candidates.append(lambda t: triangular(t, 0.1, 1.0, 4))


def sgd(w, g, state, t, lr):
    return w - lr * g, state


def compare(seed, wrong, epochs=40, batch_size=32):
    """Train with each candidate side by side; return final training losses and validation accuracies."""
    train, validation = noisy_digits(seed, wrong)
    runs = training.fit_many(
        [network(seed) for _ in candidates],
        sgd,
        *train,
        batch_size=batch_size,
        epochs=epochs,
        generators=torch.Generator().manual_seed(seed),
        init=lambda w: (),
        hyper={"lr": lambda t: torch.tensor([rate((t - 1) // 20) for rate in candidates])},  # 20 steps an epoch
        validation=validation,
    )
    return runs.whole_loss[-1], runs.val_accuracy[-1]


judged = {}
for name, wrong in (("clean labels", 0.0), ("30% random labels", 0.3)):
    outcomes = [compare(seed, wrong) for seed in range(5)]
    judged[name] = [torch.stack(each) for each in zip(*outcomes, strict=True)]  # two tensors (seeds, candidates)

fig, axes = plt.subplots(2, 2, figsize=(11, 6), sharex=True)
for column, (name, values) in zip(axes.T, judged.items(), strict=True):
    labels, bests = ("final training loss", "validation accuracy"), (torch.argmin, torch.argmax)
    for ax, value, label, best in zip(column, values, labels, bests, strict=True):
        mean, half = measure.mean_interval(value)
        ax.errorbar(range(6), mean[:6], yerr=half[:6], fmt="ko-", capsize=3, label="halving")
        ax.errorbar([6.4], mean[6:], yerr=half[6:], fmt="k^", capsize=3, label="triangular")
        winner = best(mean[:6]).item()
        ax.plot(winner, mean[winner], "o", markersize=17, markerfacecolor="none", markeredgecolor=plots.COLORS[1], markeredgewidth=2, clip_on=False)
        ax.set_ylabel(label)
    column[0].set_title(name)
    column[1].set_xticks([*range(6), 6.4], [*map(str, periods[:-1]), "never", "tri."])
    column[1].set_xlabel("halved every … epochs")
axes[0, 0].legend()
plt.show()

for name, (loss, accuracy) in judged.items():
    by_loss, by_validation = loss.mean(0)[:6].argmin().item(), accuracy.mean(0)[:6].argmax().item()
    price, half = measure.mean_interval(accuracy[:, by_validation] - accuracy[:, by_loss])
    words = ["never" if every == 40 else f"every {every}" for every in periods]
    print(f"{name}: training loss picks halving {words[by_loss]}, validation picks {words[by_validation]}")
    print(f"    accuracy {accuracy.mean(0)[by_loss]:.3f} against {accuracy.mean(0)[by_validation]:.3f}: a difference of {price:.3f} ± {half:.3f} (95%, five seeds)")
    gain, half = measure.mean_interval(accuracy[:, 6] - accuracy[:, by_validation])
    print(f"    triangular minus the best halving: {gain:+.3f} ± {half:.3f}")
    if name == "clean labels":
        assert abs(price) < 0.005 and (accuracy[:, 0] < accuracy[:, 5] - 0.015).all()
    else:
        assert by_loss >= 4 and by_validation <= 2 and price > 0.04
        assert (accuracy[:, by_validation] > accuracy[:, by_loss]).all()

# %% [markdown] covers=[13, 17]
# *Final training loss (top) and validation accuracy (bottom) by how often the rate is halved in 40 epochs; means and 95% intervals of five seeds; the best halving is circled. On clean labels both judges agree. On 30% random labels they do not: where the training loss is lowest, the
# validation accuracy is far from its best.*
#
# On clean digits there was nothing to gain: "never" is as good as anything, and only decaying too early hurts. You would have known after one run, had you *first trained without decay*. With random labels decay is worth a lot, but only validation can tell you which.
#
# The triangular schedule beats the best halving on neither data set, in agreement with the lecturer's remark. (Two variants of one small data set, one architecture, one choice of constants: no more than that.)
#
# ### Question (2 points, graded by a person)
#
# A colleague tunes the decay on the data with 30% random labels and goes by the *training* loss. Which schedule do they choose, and what does it cost? Why can the training loss reward a decay that validation rejects? And why did it do no harm on the clean labels? Argue from the figure and from the law of section 3.

# %% [markdown] nbgrader={"grade_id": "question-judge", "grade": true, "solution": true, "points": 2}
# **Model answer.** They choose halving every 20 epochs, which has the lowest training loss, and end at a validation accuracy of about .85. Halving every 3 epochs reaches about .93, with a much *higher* training loss: going by the training loss costs 8 points (interval about ±2), far more than chance. The training loss counts how well the
# given labels are fitted, wrong ones included. A slow decay leaves a large budget of learning rates (section 3), enough to go also in the directions of small curvature in which single samples, and so single wrong labels, are memorized; and its smaller rate at the end removes the jitter that kept the network from settling into them. Both lower the training loss, and
# both are worthless or harmful for new samples, whose labels are right. A fast decay spends its budget on what many samples agree about and freezes before it gets to the rest: here the "price of decaying early" is a gain. On clean labels there is nothing wrong to memorize: fitting the training set better and predicting better go together, so the two judges agree
# (never against every 20: a difference within the interval), and early decay is only a loss (.93 against .96 when halved every epoch).
#
# **Rubric.** 1 point for the reading of the data: the schedule chosen (every 20, or "a slow one"), its accuracy against the best, and that the difference exceeds the intervals. 1 point for the reason: the training loss rewards fitting wrong labels or noise, which a slow decay has the budget to do, and validation does not; with the contrast to clean labels. Half a
# point off if clean labels are not explained, or for a claim beyond the data such as "fast decay generalizes better" in general.

# %% [markdown] covers=[13]
# ### Let validation pull the lever
#
# Then why not hand the decision over? Decay when the validation loss has stopped to improve. PyTorch calls it `ReduceLROnPlateau`.
#
# ### Exercise 11 · `decay_on_plateau` (2 points)
#
# Given the validation losses of all epochs so far, return the learning rate for the next one.
#
# * An epoch is *good* if its loss is lower than every loss before it, else it is *bad*. (The first epoch is good.)
# * `patience` bad epochs in a row are tolerated. With one more, the rate is multiplied by `factor`, and the count of bad epochs starts again from 0.

# %% nbgrader={"grade_id": "decay-on-plateau", "solution": true}
def decay_on_plateau(val_history, patience, factor, lr0):
    """The learning rate after some epochs, decayed whenever validation stopped to improve.

    Args:
        val_history: list of floats, the validation loss of each epoch so far, perhaps empty.
        patience: number of bad epochs in a row that are tolerated.
        factor: what the rate is multiplied by, a float below 1.
        lr0: learning rate at the start.

    Returns:
        The learning rate for the next epoch, a float.
    """
    ### BEGIN SOLUTION
    lr, best, bad = lr0, math.inf, 0
    for loss in val_history:
        if loss < best:
            best, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            lr, bad = lr * factor, 0
    return lr
    ### END SOLUTION


# %% nbgrader={"grade_id": "decay-on-plateau-check", "grade": true, "points": 2}
check("decay_on_plateau", decay_on_plateau)
### BEGIN HIDDEN TESTS
check("decay_on_plateau", decay_on_plateau, hidden=True)
### END HIDDEN TESTS

# %% covers=[13]
plateau = [train_digits(lambda epoch, losses: decay_on_plateau(losses, 2, 0.5, 1.0), seed) for seed in range(3)]
never = results["η = 1"]

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
pytorch = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2, threshold=0.0, eps=0.0)
for epoch, loss in enumerate(plateau[0]["val loss"]):
    assert optimizer.param_groups[0]["lr"] == plateau[0]["lr"][epoch]
    pytorch.step(loss)
print("the rates of seed 0 are those of PyTorch's ReduceLROnPlateau, epoch by epoch")

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
plots.curves({"never": [run["val accuracy"] for run in never], "on plateau": [run["val accuracy"] for run in plateau]}, ax=left, xlabel="epoch", ylabel="validation accuracy")
left.set_ylim(0.5, 1)
for run, line in zip(plateau, ("k-", "k--", "k-."), strict=True):
    right.plot(run["lr"], line, drawstyle="steps-post")
right.set(xlabel="epoch", ylabel="learning rate (three seeds)", yscale="log")
plt.show()


def memorized(run, seed):
    """Share of the wrongly labeled training samples whose wrong label the network gives back."""
    train, truth = noisy_digits(seed, 0.3)[0], noisy_digits(seed, 0.0)[0].y
    wrong = train.y != truth
    return (run["model"](train.X[wrong]).argmax(1) == train.y[wrong]).double().mean()


for name, runs in (("never", never), ("on plateau", plateau)):
    accuracy, half = measure.mean_interval(torch.tensor([run["val accuracy"][-1] for run in runs]))
    share, half_share = measure.mean_interval(torch.stack([memorized(run, seed) for seed, run in enumerate(runs)]))
    print(f"{name:10} validation accuracy {accuracy:.2f} ± {half:.2f}   wrong labels memorized {share:.2f} ± {half_share:.2f}")
assert min(run["val accuracy"][-1] for run in plateau) > max(run["val accuracy"][-1] for run in never)

# %% [markdown]
# *Left: validation accuracy of three seeds with 95% intervals, on 30% random labels. Right: the rates that `decay_on_plateau` chose, each seed in a line style of its own. At the constant rate the mean accuracy slides down after some fifteen epochs; with the lever in validation's hand it stays where it was.*
#
# The last two numbers show what the training loss was rewarding: the run without decay gives back more than twice as many of the wrong labels as the one that validation stopped in time.
#
# One caution. A validation set that chose the schedule is no longer impartial: the accuracy it reports is a little too good. Whoever needs an honest number keeps a third set, the test set, that chose nothing.

# %% [markdown] covers=[21]
# ## 8 · Stop, and go on
#
# "Learning rate schedulers have the advantage that we can also simply save their state for reuse (e.g., saving and continuing training later)." The slide saves three things:
#
# ```python
# model.to(torch.device('cpu'))
# torch.save(model.state_dict(), './my_model_2epochs.pt')
# torch.save(optimizer.state_dict(), './my_optimizer_2epochs.pt')
# torch.save(scheduler.state_dict(), './my_scheduler_2epochs.pt')
# ```
#
# Why three? The **model** has the weights. The **optimizer** has what it carries from step to step (velocities, moments) and the present learning rate. The **scheduler** has the epoch it is in. Three files can get separated, so put the three states into **one** dict and one file.
#
# ### Exercise 12 · `save_checkpoint` (1 point)
#
# Write one file, with `torch.save`: a dict with the keys `"model"`, `"optimizer"` and `"scheduler"`, each holding that object's `state_dict()`. (State dicts are plain data. Saving the objects themselves would need pickle, and a pickle runs code when it is read.)

# %% nbgrader={"grade_id": "save-checkpoint", "solution": true}
def save_checkpoint(path, model, optimizer, scheduler):
    """Write the states of model, optimizer and scheduler into one file.

    Args:
        path: the file, a str.
        model: a torch.nn.Module.
        optimizer: its torch.optim.Optimizer.
        scheduler: the optimizer's scheduler.
    """
    ### BEGIN SOLUTION
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
        },
        path,
    )
    ### END SOLUTION


# %% nbgrader={"grade_id": "save-checkpoint-check", "grade": true, "points": 1}
check("save_checkpoint", save_checkpoint)
### BEGIN HIDDEN TESTS
check("save_checkpoint", save_checkpoint, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[22]
# ### Exercise 13 · `load_checkpoint` (1 point)
#
# And back. The three objects have been made anew, as for a fresh run. Read the file with `torch.load(path, weights_only=True)`, which accepts plain data only, and fill them with `load_state_dict`.

# %% nbgrader={"grade_id": "load-checkpoint", "solution": true}
def load_checkpoint(path, model, optimizer, scheduler):
    """Fill model, optimizer and scheduler with the states that save_checkpoint wrote.

    Args:
        path: the file, a str.
        model: a torch.nn.Module, changed in place.
        optimizer: its torch.optim.Optimizer, changed in place.
        scheduler: the optimizer's scheduler, changed in place.
    """
    ### BEGIN SOLUTION
    states = torch.load(path, weights_only=True)
    model.load_state_dict(states["model"])
    optimizer.load_state_dict(states["optimizer"])
    scheduler.load_state_dict(states["scheduler"])
    ### END SOLUTION


# %% nbgrader={"grade_id": "load-checkpoint-check", "grade": true, "points": 1}
check("load_checkpoint", load_checkpoint)
### BEGIN HIDDEN TESTS
check("load_checkpoint", load_checkpoint, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[21, 22]
# ### Experiment: is it really the same run?
#
# "The same" can be meant strictly: **bitwise**. Train four epochs in one go. Train two, save, throw everything away, build it anew *from another seed*, load, and train two more. Then compare every weight, bit by bit. And leave out one state after the other, to see what each is good for. The optimizer has momentum .9 (notebook 3); the schedule is your `inverse`.

# %% covers=[21, 22]
def new_run(seed):
    model = models.MLP(64, 100, 10, generator=torch.Generator().manual_seed(seed))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: inverse(epoch, 1.0, 0.5))
    return {"model": model, "optimizer": optimizer, "scheduler": scheduler}


def train_on(run, seed, epochs):
    for epoch in epochs:
        # an order of its own for each epoch, so that no generator has to be saved
        loader = data.Loader(*digits, 128, generator=torch.Generator().manual_seed(1000 * seed + epoch))
        for X, y in loader:
            cost = F.cross_entropy(run["model"](X), y)
            run["optimizer"].zero_grad()
            cost.backward()
            run["optimizer"].step()
        run["scheduler"].step()


def weights(run):
    return torch.nn.utils.parameters_to_vector(run["model"].parameters()).detach().clone()


everything = ("model", "optimizer", "scheduler")
variants = {
    "all three": everything,
    "without the scheduler": ("model", "optimizer"),
    "without the optimizer": ("model", "scheduler"),
    "the model only": ("model",),
}
differences = {name: [] for name in variants}
for seed in range(3):
    through = new_run(seed)
    train_on(through, seed, range(4))
    first_half = new_run(seed)
    train_on(first_half, seed, range(2))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "after_2_epochs.pt")
        save_checkpoint(path, **first_half)
        for name, kept in variants.items():
            again = new_run(seed + 100)
            if kept == everything:
                load_checkpoint(path, **again)
            else:
                states = torch.load(path, weights_only=True)
                for part in kept:
                    again[part].load_state_dict(states[part])
            train_on(again, seed, range(2, 4))
            differences[name].append((weights(again) - weights(through)).abs().max())
            if kept == everything:
                assert torch.equal(weights(again), weights(through))  # bitwise

for name, values in differences.items():
    mean, half = measure.mean_interval(torch.stack(values))
    same = "the same bits" if max(values) == 0 else f"off by up to {mean:.3f} ± {half:.3f}"
    print(f"{name:22} {same}")
assert max(differences["all three"]) == 0
assert all(min(values) > 1e-3 for name, values in differences.items() if name != "all three")

# %% [markdown]
# With all three states the resumed run *is* the run. Leave out any, and it is another one, although nothing fails and the loss looks healthy. That makes it a nasty bug: you find it only if you look for it.
#
# What the slide leaves out is a fourth state: the **random generators**, of the order of the minibatches and of dropout, if there is any. Here each epoch has an order of its own, made from the epoch's number, so nothing is lost. `lib.training.fit` saves the generators as well. (And `model.to('cpu')` before saving is not needed today: `torch.load(..., map_location=...)` moves what it reads.
# It leaves the optimizer's buffers where they were, besides.)
#
# ## Where slides, papers and PyTorch disagree
#
# | | slide | meant, or today |
# |---|---|---|
# | exponential decay, code | `torch.exp(-decay_rate*epoch)` | `math.exp`: `torch.exp` takes tensors |
# | the same | "exponential decay" | a staircase, one step in ten epochs, with a larger sum than the formula |
# | halving | $\eta_{t=1}/2$ | half of the rate *before*, at each drop: $\eta_0\,2^{-\lfloor t/T\rfloor}$ |
# | `LambdaLR` example | `epoch // 30` | a *factor*: `0.1 ** (epoch // 30)` |
# | order in the loop | `scheduler.step()` first | last, since PyTorch 1.1 |
# | `ExponentialLR` example | γ = .1 every epoch | five epochs that go as far as 1.11; "train without decay first" |
# | logging | `append(cost)` | `append(cost.item())` |
# | exponential decay, name | $k$ in $e^{-kt}$ | `ExponentialLR` takes the factor $\gamma = e^{-k}$ |
# | inverse decay | $\eta_0/(1+kt)$ | Robbins and Monro: any schedule with $\sum\eta_t=\infty$, $\sum\eta_t^2<\infty$ |
# | cyclical rates | "didn't work well in practice, at least in my case" | Smith (2017) reports faster training; not seen here either |
#
# ## What to take away
#
# * Noise keeps a run at a distance that shrinks with η: a plateau of $\eta\sigma^2/(\lambda(2-\eta\lambda))$. That is why rates decay.
# * The sum of the learning rates is a budget of distance. Decay faster than $k\approx\eta\lambda/\ln(1/\text{share})$, and you stop short, for ever, in your flattest direction. It looks like convergence.
# * So: first without decay, then with; and let validation judge, not the training loss, which can prefer memorizing.
# * Code: `math.exp`; a factor, not a rate; `scheduler.step()` last; `.item()`; and three states in a checkpoint (four with the generators).
#
# **Sources.** Robbins and Monro (1951), *A stochastic approximation method* · Smith (2017), *Cyclical learning rates for training neural networks*, WACV · Bottou, Curtis and Nocedal (2018), *Optimization methods for large-scale machine learning* (noise floor and diminishing steps) · Zhang, Bengio, Hardt, Recht and Vinyals (2017),
# *Understanding deep learning requires rethinking generalization* (memorized labels) · Raschka (2019), STAT 479, lecture 12 · the documentation of `torch.optim.lr_scheduler`.
