"""Network namespaces: the cheapest real hosts. Own loopback, own ports, nothing else."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.procs import kill_all, processes_in, run, wait_gone
from tests.transports.require import need_program, need_root

NETNS = Path("/run/netns")
PREFIX = "nrt"


@dataclass(frozen=True, slots=True)
class Namespace:
    """One network namespace; `name` is its name under /run/netns."""

    name: str

    python = sys.executable

    @property
    def path(self) -> Path:
        return NETNS / self.name

    @property
    def inode(self) -> int:
        return self.path.stat().st_ino

    def enter(self, *command: str) -> list[str]:
        """The command that runs `command` in here. nsenter execs it: the process is the same."""
        return ["nsenter", f"--net={self.path}", "--", *command]

    def net(self, *command: str) -> list[str]:
        """The same: a namespace has the files of this machine."""
        return self.enter(*command)


def link(one: Namespace, other: Namespace, device: str, addresses: tuple[str, str]) -> None:
    """Join two namespaces by a device of that name in each; `addresses` are e.g. `10.0.0.1/24`."""
    peer = ("type", "veth", "peer", "name", device, "netns", other.name)
    run("ip", "link", "add", device, "netns", one.name, *peer)
    for place, address in zip((one, other), addresses, strict=True):
        run("ip", "-n", place.name, "addr", "add", address, "dev", device)
        run("ip", "-n", place.name, "link", "set", device, "up")


class Namespaces:
    """Makes namespaces named `nrt<pid>-<number>-<label>` and removes them all at the end."""

    def __init__(self) -> None:
        self._made: list[Namespace] = []

    def make(self, label: str) -> Namespace:
        """A new namespace with its loopback up."""
        made = Namespace(f"{PREFIX}{os.getpid()}-{len(self._made)}-{label}")
        run("ip", "netns", "add", made.name)
        self._made.append(made)
        run("ip", "-n", made.name, "link", "set", "lo", "up")
        return made

    def close(self) -> None:
        """End what still runs in them, and remove them."""
        for namespace in reversed(self._made):
            _remove(namespace)
        self._made.clear()


@contextmanager
def namespaces() -> Iterator[Namespaces]:
    """A maker of namespaces, all of which are gone afterwards, whatever happened."""
    need_root()
    need_program("ip", "iproute2")
    need_program("nsenter", "util-linux")
    _sweep()
    made = Namespaces()
    try:
        yield made
    finally:
        made.close()


def _remove(namespace: Namespace) -> None:
    inode = namespace.inode
    kill_all(processes_in([inode]))
    wait_gone(lambda: processes_in([inode]), 10)
    run("ip", "netns", "del", namespace.name)


def _sweep() -> None:
    """Remove what test runs left behind that were killed before they could tidy up."""
    for entry in NETNS.glob(f"{PREFIX}*") if NETNS.is_dir() else ():
        owner = re.match(rf"{PREFIX}(\d+)-", entry.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            _remove(Namespace(entry.name))
