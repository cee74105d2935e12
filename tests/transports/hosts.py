"""The hosts of the tests' meshes, each made in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import count

from tests.transports.engines import Container
from tests.transports.mesh import REMOTE, MeshHost
from tests.transports.netns import Namespace
from tests.transports.sshd import Ssh


class Hosts:
    """Makes hosts with VIPs from 127.0.42.101 on, and keeps them in order."""

    def __init__(self, netns: Callable[[str], Namespace], agent: str = "auto") -> None:
        self._agent = agent
        self.made: list[MeshHost] = []
        self._netns = netns
        self._numbers = count(101)

    def _add(self, name: str, place: Namespace | Container, cmd: Sequence[str]) -> MeshHost:
        made = MeshHost(name, f"127.0.42.{next(self._numbers)}", place, cmd, agent=self._agent)
        self.made.append(made)
        return made

    def nsenter(self, name: str, *inside: str) -> MeshHost:
        """A namespace entered by nsenter, which execs: client and remote are one process.

        `inside` is a command to put before the remote's `sh`, e.g. `chroot ROOT`.
        """
        place = self._netns(name)
        return self._add(name, place, place.enter(*inside))

    def command(self, name: str, *words: str) -> MeshHost:
        """A host by any exec command; its place is a namespace that stays empty."""
        return self._add(name, self._netns(name), words)

    def ssh(self, name: str, ssh: Ssh, *, held: bool = False) -> MeshHost:
        """A namespace with its own sshd and no port."""
        place = self._netns(name)
        return self._add(name, place, [*(_hold() if held else []), *ssh.to_namespace(place)])

    def ssh_port(self, name: str, ssh: Ssh, place: Namespace, port: int) -> MeshHost:
        """A daemon on a loopback port of `place`, which is the hub's namespace."""
        return self._add(name, place, ssh.to_port(port))

    def docker(self, container: Container, *, held: bool = False) -> MeshHost:
        """A container, by the words that a user types; the engine's `env` says which engine."""
        return self._add(container.name, container, [*(_hold() if held else []), *container.cmd])


def _hold() -> list[str]:
    """A wrapper behind which the remote's stdin never ends, not even by the hub's death."""
    return [sys.executable, str(REMOTE / "hold.py")]
