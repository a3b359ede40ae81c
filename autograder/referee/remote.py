"""The student's process, seen from the referee: started, asked, interrupted, and never believed."""

from __future__ import annotations

import builtins
import contextlib
import json
import select
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from autograder.referee import zygote
from autograder.referee.limits import Limits
from autograder.referee.wire import Channel, Closed, Codec, Malformed, TimedOut, Unsendable

GRACE = 1.5
LINE = 500


class Stopped(BaseException):
    """The student's code could not answer: it hung, died, or broke the wire.

    Not an ``Exception``, so that no test can take it for an answer. The message is the reason.
    """


class Forged(Stopped):
    """A message that no honest process sends. It ends the session for good."""


class StudentError(RuntimeError):
    """An exception of a type of the student's own; a subclass carries the type's name."""


class Link:
    """A connection to the student's process, made again when the process dies.

    Args:
        students: The zygote to ask for processes.
        limits: The submission's limits.
        sandboxed: Whether the zygote walls them in.
        files: The student's other files.
        deadline: When the whole submission has to be done, in monotonic time.
    """

    def __init__(
        self,
        students: socket.socket,
        limits: Limits,
        sandboxed: bool,
        files: Mapping[str, bytes],
        deadline: float,
    ):
        self.students, self.limits, self.sandboxed = students, limits, sandboxed
        self.files, self.deadline = files, deadline
        self.codec = Codec(limits, self._offer, self._remote)
        self.channel: Channel | None = None
        self.leash: socket.socket | None = None
        self.folder: tempfile.TemporaryDirectory | None = None
        self.generation = 0
        self.offered: list[Callable] = []
        self.done: list[str] = []
        self.over = ""
        self.cpu, self.memory = 0.0, 0

    # ------------------------------------------------------------ the process

    def ready(self) -> None:
        """Make sure that there is a process which has run all cells run so far.

        Raises:
            Stopped: If there will be none any more.
        """
        if self.over:
            raise Stopped(self.over)
        if time.monotonic() > self.deadline:
            self._finish(f"the notebook ran longer than {self.limits.notebook_seconds:g} s")
        if self.channel is not None:
            return
        if self.generation > self.limits.restarts:
            self._finish(f"your code ended its process {self.generation} times")
        self._start()
        for source in list(self.done):
            self._ask(("run", source), self.limits.cell_seconds, "a cell that ran before")

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self.leash, their_leash = socket.socketpair()
        folder = ""
        if not self.sandboxed:
            self.folder = tempfile.TemporaryDirectory(prefix="student-", ignore_cleanup_errors=True)
            folder = self.folder.name
        body = {"limits": self.limits.plain(), "sandboxed": self.sandboxed, "folder": folder}
        zygote.request(self.students, body, theirs, their_leash)
        self.channel = Channel(ours, self.codec)
        self.generation += 1
        if self.files:
            self._ask(("files", dict(self.files)), 30.0, "writing your files")

    def close(self) -> str:
        """End the process and all it started; return why it had ended before, if it had."""
        why = ""
        if self.leash is not None:
            with contextlib.suppress(OSError):
                self.leash.send(b"kill")
            poll = select.poll()
            poll.register(self.leash, select.POLLIN)
            if poll.poll(5000):
                with contextlib.suppress(OSError, ValueError):
                    ended = json.loads(self.leash.recv(4096))
                    self.cpu += ended["cpu"]
                    self.memory = max(self.memory, ended["memory"])
                    why = _in_words(ended)
            self.leash.close()
            self.leash = None
        if self.channel is not None:
            self.channel.sock.close()
            self.channel = None
        if self.folder is not None:
            self.folder.cleanup()
            self.folder = None
        return why

    def _finish(self, reason: str, kind: type[Stopped] = Stopped) -> None:
        self.over = reason
        self.close()
        raise kind(reason)

    # ------------------------------------------------------------ asking

    def _ask(self, message: tuple, seconds: float, what: str) -> tuple:
        """Send a message and return the answer; serve callbacks in between.

        Args:
            message: What to send.
            seconds: How long the answer may take.
            what: What the student's code is doing, for the reason if it fails.
        """
        deadline = min(time.monotonic() + seconds, self.deadline)
        calls = 0
        try:
            self.channel.send(message, deadline)
            while True:
                answer = self.channel.receive(deadline)
                if not isinstance(answer, tuple) or not answer or not isinstance(answer[0], str):
                    raise Malformed("a message that is no answer")
                if answer[0] != "callback":
                    if answer[0] == "interrupted":
                        raise Stopped(f"{what} was interrupted")
                    return answer
                calls += 1
                if calls > self.limits.callbacks:
                    self._end(f"{what} called back more than {self.limits.callbacks} times")
                self.channel.send(self._called_back(answer), deadline)
        except TimedOut:
            self._interrupt(what, seconds)
        except Closed:
            why = self.close()
            raise Stopped(f"{what} ended your process{f' ({why})' if why else ''}") from None
        except Malformed as error:
            self._finish(f"{what} sent the grader something that is no answer: {error}", Forged)
        raise AssertionError("unreachable")

    def _interrupt(self, what: str, seconds: float) -> None:
        """Interrupt what runs; if it does not react, end the process."""
        if time.monotonic() >= self.deadline:
            self._finish(f"the notebook ran longer than {self.limits.notebook_seconds:g} s")
        reason = f"{what} did not end within {seconds:g} s and was stopped"
        with contextlib.suppress(OSError):
            self.leash.send(b"interrupt")
        try:
            patience = time.monotonic() + GRACE
            answer = self.channel.receive(patience)
            while isinstance(answer, tuple) and answer[:1] == ("callback",):
                self.channel.send(("failed", "too late"), patience)
                answer = self.channel.receive(patience)
        except (TimedOut, Closed, Malformed):
            self.close()
        raise Stopped(reason)

    def _end(self, reason: str) -> None:
        self.close()
        raise Stopped(reason)

    def _called_back(self, answer: tuple) -> tuple:
        try:
            _, number, args, kwargs = answer
            if not isinstance(args, tuple) or not isinstance(kwargs, dict):
                raise Malformed("a callback without arguments")
            function = self.offered[number]
        except (ValueError, TypeError):
            raise Malformed("a callback of a wrong form") from None
        except IndexError:
            return ("failed", "this function belongs to a call that is over")
        try:
            result = function(*args, **kwargs)
            self.codec.encode(result)
        except Exception as error:
            return ("failed", f"{type(error).__name__}: {error}"[:LINE])
        return ("result", result)

    def _offer(self, function: Callable) -> int:
        if isinstance(function, RemoteFunction):
            raise Unsendable("a student's function cannot be handed back to the student's process")
        self.offered.append(function)
        return len(self.offered) - 1

    def _remote(self, number: int, name: str) -> RemoteFunction:
        return RemoteFunction(self, number, name)

    # ------------------------------------------------------------ what can be asked

    def run(self, source: str, what: str) -> list[dict[str, Any]]:
        """Run a cell of the student's and return its outputs.

        Raises:
            Stopped: If it did not come to an end.
        """
        self.ready()
        answer = self._ask(("run", source), self.limits.cell_seconds, what)
        self.done.append(source)
        if answer[0] != "ran" or len(answer) != 2:
            self._finish(f"{what} sent the grader something that is no answer", Forged)
        return clean_outputs(answer[1], self.limits)

    def get(self, name: str) -> Any:
        """Return what a name stands for in the student's process.

        Raises:
            KeyError: If it stands for nothing.
            Unsendable: If it stands for something that is neither a function nor plain data.
        """
        self.ready()
        answer = self._ask(("get", name), 30.0, f"reading {name}")
        match answer:
            case ("value", value):
                if isinstance(value, RemoteFunction):
                    value.__name__ = name
                return value
            case ("missing",):
                raise KeyError(name)
            case ("unsendable", str(why)):
                raise Unsendable(f"{name}: {why[:LINE]}")
        self._finish(f"reading {name} brought something that is no answer", Forged)

    def guard(self, names: Sequence[str]) -> None:
        """Let the student's process refuse some functions, or none."""
        self.ready()
        self._ask(("guard", list(names)), 30.0, "preparing the check")

    def call(self, function: RemoteFunction, args: tuple, kwargs: dict) -> Any:
        """Call a function of the student's; what it changes in its arguments is changed here."""
        number = self._number(function)
        self.offered.clear()
        given = {**dict(enumerate(args)), **kwargs}
        blobs = {key: self.codec.encode(value) for key, value in given.items()}
        message = (
            "call",
            number,
            [blobs[i] for i in range(len(args))],
            {k: blobs[k] for k in kwargs},
        )
        what = f"{function.__name__}(…)"
        return self._returned(self._ask(message, self.limits.check_seconds, what), given, what)

    def harness(self, name: str, functions: Sequence[RemoteFunction], data: dict) -> Any:
        """Call ``lib.harness.<name>`` beside the student's functions."""
        numbers = [self._number(function) for function in functions]
        self.offered.clear()
        blobs = {key: self.codec.encode(value) for key, value in data.items()}
        what = f"{functions[0].__name__}(…)"
        answer = self._ask(("harness", name, numbers, blobs), self.limits.check_seconds, what)
        return self._returned(answer, data, what)

    def _number(self, function: RemoteFunction) -> int:
        self.ready()
        if function.generation != self.generation:
            raise Stopped(f"{function.__name__}: its process ended")
        return function.number

    def _returned(self, answer: tuple, given: Mapping[Any, Any], what: str) -> Any:
        match answer:
            case ("returned", result, list(changed), str(spoiled)):
                self._copy_back(changed, spoiled, given, what)
                return result
            case ("raised", str(name), str(text), list(lines), list(changed), str(spoiled)):
                self._copy_back(changed, spoiled, given, what)
                raise as_exception(name, text, lines)
            case ("unsendable", str(why)):
                raise TypeError(f"it returned what cannot be compared: {why[:LINE]}")
        self._finish(f"{what} sent the grader something that is no answer", Forged)

    def _copy_back(self, changed: list, spoiled: str, given: Mapping[Any, Any], what: str) -> None:
        if spoiled:
            raise TypeError(spoiled[:LINE])
        for item in changed:
            try:
                key, blob = item
                copy_into(given[key], self.codec.decode(blob))
            except (Malformed, KeyError, TypeError, ValueError, RuntimeError) as error:
                self._finish(f"{what} sent changed arguments that are none: {error}", Forged)


class RemoteFunction:
    """A function that lives in the student's process.

    Args:
        link: The connection.
        number: Its number there.
        name: Its name.
    """

    def __init__(self, link: Link, number: int, name: str):
        self.link, self.number, self.generation = link, number, link.generation
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it there, with copies of the arguments."""
        return self.link.call(self, args, kwargs)

    def run_harness(self, name: str, functions: Sequence[Callable], data: dict) -> Any:
        """Call ``lib.harness.<name>(*functions, **data)`` there."""
        return self.link.harness(name, functions, data)

    def __repr__(self) -> str:
        return f"<the student's function {self.__name__}>"


def as_exception(name: str, text: str, lines: list) -> Exception:
    """Return an exception like the student's: of the same built-in type, or of that name."""
    kind = getattr(builtins, name, None)
    known = isinstance(kind, type) and issubclass(kind, Exception)
    if not known or issubclass(kind, StopIteration | StopAsyncIteration | UnicodeError | Warning):
        plain = name if name.isidentifier() and len(name) < 80 else "StudentError"
        kind = type(plain, (StudentError,), {"__module__": "student"})
    error = kind(text[:4000])
    error.student_lines = [line[:LINE] for line in lines if isinstance(line, str)][-40:]
    return error


def copy_into(old: Any, new: Any) -> None:
    """Make ``old`` equal to ``new`` in place, as far down as the structure is the same.

    Raises:
        TypeError: If they are not of the same kind.
    """
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        if old.shape == new.shape and old.dtype == new.dtype:
            with torch.no_grad():
                old.copy_(new)
        else:
            old.data = new.detach()
    elif isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        old[...] = new
    elif isinstance(old, torch.Generator) and isinstance(new, torch.Generator):
        old.set_state(new.get_state())
    elif isinstance(old, list) and isinstance(new, list):
        old[:] = _merged(old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        merged = {
            key: _merged([old[key]], [value])[0] if key in old else value
            for key, value in new.items()
        }
        old.clear()
        old.update(merged)
    elif isinstance(old, set) and isinstance(new, set):
        old.clear()
        old.update(new)
    else:
        raise TypeError(f"a {type(new).__name__} in place of a {type(old).__name__}")


def _merged(old: list, new: list) -> list:
    """Return the new values, each as the old object with changed content where that is possible."""
    if len(old) != len(new):
        return new
    merged = []
    for before, after in zip(old, new, strict=True):
        try:
            copy_into(before, after)
            merged.append(before)
        except (TypeError, ValueError, RuntimeError):
            merged.append(after)
    return merged


def clean_outputs(outputs: Any, limits: Limits) -> list[dict[str, Any]]:
    """Return what a student's process calls the outputs of a cell, in nbformat's form and bounded.

    What a browser would run or load is left out: these are shown to an instructor.
    """
    kept: list[dict[str, Any]] = []
    room = limits.output_bytes + 4 * limits.image_bytes
    for each in outputs if isinstance(outputs, list) else []:
        if not isinstance(each, dict) or len(kept) >= 200:
            continue
        match each:
            case {"output_type": "stream", "name": "stdout" | "stderr", "text": str(text)}:
                clean = {"output_type": "stream", "name": each["name"], "text": text[:room]}
                room -= len(text)
            case {"output_type": "error", "ename": str(name), "evalue": str(value)}:
                lines = each.get("traceback")
                lines = lines if isinstance(lines, list) else []
                lines = [line[:room] for line in lines if isinstance(line, str)][:200]
                clean = {"output_type": "error", "ename": name[:200], "evalue": value[:room]}
                clean["traceback"] = lines
                room -= len(value) + sum(map(len, lines))
            case {"output_type": "display_data" | "execute_result", "data": dict(data)}:
                data = {
                    mime: text
                    for mime, text in data.items()
                    if isinstance(text, str)
                    and (mime == "text/plain" or (mime in IMAGES and _is_base64(text)))
                    and len(text) <= room
                }
                room -= sum(map(len, data.values()))
                clean = {"output_type": each["output_type"], "data": data, "metadata": {}}
                if each["output_type"] == "execute_result":
                    clean["execution_count"] = None
            case _:
                continue
        if room < 0:
            break
        kept.append(clean)
    return kept


IMAGES = ("image/png", "image/jpeg")
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n")


def _is_base64(text: str) -> bool:
    return _BASE64.issuperset(text)


def _in_words(ended: dict) -> str:
    if ended["why"]:
        return ended["why"]
    code = ended["code"]
    if code is None:
        return ""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
