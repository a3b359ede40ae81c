# ---
# jupyter:
#   descent:
#     title: Minibatch noise
#     points: 20
#     minutes: 110
# ---

# %% [markdown]
# # Minibatch noise
#
# *Notebook 1 of 7 · 20 points · about 110 minutes · follows the opening of lecture 12, "Common Optimization Algorithms", STAT 479 (S. Raschka, 2019)*
#
# **The question.** Below, three runs fit the same line to the same 150 flowers, from the same start. One uses all 150 flowers for every step. The second looks at 15 of them at a time, the third at only 2:
# it sees a seventy-fifth of the data per step, and most of its steps point in a wrong direction. How can that work? When is it better? And what does it cost?

# %% nbgrader={"grade_id": "setup", "locked": true}
import math

import matplotlib.pyplot as plt
import torch

from lib import data, measure, models, plots, surfaces, training, trajectories
from lib.check import CheckFailed, check

plots.use_style()
torch.set_num_threads(1)  # with tensors as small as ours, threads would only wait for each other
f64 = torch.float64

# %%
flowers = data.iris(dtype=f64).X
length, width = flowers[:, 2] - flowers[:, 2].mean(), flowers[:, 3]  # of the petals, in cm


def line_loss(w, rows=slice(None)):
    """Half the mean squared error of width = w1 + w2 · length."""
    return 0.5 * (w[..., :1] + w[..., 1:] * length[rows] - width[rows]).square().mean(-1)


best = torch.stack([width.mean(), (length * width).mean() / length.square().mean()])
bowl = surfaces.Surface(
    name="a line through the irises",
    f=lambda w: line_loss(w.reshape(-1, 2)).reshape(w.shape[:-1]),
    start=torch.tensor([0.2, -0.35], dtype=f64),
    minima=best.unsqueeze(0),
    xlim=(0.0, 1.9),
    ylim=(-0.5, 0.8),
    levels=(0.03, 0.06, 0.12, 0.25, 0.45, 0.7, 1.0, 1.4),
)


def fit_line(batch, steps, lr, seed):
    """Descend with gradients of `batch` flowers, drawn anew at each step."""
    generator = torch.Generator().manual_seed(seed)
    w, points = bowl.start, [bowl.start]
    for _ in range(steps):
        rows = torch.randperm(150, generator=generator)[:batch]
        w = w - lr * torch.func.grad(line_loss)(w, rows)
        points.append(w)
    path = torch.stack(points)
    return trajectories.Trajectory(path, bowl(path))


runs = {f"{batch} flowers a step": fit_line(batch, 60, 0.2, seed=3) for batch in (150, 15, 2)}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
plots.paths(bowl, runs, ax=left)
left.set(xlabel="intercept $w_1$", ylabel="slope $w_2$")
plots.curves({name: run.loss for name, run in runs.items()}, ax=right, ylabel="loss on all 150 flowers", log=True)
plt.show()

# %% [markdown]
# *All three walk to the same valley in the same number of steps, though the last looks at 2 flowers a step. But where the first comes to rest, the others go on trembling, the more the fewer flowers they see.*
#
# That picture is most of this lecture. Far from the minimum a rough gradient is as good as an exact one and much cheaper; near it, its **noise** decides. Six of the seven notebooks of this course are about living with that noise.
#
# ## 0 · How these notebooks work (five minutes)
#
# * Cells with `raise NotImplementedError()` are **yours to write**: one function each, with its points in the heading above.
# * The cell under each of them **checks** it, as often as you like. It compares with a reference, laying your numbers beside the expected ones; and if your mistake is a known one, it says which.
# * A grader runs the same checks on your notebook again, and then on **hidden cases**: numbers that you have not seen. An answer made to fit the visible numbers fails there; an answer that is right passes.
# * **Questions** in text cells are graded by a person, by what you argue from the data on your screen.
# * To **hand in**, save the notebook under its own name, `minibatch-noise.ipynb`, after a last *Kernel → Restart Kernel and Run All Cells*. (That stops at an exercise you left out; hand in all the same, it costs only its own points.) Leave the functions' names and the check cells as they are.
#
# Here is what a failed check looks like. The last exercise of this notebook asks how far an accuracy can be trusted; someone has answered with the formula that everybody remembers.

# %%
def almost(correct, n):
    """The interval p ± 1.96 standard errors."""
    p = correct / n
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


try:
    check("accuracy_interval", almost)
except CheckFailed as failure:
    print(failure)

# %% [markdown]
# Read the first line; then the numbers; then look for the place in the code. A check is there to teach; the points come at the end.

# %% [markdown] covers=[1]
# ### The map of the lecture
#
# The lecture is the second half of "additional tricks for neural network training" (the first half was input normalization and weight initialization, to which the end of this notebook returns).
#
# | notebook | trick | what it changes in $w \leftarrow w - \eta\,g$ |
# |---|---|---|
# | **1 minibatch noise** | estimate the gradient from a sample | $g$ is random |
# | **2 learning-rate decay** | smaller steps later | $\eta$ becomes $\eta_t$ |
# | **3 momentum** | average over past steps | $g$ becomes a velocity |
# | **4 Nesterov** | look ahead first | *where* $g$ is taken |
# | **5 RMSProp** | a step size for every weight | $\eta$ becomes a vector |
# | **6 Adam** | 3 and 5 together | both |
# | **7 SWATS** | begin with 6, end with 3 | which rule, when |
#
# All of them are **first-order** methods: they see gradients only. *Second-order* methods also use the curvature, the Hessian $H$, and jump to where the gradient should vanish: Newton's step is $w \leftarrow w - H^{-1}g$. On a bowl it needs a single step. The slides say that they
# "usually don't work so well in practice and are not often used" in deep learning. Three reasons, each of which you can see in the next cell: their **size** ($P$ weights make $P^2$ second derivatives), their **noise** (a minibatch that gives a usable gradient gives a
# Hessian that cannot even be inverted), and their **taste** (they look for any flat point, and go to saddles and maxima as gladly as to minima).

# %% covers=[1]
weights = sum(p.numel() for p in models.MLP(784, 100, 10).parameters())
print(f"size:  the lecture's network has {weights:,} weights; its Hessian {weights**2:,} numbers, {weights**2 * 4 / 1e9:.0f} GB in single precision")

X, y = data.digits(dtype=f64)
X = torch.cat([X, torch.ones(len(X), 1, dtype=f64)], 1)  # a constant feature: the bias
classes = 10


def softmax_loss(w, rows):
    """Mean cross-entropy of softmax regression on some digits."""
    return torch.nn.functional.cross_entropy(X[rows] @ w.reshape(65, classes), y[rows])


H = torch.func.hessian(softmax_loss)(torch.zeros(650, dtype=f64), torch.arange(32))
rank = int((torch.linalg.eigvalsh(H) > 1e-10).sum())
print(f"noise: the Hessian from 32 digits is 650 × 650, but of rank {rank}: no inverse")

saddle = surfaces.saddle
w = torch.tensor([0.8, 0.3], dtype=f64)
newton = w - torch.linalg.solve(torch.func.hessian(saddle.f)(w), saddle.grad(w))
print(f"taste: on f = ½(x² − y²), from (0.8, 0.3), Newton's step leads to ({newton[0].abs():.1f}, {newton[1].abs():.1f}): the saddle")
assert rank <= 32 * 9 and newton.norm() < 1e-12

# %% [markdown] covers=[2]
# ## 1 · A sample of a sample
#
# What we want to minimize is the expected loss over the **population**: all digits that will ever be written. What we have is a **training set** of $N$, a sample from it. What a step uses is a **minibatch** of $B$, a sample from the sample:
# $$
# \underbrace{\mathbb E\,\nabla\ell}_{\text{population}} \;\approx\; g = \underbrace{\frac1N\sum_{i=1}^N \nabla\ell_i}_{\text{training set}} \;\approx\; g_{\mathcal B} = \underbrace{\frac1B\sum_{i\in\mathcal B} \nabla\ell_i}_{\text{minibatch}} .
# $$
# Training on minibatches is a form of *stochastic gradient descent* (SGD). An **epoch** is one pass through the training set: shuffle, cut into batches, one step per batch.
#
# ### Exercise 1 · `minibatches` (2 points)
#
# Return the batches of one epoch as a list of index tensors. The order comes from `generator` (a seeded source of randomness; `torch.randperm(n, generator=generator)` draws from it), so that the run can be repeated. Every sample comes exactly once;
# if `batch_size` does not divide `n`, the last batch is shorter.

# %% nbgrader={"grade_id": "minibatches", "solution": true}
def minibatches(n, batch_size, generator):
    """The batches of one epoch.

    Args:
        n: number of samples.
        batch_size: samples a batch; the last batch may have fewer.
        generator: a torch.Generator, the source of the order.

    Returns:
        A list of index tensors, which together hold 0, …, n − 1 once each.
    """
    ### BEGIN SOLUTION
    return list(torch.randperm(n, generator=generator).split(batch_size))
    ### END SOLUTION


# %% nbgrader={"grade_id": "minibatches-check", "grade": true, "points": 2}
check("minibatches", minibatches)
### BEGIN HIDDEN TESTS
check("minibatches", minibatches, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2 · `minibatch_gradient` (3 points)
#
# We use a model whose gradient fits on one line: **softmax regression**, a network without hidden layers. Logits $Z = XW$, probabilities $P = \operatorname{softmax}(Z)$ along each row, loss $-\frac1B\sum_i \log P_{i,y_i}$. Differentiate the loss with respect to $Z$ first; with $Y$ the one-hot
# labels, everything but $P - Y$ and $1/B$ cancels. Then apply the chain rule to $Z = XW$.
#
# Write the gradient by hand, without autograd. The check also uses logits in the thousands, where $e^z$ overflows: what can you subtract from a row of $Z$ without changing $P$?

# %% nbgrader={"grade_id": "minibatch-gradient", "solution": true}
def minibatch_gradient(W, X, y):
    """Gradient of the mean cross-entropy of softmax regression.

    Args:
        W: weights, shape (features, classes).
        X: samples, shape (B, features).
        y: labels 0 … classes − 1, shape (B,), int64.

    Returns:
        The gradient with respect to W, shape (features, classes).
    """
    ### BEGIN SOLUTION
    P = torch.softmax(X @ W, dim=1)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P / len(y)
    ### END SOLUTION


# %% nbgrader={"grade_id": "minibatch-gradient-check", "grade": true, "points": 3}
check("minibatch_gradient", minibatch_gradient)
### BEGIN HIDDEN TESTS
check("minibatch_gradient", minibatch_gradient, hidden=True)
### END HIDDEN TESTS

# %% covers=[2]
# Your two functions train a classifier of handwritten digits.
part, rest = data.split(data.Samples(X, y), 2 / 3, generator=torch.Generator().manual_seed(0))
generator = torch.Generator().manual_seed(1)
W = torch.zeros(65, classes, dtype=f64)
for _epoch in range(10):
    for batch in minibatches(len(part.y), 32, generator):
        W = W - 0.5 * minibatch_gradient(W, part.X[batch], part.y[batch])
accuracy = ((rest.X @ W).argmax(1) == rest.y).double().mean().item()
print(f"after 10 epochs: {accuracy:.1%} of {len(rest.y)} unseen digits are right")
assert accuracy > 0.93

# A minibatch is unbiased: over an epoch of equal batches the average is the whole set's gradient.
full = minibatch_gradient(W, part.X[:1184], part.y[:1184])
parts = [minibatch_gradient(W, part.X[:1184][b], part.y[:1184][b]) for b in minibatches(1184, 32, generator)]
assert (torch.stack(parts).mean(0) - full).abs().max() < 1e-12
print(f"the average of {len(parts)} minibatch gradients equals the gradient of all {32 * len(parts)} samples, to rounding")

# %% [markdown]
# **On average** a minibatch is right. Any single one is not. How far do they scatter around the full gradient? At the end of that training, project each minibatch's gradient on the direction of the full one:

# %%
direction = full / full.norm()
fig, ax = plt.subplots(figsize=(8.5, 3.8))
for size, style, hatch in ((4, "-", "///"), (32, "--", "\\\\\\"), (256, "-.", "")):
    draws = [torch.randint(1184, (size,), generator=generator) for _ in range(1500)]
    along = torch.stack([(minibatch_gradient(W, part.X[b], part.y[b]) * direction).sum() for b in draws]) / full.norm()
    wrong = (along < 0).double().mean().item()
    ax.hist(along, bins=60, range=(-3, 5), histtype="stepfilled", alpha=0.35, hatch=hatch, edgecolor="black", linestyle=style, density=True, label=f"{size} samples: {wrong:.0%} point uphill")
ax.axvline(1, color="black", linewidth=1)
ax.set(xlabel="minibatch gradient along the full gradient (1 = the full gradient itself)", ylabel="density")
ax.legend()
plt.show()

# %% [markdown]
# *Minibatch gradients late in training, along the direction of the full gradient. All three are centered at 1; batches of 4 scatter so widely that many of them point uphill, batches of 256 hardly ever do.*

# %% [markdown]
# ## 2 · How much noise?
#
# Let $G$ hold the gradients of the single samples, one a row, and $\Sigma$ their covariance matrix. The squared error of a minibatch gradient is, on average, the trace of *its* covariance:
# $$
# \mathbb E\,|g_{\mathcal B} - g|^2 = \operatorname{tr}\operatorname{Cov}(g_{\mathcal B}) = \frac{\operatorname{tr}\Sigma}{B}\times
# \begin{cases} 1 & \text{drawn with replacement,}\\[2pt] \dfrac{N-B}{N-1} & \text{without.}\end{cases}
# $$
# The first is the variance of a mean of independent draws. Without replacement the draws avoid each other, and at $B = N$ nothing is left to chance. Here $\Sigma$ divides by $N$: the $N$ samples are the whole urn, not a sample of it. Note that you need
# only the trace, the sum of the variances of all weights, never the matrix.
#
# ### Exercise 3 · `grad_cov_trace` (3 points)

# %% nbgrader={"grade_id": "grad-cov-trace", "solution": true}
def grad_cov_trace(G, batch_size, replace):
    """Expected squared error of a minibatch gradient.

    Args:
        G: gradients of the single samples, shape (N, weights).
        batch_size: samples a minibatch.
        replace: True if a minibatch is drawn with replacement, False if without.

    Returns:
        A float.
    """
    ### BEGIN SOLUTION
    trace = G.var(dim=0, correction=0).sum().item()
    n = len(G)
    return trace / batch_size * (1 if replace else (n - batch_size) / (n - 1))
    ### END SOLUTION


# %% nbgrader={"grade_id": "grad-cov-trace-check", "grade": true, "points": 3}
check("grad_cov_trace", grad_cov_trace)
### BEGIN HIDDEN TESTS
check("grad_cov_trace", grad_cov_trace, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 4 · `noise_scale` (2 points)
#
# Whether noise matters depends on what it is compared with. The squared length of the true gradient is $|\bar g|^2$, the squared error of a minibatch $\operatorname{tr}\Sigma/B$. They are equal at the batch size
# $$ B_{\text{noise}} = \frac{\operatorname{tr}\Sigma}{|\bar g|^2}, $$
# the **noise scale** (McCandlish, Kaplan, Amodei et al., 2018). Much below it, steps are mostly noise, and doubling $B$ is worth nearly as much as doubling the steps. Much above it, the gradient is as good as exact, and more samples are wasted. As before, $\Sigma$ divides by $N$.

# %% nbgrader={"grade_id": "noise-scale", "solution": true}
def noise_scale(G):
    """The batch size at which noise and gradient are equally large.

    Args:
        G: gradients of the single samples, shape (N, weights).

    Returns:
        A float.
    """
    ### BEGIN SOLUTION
    return (G.var(dim=0, correction=0).sum() / G.mean(0).square().sum()).item()
    ### END SOLUTION


# %% nbgrader={"grade_id": "noise-scale-check", "grade": true, "points": 2}
check("noise_scale", noise_scale)
### BEGIN HIDDEN TESTS
check("noise_scale", noise_scale, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment 1 · the law, on digits
#
# Draw minibatches of digits of ten sizes, measure the squared error of their gradients, and lay your formula beside it. Then watch the noise scale while a model learns.

# %%
def sample_gradients(W, X, y):
    """Gradients of the single samples, one a row."""
    P = torch.softmax(X @ W, dim=1)
    P[torch.arange(len(y)), y] -= 1
    return torch.einsum("nf,nk->nfk", X, P).flatten(1)


G = sample_gradients(torch.zeros(65, classes, dtype=f64), X, y)
sizes = [2**k for k in range(10)]
measured = {}
slopes = []
for seed in range(3):
    generator = torch.Generator().manual_seed(seed)
    for replace in (True, False):
        errors = []
        for size in sizes:
            if replace:
                rows = torch.randint(len(G), (200, size), generator=generator)
            else:
                rows = torch.rand(200, len(G), generator=generator).argsort(1)[:, :size]
            counts = torch.zeros(200, len(G), dtype=f64).scatter_add_(1, rows, torch.ones(rows.shape, dtype=f64))
            errors.append((counts / size @ G - G.mean(0)).square().sum(1).mean().item())  # of 200 minibatches
        measured.setdefault(replace, []).append(errors)
        if replace:
            log_b, log_v = torch.tensor(sizes, dtype=f64).log(), torch.tensor(errors, dtype=f64).log()
            slopes.append((((log_b - log_b.mean()) * (log_v - log_v.mean())).sum() / (log_b - log_b.mean()).square().sum()).item())

slope, half = measure.mean_interval(torch.tensor(slopes))
print(f"with replacement: slope of log variance against log B = {slope:.2f} ± {half:.2f} (3 seeds)")
for replace in (True, False):
    ratio = torch.tensor(measured[replace]).mean(0) / torch.tensor([grad_cov_trace(G, size, replace) for size in sizes])
    print(f"measured / formula, {'with' if replace else 'without'} replacement: {ratio.min():.2f} to {ratio.max():.2f}")
    assert (ratio - 1).abs().max() < 0.1
assert abs(slope + 1) < 0.03

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
fine = [*range(1, 10), *range(10, 1797, 20), 1797]
for replace, marker, line in ((True, "o", "-"), (False, "s", "--")):
    name = f"{'with' if replace else 'without'} replacement"
    left.loglog(fine, [max(grad_cov_trace(G, b, replace), 1e-6) for b in fine], linestyle=line, color=plots.COLORS[not replace], label=f"formula, {name}")
    left.loglog(sizes, torch.tensor(measured[replace]).mean(0), marker, color=plots.COLORS[not replace], label=f"measured, {name}")
left.set(xlabel="batch size $B$", ylabel="squared error of the gradient", ylim=(1e-5, 1))
left.legend(fontsize=9)

scales, W = [], torch.zeros(65, classes, dtype=f64)
for _step in range(201):
    scales.append(noise_scale(sample_gradients(W, X, y)))
    W = W - 0.5 * minibatch_gradient(W, X, y)
right.semilogy(scales, color=plots.COLORS[0])
for at in (0, 200):
    right.annotate(f"{scales[at]:.0f}", (at, scales[at]), xytext=(-4 if at else 8, -16 if at else 4), textcoords="offset points", ha="right" if at else "left")
right.set(xlabel="steps of gradient descent (all samples, η = .5)", ylabel="noise scale $B_{noise}$")
plt.show()
print(f"noise scale: {scales[0]:.0f} at the start, {scales[200]:.0f} after 200 steps")
assert 60 < scales[0] < 85 and 1000 < scales[200] < 1300

# %% [markdown]
# *Left: four times the batch, a quarter of the squared error, on a line of slope −1; without replacement the noise vanishes when the batch is the whole set. Right: as the model learns, its gradient shrinks faster than the noise, and the noise scale grows sixteenfold.*
#
# So a batch of 32, large at the start, is small at the end. (That is one reason to lower the learning rate later, notebook 2, or to raise the batch size, which does the same to the noise.)
#
# And the other arrow, from the population to the training set? It follows the same law. If the training set is itself a sample, gradients on two *disjoint* halves of the data should differ by $\operatorname{tr}\Sigma\,(1/n_1 + 1/n_2)$:

# %% covers=[2]
ratios = []
for seed in range(60):
    one, other = data.split(data.Samples(X, y), 0.5, generator=torch.Generator().manual_seed(seed))
    gap = (minibatch_gradient(W, *one) - minibatch_gradient(W, *other)).square().sum()
    trace = sample_gradients(W, X, y).var(0).sum()
    ratios.append((gap / (trace * (1 / len(one.y) + 1 / len(other.y)))).item())
ratio, half = measure.mean_interval(torch.tensor(ratios))
relative = math.sqrt(scales[200] / len(X))
print(f"squared difference of the two halves' gradients, measured / predicted: {ratio:.2f} ± {half:.2f} (60 splits)")
print(f"so all {len(X)} digits together still miss the population's gradient by about {relative:.0%} of its length")
assert abs(ratio - 1) < 2 * half

# %% [markdown]
# Even the "exact" gradient is a noisy estimate. There is little point in following it to the last decimal.
#
# ### Question 1 (1 point, graded by a person)
#
# Someone copies every training sample, so that the data set is twice as large, and trains with SGD at the same batch size and learning rate, *drawing with replacement*. Why does nothing change, apart from what is called an epoch? The next cell has the numbers; argue with the formula. What would a doubled amount of **new** data change instead?

# %%
twice = torch.cat([G, G])
print("                                       N        2N")
print(f"mean gradient, length             {G.mean(0).norm():7.4f}   {twice.mean(0).norm():7.4f}")
print(f"tr Cov, B = 32, with replacement  {grad_cov_trace(G, 32, True):7.4f}   {grad_cov_trace(twice, 32, True):7.4f}")
print(f"noise scale                       {noise_scale(G):7.1f}   {noise_scale(twice):7.1f}")
print(f"tr Cov, B = 1000, without         {grad_cov_trace(G, 1000, False):7.4f}   {grad_cov_trace(twice, 1000, False):7.4f}")

# %% [markdown] nbgrader={"grade_id": "question-duplicates", "grade": true, "solution": true, "points": 1}
# **Model answer.** Drawing with replacement from the copies is drawing from the same distribution: every sample has probability 2/2N = 1/N as before. So a minibatch gradient has the same mean (.7 of the first line is unchanged), the same trΣ/B, in fact the same distribution, step for step; and SGD sees nothing else. An "epoch" has twice as
# many steps, that is all. (Without replacement the factor (N − B)/(N − 1) does change, and matters when B is not small against N: in the last line, a batch of 1000 out of 3594 is noisier than 1000 out of 1797.) New data would change the urn: mean and Σ come closer to the population's, so the training loss becomes a better stand-in for what we want, though a single
# step at the same B is about as noisy as before.
#
# **Rubric.** ½ point: the distribution of a minibatch (its mean and trΣ/B) does not depend on how many copies there are. ½ point: new data changes what the minimum *is* (distance of training set to population), not the noise of a step.

# %% [markdown] covers=[3]
# ## 3 · What noise is bad for: oscillation
#
# Look again at the end of the opening picture. Along a direction with curvature λ, near the minimum, the gradient is $\lambda w$ plus noise of variance $\sigma^2/B$, where σ belongs to a single sample. Let SGD run with momentum β (notebook 3; β = 0 is plain SGD):
# $$ v \leftarrow \beta v + \lambda w + \xi, \qquad w \leftarrow w - \eta v, \qquad \operatorname{Var}\xi = \sigma^2/B . $$
# It never arrives. It settles into a cloud whose width no longer changes: with $A = \mathbb E w^2$, $C = \mathbb E wv$, $V = \mathbb E v^2$ the same before and after a step. Square and multiply the two rules and take averages ($\xi$ is independent of the rest):
# $$
# C = -\tfrac{\eta}{2} V, \qquad \beta C + \lambda A = \tfrac{\eta}{2} V, \qquad V = \beta^2 V + \lambda^2 A + 2\beta\lambda C + \sigma^2/B .
# $$
#
# ### Exercise 5 · `stationary_variance` (3 points)
#
# Check for yourself how the three equations come about, then solve them for $A$, the variance of the weight. Begin with β = 0, where one equation is enough and the answer is $\eta\sigma^2/(B\lambda(2-\eta\lambda))$.

# %% nbgrader={"grade_id": "stationary-variance", "solution": true}
def stationary_variance(lr, lam, sigma, batch_size, beta):
    """Variance of a weight that SGD with momentum holds near a minimum.

    Args:
        lr: learning rate η.
        lam: curvature λ.
        sigma: standard deviation of a single sample's gradient.
        batch_size: samples a minibatch.
        beta: momentum rate; 0 for plain SGD.

    Returns:
        A float, for 0 < ηλ < 2(1 + β).
    """
    ### BEGIN SOLUTION
    # V = 2λA/(η(1 + β)) from the first two; put into the third.
    return lr * sigma**2 * (1 + beta) / (batch_size * lam * (1 - beta) * (2 * (1 + beta) - lr * lam))
    ### END SOLUTION


# %% nbgrader={"grade_id": "stationary-variance-check", "grade": true, "points": 3}
check("stationary_variance", stationary_variance)
### BEGIN HIDDEN TESTS
check("stationary_variance", stationary_variance, hidden=True)
### END HIDDEN TESTS

# %% covers=[3]
# Simulate 20,000 weights at once, at nine settings, and compare.
def simulate(lr, lam, sigma, batch_size, beta, seed):
    generator = torch.Generator().manual_seed(seed)
    w, v = torch.zeros(20000, dtype=f64), torch.zeros(20000, dtype=f64)
    for _ in range(250):
        xi = sigma / math.sqrt(batch_size) * torch.randn(20000, generator=generator, dtype=f64)
        v = beta * v + lam * w + xi
        w = w - lr * v
    return w.var().item()


print("   η    β    B   formula   simulated / formula, 3 seeds")
for lr in (0.01, 0.1, 0.5):
    for beta, size in ((0.0, 1), (0.9, 1), (0.9, 10)):
        law = stationary_variance(lr, 2.0, 1.0, size, beta)
        ratio, half = measure.mean_interval(torch.tensor([simulate(lr, 2.0, 1.0, size, beta, seed) / law for seed in range(3)]))
        print(f"{lr:5} {beta:4} {size:4}   {law:7.5f}   {ratio:.2f} ± {half:.2f}")
        assert abs(ratio - 1) < 0.03

# %% [markdown]
# Read the law: the cloud's area is proportional to $\eta/B$. **Halving the learning rate and doubling the batch size do the same to the noise.** And momentum .9 widens the cloud tenfold, unless the learning rate is lowered tenfold with it.

# %% [markdown] covers=[3]
# ## 4 · What noise is good for: escape
#
# The slide's other bullet: "a noisy gradient can be good: chance to escape local minima". Put 1000 runs to rest in the *shallower* of two wells, give them noisy gradients for 500 steps, then switch the noise off and see where they end. And, since fairness demands it, do the same from the *deeper* well.

# %%
wells = surfaces.two_wells


def shake(start, levels, seed, lr=0.02, runs=1000):
    """Share of the runs that end in the deeper well, after 500 noisy steps and 200 quiet ones."""
    generator = torch.Generator().manual_seed(seed)
    sigma = torch.tensor(levels, dtype=f64).reshape(-1, 1, 1)
    w = start.expand(len(levels), runs, 2)
    for step in range(700):
        noise = sigma * torch.randn(w.shape, generator=generator, dtype=f64) if step < 500 else 0
        w = w - lr * (wells.grad(w) + noise)
    return (w[..., 0] < 0).double().mean(1)


levels = [0, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16]
from_shallow = torch.stack([shake(wells.minima[1], levels, seed) for seed in range(3)])
from_deep = torch.stack([1 - shake(wells.minima[0], levels, seed) for seed in range(3)])
fig, ax = plt.subplots(figsize=(8, 3.8))
plots.curves({"out of the shallower well": from_shallow, "out of the deeper well": from_deep}, x=levels, ax=ax, xlabel="standard deviation of the gradient's noise", ylabel="share that has changed wells")
plt.show()
for level in (0, 3, 6, 16):
    k = levels.index(level)
    (out, half), (loss, loss_half) = measure.mean_interval(from_shallow[:, k]), measure.mean_interval(from_deep[:, k])
    print(f"noise {level:2}: out of the shallower well {out:.2f} ± {half:.2f}, out of the deeper one {loss:.2f} ± {loss_half:.2f}")
six = levels.index(6)
assert from_shallow[:, 0].max() == 0 and (from_shallow[:, six] > from_deep[:, six] + 0.3).all() and (from_shallow[:, -1] - from_deep[:, -1]).abs().max() < 0.25

# %% [markdown]
# *Without noise nobody leaves either well. Around 6 most runs have left the shallower well and few the deeper one: here noise helps. With much more noise it makes hardly a difference where a run began: it no longer notices the wells at all.*
#
# So both bullets of the slide are right, on this surface, at different amounts of noise. There is a window; and since the noise of a minibatch goes with $\eta/B$, learning rate and batch size are how one stays inside it.

# %% [markdown] covers=[5]
# ## 5 · Play
#
# The lecture recommends an interactive visualization (vis.ensmallen.org): choose a surface, a method and a learning rate, and look. Here is ours; it needs no network. Try gradient descent on the ravine with learning rates from .001 to .03. Methods that you do not know yet come in notebooks 3 to 6.

# %% nbgrader={"grade_id": "play", "locked": true} tags=["reference", "nbval-ignore-output"] covers=[5]
from lib import playground

playground.show("ravine", ["gradient descent"])

# %% [markdown]
# *Sliders for surface, methods, learning rate, memories, steps and start; the picture follows. Without a running kernel you see the first setting.*
#
# Two of its settings, as stills: the same surface and start with a low and with a high learning rate.

# %% covers=[5]
ravine = surfaces.ravine(kappa=100)
fig, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
for ax, lr, word in zip(axes, (0.002, 0.0185, 0.0203), ("low", "high", "too high"), strict=True):
    run = trajectories.descend(ravine, lambda w, g, state, t, lr=lr: (w - lr * g, state), ravine.start, 40)
    plots.paths(ravine, {word: run}, ax=ax)
    ax.set(title=f"{word}: η = {lr}, loss {run.loss[0]:.0f} → {run.loss[-1]:.0f}")
plt.show()

# %% [markdown]
# *Forty steps of gradient descent in a ravine. Low: straight to the floor, then hardly any progress. High: wild across the valley, but twice as far along it. Too high (above 2/λ_max = .02): the swings grow, and the loss with them.*

# %% [markdown] covers=[4]
# ## 6 · "It offers opportunities for parallelism (do you recall what these are?)"
#
# The slide asks, and leaves it open. Its claim: the main advantage of minibatches is *convergence speed*, because of parallelism. So let us see what can be done at the same time.
#
# **Within a batch, the samples.** Their gradients do not depend on each other. Cut a batch of 64 in four, let four workers (cores, GPUs, machines) compute a gradient each, average: the same gradient, in a quarter of the time plus the time to add up. That is *data parallelism*.
#
# **Within a layer, the rows and columns.** $XW$ is a matrix product: $B \times \text{out}$ dot products, none of which waits for another. A GPU has thousands of arithmetic units that want exactly this.
#
# **Not: layers, and steps.** Layer 2 needs the output of layer 1, and $w_{t+1}$ needs $w_t$. A single sample at a time leaves only the small parallelism inside one matrix–vector product; the full batch offers the most parallel work, but only one update for it. Minibatches are the bargain between the two.

# %% covers=[4]
batch = torch.arange(64)
whole = minibatch_gradient(W, X[batch], y[batch])
workers = [minibatch_gradient(W, X[chunk], y[chunk]) for chunk in batch.chunk(4)]
assert (torch.stack(workers).mean(0) - whole).abs().max() < 1e-12
print("four workers with 16 samples each, averaged = one worker with all 64, to rounding")

one, other = W, W
for chunk in batch.chunk(4):  # but four steps in turn ...
    one = one - 0.5 * minibatch_gradient(one, X[chunk], y[chunk])
other = W - 0.5 * sum(workers)  # ... are not four steps at once
print(f"four steps in turn and four steps at once end {(one - other).norm() / (one - W).norm():.0%} of the way apart")
assert (one - other).norm() > 0.05 * (one - W).norm()

# %% covers=[4]
# Time for forward and backward pass of the lecture's network, on what this machine has.
import os
import time


def seconds(device, batch_size, threads=None):
    """Best of several runs, of a forward and backward pass."""
    if threads:
        torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    net = models.MLP(784, 100, 10, generator=generator).to(device)
    images = torch.rand(batch_size, 784, generator=generator).to(device)
    labels = torch.randint(10, (batch_size,), generator=generator).to(device)
    times = []
    for repeat in range(9):
        start = time.perf_counter()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        if device != "cpu":
            torch.cuda.synchronize()
        if repeat > 1:  # the first ones warm up
            times.append(time.perf_counter() - start)
    return min(times)


threads_before = torch.get_num_threads()
kinds = {"1 core": ("cpu", 1)}
if (cores := os.cpu_count() or 1) > 1:
    kinds[f"{cores} cores"] = ("cpu", cores)
if torch.cuda.is_available():
    kinds["GPU"] = ("cuda", None)
batch_sizes = [2**k for k in range(13)]
times = {kind: [seconds(*args[:1], size, *args[1:]) for size in batch_sizes] for kind, args in kinds.items()}
around = range(96, 161, 4)
near = [min(seconds("cpu", size, 1) for _ in range(3)) for size in around]
torch.set_num_threads(threads_before)

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
for (kind, values), style in zip(times.items(), plots.styles(), strict=False):
    left.loglog(batch_sizes, [1e6 * t / size for t, size in zip(values, batch_sizes, strict=True)], **style, label=kind)
left.axvspan(32, 1024, color="0.9", zorder=0)
left.annotate("the slide's 32 … 1024", (36, 1.0), xycoords=("data", "axes fraction"), xytext=(0, -12), textcoords="offset points", fontsize=9)
left.set(xlabel="batch size", ylabel="time per sample, µs")
left.legend(loc="lower left")
right.plot(around, [1e3 * t for t in near], color="0.3", marker=".", label="measured, 1 core")
right.plot([128], [1e3 * near[list(around).index(128)]], "s", markersize=9, color=plots.COLORS[1], label="128, a power of two")
right.set(xlabel="batch size", ylabel="time per batch, ms", ylim=(0, None))
right.legend(loc="lower right")
plt.show()

# %% [markdown]
# *Measured on the machine this notebook ran on. Left: a sample in a large batch costs many times less than one alone, and more cores help only when there is enough to share out. Right: around 128, on one core, a power of two is nothing special.*
#
# The left curve falls steeply until the arithmetic units are busy, and is flat from there on. That knee is where "larger batches are free" ends; on a large GPU it lies far to the right.

# %% [markdown]
# ### Question 2 (1 point, graded by a person)
#
# What in the computation of one minibatch step can run in parallel, and what cannot? Use the printed comparison and the left figure: why does time per sample fall with the batch size, why not forever, and what would you lose by making the batch as large as the whole training set?

# %% [markdown] nbgrader={"grade_id": "question-parallel", "grade": true, "solution": true, "points": 1}
# **Model answer.** Parallel: the samples of a batch (their gradients are independent, and the average of four workers' gradients was equal to the whole one) and, inside each layer, the dot products of the matrix multiplication. In sequence: the layers, forward and then backward, because each needs the one before; and the steps, because the next gradient is taken at the new weights
# (four steps at once ended somewhere else than four in turn). Time per sample falls because the fixed cost of a step (calling the operations, reading the weights) is shared and the arithmetic units get enough to do; it stops falling when all of them are busy. With the whole set as one batch every step is as parallel as can be, but there is one step an epoch; beyond the noise scale, more samples
# hardly improve the step, so most of the work is wasted.
#
# **Rubric.** ½ point: samples (and rows/columns of the products) in parallel; steps and layers not, with a reason. ½ point: reading of the figure (fixed cost shared, then saturated) and the price of the full batch (one update an epoch).

# %% [markdown] covers=[6, 7]
# ## 7 · Which batch size?
#
# The slides' tips, and what is behind them:
#
# **"Reasonable minibatch sizes are usually 32, 64, 128, 256, 512, 1024."** Below, the noise and the idle hardware (figure above); beyond, the number of updates. **Powers of two** are a convention with a reason that is often overstated: GPUs multiply matrices in tiles of, say, 64 or 128 rows, and a batch of 129 then pays for 192 or 256. Multiples of 8 to 64 are what
# counts; that they be powers of two does not.
#
# **"As large as your GPU memory allows; matrix multiplication and the size of fully connected layers are usually the bottleneck."** Memory holds two kinds of things: what does *not* grow with the batch (weights, gradients, optimizer state) and what does (activations, kept for the backward pass). Count both for VGG-16, the classic with large fully connected layers.

# %% covers=[6, 7]
def vgg16():
    """(name, weights, activations a sample, multiply-adds a sample) of each layer of VGG-16."""
    layers, channels, side = [], 3, 224
    for block in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)):
        for out in block:
            layers.append(("convolution", 9 * channels * out + out, out * side**2, 9 * channels * out * side**2))
            channels = out
        side //= 2
    for n_in, n_out in ((512 * 7 * 7, 4096), (4096, 4096), (4096, 1000)):
        layers.append(("fully connected", n_in * n_out + n_out, n_out, n_in * n_out))
    return layers


totals = {kind: [sum(layer[i] for layer in vgg16() if layer[0] == kind) for i in (1, 2, 3)] for kind in ("convolution", "fully connected")}
everything = [sum(column) for column in zip(*totals.values(), strict=True)]
print("VGG-16             weights   activations/sample   multiply-adds/sample")
for kind, row in totals.items():
    print(f"{kind:15} {row[0] / 1e6:7.1f} M {row[1] / 1e6:16.2f} M {row[2] / 1e9:18.2f} G")
fc_share = totals["fully connected"][0] / everything[0]
print(f"fully connected layers: {fc_share:.0%} of the weights, {totals['fully connected'][2] / everything[2]:.0%} of the arithmetic, {totals['fully connected'][1] / everything[1]:.1%} of the activations")
fixed = 4 * 4 * everything[0]  # weights, gradients and Adam's two moments, 4 bytes each
per_sample = 4 * everything[1]
for memory in (8, 24, 80):
    print(f"{memory:3} GB: {fixed / 1e9:.1f} GB are taken before the first sample; then {int((memory * 1e9 - fixed) / per_sample):4} samples of {per_sample / 1e6:.0f} MB fit")
assert 0.88 < fc_share < 0.91

tile = 64
fig, ax = plt.subplots(figsize=(8, 3))
bs = torch.arange(1, 321)
ax.plot(bs, bs / (tile * torch.ceil(bs / tile)), color=plots.COLORS[0])
for power in (32, 64, 128, 256):
    ax.plot(power, power / (tile * math.ceil(power / tile)), "s", color=plots.COLORS[1], markersize=8)
ax.plot(192, 1, "D", color=plots.COLORS[2], markersize=8)
ax.annotate("192: no power of two, nothing wasted", (192, 1), xytext=(-70, -95), textcoords="offset points", arrowprops={"arrowstyle": "->"})
ax.annotate("129", (129, 129 / 192), xytext=(6, -10), textcoords="offset points")
ax.set(xlabel="batch size (squares: powers of two)", ylabel="share of the work in use", ylim=(0, 1.08))
plt.show()

# %% [markdown]
# *The share of work that is not thrown away when a matrix product is done in tiles of 64 rows, in theory: it drops to 67% at 129, and is 100% at every multiple of 64, power of two or not.*
#
# The slide's bottleneck is two things. Fully connected layers hold nearly all of the *weights*, so they fill the memory before the first sample; the matrix products of the convolutions (that is how they are computed) take nearly all of the *time*, and their activations nearly all of the memory *per sample*.
#
# **But is larger better?** What fits is not what learns best. Softmax regression on digits, ten epochs each, with one learning rate for all, and with the learning rate proportional to $B$ (which section 3 says keeps the noise $\eta/B$ the same):

# %% covers=[7]
def train(batch_size, lr, seed, epochs=10):
    """Loss on the whole training set after each epoch."""
    generator = torch.Generator().manual_seed(seed)
    W, losses = torch.zeros(65, classes, dtype=f64), []
    for _ in range(epochs):
        for rows in minibatches(len(part.y), batch_size, generator):
            W = W - lr * minibatch_gradient(W, part.X[rows], part.y[rows])
        losses.append(torch.nn.functional.cross_entropy(part.X @ W, part.y).item())
    return losses


choices = [16, 64, 256, len(part.y)]
same_lr = {b: torch.tensor([train(b, 0.1, seed) for seed in range(3)]) for b in choices}
scaled = {b: torch.tensor([train(b, 0.1 * b / 32, seed) for seed in range(3)]) for b in choices}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for ax, results, title in ((left, same_lr, "η = .1 for all"), (right, scaled, "η = .1 · B/32")):
    plots.curves({f"B = {b}": values for b, values in results.items()}, x=range(1, 11), ax=ax, xlabel="epoch", ylabel="loss on the training set", log=True)
    ax.set_title(title)
plt.show()
print("loss after 10 epochs, 3 seeds      η = .1          η = .1 · B/32")
for b in choices:
    (m, h), (ms, hs) = measure.mean_interval(same_lr[b][:, -1]), measure.mean_interval(scaled[b][:, -1])
    print(f"B = {b:4}, {math.ceil(len(part.y) / b):3} steps an epoch    {m:.3f} ± {h:.3f}    {ms:6.3f} ± {hs:.3f}")
assert (same_lr[16][:, -1] < same_lr[256][:, -1]).all()
assert (scaled[256][:, -1] - scaled[16][:, -1]).abs().max() < 0.1 * scaled[16][:, -1].mean()
assert (scaled[len(part.y)][:, -1] > 2 * scaled[256][:, -1]).all()

# %% [markdown]
# *The same ten passes over the data. At one learning rate, larger batches have learned less, because they took fewer steps. With η proportional to B, batches from 16 to 256 follow nearly the same curve; only the whole set, whose learning rate of 3.7 is too large for its one step an epoch, jumps about and falls behind.*
#
# So: larger batches use the hardware better, need a larger learning rate, and stop paying somewhere above the noise scale. "As large as memory allows" is advice about *time per sample*.

# %% [markdown] covers=[8]
# ### The number of classes
#
# The third tip: make the batch size proportional to the number of classes. The idea: a batch without a single 7 tells you nothing about 7s, except that there are none. How likely is it that all $K$ classes (equally frequent) are in a batch of $B$?
#
# Let $A_c$ be the event that class $c$ is missing. One given class is missing with probability $(1 - 1/K)^B$, two given classes with $(1 - 2/K)^B$, and so on. Adding up the single ones counts the pairs twice; take them off, and the triples are missing; … this is *inclusion–exclusion*:
# $$ P(\text{all there}) = 1 - \sum_c P(A_c) + \sum_{c<d} P(A_c \cap A_d) - \dots $$
#
# ### Exercise 6 · `p_all_classes` (2 points)

# %% nbgrader={"grade_id": "p-all-classes", "solution": true}
def p_all_classes(batch_size, n_classes):
    """Probability that a random batch holds at least one sample of every class.

    Args:
        batch_size: samples, drawn independently.
        n_classes: K classes, equally likely.

    Returns:
        A float between 0 and 1.
    """
    ### BEGIN SOLUTION
    return sum((-1) ** j * math.comb(n_classes, j) * (1 - j / n_classes) ** batch_size for j in range(n_classes + 1))
    ### END SOLUTION


# %% nbgrader={"grade_id": "p-all-classes-check", "grade": true, "points": 2}
check("p_all_classes", p_all_classes)
### BEGIN HIDDEN TESTS
check("p_all_classes", p_all_classes, hidden=True)
### END HIDDEN TESTS

# %% covers=[8]
# Your formula beside the batches of digits that your own minibatches() makes.
shares = {}
for size in (8, 16, 24, 32, 48, 64, 96):
    found = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        full_batches = [b for _ in range(8) for b in minibatches(len(y), size, generator) if len(b) == size]
        found.append(sum(len(y[b].unique()) == 10 for b in full_batches) / len(full_batches))
    shares[size] = measure.mean_interval(torch.tensor(found))
need = {K: next(b for b in range(K, 40 * K) if p_all_classes(b, K) > 0.95) for K in (2, 5, 10, 20, 50)}

fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8))
for K, style in zip((2, 10, 20, 50), plots.styles(), strict=False):
    left.plot(range(1, 400), [p_all_classes(b, K) for b in range(1, 400)], **style, markevery=60, label=f"{K} classes")
left.errorbar(list(shares), [m for m, _ in shares.values()], [h for _, h in shares.values()], fmt="kx", label="digits, measured")
left.set(xlabel="batch size", ylabel="P(all classes in the batch)")
left.legend(fontsize=9)
right.plot(list(need), [b / K for K, b in need.items()], "o", color=plots.COLORS[0], label="needed for 95%")
ks = torch.arange(2, 55)
right.plot(ks, ks.log() + 3, "--", color=plots.COLORS[1], label="ln K + 3")
right.set(xlabel="number of classes K", ylabel="batch size / K", ylim=(0, 8))
right.legend()
plt.show()
print(", ".join(f"B = {size}: {p_all_classes(size, 10):.3f}" for size in (16, 32, 64)), "for ten classes")
print("needed for 95%:", ", ".join(f"{b} for {K}" for K, b in need.items()))
assert abs(p_all_classes(32, 10) - 0.69) < 0.005 and abs(p_all_classes(64, 10) - 0.988) < 0.001
assert all(abs(b / K - math.log(K) - 3) < 0.75 for K, b in need.items())
assert all(abs(m - p_all_classes(size, 10)) < max(0.05, 2 * h) for size, (m, h) in shares.items())

# %% [markdown]
# *Left: ten classes are all in a batch of 32 with probability .69, in one of 64 with .988, and real batches of digits agree. Right: the batch size needed for 95% grows a little faster than the number of classes, like K (ln K + 3).*
#
# "Proportional to the number of classes" is right up to a logarithm. It is a tip and not a law, though: over an epoch every class appears as often as it should in *any* case, and small batches trained very well above. It matters more where a layer looks at the batch as a whole (batch normalization, contrastive losses).

# %% [markdown] covers=[9]
# ## 8 · The same chance, in a train/test split
#
# The slide illustrates the tip with the iris data: 150 flowers, 50 of each species; 100 are drawn at random for training, 50 remain for testing, and the shares are not thirds any more. In both parts, and in *opposite* directions: what one has too many of, the other lacks.

# %% covers=[9]
labels = data.iris().y
species = ("setosa", "versicolor", "virginica")
order = torch.randperm(150, generator=torch.Generator().manual_seed(12))
subsets = {"all 150": labels, "training, 100": labels[order[:100]], "test, 50": labels[order[100:]]}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
for k, (name, hatch) in enumerate(zip(species, ("", "///", "..."), strict=True)):
    values = [(subset == k).double().mean().item() for subset in subsets.values()]
    bars = left.bar([i + 0.27 * (k - 1) for i in range(3)], values, 0.25, hatch=hatch, edgecolor="black", alpha=0.6, label=name)
    left.bar_label(bars, [f"{v:.0%}" for v in values], fontsize=8)
left.axhline(1 / 3, color="black", linewidth=1, linestyle=":")
left.set_xticks(range(3), list(subsets))
left.set(ylabel="share of the flowers", ylim=(0, 0.58))
left.legend(ncols=3, loc="upper center", fontsize=9)

generator = torch.Generator().manual_seed(0)
worst = []
for _ in range(5000):
    test = labels[torch.randperm(150, generator=generator)[100:]]
    worst.append((test.bincount(minlength=3) / 50 - 1 / 3).abs().max().item())
worst = torch.tensor(worst)
right.hist(worst, bins=torch.arange(0, 0.3, 0.02).add(0.0067).tolist(), color=plots.COLORS[0], edgecolor="black", weights=torch.full((5000,), 1 / 5000))
right.set(xlabel="largest deviation of a class's share from 1/3, test set", ylabel="share of 5000 random splits")
plt.show()
print(f"in {(worst > 0.1).double().mean():.0%} of random splits some species is off by more than 10 points in the test set")
assert 0.1 < (worst > 0.1).double().mean() < 0.5

# %% [markdown]
# *Left: one random split, species by species: training and test set err in opposite directions. Right: over 5000 splits, how far the worst-off species is from a third of the test set; a few points are the rule.*
#
# ### Exercise 7 · `stratified_split` (2 points)
#
# The remedy is **stratification**: split every class by itself. Of a class with $n_c$ samples, $\lfloor \text{fraction}\cdot n_c + \tfrac12 \rfloor$ randomly chosen ones go into the first part, the rest into the second.

# %% nbgrader={"grade_id": "stratified-split", "solution": true}
def stratified_split(y, fraction, generator):
    """Split samples at random, class by class.

    Args:
        y: labels, shape (n,), int64.
        fraction: share of every class for the first part.
        generator: a torch.Generator, the source of the choice.

    Returns:
        Two index tensors, the first part's and the second's. The order inside a part is free.
    """
    ### BEGIN SOLUTION
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=generator)]
        k = math.floor(fraction * len(members) + 0.5)
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(first), torch.cat(second)
    ### END SOLUTION


# %% nbgrader={"grade_id": "stratified-split-check", "grade": true, "points": 2}
check("stratified_split", stratified_split)
### BEGIN HIDDEN TESTS
check("stratified_split", stratified_split, hidden=True)
### END HIDDEN TESTS

# %%
one, other = stratified_split(labels, 2 / 3, torch.Generator().manual_seed(0))
print("stratified: training", labels[one].bincount().tolist(), "test", labels[other].bincount().tolist())

# %% [markdown] covers=[23]
# ## 9 · Seven initializations, or: a lesson on seeds
#
# At the end of the lecture stands a follow-up on weight initialization. One small convolutional network on MNIST, seven ways to draw its first weights, SGD with η = .05 and batches of 128, ten epochs, **one seed each**, accuracy on the same 10,000 test images:
#
# | default | normal | Xavier normal | He normal | uniform | He uniform | Xavier uniform |
# |---:|---:|---:|---:|---:|---:|---:|
# | 97.77 | 97.76 | 97.69 | 97.67 | 97.63 | 97.54 | 97.36 |
#
# | name | weights of a layer with $n_{in}$ inputs and $n_{out}$ outputs |
# |---|---|
# | default (PyTorch) | uniform on $\pm1/\sqrt{n_{in}}$, biases too; the others set biases to 0 |
# | uniform, normal | uniform on ±.1; normal with standard deviation .1 |
# | Xavier normal, uniform | standard deviation $\sqrt{2/(n_{in}+n_{out})}$; uniform on $\pm\sqrt{6/(n_{in}+n_{out})}$ |
# | He normal, uniform | standard deviation $\sqrt{2/n_{in}}$; uniform on $\pm\sqrt{6/n_{in}}$ |
#
# Which one is best? Before reading a ranking into a table, ask how sure *one* of its numbers is. A test accuracy is an average over a sample, too.
#
# ### Exercise 8 · `accuracy_interval` (1 point)
#
# With $\hat p = \text{correct}/n$ and $z = 1.96$ for 95%, Wilson's interval is
# $$ \frac{\hat p + \frac{z^2}{2n} \pm z\sqrt{\frac{\hat p(1-\hat p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}} . $$
# (For large $n$ it is close to the better known $\hat p \pm z\sqrt{\hat p(1-\hat p)/n}$; but that one is empty at $\hat p = 1$, and can leave $[0, 1]$.)

# %% nbgrader={"grade_id": "accuracy-interval", "solution": true}
def accuracy_interval(correct, n):
    """Wilson's 95% confidence interval of an accuracy.

    Args:
        correct: number of right predictions.
        n: number of predictions.

    Returns:
        The pair (low, high), shares between 0 and 1.
    """
    ### BEGIN SOLUTION
    z = 1.96
    p = correct / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return (center - half) / scale, (center + half) / scale
    ### END SOLUTION


# %% nbgrader={"grade_id": "accuracy-interval-check", "grade": true, "points": 1}
check("accuracy_interval", accuracy_interval)
### BEGIN HIDDEN TESTS
check("accuracy_interval", accuracy_interval, hidden=True)
### END HIDDEN TESTS

# %% covers=[23]
# Experiment 2: are the lecture's seven numbers further apart than chance alone would put them?
published = {"default": 97.77, "normal": 97.76, "Xavier normal": 97.69, "He normal": 97.67, "uniform": 97.63, "He uniform": 97.54, "Xavier uniform": 97.36}
values = torch.tensor(list(published.values()), dtype=f64)
pooled = values.mean().item() / 100
se = 100 * math.sqrt(pooled * (1 - pooled) / 10_000)
generator = torch.Generator().manual_seed(0)
draws = 100 * torch.binomial(torch.full((20_000, 7), 10_000.0, dtype=f64), torch.tensor(pooled, dtype=f64), generator=generator) / 10_000
ranges = draws.max(1)[0] - draws.min(1)[0]
seen = (values.max() - values.min()).item()
beyond = (ranges >= seen - 1e-9).double().mean().item()
print(f"one accuracy: standard error {se:.2f} points")
print(f"seven networks of the same true accuracy: expected range {ranges.mean():.2f}; the lecture's range: {seen:.2f}; chance gives as much in {beyond:.0%} of cases")

fig, ax = plt.subplots(figsize=(8.5, 3.4))
for row, value in enumerate(published.values()):
    low, high = accuracy_interval(round(100 * value), 10_000)
    assert low < pooled < high
    ax.plot([100 * low, 100 * high], [row, row], color=plots.COLORS[0], linewidth=2)
    ax.plot(value, row, "o", color="black")
ax.axvline(100 * pooled, color="black", linestyle=":", linewidth=1)
ax.set_yticks(range(7), list(published))
ax.invert_yaxis()
ax.set_xlabel("test accuracy in %, with the interval that 10,000 test images allow")
plt.show()
assert abs(se - 0.15) < 0.005 and abs(ranges.mean() - seen) < 0.03 and 0.2 < beyond < 0.7

# %% [markdown]
# *The lecture's seven accuracies with Wilson's intervals: every one of them contains the mean of all (dotted).*
#
# Seven networks that are *exactly equally good* would scatter over .40 points, from the test set's chance alone; the table's range is .41. The ranking says nothing. (Two refinements, which pull in opposite directions: all seven saw the same test images, so their errors are correlated and the test set adds *less* to their differences; but they also had different random weights and
# batches, which adds *more*. That second part no formula gives. It has to be measured.)
#
# So measure it: the same seven initializations, a small convolutional network of the lecture's shape on the small digits, **five seeds each**.

# %% covers=[23]
train_set, test_set = data.split(data.digits(), 2 / 3, generator=torch.Generator().manual_seed(0))
names, seeds = list(models.INITS), range(5)
generators = [torch.Generator().manual_seed(seed) for _ in names for seed in seeds]
networks = [models.CNN(image_size=8, init=name, generator=generators[5 * i + seed]) for i, name in enumerate(names) for seed in seeds]


def sgd(w, g, state, t, lr):
    """Plain SGD, for all 35 networks at once."""
    return w - lr * g, state


runs = training.fit_many(networks, sgd, *train_set, batch_size=32, epochs=8, generators=generators, hyper={"lr": 0.3}, init=lambda w: (), validation=test_set)
result = runs.val_accuracy[-1].reshape(7, 5).double()
fig, ax = plt.subplots(figsize=(8.5, 3.6))
for row, name in enumerate(names):
    mean, half = measure.mean_interval(result[row])
    ax.errorbar(100 * mean, row, xerr=100 * half, fmt="D", color=plots.COLORS[0], capsize=4)
    ax.plot(100 * result[row], [row + 0.25] * 5, "x", color="black", markersize=5)
    print(f"{name:15} {100 * mean:.1f} ± {100 * half:.1f}     one seed: {100 * result[row].min():.1f} to {100 * result[row].max():.1f}")
ax.set_yticks(range(7), names)
ax.invert_yaxis()
ax.set_xlabel("test accuracy in % (× single seeds, ◆ mean with its 95% interval)")
plt.show()
winners = {names[int(i)] for i in result.argmax(0)}
within, between = result.std(1).mean().item(), result.mean(1).std().item()
print(f"spread between seeds {100 * within:.1f} points, between the means of initializations {100 * between:.1f}; winners by seed: {len(winners)} different ones")
assert within > between and len(winners) > 1

# %% [markdown]
# *Seven initializations, five seeds each. The seeds of one initialization (×) scatter more widely than the initializations' means (◆) differ, and which of them "wins" depends on the seed.*
#
# That does not show that initialization is unimportant. It shows that *this* network, trained *this* way, on so few test images and with five seeds, cannot tell the seven apart, and a single seed even less. Every empirical claim in this course therefore comes with several seeds and an interval. Ask the same of every table you read.
#
# ## What to take along
#
# * A minibatch gradient is right on average, and its squared error is $\operatorname{tr}\Sigma/B$. Compare it with $|\bar g|^2$: the noise scale grows while you train.
# * Near a minimum SGD keeps a cloud whose variance is proportional to $\eta/B$. That is bad for precision and, within a window, good for escape. Next notebook: let η shrink.
# * Batch size is a bargain between hardware (large), updates (small) and learning rate (goes with it). Powers of two and "all classes in the batch" are habits with a kernel of truth.
# * A number without an interval is an anecdote.
#
# | convention | here and in PyTorch | elsewhere |
# |---|---|---|
# | loss of a batch | the *mean* over its samples | some papers sum: then η and B trade places |
# | SGD | draws without replacement, epoch by epoch | theory usually draws with replacement |
# | "batch" | minibatch of B samples | older texts: "batch" is the whole training set, "stochastic" means B = 1 |
# | Σ | covariance of *single-sample* gradients, dividing by N | sometimes the minibatch's, Σ/B |
#
# ## Sources
#
# * S. Raschka, *STAT 479: Deep Learning*, lecture 12, 2019; and "Model evaluation, model selection, and algorithm selection in machine learning", arXiv 1811.12808 (the iris figure).
# * S. McCandlish, J. Kaplan, D. Amodei et al., "An empirical model of large-batch training", arXiv 1812.06162, 2018 (the noise scale).
# * L. Bottou, F. Curtis, J. Nocedal, "Optimization methods for large-scale machine learning", *SIAM Review* 60(2), 2018 (first and second order, minibatches).
# * S. Mandt, M. Hoffman, D. Blei, "Stochastic gradient descent as approximate Bayesian inference", *JMLR* 18, 2017 (the stationary distribution).
# * P. Goyal et al., "Accurate, large minibatch SGD", arXiv 1706.02677, 2017 (η proportional to B).
# * E. B. Wilson, *Journal of the American Statistical Association* 22(158), 1927 (the interval).
# * X. Glorot, Y. Bengio, AISTATS 2010; K. He et al., ICCV 2015 (the initializations). K. Simonyan, A. Zisserman, ICLR 2015 (VGG-16).
