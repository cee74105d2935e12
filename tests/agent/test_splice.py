"""Two streams become one between two sockets: no byte is lost, doubled or late, ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.links.base import OperationError
from tests.agent.splices import Tunnel
from tests.servers import TIMEOUT, Peer, eventually

pytestmark = pytest.mark.anyio

STEP = st.one_of(
    st.tuples(st.sampled_from(["client", "server"]), st.integers(1, 60_000)),
    st.tuples(st.sampled_from(["client", "server"]), st.integers(20_000, 60_000)),
    st.tuples(st.just("turns"), st.integers(1, 40)),
    st.tuples(st.sampled_from(["end client", "end server"]), st.just(0)),
)
STEPS = st.tuples(
    st.lists(STEP, min_size=2, max_size=8),
    st.just([("splice", 0)]),
    st.lists(STEP, max_size=8),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])
WIDTHS = st.sampled_from([700, 4_000, 1 << 18])


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@given(STEPS, WIDTHS, st.integers(0, 1 << 30))
def test_whatever_comes_in_whatever_order(
    steps: list[tuple[str, int]], width: int, seed: int
) -> None:
    asyncio.run(_whatever(steps, width, random.Random(seed)))


async def _whatever(steps: list[tuple[str, int]], width: int, chance: random.Random) -> None:
    async with Tunnel(width) as tunnel, asyncio.timeout(TIMEOUT):
        peers = {"client": tunnel.client, "server": tunnel.server}
        sent = {name: bytearray() for name in peers}
        ended: set[str] = set()
        reading = [asyncio.ensure_future(peer.rest()) for peer in peers.values()]
        for name, number in steps:
            if name == "turns":
                await _turns(number)
            elif name == "splice":
                _splice(tunnel)
            elif name.startswith("end "):
                _end(peers, name[4:], ended)
            elif name not in ended:
                data = chance.randbytes(number)
                sent[name] += data
                await peers[name].send(data)
        for name in peers:
            _end(peers, name, ended)
        at_client, at_server = await asyncio.gather(*reading)
        assert at_server == bytes(sent["client"]) and at_client == bytes(sent["server"])
        await eventually(lambda: tunnel.idle, "no stream is left on the link")
        assert tunnel.hub.ends == [("closed", "")] * 2
        if tunnel.number is not None:
            await eventually(lambda: tunnel.state == "closed", "its end is reported")
            row = tunnel.agent.rows[-1]
            assert row[4:6] == [len(sent["client"]), len(sent["server"])] and row[7] == "closed"


def _splice(tunnel: Tunnel) -> None:
    if tunnel.number is None:
        try:
            tunnel.splice()
        except OperationError as error:
            assert error.code == "gone"


def _end(peers: dict[str, Peer], name: str, ended: set[str]) -> None:
    if name not in ended:
        ended.add(name)
        peers[name].end()


@given(
    st.integers(0, 20),
    st.integers(0, 20),
    st.sampled_from(["client", "server", "kill", "hub", "link", "listener"]),
    st.booleans(),
    WIDTHS,
)
def test_whoever_breaks_it_whenever(
    before: int, between: int, who: str, busy: bool, width: int
) -> None:
    asyncio.run(_broken(before, between, who, busy, width))


async def _broken(before: int, between: int, who: str, busy: bool, width: int) -> None:
    """Whatever breaks a tunnel resets what is left of it, and leaves nothing."""
    async with Tunnel(width) as tunnel, asyncio.timeout(TIMEOUT):
        if busy:
            tunnel.client.fill(bytes(1 << 23))
            tunnel.server.fill(bytes(1 << 23))
        await _turns(before)
        tunnel.splice()
        await _turns(between)
        left = [tunnel.client, tunnel.server]
        if who in ("client", "server"):
            peer: Peer = getattr(tunnel, who)
            left.remove(peer)
            peer.abort()
        else:
            _BREAKS[who](tunnel)
        for peer in left:
            assert await peer.is_reset()
        if who != "link":
            await eventually(lambda: tunnel.idle, "no stream is left on the link")
            await eventually(lambda: tunnel.state == "closed", "its end is reported")


def _by_the_hub(tunnel: Tunnel) -> None:
    """As a kill at the hub does: by the streams, as long as there are any, and by the number."""
    for stream in list(tunnel.hub.mux.connection.streams.values()):
        stream.owner.reset("killed", "killed by the user")
    _kill(tunnel)


def _kill(tunnel: Tunnel) -> None:
    assert tunnel.number is not None
    tunnel.agent.verbs.kill(tunnel.number)


def _lose_the_link(tunnel: Tunnel) -> None:
    tunnel.agent.mux.close("lost")
    tunnel.agent.verbs.close()


_BREAKS: dict[str, Callable[[Tunnel], None]] = {
    "kill": _kill,
    "hub": _by_the_hub,
    "link": _lose_the_link,
    "listener": lambda tunnel: tunnel.agent.verbs.unlisten(7),
}


async def test_what_is_spliced_does_not_use_the_link() -> None:
    async with Tunnel() as tunnel:
        await tunnel.client.send(b"before")
        assert await tunnel.server.exactly(6) == b"before"
        tunnel.splice()
        await eventually(lambda: tunnel.idle, "it has been handed over")
        carried = [channel.carried for channel in tunnel.channels]
        for sender, receiver in (
            (tunnel.client, tunnel.server),
            (tunnel.server, tunnel.client),
        ):
            data = random.Random(1).randbytes(3_000_000)
            sending = asyncio.ensure_future(sender.send(data))
            assert await receiver.exactly(len(data)) == data
            await sending
        assert [channel.carried for channel in tunnel.channels] == carried
        await eventually(
            lambda: tunnel.agent.rows and tunnel.agent.rows[-1][4:7] == [3_000_006, 3e6, "open"],
            "it is reported",
        )


async def test_each_way_is_handed_over_by_itself() -> None:
    """A server that reads nothing until it has written all it has must not be waited for."""
    async with Tunnel(4_000) as tunnel:
        stuck = tunnel.client.fill(bytes(1 << 26))
        tunnel.splice()
        data = random.Random(2).randbytes(8_000_000)
        sending = asyncio.ensure_future(tunnel.server.send(data))
        assert await tunnel.client.exactly(len(data)) == data
        await sending
        assert len(await tunnel.server.exactly(stuck)) == stuck
        await eventually(lambda: tunnel.idle, "then the other way follows")


async def _at_once(tunnel: Tunnel) -> None: ...


async def _after_an_end(tunnel: Tunnel) -> None:
    tunnel.client.end()
    assert await tunnel.server.rest() == b""


@pytest.mark.parametrize("first", [_at_once, _after_an_end])
async def test_a_half_close_stays_one(first: Callable[[Tunnel], Awaitable[None]]) -> None:
    async with Tunnel() as tunnel:
        await first(tunnel)
        tunnel.splice()
        await eventually(lambda: tunnel.idle, "it has been handed over")
        if first is _at_once:
            await _after_an_end(tunnel)
        await eventually(lambda: tunnel.state == "half-closed", "it is reported")
        await tunnel.server.send(b"after their end")
        tunnel.server.end()
        assert await tunnel.client.rest() == b"after their end"
        await eventually(lambda: tunnel.state == "closed", "its end is reported")


async def test_what_cannot_be_spliced_is_refused() -> None:
    async with Tunnel() as tunnel:
        tunnel.agent.verbs.unlisten(7)
        with pytest.raises(OperationError) as refused:
            tunnel.splice()
        assert refused.value.code == "unpublished"
        await tunnel.client.send(b"still relayed")
        assert await tunnel.server.exactly(13) == b"still relayed"
        tunnel.client.end()
        tunnel.server.end()
        assert await tunnel.client.rest() == b""
        await eventually(lambda: tunnel.idle, "it ends")
        with pytest.raises(OperationError) as refused:
            tunnel.splice()
        assert refused.value.code == "gone"
