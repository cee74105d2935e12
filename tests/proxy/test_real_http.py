"""The HTTP proxy with real clients and real servers on the loopback."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import random
import shutil
import urllib.request
from collections.abc import Iterator

import pytest

from tests.proxy.proxy_server import origin, proxying, unmask
from tests.servers import Target, connect, echoing, eventually, unused_port

pytestmark = pytest.mark.anyio

MIB = 1 << 20
curl_needed = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


async def curl(*args: str) -> tuple[int, str]:
    """Exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-q", "-sS", "--max-time", "15", *args,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


@curl_needed
async def test_curl(links: bool) -> None:
    async with origin() as web, proxying(links=links) as proxy:
        url = f"http://localhost:{web.port}/page"
        expected = f"/page of localhost:{web.port}"
        assert await curl("--proxy", f"http://{proxy.at}", url) == (0, expected)
        assert await curl("--proxy", f"http://{proxy.at}", "--http1.0", url) == (0, expected)
        assert await curl("--proxy", f"http://{proxy.at}", "--proxytunnel", url) == (0, expected)
        assert proxy.dialled == [("localhost", web.port)] * 3


@curl_needed
async def test_curl_with_two_hosts_on_one_connection(links: bool) -> None:
    async with origin() as one, origin() as two, proxying(links=links) as proxy:
        urls = [f"http://127.0.0.1:{web.port}/{n}" for n, web in enumerate((one, two, one, one))]
        status, out = await curl("-v", "--proxy", f"http://{proxy.at}", *urls)
        assert status == 0
        for number, web in enumerate((one, two, one, one)):
            assert f"/{number} of 127.0.0.1:{web.port}" in out
        assert out.count("Re-using existing connection") == 3
        assert one.connections == 2
        assert two.connections == 1


@curl_needed
async def test_curl_with_a_password() -> None:
    async with origin() as web, proxying(auth="user:pa:ss") as proxy:
        url = f"http://localhost:{web.port}/page"
        status, out = await curl("--proxy", f"http://user:pa%3Ass@{proxy.at}", url)
        assert (status, out) == (0, f"/page of localhost:{web.port}")
        assert b"authorization" not in web.heads[0].lower()
        _, out = await curl("-w", "%{http_code}", "--proxy", f"http://user:no@{proxy.at}", url)
        assert out.endswith("407")
        _, out = await curl("--proxytunnel", "--proxy", f"http://user:no@{proxy.at}", url)
        assert "407" in out


@curl_needed
async def test_curl_is_told_what_failed(links: bool) -> None:
    async with proxying(links=links) as proxy:
        url = f"http://127.0.0.1:{unused_port()}/"
        _, out = await curl("-w", "%{http_code}", "--proxy", f"http://{proxy.at}", url)
        assert out.endswith("502")
        assert "the connection was refused" in out
        _, out = await curl("--proxytunnel", "--proxy", f"http://{proxy.at}", url)
        assert "502" in out
        _, out = await curl("--proxy", f"http://{proxy.at}", "http://no-such-host.invalid/")
        assert "the name could not be resolved" in out
        _, out = await curl(f"http://{proxy.at}/")
        assert f"curl --proxy http://{'ADDRESS:PORT'}" in out


@curl_needed
async def test_curl_waits_for_leave_to_send() -> None:
    async with origin() as web, proxying() as proxy:
        url = f"http://localhost:{web.port}/echo"
        status, out = await curl(
            "--proxy", f"http://{proxy.at}", "-H", "Expect: 100-continue",
            "--expect100-timeout", "14", "--data", "x" * 5000, url,
        )  # fmt: skip
        assert (status, out) == (0, "x" * 5000)


async def test_urllib(links: bool) -> None:
    async with origin() as web, proxying(links=links) as proxy:

        def fetch() -> bytes:
            handler = urllib.request.ProxyHandler({"http": f"http://{proxy.at}"})
            with urllib.request.build_opener(handler).open(
                f"http://localhost:{web.port}/page", timeout=15
            ) as answer:
                data: bytes = answer.read()
                return data

        assert await asyncio.to_thread(fetch) == b"/page of localhost:%d" % web.port


async def test_http_client_keeps_one_connection_for_two_hosts(links: bool) -> None:
    async with origin() as one, origin() as two, proxying(links=links) as proxy:

        def fetch() -> list[tuple[int, bytes]]:
            client = http.client.HTTPConnection(*proxy.address, timeout=15)
            answers = []
            client.connect()
            sock = client.sock
            for method, web, path in (
                ("GET", one, "/a"),
                ("GET", two, "/b"),
                ("HEAD", one, "/c"),
                ("GET", one, "/old"),
                ("GET", one, "/d"),
            ):
                client.request(method, f"http://127.0.0.1:{web.port}{path}")
                answer = client.getresponse()
                answers.append((answer.status, answer.read()))
                assert client.sock is sock
            client.close()
            return answers

        assert await asyncio.to_thread(fetch) == [
            (200, b"/a of 127.0.0.1:%d" % one.port),
            (200, b"/b of 127.0.0.1:%d" % two.port),
            (200, b""),
            (200, b"until the end"),
            (200, b"/d of 127.0.0.1:%d" % one.port),
        ]


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_big_body_both_ways_at_once(links: bool, chunked: bool) -> None:
    size = 20 * MIB
    block = random.Random(7).randbytes(1 << 18)

    def blocks() -> Iterator[bytes]:
        for at in range(0, size, len(block)):
            yield block[at % 1000 :] + block[: at % 1000]

    expected = hashlib.sha256(b"".join(blocks())).hexdigest()
    async with origin() as web, proxying(links=links) as proxy:
        client = await connect(proxy.address)
        with client:
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            await client.send(
                f"POST http://127.0.0.1:{web.port}/echo HTTP/1.1\r\nHost: x\r\n"
                f"{framing}\r\nConnection: close\r\n\r\n".encode()
            )

            async def send() -> None:
                for data in blocks():
                    await client.send(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
                if chunked:
                    await client.send(b"0\r\n\r\n")

            _, got = await asyncio.gather(send(), client.rest())
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert hashlib.sha256(unchunked(body) if chunked else body).hexdigest() == expected


def unchunked(data: bytes) -> bytes:
    out = bytearray()
    at = 0
    while True:
        end = data.index(b"\r\n", at)
        size = int(data[at:end], 16)
        if not size:
            assert data[end:] == b"\r\n\r\n"
            return bytes(out)
        out += data[end + 2 : end + 2 + size]
        at = end + 4 + size


async def test_fifty_requests_at_once(links: bool) -> None:
    async with origin() as web, proxying(links=links) as proxy:

        async def fetch(number: int) -> bytes:
            with await connect(proxy.address) as client:
                await client.send(
                    b"GET http://127.0.0.1:%d/%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                    % (web.port, number)
                )
                return (await client.rest()).partition(b"\r\n\r\n")[2]

        got = await asyncio.gather(*map(fetch, range(50)))
        assert got == [b"/%d of 127.0.0.1:%d" % (n, web.port) for n in range(50)]


async def test_each_event_is_here_before_the_next_is_sent(links: bool) -> None:
    async with origin() as web, proxying(links=links) as proxy:
        with await connect(proxy.address) as client:
            await client.send(
                b"GET http://127.0.0.1:%d/events HTTP/1.1\r\nHost: x\r\n\r\n" % web.port
            )
            assert (await client.some()).endswith(b"\r\n\r\n")
            for number in range(5):
                web.event.set()
                event = b"data: %d\n\n" % number
                wire = b"%x\r\n%s\r\n" % (len(event), event)
                assert await client.exactly(len(wire)) == wire
            assert await client.exactly(5) == b"0\r\n\r\n"


async def test_a_websocket(links: bool) -> None:
    async with origin() as web, proxying(links=links) as proxy:
        with await connect(proxy.address) as client:
            await client.send(
                b"GET http://127.0.0.1:%d/socket HTTP/1.1\r\nHost: x\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % web.port
            )
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await client.exactly(1)
            assert head.startswith(b"HTTP/1.1 101 ")
            for size in (0, 1, 125, 5000, 65535):
                text, mask = os.urandom(size), os.urandom(4)
                frame = bytes((0x82, 0xFE)) + size.to_bytes(2, "big") + mask + unmask(text, mask)
                await client.send(frame)
                answer = bytes((0x82, 126)) + size.to_bytes(2, "big") + text
                assert await client.exactly(len(answer)) == answer
            await client.send(b"\x88\x80" + bytes(4))
            assert await client.rest() == b"\x88\x00"


async def test_a_tunnel_half_closes_each_way(links: bool) -> None:
    async with echoing() as port, proxying(links=links) as proxy:
        with await connect(proxy.address) as client:
            # The first bytes do not wait for the tunnel.
            await client.send(b"CONNECT localhost:%d HTTP/1.1\r\nHost: x\r\n\r\nearly" % port)
            client.end()
            assert await client.rest() == b"HTTP/1.1 200 Connection established\r\n\r\nearly"


async def test_a_tunnel_carries_megabytes(links: bool) -> None:
    data = random.Random(3).randbytes(8 * MIB)
    async with echoing() as port, proxying(links=links) as proxy:
        with await connect(proxy.address) as client:
            await client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port)
            await client.exactly(39)

            async def send() -> None:
                await client.send(data)
                client.end()

            _, got = await asyncio.gather(send(), client.rest())
            assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()


async def test_a_reset_passes_a_tunnel_both_ways(links: bool) -> None:
    with Target() as target:
        async with proxying(links=links) as proxy:
            ask = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % target.port
            with await connect(proxy.address) as client:
                await client.send(ask)
                with await target.accept() as server:
                    await client.exactly(39)
                    server.abort()
                    assert await client.is_reset()
            client = await connect(proxy.address)
            await client.send(ask)
            with await target.accept() as server:
                await client.exactly(39)
                client.abort()
                assert await server.is_reset()


async def test_a_client_that_leaves_takes_its_upstream_with_it(links: bool) -> None:
    with Target() as target:
        async with proxying(links=links) as proxy:
            client = await connect(proxy.address)
            await client.send(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % target.port)
            with await target.accept() as server:
                await server.some()
                client.abort()
                assert await server.is_reset()


async def test_a_slow_client_does_not_fill_the_proxy(links: bool) -> None:
    with Target() as target:
        async with proxying(links=links) as proxy:
            client = await connect(proxy.address)
            await client.send(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % target.port)
            with await target.accept() as server:
                await server.some()
                await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
                sent = 0
                still = 0
                while still < 20:
                    more = server.fill(b"x" * MIB)
                    sent += more
                    still = 0 if more else still + 1
                    await asyncio.sleep(0.005)
                # What the kernel's own buffers hold along the way, and little more.
                assert sent < 60 * MIB
                client.abort()
                assert await server.is_reset()


async def test_a_slow_head_is_refused_in_time(links: bool) -> None:
    async with proxying(links=links, header_timeout=0.3) as proxy:
        with await connect(proxy.address) as client:
            await client.send(b"GET http://web/ HTTP/1.1\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
        with await connect(proxy.address) as client:
            assert await client.rest() == b""


async def test_an_answer_is_not_lost_to_a_client_that_still_sends(links: bool) -> None:
    async with proxying(links=links) as proxy:
        with await connect(proxy.address) as client:
            await client.send(
                b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"
            )
            await client.send(b"x" * MIB)
            got = await client.some()
            assert got.startswith(b"HTTP/1.1 400 ")


async def test_a_kept_upstream_is_closed_with_the_client(links: bool) -> None:
    with Target() as target:
        async with proxying(links=links) as proxy:
            with await connect(proxy.address) as client:
                await client.send(
                    b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % target.port
                )
                with await target.accept() as server:
                    await server.some()
                    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    assert (await client.some()).endswith(b"ok")
                    client.end()
                    assert await client.rest() == b""
                    assert await server.rest() == b""
            await eventually(lambda: not proxy.open, "the session ends")
