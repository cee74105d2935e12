"""dockerd in a network namespace of its own: no bridge, no iptables rule, no way out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.netns import Namespaces
from tests.transports.procs import Background, netns_of, run
from tests.transports.require import need, need_program, need_root


@dataclass(frozen=True, slots=True)
class Container:
    """A running container with a loopback of its own and no other network."""

    name: str
    engine: Engine

    python = "python3"

    @property
    def inode(self) -> int:
        """The inode of its network namespace."""
        pid = int(self.engine.docker("inspect", "-f", "{{.State.Pid}}", self.name))
        inode = netns_of(pid)
        assert inode is not None, f"container {self.name} is not running"
        return inode

    def enter(self, *command: str) -> list[str]:
        """The command that runs `command` in here."""
        return self.engine.command("exec", "-i", self.name, *command)

    def pause(self) -> None:
        """Freeze every process in it; nothing in it or about it ends."""
        self.engine.docker("pause", self.name)

    def unpause(self) -> None:
        self.engine.docker("unpause", self.name)


@dataclass(frozen=True, slots=True)
class Engine:
    """A docker daemon; `address` is what DOCKER_HOST is set to."""

    address: str

    def command(self, *words: str) -> list[str]:
        """A docker command line for this daemon, whatever the environment says."""
        return ["docker", "-H", self.address, *words]

    def docker(self, *words: str, timeout: float = 60) -> str:
        """Run a docker command and give its stdout."""
        return run(*self.command(*words), timeout=timeout)

    def load(self, root: Path, tag: str) -> None:
        """Make an image of a root folder."""
        script = 'set -e; root=$1; shift; tar -C "$root" -c . | "$@"'
        run("sh", "-c", script, "sh", str(root), *self.command("import", "-", tag), timeout=120)

    @contextmanager
    def container(self, name: str, tag: str) -> Iterator[Container]:
        """A container that does nothing until it is told to; removed at the end."""
        words = ("run", "-d", "--init=false", "--network", "none", "--name", name, tag)
        self.docker(*words, "/bin/sleep", "1000000")
        try:
            yield Container(name, self)
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        found = json.loads(self.docker("inspect", "-f", "{{json .State}}", name))
        if found["Paused"]:
            self.docker("unpause", name)
        self.docker("rm", "-f", name)


@contextmanager
def docker_engine(made: Namespaces, folder: Path) -> Iterator[Engine]:
    """A docker daemon of the test's own, everything of it in `folder` and one namespace."""
    need_root()
    dockerd = need_program("dockerd", "docker.io")
    need_program("docker", "docker.io")
    engine = Engine(f"unix://{folder}/docker.sock")
    argv = [dockerd, "-H", engine.address, "--data-root", f"{folder}/data"]
    argv += ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/docker.pid"]
    argv += ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
    namespace = made.make("dockerd")
    log = folder / "dockerd.log"
    with Background(namespace.enter(*argv), stderr=log, merge_stderr=True) as daemon:
        try:
            daemon.wait_line("API listen on", 40)
        except AssertionError as error:
            need(False, f"dockerd does not start here: {error}")
        try:
            yield engine
        finally:
            # An orderly end takes containerd and the mounts below `folder` with it.
            daemon.stop(timeout=30)
