"""Draw the README's picture: ``.venv/bin/python tools/picture.py``."""

from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt

from lib import plots, rules, surfaces, trajectories

RULES = {
    "gradient descent": partial(rules.sgd, lr=0.02),
    "momentum": partial(rules.momentum, lr=0.02, alpha=0.9),
    "RMSProp": partial(rules.rmsprop, lr=0.02, beta=0.9),
    "Adam": partial(rules.adam, lr=0.05),
}

plots.use_style()
surface = surfaces.two_wells
start = surface.start
runs = {name: trajectories.descend(surface, rule, start, 120) for name, rule in RULES.items()}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), width_ratios=(1.15, 1))
plots.paths(surface, runs, ax=left)
left.set(title="One start, two valleys, four optimizers", xlim=(-1.7, 1.7), ylim=(-0.9, 1.9))
plots.curves({name: run.loss for name, run in runs.items()}, ax=right)
right.set(title="Who finds the deeper one?", xlabel="step", ylabel="loss")
fig.savefig(
    Path(__file__).parents[1] / "docs" / "descent.png", dpi=110, metadata={"Software": None}
)
