"""Sessions of DNS over TCP for tests: on a socket, and behind a real link."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dns.message

from norouter_core.agent.channel import FdChannel
from norouter_core.agent.ends import End, join
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux
from norouter_core.agent.tcp import TcpEnd
from norouter_core.dns.server import FAREWELL, dns_stream_session, frame
from norouter_core.wire.connection import AGENT, HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError
from tests.servers import Peer, tcp_pair

if TYPE_CHECKING:
    from norouter_core.wire.messages import Json

Answer = Callable[[bytes], Awaitable[bytes | None]]


class Watcher:
    """Observes a session: how it has ended."""

    def __init__(self) -> None:
        self.ended = ""

    def end_opened(self, end: End, peer: tuple[str, int]) -> None: ...

    def end_half_closed(self, end: End) -> None: ...

    def end_closed(self, end: End, code: str, reason: str) -> None:
        assert not self.ended
        self.ended = code


class Server:
    """Makes sessions, and keeps their tasks."""

    def __init__(self, answer: Answer, idle: float = 20.0, farewell: float = FAREWELL) -> None:
        self.loop = asyncio.get_running_loop()
        self.io = Io(self.loop)
        self.watcher = Watcher()
        """Of the session made last."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._answer = answer
        self._idle = idle
        self._farewell = farewell

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def serve(self, client: End) -> End:
        self.watcher = Watcher()
        return dns_stream_session(
            client,
            self._answer,
            self.spawn,
            reached=("127.0.42.101", 10053),
            observer=self.watcher,
            idle=self._idle,
            farewell=self._farewell,
        )

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@contextmanager
def on_a_socket(server: Server) -> Iterator[Peer]:
    """A client whose socket is served without a link."""
    client, ours = tcp_pair()
    end = TcpEnd(server.io, ours.socket)
    session = server.serve(end)
    with client:
        try:
            yield client
        finally:
            end.reset("gone", "the test is over")
            session.reset("gone", "the test is over")


class _Side:
    """What is behind one side of a link: the hub's serves what is offered."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def link_message(self, kind: str, body: Json) -> None:
        raise AssertionError(f"no {kind} was expected")

    def link_offer(self, end: End, detail: Json) -> None:
        self._server.serve(end)

    def link_refused(self, reason: str) -> None:
        raise AssertionError(reason)

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        assert violation is None, violation


@contextmanager
def behind_a_link(server: Server) -> Iterator[Peer]:
    """A client of an agent, whose link leads to the hub that serves it."""
    hub_side, agent_side = socket.socketpair()
    muxes = []
    for role, sock in ((HUB, hub_side), (AGENT, agent_side)):
        fd = sock.detach()
        muxes.append(Mux(server.io, Connection(role), FdChannel(fd, os.dup(fd)), _Side(server)))
        muxes[-1].start()
    client, ours = tcp_pair()
    end = TcpEnd(server.io, ours.socket)
    join(end, muxes[1].open({"listener": 1, "peer": list(client.address)}))
    with client:
        try:
            yield client
        finally:
            for mux in muxes:
                mux.close("the test is over")


def query(name: str, number: int) -> bytes:
    """A framed query for an A record."""
    return frame(dns.message.make_query(name, "A", id=number).to_wire())


async def response(client: Peer) -> dns.message.Message:
    """The next framed answer."""
    size = int.from_bytes(await client.exactly(2), "big")
    return dns.message.from_wire(await client.exactly(size))
