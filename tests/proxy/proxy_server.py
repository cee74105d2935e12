"""A proxy on a real port, and origins behind it; with and without links in between."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from norouter_core.agent.channel import FdChannel
from norouter_core.agent.ends import End, join
from norouter_core.agent.io import Io
from norouter_core.agent.listen import Listener
from norouter_core.agent.mux import Mux
from norouter_core.agent.operations import Operations
from norouter_core.agent.tcp import TcpEnd
from norouter_core.proxy.http import HttpSession
from norouter_core.proxy.session import ProxySettings
from norouter_core.proxy.socks import SocksSession
from norouter_core.wire import messages
from norouter_core.wire.connection import AGENT, HUB, Connection
from tests.servers import eventually

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.agent.wire_end import WireEnd
    from norouter_core.wire.errors import RemoteProtocolError
    from norouter_core.wire.messages import Json


class ProxyServer:
    """A proxy on a free port of 127.0.0.1.

    Directly, its sessions serve sockets and dial by this process. With `links`, a session's client
    comes over one link and its targets are dialled over another, as in a mesh.
    """

    def __init__(self, kind: str, links: bool, settings: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        self.io = Io(loop)
        self.logged: list[str] = []
        self.dialled: list[tuple[str, int]] = []
        self.open = 0
        """Sessions that have not ended."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._settings = ProxySettings(
            self._spawn,
            log=self.logged.append,
            **settings,
        )
        self._make = HttpSession if kind == "http" else SocksSession
        self._verbs = Operations(self.io, _NoOffers())
        self._clients: list[End] = []
        self._muxes: list[Mux] = []
        self._client_link: Mux | None = None
        self._target_link: Mux | None = None
        if links:
            _, self._client_link = self._link(self._serve, None)
            self._target_link, _ = self._link(None, self._dial_for_hub)
        self._listener = Listener(self.io, "127.0.0.1", 0, self._arrived)
        self.address = self._listener.address
        self.at = "{}:{}".format(*self.address)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the dialer ------------------------------------------------------------------------

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        self.dialled.append((host, port))
        if self._target_link is None:
            return self._verbs.dial(other, host, port, observer)
        end = self._target_link.open({"target": [host, port]})
        end.observer = observer
        join(other, end)
        return end

    def _dial_for_hub(self, end: WireEnd, detail: Json) -> None:
        host, port = messages.address(detail["target"])
        self._verbs.dial(end, host, port, _Answer(end))

    # -- clients ---------------------------------------------------------------------------

    def _arrived(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        end = TcpEnd(self.io, sock)
        self._clients.append(end)
        if self._client_link is None:
            self._serve(end, {})
        else:
            join(end, self._client_link.open({"listener": 1, "peer": list(peer)}))

    def _serve(self, client: End, detail: Json) -> None:
        self.open += 1
        self._make(self, self._settings).start(client, self)

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        raise AssertionError("a session is not dialled")

    def end_half_closed(self, end: End) -> None:
        raise AssertionError("a session half-closes by its ends")

    def end_closed(self, end: End, code: str, reason: str) -> None:
        self.open -= 1

    # -- links -----------------------------------------------------------------------------

    def _link(
        self,
        offered_to_hub: Callable[[WireEnd, Json], None] | None,
        offered_to_agent: Callable[[WireEnd, Json], None] | None,
    ) -> tuple[Mux, Mux]:
        pair = socket.socketpair()
        muxes = []
        for role, sock, offered in zip(
            (HUB, AGENT), pair, (offered_to_hub, offered_to_agent), strict=True
        ):
            fd = sock.detach()
            channel = FdChannel(fd, os.dup(fd))
            muxes.append(Mux(self.io, Connection(role), channel, _Side(offered)))
            muxes[-1].start()
        self._muxes += muxes
        return muxes[0], muxes[1]

    def close(self) -> None:
        self._listener.close()
        for client in self._clients:
            client.reset("gone", "the test is over")
        for mux in self._muxes:
            mux.close("the test is over")
        self._verbs.close()

    @property
    def streams(self) -> int:
        """Streams that are open on the links."""
        return sum(len(mux.connection.streams) for mux in self._muxes)


class _Side:
    def __init__(self, offered: Callable[[WireEnd, Json], None] | None) -> None:
        self._offered = offered

    def link_message(self, kind: str, body: Json) -> None:
        raise AssertionError(f"no {kind} was expected")

    def link_offer(self, end: WireEnd, detail: Json) -> None:
        assert self._offered is not None
        self._offered(end, detail)

    def link_refused(self, reason: str) -> None:
        raise AssertionError(reason)

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        assert violation is None, violation


class _Answer:
    def __init__(self, end: WireEnd) -> None:
        self._end = end

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        self._end.accept(peer)

    def end_half_closed(self, end: End) -> None:
        pass

    def end_closed(self, end: End, code: str, reason: str) -> None:
        pass


class _NoOffers:
    def offer(
        self, listener: int, peer: tuple[str, int], end: End, destination: object = None
    ) -> None:
        raise AssertionError("nothing listens by these verbs")

    def report(self, rows: list[list[Any]]) -> None:
        raise AssertionError("nothing listens by these verbs")


@asynccontextmanager
async def proxying(
    kind: str = "http", links: bool = False, **settings: Any
) -> AsyncIterator[ProxyServer]:
    """A proxy that runs; every session has ended, without mistakes, when it is left."""
    proxy = ProxyServer(kind, links, {"linger": 0.2, **settings})
    try:
        yield proxy
        await eventually(lambda: not proxy.open, "every session ends")
        await eventually(lambda: not proxy.streams, "every stream of the links ends")
    finally:
        proxy.close()
    assert not [line for line in proxy.logged if "internal error" in line], proxy.logged


class Origin:
    """A web server by hand: what a proxy must not break is visible in its code."""

    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[bytes] = []
        self.port = 0
        self.event = asyncio.Event()
        """Set by the test when the next event of an event stream is due."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await self._head(reader):
            self.heads.append(head)
            method, path, _ = head.split(b"\r\n")[0].split(b" ")
            if path == b"/events":
                await self._events(writer)
            elif path == b"/socket":
                await self._socket(head, reader, writer)
                return
            elif path == b"/old":
                writer.write(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
                await writer.drain()
                return
            elif path == b"/echo":
                await self._echo(head, reader, writer)
            else:
                text = b"%s of %s" % (path, field(head, b"host"))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text))
                writer.write(text if method != b"HEAD" else b"")
                await writer.drain()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async def _echo(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Sends the body back as it comes, framed as it came."""
        if field(head, b"expect"):
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if field(head, b"transfer-encoding") == b"chunked":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            size = -1
            while size:
                line = await reader.readuntil(b"\r\n")
                size = int(line, 16)
                writer.write(line + await reader.readexactly(size + 2))
                await writer.drain()
            return
        left = int(field(head, b"content-length"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left:
            data = await reader.read(min(left, 1 << 16))
            assert data
            left -= len(data)
            writer.write(data)
            await writer.drain()

    async def _events(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(5):
            await self.event.wait()
            self.event.clear()
            data = b"data: %d\n\n" % number
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async def _socket(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """A WebSocket echo: frames of a client are masked, those of a server are not."""
        assert field(head, b"upgrade") == b"websocket"
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        while True:
            first, size = await reader.readexactly(2)
            if first == 0x88:
                writer.write(b"\x88\x00")
                await writer.drain()
                return
            size &= 0x7F
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            mask = await reader.readexactly(4)
            data = unmask(await reader.readexactly(size), mask)
            writer.write(bytes((first, 126)) + size.to_bytes(2, "big") + data)
            await writer.drain()


def unmask(data: bytes, mask: bytes) -> bytes:
    """RFC 6455 section 5.3; its own inverse."""
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def field(head: bytes, name: bytes) -> bytes:
    """The value of a field of a head, empty if there is none."""
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.lower() == name:
            return value.strip()
    return b""


@asynccontextmanager
async def origin() -> AsyncIterator[Origin]:
    """A web server on a free port of every address of this machine."""
    made = Origin()
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await made.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=256)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks)
        await server.wait_closed()
