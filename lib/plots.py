"""Figures that can be read without color.

Every line differs from its neighbors in dash pattern, marker and color at once, and colors are from
Okabe and Ito's palette, which the color-blind tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from torch import Tensor

from lib import measure
from lib.surfaces import Surface
from lib.trajectories import Trajectory

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 1, 1, 1)))
ICONS = {
    "minus": "−",
    "plus": "+",
    "fast-backward": "⏮",
    "step-backward": "|◀",
    "play fa-flip-horizontal": "◀",
    "play": "▶",
    "pause": "⏸",
    "step-forward": "▶|",
    "fast-forward": "⏭",
}
MARKERS = ("o", "s", "^", "D", "v", "X", "P")


def use_style() -> None:
    """Set matplotlib's defaults: legible sizes, few decorations, the course's palette."""
    mpl.rcParams.update(
        {
            "axes.grid": True,
            "axes.prop_cycle": mpl.cycler(color=COLORS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "figure.dpi": 90,
            "figure.figsize": (7.5, 4.2),
            "font.size": 11,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 6,
        }
    )


def styles() -> Iterator[dict[str, Any]]:
    """Yield one set of line arguments after another: color, dashes and marker all differ.

    >>> next(styles())["marker"]
    'o'
    """
    while True:
        for color, line, marker in zip(COLORS, LINES, MARKERS, strict=True):
            yield {"color": color, "linestyle": line, "marker": marker}


def contours(surface: Surface, ax: Axes | None = None) -> Axes:
    """Draw a surface's contour lines in gray, with a star at its global minimum.

    Args:
        surface: What to draw, over its own ranges.
        ax: Where; a new figure by default.

    Returns:
        The axes.
    """
    ax = plt.subplots()[1] if ax is None else ax
    x = torch.linspace(*surface.xlim, 300, dtype=torch.float64)
    y = torch.linspace(*surface.ylim, 300, dtype=torch.float64)
    z = surface(torch.stack(torch.meshgrid(x, y, indexing="xy"), -1))
    ax.contour(x, y, z, levels=surface.levels, colors="0.65", linewidths=0.8, linestyles="solid")
    for i, (mx, my) in enumerate(surface.minima.tolist()):
        ax.plot(mx, my, "k*" if i == 0 else "k.", markersize=14 if i == 0 else 9, zorder=5)
    ax.set(xlim=surface.xlim, ylim=surface.ylim, xlabel="$w_1$", ylabel="$w_2$")
    ax.grid(visible=False)
    return ax


def paths(surface: Surface, runs: Mapping[str, Trajectory], ax: Axes | None = None) -> Axes:
    """Draw trajectories on a surface, a marker at each step and a larger one at the end.

    Args:
        surface: The loss.
        runs: Trajectories of a single start each, by the label to give them.
        ax: Where; a new figure by default.

    Returns:
        The axes.

    Raises:
        ValueError: If a trajectory has more than one start.
    """
    ax = contours(surface, ax)
    for (label, run), style in zip(runs.items(), styles(), strict=False):
        if run.w.ndim != 2:
            raise ValueError(f"{label}: draw one start at a time, got w of {tuple(run.w.shape)}")
        x, y = run.w.detach().cpu().unbind(-1)
        ax.plot(x, y, **style, label=label, markersize=3.5, linewidth=1.4, markevery=1)
        ax.plot(
            x[-1],
            y[-1],
            marker=style["marker"],
            color=style["color"],
            markersize=11,
            markeredgecolor="white",
            zorder=6,
        )
    ax.plot(x[0], y[0], "o", color="white", markeredgecolor="black", markersize=9, zorder=6)
    ax.annotate("start", (x[0], y[0]), xytext=(6, 6), textcoords="offset points")
    if len(runs) > 1:
        ax.legend(loc="best")
    return ax


def curves(
    series: Mapping[str, Tensor | Sequence[float]],
    x: Sequence[float] | Tensor | None = None,
    ax: Axes | None = None,
    *,
    xlabel: str = "step",
    ylabel: str = "loss",
    log: bool = False,
) -> Axes:
    """Draw curves; of several seeds, the mean and its 95% interval as a band.

    Args:
        series: Values by label, shape (points,) or (seeds, points).
        x: Positions; 0, 1, 2, … by default.
        ax: Where; a new figure by default.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
        log: Whether the vertical axis is logarithmic.

    Returns:
        The axes.
    """
    ax = plt.subplots()[1] if ax is None else ax
    for (label, values), style in zip(series.items(), styles(), strict=False):
        values = torch.as_tensor(values).detach().cpu().double()
        at = range(values.shape[-1]) if x is None else x
        if values.ndim == 2:
            values, half = measure.mean_interval(values)
            low = values - half
            if log:  # a band that reaches zero has no lower edge on a logarithmic axis
                low = low.clamp(min=values.min().item() / 10)
            ax.fill_between(at, low, values + half, color=style["color"], alpha=0.2, linewidth=0)
        ax.plot(at, values, **style, label=label, markevery=max(1, len(values) // 10))
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        ax.set_yscale("log")
    if len(series) > 1:
        ax.legend()
    return ax


def arrows(
    segments: Mapping[str, tuple[Sequence[float], Sequence[float]]], ax: Axes | None = None
) -> Axes:
    """Draw labeled arrows in the plane, such as the parts of one update.

    Args:
        segments: (from, to) by label, each a point of two coordinates.
        ax: Where; a new figure by default.

    Returns:
        The axes.
    """
    ax = plt.subplots()[1] if ax is None else ax
    for (label, (tail, head)), style in zip(segments.items(), styles(), strict=False):
        x0, y0, x1, y1 = (*(float(v) for v in tail), *(float(v) for v in head))
        arrow = {"arrowstyle": "-|>", "color": style["color"], "linestyle": style["linestyle"]}
        ax.annotate(
            "", (x1, y1), (x0, y0), arrowprops={**arrow, "linewidth": 2, "mutation_scale": 18}
        )
        ax.annotate(
            label,
            ((x0 + x1) / 2, (y0 + y1) / 2),
            xytext=(6, 6),
            textcoords="offset points",
            color=style["color"],
        )
        ax.update_datalim([(x0, y0), (x1, y1)])
    ax.autoscale_view()
    return ax


def race(
    surface: Surface, runs: Mapping[str, Trajectory], *, frames: int = 40, interval: int = 100
) -> HTML:
    """Animate trajectories on a surface, for a notebook; its still is what `paths` draws.

    Args:
        surface: The loss.
        runs: Trajectories of a single start each, all of the same length, by label.
        frames: Number of pictures.
        interval: Milliseconds between them.

    Returns:
        A player, as HTML without anything to load.
    """
    fig, ax = plt.subplots(figsize=(6.4, 4.2), dpi=70)
    contours(surface, ax)
    lines = []
    for label, style in zip(runs, styles(), strict=False):
        (line,) = ax.plot([], [], **style, label=label, markersize=3.5, linewidth=1.4)
        (head,) = ax.plot([], [], marker=style["marker"], color=style["color"], markersize=11)
        lines.append((line, head))
    ax.legend(loc="upper right")
    points = [run.w.detach().cpu() for run in runs.values()]
    steps = min(len(each) for each in points) - 1

    def draw(frame: int) -> list:
        now = round(frame * steps / (frames - 1))
        for (line, head), w in zip(lines, points, strict=True):
            line.set_data(w[: now + 1, 0], w[: now + 1, 1])
            head.set_data(w[now : now + 1, 0], w[now : now + 1, 1])
        ax.set_title(f"step {now}")
        return [artist for pair in lines for artist in pair]

    animation = FuncAnimation(fig, draw, frames=frames, interval=interval)
    # The player's element ids are random by default; a fixed prefix keeps builds alike.
    with mpl.rc_context({"animation.embed_limit": 4}):
        page = animation.to_jshtml(default_mode="once")
    plt.close(fig)
    page = re.sub(r'<link rel="stylesheet"\s+href="[^"]*">', "", page)  # icons from the network
    page = re.sub(r'<i class="fa fa-([a-z -]+)"></i>', lambda icon: ICONS[icon[1]], page)
    return HTML(re.sub(r"[0-9a-f]{32}", "race", page))
