"""Simulated hosts: each has its exec command, its VIP and a web server of its own."""

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

# Like `docker exec -i NAME ...`: the first word names the host, the rest is run there. The file
# of its process id is how the demo finds whom to kill.
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
    folder: Path

    @property
    def spec(self) -> HostSpec:
        """The host as a manifest would say it."""
        forward = Forward(self.port, "127.0.0.1", self.web_port)
        command = ("sh", str(self.folder / "exec"), self.name)
        # All of them share this machine's loopback, where one that listens for itself would be
        # served without crossing its link: so `here` listens, and every byte crosses a link.
        options = HostOptions(ports=(forward,), loopback=False)
        return HostSpec(self.name, self.vip, command, options=options)

    def pid(self) -> int:
        """The process id of the running exec command.

        Raises:
            OSError, ValueError: it has not been started yet.
        """
        return int((self.folder / f"{self.name}.pid").read_text())


def mesh(hosts: list[SimulatedHost]) -> MeshSpec:
    """The mesh of these hosts and of this machine, `here`."""
    network = hosts[0].vip.rpartition(".")[0]
    return MeshSpec((HostSpec(HERE, f"{network}.10"), *(host.spec for host in hosts)))


@asynccontextmanager
async def simulated_hosts(folder: Path) -> AsyncIterator[list[SimulatedHost]]:
    """Starts a web server for each of `NAMES`; they end with the context."""
    (folder / "exec").write_text(_EXEC)
    vips, port = free_addresses(len(NAMES))
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_web_server(name)) for name in NAMES]
        hosts = []
        for name, vip, server in zip(NAMES, vips, servers, strict=True):
            hosts.append(SimulatedHost(name, vip, port, await _port_of(server), folder))
        yield hosts


@asynccontextmanager
async def _web_server(name: str) -> AsyncIterator[anyio.abc.Process]:
    process = await anyio.open_process(
        [sys.executable, "-I", str(Path(web.__file__)), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Ctrl-C is for the demo, which then ends its servers itself.
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
    """VIPs of one random /24 of 127.0.0.0/8 and a port that is free on all of them.

    8080 if it can be had; a server on 0.0.0.0:8080 takes it from every VIP at once, and another
    demo may run at this very moment.

    Raises:
        OSError: nothing is free, after many tries.
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
