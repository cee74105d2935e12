"""A tunnel of one agent over a real link, joined by a hub that only relays; in one process."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from unittest import mock

from norouter_core.agent import direct
from norouter_core.agent.channel import SocketChannel
from norouter_core.agent.ends import End, join
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux
from norouter_core.agent.operations import Operations
from norouter_core.agent.tcp import TcpEnd
from norouter_core.agent.wire_end import WireEnd
from norouter_core.wire import messages
from norouter_core.wire.connection import AGENT, HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError
from tests.servers import Peer, Target, eventually, tcp_pair

LISTENER = 7


class Narrow(SocketChannel):
    """Reads so many bytes at a time: a slow link, of which much is under way."""

    def __init__(self, reading: socket.socket, writing: socket.socket, most: int) -> None:
        super().__init__(reading, writing)
        self._most = most
        self.carried = 0

    def read(self, buffer: memoryview) -> int:
        size = super().read(buffer[: self._most])
        self.carried += size
        return size


class _Side:
    def __init__(self) -> None:
        self.down: list[str] = []

    def link_message(self, kind: str, body: messages.Json) -> None:
        raise AssertionError("nothing is said but by streams")

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        raise NotImplementedError

    def link_refused(self, reason: str) -> None:
        raise AssertionError(reason)

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        assert violation is None, violation
        self.down.append(reason)


class _Hub(_Side):
    """Dials, by the same link, the target for what is offered."""

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__()
        self._target = target
        self.mux: Mux
        self.ends: list[tuple[str, str]] = []

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        end.observer = self
        target = self.mux.open({"target": list(self._target)})
        target.observer = self
        end.accept(("127.0.0.1", 1))
        join(end, target)

    def end_opened(self, end: End, peer: tuple[str, int]) -> None: ...

    def end_half_closed(self, end: End) -> None: ...

    def end_closed(self, end: End, code: str, reason: str) -> None:
        self.ends.append((code, reason))


class _Agent(_Side):
    def __init__(self, io: Io) -> None:
        super().__init__()
        self.verbs = Operations(io, self)
        self.rows: list[list[Any]] = []
        self.mux: Mux

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        self.verbs.dial(end, *messages.address(detail["target"]), _Answer(end))

    def offer(
        self, listener: int, peer: tuple[str, int], end: End, destination: object = None
    ) -> None:
        raise AssertionError("its clients are made by the test")

    def report(self, rows: list[list[Any]]) -> None:
        self.rows += rows


class _Answer:
    def __init__(self, end: WireEnd) -> None:
        self._end = end

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        self._end.accept(peer)

    def end_half_closed(self, end: End) -> None: ...
    def end_closed(self, end: End, code: str, reason: str) -> None: ...


class Tunnel:
    """`client` and `server` are the outer ends: what one is sent, the other is to get."""

    client: Peer
    server: Peer

    def __init__(self, most: int = 1 << 18) -> None:
        io = Io(asyncio.get_running_loop())
        self._io = io
        self._target = Target()
        down, up = socket.socketpair(), socket.socketpair()
        self.hub, self.agent = _Hub(self._target.address), _Agent(io)
        self.channels = (Narrow(up[0], down[0], most), Narrow(down[1], up[1], most))
        self.hub.mux = Mux(io, Connection(HUB), self.channels[0], self.hub)
        self.agent.mux = Mux(io, Connection(AGENT), self.channels[1], self.agent)
        self.number: int | None = None
        # Reports by the hundred are waited for.
        self._brisk = mock.patch.object(direct, "REPORT_INTERVAL", 0.005)
        # What it listens at is of no interest, but must be known.
        self.agent.verbs.listen(LISTENER, "127.0.0.1", 0, None)

    async def __aenter__(self) -> Tunnel:
        self._brisk.start()
        self.hub.mux.start()
        self.agent.mux.start()
        self.client, inner = tcp_pair()
        self._wire = self.agent.mux.open({"listener": LISTENER, "peer": ["127.0.0.1", 1]})
        join(TcpEnd(self._io, inner.socket), self._wire)
        self.server = await self._target.accept()
        streams = self.agent.mux.connection.streams
        await eventually(lambda: all(s.state == "open" for s in streams.values()), "it is open")
        (self._to_target,) = (s.owner for s in streams.values() if s.owner is not self._wire)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._brisk.stop()
        self.hub.mux.close("the test is over")
        self.agent.mux.close("the test is over")
        self.agent.verbs.close()
        for thing in (self.client, self.server, self._target):
            thing.close()

    def splice(self) -> None:
        """As the hub's request does.

        Raises:
            OperationError: it has ended.
        """
        self.agent.verbs.splice(LISTENER, self._wire, self._to_target, self._accepted)

    def _accepted(self, number: int) -> None:
        self.number = number

    @property
    def idle(self) -> bool:
        """Whether no stream is left on the link."""
        return not (self.hub.mux.connection.streams or self.agent.mux.connection.streams)

    @property
    def state(self) -> str:
        """Of the direct stream, as it was reported last."""
        return str(self.agent.rows[-1][6]) if self.agent.rows else ""
