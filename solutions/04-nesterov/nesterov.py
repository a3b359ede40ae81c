# ---
# jupyter:
#   descent:
#     title: Nesterov's accelerated gradient
#     points: 20
#     minutes: 75
# ---

# %% [markdown]
# # Nesterov's accelerated gradient
#
# *Notebook 4 of 7 · 20 points · about 75 minutes · follows the slides "A Better Momentum Method" of lecture 12, STAT 479 (S. Raschka, 2019)*
#
# **The question.** In notebook 3 the heavy ball was tuned to perfection for curvatures between 1 and 25. Here is a convex loss in *one* dimension, with one minimum, at 0, and all of its curvatures
# between 1 and 25. What could go wrong?

# %% nbgrader={"grade_id": "setup", "locked": true}
import math

import matplotlib.pyplot as plt
import torch

from lib import data, measure, models, plots, surfaces
from lib.check import check

plots.use_style()
f64 = torch.float64

# %% nbgrader={"grade_id": "opening-picture", "locked": true} tags=["reference"]
from lib import rules


def _slope(x):
    """The gradient: slope 25, then 1, then 25 again (Lessard, Recht and Packard 2016)."""
    return torch.where(x < 1, 25 * x, torch.where(x < 2, x + 24, 25 * x - 24))


def _walk(nesterov, lr, alpha, steps=60):
    w = torch.tensor(3.3, dtype=f64)
    state, path = rules.init(rules.momentum, w), [w]
    for t in range(1, steps + 1):
        if nesterov:
            w, state = rules.nesterov(w, _slope, state, t, lr=lr, alpha=alpha)
        else:
            w, state = rules.momentum(w, _slope(w), state, t, lr=lr, alpha=alpha)
        path.append(w)
    return torch.stack(path)


plots.curves(
    {
        "heavy ball, tuned for curvatures 1 to 25": _walk(False, (2 / 6) ** 2, (4 / 6) ** 2),
        "Nesterov, tuned for curvatures 1 to 25": _walk(True, 1 / 25, 4 / 6),
    },
    ylabel="w",
)
plt.axhline(0, color="0.5", linewidth=1)
plt.show()

# %% [markdown]
# *The heavy ball never arrives: it runs through the same three points for ever. Nesterov's method is at the minimum after a few steps. Both see one gradient a step.*
#
# The two differ in *where* they look at the gradient. That is all there is to this notebook; it is worth an hour, because the small change turns a method without a guarantee into one that is, in a precise sense, the best possible.

# %% [markdown] covers=[34, 36]
# ## 1 · Jump, then correct
#
# The slides put the two rules side by side. Before (classical momentum, notebook 3):
# $$\Delta w_t := \alpha\,\Delta w_{t-1} + \eta\,\nabla\mathcal L(w_t), \qquad w_{t+1} := w_t - \Delta w_t .$$
# Nesterov:
# $$\Delta w_t := \alpha\,\Delta w_{t-1} + \eta\,\nabla\mathcal L(\boxed{w_t - \alpha\,\Delta w_{t-1}}), \qquad w_{t+1} := w_t - \Delta w_t .$$
#
# Whatever the gradient says, the part $\alpha\Delta w_{t-1}$ of the last step will be taken. So why ask for directions *before* it, at a place we are about to leave? Nesterov's rule first makes the **jump** to
# $w_t - \alpha\Delta w_{t-1}$, asks there, and **corrects**: the gradient comes from (approximately) where the weights are going to be. When the jump goes too far uphill, the correction sees it one step earlier.
#
# The method is Nesterov's of 1983; Sutskever, Martens, Dahl and Hinton (2013) brought it to deep learning in this form.
#
# ### Exercise 1 · `nesterov_step` (4 points)
#
# You get the gradient as a *function*, because you decide where to ask. The check watches where you call it, and how often: a gradient is what a step costs, so once.

# %% nbgrader={"grade_id": "nesterov-step", "solution": true}
def nesterov_step(w, dw, grad_fn, lr, alpha):
    """One step of Nesterov's accelerated gradient, as in the lecture.

    Args:
        w: weights, a tensor of any shape.
        dw: the last step Δw, the same shape.
        grad_fn: maps weights to the gradient of the loss there.
        lr: learning rate η.
        alpha: momentum rate α.

    Returns:
        The pair (w, dw) after the step.
    """
    ### BEGIN SOLUTION
    dw = alpha * dw + lr * grad_fn(w - alpha * dw)
    return w - dw, dw
    ### END SOLUTION


# %% nbgrader={"grade_id": "nesterov-step-check", "grade": true, "points": 4}
check("nesterov_step", nesterov_step)
### BEGIN HIDDEN TESTS
check("nesterov_step", nesterov_step, hidden=True)
### END HIDDEN TESTS

# %% [markdown] covers=[35, 36]
# ### The picture
#
# Sutskever's figure 1 shows one update of each method as arrows. Here is that figure, computed with *your* function, at a moment when the momentum is about to carry the weights up the far wall of a valley.

# %%
valley = surfaces.ravine(kappa=10)
w = torch.tensor([-3.0, 0.35], dtype=f64)
dw = torch.tensor([-0.8, 0.75], dtype=f64)
lr, alpha = 0.09, 0.9
jump = w - alpha * dw
nag, _ = nesterov_step(w, dw, valley.grad, lr, alpha)
classical = jump - lr * valley.grad(w)

fig, axes = plt.subplots(1, 2, figsize=(11, 4.3), sharey=True)
for ax, end, title, words in (
    (axes[0], classical, "classical momentum", "gradient, taken at the start ○"),
    (axes[1], nag, "Nesterov", "gradient, taken after the jump ■"),
):
    plots.contours(valley, ax)
    plots.arrows({"jump α·Δw": (w, jump), words: (jump, end)}, ax)
    ax.plot(*w, "o", color="white", markeredgecolor="black", markersize=10)
    ax.plot(*jump, "s", color="black", markersize=8)
    ax.set(title=f"{title}: loss {valley(end):.2f}", xlim=(-3.6, -0.2), ylim=(-0.9, 0.9))
    ax.plot(*end, "k*", markersize=15)
plt.show()
print(f"loss before the step {valley(w):.2f}, after classical momentum {valley(classical):.2f}, after Nesterov {valley(nag):.2f}")
assert valley(nag) < valley(classical)

# %% [markdown]
# *One update of each, from ○ to ★, on contour lines of a ravine. Both make the same jump. Classical momentum adds the gradient of the place it left, which points further down, past the floor; Nesterov asks at ■, where the floor
# has been crossed already, and is sent back.*

# %%
from lib import trajectories


def nag_path(surface, start, steps, lr, alpha):
    """Follow nesterov_step downhill."""
    w, dw, points = start, torch.zeros_like(start), [start]
    for _ in range(steps):
        w, dw = nesterov_step(w, dw, surface.grad, lr, alpha)
        points.append(w)
    points = torch.stack(points)
    return trajectories.Trajectory(points, surface(points))


def cm_path(surface, start, steps, lr, alpha):
    """Follow classical momentum downhill."""

    def step(w, g, v, t):
        v = alpha * v + lr * g
        return w - v, v

    return trajectories.descend(surface, step, start, steps, state=torch.zeros_like(start))


ravine = surfaces.ravine(kappa=100)
runs = {
    "classical momentum": cm_path(ravine, ravine.start, 60, 0.008, 0.9),
    "Nesterov": nag_path(ravine, ravine.start, 60, 0.008, 0.9),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
plots.paths(ravine, runs, ax=left)
plots.curves({name: run.loss for name, run in runs.items()}, ax=right, log=True)
plt.show()

# %% [markdown]
# *The ravine of notebook 3, both methods with η = .008 and α = .9. Across the valley the correction damps Nesterov's swings within a few steps, while classical momentum goes on swinging; along the floor they go side by side.*

# %% [markdown]
# ## 2 · PyTorch stores another point
#
# `torch.optim.SGD(…, momentum=0.9, nesterov=True)` never evaluates the gradient anywhere but at its parameters. How can it look ahead? By *storing the look-ahead point itself*. With
# $\theta_t = w_t - \alpha\Delta w_{t-1}$ as the parameters (and η constant, $\Delta w = \eta B$) the same method reads
# $$B \leftarrow \mu B + g(\theta), \qquad \theta \leftarrow \theta - \eta\,(g(\theta) + \mu B).$$
#
# ### Exercise 2 · `nesterov_pytorch_step` (3 points)

# %% nbgrader={"grade_id": "nesterov-pytorch-step", "solution": true}
def nesterov_pytorch_step(theta, buf, g, lr, momentum):
    """One step of torch.optim.SGD with nesterov=True.

    Args:
        theta: PyTorch's parameters, a tensor of any shape.
        buf: the momentum buffer B, the same shape; zeros before the first step.
        g: gradient of the loss at theta, the same shape.
        lr: learning rate η.
        momentum: μ, the lecture's α.

    Returns:
        The pair (theta, buf) after the step.
    """
    ### BEGIN SOLUTION
    buf = momentum * buf + g
    return theta - lr * (g + momentum * buf), buf
    ### END SOLUTION


# %% nbgrader={"grade_id": "nesterov-pytorch-step-check", "grade": true, "points": 3}
check("nesterov_pytorch_step", nesterov_pytorch_step)
### BEGIN HIDDEN TESTS
check("nesterov_pytorch_step", nesterov_pytorch_step, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 3 · `to_lookahead` (2 points)
#
# Which point does PyTorch hold when the lecture's method holds `w` and has just made the step `dw`?

# %% nbgrader={"grade_id": "to-lookahead", "solution": true}
def to_lookahead(w, dw, alpha):
    """The look-ahead point that belongs to the lecture's weights and last step.

    Args:
        w: weights, a tensor of any shape.
        dw: the last step Δw, the same shape.
        alpha: momentum rate α.

    Returns:
        θ, a tensor of the same shape.
    """
    ### BEGIN SOLUTION
    return w - alpha * dw
    ### END SOLUTION


# %% nbgrader={"grade_id": "to-lookahead-check", "grade": true, "points": 2}
check("to_lookahead", to_lookahead)
### BEGIN HIDDEN TESTS
check("to_lookahead", to_lookahead, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Now put the three together with the real `torch.optim.SGD`, on the two-well surface, for 50 steps.

# %%
surface = surfaces.two_wells
w, dw = surface.start, torch.zeros_like(surface.start)
theta, buf = surface.start, torch.zeros_like(surface.start)
parameter = torch.nn.Parameter(surface.start.clone())
optimizer = torch.optim.SGD([parameter], lr=0.01, momentum=0.9, nesterov=True)
apart = ours = 0.0
for _ in range(50):
    w, dw = nesterov_step(w, dw, surface.grad, 0.01, 0.9)
    theta, buf = nesterov_pytorch_step(theta, buf, surface.grad(theta), 0.01, 0.9)
    parameter.grad = surface.grad(parameter.detach())
    optimizer.step()
    apart = max(apart, (theta - to_lookahead(w, dw, 0.9)).abs().max().item())
    ours = max(ours, (theta - parameter.detach()).abs().max().item())
assert apart < 1e-13 and ours < 1e-13
print("50 steps: your PyTorch form = torch.optim.SGD = the look-ahead point of the lecture's form, to rounding")

# %% [markdown]
# One method, two points: the weights you evaluate after training are not quite the same in the two forms, and neither is wrong. (With a changing learning rate they do part company, as in notebook 3: PyTorch applies today's η to the whole buffer.)
#
# | form | what is stored | gradient at | step |
# |---|---|---|---|
# | lecture | $w$, $\Delta w$ | $w - \alpha\Delta w$ | $w \leftarrow w - \Delta w$ |
# | Sutskever 2013 | $\theta$, $v = -\Delta w$ | $\theta + \mu v$ | $\theta \leftarrow \theta + v$ |
# | PyTorch, Bengio 2013 | the look-ahead point, $B$ | the parameters | $\theta \leftarrow \theta - \eta(g + \mu B)$ |
# | Nesterov 1983 | two sequences $x$, $y$ | $y$, the look-ahead point | $x \leftarrow y - \eta\nabla\mathcal L(y)$ |

# %% [markdown]
# ## 3 · What looking ahead does: a smaller momentum where it is steep
#
# Along an eigendirection with curvature λ the gradient at the look-ahead point is $\lambda(w - \alpha\Delta w)$. Put that into the rule, collect what multiplies the old $\Delta w$, and compare with classical momentum. What you find is Theorem 2.1 of
# Sutskever et al.: *on a quadratic, Nesterov's method with momentum α is classical momentum with another momentum, one for each direction.*
#
# ### Exercise 4 · `effective_momentum` (3 points)

# %% nbgrader={"grade_id": "effective-momentum", "solution": true}
def effective_momentum(alpha, lr, lam):
    """The momentum with which classical momentum would take Nesterov's steps along one direction.

    Args:
        alpha: Nesterov's momentum rate α, a float.
        lr: learning rate η, a float.
        lam: curvature λ of the direction, a float.

    Returns:
        A float.
    """
    ### BEGIN SOLUTION
    return alpha * (1 - lr * lam)
    ### END SOLUTION


# %% nbgrader={"grade_id": "effective-momentum-check", "grade": true, "points": 3}
check("effective_momentum", effective_momentum)
### BEGIN HIDDEN TESTS
check("effective_momentum", effective_momentum, hidden=True)
### END HIDDEN TESTS

# %%
# Test the theorem: classical momentum with your effective momentum, one a direction, must walk Nesterov's path.
start, lr, alpha = torch.tensor([-9.0, 0.9], dtype=f64), 0.008, 0.9
per_direction = torch.tensor([effective_momentum(alpha, lr, lam) for lam in (1.0, 100.0)], dtype=f64)
same = cm_path(ravine, start, 80, lr, per_direction).w
difference = (same - nag_path(ravine, start, 80, lr, alpha).w).abs().max().item()
assert difference < 1e-12
print(f"along the valley α acts as {per_direction[0]:.3f}, across it as {per_direction[1]:.3f}; the paths agree to rounding")

# %% [markdown]
# There is the damping of the picture above: along the flat direction nothing changes, but across the valley, where $\eta\lambda = .8$, Nesterov's momentum is not .9 but .18.
#
# ### Question 1 (2 points, graded by a person)
#
# At a small learning rate the curves of classical momentum and Nesterov's method can hardly be told apart. Why? And in which directions, and at which learning rates, do you expect the difference? Use the theorem.

# %% [markdown] nbgrader={"grade_id": "question-small-lr", "grade": true, "solution": true, "points": 2}
# **Model answer.** On a quadratic NAG is classical momentum with α(1 − ηλ) in each eigendirection. If ηλ ≪ 1 for all λ, then α(1 − ηλ) ≈ α everywhere, and both methods take the same steps up to O(ηλ): they coincide in the limit η → 0. A difference needs ηλ of order one: the steep
# directions (λ near λ_max) at learning rates near the limit of stability. There NAG's momentum is strongly reduced, so it oscillates less, and a larger α can be afforded.
#
# **Rubric.** 1 point: α(1 − ηλ) → α as η → 0, so the two coincide. 1 point: the difference shows where ηλ is not small, that is in steep directions and at large η, as less oscillation.

# %% [markdown] covers=[34]
# ## 4 · O(1/k²)
#
# The slide's reference says it in its title: *a method … with the rate of convergence O(1/k²)*. For a convex loss whose curvature is at most $L$, gradient descent with $\eta = 1/L$ guarantees
# $f(x_k) - f^* = O(1/k)$. Nesterov's method guarantees
# $$ f(x_k) - f^* \;\le\; \frac{2L\,\|x_0 - x^*\|^2}{(k+1)^2}, $$
# and no method that only sees gradients can do better by more than a constant: for every $k$ there is a loss on which all of them have an error of at least $\tfrac{3}{32}L\|x_0-x^*\|^2/(k+1)^2$ after $k$ steps.
#
# For this the momentum may not be constant. It starts at 0 and grows:
# $$ a_1 = 1, \qquad a_{t+1} = \frac{1 + \sqrt{4a_t^2 + 1}}{2}, \qquad \alpha_t = \frac{a_t - 1}{a_{t+1}} . $$
#
# ### Exercise 5 · `nesterov_schedule` (3 points)

# %% nbgrader={"grade_id": "nesterov-schedule", "solution": true}
def nesterov_schedule(t):
    """Nesterov's momentum rate at step t.

    Args:
        t: the number of the step, 1 at the first.

    Returns:
        α_t, a float.
    """
    ### BEGIN SOLUTION
    a = 1.0
    for _ in range(t - 1):
        a = (1 + math.sqrt(4 * a**2 + 1)) / 2
    a_next = (1 + math.sqrt(4 * a**2 + 1)) / 2
    return (a - 1) / a_next
    ### END SOLUTION


# %% nbgrader={"grade_id": "nesterov-schedule-check", "grade": true, "points": 3}
check("nesterov_schedule", nesterov_schedule)
### BEGIN HIDDEN TESTS
check("nesterov_schedule", nesterov_schedule, hidden=True)
### END HIDDEN TESTS

# %%
K = 1000
alphas = [nesterov_schedule(t) for t in range(1, K + 1)]
print("t        " + "".join(f"{t:8}" for t in (1, 2, 3, 10, 100, 1000)))
print("α_t      " + "".join(f"{alphas[t - 1]:8.4f}" for t in (1, 2, 3, 10, 100, 1000)))
print("1−3/(t+5)" + "".join(f"{1 - 3 / (t + 5):8.4f}" for t in (1, 2, 3, 10, 100, 1000)))

# %% [markdown]
# The last row is the approximation that Sutskever et al. quote, good for large $t$ and quite wrong at the start.
#
# ### The bound, on the worst case
#
# The loss on which nobody can be fast is a chain of springs: $f(x) = \tfrac L4\bigl(\tfrac12 x^\top T x - x_1\bigr)$ with $T$ tridiagonal (2 on the diagonal, −1 beside it). Information travels along it one weight a step.

# %%
n = 2 * K + 1
minimum = 1 - torch.arange(1, n + 1, dtype=f64) / (n + 1)


def chain_gradient(x):
    """Gradient of the chain with L = 1."""
    y = 2 * x
    y[1:] -= x[:-1]
    y[:-1] -= x[1:]
    y[0] -= 1
    return y / 4


def chain_loss(x):
    """Distance of the chain's loss from its minimum: ½ eᵀ(T/4)e for e = x − x*."""
    e = x - minimum
    return 0.5 * (e * (chain_gradient(x) - chain_gradient(minimum))).sum()


x = torch.zeros(n, dtype=f64)
dx, z = torch.zeros_like(x), x
nag_loss, gd_loss = [chain_loss(x)], [chain_loss(z)]
for alpha in alphas:
    x, dx = nesterov_step(x, dx, chain_gradient, 1.0, alpha)
    z = z - chain_gradient(z)
    nag_loss.append(chain_loss(x))
    gd_loss.append(chain_loss(z))
k = torch.arange(K + 1, dtype=f64)
upper = 2 * (minimum**2).sum() / (k + 1) ** 2
lower = 3 / 64 * upper
fig, ax = plt.subplots()
for values, style, label in (
    (gd_loss, "s--", "gradient descent"),
    (nag_loss, "o-", "Nesterov"),
    (upper, "k:", "guarantee for Nesterov"),
):
    ax.loglog(k[1:], torch.as_tensor(values)[1:], style, label=label, markevery=[0, 2, 9, 30, 99, 300, 999])
ax.plot(K, lower[-1], "kX", markersize=11, label=f"nobody is below this after {K} steps")
ax.set(xlabel="step k", ylabel="f(x) − f*", ylim=(1e-5, 20))
ax.legend()
plt.show()
assert all(loss <= bound for loss, bound in zip(nag_loss[1:], upper[1:], strict=True))
assert nag_loss[-1] >= lower[-1]

# %% [markdown]
# *On the chain Nesterov's loss stays under its guarantee at every step, and after 1000 steps it is within a factor 4 of what no first-order method can undercut (✕). The guarantee lies a factor 21 above ✕, whatever the number of steps: there is no room for a better exponent.*
#
# ### Experiment: measure the exponents
#
# One worst case fixes the bound. What do the two methods do on an ordinary ill-conditioned quadratic? Take 1500 curvatures between $10^{-9}$ and 1, evenly spaced on a logarithmic scale, and start with $\tfrac12\lambda_i w_i^2 \propto \lambda_i^{s}$: the smaller $s$, the more of the loss
# hides in flat directions. Then gradient descent's loss falls like $k^{-s}$ (a sum of $\lambda^s e^{-2k\lambda}$). Nesterov's?

# %%
def exponent(s, accelerated, steps=1500):
    """Slope of log loss against log k between steps 100 and `steps`."""
    curvature = torch.logspace(-9, 0, 1500, dtype=f64)
    w = curvature ** ((s - 1) / 2)
    dw = torch.zeros_like(w)
    a, losses = 1.0, []
    for _ in range(steps):
        a_next = (1 + math.sqrt(4 * a**2 + 1)) / 2
        alpha = (a - 1) / a_next if accelerated else 0.0
        a = a_next
        w, dw = nesterov_step(w, dw, lambda point: curvature * point, 1.0, alpha)
        losses.append(0.5 * (curvature * w**2).sum())
    at = torch.logspace(2, math.log10(steps - 1), 40).long()
    x, y = torch.log(at.double()), torch.log(torch.stack(losses)[at])
    return (((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()).item()


print("   s   gradient descent   Nesterov")
for s in (0.5, 1.0):
    slow, fast = exponent(s, False), exponent(s, True)
    print(f"{s:4} {slow:18.2f} {fast:10.2f}")
    assert abs(slow + s) < 0.02 and abs(fast + 2 * s) < 0.1

# %% [markdown]
# The exponent doubles: $k^{-s}$ becomes $k^{-2s}$. A thousand steps of gradient descent become about thirty.
#
# ## 5 · On real data
#
# The MLP and the digits of notebook 3, with *your* PyTorch form and with classical momentum, at a gentle and at a bold setting. Eight seeds each.

# %%
digits = data.digits()


def train(lr, momentum, nesterov, seed, epochs=8, n_train=1297):
    """Training loss after each epoch."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits.y), generator=generator)[:n_train]
    X, y = digits.X[order], digits.y[order]
    model = models.MLP(64, 32, 10, activation=torch.relu, init="default", generator=generator)
    parameters = list(model.parameters())
    buffers = [torch.zeros_like(p) for p in parameters]
    losses = []
    for _ in range(epochs):
        for batch in torch.randperm(n_train, generator=generator).split(32):
            loss = torch.nn.functional.cross_entropy(model(X[batch]), y[batch])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
                    if nesterov:
                        new_p, buffers[i] = nesterov_pytorch_step(p, buffers[i], g, lr, momentum)
                    else:
                        buffers[i] = momentum * buffers[i] + g
                        new_p = p - lr * buffers[i]
                    p.copy_(new_p)
        with torch.no_grad():
            losses.append(torch.nn.functional.cross_entropy(model(X), y).item())
    return losses


fig, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
final = {}
for ax, (lr, momentum) in zip(axes, ((0.02, 0.9), (0.1, 0.95)), strict=True):
    curves = {
        name: torch.tensor([train(lr, momentum, nesterov, seed) for seed in range(8)])
        for name, nesterov in (("classical momentum", False), ("Nesterov", True))
    }
    plots.curves(curves, x=range(1, 9), ax=ax, xlabel="epoch", ylabel="training loss", log=True)
    ax.set_title(f"η = {lr}, μ = {momentum}")
    gap = curves["classical momentum"][:, 2:].mean(1) - curves["Nesterov"][:, 2:].mean(1)
    final[lr] = measure.mean_interval(gap)
plt.show()
for lr, (mean, half) in final.items():
    print(f"η = {lr}: classical − Nesterov, mean loss of epochs 3 to 8: {mean:.2f} ± {half:.2f} (95 %, eight seeds)")
assert final[0.02].mean.abs() < 0.02 and final[0.1].mean > final[0.1].half_width

# %% [markdown]
# *Training loss, mean and 95% interval over eight seeds. At the gentle setting the two methods are one; at the bold one Nesterov's loss is clearly lower. That is what $\alpha(1-\eta\lambda)$ predicts: the difference is in the steep directions, at large ηλ.*
#
# ### Question 2 (3 points, graded by a person)
#
# In notebook 3 the tuned heavy ball shrank the error by .82 a step on a quadratic with κ = 100. Nesterov's method with its own best constant setting, η = 1/λ_max and α = (√κ−1)/(√κ+1), shrinks it by $1 - 1/\sqrt\kappa = .90$: slower. Look again at the opening picture and at section 4.
# Which of the two would you use (a) on a quadratic whose curvatures you know, (b) on a convex loss that is not quadratic, (c) for a network trained on minibatches? Give a reason for each from this notebook, and say how sure you are.

# %% [markdown] nbgrader={"grade_id": "question-which", "grade": true, "solution": true, "points": 3}
# **Model answer.** (a) The heavy ball: with known λ_min and λ_max its rate (√κ−1)/(√κ+1) = .82 beats .90, and for quadratics that is proved. (b) Nesterov: the opening picture shows a convex loss with curvatures in [1, 25] on which the heavy ball, tuned for just these, cycles for ever, while
# Nesterov's bound 2L‖x0 − x*‖²/(k+1)² holds for every convex loss of curvature at most L. (c) Neither theory applies (not convex, noisy gradients). The digits experiment shows no difference at a gentle setting and an advantage of Nesterov at a bold one, on one small data set
# and one architecture; with noise the last word belongs to a validation run. So Nesterov is a cheap default, with little confidence beyond that.
#
# **Rubric.** 1 point a case, for the choice with a reason from the notebook. For (c) only if the answer says that the evidence is one small experiment or that no guarantee applies.

# %% [markdown]
# ## What to take away
#
# * Jump first, then correct: one gradient a step, taken at $w - \alpha\Delta w$.
# * On a quadratic that is classical momentum with α(1 − ηλ): less momentum where it is steep. At small η nothing changes.
# * PyTorch stores the look-ahead point; the lecture stores the weights. One method.
# * O(1/k²) for every convex loss, and no first-order method has a better exponent. For noisy gradients there is no such theorem.
#
# **Sources.** Nesterov (1983), *A method of solving a convex programming problem with convergence rate O(1/k²)* · Nesterov (2018), *Lectures on convex optimization*, section 2.2, for both bounds · Sutskever, Martens, Dahl, Hinton (2013), *On the importance of initialization and momentum in deep learning* ·
# Bengio, Boulanger-Lewandowski, Pascanu (2013), *Advances in optimizing recurrent networks*, for the stored form · Lessard, Recht, Packard (2016), *Analysis and design of optimization algorithms via integral quadratic constraints*, for the loss of the opening picture.
