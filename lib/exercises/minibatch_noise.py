"""Exercises of the minibatch notebook."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lib.check import Call, Case, Exercise, Observation, Steps
from lib.check.draws import F32, F64, normal, uniform, whole
from lib.check.messages import Refused


class _Words(str):
    """Words that stand for an argument in a message, and are printed without quotes."""

    __repr__ = str.__str__


def _indices(value, name):
    """Refuse what is no tensor of indices."""
    if not isinstance(value, torch.Tensor):
        raise Refused(f"returns {name} as a {type(value).__name__}; expected a tensor of indices")
    if value.dtype != torch.int64 or value.ndim != 1:
        raise Refused(
            f"returns {name} as a tensor of {str(value.dtype).removeprefix('torch.')} and shape "
            f"{tuple(value.shape)}; expected whole numbers in one dimension",
            "torch.randperm gives such a tensor; slices of it are such tensors, too.",
        )
    return value.cpu()


# ------------------------------------------------------------------ minibatches


def minibatches(n, batch_size, generator):
    """Cut a random order of 0 … n − 1 into batches; the last one may be short."""
    return list(torch.randperm(n, generator=generator).split(batch_size))


@dataclass(frozen=True)
class Epochs(Case):
    """Two epochs from one generator, and the first of them once more.

    The order is the student's to draw, so what is compared is what any right order has.

    Attributes:
        n: Samples.
        batch_size: Samples a batch.
        seed: Of the generator.
    """

    n: int
    batch_size: int
    seed: int

    def run(self, call):
        """Go through the epochs and say what is true of them."""
        generator = torch.Generator().manual_seed(self.seed)
        first, second = self._epoch(call, generator), self._epoch(call, generator)
        again = self._epoch(call, torch.Generator().manual_seed(self.seed))
        flat = torch.cat(first) if first else torch.zeros(0, dtype=torch.int64)
        values = {
            "sizes of the batches": [len(batch) for batch in first],
            "each sample exactly once": torch.equal(flat.sort()[0], torch.arange(self.n)),
            "samples are shuffled": not torch.equal(flat, flat.sort()[0]),
            "a batch mixes samples from all over": any(
                not torch.equal(batch.diff(), torch.ones(len(batch) - 1, dtype=torch.int64))
                for batch in first
                if len(batch) > 1
            ),
            "same seed, same batches": self._equal(first, again),
            "a new order in the next epoch": not self._equal(first, second),
        }
        given = {
            "n": self.n,
            "batch_size": self.batch_size,
            "generator": _Words(f"torch.Generator().manual_seed({self.seed})"),
        }
        return [Observation("", given, values)]

    def _epoch(self, call, generator):
        arguments = {"n": self.n, "batch_size": self.batch_size, "generator": generator}
        batches = call(**arguments)["batches"]
        if not isinstance(batches, list | tuple):
            raise Refused(
                f"returns a {type(batches).__name__}; expected a list of tensors",
                "Make a list of all batches of the epoch, and return it.",
            )
        return [_indices(batch, "a batch") for batch in batches]

    @staticmethod
    def _equal(some, others):
        return len(some) == len(others) and all(map(torch.equal, some, others))


MINIBATCHES = Exercise(
    notebook="minibatch-noise",
    reference=minibatches,
    returns=("batches",),
    public=[
        Epochs("ten samples in batches of four: 4, 4 and 2", 10, 4, 0),
        Epochs("a whole number of batches", 24, 8, 1),
        Epochs("many samples, the last batch short", 103, 16, 2),
    ],
    draw=lambda generator: [
        Epochs("the last batch is short", 16 * whole(generator, 4, 7) + 5, 16, 3),
        Epochs("another size", 9 * whole(generator, 6, 9) + 4, 9, whole(generator, 0, 999)),
        Epochs("a whole number of batches", 11 * whole(generator, 4, 7), 11, 5),
    ],
    forbids=("lib.data.Loader", "torch.utils.data"),
)


@MINIBATCHES.misconception(
    "the last, shorter batch is dropped: some samples are not seen in this epoch",
    "n need not be a multiple of batch_size; return what is left over as a last batch.",
)
def last_batch_dropped(n, batch_size, generator):
    order = torch.randperm(n, generator=generator)
    return [order[i * batch_size : (i + 1) * batch_size] for i in range(n // batch_size)]


@MINIBATCHES.misconception(
    "samples are drawn with replacement: some come twice, others never",
    "Draw one order of all samples, torch.randperm(n, generator=generator), and cut it up.",
)
def with_replacement(n, batch_size, generator):
    return list(torch.randint(n, (n,), generator=generator).split(batch_size))


@MINIBATCHES.misconception(
    "the samples keep their own order",
    "Shuffle first: torch.randperm(n, generator=generator).",
)
def in_their_own_order(n, batch_size, generator):
    return list(torch.arange(n).split(batch_size))


@MINIBATCHES.misconception(
    "only the order of the batches is shuffled; each batch holds neighbors",
    "Neighbors in a file often look alike. Shuffle the samples, then cut.",
)
def batches_shuffled_only(n, batch_size, generator):
    batches = torch.arange(n).split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


@MINIBATCHES.misconception(
    "the order does not come from the generator, so no run can be repeated",
    "Pass it on: torch.randperm(n, generator=generator).",
)
def generator_ignored(n, batch_size, generator):
    return list(torch.randperm(n).split(batch_size))


@MINIBATCHES.misconception(
    "every epoch has the same order",
    "Do not seed anew inside the function: draw from the generator that you are given.",
)
def seeded_anew(n, batch_size, generator):
    again = torch.Generator().manual_seed(0)
    return list(torch.randperm(n, generator=again).split(batch_size))


@MINIBATCHES.misconception(
    "the last batch is filled up with samples that were seen already",
    "The last batch is simply shorter.",
)
def filled_up(n, batch_size, generator):
    order = torch.randperm(n, generator=generator)
    return list(torch.cat([order, order[: -n % batch_size]]).split(batch_size))


@MINIBATCHES.misconception(
    "batch_size is taken for the number of batches",
    "order.split(batch_size) makes batches of that size; chunk and tensor_split count batches.",
)
def number_of_batches(n, batch_size, generator):
    return list(torch.randperm(n, generator=generator).tensor_split(batch_size))


# ------------------------------------------------------------------ the gradient of a minibatch


def minibatch_gradient(W, X, y):
    """Xᵀ(softmax(XW) − onehot(y)) / B."""
    P = torch.softmax(X @ W, dim=1)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P / len(y)


def _batch(label, generator, size, features, classes, scale=1.0):
    return Call(
        label,
        {
            "W": scale * normal(generator, features, classes),
            "X": normal(generator, size, features),
            "y": torch.randint(classes, (size,), generator=generator),
        },
    )


_seen = torch.Generator().manual_seed(1)

MINIBATCH_GRADIENT = Exercise(
    notebook="minibatch-noise",
    reference=minibatch_gradient,
    returns=("gradient",),
    public=[
        Call(
            "two samples, zero weights: every class has probability 1/2",
            {
                "W": torch.zeros(2, 2, dtype=F64),
                "X": torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=F64),
                "y": torch.tensor([0, 1]),
            },
        ),
        _batch("five samples, three features, four classes", _seen, 5, 3, 4),
        _batch("one sample", _seen, 1, 4, 3),
        _batch("logits in the thousands", _seen, 6, 3, 3, scale=1500.0),
        _batch("in float32", _seen, 7, 5, 3).to(F32),
    ],
    draw=lambda generator: [
        _batch("other samples", generator, 6, 4, 3),
        _batch("more classes than samples", generator, 3, 4, 6),
        _batch("logits in the thousands", generator, 8, 3, 4, scale=2000.0),
        _batch("in float32", generator, 9, 3, 5).to(F32),
    ],
    forbids=("torch.nn.functional.cross_entropy", "torch.autograd", "torch.func"),
)


@MINIBATCH_GRADIENT.misconception(
    "the gradient is summed over the batch; it must be the mean",
    "Divide by the number of samples, or the step grows with the batch.",
)
def summed(W, X, y):
    P = torch.softmax(X @ W, dim=1)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P


@MINIBATCH_GRADIENT.misconception(
    "the sign is wrong: this points downhill",
    "The gradient is Xᵀ(P − Y)/B; the optimizer subtracts it.",
)
def downhill(W, X, y):
    P = torch.softmax(X @ W, dim=1)
    P[torch.arange(len(y)), y] -= 1
    return -X.T @ P / len(y)


@MINIBATCH_GRADIENT.misconception(
    "the labels are missing: Xᵀ P/B without − Y",
    "Subtract 1 from the probability of each sample's own class.",
)
def labels_missing(W, X, y):
    return X.T @ torch.softmax(X @ W, dim=1) / len(y)


@MINIBATCH_GRADIENT.misconception(
    "the softmax is taken over the samples; it belongs over the classes",
    "The rows of P sum to one: softmax(…, dim=1).",
)
def softmax_over_samples(W, X, y):
    P = torch.softmax(X @ W, dim=0)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P / len(y)


@MINIBATCH_GRADIENT.misconception(
    "exp overflows for large logits and leaves nan",
    "Subtract each row's maximum first, or use torch.softmax, which does.",
)
def overflows(W, X, y):
    E = torch.exp(X @ W)
    P = E / E.sum(1, keepdim=True)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P / len(y)


@MINIBATCH_GRADIENT.misconception(
    "a sigmoid stands in place of the softmax",
    "The classes exclude each other, so their probabilities share one denominator.",
)
def sigmoid_instead(W, X, y):
    P = torch.sigmoid(X @ W)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P / len(y)


@MINIBATCH_GRADIENT.misconception(
    "the mean is taken over samples and classes",
    "Divide by the number of samples only.",
)
def mean_over_classes_too(W, X, y):
    P = torch.softmax(X @ W, dim=1)
    P[torch.arange(len(y)), y] -= 1
    return X.T @ P / P.numel()


# ------------------------------------------------------------------ its variance


def grad_cov_trace(G, batch_size, replace):
    """TrΣ/B, times (N − B)/(N − 1) without replacement; Σ divides by N."""
    trace = G.var(dim=0, correction=0).sum().item()
    n = len(G)
    return trace / batch_size * (1 if replace else (n - batch_size) / (n - 1))


def _by_hand():
    return torch.tensor([[1.0, 0.0], [3.0, 0.0], [1.0, 4.0], [3.0, 4.0]], dtype=F64)


def _trace(label, G, batch_size, replace):
    return Call(label, {"G": G, "batch_size": batch_size, "replace": replace})


def _traces(generator):
    G = normal(generator, whole(generator, 7, 12), 3) + normal(generator, 3)
    return [
        _trace("with replacement", G, 3, True),
        _trace("without replacement", G, 4, False),
        _trace("the whole set without replacement: no noise is left", G, len(G), False),
        _trace("without replacement, more weights", normal(generator, 9, 20) + 1, 2, False),
    ]


GRAD_COV_TRACE = Exercise(
    notebook="minibatch-noise",
    reference=grad_cov_trace,
    returns=("trace",),
    public=[
        _trace("by hand: the variances are 1 and 4", _by_hand(), 2, True),
        _trace("the same, without replacement", _by_hand(), 2, False),
        _trace("the whole set without replacement: no noise is left", _by_hand(), 4, False),
        _trace("gradients far from 0", normal(_seen, 10, 3) + 2, 3, True),
        _trace("the same kind, without replacement", normal(_seen, 10, 3) + 2, 3, False),
    ],
    draw=_traces,
    rtol=1e-6,
)


@GRAD_COV_TRACE.misconception(
    "drawing without replacement is not less noisy than with it",
    "Without replacement multiply by (N − B)/(N − 1): at B = N there is no noise.",
)
def replacement_ignored(G, batch_size, replace):
    return G.var(dim=0, correction=0).sum().item() / batch_size


@GRAD_COV_TRACE.misconception(
    "with and without replacement are swapped",
    "The factor (N − B)/(N − 1) belongs to replace=False.",
)
def replacement_swapped(G, batch_size, replace):
    n = len(G)
    factor = (n - batch_size) / (n - 1) if replace else 1
    return G.var(dim=0, correction=0).sum().item() / batch_size * factor


@GRAD_COV_TRACE.misconception(
    "Σ divides by N − 1; the N samples are all there is here, so divide by N",
    "torch.var divides by N − 1 unless told correction=0.",
)
def bessel(G, batch_size, replace):
    n = len(G)
    factor = 1 if replace else (n - batch_size) / (n - 1)
    return G.var(dim=0).sum().item() / batch_size * factor


@GRAD_COV_TRACE.misconception(
    "the factor without replacement is (N − B)/N; it must be (N − B)/(N − 1)",
    "With B = 1 the two ways of drawing are the same, so the factor must be 1 there.",
)
def factor_over_n(G, batch_size, replace):
    n = len(G)
    factor = 1 if replace else (n - batch_size) / n
    return G.var(dim=0, correction=0).sum().item() / batch_size * factor


@GRAD_COV_TRACE.misconception(
    "the batch size is missing: the mean of B gradients has a B-th of the variance",
    "Divide by batch_size.",
)
def not_divided(G, batch_size, replace):
    n = len(G)
    factor = 1 if replace else (n - batch_size) / (n - 1)
    return G.var(dim=0, correction=0).sum().item() * factor


@GRAD_COV_TRACE.misconception(
    "the mean gradient is not subtracted: this is a second moment, not a variance",
    "Var = mean of (G − mean)², weight by weight.",
)
def second_moment(G, batch_size, replace):
    n = len(G)
    factor = 1 if replace else (n - batch_size) / (n - 1)
    return (G**2).mean(0).sum().item() / batch_size * factor


@GRAD_COV_TRACE.misconception(
    "the average over the weights is taken; a trace is a sum",
    "Add up the variances of all weights.",
)
def averaged_over_weights(G, batch_size, replace):
    n = len(G)
    factor = 1 if replace else (n - batch_size) / (n - 1)
    return G.var(dim=0, correction=0).mean().item() / batch_size * factor


@GRAD_COV_TRACE.misconception(
    "standard deviations are summed; a covariance has variances on its diagonal",
    "G.var, not G.std.",
)
def deviations(G, batch_size, replace):
    n = len(G)
    factor = 1 if replace else (n - batch_size) / (n - 1)
    return G.std(dim=0, correction=0).sum().item() / batch_size * factor


# ------------------------------------------------------------------ the noise scale


def noise_scale(G):
    """TrΣ/|ḡ|² (McCandlish et al. 2018, the "simple" noise scale)."""
    return (G.var(dim=0, correction=0).sum() / G.mean(0).square().sum()).item()


NOISE_SCALE = Exercise(
    notebook="minibatch-noise",
    reference=noise_scale,
    returns=("scale",),
    public=[
        Call("by hand: the variances are 1 and 4, the mean is (2, 2)", {"G": _by_hand()}),
        Call("ten samples, three weights", {"G": normal(_seen, 10, 3) + 1}),
        Call("gradients that nearly agree", {"G": 0.1 * normal(_seen, 6, 4) + 3}),
    ],
    draw=lambda generator: [
        Call("other gradients", {"G": normal(generator, 8, 5) + uniform(generator, 0.5, 2)}),
        Call("more samples", {"G": 2 * normal(generator, 30, 3) - 1}),
    ],
    rtol=1e-5,
)


@NOISE_SCALE.misconception(
    "it is upside down: signal over noise",
    "trΣ above, the squared length of the mean gradient below.",
)
def signal_over_noise(G):
    return (G.mean(0).square().sum() / G.var(dim=0, correction=0).sum()).item()


@NOISE_SCALE.misconception(
    "the length of the mean gradient is not squared",
    "Both trΣ and |ḡ|² have the unit of a squared gradient; the scale has none.",
)
def not_squared(G):
    return (G.var(dim=0, correction=0).sum() / G.mean(0).norm()).item()


@NOISE_SCALE.misconception(
    "below stands the mean of the squared lengths; it must be the square of the mean's length",
    "First average the gradients, then take |ḡ|².",
)
def mean_of_squares(G):
    return (G.var(dim=0, correction=0).sum() / G.square().sum(1).mean()).item()


@NOISE_SCALE.misconception(
    "the mean gradient is not subtracted in trΣ",
    "Above stands a variance, not the mean of squares. (This is the scale plus 1.)",
)
def plus_one(G):
    return (G.square().mean(0).sum() / G.mean(0).square().sum()).item()


@NOISE_SCALE.misconception(
    "Σ divides by N − 1; the N samples are all there is here, so divide by N",
    "torch.var divides by N − 1 unless told correction=0.",
)
def bessel_again(G):
    return (G.var(dim=0).sum() / G.mean(0).square().sum()).item()


@NOISE_SCALE.misconception(
    "a root is taken: this is noise over signal, whose square is meant",
    "B is compared with trΣ/|ḡ|² itself.",
)
def rooted(G):
    return (G.var(dim=0, correction=0).sum() / G.mean(0).square().sum()).sqrt().item()


# ------------------------------------------------------------------ where the noise settles


def stationary_variance(lr, lam, sigma, batch_size, beta):
    """ησ²(1 + β)/(Bλ(1 − β)(2(1 + β) − ηλ))."""
    return (
        lr * sigma**2 * (1 + beta) / (batch_size * lam * (1 - beta) * (2 * (1 + beta) - lr * lam))
    )


def _stationary(label, lr, lam, sigma, batch_size, beta):
    return Call(
        label,
        {"lr": lr, "lam": lam, "sigma": sigma, "batch_size": batch_size, "beta": beta},
    )


STATIONARY_VARIANCE = Exercise(
    notebook="minibatch-noise",
    reference=stationary_variance,
    returns=("variance",),
    public=[
        _stationary("by hand: no momentum, ηλ = 1", 0.5, 2.0, 3.0, 1, 0.0),
        _stationary("momentum .5, a batch of 4", 0.5, 3.0, 2.0, 4, 0.5),
        _stationary("close to the limit of stability", 0.19, 10.0, 1.5, 8, 0.1),
        _stationary("momentum .9", 0.2, 1.5, 0.7, 32, 0.9),
    ],
    draw=lambda generator: [
        _stationary(
            "other values",
            uniform(generator, 0.05, 0.4),
            uniform(generator, 1.5, 4.0),
            uniform(generator, 0.3, 3.0),
            whole(generator, 2, 64),
            uniform(generator, 0.3, 0.9),
        )
        for _ in range(3)
    ],
)


@STATIONARY_VARIANCE.misconception(
    "the momentum is left out",
    "Set β = 0 to see that your formula is right there; then derive it with β.",
)
def without_momentum(lr, lam, sigma, batch_size, beta):
    return lr * sigma**2 / (batch_size * lam * (2 - lr * lam))


@STATIONARY_VARIANCE.misconception(
    "this is plain SGD with the learning rate η/(1 − β), which is right for small η only",
    "Momentum also remembers; solve the three equations of section 5 for β > 0.",
)
def effective_rate(lr, lam, sigma, batch_size, beta):
    lr = lr / (1 - beta)
    return lr * sigma**2 / (batch_size * lam * (2 - lr * lam))


@STATIONARY_VARIANCE.misconception(
    "the term − ηλ is dropped: right for small learning rates only",
    "The last factor of the denominator is 2(1 + β) − ηλ.",
)
def small_rate(lr, lam, sigma, batch_size, beta):
    return lr * sigma**2 / (2 * batch_size * lam * (1 - beta))


@STATIONARY_VARIANCE.misconception(
    "the batch size is left out",
    "The variance of the mean of B gradients is σ²/B.",
)
def batch_left_out(lr, lam, sigma, batch_size, beta):
    return lr * sigma**2 * (1 + beta) / (lam * (1 - beta) * (2 * (1 + beta) - lr * lam))


@STATIONARY_VARIANCE.misconception(
    "σ is not squared",
    "σ is a standard deviation, and a variance is asked for.",
)
def sigma_not_squared(lr, lam, sigma, batch_size, beta):
    return lr * sigma * (1 + beta) / (batch_size * lam * (1 - beta) * (2 * (1 + beta) - lr * lam))


@STATIONARY_VARIANCE.misconception(
    "this is the standard deviation; the variance is asked for",
    "Leave out the root.",
)
def deviation_returned(lr, lam, sigma, batch_size, beta):
    return math.sqrt(
        lr * sigma**2 * (1 + beta) / (batch_size * lam * (1 - beta) * (2 * (1 + beta) - lr * lam))
    )


@STATIONARY_VARIANCE.misconception(
    "1 + β and 1 − β are swapped in front: more momentum would mean less noise",
    "The factor is (1 + β)/(1 − β).",
)
def beta_swapped(lr, lam, sigma, batch_size, beta):
    return (
        lr * sigma**2 * (1 - beta) / (batch_size * lam * (1 + beta) * (2 * (1 + beta) - lr * lam))
    )


# ------------------------------------------------------------------ is every class in the batch?


def p_all_classes(batch_size, n_classes):
    """Σ_j (−1)^j C(K, j) (1 − j/K)^B."""
    return sum(
        (-1) ** j * math.comb(n_classes, j) * (1 - j / n_classes) ** batch_size
        for j in range(n_classes + 1)
    )


def _several(label, *pairs):
    return Steps(label, steps=[{"batch_size": b, "n_classes": k} for b, k in pairs])


P_ALL_CLASSES = Exercise(
    notebook="minibatch-noise",
    reference=p_all_classes,
    returns=("p",),
    public=[
        _several(
            "two coins, then three samples of three classes: by hand 1/2, 2/9", (2, 2), (3, 3)
        ),
        _several("batches of 32 and 64, ten classes", (32, 10), (64, 10)),
        _several("a batch smaller than the number of classes cannot hold them", (12, 4), (3, 4)),
        _several("a single class", (4, 1)),
    ],
    draw=lambda generator: [
        _several(
            "other sizes",
            *((whole(generator, k, 5 * k), k) for k in range(3, 8)),
        ),
        _several("many classes", (whole(generator, 60, 120), 20)),
        _several("too few samples", (30, 6), (whole(generator, 2, 5), 6)),
    ],
    rtol=1e-8,
)


@P_ALL_CLASSES.misconception(
    "this is the sum over the missing classes only; two may be missing at once",
    "Add the pairs again, subtract the triples, and so on: inclusion and exclusion.",
)
def union_bound(batch_size, n_classes):
    return 1 - n_classes * (1 - 1 / n_classes) ** batch_size


@P_ALL_CLASSES.misconception(
    "the classes are treated as independent; where one sample goes, another class misses it",
    "(1 − (1 − 1/K)^B)^K is close, but not right. Use inclusion and exclusion.",
)
def independent(batch_size, n_classes):
    return (1 - (1 - 1 / n_classes) ** batch_size) ** n_classes


@P_ALL_CLASSES.misconception(
    "this is the probability that a class is missing",
    "Take it from 1.",
)
def some_missing(batch_size, n_classes):
    return 1 - sum(
        (-1) ** j * math.comb(n_classes, j) * (1 - j / n_classes) ** batch_size
        for j in range(n_classes + 1)
    )


@P_ALL_CLASSES.misconception(
    "this is the probability that one given class is there; all of them are asked for",
    "Every class may be missing: inclusion and exclusion over all of them.",
)
def one_class_only(batch_size, n_classes):
    return 1 - (1 - 1 / n_classes) ** batch_size


@P_ALL_CLASSES.misconception(
    "the signs do not alternate",
    "(−1)^j: what was subtracted twice must be added again.",
)
def no_signs(batch_size, n_classes):
    return 1 - sum(
        math.comb(n_classes, j) * (1 - j / n_classes) ** batch_size for j in range(1, n_classes + 1)
    )


@P_ALL_CLASSES.misconception(
    "C(K, j) is missing: there are that many ways to choose the j missing classes",
    "math.comb(n_classes, j).",
)
def no_choice(batch_size, n_classes):
    return sum((-1) ** j * (1 - j / n_classes) ** batch_size for j in range(n_classes + 1))


# ------------------------------------------------------------------ a stratified split


def stratified_split(y, fraction, generator):
    """Of every class ⌊fraction · n_c + ½⌋ samples at random, and the rest."""
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=generator)]
        k = math.floor(fraction * len(members) + 0.5)
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(first), torch.cat(second)


@dataclass(frozen=True)
class Split(Case):
    """A split, the same once more, and one with another seed.

    Attributes:
        counts: Samples of each class.
        fraction: Share of the first part.
        seed: Of the generators.
    """

    counts: Sequence[int]
    fraction: float
    seed: int

    def run(self, call):
        """Split three times and say what is true of it."""
        mixed = torch.randperm(sum(self.counts), generator=torch.Generator().manual_seed(99))
        y = torch.arange(len(self.counts)).repeat_interleave(torch.tensor(self.counts))[mixed]
        first, second = self._split(call, y, self.seed)
        again, _ = self._split(call, y, self.seed)
        other, _ = self._split(call, y, self.seed + 1)
        everything = torch.cat([first, second]).sort()[0]
        values = {
            "classes in the first part": self._count(y, first),
            "classes in the second part": self._count(y, second),
            "each sample in exactly one part": torch.equal(everything, torch.arange(len(y))),
            "same seed, same split": torch.equal(first.sort()[0], again.sort()[0]),
            "another seed, another split": not torch.equal(first.sort()[0], other.sort()[0]),
        }
        given = {
            "y": _Words(f"labels of {list(self.counts)} samples a class, mixed"),
            "fraction": self.fraction,
            "generator": _Words(f"torch.Generator().manual_seed({self.seed})"),
        }
        return [Observation("", given, values)]

    def _split(self, call, y, seed):
        arguments = {"y": y.clone(), "fraction": self.fraction}
        parts = call(**arguments, generator=torch.Generator().manual_seed(seed))
        first = _indices(parts["first"], "the first part")
        second = _indices(parts["second"], "the second part")
        for part in (first, second):
            if len(part) and not 0 <= int(part.min()) <= int(part.max()) < len(y):
                raise Refused(
                    "returns numbers that are no indices of y",
                    "Return positions in y, not labels: (y == c).nonzero() gives them.",
                )
        return first, second

    def _count(self, y, part):
        return y[part].bincount(minlength=len(self.counts)).tolist()


STRATIFIED_SPLIT = Exercise(
    notebook="minibatch-noise",
    reference=stratified_split,
    returns=("first", "second"),
    public=[
        Split("iris: 50 of each class, two thirds", (50, 50, 50), 2 / 3, 0),
        Split("classes of different size, half of each", (40, 18, 9), 0.5, 1),
        Split("shares that must be rounded", (37, 23, 12, 7), 0.3, 2),
    ],
    draw=lambda generator: [
        Split(
            "classes of different size",
            (whole(generator, 55, 65), whole(generator, 27, 33), 15),
            0.7,
            3,
        ),
        Split("shares that must be rounded up", (47, 26, 17, 8), 0.6, whole(generator, 0, 99)),
        Split("one class is rare", (90, whole(generator, 40, 48), 10), 0.25, 4),
    ],
    forbids=("lib.data.split", "sklearn"),
)


@STRATIFIED_SPLIT.misconception(
    "the classes are left to chance",
    "Split each class by itself, then put the parts together.",
)
def left_to_chance(y, fraction, generator):
    order = torch.randperm(len(y), generator=generator)
    k = math.floor(fraction * len(y) + 0.5)
    return order[:k], order[k:]


@STRATIFIED_SPLIT.misconception(
    "of every class the first samples are taken, so that the split is always the same",
    "Shuffle the members of each class with the generator first.",
)
def not_shuffled(y, fraction, generator):
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        k = math.floor(fraction * len(members) + 0.5)
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(first), torch.cat(second)


@STRATIFIED_SPLIT.misconception(
    "the two parts are swapped",
    "The first part has the share `fraction`.",
)
def parts_swapped(y, fraction, generator):
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=generator)]
        k = math.floor(fraction * len(members) + 0.5)
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(second), torch.cat(first)


@STRATIFIED_SPLIT.misconception(
    "every class gives the same number of samples; it must give the same share",
    "A class twice as large gives twice as many: ⌊fraction · n_c + ½⌋.",
)
def same_number(y, fraction, generator):
    first, second = [], []
    labels = y.unique()
    for c in labels:
        members = (y == c).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=generator)]
        k = math.floor(fraction * len(y) / len(labels) + 0.5)
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(first), torch.cat(second)


@STRATIFIED_SPLIT.misconception(
    "the share of each class is rounded down",
    "Round to the nearest: math.floor(fraction * n_c + 0.5).",
)
def rounded_down(y, fraction, generator):
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=generator)]
        k = int(fraction * len(members))
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(first), torch.cat(second)


@STRATIFIED_SPLIT.misconception(
    "the parts are drawn independently, so they share samples",
    "Shuffle once, and cut: what is not in the first part is in the second.",
)
def parts_overlap(y, fraction, generator):
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        k = math.floor(fraction * len(members) + 0.5)
        first.append(members[torch.randperm(len(members), generator=generator)[:k]])
        second.append(members[torch.randperm(len(members), generator=generator)[k:]])
    return torch.cat(first), torch.cat(second)


@STRATIFIED_SPLIT.misconception(
    "the order does not come from the generator, so the split cannot be repeated",
    "Pass it on: torch.randperm(…, generator=generator).",
)
def generator_unused(y, fraction, generator):
    first, second = [], []
    for c in y.unique():
        members = (y == c).nonzero().squeeze(1)
        members = members[torch.randperm(len(members))]
        k = math.floor(fraction * len(members) + 0.5)
        first.append(members[:k])
        second.append(members[k:])
    return torch.cat(first), torch.cat(second)


# ------------------------------------------------------------------ how sure is an accuracy?


def accuracy_interval(correct, n):
    """Wilson's 95% interval, with z = 1.96."""
    z = 1.96
    p = correct / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return (center - half) / scale, (center + half) / scale


def _accuracy(label, correct, n):
    return Call(label, {"correct": correct, "n": n})


ACCURACY_INTERVAL = Exercise(
    notebook="minibatch-noise",
    reference=accuracy_interval,
    returns=("low", "high"),
    public=[
        _accuracy("one right of four", 1, 4),
        _accuracy("all right: the interval is not empty", 20, 20),
        _accuracy("97.77% of ten thousand, as in the lecture", 9777, 10000),
        Steps(
            "none right of ten, then nine",
            steps=[{"correct": 0, "n": 10}, {"correct": 9, "n": 10}],
        ),
    ],
    draw=lambda generator: [
        _accuracy("a small test set", whole(generator, 12, 27), 30),
        _accuracy("all right", n := whole(generator, 15, 60), n),
        _accuracy("a larger one", whole(generator, 700, 980), 1000),
    ],
    forbids=("lib.measure.proportion_interval",),
    rtol=1e-6,
)


@ACCURACY_INTERVAL.misconception(
    "this is p ± z√(p(1 − p)/n), which is empty at p = 1 and can leave [0, 1]",
    "Wilson's interval has z²/n in three places.",
)
def normal_interval(correct, n):
    p = correct / n
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


@ACCURACY_INTERVAL.misconception(
    "the denominator 1 + z²/n is missing",
    "Divide both ends by 1 + z²/n.",
)
def denominator_missing(correct, n):
    p = correct / n
    center = p + 1.96**2 / (2 * n)
    half = 1.96 * math.sqrt(p * (1 - p) / n + 1.96**2 / (4 * n**2))
    return center - half, center + half


@ACCURACY_INTERVAL.misconception(
    "z is 1.645: that is 90%; 95% needs 1.96, for 2.5% are left out on either side",
    "Use z = 1.96.",
)
def ninety_percent(correct, n):
    z = 1.645
    p = correct / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return (center - half) / scale, (center + half) / scale


@ACCURACY_INTERVAL.misconception(
    "z is missing: this reaches one standard error to either side, about 68%",
    "Use z = 1.96.",
)
def one_standard_error(correct, n):
    p = correct / n
    center = p + 1 / (2 * n)
    half = math.sqrt(p * (1 - p) / n + 1 / (4 * n**2))
    scale = 1 + 1 / n
    return (center - half) / scale, (center + half) / scale


@ACCURACY_INTERVAL.misconception(
    "the interval is centered on p; Wilson's is drawn towards 1/2",
    "The middle is (p + z²/2n)/(1 + z²/n).",
)
def centered_on_p(correct, n):
    z = 1.96
    p = correct / n
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return p - half, p + half


@ACCURACY_INTERVAL.misconception(
    "the ends are percentages; shares between 0 and 1 are asked for",
    "Do not multiply by 100.",
)
def percentages(correct, n):
    z = 1.96
    p = correct / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return 100 * (center - half) / scale, 100 * (center + half) / scale


@ACCURACY_INTERVAL.misconception(
    "the upper end comes first",
    "Return (low, high).",
)
def ends_swapped(correct, n):
    z = 1.96
    p = correct / n
    center = p + z**2 / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return (center + half) / scale, (center - half) / scale
