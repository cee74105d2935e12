"""An engine that serves an HTTP and a SOCKS proxy, and clients for both, by hand and by curl."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from norouter_core.engine.events import StreamClosed
from norouter_core.engine.status import StreamStatus
from norouter_core.model import HostSpec, MeshSpec, ProxySpec, Route
from tests.engine.meshes import Mesh, forward, local, mesh, relayed
from tests.servers import Address, Peer, connect, eventually, unused_port

USER = "me:a:secret"
PUBLISHED = 8080


def with_proxies(host: HostSpec, auth: str | None = None) -> HostSpec:
    """The host with both proxies on free ports of 127.0.0.1."""
    http = ProxySpec("127.0.0.1", unused_port(), auth)
    socks = ProxySpec("127.0.0.1", unused_port(), auth)
    return replace(host, options=replace(host.options, http=http, socks=socks))


@dataclass
class World:
    """A mesh whose host `at` serves the proxies; `back` (alias `web`) publishes a port."""

    mesh: Mesh
    hosts: tuple[HostSpec, ...]
    at: HostSpec

    @property
    def http(self) -> Address:
        return _address(self.at.options.http)

    @property
    def socks(self) -> Address:
        return _address(self.at.options.socks)

    def vip(self, name: str) -> str:
        return next(host.vip for host in self.hosts if host.name == name)

    async def route(self, *routes: Route) -> None:
        await self.mesh.apply(MeshSpec(self.hosts, routes))

    @property
    def stream(self) -> StreamStatus:
        """The only stream there is."""
        (only,) = self.mesh.streams
        return only

    async def idle(self) -> None:
        await eventually(lambda: not self.mesh.streams, f"no stream is left: {self.mesh.streams}")

    def closed(self) -> list[StreamStatus]:
        """The streams that have closed since this was asked last."""
        return [e.stream for e in self.mesh.events() if isinstance(e, StreamClosed)]


def _address(spec: ProxySpec | None) -> Address:
    assert spec is not None
    return spec.listen_host, spec.listen_port


@asynccontextmanager
async def world(
    port: int,
    *routes: Route,
    at: HostSpec | None = None,
    auth: str | None = None,
    hub: HostSpec | None = None,
) -> AsyncIterator[World]:
    """Proxies on the hub, or `at`; `back`, which publishes `port`; `bastion` and `other`.

    No stream and no process is left when it ends well.
    """
    hub = hub or local()
    serving = with_proxies(at or hub, auth)
    back = replace(relayed("back", forward(port)), aliases=("web",))
    first = (serving,) if at is None else (hub, serving)
    hosts = (*first, back, relayed("bastion"), relayed("other"))
    async with mesh(*hosts) as made:
        made_world = World(made, hosts, serving)
        await made_world.route(*routes)
        yield made_world
        await made_world.idle()


# -- clients by hand -------------------------------------------------------------------------


def connect_head(host: str, port: int) -> bytes:
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()


async def ask_http(proxy: Address, host: str, port: int) -> tuple[Peer, bytes]:
    """A client that has asked for a tunnel, and the head of the answer."""
    client = await connect(proxy)
    await client.send(connect_head(host, port))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = await client.exactly(1)
        assert piece, head
        head += piece
    return client, head


async def tunnel(proxy: Address, host: str, port: int) -> Peer:
    """A client connected to a target through the HTTP proxy."""
    client, head = await ask_http(proxy, host, port)
    if not head.startswith(b"HTTP/1.1 200 "):
        client.close()
        raise AssertionError(head)
    return client


async def ask_socks(proxy: Address, host: str, port: int) -> tuple[Peer, int]:
    """A SOCKS5 client that has asked for a name, and the reply code."""
    client = await connect(proxy)
    await client.send(b"\x05\x01\x00")
    assert await client.exactly(2) == b"\x05\x00"
    name = host.encode()
    await client.send(b"\x05\x01\x00\x03%c%s%s" % (len(name), name, port.to_bytes(2, "big")))
    reply = await client.exactly(10)
    assert reply[0] == 5
    return client, reply[1]


# -- curl ------------------------------------------------------------------------------------

WAYS = ("--proxy", "--proxytunnel", "--socks4a", "--socks5-hostname")


@dataclass(frozen=True, slots=True)
class Curled:
    status: int
    """curl's own."""
    out: bytes
    told: str


def curl_way(world: World, way: str) -> list[str]:
    """The words that send curl through one of the proxies of a world."""
    http, socks = ("{}:{}".format(*address) for address in (world.http, world.socks))
    if way == "--proxytunnel":
        return ["--proxytunnel", "--proxy", http]
    return [way, http if way == "--proxy" else socks]


async def curl(*words: str) -> Curled:
    """What curl says; the test is skipped where there is none."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("curl is not installed")
    pipe = asyncio.subprocess.PIPE
    argv = (program, "--silent", "--show-error", "--max-time", "30", *words)
    process = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=pipe)
    out, told = await process.communicate()
    assert process.returncode is not None
    return Curled(process.returncode, out, told.decode(errors="replace"))


# -- an origin of much data ------------------------------------------------------------------


class Blob:
    """Answers GET with its data and PUT with the digest of what it was sent."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.digest = hashlib.sha256(data).hexdigest()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer: Sequence[bytes | memoryview] = [self.data]
        if head.startswith(b"put "):
            left = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            answer = [(await _digest(reader, left)).encode()]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sum(map(len, answer)))
        for piece in answer:
            writer.write(piece)
        await writer.drain()


async def _digest(reader: asyncio.StreamReader, left: int) -> str:
    digest = hashlib.sha256()
    while left:
        data = await reader.read(min(left, 1 << 18))
        assert data, "the body was cut short"
        left -= len(data)
        digest.update(data)
    return digest.hexdigest()
