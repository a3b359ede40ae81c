"""The rules of ``lib.rules`` as PyTorch optimizers.

Names, keywords, defaults and the keys of ``state_dict`` are those of ``torch.optim``, so every
scheduler of ``torch.optim.lr_scheduler`` works, and a checkpoint made with either can be loaded
into the other. What is not supported is refused by name.

>>> model = torch.nn.Linear(3, 1)
>>> optimizer = Adam(model.parameters(), lr=0.01)
>>> model(torch.ones(3)).backward()
>>> optimizer.step()
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lib import backends, rules

NOT_OURS = {"foreach": None, "fused": None, "capturable": False, "differentiable": False}


class RuleOptimizer(torch.optim.Optimizer):
    """Applies a pure rule to parameter groups. A subclass names its options, its state, its rule.

    Attributes:
        options: Names and defaults, in torch's order.
        state_names: Fields of the rules' states, and the names they have in ``state_dict``.
        refused: Keywords of the same optimizer in torch that are not supported here, with the
            values that leave them off.
    """

    options: dict[str, Any] = {}
    state_names: dict[str, str] = {}
    refused: dict[str, Any] = NOT_OURS

    def __init_subclass__(cls) -> None:
        """Write the signature out, for ``help`` and for checking calls."""
        kind = inspect.Parameter
        cls.__signature__ = inspect.Signature(
            [
                kind("params", kind.POSITIONAL_OR_KEYWORD),
                *(kind(k, kind.POSITIONAL_OR_KEYWORD, default=v) for k, v in cls.options.items()),
                kind("maximize", kind.KEYWORD_ONLY, default=False),
                kind("backend", kind.KEYWORD_ONLY, default="foreach"),
            ]
        )

    def __init__(self, *args: Any, **kwargs: Any):
        """Take parameters or parameter groups, and options.

        Args:
            args: Parameters, or dicts of parameters with options of their own; then options.
            kwargs: Options by name; ``maximize``, to climb; and ``backend``: ``"eager"``,
                ``"foreach"`` or ``"compiled"``, see ``lib.backends``.

        Raises:
            TypeError: If a keyword is unknown.
            ValueError: If an option is out of range or not supported.
        """
        self._refuse(kwargs)
        kwargs = {name: value for name, value in kwargs.items() if name not in self.refused}
        call = self.__signature__.bind(*args, **kwargs)
        call.apply_defaults()
        options = dict(call.arguments)
        params, self.backend = options.pop("params"), options.pop("backend")
        if self.backend not in backends.BACKENDS:
            known = ", ".join(map(repr, backends.BACKENDS))
            raise ValueError(f"backend={self.backend!r} does not exist; choose one of {known}")
        self._runs: dict[Any, Callable[..., None]] = {}
        super().__init__(params, options)

    def _rule(self, group: dict[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
        """Return the rule for a parameter group, and the rule's hyper-parameters."""
        raise NotImplementedError

    def _start(self, group: dict[str, Any]) -> dict[str, Any]:
        """Return the starting values of the state, where these can be chosen."""
        return {}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with options of their own or the defaults.

        Raises:
            ValueError: If an option is out of range or not supported.
        """
        self._refuse(param_group)
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._validate(group)
        except ValueError:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: Evaluates the model again and returns the loss.

        Returns:
            The closure's loss, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        rule, hyper = self._rule(group)
        state_type = rules.STATES[rule]
        weight_decay = group.get("weight_decay", 0)
        if group["maximize"] or weight_decay:
            rule = _on_objective(rule, group["maximize"], bool(weight_decay))
            hyper["weight_decay"] = weight_decay
        run = self._run(rule, state_type, tuple(hyper))
        values = [float(value) if isinstance(value, Tensor) else value for value in hyper.values()]
        for (t, *_), rows in self._alike(group, state_type).items():
            params, grads, *states = map(list, zip(*rows, strict=True))
            run(params, grads, states, t, values)

    def _alike(self, group: dict[str, Any], state_type: Any) -> dict[tuple, list[tuple]]:
        """Sort parameters by step number, dtype and device, each with its gradient and state."""
        names = [self.state_names[field] for field in state_type._fields]
        needed = {"step", *names}
        alike: dict[tuple, list[tuple]] = {}
        for p in group["params"]:
            g = p.grad
            if g is None:
                continue
            if g.layout != torch.strided or g.is_complex():
                what = "complex parameters" if g.is_complex() else f"{g.layout} gradients"
                raise RuntimeError(
                    f"{type(self).__name__} does not support {what}; use torch.optim for these"
                )
            state = self.state[p]
            if not needed <= state.keys():
                fresh = state_type.init(p, **self._start(group))
                state.update(zip(names, fresh, strict=True), step=0)
            state["step"] += 1
            row = (p, g, *[state[name] for name in names])
            alike.setdefault((state["step"], p.dtype, p.device), []).append(row)
        return alike

    def _run(self, rule: Callable, state_type: Any, hyper: tuple[str, ...]) -> Callable[..., None]:
        if (rule, hyper) not in self._runs:
            make = backends.BACKENDS[self.backend]
            self._runs[rule, hyper] = make(rule, state_type, hyper)
        return self._runs[rule, hyper]

    def _refuse(self, options: dict[str, Any]) -> None:
        for name, off in self.refused.items():
            if options.get(name, off) != off:
                instead = "choose a backend instead: " + ", ".join(map(repr, backends.BACKENDS))
                raise ValueError(
                    f"{type(self).__name__}({name}={options[name]!r}) is not supported; "
                    + (
                        instead
                        if name in ("foreach", "fused")
                        else f"leave it at {off!r}, or use torch.optim.{type(self).__name__}"
                    )
                )

    def _validate(self, group: dict[str, Any]) -> None:
        for name, value in group.items():
            if name in ("lr", "eps", "weight_decay", "momentum", "lr_decay") and not value >= 0:
                raise ValueError(f"{name}={value!r} must not be negative")
            if name in ("alpha", "rho", "beta") and not 0 <= value <= 1:
                raise ValueError(f"{name}={value!r} must lie between 0 and 1")
            if name == "betas" and not all(0 <= beta < 1 for beta in value):
                raise ValueError(f"betas={value!r} must both lie in [0, 1)")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be made again: programs and kernels."""
        return {**super().__getstate__(), "backend": self.backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore, also from the state of the same optimizer in torch."""
        super().__setstate__(state)
        self._runs = {}
        for each in self.state.values():
            # torch counts steps in a tensor, where it counts them at all.
            each["step"] = int(each.get("step", 1))
            for name in [name for name, value in each.items() if value is None]:
                del each[name]


@functools.cache
def _on_objective(rule: Callable, maximize: bool, decay: bool) -> Callable[..., Any]:
    """Make a rule see the gradient of −L if L is to be maximized, and of a weight penalty."""

    @functools.wraps(rule)
    def wrapped(w, g, state, t, *, weight_decay, **hyper):
        g = -g if maximize else g
        g = g + weight_decay * w if decay else g
        return rule(w, g, state, t, **hyper)

    return wrapped


def _pick(group: dict[str, Any], *names: str, **renamed: str) -> dict[str, Any]:
    """Take hyper-parameters out of a group: ``renamed`` maps the rule's names to the group's."""
    return {name: group[name] for name in names} | {k: group[v] for k, v in renamed.items()}


class SGD(RuleOptimizer):
    """Stochastic gradient descent, with PyTorch's momentum or Nesterov's: see ``torch.optim.SGD``.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> w.grad = torch.tensor([2.0])
    >>> SGD([w], lr=0.25).step()
    >>> w.data
    tensor([0.5000])
    """

    options = {
        "lr": 1e-3,
        "momentum": 0,
        "dampening": 0,
        "weight_decay": 0,
        "nesterov": False,
    }
    state_names = {"buf": "momentum_buffer"}

    def _rule(self, group):
        if not group["momentum"]:
            return rules.sgd, _pick(group, "lr")
        if group["nesterov"]:
            return rules.sgd_nesterov, _pick(group, "lr", "momentum")
        return rules.sgd_momentum, _pick(group, "lr", "momentum", "dampening")

    def _validate(self, group):
        super()._validate(group)
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError(
                f"nesterov=True needs a momentum above 0 and dampening 0, not "
                f"momentum={group['momentum']!r} and dampening={group['dampening']!r}"
            )


class DeltaBarDelta(RuleOptimizer):
    """Local gains, as in the lecture: see ``rules.delta_bar_delta``."""

    options = {
        "lr": 1e-2,
        "beta": 0.05,
        "gain_min": 0.01,
        "gain_max": 100.0,
        "weight_decay": 0,
    }
    state_names = {"gain": "gain", "g_prev": "prev"}
    refused = {}

    def _rule(self, group):
        return rules.delta_bar_delta, _pick(group, "lr", "beta", "gain_min", "gain_max")

    def _validate(self, group):
        super()._validate(group)
        if not 0 < group["gain_min"] <= 1 <= group["gain_max"]:
            raise ValueError(
                f"gains start at 1, so 0 < gain_min <= 1 <= gain_max is needed, not "
                f"gain_min={group['gain_min']!r} and gain_max={group['gain_max']!r}"
            )


class Rprop(RuleOptimizer):
    """Step sizes ruled by signs, for whole batches: see ``torch.optim.Rprop``.

    ``lr`` is the first step size, and only that.
    """

    options = {"lr": 1e-2, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)}
    state_names = {"step": "step_size", "g_prev": "prev"}

    def _rule(self, group):
        names = ("eta_minus", "eta_plus", "step_min", "step_max")
        values = (*group["etas"], *group["step_sizes"])
        return rules.rprop, dict(zip(names, values, strict=True))

    def _start(self, group):
        return {"step": float(group["lr"])}

    def _validate(self, group):
        super()._validate(group)
        eta_minus, eta_plus = group["etas"]
        if not 0 < eta_minus < 1 < eta_plus:
            raise ValueError(f"etas={group['etas']!r} must satisfy 0 < eta_minus < 1 < eta_plus")


class Adagrad(RuleOptimizer):
    """Rates that fall with all squared gradients so far: see ``torch.optim.Adagrad``."""

    options = {
        "lr": 1e-2,
        "lr_decay": 0,
        "weight_decay": 0,
        "initial_accumulator_value": 0,
        "eps": 1e-10,
    }
    state_names = {"total": "sum"}

    def _rule(self, group):
        return rules.adagrad, _pick(group, "lr", "lr_decay", "eps")

    def _start(self, group):
        return {"total": group["initial_accumulator_value"]}


class RMSprop(RuleOptimizer):
    """The lecture's RMSProp: see ``torch.optim.RMSprop``; ``alpha`` is the lecture's β."""

    options = {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0}
    state_names = {"ms": "square_avg"}
    refused = {**NOT_OURS, "momentum": 0, "centered": False}

    def _rule(self, group):
        return rules.rmsprop, _pick(group, "lr", beta="alpha", eps="eps")


class Adadelta(RuleOptimizer):
    """AdaDelta: see ``torch.optim.Adadelta``."""

    options = {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0}
    state_names = {"ms": "square_avg", "du": "acc_delta"}

    def _rule(self, group):
        return rules.adadelta, _pick(group, "lr", "rho", "eps")


class Adam(RuleOptimizer):
    """Adam, and with ``amsgrad=True`` PyTorch's AMSGrad: see ``torch.optim.Adam``.

    The paper's AMSGrad is ``rules.amsgrad``; ``rules.amsgrad_torch`` says how they differ.
    """

    options = {
        "lr": 1e-3,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "amsgrad": False,
    }
    state_names = {"m": "exp_avg", "v": "exp_avg_sq", "v_max": "max_exp_avg_sq"}
    refused = {**NOT_OURS, "decoupled_weight_decay": False}

    def _rule(self, group):
        beta1, beta2 = group["betas"]
        hyper = {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"]}
        return rules.amsgrad_torch if group["amsgrad"] else rules.adam, hyper


class SWATS(RuleOptimizer):
    """Adam until it has found a learning rate Λ for SGD, then SGD: see ``rules.swats``.

    The switch is decided once a step for the whole model: γ is one number for all groups, dtypes
    and devices. Steps are counted by calls of ``step`` that had a gradient. After the switch a
    group's rate is Λ, times what schedulers have made of its ``lr`` since. At constant ``lr``
    this is the published algorithm.

    Attributes:
        switched_at: Number of the step at which the condition was met, or None.
        switch_rate: Λ, or None before the switch.
    """

    options = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-9, "weight_decay": 0}
    state_names = {"m": "exp_avg", "v": "exp_avg_sq", "p": "last_step", "u": "momentum_buffer"}
    refused = {}

    def __init__(self, *args, **kwargs):
        """Take Adam's options; ``eps`` is the tolerance of the switch as well."""
        super().__init__(*args, **kwargs)
        # In a group, so that state_dict has them; in the first, since they are the whole model's.
        self.param_groups[0].update(steps=0, lam=0.0, switched_at=None, switch_rate=None)

    @property
    def switched_at(self):
        """Number of the step at which the condition was met, or None."""
        return self.param_groups[0]["switched_at"]

    @property
    def switch_rate(self):
        """Λ, or None before the switch."""
        return self.param_groups[0]["switch_rate"]

    def _rule(self, group):
        beta1, beta2 = group["betas"]
        if self.switched_at is None:
            hyper = {"lr": group["lr"], "beta1": beta1, "beta2": beta2, "eps": group["eps"]}
            return rules.swats_adam, hyper
        scheduled = group["lr"] / (group.setdefault("lr_at_switch", group["lr"]) or 1.0)
        return rules.swats_sgd, {"rate": self.switch_rate * scheduled, "beta1": beta1}

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient, and decide whether to switch."""
        loss = super().step(closure)
        if self.switched_at is None:
            self._monitor()
        return loss

    def _monitor(self):
        pp, pg = [], []
        for group in self.param_groups:
            sign = -1 if group["maximize"] else 1
            for p in group["params"]:
                if p.grad is None:
                    continue
                step = self.state[p]["last_step"]
                # Adam saw the gradient with the weight penalty of the weights before the step.
                g = sign * p.grad + group["weight_decay"] * (p - step)
                pp.append(torch.sum(step * step, dtype=torch.float64))
                pg.append(torch.sum(step * g, dtype=torch.float64))
        if not pp:
            return
        whole, (_, beta2) = self.param_groups[0], self.param_groups[0]["betas"]
        whole["steps"] += 1
        lam, switch, rate = rules.swats_monitor(
            _total(pp),
            _total(pg),
            torch.tensor(whole["lam"], dtype=torch.float64),
            whole["steps"],
            beta2=beta2,
            eps=whole["eps"],
        )
        whole["lam"] = lam.item()
        if switch:
            whole.update(switched_at=whole["steps"], switch_rate=rate.item())
            for group in self.param_groups:
                group["lr_at_switch"] = float(group["lr"])
            self.state.clear()


def _total(scalars):
    """Add 0-d tensors of any devices up on the CPU, with one transfer for each device."""
    devices = dict.fromkeys(each.device for each in scalars)
    return sum(
        torch.stack([each for each in scalars if each.device == device]).sum().cpu()
        for device in devices
    )
