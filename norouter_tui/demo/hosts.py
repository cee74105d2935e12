"""Simulated hosts, each with its own exec command, VIP and web server."""

from __future__ import annotations

import errno
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from norouter_core.model import Forward, HostOptions, HostSpec, MeshSpec
from norouter_tui.demo import web

HERE = "here"
NAMES = ("amber", "birch", "cedar")

# Like `docker exec -i NAME ...`: the first word names the host, the rest runs there. The file with
# its process id lets the demo kill it.
_EXEC = """\
name=$1; shift
echo $$ >"${0%/*}/$name.pid"
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class SimulatedHost:
    """`web_port` is where its server listens on 127.0.0.1, `port` where the mesh publishes it."""

    name: str
    vip: str
    port: int
    web_port: int
    directory: Path

    @property
    def spec(self) -> HostSpec:
        """The host as in a manifest."""
        forward = Forward(self.port, "127.0.0.1", self.web_port)
        command = ("sh", str(self.directory / "exec"), self.name)
        # All hosts share the loopback of this machine, so a host that listens would serve its own
        # clients without its link. Only `here` listens, and every byte crosses a link.
        options = HostOptions(ports=(forward,), loopback=False)
        return HostSpec(self.name, self.vip, command, options=options)

    def pid(self) -> int:
        """Return the process id of the running exec command.

        Raises:
            OSError, ValueError: the command has not started yet.
        """
        return int((self.directory / f"{self.name}.pid").read_text())


def mesh(hosts: list[SimulatedHost]) -> MeshSpec:
    """Return the mesh of these hosts and of this machine, `here`."""
    network = hosts[0].vip.rpartition(".")[0]
    return MeshSpec((HostSpec(HERE, f"{network}.10"), *(host.spec for host in hosts)))


@asynccontextmanager
async def simulated_hosts(directory: Path) -> AsyncIterator[list[SimulatedHost]]:
    """Run a web server for each of `NAMES` while the context lasts."""
    (directory / "exec").write_text(_EXEC)
    vips, port = free_addresses(len(NAMES))
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_web_server(name)) for name in NAMES]
        hosts = []
        for name, vip, server in zip(NAMES, vips, servers, strict=True):
            hosts.append(SimulatedHost(name, vip, port, await _port_of(server), directory))
        yield hosts


@asynccontextmanager
async def _web_server(name: str) -> AsyncIterator[anyio.abc.Process]:
    process = await anyio.open_process(
        [sys.executable, "-I", str(Path(web.__file__)), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the demo, which then stops its servers.
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            process.kill()
            await process.aclose()


async def _port_of(server: anyio.abc.Process) -> int:
    assert server.stdout is not None
    line = b""
    with anyio.fail_after(10):
        while not line.endswith(b"\n"):
            line += await server.stdout.receive()
    return int(line)


def free_addresses(count: int) -> tuple[list[str], int]:
    """Return VIPs of a random /24 in 127.0.0.0/8 and a port that is free on all of them.

    The port is 8080 if possible: a server on 0.0.0.0:8080 occupies it on every VIP.

    Raises:
        OSError: nothing was free, after many attempts.
    """
    for attempt in range(100):
        net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
        vips = [f"{net}.{11 + i}" for i in range(count)]
        port = 8080 if attempt == 0 else random.randint(20000, 32000)
        if all(_is_free(vip, port) for vip in vips):
            return vips, port
    raise OSError(errno.EADDRINUSE, "no free loopback address and port for the demo")


def _is_free(vip: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((vip, port))
        except OSError as error:
            # Where 127.x cannot be bound (macOS, BSD) the agent falls back to 127.0.0.1.
            return error.errno == errno.EADDRNOTAVAIL
        return True
