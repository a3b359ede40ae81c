"""Say what this machine offers for walling students' code in."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rich.console import Console

from autograder.referee import sandbox

ROOT = Path(__file__).resolve().parents[2]
# Tried in a process of its own: a namespace once entered is not left again.
_TRY = """
import sys
from autograder.referee import sandbox
from autograder.referee.limits import Limits
import os
try:
    sandbox.build_outer_wall()
    sandbox.unshare(sandbox.CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        sandbox.build_inner_wall(Limits())
        os._exit(0 if os.getpid() == 1 and os.getuid() == sandbox.STUDENT else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("fine" if code == 0 else f"the inner wall could not be built (exit code {code})")
except (sandbox.NoSandbox, OSError) as error:
    print(error)
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What.
        good: Whether it is as it should be.
        says: What was found, and what to do about it if it is not good.
    """

    what: str
    good: bool
    says: str


@cache
def missing() -> str:
    """Return what keeps the walls from being built here, in words; empty if nothing does."""
    if sys.platform != "linux" or platform.machine() not in sandbox.SYSCALLS:
        return f"{platform.system()} on {platform.machine()}: walls need Linux, x86_64 or aarch64"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("DESCENT_SEED", None)
    done = subprocess.run(
        [sys.executable, "-c", _TRY], env=environment, capture_output=True, text=True, timeout=60
    )
    said = (done.stdout.strip() or done.stderr.strip() or f"exit code {done.returncode}").split(
        "\n"
    )
    return "" if said[-1] == "fine" else said[-1]


def examine() -> list[Finding]:
    """Look at everything that grading needs of this machine."""
    lack = missing()
    hint = ""
    if lack and sys.platform == "linux":
        hint = (
            ". Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces=10000); "
            "in a container, allow mounts (--security-opt seccomp=unconfined, and an unmasked "
            "/proc), or grade as root in a virtual machine"
        )
    found = [Finding("walls around students' code", not lack, f"{lack}{hint}" if lack else "work")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found.append(Finding("processor cores", True, f"{cores}: grade with --jobs {cores}"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found.append(
        Finding(
            "memory",
            memory >= 4,
            f"{memory:.0f} GiB"
            + ("" if memory >= 4 else "; 4 GiB let two submissions run at once"),
        )
    )
    return found


def doctor(console: Console) -> bool:
    """Print what this machine offers for grading; return whether it is all that is needed."""
    for finding in examine():
        mark = "[green]✓[/]" if finding.good else "[red]✗[/]"
        console.print(f"{mark} {finding.what}: {finding.says}")
    if missing():
        console.print(
            "Grading refuses to run students' code without walls, unless told to by "
            "[bold]--unsandboxed[/]; the report will say so."
        )
    return not missing()
