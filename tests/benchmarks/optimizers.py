"""Time and memory of an optimizer's step: our backends beside torch's.

    OMP_NUM_THREADS=1 python tests/benchmarks/optimizers.py

Two models: the lecture's MLP 784-100-10 (4 tensors), and 12 million parameters in 50 tensors. The
contestants take turns and the best round of each counts, because other work on the machine only
ever adds time; so only ratios within one run mean something. Memory is what a step needs at its
peak beyond parameters, gradients and state.

Targets: our fastest backend at most 1.0× torch's fastest on both models; our default, which needs
no compiler, at most 1.0× torch's default on the MLP; on a GPU, at least 80% of the card's copy
bandwidth at 100 million parameters.

Measured with torch 2.13 on one thread of a shared two-core AMD EPYC, as ratios:

    ============================================  =====  =====  =======
    our best / torch's best                        Adam    SGD  RMSprop
    ============================================  =====  =====  =======
    MLP                                             .84   1.29      .44
    12 million                                      .99   1.11      .35
    our default / torch's default, MLP              .86   1.03      .88
    our default / torch's default, 12 million       .50   1.12      .99
    ============================================  =====  =====  =======

SGD with momentum misses its targets. On the MLP the arithmetic takes about 21 µs in torch's fused
kernel and in ours; calling it takes 35 µs here and 22 there (the same step on four tiny tensors):
ours sorts parameters by step number and looks a kernel up by its layout, in Python. On 12 million
parameters both read and write the same five passes; the dearer call for 50 tensors explains 84 of
the 580 µs between them, and the rest was not found. Nothing here could be run on a GPU.

What limits a step otherwise: the large model is bound by memory. Adam reads w, g, m, v and writes
w, m, v, seven passes of 48 MB, and torch's fused kernel and our compiled one take just these, so
neither can be much faster. Uncompiled, each instruction is a pass of its own, eight for Adam; ours
work on blocks of 262,144 elements, which mostly stay in the cache in between, and need no
temporaries of the model's size (torch: 47 MB; ours: too little to see). The reference, eager, makes
new tensors all the time and is the slowest by design.

Tried, and slower: compiling through Dynamo (its guards cost 20 µs a step for four tensors); powers
of t inside the kernel, which computes them anew for each vector (Adam on the MLP: 329 µs for 89);
one loop over several tensors, Inductor's default for equal shapes (1.4 times on 12 million: too
many streams to prefetch); gathering everything into flat buffers at each step, uncompiled (about
1.7 times foreach on the MLP, and worse on 12 million).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from lib import optim
from lib.backends import BACKENDS

MODELS = {
    "MLP 784-100-10": [(100, 784), (100,), (10, 100), (10,)],
    "12M in 50 tensors": [(490, 490), (490,)] * 24 + [(6200, 1000), (1000,)],
}
OPTIMIZERS = {
    "Adam": {},
    "SGD": {"lr": 0.01, "momentum": 0.9},
    "RMSprop": {},
}
TORCHS = {"default": {}, "for-loop": {"foreach": False}, "foreach": {"foreach": True}}
FUSED = {"fused": {"fused": True}}
PASSES = {"Adam": 7, "SGD": 5, "RMSprop": 5}  # of memory, at least: reads and writes
GPU_PARAMETERS = 100_000_000


def parameters(shapes: list[tuple[int, ...]], device: str) -> list[torch.nn.Parameter]:
    """Make parameters with gradients."""
    made = [torch.nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
    for p in made:
        p.grad = torch.randn_like(p)
    return made


def contestants(name: str, shapes: list, device: str) -> dict[str, Callable[[], object]]:
    """Make a step for each way to run an optimizer, warmed up."""
    steps: dict[str, Callable[[], object]] = {}
    fused = FUSED if name != "RMSprop" else {}  # torch has no fused RMSprop
    for way, keywords in {**TORCHS, **fused}.items():
        optimizer = getattr(torch.optim, name)(
            parameters(shapes, device), **OPTIMIZERS[name], **keywords
        )
        steps[f"torch {way}"] = optimizer.step
    for backend in BACKENDS:
        optimizer = getattr(optim, name)(
            parameters(shapes, device), **OPTIMIZERS[name], backend=backend
        )
        steps[f"ours {backend}"] = optimizer.step
    for step in steps.values():
        for _ in range(3):
            step()
    return steps


def seconds(step: Callable[[], object], repeats: int, device: str) -> float:
    """Return the time of one step, as the mean of a few in a row."""
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    wait()
    return (time.perf_counter() - start) / repeats


def resident(what: str) -> int:
    """Return a line of this process's status on Linux, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {what} in /proc/self/status")


def peak_bytes(step: Callable[[], object], device: str) -> float:
    """Return how far above the start memory rises during a step; nan if the system won't tell."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        return torch.cuda.max_memory_allocated() - before
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before = resident("VmRSS")
        step()
        return max(0, resident("VmHWM") - before)
    except OSError:
        return float("nan")


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def compare(console: Console, name: str, model: str, rounds: int, device: str) -> None:
    """Print the table of one optimizer on one model."""
    shapes = MODELS[model]
    count = sum(torch.Size(shape).numel() for shape in shapes)
    steps = contestants(name, shapes, device)
    repeats = max(2, 20_000_000 // count)
    times = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for way, step in steps.items():
            times[way] = min(times[way], seconds(step, repeats, device))
    memory = {way: peak_bytes(step, device) for way, step in steps.items()}

    best = min(value for way, value in times.items() if way.startswith("torch"))
    table = Table(title=f"{name}, {model}: {count:,} parameters, {device}")
    for column in ("way", "µs a step", "× torch's best", "× torch's default", "peak MB"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for way, value in times.items():
        table.add_row(
            way,
            f"{value * 1e6:,.0f}",
            f"{value / best:.2f}",
            f"{value / times['torch default']:.2f}",
            f"{memory[way] / 2**20:.1f}",
        )
    console.print(table)


def bandwidth(console: Console) -> None:
    """Print what part of a GPU's copy bandwidth a step of 100 million parameters reaches."""
    if not torch.cuda.is_available():
        console.print("Bandwidth at 100 million parameters: skipped, no CUDA device here.")
        return
    shapes = [(GPU_PARAMETERS // 50,)] * 50
    source, target = (torch.empty(GPU_PARAMETERS, device="cuda") for _ in range(2))
    copy = min(seconds(lambda: target.copy_(source), 20, "cuda") for _ in range(5))
    peak = 2 * source.nbytes / copy
    for name in OPTIMIZERS:
        optimizer = getattr(optim, name)(
            parameters(shapes, "cuda"), **OPTIMIZERS[name], backend="compiled"
        )
        optimizer.step()
        step = min(seconds(optimizer.step, 20, "cuda") for _ in range(5))
        reached = PASSES[name] * source.nbytes / step
        console.print(f"{name}: {reached / 1e9:,.0f} GB/s, {reached / peak:.0%} of a copy's")


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()

    console = Console()
    console.print(
        f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; "
        f"torch {torch.__version__}, Python {platform.python_version()}; "
        f"load average {os.getloadavg()[0]:.1f} at the start"
    )
    for name in arguments.optimizers:
        for model in MODELS:
            compare(console, name, model, arguments.rounds, arguments.device)
    bandwidth(console)


if __name__ == "__main__":
    main()
