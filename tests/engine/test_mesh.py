"""A mesh comes up, carries bytes and counts them correctly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import (
    Event,
    HostChanged,
    ListenerChanged,
    Ready,
    Stopped,
    StreamClosed,
    StreamOpened,
)
from norouter_core.engine.status import HostState, ListenerState, StreamState
from norouter_core.model import HostSpec, MeshSpec
from tests.engine.meshes import Mesh, forward, host, local, mesh, relayed, start_states
from tests.servers import Target, connect, echoing, eventually, page

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]


async def fetch(mesh: Mesh, name: str) -> bytes:
    """A page of a host's, as a client on this machine gets it."""
    with await connect(mesh.address(name)) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return (await client.rest()).partition(b"\r\n\r\n")[2]


async def test_every_published_page_is_fetched() -> None:
    async with page(b"one") as one, page(b"two") as two, page(b"three") as three:
        hosts = (
            local("hub", forward(one)),
            relayed("over-the-hub", forward(two)),
            host("by-itself", forward(three)),
        )
        async with mesh(*hosts) as made:
            assert await fetch(made, "hub") == b"one"
            assert await fetch(made, "over-the-hub") == b"two"
            assert await fetch(made, "by-itself") == b"three"
            # A direct stream is reported a moment later.
            await eventually(lambda: made.engine.status().opened_total == 3, "3 streams are shown")
            await eventually(lambda: not made.streams, "every stream ends")
            status = made.engine.status()
            assert [each.name for each in status.hosts] == ["hub", "over-the-hub", "by-itself"]
            assert {each.state for each in status.hosts} == {HostState.READY}
            assert all(each.agent.startswith(("Python 3.", "Go 1.")) for each in status.hosts)


async def test_streams_between_two_agents() -> None:
    """No host of the mesh is this machine: both ends are at the far side of a link."""
    async with echoing() as port:
        async with mesh(host("client"), relayed("target", forward(port))) as made:
            (listener,) = made.listeners("target")
            assert (listener.on_host, listener.to_host) == ("client", "target")
            with await connect(made.address("target")) as client:
                assert await client.says(b"a" * 3_000_000)
                (stream,) = made.streams
                assert (stream.from_host, stream.to_host) == ("client", "target")
                client.end()
                assert await client.rest() == b""
            await eventually(lambda: not made.streams, "the stream ends")
            hosts = {each.name: each for each in made.engine.status().hosts}
            for each in hosts.values():
                assert (each.bytes_in, each.bytes_out) == (3_000_000, 3_000_000)


async def test_what_a_relayed_stream_shows() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                await client.send(b"a question")
                assert await server.exactly(10) == b"a question"
                await server.send(b"the answer")
                assert await client.exactly(10) == b"the answer"
                (stream,) = made.streams
                assert (stream.from_host, stream.to_host) == ("hub", "web")
                assert stream.peer == client.text
                assert stream.listener == made.listeners("web")[0].listen
                assert stream.target == f"127.0.0.1:{target.port}"
                assert (stream.bytes_sent, stream.bytes_received) == (10, 10)
                assert (stream.state, stream.direct) == (StreamState.OPEN, False)
                assert (made.host("web").streams, made.host("hub").streams) == (1, 1)
                client.end()
                assert await server.rest() == b""
                assert made.streams[0].state is StreamState.HALF_CLOSED
            await eventually(lambda: not made.streams, "the stream ends")
            assert made.engine.status().bytes_total == 20
            assert (made.host("web").bytes_in, made.host("web").bytes_out) == (10, 10)
            assert made.host("web").streams == 0


@pytest.mark.parametrize("make", [local, host])
async def test_what_a_direct_stream_shows(make: Callable[..., HostSpec]) -> None:
    with Target() as target:
        async with mesh(make("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                await client.send(b"a question")
                assert await server.exactly(10) == b"a question"
                await server.send(b"answer")
                assert await client.exactly(6) == b"answer"
                await eventually(
                    lambda: [(s.bytes_sent, s.bytes_received) for s in made.streams] == [(10, 6)],
                    "its bytes are reported",
                )
                (stream,) = made.streams
                assert stream.direct and stream.state is StreamState.OPEN
                assert (stream.from_host, stream.to_host) == ("web", "web")
                assert stream.peer == client.text
                assert await made.engine.kill_stream(stream.id)
                assert await client.is_reset() and await server.is_reset()
                await eventually(lambda: not made.streams, "its end is reported")
            closed = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
            assert [each.reason for each in closed] == ["killed: killed"]


async def test_a_relayed_stream_is_killed() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                await eventually(lambda: made.streams, "the stream is there")
                assert await made.engine.kill_stream(made.streams[0].id)
                assert await client.is_reset() and await server.is_reset()
                assert not made.streams
                assert not await made.engine.kill_stream(1)
                assert not await made.engine.kill_stream(999)


async def test_events_come_in_order() -> None:
    async with Engine() as engine, page(b"one") as port:
        subscription = engine.subscribe()
        spec = MeshSpec((local(), relayed("web", forward(port))))
        await engine.apply(spec)
        await engine.wait_ready()
        made = Mesh(engine)
        assert await fetch(made, "web") == b"one"
        await eventually(lambda: not made.streams, "the stream ends")
        events = subscription.drain()
        states = [
            e.host.state for e in events if isinstance(e, HostChanged) if e.host.name == "web"
        ]
        assert states == start_states()
        assert _kinds(events).index(Ready) > _kinds(events).index(ListenerChanged)
        assert _kinds(events)[-3:] == [Ready, StreamOpened, StreamClosed]
        bound = [e.listener.state for e in events if isinstance(e, ListenerChanged)]
        assert bound[0] is ListenerState.PENDING and bound[-1] is ListenerState.BOUND
        ready = next(e for e in events if isinstance(e, Ready))
        assert (ready.hosts, ready.listeners) == (2, 1)
        assert [e.at for e in events] == sorted(e.at for e in events)
    rest = [event async for event in subscription]
    assert [e.host.state for e in rest if isinstance(e, HostChanged)] == [HostState.STOPPED] * 2
    assert isinstance(rest[-1], Stopped)


def _kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


async def test_a_reader_of_events_may_leave_out_the_streams() -> None:
    async with Engine() as engine, page(b"one") as port:
        with engine.subscribe(streams=False) as quiet, engine.subscribe() as full:
            await engine.apply(MeshSpec((local("web", forward(port)),)))
            await engine.wait_ready()
            made = Mesh(engine)
            assert await fetch(made, "web") == b"one"
            await eventually(lambda: not made.streams, "the stream ends")
            without = [e for e in full.drain() if not isinstance(e, StreamOpened | StreamClosed)]
            assert quiet.drain() == without


async def test_many_streams_at_once() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            address = made.address("web")

            async def talk(number: int) -> bool:
                with await connect(address) as client:
                    said = await client.says(number.to_bytes(4, "big") * 5_000)
                    client.end()
                    return said and await client.rest() == b""

            assert all(await asyncio.gather(*map(talk, range(200))))
            await eventually(lambda: not made.streams, "every stream ends")
            status = made.engine.status()
            assert (status.opened_total, status.bytes_total) == (200, 200 * 20_000 * 2)


async def test_an_empty_mesh_is_ready() -> None:
    async with mesh() as made:
        assert made.engine.status().hosts == ()


async def test_an_ipv6_target() -> None:
    try:
        server = await asyncio.start_server(lambda r, w: w.close(), "::1", 0)
    except OSError as error:
        pytest.skip(f"this machine has no ::1: {error}")
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with mesh(local(), relayed("web", forward(port, "::1"))) as made:
            with await connect(made.address("web")) as client:
                assert await client.rest() == b""
            assert made.listeners("web")[0].target == f"[::1]:{port}"
