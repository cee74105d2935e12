"""The responder asked by a real `dig`, over real UDP and TCP."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from norouter_core.agent.tcp import TcpEnd
from norouter_core.agent.udp import UdpClient, UdpListener
from norouter_core.dns.server import dns_datagram_session
from tests.dns.fake_lookups import FakeLookups
from tests.dns.streams import Server

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not shutil.which("dig"), reason="dig is missing (bind9-dnsutils)"),
]


@asynccontextmanager
async def serving(world: FakeLookups) -> AsyncIterator[int]:
    """The port of 127.0.0.1 at which the world's DNS answers, by UDP and TCP."""
    responder = world.responder(timeout=0.5)
    server = Server(lambda wire: responder.answer(wire, "Web", "Web", "tcp"))
    loop = asyncio.get_running_loop()
    ends = []

    def arrived(client: UdpClient, peer: tuple[str, int]) -> None:
        dns_datagram_session(
            client,
            lambda wire: responder.answer(wire, "Web", "Web", "udp"),
            server.spawn,
            reached=("127.0.0.1", port),
        )

    def accept() -> None:
        ends.append(TcpEnd(server.io, listening.accept()[0]))
        server.serve(ends[-1])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        datagrams = UdpListener(server.io, "127.0.0.1", port, arrived)
        loop.add_reader(listening.fileno(), accept)
        try:
            yield port
        finally:
            loop.remove_reader(listening.fileno())
            datagrams.close()
            for end in ends:
                end.failed("gone", "the test is over")
            await server.close()


async def dig(port: int, *args: str, server: str = "127.0.0.1") -> str:
    """What dig prints; it must have got an answer, and nothing to complain of."""
    process = await asyncio.create_subprocess_exec(
        *("dig", f"@{server}", "-p", str(port), "+tries=1", "+timeout=5", *args),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    for complaint in ("WARNING", "Warning", "mismatch", "malformed", "extra bytes"):
        assert complaint not in text, text
    return text


async def short(port: int, *args: str) -> list[str]:
    return (await dig(port, "+short", *args)).splitlines()


@pytest.mark.parametrize("by", ["+notcp", "+tcp"])
async def test_dig_asks_for_names_addresses_and_the_rest(by: str) -> None:
    world = FakeLookups()
    async with serving(world) as port:
        assert await short(port, by, "web") == ["127.0.42.101"]
        assert await short(port, by, "+noedns", "WWW.mesh") == ["127.0.42.101"]
        assert await short(port, by, "web", "AAAA") == []
        assert await short(port, by, "-x", "127.0.42.101") == ["Web."]
        assert await short(port, by, "db.corp") == ["10.0.0.5", "10.0.0.6"]
        assert await short(port, by, "db.corp", "AAAA") == ["fd00::5"]
        assert await short(port, by, "example.org") == ["192.0.2.0"]
    assert world.forwarded == [("Web", "tcp" if by == "+tcp" else "udp")]


async def test_dig_understands_what_it_is_told() -> None:
    async with serving(FakeLookups(error=ConnectionRefusedError("connection refused"))) as port:
        text = await dig(port, "web", "MX")
        assert "status: NOERROR" in text and "flags: qr aa rd ra;" in text
        assert "SOA\tnorouter.invalid." in text
        text = await dig(port, "example.org")
        assert "status: SERVFAIL" in text
        assert "EDE: 22 (No Reachable Authority): (Web: connection refused)" in text
        assert "status: NOTIMP" in await dig(port, "+noedns", "+opcode=2", "web")
        assert "status: REFUSED" in await dig(port, "+noedns", "+opcode=4", "web", "SOA")
        assert "status: REFUSED" in await dig(port, "CH", "TXT", "version.bind")
        assert "status: BADVERS" in await dig(port, "+edns=1", "+noednsnegotiation", "web")
    async with serving(FakeLookups(addresses=())) as port:
        assert "status: NXDOMAIN" in await dig(port, "no.corp")


async def test_dig_goes_on_to_tcp_when_udp_is_cut() -> None:
    world = FakeLookups(count=200)
    async with serving(world) as port:
        assert len(await short(port, "example.org")) == 200
        assert [transport for _, transport in world.forwarded] == ["udp", "tcp"]
        assert "flags: qr tc rd ra;" in await dig(port, "+ignore", "example.org")


async def test_dig_keeps_one_connection_for_many_names() -> None:
    async with serving(FakeLookups()) as port:
        names = ["web", "bastion", "www.mesh", "db.corp"]
        found = await short(port, "+tcp", "+keepopen", *names)
        assert found == ["127.0.42.101", "127.0.42.102", "127.0.42.101", "10.0.0.5", "10.0.0.6"]


async def test_dig_gets_servfail_and_not_silence_when_nobody_answers() -> None:
    async with serving(FakeLookups(silent=True)) as port:
        text = await dig(port, "example.org")
        assert "status: SERVFAIL" in text
        assert "Web: no answer within 0.5 s" in text
