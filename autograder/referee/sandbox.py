"""Walls around a student's code, made of Linux namespaces by ``ctypes`` alone.

Two walls stand one inside the other. The *outer wall* is built once, around the process that all
students' processes are forked from: a file system in which nothing exists but the interpreter, its
packages and the part of ``lib`` that students use, all of it read-only, and namespaces of its own.
The *inner wall* is built around each submission, in about two milliseconds: a process namespace
that dies with its first process, a network without any device, private empty folders in memory, a
user without capabilities or a way to get any, resource limits, and a list of system calls that are
refused.

Sources: ``namespaces(7)``, ``user_namespaces(7)``, ``pivot_root(2)``, ``mount_setattr(2)``,
``capabilities(7)``, ``seccomp(2)``.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from autograder.referee.limits import Limits

NOBODY = 65534
STUDENT = 1000
HOME = "/student"  # not below /home, where the course itself may lie
WORK = f"{HOME}/work"
TEMPORARY = f"{HOME}/tmp"

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 22, 38, 47
SYSCALLS = {
    "x86_64": {"mount_setattr": 442, "pivot_root": 155, "capset": 126},
    "aarch64": {"mount_setattr": 442, "pivot_root": 41, "capset": 91},
}

# Modules of lib that hold answers. They do not exist where a student's code runs.
REFERENCE = ("rules", "optim", "backends", "exercises")
# Modules of this package that a student's process runs on.
STUDENTS_SIDE = ("__init__", "guard", "limits", "sandbox", "shell", "student", "wire", "zygote")

_libc = ctypes.CDLL(None, use_errno=True)


class NoSandbox(Exception):
    """This machine does not offer what the walls are made of; the message names the part."""


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(name: str, *args) -> int:
    number = SYSCALLS[platform.machine()][name]
    return _checked(_libc.syscall(ctypes.c_long(number), *args), name)


def unshare(flags: int) -> None:
    """Move this process (its children, for the process namespace) into new namespaces."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def enter_process_namespace(descriptor: int) -> None:
    """Let the children of this process be forked into the given process namespace."""
    _checked(_libc.setns(descriptor, CLONE_NEWPID), "setns")


def prctl(option: int, value: int, more: int = 0) -> None:
    """Call ``prctl(2)``."""
    _checked(_libc.prctl(option, *(ctypes.c_ulong(v) for v in (value, more, 0, 0))), "prctl")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Call ``mount(2)``."""
    args = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    data = os.fsencode(options) if options else None
    _checked(_libc.mount(*args, ctypes.c_ulong(flags), data), f"mount {target}")


def _restrict(target: str, flags: int) -> None:
    """Add mount flags to a whole tree. Flags are only ever added, so locked ones do not matter."""
    attributes = struct.pack("<QQQQ", flags, 0, 0, 0)
    _syscall(
        "mount_setattr",
        ctypes.c_int(AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(AT_RECURSIVE),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
    )


def enter_user_namespace(inside: int) -> None:
    """Enter a new user namespace in which this process's user has the number ``inside``."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1")


# --------------------------------------------------------------------------------- outer wall


def build_outer_wall(hidden: Sequence[str] = ()) -> None:
    """Leave this machine's file system for one that holds only what students' code needs.

    Call it before any thread exists and before torch is imported. The process goes on as the first
    one of a new process namespace, so that whatever it starts ends with it; the process that
    called waits for it and exits with its status.

    Args:
        hidden: Folders that must be empty in here even if they lie inside a visible one.

    Raises:
        NoSandbox: If this machine does not allow it.
    """
    if sys.platform != "linux" or platform.machine() not in SYSCALLS:
        raise NoSandbox(f"namespaces need Linux on x86_64 or aarch64, not {platform.platform()}")
    try:
        if os.geteuid() != 0:
            enter_user_namespace(os.geteuid())
        unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
    except OSError as error:
        raise NoSandbox(f"no namespaces here ({error})") from error
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    prctl(PR_SET_PDEATHSIG, 9)
    try:
        _change_root(hidden)
    except OSError as error:
        raise NoSandbox(f"no private file system here ({error})") from error


def visible_folders() -> list[str]:
    """Return the folders of this machine that the interpreter and its packages live in."""
    wanted = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"]
    wanted += [sys.prefix, sys.base_prefix, sys.exec_prefix]
    wanted += [str(Path(sys.executable).resolve().parents[1])]
    etc = ["ld.so.cache", "fonts", "localtime", "alternatives", "mime.types", "ssl/certs"]
    wanted += [f"/etc/{name}" for name in etc]
    return sorted({path for path in wanted if os.path.lexists(path)})


def shared_scratch() -> list[str]:
    """Return the folders that programs write to by habit, to be empty for each submission.

    Where the course or its environment lies in one, that one stays as it is, read-only; a
    student's temporary files then go to ``TEMPORARY`` alone.
    """
    needed = [*visible_folders(), str(Path(__file__).resolve())]
    return [
        folder
        for folder in ("/tmp", "/dev/shm")
        if not any(Path(path).is_relative_to(folder) for path in needed)
    ]


def _change_root(hidden: Sequence[str]) -> None:
    packages = _package_copies()
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    new = "/sys"  # any folder that every Linux has and nothing here needs
    mount("tmpfs", new, "tmpfs", MS_NOSUID, "mode=755,size=64m")
    for path in visible_folders():
        _show(path, new + path)
    for path in hidden:
        if os.path.isdir(new + path):
            mount("tmpfs", new + path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=555,size=4k")
    for folder, files in packages.items():
        os.makedirs(new + folder, exist_ok=True)
        mount("tmpfs", new + folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
        for name, content in files.items():
            target = Path(new + folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for name in ("null", "zero", "full", "random", "urandom"):
        _show(f"/dev/{name}", f"{new}/dev/{name}", devices=True)
    for name, target in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1")]:
        os.symlink(target, f"{new}/dev/{name}")
    for folder in ("/proc", "/tmp", HOME, "/old", "/dev/shm", "/etc"):
        os.makedirs(new + folder, exist_ok=True)
    Path(new, "etc/passwd").write_text(f"student:x:{STUDENT}:{STUDENT}::{HOME}:/bin/sh\n")
    Path(new, "etc/hosts").write_text("127.0.0.1 localhost\n")
    mount("proc", f"{new}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    here = os.getcwd()
    _syscall(
        "pivot_root", ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(f"{new}/old"))
    )
    os.chdir("/")
    _checked(_libc.umount2(b"/old", MNT_DETACH), "umount /old")
    os.rmdir("/old")
    os.chdir(here if os.path.isdir(here) else "/")
    mount("tmpfs", HOME, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64m")
    os.environ["HOME"] = os.environ["TMPDIR"] = HOME


def close_outer_wall() -> None:
    """Make everything read-only, once the process that students are forked from is warm."""
    _restrict("/", MS_RDONLY | MS_NOSUID)


def _show(path: str, target: str, devices: bool = False) -> None:
    """Let a file or folder of this machine appear, read-only, at the same place in the new root."""
    if os.path.islink(path) and not devices:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.lexists(target):
            os.symlink(os.readlink(path), target)
        return
    if os.path.exists(target) and os.path.samefile(path, target):
        return  # lies inside a folder that is already there
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            open(target, "w").close()
    mount(path, target, None, MS_BIND | MS_REC)
    _restrict(target, MS_RDONLY | MS_NOSUID | (0 if devices else MS_NODEV))


def _package_copies() -> dict[str, dict[str, bytes]]:
    """Return the files of ``lib`` and of the referee that a student's process may see, by folder.

    They are copied, not shown, so that no byte-code of a hidden module is there either.
    """
    here = Path(__file__).resolve().parent
    lib = here.parents[1] / "lib"
    shown = {}
    for path in sorted(lib.rglob("*")):
        inside = path.relative_to(lib)
        if (
            path.is_file()
            and "__pycache__" not in inside.parts
            and Path(inside.parts[0]).stem not in REFERENCE
        ):
            shown[str(inside)] = path.read_bytes()
    package = here.parent
    names = ["__init__.py", *(f"{here.name}/{name}.py" for name in STUDENTS_SIDE)]
    engine = {name: (package / name).read_bytes() for name in names}
    return {str(lib): shown, str(package): engine}


# --------------------------------------------------------------------------------- inner wall


def build_inner_wall(limits: Limits) -> None:
    """Wall in this process, the first one of a new process namespace, for one submission.

    Nothing of the outer wall can be undone from in here: the namespaces belong to a user namespace
    that this process leaves, without capabilities and without a way to gain any.
    """
    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
    user = NOBODY if os.geteuid() == 0 and _is_real_root() else os.geteuid()
    size = f"size={limits.disk_bytes // 2},nr_inodes=4096"
    owned = f"uid={user},gid={user if user == NOBODY else os.getegid()}"
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for folder in (*shared_scratch(), HOME):
        mode = "mode=1777" if folder != HOME else "mode=755"
        mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, f"{mode},{owned},{size}")
    for folder in (WORK, TEMPORARY):
        os.makedirs(folder)
    if user == NOBODY:
        for folder in (HOME, WORK, TEMPORARY):
            os.chown(folder, NOBODY, NOBODY)
    sethostname = b"sandbox"
    _libc.sethostname(sethostname, len(sethostname))
    os.chdir(WORK)
    if user == NOBODY:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    prctl(PR_SET_DUMPABLE, 1)  # lost on the change of user; without it /proc/self is not ours
    enter_user_namespace(STUDENT)
    _drop_capabilities()
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    set_resource_limits(limits, alone=True)
    refuse_system_calls()


def _is_real_root() -> bool:
    """Say whether user 0 here is user 0 of the machine: then its files would be ours to write."""
    first, outside, count = map(int, Path("/proc/self/uid_map").read_text().split()[:3])
    return first == 0 and outside == 0 and count > 1


def _drop_capabilities() -> None:
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        prctl(PR_CAPBSET_DROP, capability)
    prctl(PR_CAP_AMBIENT, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    header = struct.pack("<II", 0x20080522, 0)
    _syscall("capset", ctypes.c_char_p(header), ctypes.c_char_p(bytes(24)))


def set_resource_limits(limits: Limits, *, alone: bool) -> None:
    """Set what ``setrlimit(2)`` can limit.

    Args:
        limits: The limits.
        alone: Whether this user namespace's processes are this submission's only, so that their
            number can be limited.
    """
    now = data_bytes()
    wanted = {
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_DATA: now + limits.memory,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_STACK: 64 * 2**20,
    }
    if sys.platform == "linux":
        wanted[resource.RLIMIT_MSGQUEUE] = 0
        wanted[resource.RLIMIT_MEMLOCK] = 2**16
    if alone:
        wanted[resource.RLIMIT_NPROC] = limits.processes
    for kind, value in wanted.items():
        soft, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))


def data_bytes() -> int:
    """Return how much private memory this process has mapped."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 2**31


# Numbers on x86_64 and aarch64. Refused: namespaces and mounts; memory that belongs to no process,
# which a watcher cannot count (memfd, System V); looking into other processes; kernel interfaces
# whose faults have let programs out before.
_REFUSED = {
    "x86_64": {
        "unshare": 272,
        "setns": 308,
        "mount": 165,
        "umount2": 166,
        "pivot_root": 155,
        "chroot": 161,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "fsmount": 432,
        "mount_setattr": 442,
        "memfd_create": 319,
        "memfd_secret": 447,
        "shmget": 29,
        "msgget": 68,
        "semget": 64,
        "ptrace": 101,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "pidfd_getfd": 438,
        "bpf": 321,
        "perf_event_open": 298,
        "userfaultfd": 323,
        "io_uring_setup": 425,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "personality": 135,
        "fanotify_init": 300,
        "open_by_handle_at": 304,
    },
    "aarch64": {
        "unshare": 97,
        "setns": 268,
        "mount": 40,
        "umount2": 39,
        "pivot_root": 41,
        "chroot": 51,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "fsmount": 432,
        "mount_setattr": 442,
        "memfd_create": 279,
        "memfd_secret": 447,
        "shmget": 194,
        "msgget": 186,
        "semget": 190,
        "ptrace": 117,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "pidfd_getfd": 438,
        "bpf": 280,
        "perf_event_open": 241,
        "userfaultfd": 282,
        "io_uring_setup": 425,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "personality": 92,
        "fanotify_init": 262,
        "open_by_handle_at": 265,
    },
}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _PERMISSION = 0x7FFF0000, 0x80000000, 0x00050000 | 1


def refuse_system_calls() -> None:
    """Install a seccomp filter that answers some system calls with "operation not permitted"."""
    machine = platform.machine()
    numbers = sorted(_REFUSED[machine].values())
    program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, _ARCHITECTURE[machine]), (_RETURN, 0, 0, _KILL)]
    program += [(_LOAD, 0, 0, 0)]
    # x32 calls on x86_64 are the same calls under numbers from 0x40000000 on
    program += [(_AT_LEAST, len(numbers) + 1, 0, 0x40000000)]
    for i, number in enumerate(numbers):
        program += [(_EQUAL, len(numbers) - i, 0, number)]
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _PERMISSION)]
    code = b"".join(struct.pack("<HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(head, len(head))
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(pointer))
