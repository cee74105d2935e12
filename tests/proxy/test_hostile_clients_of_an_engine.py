"""Clients that speak no HTTP, SOCKS or DNS, or half of it, or slowly, against a running engine:
each is refused within a bound, the rest of the mesh does not notice, nothing of them is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from unittest import mock

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from norouter_core.agent import resolve
from norouter_core.dns.server import frame
from norouter_core.engine import dns_service
from norouter_core.model import DnsSpec
from tests.dns.test_hostile import QUERIES
from tests.engine.meshes import local
from tests.proxy.engines import PUBLISHED, World, ask_socks, world
from tests.proxy.proxy_server import Origin, origin
from tests.proxy.test_fuzz import HTTP, SOCKS, mangled
from tests.servers import Address, connect, eventually

pytestmark = pytest.mark.anyio

MIB = 1 << 20
_BOUND = 5.0
"""Seconds within which a client that has sent all it will must be told, or cut."""
URL = b"http://web:%d/" % PUBLISHED
REQUEST = b"POST " + URL + b" HTTP/1.1\r\nHost: web\r\n"

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n"
SHAPES = {
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 40\r\n\r\n",
    "a signed length": b"Content-Length: +0\r\n\r\n",
    "a length in hex": b"Content-Length: 0x0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked and more": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "nearly chunked": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded field": b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": b"X: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bare return": b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a null": b"X: a\0b\r\n\r\n",
    "a chunk's size that is signed": b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk's size that is huge": b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
    "a chunk without its end": b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
}

JUNK: dict[str, list[bytes]] = {
    "http": [
        b"\0" * 64,
        b"GET\r\n\r\n",
        b"GET " + URL + b" HTTP/9.9\r\n\r\n",
        b"GET " + URL + b" HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET " + URL + b" HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET " + URL + b"y" * 200_000,
        b"CONNECT web HTTP/1.1\r\n\r\n",
        b"CONNECT web:99999 HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    "socks": [
        b"\x05",
        b"\x05\x00",
        b"\x05\xff" + b"\x01" * 10,
        b"\x05\x02\x00",
        b"\x05\x01\x00\x05\x01\x00\x03\xff" + b"w" * 20,
        b"\x05\x01\x00\x05\x01\x00\x03\x00\x00\x50",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00",
        b"\x05\x01\x00\x05\x01\x00\x04" + b"\0" * 15,
        b"\x05\x01\x00\x05\x01\x00\x09" + b"\0" * 6,
        b"\x05\x01\x00\x05\x09\x00\x01\x7f\0\0\x01\0\x50",
        b"\x05\x01\x00\x05\x01\x07\x03\x03a\0b\0\x50",
        b"\x04\x01\x00\x50\x7f\x00\x00",
        b"\x04\x01\x00\x50\x00\x00\x00\x01me\0" + b"n" * 1000,
        b"\x04\x01\x00\x50\x7f\x00\x00\x01" + b"u" * 1000,
        b"\x04\x02\x00\x50\x7f\x00\x00\x01\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    "dns": [
        b"\x00",
        b"\x00\x00",
        b"\x00\x0c" + b"\xff" * 12,
        b"\xff\xff" + b"\0" * 100,
        b"\x00\x20" + b"\0" * 10,
        b"\x00\x1d\xab\xcd\x01\x00\x00\x01" + b"\0" * 6 + b"\xc0\x0c\x00\x01\x00\x01" + b"\0" * 11,
        b"GET / HTTP/1.1\r\n\r\n",
    ],
}


def _no_such_name(name: str) -> tuple[list[str], str]:
    return [], "no such name"


@asynccontextmanager
async def there() -> AsyncIterator[tuple[Origin, World]]:
    hub = local()
    hub = replace(hub, options=replace(hub.options, dns=DnsSpec()))
    # No name server, and no look-up: nothing of this may leave the machine.
    no_file = mock.patch.object(dns_service, "RESOLV_CONF", "/")
    no_name = mock.patch.object(resolve, "look_up", _no_such_name)
    with no_file, no_name:
        async with origin() as site, world(site.port, hub=hub) as made:
            yield site, made


def places(made: World) -> dict[str, Address]:
    return {"http": made.http, "socks": made.socks, "dns": made.mesh.address("hub", 10053)}


async def sees_it_end(at: Address, data: bytes) -> bytes:
    """What a client is told that sends this and no more; it must be told, or cut, in time."""
    async with asyncio.timeout(_BOUND):
        with await connect(at) as client:
            try:
                await client.send(data)
                client.end()
                return await client.rest()
            except (ConnectionError, OSError):
                return b""


async def still_serves(made: World) -> None:
    client, reply = await ask_socks(made.socks, "web", PUBLISHED)
    with client:
        assert reply == 0
        await client.send(b"GET /honest HTTP/1.1\r\nHost: web\r\n\r\n")
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n/honest of web"
        assert await client.exactly(len(answer)) == answer


async def test_smuggled_requests_are_none() -> None:
    async with there() as (site, made):
        for shape, rest in SHAPES.items():
            site.heads.clear()
            told = await sees_it_end(made.http, REQUEST + rest + SMUGGLED)
            assert b"/smuggled of" not in told, shape
            assert not any(b"/smuggled" in head for head in site.heads), (shape, site.heads)
            # As far as it was no request at all, it is said so.
            assert site.heads or told.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 501 ")), (
                shape,
                told,
            )
        await still_serves(made)


@pytest.mark.parametrize("kind", JUNK)
async def test_junk_is_refused_in_time(kind: str) -> None:
    async with there() as (_, made):
        at = places(made)[kind]
        for data in JUNK[kind]:
            told = await sees_it_end(at, data)
            if kind == "http":
                assert told.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), data[:40]
        await made.idle()
        await still_serves(made)


@pytest.mark.parametrize("kind", JUNK)
async def test_anything_at_all_ends_and_takes_no_memory(kind: str) -> None:
    chance = random.Random(11)
    async with there() as (_, made):
        at = places(made)[kind]

        def mutated() -> bytes:
            data = bytearray(chance.choice(JUNK[kind]))
            for _ in range(chance.randrange(6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            return bytes(data[: chance.randrange(len(data)) + 1])

        async def some(count: int) -> None:
            for _ in range(count):
                batch = [sees_it_end(at, mutated()) for _ in range(10)]
                await asyncio.gather(*batch)

        await some(5)
        await made.idle()
        before = psutil.Process().memory_info().rss
        await some(15)
        await made.idle()
        assert psutil.Process().memory_info().rss - before < 16 * MIB
        await still_serves(made)


@st.composite
def whatever(draw: st.DrawFn) -> tuple[str, bytes]:
    """What some client sends: to which of them, and something like what it understands."""
    kind = draw(st.sampled_from(["http", "socks", "dns"]))
    samples = {"http": HTTP, "socks": SOCKS, "dns": [frame(each) for each in QUERIES]}
    if draw(st.booleans()):
        return kind, draw(st.sampled_from(JUNK[kind]))
    return kind, draw(mangled(samples[kind]))


@given(st.lists(whatever(), min_size=10, max_size=20))
@settings(deadline=None, max_examples=4)
def test_many_at_once_are_all_told_or_cut(clients: list[tuple[str, bytes]]) -> None:
    asyncio.run(_many(clients))


async def _many(clients: list[tuple[str, bytes]]) -> None:
    async with there() as (_, made):
        at = places(made)
        await asyncio.gather(*(sees_it_end(at[kind], data) for kind, data in clients))
        await still_serves(made)
        await made.idle()


async def test_two_hundred_that_dawdle_stop_nobody() -> None:
    begun = {"http": b"GET " + URL + b" HTTP/1.1\r\nX:", "socks": b"\x05\x02\x00", "dns": b"\x00"}
    async with there() as (_, made):
        clients = []
        try:
            for kind, at in places(made).items():
                for _ in range(70):
                    clients.append(await connect(at))
                    await clients[-1].send(begun[kind])
            await eventually(lambda: len(made.mesh.streams) == 210, "all are there")
            await still_serves(made)
        finally:
            for client in clients:
                client.abort()
