"""Train a model, train many at once, and go on after an interruption as if there had been none.

`fit` is the lecture's training loop: minibatches, loss, backward, step, and a scheduler after every
epoch. `fit_many` trains several copies side by side, one for each seed or learning rate, as one
computation with a rule of `lib.rules`.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lib import rules
from lib.data import Loader, Samples
from lib.files import write_atomically
from lib.measure import Loss, unflattener

CHECKPOINT_FORMAT = 1
EVALUATION_BATCH = 4096


class Evaluation(NamedTuple):
    """How good a model is on a set of samples.

    Attributes:
        loss: Mean loss.
        accuracy: Share of samples whose largest logit is that of their class.
    """

    loss: float
    accuracy: float


@dataclass
class History:
    """What happened during training.

    Attributes:
        minibatch_loss: Loss of each minibatch before its step, one a step.
        whole_loss: Loss of the whole training set, one an epoch, at its end.
        val_accuracy: Accuracy on the validation samples, one an epoch; empty without any.
        lr: Learning rate of the first parameter group, one an epoch, at its start.
    """

    minibatch_loss: list[float] = field(default_factory=list)
    whole_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


def evaluate(model: nn.Module, X: Tensor, y: Tensor, loss: Loss = F.cross_entropy) -> Evaluation:
    """Return a model's mean loss and accuracy, in evaluation mode and without gradients.

    Args:
        model: Maps features (n, ...) to logits (n, classes); its mode is restored.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        loss: Maps (logits, labels) to their mean loss.

    Returns:
        The `Evaluation`.

    >>> model = nn.Linear(2, 3)
    >>> _ = nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    >>> loss, accuracy = evaluate(model, torch.ones(4, 2), torch.tensor([0, 0, 0, 1]))
    >>> round(loss, 4), accuracy  # three classes, equally likely: log 3
    (1.0986, 0.75)
    """
    was_training = model.training
    model.eval()
    total = torch.zeros((), dtype=torch.float64)
    correct = 0
    with torch.no_grad():
        for X_part, y_part in Loader(X, y, EVALUATION_BATCH):
            logits = model(X_part)
            total += loss(logits, y_part).double().cpu() * len(y_part)
            correct += int((logits.argmax(1) == y_part).sum())
    model.train(was_training)
    return Evaluation(total.item() / len(y), correct / len(y))


def fit(
    model: nn.Module,
    loader: Loader,
    optimizer: Optimizer,
    *,
    epochs: int,
    scheduler: LRScheduler | None = None,
    schedule_each: str = "epoch",
    validation: Samples | None = None,
    loss: Loss = F.cross_entropy,
    checkpoint: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = False,
) -> History:
    """Train a model in place.

    The model and the loader's data must be on the same device; that is where training runs.

    Args:
        model: Maps features to logits.
        loader: Gives the minibatches. Its whole set is what `History.whole_loss` is taken on.
        optimizer: Built on the model's parameters. Its `step` is given a closure, so one that asks
            for the gradient at other points works too.
        epochs: Passes over the data, counted from the start of training, not from `resume`.
        scheduler: Changes the learning rate. A `ReduceLROnPlateau` is shown the validation accuracy
            in mode "max", the validation loss in mode "min".
        schedule_each: Whether the scheduler counts each "epoch" or each "step" (minibatch).
        validation: Samples to take the accuracy on after each epoch, on the model's device.
        loss: Maps (logits, labels) to their mean loss.
        checkpoint: File to write after each epoch, see `save_checkpoint`.
        resume: Checkpoint to go on from. The result is bitwise that of training without a break.
        progress: Show a progress bar. Leave it off in notebooks whose outputs are compared.

    Returns:
        The `History`, from the first epoch on.

    Raises:
        ValueError: If `schedule_each` is neither word, or a `ReduceLROnPlateau` has no validation
            samples or counts steps.

    >>> from lib.data import digits
    >>> from lib.models import MLP
    >>> generator = torch.Generator().manual_seed(0)
    >>> X, y = digits()
    >>> model = MLP(64, 32, 10, generator=generator)
    >>> history = fit(model, Loader(X, y, 32, generator=generator),
    ...               torch.optim.SGD(model.parameters(), lr=0.5), epochs=3)
    >>> len(history.minibatch_loss), bool(history.whole_loss[-1] < 2)
    (171, True)
    """
    plateau = isinstance(scheduler, ReduceLROnPlateau)
    if schedule_each not in ("epoch", "step"):
        raise ValueError(f'schedule_each must be "epoch" or "step", not {schedule_each!r}.')
    if plateau and (validation is None or schedule_each == "step"):
        raise ValueError(
            'ReduceLROnPlateau needs validation samples and schedule_each="epoch": '
            "it looks at the validation score after each epoch."
        )
    parts = {
        "model": model,
        "optimizer": optimizer,
        "scheduler": scheduler,
        "generator": loader.generator,
    }
    done, history = load_checkpoint(resume, **parts) if resume is not None else (0, History())

    with _progress_bar(progress, (epochs - done) * len(loader)) as advance:
        for epoch in range(done, epochs):
            history.lr.append(float(optimizer.param_groups[0]["lr"]))
            model.train()
            losses = []
            for X, y in loader:
                losses.append(_step(model, optimizer, loss, X, y))
                if scheduler is not None and schedule_each == "step":
                    scheduler.step()
                advance()
            # One transfer an epoch: asking a GPU for each loss would wait for it at each step.
            history.minibatch_loss += torch.stack(losses).tolist()
            history.whole_loss.append(evaluate(model, loader.X, loader.y, loss).loss)
            if validation is not None:
                score = evaluate(model, *validation, loss)
                history.val_accuracy.append(score.accuracy)
            if plateau:
                scheduler.step(score.accuracy if scheduler.mode == "max" else score.loss)
            elif scheduler is not None and schedule_each == "epoch":
                scheduler.step()
            if checkpoint is not None:
                save_checkpoint(checkpoint, **parts, epoch=epoch + 1, history=history)
    return history


def _step(model: nn.Module, optimizer: Optimizer, loss: Loss, X: Tensor, y: Tensor) -> Tensor:
    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(model(X), y)
        value.backward()
        return value

    # Detached, because a loss that is kept with its graph keeps the whole graph alive.
    return optimizer.step(closure).detach()


@contextmanager
def _progress_bar(shown: bool, total: int) -> Iterator[Callable[[], None]]:
    if not shown:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("training", total=total)
        yield lambda: bar.advance(task)


# ------------------------------------------------------------------------------------ checkpoints


def save_checkpoint(
    path: str | Path,
    *,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
    epoch: int = 0,
    history: History | None = None,
) -> None:
    """Write all that training needs in order to go on, in one step (see `write_atomically`).

    That is the state of the model, the optimizer (momentum and moments included), the scheduler,
    the generator of the minibatches, and torch's global generators, which dropout draws from.

    Args:
        path: The file.
        model: Its `state_dict` is saved.
        optimizer: Its `state_dict` is saved.
        scheduler: Its `state_dict` is saved, if there is one.
        generator: Its state is saved, if there is one.
        epoch: Epochs done.
        history: What happened in them.
    """
    content = {
        "format": CHECKPOINT_FORMAT,
        "epoch": epoch,
        "history": asdict(history or History()),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "generator": None if generator is None else generator.get_state(),
        "global_generator": torch.get_rng_state(),
        "gpu_generators": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(
    path: str | Path,
    *,
    model: nn.Module,
    optimizer: Optimizer,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> tuple[int, History]:
    """Put everything back as `save_checkpoint` found it.

    The objects are built as they were for the first run and then filled. Only plain data is read
    from the file (`weights_only`), so one from a stranger cannot run code. The file may come from
    another device.

    Args:
        path: A file that `save_checkpoint` wrote.
        model: Filled.
        optimizer: Filled.
        scheduler: Filled; must be given if and only if one was saved.
        generator: Filled; must be given if and only if one was saved.

    Returns:
        The number of epochs done and the history.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a whole checkpoint, or a part is missing on either side.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no checkpoint {path}; leave out resume to start from the beginning."
        )
    file = io.BytesIO(path.read_bytes())
    try:
        # The file is a zip archive, whose checks of the data torch.load leaves out.
        damaged = zipfile.ZipFile(file).testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"its part {damaged} is damaged")
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a whole checkpoint of plain data: {error}") from error
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT_FORMAT:
        raise ValueError(
            f"{path} was not written by save_checkpoint in format {CHECKPOINT_FORMAT}."
        )
    for name, part in (("scheduler", scheduler), ("generator", generator)):
        if (part is None) != (content[name] is None):
            saved, given = ("one", "none") if part is None else ("none", "one")
            raise ValueError(
                f"{path} holds {saved} for the {name} and {given} was given; without the same "
                "parts the resumed training would differ."
            )
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    if scheduler is not None:
        scheduler.load_state_dict(content["scheduler"])
    if generator is not None:
        generator.set_state(content["generator"])
    torch.set_rng_state(content["global_generator"])
    if torch.cuda.is_available() and content["gpu_generators"]:
        torch.cuda.set_rng_state_all(content["gpu_generators"])
    return content["epoch"], History(**content["history"])


# ---------------------------------------------------------------------------------- many at once

Hyper = float | Tensor | Callable[[int], float | Tensor]


class Runs(NamedTuple):
    """What happened to R models trained at once; compare `History`.

    Attributes:
        w: Final parameters of each, one vector a row, shape (R, P).
        minibatch_loss: Shape (steps, R).
        whole_loss: Shape (epochs, R).
        val_accuracy: Shape (epochs, R), or (0, R) without validation samples.
    """

    w: Tensor
    minibatch_loss: Tensor
    whole_loss: Tensor
    val_accuracy: Tensor


def fit_many(
    models: Sequence[nn.Module],
    rule: Callable[..., tuple[Tensor, Any]],
    X: Tensor,
    y: Tensor,
    *,
    batch_size: int,
    epochs: int,
    generators: torch.Generator | Sequence[torch.Generator],
    hyper: Mapping[str, Hyper] | None = None,
    init: Callable[[Tensor], Any] | None = None,
    validation: Samples | None = None,
    loss: Callable[..., Tensor] = F.cross_entropy,
    record: bool = True,
) -> Runs:
    """Train several models of one architecture side by side, in place.

    The parameters of model r are row r of a matrix W (R, P). A step computes the logits of all
    models with `vmap`, and takes *one* gradient, of the sum of their losses: no loss depends on
    another model's parameters, so row r of ∂(Σ_s L_s)/∂W is ∇L_r. Then the rule is applied to every
    row, under `vmap` again. Each model goes the way it would have gone alone, but for rounding.

    Much of a step of small models is overhead. So the first step on a full batch is recorded, with
    `make_fx`, as the list of its tensor operations, and the further ones replay that list without
    modules, `vmap` and autograd: the same numbers in half the time, for a tenth of a second at the
    start. `tests/benchmarks/seeds.py` measures it.

    Args:
        models: One a run, without buffers (batch normalization), on the device of X.
        rule: `rule(w, g, state, t, **hyper) -> (w, state)` for one vector of parameters w (P,),
            such as those of `lib.rules`. t is the step number, from 1.
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        batch_size: Samples a batch; the last batch of an epoch is shorter if n is no multiple.
        epochs: Passes over the data.
        generators: Sources of the order of samples: one for each model, or a single one, so that
            all models see the same batches (what a comparison of learning rates wants).
        hyper: The rule's hyper-parameters. Each is a number for all models, a tensor (R,) with one
            for each, or a function of t that gives either: a schedule.
        init: Makes the rule's state from w (P,); by default that of `lib.rules`.
        validation: Samples to take the accuracy on after each epoch.
        loss: A loss that takes (logits, labels, reduction="none"), as those of
            `torch.nn.functional` do.
        record: Record the step. That calls the rule only to learn what it does, so it must be pure,
            and t is a 0-d tensor that it cannot branch on. Without, every step calls it, and t is
            an int.

    Returns:
        The `Runs`.

    Raises:
        ValueError: If there are no models, their parameters differ in shape, they have buffers,
            or generators or hyper-parameters do not match their number.
        RuntimeError: If the step cannot be recorded.

    >>> from lib.data import digits
    >>> from lib.models import MLP
    >>> seeds = [torch.Generator().manual_seed(s) for s in range(3)]
    >>> models = [MLP(64, 32, 10, generator=seed) for seed in seeds]
    >>> runs = fit_many(models, rules.sgd, *digits(), batch_size=32, epochs=2,
    ...                 generators=seeds, hyper={"lr": 0.5})
    >>> runs.minibatch_loss.shape, runs.whole_loss.shape
    (torch.Size([114, 3]), torch.Size([2, 3]))
    """
    W = stack_parameters(models)
    R = len(models)
    if not isinstance(generators, torch.Generator) and len(generators) != R:
        raise ValueError(
            f"Expected one generator, or one for each of {R} models; got {len(generators)}."
        )
    state = vmap(init if init is not None else lambda w: rules.init(rule, w))(W)
    unflatten = unflattener(models[0])

    def logits_of(w: Tensor, X: Tensor) -> Tensor:
        return functional_call(models[0], unflatten(w), (X,))

    def losses_of(logits: Tensor, y: Tensor) -> Tensor:
        # Outside vmap, on the flattened batches, where the loss costs half as much.
        each = loss(logits.flatten(0, 1), y.flatten(0, 1), reduction="none")
        return each.reshape(R, -1).mean(1)

    def total_loss(W: Tensor, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        losses = losses_of(vmap(logits_of, randomness="different")(W, X), y)
        return losses.sum(), losses

    def step(
        W: Tensor, state: Any, X: Tensor, y: Tensor, t: int | Tensor, values: dict
    ) -> tuple[Tensor, Any, Tensor]:
        G, (_, losses) = grad_and_value(total_loss, has_aux=True)(W, X, y)  # (R, P), (R,)
        dims = {name: _dimension(value) for name, value in values.items()}
        W, state = vmap(
            lambda w, g, state, t, values: rule(w, g, state, t, **values),
            in_dims=(0, 0, 0, None, dims),
        )(W, G, state, t, values)
        return W, state, losses

    if record:
        step = _recorded(step, batch_size)

    def evaluate_all(samples: Samples) -> tuple[Tensor, Tensor]:
        total, correct = torch.zeros_like(W[:, 0]), torch.zeros_like(W[:, 0])
        with torch.no_grad():
            # Small enough for R models' activations to stay in the processor's cache.
            for X, y in Loader(*samples, max(1, EVALUATION_BATCH // R)):
                logits = vmap(logits_of, (0, None))(W, X)  # (R, B, classes)
                y = y.expand(R, *y.shape)
                total += losses_of(logits, y) * y.shape[1]
                correct += (logits.argmax(2) == y).sum(1)
        return total / len(samples.y), correct / len(samples.y)

    for model in models:
        model.train()
    t = 0
    minibatch_loss, whole_loss, val_accuracy = [], [], []
    for _ in range(epochs):
        for index in _orders(generators, R, len(X)).to(X.device).split(batch_size, dim=1):
            t += 1
            X_part = X.index_select(0, index.flatten()).unflatten(0, index.shape)  # (R, B, ...)
            y_part = y.index_select(0, index.flatten()).unflatten(0, index.shape)  # (R, B)
            values = _hyper_at(hyper or {}, t, R, W.device)
            with torch.no_grad():
                W, state, losses = step(W, state, X_part, y_part, t, values)
            minibatch_loss.append(losses)
        models[0].eval()
        whole_loss.append(evaluate_all(Samples(X, y))[0])
        if validation is not None:
            val_accuracy.append(evaluate_all(validation)[1])
        models[0].train()

    for w, model in zip(W, models, strict=True):
        nn.utils.vector_to_parameters(w.clone(), model.parameters())
    rows = [
        torch.stack(each) if each else W.new_empty(0, R)
        for each in (minibatch_loss, whole_loss, val_accuracy)
    ]
    return Runs(W, *rows)


def stack_parameters(models: Sequence[nn.Module]) -> Tensor:
    """Return the parameters of models of one architecture, one vector a row, shape (R, P).

    Args:
        models: At least one, all with the same parameters' names and shapes and without buffers.

    Returns:
        A copy.

    Raises:
        ValueError: If that is not so.

    >>> stack_parameters([nn.Linear(2, 3), nn.Linear(2, 3)]).shape
    torch.Size([2, 9])
    """
    if not models:
        raise ValueError("There are no models to train; give at least one.")
    shapes = [{n: tuple(p.shape) for n, p in model.named_parameters()} for model in models]
    for r, each in enumerate(shapes):
        if each != shapes[0]:
            raise ValueError(
                f"All models must have the same parameters; model {r} has {each}, "
                f"model 0 has {shapes[0]}."
            )
    stacked, buffers = torch.func.stack_module_state(list(models))
    if buffers:
        raise ValueError(
            f"Models with buffers ({', '.join(buffers)}) cannot be trained side by side; "
            "train them one after the other with fit."
        )
    return torch.cat([each.detach().flatten(1) for each in stacked.values()], dim=1)


def _orders(generators: torch.Generator | Sequence[torch.Generator], R: int, n: int) -> Tensor:
    """Return a permutation of n samples for each of R models, shape (R, n)."""
    if isinstance(generators, torch.Generator):
        return torch.randperm(n, generator=generators, device=generators.device).expand(R, n)
    return torch.stack([torch.randperm(n, generator=g, device=g.device) for g in generators])


def _hyper_at(
    hyper: Mapping[str, Hyper], t: int, R: int, device: torch.device
) -> dict[str, float | Tensor]:
    """Return the hyper-parameters at step t: numbers, 0-d tensors, or tensors (R,)."""
    values = {}
    for name, value in hyper.items():
        if callable(value):
            # A tensor, because a recorded step would keep the number of the first call; in double
            # precision, because 1 − 0.999 loses digits in single.
            value = torch.as_tensor(value(t), dtype=torch.float64, device=device)
        if isinstance(value, Tensor) and value.ndim:
            if value.shape != (R,):
                raise ValueError(
                    f"{name} must be a number or have one value for each of {R} models; "
                    f"its shape is {tuple(value.shape)}."
                )
            value = value.to(device)
        values[name] = value
    return values


def _dimension(value: float | Tensor) -> int | None:
    """Return the dimension of the models in a hyper-parameter: None if all share it."""
    return 0 if isinstance(value, Tensor) and value.ndim else None


def _recorded(step: Callable[..., Any], batch_size: int) -> Callable[..., Any]:
    """Return a step of `fit_many` that is recorded on the first full batch."""
    from torch.fx.experimental.proxy_tensor import make_fx

    recording = None

    def replay(W: Tensor, state: Any, X: Tensor, y: Tensor, t: int, values: dict) -> Any:
        nonlocal recording
        t_tensor = torch.tensor(t, dtype=torch.float64, device=W.device)
        arguments = (W, state, X, y, t_tensor, values)
        if y.shape[1] != batch_size:
            # The short batch at the end of an epoch is too rare to pay for a recording of its own.
            return step(*arguments)
        if recording is None:
            try:
                recording = _without_idle_views(make_fx(step)(*arguments))
            except RuntimeError as error:
                raise RuntimeError(
                    "The training step cannot be recorded. If the rule asks for the value of a "
                    'tensor, as in "if t == 1", use torch.where there, or record=False here.'
                ) from error
        return recording(*arguments)

    return replay


def _without_idle_views(recording: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Drop the operations, a fifth of all, that view a tensor in the shape it has anyway."""
    views = (torch.ops.aten.view.default, torch.ops.aten.expand.default)
    for node in list(recording.graph.nodes):
        if node.target in views and node.meta["val"].shape == node.args[0].meta["val"].shape:
            node.replace_all_uses_with(node.args[0])
            recording.graph.erase_node(node)
    recording.recompile()
    return recording
