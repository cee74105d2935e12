"""A tap sees what passes, whatever the stream is made of, and leaves no trace in it."""

from __future__ import annotations

import asyncio
import hashlib
import os

import pytest

from norouter_core.engine.streams import RelayedStream
from norouter_core.engine.tap import TapBuffer, TapError
from tests.engine.meshes import Mesh, forward, host, local, mesh, relayed
from tests.proxy.engines import PUBLISHED, World, connect_head, tunnel, world
from tests.servers import Peer, Target, connect, echoing, eventually, page

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

MIB = 1 << 20


def joined(made: Mesh, number: int) -> tuple[object, object]:
    """What the two ends of a stream are joined to."""
    stream = made.engine._streams.find(number)
    assert isinstance(stream, RelayedStream) and stream.target is not None
    return stream.client.peer, stream.target.peer


async def test_both_ways_are_seen_from_now_on_and_no_longer() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"before")
                (stream,) = made.streams
                as_it_was = joined(made, stream.id)
                seen = TapBuffer()
                with made.engine.tap(stream.id, seen):
                    assert await client.says(b"while it is tapped")
                assert joined(made, stream.id) == as_it_was
                assert await client.says(b"after")
                for side in (seen.sent, seen.received):
                    assert side.data == b"while it is tapped"
                    assert (side.total, side.dropped) == (18, 0)
                (stream,) = made.streams
                assert stream.bytes_sent == stream.bytes_received == 6 + 18 + 5


async def test_one_that_is_served_on_the_host_itself_cannot_be_tapped() -> None:
    with Target() as target:
        async with mesh(local(), host("own", forward(target.port))) as made:
            with await connect(made.address("own")), await target.accept():
                await eventually(lambda: made.streams, "it is known")
                (stream,) = made.streams
                with pytest.raises(TapError, match="own joins both of its ends"):
                    made.engine.tap(stream.id, TapBuffer())
            with pytest.raises(TapError, match="there is no stream 4711"):
                made.engine.tap(4711, TapBuffer())


async def test_the_last_bytes_are_kept_and_the_others_counted() -> None:
    data = os.urandom(3 * MIB)
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                seen = TapBuffer()
                with made.engine.tap(made.streams[0].id, seen):
                    sending = asyncio.ensure_future(client.send(data))
                    assert await server.exactly(len(data)) == data
                    await sending
                    sending = asyncio.ensure_future(server.send(data))
                    assert await client.exactly(len(data)) == data
                    await sending
                for side in (seen.sent, seen.received):
                    assert side.data == data[-65536:]
                    assert (side.total, side.dropped) == (len(data), len(data) - 65536)


async def test_bulk_on_many_streams_with_taps_that_come_and_go() -> None:
    """While their link is busy streams send in their turns, which a tap must not lose."""
    data = os.urandom(4 * MIB)
    digest = hashlib.sha256(data).digest()
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            clients, servers = [], []
            for _ in range(6):
                clients.append(await connect(made.address("web")))
                servers.append(await target.accept())

            async def look() -> None:
                while True:
                    for stream in made.streams:
                        with made.engine.tap(stream.id, TapBuffer()):
                            await asyncio.sleep(0.002)

            looking = asyncio.ensure_future(look())
            senders = [asyncio.ensure_future(one.send(data)) for one in [*clients, *servers]]
            got = await asyncio.gather(*(one.exactly(len(data)) for one in [*servers, *clients]))
            await asyncio.gather(*senders)
            looking.cancel()
            assert {hashlib.sha256(each).digest() for each in got} == {digest}
            for peer in (*clients, *servers):
                peer.close()


async def test_a_slow_reader_holds_up_a_tapped_stream_as_any_other() -> None:
    data = os.urandom(24 * MIB)
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                seen = TapBuffer()
                with made.engine.tap(made.streams[0].id, seen):
                    sending = asyncio.ensure_future(client.send(data))
                    await eventually(lambda: seen.sent.total > 0, "it begins")
                    assert await server.exactly(len(data)) == data
                    await sending
                assert seen.sent.data == data[-65536:]


async def test_several_taps_of_one_stream_in_any_order() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"before")
                number = made.streams[0].id
                as_it_was = joined(made, number)
                buffers = [TapBuffer() for _ in range(3)]
                taps = [made.engine.tap(number, buffer) for buffer in buffers]
                for index, left in ((1, b"a"), (0, b"b"), (2, b"c")):
                    assert await client.says(left)
                    taps[index].close()
                    taps[index].close()
                assert joined(made, number) == as_it_was
                assert await client.says(b"after")
                assert [b.sent.data for b in buffers] == [b"ab", b"a", b"abc"]
                assert [b.received.data for b in buffers] == [b"ab", b"a", b"abc"]


async def test_the_end_of_a_tapped_stream_passes_through_and_is_told() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                with made.engine.tap(made.streams[0].id, TapBuffer()) as tap:
                    client.end()
                    assert await server.rest() == b""
                    server.end()
                    assert await client.rest() == b""
                    await asyncio.wait_for(tap.wait_ended(), 5)
                    assert tap.reason == "closed"
            with await connect(made.address("web")) as client, await target.accept() as server:
                with made.engine.tap(made.streams[0].id, TapBuffer()) as tap:
                    server.abort()
                    assert await client.is_reset()
                    await asyncio.wait_for(tap.wait_ended(), 5)
                    assert tap.reason.startswith("reset")
            with await connect(made.address("web")) as client, await target.accept() as server:
                number = made.streams[0].id
                with made.engine.tap(number, TapBuffer()) as tap:
                    await made.engine.kill_stream(number)
                    assert await client.is_reset() and await server.is_reset()
                    await asyncio.wait_for(tap.wait_ended(), 5)
                    assert tap.reason.startswith("killed")
            assert not made.engine._taps


async def test_a_sink_that_raises_is_let_go_and_the_stream_runs_on() -> None:
    def broken(source: str, data: memoryview) -> None:
        raise RuntimeError("no more disk")

    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"before")
                seen = TapBuffer()
                number = made.streams[0].id
                with made.engine.tap(number, broken), made.engine.tap(number, seen):
                    assert await client.says(b"all")
                    assert await client.says(b" of it")
                assert seen.sent.data == seen.received.data == b"all of it"
            assert "no more disk" in (await made.log_says("the tap of stream")).text


async def test_a_sink_that_stops_looking_from_within() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"before")
                seen = TapBuffer()

                def once(source: str, data: memoryview) -> None:
                    seen(source, data)
                    tap.close()

                tap = made.engine.tap(made.streams[0].id, once)
                assert await client.says(b"first")
                assert await client.says(b"second")
                assert (seen.sent.data, seen.received.data) == (b"first", b"")


@pytest.mark.parametrize("at", [None, "remote"])
async def test_a_tunnel_is_tapped_before_and_after_its_proxy_steps_out(at: str | None) -> None:
    serving = relayed("serving") if at else None
    with Target() as target:
        async with world(target.port, at=serving) as there:
            engine = there.mesh.engine
            with await connect(there.http) as client:
                await client.send(connect_head("back", PUBLISHED)[:-2])
                await eventually(lambda: _counted(there), "its first bytes have come")
                early, late = TapBuffer(), TapBuffer()
                with engine.tap(there.stream.id, early):
                    await client.send(b"\r\nearly")
                    with await target.accept() as server:
                        assert await server.exactly(5) == b"early"
                        await server.send(b"answer")
                        head = await client.exactly(early.received.total)
                        assert head.startswith(b"HTTP/1.1 200 ")
                        await _converse(client, server, b"both see this")
                        with engine.tap(there.stream.id, late):
                            await _converse(client, server, b"and this")
                        early_so_far = early.sent.total
                        assert late.sent.data == late.received.data == b"and this"
                        bytes_received = there.stream.bytes_received
                        assert bytes_received == early.received.total
                assert early_so_far == 2 + 5 + 13 + 8
                assert early.sent.data == b"\r\nearlyboth see thisand this"
                assert early.received.data.endswith(b"\r\n\r\nanswerboth see thisand this")


def _counted(there: World) -> bool:
    return any(stream.bytes_sent for stream in there.mesh.streams)


async def _converse(client: Peer, server: Peer, text: bytes) -> None:
    await client.send(text)
    assert (await server.exactly(len(text))) == text
    await server.send(text)
    while not (await client.some()).endswith(text):
        pass


async def test_a_tap_that_is_left_when_the_proxy_has_stepped_out() -> None:
    """It was put between the client and the session, and is taken from between the two ends."""
    with Target() as target:
        async with world(target.port) as there:
            with await connect(there.http) as client:
                await client.send(connect_head("back", PUBLISHED)[:-2])
                await eventually(lambda: _counted(there), "its first bytes have come")
                stream = there.mesh.engine._streams.find(there.stream.id)
                assert isinstance(stream, RelayedStream)
                with there.mesh.engine.tap(stream.number, TapBuffer()):
                    await client.send(b"\r\n")
                    with await target.accept() as server:
                        await client.exactly(len(b"HTTP/1.1 200 "))
                        await _converse(client, server, b"tapped")
                end = stream.client.peer
                server.close()
                assert end is not None and end.peer is stream.client


async def test_a_tunnel_that_is_tapped_late_and_bulk_through_it() -> None:
    data = os.urandom(4 * MIB)
    with Target() as target:
        async with world(target.port, at=relayed("serving")) as there:
            with await tunnel(there.http, "back", PUBLISHED) as client:
                with await target.accept() as server:
                    seen = TapBuffer()
                    with there.mesh.engine.tap(there.stream.id, seen):
                        sending = asyncio.ensure_future(client.send(data))
                        assert await server.exactly(len(data)) == data
                        await sending
                    assert seen.sent.data == data[-65536:]


async def test_a_plain_request_through_a_proxy_shows_request_and_answer() -> None:
    async with page(b"of back") as port, world(port) as there:
        with await connect(there.http) as client:
            request = f"GET http://back:{PUBLISHED}/ HTTP/1.1\r\nHost: back\r\n\r\n".encode()
            await client.send(request[:10])
            await eventually(lambda: _counted(there), "its first bytes have come")
            seen = TapBuffer()
            with there.mesh.engine.tap(there.stream.id, seen):
                await client.send(request[10:])
                await eventually(lambda: seen.received.data.endswith(b"of back"), "it is answered")
                assert seen.sent.data == request[10:]
