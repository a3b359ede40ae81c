"""A student's process: it runs the student's cells and answers calls, and knows nothing else.

It holds no test, no expected value, no seed and no score. Everything in here, from the shell to the
socket, belongs to the student's code if that code wants it: nothing that this process says is
believed beyond being somebody's answer.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import pkgutil
import signal
import socket
import sys
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.referee import guard, sandbox, zygote
from autograder.referee.limits import Limits
from autograder.referee.wire import MUTABLE, Channel, Closed, Codec, Malformed, Unsendable

TRACEBACK_LINES = 40

_shell = None


def warm_up() -> None:
    """Import what notebooks use and do everything once that is slow the first time."""
    global _shell
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    guard.hide_reference()
    import matplotlib.pyplot as plt

    import lib

    for module in pkgutil.iter_modules(lib.__path__):
        if module.name not in sandbox.REFERENCE:
            importlib.import_module(f"lib.{module.name}")
    guard.forget_reference()
    for name in ("scipy.stats", "sklearn.datasets"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    from autograder.referee import shell

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _shell = shell.make_shell()
        zygote.warm_torch()
        _shell.record(
            "import matplotlib.pyplot as plt; plt.plot([1, 2], label='a'); plt.legend()\n"
            "plt.title('$x^2$'); plt.show()\n1/0",
            Limits(),
        )
        plt.close("all")
    _shell.reset(new_session=True)
    _shell.execution_count = 1


def live(wire: socket.socket, message: dict, limits: Limits) -> None:
    """Be the process of one submission, until the referee lets go."""
    if message["sandboxed"]:
        sandbox.build_inner_wall(limits)
    else:
        os.chdir(message["folder"])
        sandbox.set_resource_limits(limits, alone=False)
    os.environ.clear()
    home = sandbox.HOME if message["sandboxed"] else message["folder"]
    os.environ.update(
        HOME=home,
        PATH="/usr/bin:/bin",
        LANG="C.UTF-8",
        TMPDIR=sandbox.TEMPORARY if message["sandboxed"] else "/tmp",
        OMP_NUM_THREADS="1",
        MPLCONFIGDIR=f"{home}/.matplotlib",
        IPYTHONDIR=f"{home}/.ipython",
        USER="student",
        MPLBACKEND="module://matplotlib_inline.backend_inline",
    )
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nothing, number)
    os.close(nothing)
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())] + [os.getcwd()]
    Student(wire, limits).serve()


class Student:
    """Answers the referee's messages until it goes.

    Args:
        wire: The socket.
        limits: Its limits.
    """

    def __init__(self, wire: socket.socket, limits: Limits):
        self.limits = limits
        self.callables: list[Callable] = []
        self.numbers: dict[int, int] = {}
        codec = Codec(limits, self._number_of, self._callback)
        self.channel, self.codec = Channel(wire, codec), codec
        self.shell = _shell
        self.busy = False
        self.pid = os.getpid()
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, *_: Any) -> None:
        if self.busy:
            raise KeyboardInterrupt

    def _number_of(self, function: Callable) -> int:
        if id(function) not in self.numbers:
            self.numbers[id(function)] = len(self.callables)
            self.callables.append(function)  # kept, so that its id stays its own
        return self.numbers[id(function)]

    def _callback(self, number: int, name: str) -> Callable:
        """Return a function that calls back into the referee."""

        def callback(*args, **kwargs):
            self.channel.send(("callback", number, args, kwargs))
            answer = self._until_answered()
            if answer[0] == "failed":
                raise RuntimeError(answer[1])
            return answer[1]

        callback.__name__ = callback.__qualname__ = name
        return callback

    def _until_answered(self) -> tuple:
        busy, self.busy = self.busy, False  # an interrupt must not tear a message apart
        try:
            return self.channel.receive()
        finally:
            self.busy = busy

    def serve(self) -> None:
        """Answer messages."""
        while True:
            try:
                message = self.channel.receive()
            except (Closed, Malformed):
                return
            try:
                answer = getattr(self, f"do_{message[0]}")(*message[1:])
            except KeyboardInterrupt:
                answer = ("interrupted",)
            finally:
                self.busy = False
            if os.getpid() != self.pid:
                os._exit(0)  # the cell forked, and this is the copy
            self._reply(answer)

    def _reply(self, answer: tuple) -> None:
        try:
            self.channel.send(answer)
        except Unsendable as error:
            self.channel.send(("unsendable", str(error)))

    def do_files(self, files: dict[str, bytes]) -> tuple:
        """Put the student's other files into the working folder."""
        for name, content in files.items():
            target = Path(name)
            with contextlib.suppress(OSError):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        return ("done",)

    def do_run(self, source: str) -> tuple:
        """Run a cell."""
        self.busy = True
        return ("ran", self.shell.record(source, self.limits))

    def do_get(self, name: str) -> tuple:
        """Say what a name stands for."""
        if name not in self.shell.user_ns:
            return ("missing",)
        value = self.shell.user_ns[name]
        if isinstance(value, types.ModuleType):
            return ("unsendable", f"{name} is a module")
        return ("value", value)

    def do_guard(self, names: list[str]) -> tuple:
        """Refuse some of torch's or lib's functions from now on."""
        guard.refuse(names)
        return ("done",)

    def do_call(self, number: int, args: list[bytes], kwargs: dict[str, bytes]) -> tuple:
        """Call a function; say what it returned and which arguments it changed."""
        return self._call(self.callables[number], args, kwargs)

    def do_harness(self, name: str, numbers: list[int], data: dict[str, bytes]) -> tuple:
        """Call a function of ``lib.harness`` with functions of the student's."""
        harness = getattr(importlib.import_module("lib.harness"), name)
        function = functools.partial(harness, *(self.callables[number] for number in numbers))
        return self._call(function, [], data)

    def _call(self, function: Callable, args: list[bytes], kwargs: dict[str, bytes]) -> tuple:
        sent = [*enumerate(args), *kwargs.items()]
        given = {key: self.codec.decode(content) for key, content in sent}
        positional = [given[index] for index in range(len(args))]
        named = {key: given[key] for key in kwargs}
        # A container is compared with how it is written here: functions in it are written there
        # as the referee's and here as callbacks.
        sent = [
            (key, self.codec.encode(given[key]) if isinstance(given[key], list | dict) else before)
            for key, before in sent
        ]
        self.busy = True
        try:
            outcome = ("returned", function(*positional, **named))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome = ("raised", *_described(error))
        self.busy = False
        changed, spoiled = [], ""
        for key, before in sent:
            if isinstance(given[key], MUTABLE):
                try:
                    after = self.codec.encode(given[key])
                except Unsendable as error:
                    spoiled = f"argument {key} was changed: {error}"
                    continue
                if after != before:
                    changed.append((key, after))
        return (*outcome, changed, spoiled)


def _described(error: BaseException) -> tuple[str, str, list[str]]:
    """Return an exception's type, its message, and the student's own lines on the way to it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith("<ipython")]
    lines = [f"line {frame.lineno}, in {frame.name}: {frame.line}" for frame in own]
    plain = isinstance(error, KeyError) and len(error.args) == 1  # whose str() is a repr()
    text = str(error.args[0] if plain else error)
    return type(error).__name__[:100], text[:4000], lines[-TRACEBACK_LINES:]
