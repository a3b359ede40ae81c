"""Training, exact resume, and many models at once."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler as schedulers

from lib import optim, rules
from lib.data import Loader, Samples, digits, split
from lib.models import CNN, MLP, TanhMLP
from lib.training import (
    Evaluation,
    History,
    evaluate,
    fit,
    fit_many,
    load_checkpoint,
    save_checkpoint,
    stack_parameters,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def some_digits():
    """Training and validation samples: 150 and 50 digits."""
    few, _ = split(digits(), 200 / 1797, generator=seeded(0))
    return split(few, 0.75, generator=seeded(1))


# -------------------------------------------------------------------------------- fit and evaluate


def test_fit_is_the_lectures_loop(some_digits):
    train, validation = some_digits
    model = MLP(64, 20, 10, generator=seeded(0))
    history = fit(
        model,
        Loader(*train, 32, generator=seeded(1)),
        torch.optim.SGD(model.parameters(), lr=0.5),
        epochs=3,
        validation=validation,
    )

    expected, by_hand = History(), MLP(64, 20, 10, generator=seeded(0))
    loader = Loader(*train, 32, generator=seeded(1))
    for _ in range(3):
        for X, y in loader:
            loss = F.cross_entropy(by_hand(X), y)
            gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
            with torch.no_grad():
                for w, g in zip(by_hand.parameters(), gradients, strict=True):
                    w -= 0.5 * g
            expected.minibatch_loss.append(loss.item())
        expected.whole_loss.append(F.cross_entropy(by_hand(train.X), train.y).item())
        right = (by_hand(validation.X).argmax(1) == validation.y).double().mean()
        expected.val_accuracy.append(right.item())

    assert history.minibatch_loss == pytest.approx(expected.minibatch_loss, rel=1e-5)
    assert history.whole_loss == pytest.approx(expected.whole_loss, rel=1e-5)
    assert history.val_accuracy == expected.val_accuracy
    assert history.lr == [0.5] * 3


def test_fit_learns_digits():
    train, test = split(digits(), 0.8, generator=seeded(0))
    model = TanhMLP(generator=seeded(0))
    loader = Loader(*train, 32, generator=seeded(1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    history = fit(model, loader, optimizer, epochs=10, validation=test)
    assert history.val_accuracy[-1] > 0.94
    assert evaluate(model, *test).accuracy == history.val_accuracy[-1]


@pytest.mark.parametrize(
    ("each", "expected"), [("epoch", [1.0, 0.5, 0.25]), ("step", [1.0, 0.5**5, 0.5**10])]
)
def test_scheduler_counts_epochs_or_steps(some_digits, each, expected):
    model = MLP(64, 5, 10, generator=seeded(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    history = fit(
        model,
        Loader(*some_digits[0], 32, generator=seeded(1)),  # five batches
        optimizer,
        epochs=3,
        scheduler=schedulers.ExponentialLR(optimizer, gamma=0.5),
        schedule_each=each,
    )
    assert history.lr == expected


@pytest.mark.parametrize("mode", ["min", "max"])
def test_plateau_scheduler_sees_the_validation_score(some_digits, mode):
    train, validation = some_digits
    model = MLP(64, 5, 10, generator=seeded(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, mode=mode, patience=0)
    loader = Loader(*train, 32, generator=seeded(1))
    fit(model, loader, optimizer, epochs=4, scheduler=scheduler, validation=validation)
    score = evaluate(model, *validation)
    assert scheduler.best == pytest.approx(score.accuracy if mode == "max" else score.loss, rel=0.5)
    assert (scheduler.best <= 1) == (mode == "max")


def test_fit_refuses_a_plateau_scheduler_without_validation(some_digits):
    model = MLP(64, 5, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = Loader(*some_digits[0], 32, generator=seeded(1))
    scheduler = schedulers.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="needs validation samples"):
        fit(model, loader, optimizer, epochs=1, scheduler=scheduler)
    with pytest.raises(ValueError, match='"epoch" or "step", not \'batch\''):
        fit(model, loader, optimizer, epochs=1, schedule_each="batch")


def test_fit_serves_an_optimizer_that_evaluates_the_loss_again(some_digits):
    model = MLP(64, 20, 10, generator=seeded(0))
    loader = Loader(*some_digits[0], 150, generator=seeded(1))
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    assert fit(model, loader, optimizer, epochs=3).whole_loss[-1] < 0.1


def test_history_keeps_no_graph(some_digits):
    model = MLP(64, 5, 10, generator=seeded(0))
    loader = Loader(*some_digits[0], 32, generator=seeded(1))
    history = fit(model, loader, torch.optim.SGD(model.parameters(), lr=0.1), epochs=1)
    assert all(type(each) is float for each in history.minibatch_loss)


def test_progress_is_quiet_unless_asked(some_digits, capsys):
    model = MLP(64, 5, 10, generator=seeded(0))
    loader = Loader(*some_digits[0], 32, generator=seeded(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fit(model, loader, optimizer, epochs=1)
    assert capsys.readouterr() == ("", "")
    fit(model, loader, optimizer, epochs=2, progress=True)
    assert "10/10" in capsys.readouterr().out


def test_evaluate_weighs_batches_by_their_size_and_restores_the_mode(monkeypatch):
    samples = Samples(torch.randn(10, 4, generator=seeded(0)), torch.arange(10) % 3)
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.9))
    expected = model[0](samples.X)
    monkeypatch.setattr("lib.training.EVALUATION_BATCH", 4)
    for mode in (True, False):
        model.train(mode)
        loss, accuracy = evaluate(model, *samples)
        assert model.training is mode
        assert loss == pytest.approx(F.cross_entropy(expected, samples.y).item(), rel=1e-6)
        assert accuracy == (expected.argmax(1) == samples.y).double().mean().item()
    assert isinstance(evaluate(model, *samples), Evaluation)


# ------------------------------------------------------------------------------------ exact resume

OPTIMIZERS = {
    "torch SGD": partial(torch.optim.SGD, lr=0.1),
    "torch momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "torch Nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "torch Adam": partial(torch.optim.Adam, lr=0.01),
    "torch AMSGrad": partial(torch.optim.Adam, lr=0.01, amsgrad=True),
    "torch RMSprop": partial(torch.optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
    "torch Adadelta": partial(torch.optim.Adadelta),
    "torch Rprop": partial(torch.optim.Rprop, lr=0.01),
    "momentum": partial(optim.SGD, lr=0.1, momentum=0.9),
    "Nesterov": partial(optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": partial(optim.RMSprop, lr=0.01),
    "Adadelta": partial(optim.Adadelta),
    "Rprop": partial(optim.Rprop, lr=0.01),
    "DeltaBarDelta": partial(optim.DeltaBarDelta, lr=0.1),
    "Adam": partial(optim.Adam, lr=0.01),
    "AMSGrad": partial(optim.Adam, lr=0.01, amsgrad=True),
    "SWATS": partial(optim.SWATS, lr=0.01),
}
SCHEDULERS = {
    "none": lambda optimizer: None,
    "ExponentialLR": partial(schedulers.ExponentialLR, gamma=0.5),
    "StepLR": partial(schedulers.StepLR, step_size=2),
    "MultiStepLR": partial(schedulers.MultiStepLR, milestones=[1, 3]),
    "LambdaLR": partial(schedulers.LambdaLR, lr_lambda=lambda epoch: 1 / (1 + epoch)),
    "CosineAnnealingLR": partial(schedulers.CosineAnnealingLR, T_max=4),
    "ReduceLROnPlateau": partial(schedulers.ReduceLROnPlateau, mode="max", patience=0),
    "SequentialLR": lambda optimizer: schedulers.SequentialLR(
        optimizer,
        [
            schedulers.LinearLR(optimizer, total_iters=2),
            schedulers.ExponentialLR(optimizer, gamma=0.5),
        ],
        milestones=[2],
    ),
    "OneCycleLR": partial(schedulers.OneCycleLR, max_lr=0.2, total_steps=10),
}


class Setting:
    """Everything one run needs, built from scratch as a fresh process would."""

    def __init__(self, samples, optimizer, scheduler, schedule_each="epoch", dropout=False):
        self.train, self.validation = samples
        model = MLP(64, 8, 10, generator=seeded(0))
        self.model = nn.Sequential(nn.Dropout(0.2), model) if dropout else model
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.scheduler = SCHEDULERS[scheduler](self.optimizer)
        self.schedule_each = schedule_each
        self.loader = Loader(*self.train, 64, generator=seeded(1))

    def fit(self, epochs, **more):
        return fit(
            self.model,
            self.loader,
            self.optimizer,
            epochs=epochs,
            scheduler=self.scheduler,
            schedule_each=self.schedule_each,
            validation=self.validation,
            **more,
        )


def assert_resumes_exactly(build, path):
    torch.manual_seed(0)
    whole = build()
    expected = whole.fit(4)

    torch.manual_seed(0)
    build().fit(2, checkpoint=path)
    torch.manual_seed(12345)  # a new process would not be where the old one stopped
    resumed = build()
    resumed.loader.generator.manual_seed(999)
    history = resumed.fit(4, resume=path)

    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert history == expected
    assert len(history.whole_loss) == 4 and len(history.minibatch_loss) == 12
    assert_same(whole.optimizer.state_dict(), resumed.optimizer.state_dict())
    if whole.scheduler is not None:
        assert_same(whole.scheduler.state_dict(), resumed.scheduler.state_dict())
    assert torch.equal(whole.loader.generator.get_state(), resumed.loader.generator.get_state())


def assert_same(a, b):
    """Compare nested dictionaries and lists with tensors in them, bit for bit."""
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_resumes_bitwise(some_digits, tmp_path, optimizer):
    build = partial(Setting, some_digits, optimizer, "ExponentialLR")
    assert_resumes_exactly(build, tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_resumes_bitwise(some_digits, tmp_path, scheduler):
    build = partial(Setting, some_digits, "torch momentum", scheduler)
    assert_resumes_exactly(build, tmp_path / "checkpoint.pt")


def test_a_scheduler_that_counts_steps_resumes_bitwise(some_digits, tmp_path):
    build = partial(Setting, some_digits, "torch Adam", "StepLR", schedule_each="step")
    assert_resumes_exactly(build, tmp_path / "checkpoint.pt")


def test_dropout_resumes_bitwise(some_digits, tmp_path):
    build = partial(Setting, some_digits, "torch Adam", "none", dropout=True)
    assert_resumes_exactly(build, tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("part", ["optimizer", "generator"])
def test_resume_needs_every_part(some_digits, tmp_path, part):
    """The test above can fail: without the momentum, or the order, the path is another."""
    path = tmp_path / "checkpoint.pt"
    whole = Setting(some_digits, "torch momentum", "none")
    whole.fit(4)
    Setting(some_digits, "torch momentum", "none").fit(2, checkpoint=path)
    content = torch.load(path, weights_only=True)
    fresh = Setting(some_digits, "torch momentum", "none")
    if part == "optimizer":
        content["optimizer"]["state"] = {}
    else:
        content["generator"] = fresh.loader.generator.get_state()
    torch.save(content, path)
    fresh.fit(4, resume=path)
    pairs = zip(whole.model.parameters(), fresh.model.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_resuming_a_finished_run_changes_nothing(some_digits, tmp_path):
    path = tmp_path / "checkpoint.pt"
    done = Setting(some_digits, "torch momentum", "none")
    expected = done.fit(2, checkpoint=path)
    again = Setting(some_digits, "torch momentum", "none")
    assert again.fit(2, resume=path) == expected
    assert torch.equal(stack_parameters([done.model]), stack_parameters([again.model]))


def test_an_interrupted_save_leaves_the_former_checkpoint(some_digits, tmp_path, monkeypatch):
    path = tmp_path / "folder" / "checkpoint.pt"
    setting = Setting(some_digits, "torch momentum", "none")
    save_checkpoint(path, model=setting.model, optimizer=setting.optimizer, epoch=7)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("lib.files.os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, model=setting.model, optimizer=setting.optimizer, epoch=8)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["checkpoint.pt"]
    assert load_checkpoint(path, model=setting.model, optimizer=setting.optimizer)[0] == 7


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint ran code",))


def test_load_refuses(some_digits, tmp_path):
    setting = Setting(some_digits, "torch momentum", "ExponentialLR")
    parts = {"model": setting.model, "optimizer": setting.optimizer}
    path = tmp_path / "checkpoint.pt"

    with pytest.raises(FileNotFoundError, match="There is no checkpoint"):
        load_checkpoint(path, **parts)
    for content in (b"", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not a whole checkpoint"):
            load_checkpoint(path, **parts)
    torch.save(Bomb(), path)
    with pytest.raises(ValueError, match="not a whole checkpoint of plain data"):
        load_checkpoint(path, **parts)
    torch.save(setting.model.state_dict(), path)
    with pytest.raises(ValueError, match="not written by save_checkpoint"):
        load_checkpoint(path, **parts)
    save_checkpoint(path, **parts)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        load_checkpoint(path, **parts)

    save_checkpoint(path, **parts)
    content = bytearray(path.read_bytes())
    weights = setting.model.linear_1.weight.detach().numpy().tobytes()
    content[content.index(weights) + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole checkpoint.*is damaged"):
        load_checkpoint(path, **parts)

    save_checkpoint(path, **parts)
    with pytest.raises(ValueError, match="holds none for the scheduler and one was given"):
        load_checkpoint(path, **parts, scheduler=setting.scheduler)
    save_checkpoint(path, **parts, generator=setting.loader.generator)
    with pytest.raises(ValueError, match="holds one for the generator and none was given"):
        load_checkpoint(path, **parts)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu(some_digits, tmp_path):
    train, validation = (part.to("cuda") for part in some_digits)
    model = MLP(64, 20, 10, generator=seeded(0)).to("cuda")
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = Loader(*train, 32, generator=seeded(1))
    path = tmp_path / "checkpoint.pt"
    fit(model, loader, optimizer, epochs=2, validation=validation, checkpoint=path)
    assert all(w.is_cuda for w in model.parameters())
    fit(model, loader, optimizer, epochs=3, resume=path)
    for record in (True, False):
        models = [MLP(64, 20, 10, generator=seeded(s)).to("cuda") for s in range(2)]
        runs = fit_many(
            models,
            rules.adam,
            *train,
            batch_size=32,
            epochs=2,
            generators=[seeded(0), seeded(1)],
            record=record,
            hyper={"lr": lambda t: 0.01 / t**0.5},
        )
        assert runs.w.is_cuda


# ------------------------------------------------------------------------------------ many at once

TOGETHER = {
    "sgd": (rules.sgd, {"lr": 0.2}, torch.optim.SGD, {"lr": 0.2}),
    "momentum": (
        rules.sgd_momentum,
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.1},
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.1},
    ),
    "rmsprop": (
        rules.rmsprop,
        {"lr": 0.005, "beta": 0.9, "eps": 1e-4},
        torch.optim.RMSprop,
        {"lr": 0.005, "alpha": 0.9, "eps": 1e-4},
    ),
    "adam": (
        rules.adam,
        {"lr": 0.005, "eps": 1e-4},
        torch.optim.Adam,
        {"lr": 0.005, "eps": 1e-4},
    ),
}
MODELS = {
    "MLP": lambda generator: MLP(64, 12, 10, generator=generator),
    "TanhMLP": lambda generator: TanhMLP((64, 12, 12, 10), generator=generator),
    "CNN": lambda generator: CNN(image_size=8, generator=generator),
}


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "eager"])
@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("method", TOGETHER)
def test_each_of_many_goes_the_way_it_goes_alone(some_digits, method, build, record):
    rule, hyper, optimizer_class, keywords = TOGETHER[method]
    train, validation = some_digits
    seeds = range(3)
    together = [build(seeded(s)) for s in seeds]
    runs = fit_many(
        together,
        rule,
        *train,
        batch_size=64,
        epochs=3,
        generators=[seeded(100 + s) for s in seeds],
        hyper=hyper,
        validation=validation,
        record=record,
    )
    assert torch.equal(stack_parameters(together), runs.w)
    for s in seeds:
        model = build(seeded(s))
        history = fit(
            model,
            Loader(*train, 64, generator=seeded(100 + s)),
            optimizer_class(model.parameters(), **keywords),
            epochs=3,
            validation=validation,
        )
        torch.testing.assert_close(runs.w[s], stack_parameters([model])[0], rtol=1e-3, atol=2e-5)
        assert runs.minibatch_loss[:, s].tolist() == pytest.approx(history.minibatch_loss, rel=1e-4)
        assert runs.whole_loss[:, s].tolist() == pytest.approx(history.whole_loss, rel=1e-4)
        assert runs.val_accuracy[:, s].tolist() == pytest.approx(history.val_accuracy, abs=0.021)


def test_recording_changes_no_bit(some_digits):
    def train(record: bool):
        models = [MLP(64, 12, 10, generator=seeded(s)) for s in range(3)]
        return fit_many(
            models,
            rules.adam,
            *some_digits[0],
            batch_size=64,
            epochs=3,
            generators=seeded(0),
            hyper={"lr": torch.tensor([0.1, 0.01, 0.001]), "beta1": 0.8},
            record=record,
        )

    for a, b in zip(train(True), train(False), strict=True):
        assert torch.equal(a, b)


def test_one_generator_gives_all_models_the_same_batches(some_digits):
    models = [MLP(64, 12, 10, generator=seeded(0)) for _ in range(3)]
    rates = torch.tensor([0.1, 0.1, 0.3])
    runs = fit_many(
        models,
        rules.sgd,
        *some_digits[0],
        batch_size=64,
        epochs=2,
        generators=seeded(1),
        hyper={"lr": rates},
    )
    assert torch.equal(runs.w[0], runs.w[1]) and not torch.equal(runs.w[0], runs.w[2])
    alone = MLP(64, 12, 10, generator=seeded(0))
    loader = Loader(*some_digits[0], 64, generator=seeded(1))
    fit(alone, loader, torch.optim.SGD(alone.parameters(), lr=0.3), epochs=2)
    torch.testing.assert_close(runs.w[2], stack_parameters([alone])[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("record", [True, False], ids=["recorded", "eager"])
def test_a_schedule_is_asked_at_every_step(some_digits, record):
    asked = []

    def lr(t: int) -> float:
        asked.append(t)
        return 0.2 / t

    model = MLP(64, 12, 10, generator=seeded(0))
    runs = fit_many(
        [model],
        rules.sgd,
        *some_digits[0],
        batch_size=64,
        epochs=2,
        generators=seeded(1),
        hyper={"lr": lr},
        record=record,
    )
    assert asked == [1, 2, 3, 4, 5, 6]
    alone = MLP(64, 12, 10, generator=seeded(0))
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.2)
    scheduler = schedulers.LambdaLR(optimizer, lambda step: 1 / (step + 1))
    loader = Loader(*some_digits[0], 64, generator=seeded(1))
    fit(alone, loader, optimizer, epochs=2, scheduler=scheduler, schedule_each="step")
    torch.testing.assert_close(runs.w, stack_parameters([alone]), rtol=1e-4, atol=1e-6)


def test_swats_keeps_one_gamma_a_model(some_digits):
    """A rule that sums over the whole vector sees one model's, not all of them."""

    def train(models):
        return fit_many(
            models,
            rules.swats,
            *some_digits[0],
            batch_size=64,
            epochs=4,
            generators=seeded(1),
            hyper={"lr": 0.01, "eps": 0.05},
        ).w

    one, two = (train([MLP(64, 12, 10, generator=seeded(s))])[0] for s in (0, 1))
    both = train([MLP(64, 12, 10, generator=seeded(s)) for s in (0, 1)])
    torch.testing.assert_close(both, torch.stack([one, two]), rtol=1e-3, atol=1e-5)


def branching(w, g, state, t, *, lr=0.1):
    return (w - lr * g, state) if t == 1 else (w - 2 * lr * g, state)


def test_a_students_rule_with_its_own_state(some_digits):
    def step(w, g, v, t, lr, alpha):
        v = alpha * v + lr * g
        return w - v, v

    def train(rule, **more):
        models = [MLP(64, 12, 10, generator=seeded(s)) for s in range(2)]
        return fit_many(
            models,
            rule,
            *some_digits[0],
            batch_size=64,
            epochs=2,
            generators=seeded(1),
            hyper={"lr": 0.1, "alpha": 0.9},
            **more,
        ).w

    assert torch.equal(train(step, init=torch.zeros_like), train(rules.momentum))


def test_a_rule_that_branches_on_t_is_refused_or_run_as_it_is(some_digits):
    def train(record: bool):
        return fit_many(
            [MLP(64, 12, 10, generator=seeded(0))],
            branching,
            *some_digits[0],
            batch_size=64,
            epochs=1,
            generators=seeded(1),
            init=lambda w: (),
            record=record,
        )

    with pytest.raises(RuntimeError, match=r"cannot be recorded.*record=False"):
        train(True)
    assert train(False).minibatch_loss.isfinite().all()


def test_one_diverging_run_leaves_the_others_alone(some_digits):
    def train(rates):
        return fit_many(
            [MLP(64, 12, 10, generator=seeded(0)) for _ in rates],
            rules.sgd,
            *some_digits[0],
            batch_size=64,
            epochs=2,
            generators=seeded(1),
            hyper={"lr": torch.tensor(rates)},
        )

    runs = train([0.1, math.inf])
    assert not runs.w[1].isfinite().all()
    torch.testing.assert_close(runs.w[0], train([0.1]).w[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("models", "more", "message"),
    [
        ([], {}, "no models to train"),
        ([MLP(64, 5, 10), MLP(64, 6, 10)], {}, "model 1 has .*6, 64"),
        ([nn.BatchNorm1d(64)] * 2, {}, "buffers.*running_mean.*one after the other"),
        ([MLP(64, 5, 10)] * 2, {"generators": [seeded(0)]}, "one for each of 2 models; got 1"),
        ([MLP(64, 5, 10)] * 2, {"hyper": {"lr": torch.ones(3)}}, r"lr must .* 2 models.*\(3,\)"),
    ],
)
def test_fit_many_refuses(some_digits, models, more, message):
    keywords = {"batch_size": 64, "epochs": 1, "generators": seeded(0)}
    with pytest.raises(ValueError, match=message):
        fit_many(models, rules.sgd, *some_digits[0], **{**keywords, **more})
