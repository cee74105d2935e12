"""Tunnels of a remote host's proxy to targets that it dials itself: they do not cross the hub."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from norouter_core.agent.mux import Mux
from norouter_core.engine.tap import TapBuffer, TapError
from norouter_core.model import MeshSpec
from tests.engine.meshes import relayed
from tests.proxy.engines import (
    PUBLISHED,
    World,
    ask_http,
    ask_socks,
    connect_head,
    tunnel,
    world,
)
from tests.servers import Target, connect, echoing, eventually, unused_port

pytestmark = pytest.mark.anyio

MIB = 1 << 20


@pytest.fixture
def carried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How much the hub has read off its links, in every piece."""
    sizes: list[int] = []
    received = Mux.received

    def counted(mux: Mux, data: memoryview) -> None:
        sizes.append(len(data))
        received(mux, data)

    monkeypatch.setattr(Mux, "received", counted)
    yield sizes


async def _spliced(there: World) -> None:
    await eventually(lambda: there.stream.direct, "its host has taken it over")


@pytest.mark.parametrize("kind", ["http", "socks"])
async def test_bytes_do_not_cross_the_hub_and_are_counted(kind: str, carried: list[int]) -> None:
    async with echoing() as port, world(port, at=relayed("front")) as there:
        if kind == "http":
            client = await tunnel(there.http, "127.0.0.1", port)
        else:
            client, reply = await ask_socks(there.socks, "127.0.0.1", port)
            assert reply == 0
        with client:
            assert await client.says(b"early")
            number = there.stream.id
            await _spliced(there)
            before = sum(carried)
            data = os.urandom(8 * MIB)
            sending = asyncio.ensure_future(client.send(data))
            assert await client.exactly(len(data)) == data
            await sending
            # Reports, heartbeats and no more.
            assert sum(carried) - before < MIB // 10
            await eventually(lambda: there.stream.bytes_received > 8 * MIB, "it is counted")
            stream = there.stream
            assert stream.id == number and stream.target == f"127.0.0.1:{port}"
            assert (stream.from_host, stream.to_host, stream.state) == ("front", "front", "open")
            assert 8 * MIB + 5 < stream.bytes_sent < 8 * MIB + 500
            with pytest.raises(TapError, match="front joins both of its ends"):
                there.mesh.engine.tap(number, TapBuffer())
            client.end()
            assert await client.rest() == b""
        await there.idle()
        (ended,) = there.closed()
        assert ended.id == number and ended.reason == "closed"
        assert ended.bytes_sent == stream.bytes_sent


async def test_what_came_with_the_request_comes_first() -> None:
    with Target() as target:
        async with world(target.port, at=relayed("front")) as there:
            for _ in range(20):
                early, late = os.urandom(100_000), os.urandom(100_000)
                client, head = await ask_http(there.http, "127.0.0.1", target.port)
                with client, await target.accept() as server:
                    assert b" 200 " in head
                    sending = asyncio.ensure_future(client.send(early + late))
                    answering = asyncio.ensure_future(server.send(late))
                    assert await server.exactly(200_000) == early + late
                    assert await client.exactly(100_000) == late
                    await asyncio.gather(sending, answering)
                    client.end()
                    assert await server.rest() == b""
                    await server.send(b"after their end")
                    server.end()
                    assert await client.rest() == b"after their end"
            await there.idle()
            assert [x.reason for x in there.closed()] == ["closed"] * 20


async def test_kills_and_resets_reach_both_sides() -> None:
    with Target() as target:
        async with world(target.port, at=relayed("front")) as there:
            for who in ("user", "client", "server"):
                client = await tunnel(there.http, "127.0.0.1", target.port)
                with client, await target.accept() as server:
                    await _spliced(there)
                    if who == "user":
                        assert await there.mesh.engine.kill_stream(there.stream.id)
                        assert await client.is_reset() and await server.is_reset()
                    elif who == "client":
                        client.abort()
                        assert await server.is_reset()
                    else:
                        server.abort()
                        assert await client.is_reset()
                    await there.idle()
            codes = [x.reason.partition(":")[0] for x in there.closed()]
            assert codes == ["killed", "reset", "reset"]


async def test_a_kill_before_it_is_handed_over() -> None:
    with Target() as target:
        async with world(target.port, at=relayed("front")) as there:
            client = await tunnel(there.http, "127.0.0.1", target.port)
            with client, await target.accept() as server:
                await there.mesh.engine.kill_stream(there.stream.id)
                assert await client.is_reset() and await server.is_reset()


async def test_a_dial_that_fails_is_answered_as_ever() -> None:
    async with echoing() as port, world(port, at=relayed("front")) as there:
        client, head = await ask_http(there.http, "127.0.0.1", unused_port())
        client.close()
        assert head.startswith(b"HTTP/1.1 502 ")
        client, reply = await ask_socks(there.socks, "127.0.0.1", unused_port())
        client.close()
        assert reply == 5


async def test_a_published_port_stays_with_the_hub() -> None:
    async with echoing() as port, world(port, at=relayed("front")) as there:
        with await tunnel(there.http, "back", PUBLISHED) as client:
            assert await client.says(b"x" * MIB)
            assert not there.stream.direct


async def test_one_that_is_looked_at_stays_with_the_hub() -> None:
    async with echoing() as port, world(port, at=relayed("front")) as there:
        with await connect(there.http) as client:
            await eventually(lambda: there.mesh.streams, "it has come")
            seen = TapBuffer()
            with there.mesh.engine.tap(there.stream.id, seen):
                await client.send(connect_head("127.0.0.1", port))
                assert (await client.exactly(12)) == b"HTTP/1.1 200"
                await client.send(b"x" * MIB)
                await eventually(lambda: seen.received.total > MIB, "its bytes are seen")
                assert not there.stream.direct


@pytest.mark.parametrize("change", ["gone", "auth"])
async def test_a_proxy_that_changes_takes_its_spliced_tunnels_along(change: str) -> None:
    async with echoing() as port, world(port, at=relayed("front")) as there:
        with await tunnel(there.http, "127.0.0.1", port) as client:
            assert await client.says(b"hello")
            await _spliced(there)
            options = there.at.options
            assert options.http is not None
            http = None if change == "gone" else replace(options.http, auth="a:b")
            front = replace(there.at, options=replace(options, http=http))
            hosts = tuple(front if host.name == "front" else host for host in there.hosts)
            await there.mesh.apply(MeshSpec(hosts))
            assert await client.is_reset()


async def test_an_agent_that_knows_nothing_of_it_relays() -> None:
    async with echoing() as port, world(port, at=relayed("front")) as there:
        link = there.mesh.engine.link("front")
        assert link is not None
        link.hello = replace(link.hello, features=link.hello.features - {"splice"})
        with await tunnel(there.http, "127.0.0.1", port) as client:
            assert await client.says(b"x" * MIB)
            assert not there.stream.direct
