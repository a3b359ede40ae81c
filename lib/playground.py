"""Play with optimizers on a surface: in a notebook by widgets, in a browser as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from lib import plots, rules, surfaces, trajectories
from lib.surfaces import Surface

SURFACES: dict[str, Surface] = {
    "two wells": surfaces.two_wells,
    "ravine": surfaces.ravine(100.0),
    "Rosenbrock's valley": surfaces.rosenbrock,
}
OPTIMIZERS = ("gradient descent", "momentum", "Nesterov", "RMSProp", "Adam")
CHOSEN = ("gradient descent", "momentum", "Adam")
DEFAULTS = {"lr": 0.02, "beta1": 0.9, "beta2": 0.99, "steps": 80}


def step_of(optimizer: str, lr: float, beta1: float, beta2: float) -> Callable:
    """Return an optimizer's rule with its hyper-parameters filled in.

    Args:
        optimizer: A name of `OPTIMIZERS`.
        lr: η.
        beta1: Momentum's α, Adam's β1.
        beta2: RMSProp's β, Adam's β2.

    Raises:
        ValueError: If there is no optimizer of that name.
    """
    table = {
        "gradient descent": partial(rules.sgd, lr=lr),
        "momentum": partial(rules.momentum, lr=lr, alpha=beta1),
        "Nesterov": partial(rules.nesterov, lr=lr, alpha=beta1),
        "RMSProp": partial(rules.rmsprop, lr=lr, beta=beta2),
        "Adam": partial(rules.adam, lr=lr, beta1=beta1, beta2=beta2),
    }
    if optimizer not in table:
        raise ValueError(f"no optimizer {optimizer!r}; there are: {', '.join(table)}")
    return table[optimizer]


def draw(
    surface: str = "two wells",
    optimizers: Sequence[str] = CHOSEN,
    *,
    lr: float = DEFAULTS["lr"],
    beta1: float = DEFAULTS["beta1"],
    beta2: float = DEFAULTS["beta2"],
    steps: int = DEFAULTS["steps"],
    start: Sequence[float] | Tensor | None = None,
) -> None:
    """Draw paths and losses once: what the widgets show, and the still where there are none."""
    chosen = SURFACES[surface]
    point = chosen.start if start is None else torch.as_tensor(start, dtype=torch.float64)
    runs = {
        name: trajectories.descend(chosen, step_of(name, lr, beta1, beta2), point, steps)
        for name in optimizers
    }
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    if runs:
        plots.paths(chosen, runs, ax=left)
        plots.curves({name: run.loss for name, run in runs.items()}, ax=right)
    else:
        plots.contours(chosen, ax=left)
    right.set(xlabel="step", ylabel="loss")
    plt.show()


def show(surface: str = "two wells", optimizers: Sequence[str] = CHOSEN) -> None:
    """Show sliders for surface, optimizers, hyper-parameters and start, and the picture they make.

    Where widgets do not run (a printed page, a re-executed notebook) the picture of the first
    setting is left.

    Args:
        surface: The surface to begin with, a name of `SURFACES`.
        optimizers: The optimizers to begin with, names of `OPTIMIZERS`.
    """
    import ipywidgets as widgets
    from IPython.display import display

    first = SURFACES[surface].start.tolist()
    style = {"description_width": "7em"}
    controls = {
        "surface": widgets.Dropdown(options=list(SURFACES), value=surface, description="surface"),
        "optimizers": widgets.SelectMultiple(
            options=OPTIMIZERS, value=tuple(optimizers), description="optimizers"
        ),
        "lr": widgets.FloatLogSlider(DEFAULTS["lr"], min=-4, max=0.5, description="learning rate"),
        "beta1": widgets.FloatSlider(
            DEFAULTS["beta1"], min=0, max=0.99, step=0.01, description="momentum α, β₁"
        ),
        "beta2": widgets.FloatSlider(
            DEFAULTS["beta2"], min=0.5, max=0.999, step=0.001, description="memory β, β₂"
        ),
        "steps": widgets.IntSlider(DEFAULTS["steps"], min=1, max=500, description="steps"),
        "x": widgets.FloatText(first[0], step=0.1, description="start w₁"),
        "y": widgets.FloatText(first[1], step=0.1, description="start w₂"),
    }
    for each in controls.values():
        each.style = style
        if hasattr(each, "continuous_update"):
            each.continuous_update = False
    picture = widgets.Output()

    def redraw(change=None) -> None:
        values = {name: each.value for name, each in controls.items()}
        start = values.pop("x"), values.pop("y")
        picture.clear_output(wait=True)
        with picture:
            draw(**values, start=start)

    def move_start(change) -> None:
        controls["x"].value, controls["y"].value = SURFACES[change["new"]].start.tolist()

    controls["surface"].observe(move_start, "value")
    for each in controls.values():
        each.observe(redraw, "value")
    display(widgets.VBox([widgets.VBox(list(controls.values())), picture]))
    draw(surface, optimizers)


def write_html(path: Path | str) -> None:
    """Write the playground as one page that needs no network and no Python.

    Args:
        path: The file to write.
    """
    settings = {
        **DEFAULTS,
        "surface": "two wells",
        "optimizers": CHOSEN,
        "surfaces": {
            name: {
                "xlim": surface.xlim,
                "ylim": surface.ylim,
                "levels": surface.levels,
                "start": surface.start.tolist(),
            }
            for name, surface in SURFACES.items()
        },
    }
    template = Path(__file__).with_name("playground.html").read_text(encoding="utf-8")
    page = template.replace("/*SETTINGS*/{}", json.dumps(settings, ensure_ascii=False))
    Path(path).write_text(page, encoding="utf-8")
