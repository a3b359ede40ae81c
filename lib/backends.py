"""How a pure rule runs on all the tensors of a model: the backends of ``lib.optim``.

- ``eager`` calls the rule tensor by tensor and copies what it returns. This is the reference.
- ``foreach``, the default, traces the rule once and writes it out as the short program of in-place
  ``torch._foreach_…`` calls that one would write by hand: one call for all tensors, and as few
  passes over memory as the formula allows.
- ``compiled`` gives the same instructions to ``torch.compile``, which makes one kernel of them.

Tracing works because a rule is nothing but arithmetic on ``w``, ``g``, ``state``, ``t`` and the
hyper-parameters. What depends only on the last two is a scalar and is computed by Python, once a
step, in double precision; what is left are instructions on tensors.

>>> from lib import rules
>>> print(Program(rules.momentum, rules.MomentumState, ("lr", "alpha")).foreach)
def momentum(w, g, v, t, lr, alpha):
    _foreach_mul_(v, alpha)
    _foreach_add_(v, g, alpha=lr)
    _foreach_add_(w, v, alpha=-1)
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, fx

SCALAR_SYNTAX = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.truediv: "{} / {}",
    operator.pow: "{} ** {}",
    operator.neg: "-{}",
}
# Instructions by name, as an expression of their variables and then, where there is one, a scalar.
TENSOR_SYNTAX = {
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "add": "{0} + {1}",
    "add_scaled": "{0} + {2} * {1}",
    "addcmul": "{0} + {3} * ({1} * {2})",
    "addcdiv": "{0} + {3} * ({1} / {2})",
    "sqrt": "torch.sqrt({0})",
    "sign": "torch.sign({0})",
    "maximum": "torch.maximum({0}, {1})",
    "clamp_min": "torch.clamp({0}, min={1})",
    "clamp_max": "torch.clamp({0}, max={1})",
    "where": "torch.where({0}, {1}, {2})",
    "lt": "{0} < {1}",
    "gt": "{0} > {1}",
}
WITHOUT_FOREACH = {"where", "lt", "gt"}
FOREACH_KEYWORD = {"add_scaled": "alpha=", "addcmul": "value=", "addcdiv": "value="}
INSTRUCTION = {
    torch.sqrt: "sqrt",
    torch.sign: "sign",
    torch.maximum: "maximum",
    torch.where: "where",
    operator.lt: "lt",
    operator.gt: "gt",
}


@dataclass(frozen=True)
class Term:
    """A tensor not yet computed: a scalar factor times a variable, a product or a quotient."""

    factor: str
    variables: tuple[str, ...]
    op: str = ""

    def times(self, scalar: str) -> Term:
        """Multiply the factor."""
        factor = scalar if self.factor == "1" else f"{self.factor} * {_atom(scalar)}"
        return Term(factor, self.variables, self.op)

    def over(self, scalar: str) -> Term:
        """Divide the factor."""
        return Term(f"{_atom(self.factor)} / {_atom(scalar)}", self.variables, self.op)

    def negative(self) -> Term:
        """Change the factor's sign."""
        return Term(f"-{_atom(self.factor)}", self.variables, self.op)

    def unscaled(self) -> Term:
        """Leave the factor out."""
        return Term("1", self.variables, self.op)


@dataclass(frozen=True)
class Instruction:
    """``target = op(*variables, scalar)``; a variable may also be a literal number."""

    target: str
    op: str
    variables: tuple[str, ...]
    scalar: str = ""


class Program:
    """A rule as a straight line of instructions, written out for the two fast backends.

    Attributes:
        foreach: Source of a function on lists of tensors that updates ``w`` and the state in place.
        compiled: Source of the same for one tensor each, with its scalars computed beforehand.
        scalars: Source of the function that computes those.
    """

    def __init__(self, rule: Callable, state_type: Any, hyper: Sequence[str]):
        """Trace a rule.

        Args:
            rule: A function of ``lib.rules``, or one of the same form.
            state_type: The type of its state.
            hyper: Names of its hyper-parameters.

        Raises:
            NotImplementedError: If the rule uses an operation that has no instruction.
        """
        self.name = rule.__name__
        self.slots = ("w", *state_type._fields)
        self.tensors = ("w", "g", *state_type._fields)
        self.inputs = ("t", *hyper)
        self.instructions: list[Instruction] = []
        self.outputs = self._trace(rule, state_type)
        self.foreach = self._foreach_source()
        self.scalars, self.compiled = self._compiled_sources()

    def _trace(self, rule: Callable, state_type: Any) -> dict[str, str]:
        """Fill the instructions; return the variable in which each slot's new value is."""
        graph = fx.Graph()
        tracer = fx.proxy.GraphAppendingTracer(graph)
        names = (*self.tensors, *self.inputs)
        symbol = {name: fx.Proxy(graph.placeholder(name), tracer) for name in names}
        w, state = rule(
            symbol["w"],
            symbol["g"],
            state_type(*(symbol[field] for field in state_type._fields)),
            symbol["t"],
            **{name: symbol[name] for name in self.inputs[1:]},
        )
        results = [each.node for each in (w, *state)]

        values: dict[fx.Node, str | Term] = {}
        for node in graph.nodes:
            if node.op == "placeholder":
                name = str(node.target)
                values[node] = Term("1", (name,)) if name in self.tensors else name
                continue
            args = [values[a] if isinstance(a, fx.Node) else repr(a) for a in node.args]
            kwargs = {k: values.get(a, repr(a)) for k, a in node.kwargs.items()}
            value = self._lower(node.target, args, kwargs)
            if isinstance(value, Term) and value.op and len(node.users) + results.count(node) > 1:
                value = Term("1", (self._variable(value),))
            values[node] = value
        outputs = {s: self._variable(values[r]) for s, r in zip(self.slots, results, strict=True)}
        for slot, variable in outputs.items():
            if variable in self.slots and variable != slot:  # saved before it is overwritten
                (outputs[slot],) = self._emit("mul", variable, scalar="1").variables
        return outputs

    def _lower(self, target: Any, args: list[str | Term], kwargs: dict[str, str]) -> str | Term:
        a, b = (*args, None)[:2]
        if target in SCALAR_SYNTAX and not any(isinstance(each, Term) for each in args):
            return SCALAR_SYNTAX[target].format(*map(_atom, args))
        if target is operator.neg:
            return a.negative()
        if target is operator.add:
            return self._sum(a, b)
        if target is operator.sub:
            return self._sum(a, b.negative() if isinstance(b, Term) else f"-{_atom(b)}")
        if target is operator.mul:
            return self._product(a, b)
        if target is operator.pow and b == "2":
            return self._product(a, a)
        if target is operator.truediv and isinstance(a, Term):
            return self._quotient(a, b)
        if target is torch.clamp:
            ((end, limit),) = kwargs.items()
            return self._emit(f"clamp_{end}", self._variable(a), scalar=limit)
        if target in INSTRUCTION:
            literal_or_variable = (x if isinstance(x, str) else self._variable(x) for x in args)
            return self._emit(INSTRUCTION[target], *literal_or_variable)
        raise NotImplementedError(f"the backends have no instruction for {target}")

    def _emit(self, op: str, *variables: str, scalar: str = "") -> Term:
        target = f"x{len(self.instructions)}"
        self.instructions.append(Instruction(target, op, variables, scalar))
        return Term("1", (target,))

    def _variable(self, term: Term) -> str:
        """Compute a term, unless it is a variable as it stands."""
        if term.op:
            term = Term(term.factor, self._emit(term.op, *term.variables).variables)
        if term.factor != "1":
            term = self._emit("mul", *term.variables, scalar=term.factor)
        return term.variables[0]

    def _product(self, a: str | Term, b: str | Term) -> Term:
        if isinstance(a, str):
            a, b = b, a
        if isinstance(b, str):
            return a.times(b)
        x, y = self._variable(a.unscaled()), self._variable(b.unscaled())
        product = Term("1", (x, y), "mul")
        for each in (a, b):
            product = product if each.factor == "1" else product.times(each.factor)
        return product

    def _quotient(self, a: Term, b: str | Term) -> Term:
        if isinstance(b, str):
            return a.over(b)
        quotient = Term(
            a.factor, (self._variable(a.unscaled()), self._variable(b.unscaled())), "div"
        )
        return quotient if b.factor == "1" else quotient.over(b.factor)

    def _sum(self, a: str | Term, b: str | Term) -> Term:
        if isinstance(a, str):
            a, b = b, a
        if isinstance(b, str):
            return self._emit("add", self._variable(a), scalar=b)
        if a.op and not b.op:
            a, b = b, a
        op = {"": "add", "mul": "addcmul", "div": "addcdiv"}[b.op]
        if op == "add" and b.factor == "1":
            return self._emit("add", self._variable(a), *b.variables)
        op = "add_scaled" if op == "add" else op
        return self._emit(op, self._variable(a), *b.variables, scalar=b.factor)

    def _in_place(self) -> set[str]:
        """Name the targets that may overwrite their first variable.

        A temporary may be overwritten where it is used for the last time. A slot may be too, but
        only by a chain of such instructions that ends in the slot's own new value.
        """
        last_use: dict[str, int] = {}
        for index, each in enumerate(self.instructions):
            last_use.update(dict.fromkeys(each.variables, index))
        last_use.update(dict.fromkeys(self.outputs.values(), len(self.instructions)))
        first = {
            each.target: each.variables[0]
            for index, each in enumerate(self.instructions)
            if each.op not in WITHOUT_FOREACH and last_use[each.variables[0]] == index
        }
        allowed = {target for target, variable in first.items() if variable not in self.tensors}
        for slot, variable in self.outputs.items():
            chain = []
            while variable in first:
                chain.append(variable)
                variable = first[variable]
            if variable == slot:
                allowed.update(chain)
        return allowed

    def _foreach_source(self) -> str:
        in_place, place, lines = self._in_place(), {name: name for name in self.tensors}, []
        for each in self.instructions:
            x = [place.get(variable, variable) for variable in each.variables]
            place[each.target] = x[0] if each.target in in_place else each.target
            if each.op in WITHOUT_FOREACH:
                lists = list(dict.fromkeys(name for name in x if name.isidentifier()))
                expression = TENSOR_SYNTAX[each.op].format(
                    *(_one(n) if n in lists else n for n in x)
                )
                lines.append(
                    f"{each.target} = [{expression} for {', '.join(map(_one, lists))}, "
                    f"in zip({', '.join(lists)})]"
                )
                continue
            scalar = [FOREACH_KEYWORD.get(each.op, "") + each.scalar] if each.scalar else []
            call = f"_foreach_{each.op.removesuffix('_scaled')}"
            call += f"{'_' * (each.target in in_place)}({', '.join(x + scalar)})"
            lines.append(call if each.target in in_place else f"{each.target} = {call}")
        for slot, variable in self.outputs.items():
            if place[variable] != slot:
                lines.append(f"_foreach_copy_({slot}, {place[variable]})")
        return _define(self.name, (*self.tensors, *self.inputs), lines)

    def _compiled_sources(self) -> tuple[str, str]:
        scalars = list(dict.fromkeys(each.scalar for each in self.instructions if each.scalar))
        # In half precision, computing in the scalars' dtype rounds once, where it is stored.
        wide = {name: f"{name}_" for name in self.tensors}
        lines = [f"{wide[name]} = {name}.to(s[0].dtype)" for name in self.tensors]
        for each in self.instructions:
            args = [wide.get(variable, variable) for variable in each.variables]
            if each.scalar:
                args.append(f"s[{scalars.index(each.scalar)}]")
            lines.append(f"{each.target} = {TENSOR_SYNTAX[each.op].format(*args)}")
        for slot, variable in self.outputs.items():
            if variable != slot:
                lines.append(f"{slot}.copy_({wide.get(variable, variable)})")
        values = f"return ({''.join(f'{scalar}, ' for scalar in scalars)})"
        return (
            _define(f"{self.name}_scalars", self.inputs, [values]),
            _define(self.name, (*self.tensors, "s"), lines),
        )


def _atom(scalar: str) -> str:
    """Put an expression in parentheses, unless it is a name or a number."""
    return scalar if scalar.replace(".", "0").isalnum() or scalar.isidentifier() else f"({scalar})"


def _one(name: str) -> str:
    """Name the element of a list."""
    return f"{name}_"


def _define(name: str, parameters: Sequence[str], lines: Sequence[str]) -> str:
    return "\n    ".join([f"def {name}({', '.join(parameters)}):", *lines])


NAMESPACE = {"torch": torch}
NAMESPACE |= {name: value for name, value in vars(torch).items() if name.startswith("_foreach_")}


def _function(source: str, name: str) -> Callable:
    """Turn source text into a function."""
    namespace = dict(NAMESPACE)
    exec(source, namespace)
    return namespace[name]


BLOCK = 262_144  # elements of each list; see tests/benchmarks/optimizers.py
Lists = Sequence[list[Tensor]]


def eager(rule: Callable, state_type: Any, hyper: Sequence[str]) -> Callable[..., None]:
    """Run a rule tensor by tensor."""

    def run(ws: list[Tensor], gs: list[Tensor], states: Lists, t: int, values: Sequence) -> None:
        given = dict(zip(hyper, values, strict=True))
        for w, g, *state in zip(ws, gs, *states, strict=True):
            new_w, new_state = rule(w, g, state_type(*state), t, **given)
            olds, news = (w, *state), (new_w, *new_state)
            news = [new.clone() if any(new is old for old in olds) else new for new in news]
            for old, new in zip(olds, news, strict=True):
                old.copy_(new)

    return run


def foreach(rule: Callable, state_type: Any, hyper: Sequence[str]) -> Callable[..., None]:
    """Run a rule's program on all tensors at once."""
    program = Program(rule, state_type, hyper)
    function = _function(program.foreach, program.name)

    def run(ws: list[Tensor], gs: list[Tensor], states: Lists, t: int, values: Sequence) -> None:
        if ws[0].device.type != "cpu" or sum([w.numel() for w in ws]) <= BLOCK:
            function(ws, gs, *states, t, *values)
        else:
            for block in _blocks(ws, gs, *states):
                function(*block, t, *values)

    return run


def _blocks(*lists: list[Tensor]) -> Iterator[list[list[Tensor]]]:
    """Cut the lists so that on a CPU a block stays in its cache from one instruction to the next.

    A GPU is better off with a single launch for everything.
    """
    block: list[Sequence[Tensor]] = []
    size = 0
    for tensors in zip(*lists, strict=True):
        whole = not all(x.is_contiguous() for x in tensors)
        parts = (
            [tensors] if whole else zip(*(x.view(-1).split(BLOCK) for x in tensors), strict=True)
        )
        for part in parts:
            if block and size + part[0].numel() > BLOCK:
                yield [list(each) for each in zip(*block, strict=True)]
                block, size = [], 0
            block.append(part)
            size += part[0].numel()
    yield [list(each) for each in zip(*block, strict=True)]


def compiled(rule: Callable, state_type: Any, hyper: Sequence[str]) -> Callable[..., None]:
    """Compile a rule's program, once for each set of shapes, dtypes and devices."""
    program = Program(rule, state_type, hyper)
    scalars = _function(program.scalars, f"{program.name}_scalars")
    kernels: dict[tuple, Callable[..., Any]] = {}

    def run(ws: list[Tensor], gs: list[Tensor], states: Lists, t: int, values: Sequence) -> None:
        # torch 2.13 loses writes to 0-d tensors here, so these get a dimension.
        tensors = [x if x.ndim else x.view(1) for x in chain(ws, gs, *states)]
        dtype, device = torch.promote_types(ws[0].dtype, torch.float32), ws[0].device
        s = torch.tensor(scalars(t, *values), dtype=dtype, device=device)
        key = (ws[0].dtype, device, *[w.shape for w in ws], *[x.stride() for x in tensors])
        if key not in kernels:
            kernels[key] = _compile(program, [s, *tensors])
        kernels[key](s, *tensors)

    return run


def _compile(program: Program, examples: list[Tensor]) -> Callable[..., Any]:
    """Make one kernel for all tensors, given as flat arguments after the scalars.

    The instructions are known, so Dynamo has nothing to find out. Without it a kernel compiles in
    half the time, and is called without the guards, which for four tensors cost more than the
    arithmetic. What they would check is the key of the kernel.
    """
    one = _function(program.compiled, program.name)

    def every(scalars: Tensor, *tensors: Tensor) -> tuple[()]:
        s, count = scalars.unbind(), len(tensors) // len(program.tensors)
        for index in range(count):
            one(*tensors[index::count], s)
        return ()

    from torch import _inductor  # slow to import
    from torch.fx.experimental.proxy_tensor import make_fx

    return _inductor.compile(
        make_fx(every, tracing_mode="fake")(*examples),
        examples,
        # One loop a tensor: many at once read more streams than a processor can prefetch.
        options={"cpp.max_horizontal_fusion_size": 1, "size_asserts": False},
    )


BACKENDS = {"eager": eager, "foreach": foreach, "compiled": compiled}
