"""Two ends of a link in one loop, over any channels; and a bare peer of one end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from norouter_core.agent.channel import FdChannel, SocketChannel
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux
from norouter_core.agent.operations import Operations
from norouter_core.agent.wire_end import WireEnd
from norouter_core.wire import frames, messages
from norouter_core.wire.connection import Connection
from norouter_core.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from norouter_core.agent.channel import Channel

    Channels = Callable[[], tuple[Channel, Channel]]


class Behind:
    """A mux with a handler that dials what is offered, and records messages."""

    def __init__(self, io: Io, role: str, channel: Channel) -> None:
        self.messages: list[tuple[str, messages.Json]] = []
        self.down: list[tuple[str, RemoteProtocolError | None]] = []
        self._operations = Operations(io, self)
        self.mux = Mux(io, Connection(role), channel, self)
        self.mux.start()

    def link_message(self, kind: str, body: messages.Json) -> None:
        self.messages.append((kind, body))

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        self._operations.dial(end, *messages.address(detail["target"]), _Answer(end))

    def link_refused(self, reason: str) -> None:
        raise AssertionError(reason)

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        self.down.append((reason, violation))
        self._operations.close()

    def offer(
        self, listener: int, peer: tuple[str, int], end: Any, destination: object = None
    ) -> None:
        raise AssertionError("nothing listens here")

    def report(self, rows: list[list[Any]]) -> None:
        raise AssertionError("nothing listens here")


class _Answer:
    def __init__(self, end: WireEnd) -> None:
        self._end = end

    def end_opened(self, end: object, peer: tuple[str, int]) -> None:
        self._end.accept(peer)

    def end_half_closed(self, end: object) -> None: ...
    def end_closed(self, end: object, code: str, reason: str) -> None: ...


class Bare:
    """The other side of one mux: frames in and out, and nothing done by itself."""

    def __init__(self, make: Callable[[socket.socket, socket.socket], Channel], role: str) -> None:
        inner_read, self._out = socket.socketpair()
        self._in, inner_write = socket.socketpair()
        for sock in (self._out, self._in):
            sock.setblocking(False)
        self.behind = Behind(Io(asyncio.get_running_loop()), role, make(inner_read, inner_write))
        self._decoder = frames.Decoder()

    async def says(self, name: str, data: messages.Json) -> None:
        frame = frames.json_frame(messages.encode(messages.event(name, data)))
        await asyncio.get_running_loop().sock_sendall(self._out, frame)

    async def hears(self) -> list[messages.Json]:
        """Return the messages that come next; none at the end."""
        async with asyncio.timeout(15):
            data = await asyncio.get_running_loop().sock_recv(self._in, 1 << 16)
        decoded = list(self._decoder.feed(memoryview(data)))
        return [messages.decode(payload) for _, _, payload in decoded]

    async def hears_event(self, name: str) -> messages.Json:
        while True:
            heard = await self.hears()
            # A frame may come in pieces; nothing at all is the end.
            assert heard or not self._decoder.idle, "the link has ended"
            for message in heard:
                body: messages.Json = message["body"]
                if body.get("type") == name:
                    return body

    def close(self) -> None:
        self.behind.mux.close("the test is over")
        self._in.close()
        self._out.close()


def over_sockets(reading: socket.socket, writing: socket.socket) -> Channel:
    return SocketChannel(reading, writing)


def over_descriptors(reading: socket.socket, writing: socket.socket) -> Channel:
    return FdChannel(reading.detach(), writing.detach())


class Plain(socket.socket):
    """A socket of a system without `sendmsg`."""

    def __getattribute__(self, name: str) -> Any:
        if name == "sendmsg":
            raise AttributeError(name)
        return super().__getattribute__(name)


def socket_channels() -> tuple[Channel, Channel]:
    one, other = socket.socketpair(), socket.socketpair()
    return SocketChannel(one[0], other[0]), SocketChannel(other[1], one[1])


def plain_channels() -> tuple[Channel, Channel]:
    one, other = ([Plain(fileno=sock.detach()) for sock in socket.socketpair()] for _ in range(2))
    return SocketChannel(one[0], other[0]), SocketChannel(other[1], one[1])


def pipe_channels() -> tuple[Channel, Channel]:
    one, other = os.pipe(), os.pipe()
    return FdChannel(one[0], other[1]), FdChannel(other[0], one[1])


def pipe_channels_without_vectors() -> tuple[Channel, Channel]:
    one, other = os.pipe(), os.pipe()
    return FdChannel(one[0], other[1], vectors=False), FdChannel(other[0], one[1], vectors=False)
