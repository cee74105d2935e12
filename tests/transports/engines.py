"""Container engines of the test's own: docker's command line, which podman speaks as well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.procs import netns_of, run

DNS = ("--dns", "127.0.0.1", "--dns-opt", "timeout:1", "--dns-opt", "attempts:1")
"""Options of docker by which names that nobody knows fail at once: there is no way out."""


@dataclass(frozen=True, slots=True)
class Container:
    """A running container that does nothing until it is told to."""

    name: str
    engine: Engine

    python = "python3"

    @property
    def pid(self) -> int:
        """Its first process, as the machine numbers it."""
        return int(self.engine.run("inspect", "-f", "{{.State.Pid}}", self.name))

    @property
    def inode(self) -> int:
        """The inode of its network namespace."""
        inode = netns_of(self.pid)
        assert inode is not None, f"container {self.name} is not running"
        return inode

    @property
    def cmd(self) -> list[str]:
        """The exec command that a user types; the engine's `env` says which engine."""
        return [self.engine.program, "exec", "-i", self.name]

    def enter(self, *command: str) -> list[str]:
        """The command that runs `command` in here."""
        return self.engine.command("exec", "-i", self.name, *command)

    def net(self, *command: str) -> list[str]:
        """The command that runs a program of the machine in this container's network."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]

    def pause(self) -> None:
        """Freeze every process in it; nothing in it or about it ends."""
        self.engine.run("pause", self.name)

    def unpause(self) -> None:
        self.engine.run("unpause", self.name)


@dataclass(frozen=True, slots=True)
class Engine:
    """docker or podman: `env` leads its command line to this engine and no other.

    `prefix` is what the commands that make something are run behind.
    """

    program: str
    env: Mapping[str, str]
    prefix: Sequence[str] = ()
    remove: Sequence[str] = ("rm", "-f")

    def command(self, *words: str) -> list[str]:
        """A command line for this engine, whatever the environment says."""
        said = [f"{name}={value}" for name, value in self.env.items()]
        return [*self.prefix, "env", *said, self.program, *words]

    def run(self, *words: str, timeout: float = 60) -> str:
        """Run a command of the engine and give its stdout."""
        return run(*self.command(*words), timeout=timeout)

    def load(self, root: Path, tag: str) -> None:
        """Make an image of a root folder."""
        script = 'set -e; root=$1; shift; tar -C "$root" -c . | "$@"'
        run("sh", "-c", script, "sh", str(root), *self.command("import", "-", tag), timeout=120)

    @contextmanager
    def container(
        self, name: str, tag: str, *, network: str = "none", options: Sequence[str] = ()
    ) -> Iterator[Container]:
        """A container of the image `tag`, removed at the end."""
        words = ("run", "-d", "--init=false", "--network", network, *options, "--name", name, tag)
        self.run(*words, "/bin/sleep", "1000000")
        try:
            yield Container(name, self)
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        found = json.loads(self.run("inspect", "-f", "{{json .State}}", name))
        if found["Paused"]:
            self.run("unpause", name)
        self.run(*self.remove, name)

    @contextmanager
    def network(self, name: str, *options: str) -> Iterator[str]:
        """A network in which containers know each other by name."""
        self.run("network", "create", *options, name)
        try:
            yield name
        finally:
            self.run("network", "rm", name)
