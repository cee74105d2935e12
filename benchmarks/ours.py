"""This project as a forwarder, started through its command line only."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.paths import START_LIMIT, Forwarder, free_port, running
from benchmarks.processes import Ends, descendants, end, is_agent, split
from benchmarks.protocol import Address, LoadError, Proxy
from benchmarks.workers import ClientProcess

Proxies = Mapping[str, tuple[Proxy, ...]]

_CLIENTS = {"ours": "local", "ours-rr": "b", "native": "local", "native-rr": "b"}
"""The host that has the client of a path."""
_KEYS = {"connect": "http", "socks5": "socks"}
_VIPS = {"local": "127.0.42.100", "a": "127.0.42.101", "b": "127.0.42.102"}


def find_norouter() -> str | None:
    """Return the `norouter` program beside this Python, else the one on the PATH; None: neither."""
    beside = Path(sys.executable).with_name("norouter")
    return str(beside) if beside.exists() else shutil.which("norouter")


@dataclass(frozen=True)
class Mesh:
    """What is to be run: `remotes` maps `a` and `b` to the words that enter them, `target` is
    the load server in `a`, `options` are passed on to `norouter run`.
    """

    program: str
    remotes: dict[str, tuple[str, ...]]
    target: Address
    options: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    """The installed agent that the commands end in; nothing for the Python agent."""

    def argv(
        self, folder: str, port: int, *options: str, proxies: Proxies | None = None
    ) -> list[str]:
        """Return the command line of a headless run; the manifest is written into `folder`."""
        file = self.manifest(folder, port, proxies)
        return [self.program, "run", file, "--headless", *options, *self.options]

    def manifest(self, folder: str, port: int, proxies: Proxies | None = None) -> str:
        """Write the manifest into `folder` and return its path. JSON is YAML."""
        hosts: dict[str, dict[str, object]] = {"local": {"vip": _VIPS["local"]}}
        for name, enter in self.remotes.items():
            hosts[name] = {"vip": _VIPS[name], "cmd": [*enter, *self.agent]}
        for path, served in (proxies or {}).items():
            for proxy in served:
                hosts[_CLIENTS[path]][_KEYS[proxy.kind]] = {"listen": f"{proxy.host}:{proxy.port}"}
        hosts["a"]["ports"] = [f"{port}:{self.target[0]}:{self.target[1]}"]
        file = Path(folder, "mesh.yaml")
        file.write_text(json.dumps({"hosts": hosts}))
        return str(file)


class _Hub:
    def __init__(
        self,
        process: subprocess.Popen[bytes],
        address: Address,
        first_byte: float,
        proxies: Proxies,
    ) -> None:
        self._hub = psutil.Process(process.pid)
        self.address = address
        self.first_byte = first_byte
        self.proxies = proxies

    def ends(self) -> Ends:
        agents, others = split(descendants(self._hub.pid), is_agent)
        return Ends(near=[self._hub], far=agents, others=others)


@contextlib.contextmanager
def mesh_forward(mesh: Mesh, client: ClientProcess) -> Iterator[Forwarder]:
    """Yield the mesh, once a byte from `client` has come back through it.

    Without `--json`, which would make the hub write two lines for every connection.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        address = (_VIPS["a"], free_port(_VIPS["a"]))
        proxies = {
            path: tuple(Proxy(kind, "127.0.0.1", free_port()) for kind in _KEYS)
            for path, host in _CLIENTS.items()
            if host == "local" or host in mesh.remotes
        }
        argv = mesh.argv(folder, address[1], proxies=proxies)
        with running(argv, "norouter", client, address) as (process, first_byte):
            yield _Hub(process, address, first_byte, proxies)


def agent_start(mesh: Mesh) -> float:
    """Seconds from the start of host `a`'s exec command until its agent was ready, as the hub's
    own events tell it.

    Raises:
        LoadError: the hub ended, or the host was not ready in time.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        port = free_port(_VIPS["a"])
        argv = mesh.argv(folder, port, "--json", "--wait-ready", str(int(START_LIMIT)))
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdout
        # `--wait-ready` ends a hub that waits; this one is for a hub that hangs.
        watchdog = threading.Timer(2 * START_LIMIT, process.kill)
        watchdog.start()
        try:
            return _from_starting_to_ready(process.stdout)
        finally:
            watchdog.cancel()
            end(process)
            process.stdout.close()


def _from_starting_to_ready(lines: Iterable[bytes]) -> float:
    starting = None
    for line in lines:
        host = json.loads(line).get("host")
        if isinstance(host, dict) and host.get("name") == "a":
            if host["state"] == "starting":
                starting = host["since"]
            if host["state"] == "ready" and starting is not None:
                return float(host["since"] - starting)
    raise LoadError("norouter ended before its host was ready")
