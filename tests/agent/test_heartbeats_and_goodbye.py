"""Who measures the round trip, and that a goodbye is the last word."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from norouter_core.wire.connection import AGENT, HUB
from tests.agent.muxes import Bare, over_descriptors, over_sockets
from tests.servers import eventually

pytestmark = pytest.mark.anyio

if TYPE_CHECKING:
    from norouter_core.agent.channel import Channel

Make = Callable[[socket.socket, socket.socket], "Channel"]


@pytest.fixture(params=[over_sockets, over_descriptors])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture
def bare() -> Iterator[Callable[[Make, str], Bare]]:
    made: list[Bare] = []

    def build(make: Make, role: str) -> Bare:
        made.append(Bare(make, role))
        return made[-1]

    yield build
    for each in made:
        each.close()


Build = Callable[[Make, str], Bare]


async def test_no_ping_goes_behind_all_that_a_peer_may_owe(bare: Build) -> None:
    """The peer has read nothing for long, and the pings would pile up, too."""
    mux = bare(over_sockets, HUB).behind.mux
    outbox = mux.connection.outbox
    while not outbox.full:
        outbox.put_control(bytes(100_000))
    before = outbox._control_size
    mux.start_heartbeat(60)
    assert outbox._control_size == before
    outbox.fill([])
    mux.start_heartbeat(60)
    assert outbox._control_size


async def test_a_hub_does_not_take_a_round_trip_that_it_is_sent(bare: Build) -> None:
    """A rogue agent would size the hub's windows otherwise."""
    peer = bare(over_sockets, HUB)
    await peer.says("ping", {"n": 1, "rtt": 4.5})
    assert (await peer.hears_event("pong"))["data"] == {"n": 1}
    assert peer.behind.mux.connection.round_trip == 0.0


async def test_an_agent_takes_it_within_reason(bare: Build) -> None:
    peer = bare(over_sockets, AGENT)
    for sent, kept in ((0.25, 0.25), (None, 0.25), (1e9, 5.0), (-1, 0.0)):
        await peer.says("ping", {"n": 1, "rtt": sent})
        await peer.hears_event("pong")
        assert peer.behind.mux.connection.round_trip == kept


async def test_an_agent_neither_tells_nor_uses_its_own(bare: Build) -> None:
    peer = bare(over_sockets, AGENT)
    await peer.says("ping", {"n": 1, "rtt": 3.0})
    await peer.hears_event("pong")
    peer.behind.mux.start_heartbeat(0.3)
    for _ in range(3):
        ping = await peer.hears_event("ping")
        assert ping["data"]["rtt"] is None
        await peer.says("pong", {"n": ping["data"]["n"]})
    heartbeat = peer.behind.mux.heartbeat
    assert heartbeat is not None
    await eventually(lambda: heartbeat.round_trip is not None, "it has measured")
    assert peer.behind.mux.connection.round_trip == 3.0


async def test_a_hub_uses_and_tells_what_it_has_measured(bare: Build) -> None:
    peer = bare(over_sockets, HUB)
    peer.behind.mux.start_heartbeat(0.3)
    round_trips: list[float | None] = []
    while not round_trips or round_trips[-1] is None:
        ping = await peer.hears_event("ping")
        round_trips.append(ping["data"]["rtt"])
        await peer.says("pong", {"n": ping["data"]["n"]})
    assert round_trips[0] is None and 0 < round_trips[-1] < 5
    assert peer.behind.mux.connection.round_trip > 0


async def test_nothing_is_written_after_goodbye(make: Make, bare: Build) -> None:
    """Whatever comes in, and whatever has got the descriptor's number since."""
    peer = bare(make, HUB)
    mux = peer.behind.mux
    mux.start_heartbeat(0.3)
    number = mux._channel.write_fd
    said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    mux.close_gracefully(lambda: said.set_result(None))
    async with asyncio.timeout(5):
        await said
    stranger, theirs = _with_number(number)
    try:
        names = []
        while came := await peer.hears():
            names += [message["body"]["type"] for message in came]
        assert names[-1] == "bye" and names.count("bye") == 1
        end = mux.open({"target": ["127.0.0.1", 1]})
        end.send(memoryview(b"late"))
        end.reset("killed", "")
        for n in range(20):
            await peer.says("ping", {"n": n, "rtt": None})
        await peer.says("news", {})
        # Read in order: the pings before it have been answered by now, if they are answered.
        await eventually(lambda: peer.behind.messages, "all of it has been read")
        heartbeat = mux.heartbeat
        assert heartbeat is not None
        before = heartbeat._number
        await eventually(lambda: heartbeat._number > before, "the heartbeat goes on")
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        assert peer.behind.down == []
    finally:
        stranger.close()
        theirs.close()


def _with_number(number: int) -> tuple[socket.socket, socket.socket]:
    """A new pair of sockets, of which the first has that descriptor."""
    first, second = socket.socketpair()
    for sock in (first, second):
        sock.setblocking(False)
    if number == second.fileno():
        return second, first
    if number != first.fileno():
        with pytest.raises(OSError):
            os.fstat(number)
        os.dup2(first.fileno(), number)
        first.close()
        first = socket.socket(fileno=number)
        first.setblocking(False)
    return first, second
