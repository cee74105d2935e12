"""What the processes between client and server cost: memory and CPU, as psutil sees them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MIB = 1024 * 1024


@dataclass(frozen=True)
class Ends:
    """The processes of a forwarder: `near` the client (hub, ssh), `far` from it (agents, sshd),
    and what is in neither (exec clients).
    """

    near: list[psutil.Process] = field(default_factory=list)
    far: list[psutil.Process] = field(default_factory=list)
    others: list[psutil.Process] = field(default_factory=list)

    def __iter__(self) -> Iterator[psutil.Process]:
        yield from (*self.near, *self.far, *self.others)


@dataclass(frozen=True)
class Memory:
    """In MiB; of several processes, the largest. `pss` is None where /proc does not tell it."""

    rss: float
    pss: float | None


def memory(processes: Iterable[psutil.Process]) -> Memory | None:
    """Return the memory of the largest of `processes`; None if there are none."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(Memory(process.memory_info().rss / MIB, _pss(process.pid)))
    return max(found, key=lambda one: one.rss, default=None)


def _pss(pid: int) -> float | None:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time so far, summed; in steps of the kernel's tick (10 ms)."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def descendants(pid: int) -> list[psutil.Process]:
    """Return the children of `pid`, theirs, and so on; empty once it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def split(
    processes: Iterable[psutil.Process], pick: Callable[[list[str]], bool]
) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Return `processes` in two: those whose argv `pick` wants, and the rest."""
    wanted: list[psutil.Process] = []
    rest: list[psutil.Process] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            (wanted if pick(process.cmdline()) else rest).append(process)
    return wanted, rest


def is_agent(argv: list[str]) -> bool:
    """Return whether `argv` is an agent: a Python that was given its program by `-c`, or the
    native one.
    """
    if argv[1:] == ["agent", "--automated"]:
        return True
    return bool(argv) and "py" in os.path.basename(argv[0]) and "-c" in argv[1:]


def end(process: subprocess.Popen[bytes], grace: float = 10.0) -> None:
    """SIGTERM, then SIGKILL for the process and what it left behind."""
    left = descendants(process.pid)
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(left, timeout=grace)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
