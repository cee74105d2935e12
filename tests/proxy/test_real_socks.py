"""The SOCKS proxy with real clients and real servers on the loopback."""

from __future__ import annotations

import asyncio

import pytest

from tests.proxy.proxy_server import origin, proxying
from tests.proxy.test_real_http import curl, curl_needed
from tests.servers import Target, connect, echoing, unused_port

pytestmark = pytest.mark.anyio


def ask4(port: int) -> bytes:
    return b"\x04\x01" + port.to_bytes(2, "big") + b"\x7f\x00\x00\x01me\x00"


def ask5(port: int, host: bytes = b"localhost") -> bytes:
    name = bytes((len(host),)) + host
    return b"\x05\x01\x00\x05\x01\x00\x03" + name + port.to_bytes(2, "big")


@curl_needed
@pytest.mark.parametrize(
    ("option", "host"),
    [
        ("--socks4", "127.0.0.1"),
        ("--socks4a", "localhost"),
        ("--socks5", "127.0.0.1"),
        ("--socks5-hostname", "localhost"),
    ],
)
async def test_curl(links: bool, option: str, host: str) -> None:
    async with origin() as web, proxying("socks", links=links) as proxy:
        url = f"http://localhost:{web.port}/page"
        got = await curl("--ipv4", option, proxy.at, url)
        assert got == (0, f"/page of localhost:{web.port}")
        assert proxy.dialled == [(host, web.port)]


@curl_needed
async def test_curl_with_a_password() -> None:
    async with origin() as web, proxying("socks", auth="user:pa:ss") as proxy:
        url = f"http://localhost:{web.port}/page"
        got = await curl("--proxy", f"socks5h://user:pa%3Ass@{proxy.at}", url)
        assert got == (0, f"/page of localhost:{web.port}")
        for bad in ("socks5h://user:no@", "socks5h://", "socks4a://user@"):
            status, _ = await curl("--proxy", bad + proxy.at, url)
            assert status == 97
        assert len(proxy.dialled) == 1


@curl_needed
async def test_curl_on_the_wrong_port_is_told() -> None:
    async with proxying("socks") as proxy:
        _, out = await curl("--http0.9", f"http://{proxy.at}/")
        assert "this is a SOCKS proxy" in out


async def test_refused_is_told_as_such(links: bool) -> None:
    async with proxying("socks", links=links) as proxy:
        port = unused_port()
        with await connect(proxy.address) as client:
            await client.send(ask5(port, b"127.0.0.1"))
            assert await client.rest() == b"\x05\x00\x05\x05\x00\x01" + bytes(6)
        with await connect(proxy.address) as client:
            await client.send(ask4(port))
            assert await client.rest() == b"\x00\x5b" + bytes(6)
        with await connect(proxy.address) as client:
            await client.send(ask5(80, b"no-such-host.invalid"))
            assert await client.rest() == b"\x05\x00\x05\x04\x00\x01" + bytes(6)


@pytest.mark.parametrize("ask", [ask4, ask5])
async def test_early_bytes_and_half_closes(links: bool, ask: object) -> None:
    assert callable(ask)
    async with echoing() as port, proxying("socks", links=links) as proxy:
        with await connect(proxy.address) as client:
            await client.send(ask(port) + b"early")
            client.end()
            assert (await client.rest()).endswith(b"early")


async def test_a_target_that_speaks_first_and_closes(links: bool) -> None:
    with Target() as target:
        async with proxying("socks", links=links) as proxy:
            with await connect(proxy.address) as client:
                await client.send(ask5(target.port))
                with await target.accept() as server:
                    await server.send(b"banner")
                assert (await client.rest()).endswith(bytes(6) + b"banner")


async def test_fifty_at_once(links: bool) -> None:
    async with echoing() as port, proxying("socks", links=links) as proxy:

        async def talk(number: int) -> bool:
            with await connect(proxy.address) as client:
                ask = ask5(port)
                for at in range(0, len(ask), 3):
                    await client.send(ask[at : at + 3])
                await client.exactly(12)
                return await client.says(b"%d" % number * 3000)

        assert all(await asyncio.gather(*map(talk, range(50))))


async def test_a_slow_handshake_is_given_up(links: bool) -> None:
    async with proxying("socks", links=links, header_timeout=0.3) as proxy:
        with await connect(proxy.address) as client:
            await client.send(b"\x05\x01")
            assert await client.rest() == b""
