"""Find out whether an answer uses what it must not, by reading it.

Read is the answer's function, and everything of the student's that it reaches by name: helpers,
aliases, imports in other cells. Names are resolved the way Python does, so that a parameter called
``optimizer`` is not the notebook's variable of that name.

>>> cells = ["from torch import optim as o", "def f(w): return o.SGD(w)", "def g(o): return o.SGD"]
>>> Reading(cells).forbidden_use("f", ["torch.optim"])
'torch.optim'
>>> Reading(cells).forbidden_use("g", ["torch.optim"])
"""

from __future__ import annotations

import ast
import functools
import symtable
from collections.abc import Iterator, Sequence

from IPython.core.inputtransformer2 import TransformerManager

# lib's reference is forbidden always.
ALWAYS = ("lib.rules", "lib.optim", "lib.backends", "lib.exercises")
# The same thing under another name.
ALSO = {"torch.optim": ("torch._fused_", "torch.ops.aten._fused_")}
WAYS_AROUND = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "globals",
    "vars",
    "gc",
    "ctypes",
    "inspect",
}


class Reading:
    """All code cells of a submission, read.

    Args:
        cells: Their sources.
    """

    def __init__(self, cells: Sequence[str]):
        self.bindings: dict[str, list[ast.stmt]] = {}
        self.imported: dict[str, str] = {}
        for statements in map(_statements, cells):
            for statement, names, imports in statements:
                self.imported.update(imports)
                for name in names:
                    self.bindings.setdefault(name, []).append(statement)

    def forbidden_use(self, function: str, forbids: Sequence[str] = ()) -> str | None:
        """Return the forbidden name that a function uses, directly or through others.

        Args:
            function: The function's name.
            forbids: Dotted names, each forbidden with all that is under it.
        """
        wanted = [*ALWAYS, *forbids, *(also for name in forbids for also in ALSO.get(name, ()))]
        todo, seen = [function], set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for statement in self.bindings.get(name, ()):
                hidden = _parameters(statement)
                visible = {k: v for k, v in self.imported.items() if k not in hidden}
                for used in _dotted_names(statement, visible):
                    for bad in wanted:
                        if used == bad or used.startswith(bad if bad.endswith("_") else bad + "."):
                            return bad.rstrip("_")
                todo += _globals_of(statement)
        return None


@functools.lru_cache(4096)
def _statements(source: str) -> list[tuple[ast.stmt, frozenset[str], dict[str, str]]]:
    """Return a cell's statements, each with the names that it binds and the imports inside."""
    tree = parsed(source)
    return [
        (
            statement,
            frozenset(_binds(statement)),
            {k: v for node in ast.walk(statement) for k, v in _imports(node).items()},
        )
        for statement in (tree.body if tree else ())
    ]


def mentions(source: str, forbids: Sequence[str]) -> str | None:
    """Return the forbidden name that a cell mentions anywhere, in strings too."""
    tree = parsed(source)
    if tree is None:
        return None
    imported = {k: v for node in ast.walk(tree) for k, v in _imports(node).items()}
    used = set(_dotted_names(tree, imported))
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    for bad in (*ALWAYS, *forbids):
        if any(each == bad or each.startswith(bad + ".") for each in used | strings):
            return bad
    return None


def ways_around(source: str) -> list[str]:
    """Return the names in a cell that are seldom used for anything but getting around a check."""
    tree = parsed(source)
    if tree is None:
        return []
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & WAYS_AROUND
    for node in ast.walk(tree):
        found |= {name.split(".")[0] for name in _imports(node).values()} & WAYS_AROUND
        if isinstance(node, ast.Attribute) and node.attr in (
            "_getframe",
            "__subclasses__",
            "modules",
        ):
            found.add(node.attr)
    return sorted(found)


@functools.lru_cache(4096)
def parsed(source: str) -> ast.Module | None:
    """Return a cell's syntax tree, or None if it has no right syntax."""
    try:
        try:
            return ast.parse(source)
        except SyntaxError:  # perhaps magic commands
            return ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imports(node: ast.AST) -> dict[str, str]:
    """Return the names that an import binds, and what they stand for."""
    if isinstance(node, ast.Import):
        return {
            alias.asname or alias.name.split(".")[0]: alias.name
            if alias.asname
            else alias.name.split(".")[0]
            for alias in node.names
        }
    if isinstance(node, ast.ImportFrom) and node.module:
        return {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {}


def _binds(statement: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a cell binds or changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    found = {name for node in ast.walk(statement) for name in _imports(node)}
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            root = node.value
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name):
                found.add(root.id)
    return found


def _parameters(tree: ast.AST) -> set[str]:
    """Return the parameters without a default, which hide imports of the same name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            positional = node.posonlyargs + node.args
            found |= {each.arg for each in positional[: len(positional) - len(node.defaults)]}
    return found


@functools.lru_cache(4096)
def _globals_of(statement: ast.stmt) -> frozenset[str]:
    """Return the global names that a statement reads, inside of functions too."""
    try:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
    except (SyntaxError, RecursionError, ValueError):
        return frozenset()
    found: set[str] = set()
    todo = [table]
    while todo:
        table = todo.pop()
        todo += table.get_children()
        for symbol in table.get_symbols():
            outermost = table.get_type() == "module"
            if symbol.is_referenced() and (outermost or symbol.is_global()):
                found.add(symbol.get_name())
    return frozenset(found)


def _dotted_names(tree: ast.AST, imported: dict[str, str]) -> Iterator[str]:
    """Yield what names, attributes, imports and ``getattr`` with a constant stand for."""
    for node in ast.walk(tree):
        yield from _imports(node).values()
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            yield from [node.module] if isinstance(node, ast.ImportFrom) and node.module else names
        dotted = _dotted(node, imported)
        if dotted:
            yield dotted


def _dotted(node: ast.AST, imported: dict[str, str]) -> str | None:
    match node:
        case ast.Name(id=name):
            return imported.get(name, name)
        case ast.Attribute(value=inner, attr=name):
            before = _dotted(inner, imported)
            return f"{before}.{name}" if before else None
        case ast.Call(func=ast.Name(id="getattr"), args=[inner, ast.Constant(value=str(name)), *_]):
            before = _dotted(inner, imported)
            return f"{before}.{name}" if before else None
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return name
    return None
