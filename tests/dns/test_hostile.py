"""Name servers and clients that speak no DNS, or half of it, around a running engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import dns.exception
import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from norouter_core.dns import server
from norouter_core.engine import dns_service
from norouter_core.engine.events import Log
from tests.datagrams import UdpPeer
from tests.dns.meshes import PORT, address, addresses, ask, with_dns
from tests.dns.streams import query
from tests.engine.meshes import local, mesh
from tests.servers import connect, eventually, serving

pytestmark = pytest.mark.anyio

HOSTILE = {
    "an answer of another question": b"\x00\x0c" + b"\0" * 12,
    "a length that no answer has": b"\x00\x05hello",
    "no dns": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "half of it": b"\x01\x00half",
    "nothing": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_name_server_that_talks_nonsense_is_servfail(resolv_conf: Path, kind: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(HOSTILE[kind])
        await writer.drain()

    hub = with_dns(local())
    async with serving(answer) as port, mesh(hub) as made:
        resolv_conf.write_text(f"nameserver [127.0.0.1]:{port}\n")
        (found,) = await ask(address(made, "hub"), "example.org")
        assert found.rcode() == dns.rcode.SERVFAIL


async def test_what_is_not_dns_is_refused_and_others_are_served() -> None:
    hub = with_dns(local())
    async with mesh(hub) as made:
        at = address(made, "hub")
        junk: Sequence[bytes] = (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x00\x00",
            b"\x00\x0b" + b"x" * 11,
            b"\xff\xff",
            b"\x05\x01\x00",
        )
        with await connect(at) as quiet:
            for data in junk[:4]:
                with await connect(at) as client:
                    await client.send(data)
                    assert await client.is_reset()
            await quiet.send(b"\x00")  # a slow one: half a length
            (answer,) = await ask(at, "hub")
            assert addresses(answer) == [hub.vip]


QUERIES = [query(name, 7)[2:] for name in ("hub", "nobody.example", "x" * 63 + ".hub")]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A query with a few mistakes, or plain noise."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=600))
    data = bytearray(draw(st.sampled_from(QUERIES)))
    for _ in range(draw(st.integers(0, 5))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] + draw(st.binary(max_size=20)))


@settings(deadline=None, max_examples=8)
@given(st.lists(mangled(), min_size=20, max_size=40))
def test_datagrams_of_any_kind_stop_nobody_and_leave_nothing(junk: list[bytes]) -> None:
    asyncio.run(_datagrams(junk))


async def _datagrams(junk: list[bytes]) -> None:
    hub = with_dns(local())
    # No name server, whose file is none: nothing of this may leave the machine.
    elsewhere = mock.patch.object(dns_service, "RESOLV_CONF", "/")
    briefly = mock.patch.object(server, "LINGER", 0.05)
    with elsewhere, briefly:
        async with mesh(hub) as made:
            at = made.address("hub", PORT, "/udp")
            with UdpPeer(at) as client:
                for data in junk:
                    client.send(data)
                    with UdpPeer(at) as another:
                        another.send(data)
                client.send(bytes(60_000))
                # Junk may have taken every slot of this client's, never those of others.
                with UdpPeer(at) as honest:
                    answer = dns.message.from_wire(await honest.asks(QUERIES[0]))
            assert addresses(answer) == [hub.vip] and answer.id == 7
            await eventually(lambda: not made.streams, "nothing of them is left")
            errors = [e.text for e in made.events() if isinstance(e, Log) and e.level == "error"]
            assert not errors
