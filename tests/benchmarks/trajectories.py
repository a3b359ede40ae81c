"""Time 10,000 trajectories of 500 Adam steps: one batched call against a loop over torch.optim.

    OMP_NUM_THREADS=1 python tests/benchmarks/trajectories.py

The loop is the code one would write: a parameter of two numbers, `backward`, `step`. It is timed on
a few trajectories, and the ratio is per trajectory. Both are warmed up and take turns; the best of
three counts, since other work on the machine only ever adds time. The largest difference of their
ends is printed: both must compute the same.

What limits the batched call is memory traffic: a step reads and writes some thirty arrays of 10,000
points, one operation after the other.
"""

from __future__ import annotations

import os
import platform
import time

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from lib import rules, surfaces, trajectories

TRAJECTORIES, STEPS, LOOPED, REPEATS, LR = 10_000, 500, 3, 3, 0.01
SURFACE = surfaces.two_wells


def batched(starts: Tensor) -> Tensor:
    """Return where all trajectories end, in one call."""
    return trajectories.sweep(
        rules.adam, SURFACE, starts=starts, hyper={"lr": LR}, steps=STEPS, every=STEPS
    ).w[-1]


def looped(starts: Tensor) -> Tensor:
    """Return where trajectories end, one after the other with torch's Adam."""
    ends = []
    for start in starts:
        w = torch.nn.Parameter(start.clone())
        optimizer = torch.optim.Adam([w], lr=LR)
        for _ in range(STEPS):
            optimizer.zero_grad()
            SURFACE(w).backward()
            optimizer.step()
        ends.append(w.detach())
    return torch.stack(ends)


def main() -> None:
    """Measure and print."""
    starts = torch.randn(TRAJECTORIES, 2, generator=torch.Generator().manual_seed(0))
    difference = (batched(starts)[:LOOPED] - looped(starts[:LOOPED])).abs().max().item()
    best = {"batched": float("inf"), "looped": float("inf")}
    for _ in range(REPEATS):
        for name, run, points in (
            ("batched", batched, starts),
            ("looped", looped, starts[:LOOPED]),
        ):
            begun = time.perf_counter()
            run(points)
            best[name] = min(best[name], (time.perf_counter() - begun) / len(points))
    table = Table(
        title=f"{TRAJECTORIES:,} trajectories × {STEPS} Adam steps, µs a trajectory",
        caption=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{torch.get_num_threads()} thread(s), torch {torch.__version__}",
    )
    table.add_column("loop over torch.optim", justify="right")
    table.add_column("one batched call", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("largest difference", justify="right")
    ratio = best["looped"] / best["batched"]
    table.add_row(
        f"{best['looped'] * 1e6:,.0f}",
        f"{best['batched'] * 1e6:.1f}",
        f"{ratio:,.0f}×",
        f"{difference:.0e}",
    )
    Console().print(table)


if __name__ == "__main__":
    main()
