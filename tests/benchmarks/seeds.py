"""Time 16 seeds of the lecture's MLP on digits: one after the other, and all at once.

    OMP_NUM_THREADS=2 python tests/benchmarks/seeds.py

Target: five times as fast on two cores.

One after the other is the loop one would write: a module, `torch.optim`, `backward`, `step`. At
once is `lib.training.fit_many`, with its step recorded (making the recording included) and without.
All see the same batches and the same initial weights, and take the whole set's loss after each
epoch; the largest difference between their final weights is printed. Each is run once to warm up.
Then they take turns, and the best of three counts, because other work on the machine only ever adds
time. Two threads on a machine that has no two idle cores wait for each other: a loop of small steps
then takes ten times as long, and the ratio means nothing.

What limits it, measured at batch 32 with SGD on two AMD EPYC cores that others used too. Matrix
products take 44% of a recorded step on one thread. They run at 74 GFLOP/s there, against 29 in one
model's step, and cannot go much faster; a large batch, with which one model alone fills the core,
gains less. The rest is memory traffic and the dispatch of some 80 tensor operations. Tried, in µs a
step on two threads: `vmap(grad)` of one model's step 1770; one gradient of the summed losses 1710;
that one recorded with `make_fx` 740, after 0.1 s; `vmap(grad)` through `torch.compile` 335, after 3
to 11 s of compiling, longer than such a training takes. Whole runs came out between 3.2 and
5.8 times as fast, depending on what else ran; batches of 128, about twice.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.live import Live
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

from lib import rules
from lib.data import Loader, digits
from lib.models import MLP
from lib.training import fit_many, stack_parameters

SEEDS = range(16)
REPEATS = 3
METHODS = {
    "SGD": (torch.optim.SGD, {"lr": 0.1}, rules.sgd, {"lr": 0.1}),
    "momentum": (
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9},
        rules.sgd_momentum,
        {"lr": 0.1, "momentum": 0.9},
    ),
    "Adam": (torch.optim.Adam, {"lr": 1e-3}, rules.adam, {"lr": 1e-3}),
}


def build() -> tuple[list[MLP], list[torch.Generator]]:
    """Return fresh models and the generators of their batches."""
    models = [MLP(64, 100, 10, generator=torch.Generator().manual_seed(seed)) for seed in SEEDS]
    return models, [torch.Generator().manual_seed(1000 + seed) for seed in SEEDS]


def one_after_the_other(name: str, batch_size: int, epochs: int) -> Tensor:
    """Train each model with a plain loop; return all parameters, (seeds, P)."""
    optimizer_class, keywords, _, _ = METHODS[name]
    X, y = digits()
    models, generators = build()
    for model, generator in zip(models, generators, strict=True):
        optimizer = optimizer_class(model.parameters(), **keywords)
        loader = Loader(X, y, batch_size, generator=generator)
        for _ in range(epochs):
            for X_part, y_part in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(X_part), y_part).backward()
                optimizer.step()
            with torch.no_grad():
                F.cross_entropy(model(X), y)  # the whole-set loss, which fit_many takes as well
    return stack_parameters(models)


def at_once(record: bool, name: str, batch_size: int, epochs: int) -> Tensor:
    """Train all models side by side; return all parameters, (seeds, P)."""
    _, _, rule, hyper = METHODS[name]
    models, generators = build()
    return fit_many(
        models,
        rule,
        *digits(),
        batch_size=batch_size,
        epochs=epochs,
        generators=generators,
        hyper=hyper,
        record=record,
    ).w


def seconds(function: Callable[..., Tensor], *arguments: object) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 128])
    arguments = parser.parse_args()

    console = Console()
    console.print(
        f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; "
        f"torch {torch.__version__}, Python {platform.python_version()}; "
        f"load average {os.getloadavg()[0]:.1f} at the start"
    )
    table = Table(
        title=f"{len(SEEDS)} seeds of the MLP 64-100-10 on digits: µs a step of all, speed-up",
        caption=f"best of {REPEATS}, {arguments.epochs} epochs each",
    )
    for column in ("method", "batch", "one after the other", "at once", "recorded", "difference"):
        table.add_column(column, justify="left" if column == "method" else "right")
    ways = [one_after_the_other, partial(at_once, False), partial(at_once, True)]
    with Live(table, console=console):  # each row as soon as it is known
        for name in arguments.methods:
            for batch_size in arguments.batch_sizes:
                case = (name, batch_size, arguments.epochs)
                expected, *others = (way(*case) for way in ways)
                difference = max((other - expected).abs().max().item() for other in others)
                turns = [[seconds(way, *case) for way in ways] for _ in range(REPEATS)]
                steps = arguments.epochs * -(-len(digits().y) // batch_size)
                alone, *together = (min(times) / steps * 1e6 for times in zip(*turns, strict=True))
                table.add_row(
                    name,
                    str(batch_size),
                    f"{alone:.0f}",
                    *(f"{each:.0f} ({alone / each:.1f}×)" for each in together),
                    f"{difference:.0e}",
                )


if __name__ == "__main__":
    main()
