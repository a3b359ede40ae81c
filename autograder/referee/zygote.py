"""A warm process that forks others in milliseconds, and watches them.

Importing torch takes seconds, forking a process that has imported it takes milliseconds. Two
zygotes run while a class is graded, and share nothing:

- the *students'* zygote stands inside the outer wall, knows nothing of solutions, seeds or
  references, and forks one walled-in process for each submission;
- the *referees'* zygote has the reference imported and forks one trusted process for each.

They are started by ``exec``, never forked from the grader, so that nothing in the grader's memory
is in theirs. A request is one datagram with two sockets: the *wire* for the new process, and the
*leash*. Who holds the leash's other end may write ``interrupt`` or ``kill`` on it, is told on it
how the process ended, and ends the process by closing it: a grader that is killed leaves nothing
behind.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.referee.limits import Limits

MAX_REQUEST = 2**16
LOOK_EVERY = 0.1


@dataclass
class Watched:
    """A process that was forked on request.

    Attributes:
        pid: Its number here.
        leash: Our end.
        limits: Its limits.
        began: When it was forked, in monotonic time.
        memory: The most memory seen, in bytes, without what it shares with the zygote.
        why: Why it was killed, if it was.
    """

    pid: int
    leash: socket.socket
    limits: Limits
    began: float = field(default_factory=time.monotonic)
    memory: int = 0
    why: str = ""


def warm_torch() -> None:
    """Do once what torch imports or prepares the first time, so that no forked process has to."""
    import torch

    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)  # a backward pass would start threads, which a fork loses
    for optimizer in (torch.optim.SGD([weight], lr=0.1), torch.optim.Adam([weight])):
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)
        optimizer.step()
    torch.testing.assert_close(weight, weight)
    torch.linalg.eigvals(torch.eye(2))
    torch.func.vmap(torch.sin)(torch.ones(2))
    torch.func.vmap(torch.func.grad(lambda w: (w**2).sum()))(torch.ones(2, 2))


def request(zygote: socket.socket, body: dict, *ends: socket.socket) -> None:
    """Ask a zygote for a process, and hand over the process's ends of its wire and leash."""
    numbers = array.array("i", [end.fileno() for end in ends])
    content = json.dumps(body).encode()
    if len(content) > MAX_REQUEST:
        raise ValueError(f"a request of {len(content)} bytes; the limit is {MAX_REQUEST}")
    zygote.sendmsg([content], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
    for end in ends:
        end.close()


def serve(
    control: socket.socket,
    body: Callable[[socket.socket, dict, Limits], None],
    *,
    spaces: bool,
    prepare: Callable[[dict], None] = lambda message: None,
) -> None:
    """Fork processes on request until nobody can ask any more.

    Args:
        control: The socket that requests come on.
        body: What a forked process does with its wire, the request and its limits.
        spaces: Whether each gets a process namespace of its own.
        prepare: What to do in here with a request before the fork.
    """
    if sys.platform == "linux" and len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("a zygote must have one thread: a fork copies only the one that forks")
    gc.collect()
    gc.freeze()  # so that children do not copy pages just by collecting garbage
    own_space = os.open("/proc/self/ns/pid", os.O_RDONLY) if spaces else None
    wakeup, alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(alarm)
    watched: dict[int, Watched] = {}
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wakeup, select.POLLIN)
    looked = time.monotonic()
    while True:
        events = poll.poll(LOOK_EVERY * 1000 if watched else None)
        for number, _ in events:
            if number == control.fileno():
                taken = _take(control)
                if taken is None:
                    return
                message, wire, leash = taken
                limits = Limits(**message.pop("limits"))
                try:
                    prepare(message)
                except Exception:  # the forked process will meet it too, and say so
                    traceback.print_exc()
                pid = _fork(own_space)
                if pid == 0:
                    for each in watched.values():
                        each.leash.close()
                    _child(
                        body, (control, leash), (wakeup, alarm), own_space, wire, message, limits
                    )
                wire.close()
                watched[leash.fileno()] = Watched(pid, leash, limits)
                poll.register(leash, select.POLLIN)
            elif number == wakeup:
                with contextlib.suppress(BlockingIOError):
                    os.read(wakeup, 4096)
            elif number in watched:
                _obey(watched[number])
        if time.monotonic() - looked > LOOK_EVERY:
            for each in watched.values():
                _look(each)
            looked = time.monotonic()
        for number, each in list(watched.items()):
            ended = _reap(each)
            if ended is not None:
                with contextlib.suppress(OSError):
                    each.leash.send(json.dumps(ended).encode())
                poll.unregister(number)
                each.leash.close()
                del watched[number]


def _take(control: socket.socket) -> tuple[dict, socket.socket, socket.socket] | None:
    """Return the next request, or None when nobody is left to ask."""
    content, ancillary, _, _ = control.recvmsg(MAX_REQUEST, socket.CMSG_SPACE(2 * 4))
    if not content:
        return None
    numbers = array.array("i")
    for _, _, data in ancillary:
        numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    wire, leash = (socket.socket(fileno=number) for number in numbers)
    return json.loads(content), wire, leash


def _fork(own_space: int | None) -> int:
    """Fork; with namespaces, the child is the first process of a new process namespace."""
    if own_space is None:
        return os.fork()
    from autograder.referee import sandbox

    sandbox.unshare(sandbox.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        sandbox.enter_process_namespace(own_space)
    return pid


def _child(body, sockets, pipe, own_space, wire, message, limits) -> None:
    """Let go of everything that is the zygote's, then be what was asked for. Does not return."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in signal.SIGCHLD, signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
        for each in sockets:
            each.close()
        for each in (*pipe, *([own_space] if own_space is not None else [])):
            os.close(each)
        if own_space is None:
            os.setsid()
        body(wire, message, limits)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _obey(each: Watched) -> None:
    try:
        word = each.leash.recv(64)
    except OSError:
        word = b""
    if word == b"interrupt":
        _signal(each.pid, signal.SIGINT)
    else:
        _kill(each, "")


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _kill(each: Watched, why: str) -> None:
    """Kill a process and all that it started."""
    each.why = each.why or why
    for pid in _family(each.pid):
        _signal(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(each.pid, signal.SIGKILL)


def _look(each: Watched) -> None:
    """Watch what the kernel does not limit: the memory of all processes together."""
    used = sum(_private_memory(pid) for pid in _family(each.pid))
    each.memory = max(each.memory, used)
    if used > each.limits.memory:
        _kill(each, f"memory: more than {each.limits.memory // 2**20} MiB were in use")


def _family(pid: int) -> list[int]:
    """Return a process and its descendants, the parents first."""
    found = [pid]
    for each in found:
        try:
            for task in os.listdir(f"/proc/{each}/task"):
                found += map(int, Path(f"/proc/{each}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def _private_memory(pid: int) -> int:
    """Return the memory that a process does not share with the zygote, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    sizes = {line.split(":")[0]: line.split()[1] for line in lines[1:] if "kB" in line}
    return 1024 * sum(int(sizes.get(name, 0)) for name in ("Private_Dirty", "Swap"))


def _reap(each: Watched) -> dict | None:
    """Return how a process ended and what it used, or None while it runs."""
    try:
        pid, status, usage = os.wait4(each.pid, os.WNOHANG)
    except ChildProcessError:
        return {"code": None, "why": each.why, "cpu": 0.0, "memory": each.memory, "seconds": 0.0}
    if pid == 0:
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(each.pid, signal.SIGKILL)  # without namespaces, what it left running
    code = os.waitstatus_to_exitcode(status)
    why = each.why
    if not why and code in (-signal.SIGXCPU, -signal.SIGKILL):
        used = usage.ru_utime + usage.ru_stime
        if used >= each.limits.cpu_seconds - 1:
            why = f"CPU time: more than {each.limits.cpu_seconds} s were used"
    return {
        "code": code,
        "why": why,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": each.memory,
        "seconds": time.monotonic() - each.began,
    }


def main(args: Sequence[str]) -> None:
    """Become a zygote: ``python -m autograder.referee.zygote KIND DESCRIPTOR [JSON]``."""
    kind, descriptor, options = args[0], int(args[1]), json.loads(args[2])
    control = socket.socket(fileno=descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if kind == "students":
        from autograder.referee import sandbox

        if options["sandboxed"]:
            try:
                sandbox.build_outer_wall(options["hidden"])
            except sandbox.NoSandbox as error:
                control.send(str(error).encode())
                return
        from autograder.referee import student

        student.warm_up()
        if options["sandboxed"]:
            sandbox.close_outer_wall()
        control.send(b"ready")
        serve(control, student.live, spaces=options["sandboxed"])
    else:
        from autograder.referee import session

        session.warm_up(socket.socket(fileno=options["students"]))
        control.send(b"ready")
        serve(control, session.live, spaces=False, prepare=session.prepare)


if __name__ == "__main__":
    main(sys.argv[1:])
