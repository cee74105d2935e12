"""A mesh under test: real hosts, their pages, and `norouter run` followed event by event."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil
import yaml

from tests.transports.netns import Namespace
from tests.transports.procs import (
    Background,
    agents_in,
    cmdline,
    kill_all,
    netns_of,
    processes_in,
    wait_gone,
)

PAGE_PORT = 8080
REMOTE = Path(__file__).parent / "remote"

Event = dict[str, Any]


class Place(Protocol):
    """Where a host's programs run: a namespace, a container, a machine.

    `enter` leads in; `net` runs a program of this machine in the place's network.
    """

    @property
    def python(self) -> str: ...

    @property
    def inode(self) -> int: ...

    def enter(self, *command: str) -> list[str]: ...

    def net(self, *command: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class MeshHost:
    """One host of a mesh under test: where it is, and the exec command that leads there."""

    name: str
    vip: str
    place: Place
    cmd: Sequence[str]
    ports: tuple[str, ...] = (f"{PAGE_PORT}:127.0.0.1:{PAGE_PORT}",)
    agent: str = "auto"

    @property
    def url(self) -> str:
        return f"http://{self.vip}:{PAGE_PORT}"

    def entry(self) -> dict[str, Any]:
        """The host as a manifest says it."""
        ports = list(self.ports)
        return {"vip": self.vip, "cmd": list(self.cmd), "ports": ports, "agent": self.agent}


def remote_script(place: Place, script: str, *words: str) -> list[str]:
    """The command that runs a script of `remote/` in a place, by its own Python."""
    source = (REMOTE / script).read_text()
    return place.enter(place.python, "-c", source, *words)


@dataclass
class Evidence:
    """Where logs go, and the programs started beside the hub; `close` ends them."""

    folder: Path
    running: list[Background] = field(default_factory=list)

    def start(self, argv: Sequence[str], label: str) -> Background:
        path = self.folder / f"{len(self.running)}-{label}.stderr"
        started = Background(argv, stderr=path)
        self.running.append(started)
        return started

    def serve_pages(self, host: MeshHost, folder: Path | None = None) -> None:
        """The host's web server, up when this returns; see `remote/pages.py`."""
        words = [host.name, str(PAGE_PORT), *([str(folder)] if folder else [])]
        server = self.start(remote_script(host.place, "pages.py", *words), f"pages-{host.name}")
        server.wait_line("serving", 20)

    def meter(self, at: MeshHost, to: MeshHost, path: str, chunk: int, pause: float) -> Meter:
        """Read an endless page of `to` at its VIP, on `at`; see `remote/meter.py`."""
        words = [to.vip, str(PAGE_PORT), path, str(chunk), str(pause)]
        argv = remote_script(at.place, "meter.py", *words)
        return Meter(self.start(argv, f"meter-{at.name}-{to.name}"))

    def close(self) -> None:
        for started in self.running:
            started.__exit__(None, None, None)


@dataclass(frozen=True, slots=True)
class Meter:
    """A running `remote/meter.py`."""

    program: Background

    @property
    def last(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.program.lines[-1])
        return told

    def wait_bytes(self, more: int, timeout: float) -> None:
        """Wait until `more` bytes have come, counted from now."""
        already = self.last["bytes"] if self.program.lines else 0
        self.program.wait_until(
            lambda: bool(self.program.lines) and self.last["bytes"] >= already + more,
            timeout,
            f"{more} more bytes",
        )

    def wait_end(self, timeout: float) -> str:
        """Why the stream ended, waited for."""
        self.program.wait_until(
            lambda: bool(self.program.lines) and self.last["ended"] is not None,
            timeout,
            "the end of the stream",
        )
        return str(self.last["ended"])


class Mesh:
    """`norouter run MANIFEST --headless --json` in a namespace of its own.

    `hosts` and `listeners` hold the last status told of each; every wait looks at them again
    after each event. Without a `manifest` one is made of the hosts.
    """

    def __init__(
        self,
        hub: Namespace,
        hosts: Iterable[MeshHost],
        folder: Path,
        manifest: str | None = None,
    ) -> None:
        self.spec = tuple(hosts)
        self._manifest = manifest
        self.events: list[Event] = []
        self.hosts: dict[str, dict[str, Any]] = {}
        self.listeners: dict[tuple[str, str], dict[str, Any]] = {}
        self._hub = hub
        self._folder = folder
        self._program: Background | None = None
        self._before: frozenset[int] = frozenset()

    # --- start

    def start(
        self,
        *,
        wait_ready: float | None = None,
        env: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """Write the manifest and start the hub; `env` is added to this process's own."""
        manifest = self._folder / "mesh.yaml"
        manifest.write_text(self._manifest or _manifest(self.spec))
        argv = [norouter(), "run", str(manifest), "--headless", "--json", *options]
        argv += [] if wait_ready is None else ["--wait-ready", f"{wait_ready:g}"]
        self._before = processes_in(self.inodes)
        self._program = Background(
            self._hub.enter(*argv),
            stderr=self._folder / "hub.stderr",
            env={**os.environ, **(env or {})},
            on_line=self._take,
        )

    def _take(self, line: str) -> None:
        event: Event = json.loads(line)
        self.events.append(event)
        if event["event"] == "host":
            self.hosts[event["host"]["name"]] = event["host"]
        elif event["event"] == "listener":
            told = event["listener"]
            self.listeners[told["on_host"], told["listen"]] = told

    # --- what is so

    @property
    def program(self) -> Background:
        assert self._program is not None, "the mesh has not been started"
        return self._program

    @property
    def inodes(self) -> frozenset[int]:
        """The network namespaces of the hub and of all hosts."""
        return frozenset([self._hub.inode, *(host.place.inode for host in self.spec)])

    def host(self, name: str) -> MeshHost:
        return next(host for host in self.spec if host.name == name)

    def state(self, name: str) -> str:
        return str(self.hosts[name]["state"]) if name in self.hosts else "unheard of"

    def agents(self, *names: str) -> frozenset[int]:
        """The agents in the namespaces of these hosts, of all where none is named."""
        places = [self.host(name).place for name in names] or [host.place for host in self.spec]
        return agents_in(place.inode for place in places)

    def started(self) -> frozenset[int]:
        """What runs now in the mesh's namespaces and did not before: all of it is its doing."""
        return processes_in(self.inodes) - self._before

    def exec_client(self, name: str) -> psutil.Process:
        """The hub's own child that leads to a host.

        nsenter execs, so what it leaves is known by its namespace and not by its words.
        """
        host = self.host(name)
        words, inode = " ".join(host.cmd[1:]), host.place.inode
        children = psutil.Process(self.program.pid).children()
        found = [
            child
            for child in children
            if netns_of(child.pid) == inode or words in cmdline(child.pid)
        ]
        assert len(found) == 1, f"{len(found)} of the hub's children lead to {name}: {children}"
        return found[0]

    # --- waiting

    def wait_for(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        self.program.wait_until(condition, timeout, what)

    def wait_event(self, kind: str, timeout: float) -> Event:
        """The first event of that kind, waited for."""
        self.wait_for(lambda: any(e["event"] == kind for e in self.events), timeout, kind)
        return next(event for event in self.events if event["event"] == kind)

    def wait_state(self, name: str, *states: str, timeout: float) -> dict[str, Any]:
        """The host's status once it is in one of `states`."""
        what = f"{name} to be {' or '.join(states)}"
        self.wait_for(lambda: self.state(name) in states, timeout, what)
        return self.hosts[name]

    def wait_states_since(self, mark: int, name: str, state: str, timeout: float) -> float:
        """When `name` entered `state` first after the event numbered `mark`, waited for."""

        def entered() -> Event | None:
            later = (event for event in self.events[mark:] if event["event"] == "host")
            its = (event for event in later if event["host"]["name"] == name)
            return next((event for event in its if event["host"]["state"] == state), None)

        self.wait_for(lambda: entered() is not None, timeout, f"{name} to be {state}")
        event = entered()
        assert event is not None
        return float(event["at"])

    def wait_bound(self, names: Iterable[str], timeout: float) -> None:
        """Wait until each of these hosts listens for every published port of each of them."""
        hosts = [self.host(name) for name in names]
        pairs = [(at.name, f"{to.vip}:{PAGE_PORT}") for at in hosts for to in hosts]

        def bound() -> bool:
            told = (self.listeners.get(pair, {}) for pair in pairs)
            return all(listener.get("state") in ("bound", "shared", "served") for listener in told)

        self.wait_for(bound, timeout, f"{len(pairs)} listeners")

    # --- end

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the hub as a user would, and see that nothing of the mesh is left."""
        status = self.program.stop(number)
        assert status == 0, f"the hub ended with {status}:\n{self.program.stderr}"
        assert self.events[-1]["event"] == "stopped", self.events[-1]
        left = wait_gone(self.started, 5)
        assert not left, f"left behind after a clean stop: {left}"

    def kill(self) -> None:
        """SIGKILL the hub."""
        self.program.stop(signal.SIGKILL)

    def close(self) -> None:
        """End whatever is left, after a test that failed."""
        if self._program is None:
            return
        self.kill()
        kill_all(self.started())
        wait_gone(self.started, 10)


def _manifest(hosts: Iterable[MeshHost]) -> str:
    entries = {host.name: host.entry() for host in hosts}
    return str(yaml.safe_dump({"hosts": entries}, sort_keys=False))


def fetch_all(at: MeshHost, others: Sequence[MeshHost]) -> list[str]:
    """Fetch every page on a host by one curl (Python's urllib where there is none).

    Returns:
        The pages' text, in the order of `others`.

    Raises:
        AssertionError: a page could not be had; the message holds the client's own words.
    """
    urls = [host.url for host in others]
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "20", *urls]
    if not isinstance(at.place, Namespace):
        source = (
            "import sys, urllib.request as r\n"
            "for u in sys.argv[1:]: sys.stdout.write(r.urlopen(u, timeout=20).read().decode())"
        )
        command = [at.place.python, "-c", source, *urls]
    done = subprocess.run(at.place.enter(*command), capture_output=True, timeout=60, check=False)
    told = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"on {at.name}: exit {done.returncode}: {told}"
    return done.stdout.decode().split()


def listening_in(place: Place) -> set[str]:
    """The `IP:PORT` of every TCP listener in a place, read from /proc inside it."""
    table = subprocess.run(
        place.enter("cat", "/proc/net/tcp"), capture_output=True, timeout=20, check=True
    )
    rows = [line.split() for line in table.stdout.decode().splitlines()[1:]]
    return {_address(row[1]) for row in rows if row[3] == "0A"}


def _address(text: str) -> str:
    ip, port = text.split(":")
    octets = [str(byte) for byte in reversed(bytes.fromhex(ip))]
    return f"{'.'.join(octets)}:{int(port, 16)}"


def norouter() -> str:
    """The program under test, of the environment in which the tests run."""
    beside = Path(sysconfig.get_path("scripts")) / "norouter"
    found = str(beside) if beside.exists() else shutil.which("norouter")
    assert found, "norouter is not installed in this Python's environment (pip install -e .)"
    return found
