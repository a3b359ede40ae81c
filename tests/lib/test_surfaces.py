"""Surfaces against calculus; trajectories against torch and each other; figures."""

import functools

import matplotlib
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import plots, rules, surfaces, trajectories

matplotlib.use("Agg")
F64 = torch.float64
ALL = [
    surfaces.ravine(100.0),
    surfaces.quadratic(0.5, 3.0, angle=30.0),
    surfaces.two_wells,
    surfaces.rosenbrock,
    surfaces.saddle,
]
by_name = pytest.mark.parametrize("surface", ALL, ids=lambda s: s.name)


@by_name
def test_minima_are_stationary_and_lower_than_their_surroundings(surface):
    for minimum in surface.minima:
        assert surface.grad(minimum).abs().max() < 1e-6
        around = minimum + 0.01 * torch.randn(64, 2, dtype=F64, generator=_generator(1))
        assert (surface(around) > surface(minimum)).all()
    values = [surface(minimum).item() for minimum in surface.minima]
    assert values == sorted(values)


@by_name
def test_gradients_agree_with_finite_differences(surface):
    w = 0.5 * torch.randn(20, 2, dtype=F64, generator=_generator(2))
    for axis in range(2):
        h = torch.zeros(2, dtype=F64)
        h[axis] = 1e-5
        slope = (surface(w + h) - surface(w - h)) / 2e-5
        torch.testing.assert_close(surface.grad(w)[:, axis], slope, rtol=1e-5, atol=1e-6)


@by_name
def test_the_start_and_the_minima_lie_in_the_plot(surface):
    for point in [surface.start, *surface.minima]:
        assert surface.xlim[0] <= point[0] <= surface.xlim[1]
        assert surface.ylim[0] <= point[1] <= surface.ylim[1]


@settings(max_examples=20, deadline=None)
@given(low=st.floats(0.1, 2), ratio=st.floats(1, 1000), angle=st.floats(-180, 180))
def test_a_quadratic_has_the_curvatures_it_was_given(low, ratio, angle):
    surface = surfaces.quadratic(low, low * ratio, angle=angle)
    H = torch.autograd.functional.hessian(surface.f, torch.zeros(2, dtype=F64))
    expected = torch.tensor([low, low * ratio], dtype=F64)
    torch.testing.assert_close(torch.linalg.eigvalsh(H), expected, rtol=1e-6, atol=1e-9)


def test_impossible_curvatures_are_refused():
    with pytest.raises(ValueError, match="expected 0 < lam_min <= lam_max, got 3 and 1"):
        surfaces.quadratic(3, 1)


def test_descend_is_what_torch_does():
    surface = surfaces.rosenbrock
    path = trajectories.descend(surface, functools.partial(rules.adam, lr=0.05), surface.start, 50)
    w = torch.nn.Parameter(surface.start.clone())
    optimizer = torch.optim.Adam([w], lr=0.05)
    for _ in range(50):
        optimizer.zero_grad()
        surface(w).backward()
        optimizer.step()
    torch.testing.assert_close(path.w[-1], w.detach(), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(path.loss, surface(path.w))


def test_descend_takes_any_step_and_a_batch_of_starts():
    starts = torch.randn(3, 4, 2, dtype=F64, generator=_generator(3))
    path = trajectories.descend(
        surfaces.ravine(10), lambda w, g, count, t: (w - 0.1 * g, count + t), starts, 5, state=0
    )
    assert path.w.shape == (6, 3, 4, 2)
    assert path.loss.shape == (6, 3, 4)
    torch.testing.assert_close(path.w[1], starts * torch.tensor([0.9, 0.0], dtype=F64))


@pytest.mark.parametrize(
    ("rule", "hyper"),
    [
        (rules.sgd, {"lr": torch.tensor([0.01, 0.02])}),
        (rules.momentum, {"lr": 0.01, "alpha": torch.tensor([0.5, 0.9])}),
        (rules.nesterov, {"lr": 0.01, "alpha": torch.tensor([0.5, 0.9])}),
        (rules.sgd_momentum, {"lr": 0.01, "momentum": torch.tensor([0.5, 0.9])}),
        (rules.rmsprop, {"lr": torch.tensor([0.01, 0.1])}),
        (rules.adam, {"lr": torch.tensor([0.01, 0.1])}),
        (rules.amsgrad, {"lr": torch.tensor([0.01, 0.1])}),
        (rules.swats, {"lr": torch.tensor([0.01, 0.1])}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_sweep_is_what_one_after_the_other_gives(rule, hyper):
    surface = surfaces.two_wells
    starts = torch.randn(3, 2, dtype=F64, generator=_generator(4))
    swept = trajectories.sweep(rule, surface, starts=starts, hyper=hyper, steps=12)
    (axis,) = (name for name, value in hyper.items() if isinstance(value, torch.Tensor))
    for i, value in enumerate(hyper[axis].to(F64)):
        step = functools.partial(rule, **{**hyper, axis: value})
        for j, start in enumerate(starts):
            alone = trajectories.descend(surface, step, start, 12)
            torch.testing.assert_close(swept.w[:, i, j], alone.w, rtol=1e-9, atol=1e-12)


def test_seeds_are_reproducible_and_differ():
    def run(seeds):
        return trajectories.sweep(
            rules.sgd,
            surfaces.ravine(10),
            starts=torch.zeros(2, 2, dtype=F64),
            hyper={"lr": torch.tensor([0.01, 0.1])},
            steps=200,
            seeds=torch.tensor(seeds),
            noise=1.0,
            every=100,
        ).w

    w = run([1, 2])
    assert w.shape == (3, 2, 2, 2, 2)
    assert torch.equal(w, run([1, 2]))
    assert torch.equal(w[:, :, 1], run([2])[:, :, 0])
    assert not torch.equal(w[-1, 0, 0], w[-1, 0, 1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"starts": torch.zeros(2)}, r"starts must have shape \(n, 2\), got \(2,\)"),
        ({"hyper": {"lr": torch.zeros(2, 2)}}, "lr must be a number or a 1-d tensor"),
        ({"noise": 1.0}, "noise needs seeds"),
    ],
)
def test_bad_sweeps_are_refused(change, message):
    arguments = {"starts": torch.zeros(1, 2), "hyper": {"lr": 0.1}, "steps": 1, **change}
    with pytest.raises(ValueError, match=message):
        trajectories.sweep(rules.sgd, surfaces.saddle, **arguments)


def _runs():
    surface = surfaces.two_wells
    return surface, {
        f"lr {lr}": trajectories.descend(
            surface, functools.partial(rules.sgd, lr=lr), surface.start, 20
        )
        for lr in (0.01, 0.05)
    }


def test_neighboring_lines_differ_without_color():
    styles = [next_style for next_style, _ in zip(plots.styles(), range(7), strict=False)]
    assert len({str(style["linestyle"]) for style in styles}) == 7
    assert len({style["marker"] for style in styles}) == 7


def test_paths_are_labeled_and_end_where_they_end():
    surface, runs = _runs()
    ax = plots.paths(surface, runs)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(runs)
    drawn = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    for label, run in runs.items():
        torch.testing.assert_close(torch.tensor(drawn[label]), run.w)
    with pytest.raises(ValueError, match="draw one start at a time"):
        plots.paths(surface, {"many": trajectories.Trajectory(torch.zeros(3, 4, 2), None)})


def test_several_seeds_get_a_mean_and_a_band():
    values = torch.tensor([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [2.0, 3.0, 4.0]])
    ax = plots.curves({"loss": values}, log=True)
    assert ax.get_lines()[0].get_ydata().tolist() == pytest.approx([2.0, 3.0, 4.0])
    assert len(ax.collections) == 1
    assert ax.get_yscale() == "log"


def test_an_animation_is_small_self_contained_and_the_same_each_time():
    page, again = (plots.race(*_runs(), frames=6).data for _ in range(2))
    assert page == again
    assert len(page) < 1_000_000
    assert "<link" not in page
    assert "fa-" not in page


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
