"""Right answers to the minibatch notebook's exercises."""

import math

import torch


def minibatches__plain(n, batch_size, generator):
    order = torch.rand(n, generator=generator).argsort()
    batches = []
    for start in range(0, n, batch_size):
        batches.append(order[start : start + batch_size])
    return batches


def minibatches__terse(n, batch_size, generator):
    return torch.randperm(n, generator=generator).split(batch_size)


def minibatch_gradient__plain(W, X, y):
    logits = X @ W
    logits = logits - logits.max(1, keepdim=True).values
    E = torch.exp(logits)
    P = E / E.sum(1, keepdim=True)
    Y = torch.zeros_like(P)
    for i in range(len(y)):
        Y[i, y[i]] = 1
    return X.T @ (P - Y) / len(y)


def minibatch_gradient__terse(W, X, y):
    Y = torch.eye(W.shape[1], dtype=W.dtype)[y]
    return torch.einsum("bf,bk->fk", X, (X @ W).softmax(-1) - Y) / len(X)


def grad_cov_trace__plain(G, batch_size, replace):
    N = len(G)
    trace = ((G - G.mean(0)) ** 2).sum() / N
    if not replace:
        trace = trace * (N - batch_size) / (N - 1)
    return trace / batch_size


def grad_cov_trace__terse(G, batch_size, replace):
    c = torch.cov(G.T, correction=0).trace().item() / batch_size
    return c if replace else c * (len(G) - batch_size) / (len(G) - 1)


def noise_scale__plain(G):
    mean = G.mean(0)
    noise = ((G - mean) ** 2).sum(1).mean()
    signal = (mean**2).sum()
    return (noise / signal).item()


def noise_scale__terse(G):
    return ((G * G).sum(1).mean() / G.mean(0).norm() ** 2 - 1).item()


def stationary_variance__plain(lr, lam, sigma, batch_size, beta):
    noise = sigma**2 / batch_size
    above = lr * noise * (1 + beta)
    below = lam * (1 - beta) * (2 * (1 + beta) - lr * lam)
    return above / below


def stationary_variance__terse(lr, lam, sigma, batch_size, beta):
    return lr / lam * sigma**2 / batch_size / (1 - beta) / (2 - lr * lam / (1 + beta))


def p_all_classes__plain(batch_size, n_classes):
    total = 0.0
    for j in range(n_classes + 1):
        sign = -1 if j % 2 else 1
        total += sign * math.comb(n_classes, j) * ((n_classes - j) / n_classes) ** batch_size
    return total


def p_all_classes__terse(batch_size, n_classes):
    seen = [1.0] + [0.0] * n_classes
    for _ in range(batch_size):
        seen = [0.0] + [
            seen[j] * j / n_classes + seen[j - 1] * (n_classes - j + 1) / n_classes
            for j in range(1, n_classes + 1)
        ]
    return seen[-1]


def stratified_split__plain(y, fraction, generator):
    order = torch.randperm(len(y), generator=generator)
    first, second = [], []
    for label in sorted(set(y.tolist())):
        members = [i for i in order.tolist() if y[i] == label]
        k = math.floor(fraction * len(members) + 0.5)
        first += members[:k]
        second += members[k:]
    return torch.tensor(first), torch.tensor(second)


def stratified_split__terse(y, fraction, generator):
    chosen = torch.zeros(len(y), dtype=torch.bool)
    for label in y.unique():
        members = torch.where(y == label)[0]
        k = math.floor(fraction * len(members) + 0.5)
        chosen[members[torch.randperm(len(members), generator=generator)[:k]]] = True
    return torch.where(chosen)[0], torch.where(~chosen)[0]


def accuracy_interval__plain(correct, n):
    z = 1.96
    p = correct / n
    below = 1 + z**2 / n
    center = (p + z**2 / (2 * n)) / below
    half = z / below * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return center - half, center + half


def accuracy_interval__terse(correct, n):
    z2 = 1.96**2
    root = math.sqrt(z2 * (z2 + 4 * correct * (n - correct) / n))
    return (2 * correct + z2 - root) / (2 * (n + z2)), (2 * correct + z2 + root) / (2 * (n + z2))
