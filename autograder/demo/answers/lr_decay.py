"""Right answers to the learning-rate decay notebook's exercises."""

import math

import torch


def exponential__plain(t, lr0, k):
    factor = math.e ** (-k * t)
    return lr0 * factor


def exponential__terse(t, lr0, k):
    return lr0 * (torch.exp(-k * t) if torch.is_tensor(t) else math.exp(-k * t))


def halving__plain(t, lr0, every):
    drops = t // every
    return lr0 / 2**drops


def halving__terse(t, lr0, every):
    return 0.5 ** (t // every) * lr0


def inverse__plain(t, lr0, k):
    denominator = 1 + k * t
    return lr0 / denominator


def inverse__terse(t, lr0, k):
    return lr0 * (k * t + 1) ** -1.0


def triangular__plain(t, lr_min, lr_max, stepsize):
    position = t % (2 * stepsize)
    distance_from_top = abs(position - stepsize)
    return lr_max - (lr_max - lr_min) * distance_from_top / stepsize


def triangular__terse(t, lr_min, lr_max, stepsize):
    return lr_min + (lr_max - lr_min) * (1 - abs((t / stepsize) % 2 - 1))


def residual__plain(lr, lam, k, steps):
    error = 1.0
    for t in range(steps):
        rate = lr * math.exp(-k * t)
        error = error - rate * lam * error
    return error


def residual__terse(lr, lam, k, steps):
    t = torch.arange(steps, dtype=torch.float64)
    return (1 - lr * lam * torch.exp(-k * t)).prod().item()


def fastest_decay__plain(lr, lam, share):
    total = -math.log(share)
    q = 1 - lr * lam / total
    return -math.log(q)


def fastest_decay__terse(lr, lam, share):
    return -math.log1p(lr * lam / math.log(share))


def adjust_learning_rate__plain(optimizer, epoch, initial_lr, decay_rate):
    if epoch % 10 == 0:
        lr = initial_lr * math.exp(-decay_rate * epoch)
        for group in optimizer.param_groups:
            group["lr"] = lr


def adjust_learning_rate__terse(optimizer, epoch, initial_lr, decay_rate):
    for group in optimizer.param_groups:
        if not epoch % 10:
            group.update(lr=initial_lr * torch.exp(torch.tensor(-decay_rate * epoch)).item())


def lambda_lr__plain(lr0s, lambdas, epoch):
    rates = []
    for i in range(len(lr0s)):
        rates.append(lr0s[i] * lambdas[i](epoch))
    return rates


def lambda_lr__terse(lr0s, lambdas, epoch):
    return [f(epoch) * lr0 for lr0, f in zip(lr0s, lambdas, strict=True)]


def two_group_scheduler__plain(optimizer, epochs_done):
    def first(epoch):
        return 10.0 ** -(epoch // 30)

    def second(epoch):
        return 0.95**epoch

    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lr_lambda=[first, second], last_epoch=epochs_done - 1
    )


def two_group_scheduler__terse(optimizer, epochs_done):
    tenth, fade = lambda t: 0.1 ** (t // 30), lambda t: math.exp(t * math.log(0.95))
    return torch.optim.lr_scheduler.LambdaLR(optimizer, [tenth, fade], epochs_done - 1)


def run_epochs__plain(epochs, train, validate, scheduler):
    epoch = 0
    while epoch < epochs:
        train(epoch)
        validate(epoch)
        scheduler.step()
        epoch += 1


def run_epochs__terse(epochs, train, validate, scheduler):
    for epoch in range(epochs):
        train(epoch), scheduler.step(), validate(epoch)


def decay_on_plateau__plain(val_history, patience, factor, lr0):
    lr = lr0
    best = None
    since = 0
    for loss in val_history:
        if best is None or loss < best:
            best = loss
            since = 0
            continue
        since += 1
        if since == patience + 1:
            lr = lr * factor
            since = 0
    return lr


def decay_on_plateau__terse(val_history, patience, factor, lr0):
    best, since, drops = math.inf, 0, 0
    for loss in val_history:
        since = 0 if loss < best else since + 1
        best = min(best, loss)
        drops, since = (drops + 1, 0) if since > patience else (drops, since)
    return lr0 * factor**drops


def save_checkpoint__plain(path, model, optimizer, scheduler):
    checkpoint = {}
    checkpoint["model"] = model.state_dict()
    checkpoint["optimizer"] = optimizer.state_dict()
    checkpoint["scheduler"] = scheduler.state_dict()
    torch.save(checkpoint, path)


def save_checkpoint__terse(path, model, optimizer, scheduler):
    named = zip(("model", "optimizer", "scheduler"), (model, optimizer, scheduler), strict=True)
    with open(path, "wb") as file:
        torch.save({name: each.state_dict() for name, each in named}, file)


def load_checkpoint__plain(path, model, optimizer, scheduler):
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])


def load_checkpoint__terse(path, model, optimizer, scheduler):
    for name, state in torch.load(path).items():
        {"model": model, "optimizer": optimizer, "scheduler": scheduler}[name].load_state_dict(
            state
        )
