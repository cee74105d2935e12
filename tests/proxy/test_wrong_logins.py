"""A password of a proxy cannot be guessed by trying many."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest

from norouter_core.engine.events import Log
from tests.proxy.engines import PUBLISHED, USER, World, world
from tests.servers import connect, echoing

pytestmark = pytest.mark.anyio


async def http_status(there: World, login: str) -> bytes:
    token = base64.b64encode(login.encode()).decode()
    with await connect(there.http) as client:
        head = f"CONNECT back:{PUBLISHED} HTTP/1.1\r\nHost: back:{PUBLISHED}\r\n"
        await client.send(f"{head}Proxy-Authorization: Basic {token}\r\n\r\n".encode())
        return await client.exactly(12)


async def socks_status(there: World, login: str) -> bytes:
    user, _, password = login.encode().partition(b":")
    with await connect(there.socks) as client:
        await client.send(b"\x05\x01\x02")
        assert await client.exactly(2) == b"\x05\x02"
        await client.send(b"\x01%c%s%c%s" % (len(user), user, len(password), password))
        return await client.exactly(2)


@pytest.mark.parametrize(
    ("ask", "right", "wrong"),
    [
        (http_status, b"HTTP/1.1 200", b"HTTP/1.1 407"),
        (socks_status, b"\x01\x00", b"\x01\x01"),
    ],
)
async def test_guesses_wait_and_a_right_password_does_not(
    ask: object, right: bytes, wrong: bytes
) -> None:
    assert callable(ask)
    async with echoing() as port, world(port, auth=USER) as there:
        there.mesh.events()
        begun = time.perf_counter()
        guesses = [asyncio.ensure_future(ask(there, f"me:{n}")) for n in range(8)]
        done, _ = await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
        assert await ask(there, USER) == right
        done, waiting = await asyncio.wait(guesses, timeout=0)
        assert done and waiting, "all guesses are answered at once"
        assert {await guess for guess in guesses} == {wrong}
        # Five are answered at once, and five a second.
        assert time.perf_counter() - begun > 0.5
        await there.idle()
        logged = [e for e in there.mesh.events() if isinstance(e, Log) and e.level == "warning"]
        (line,) = logged
        assert line.text.startswith("wrong user or password for the proxy at 127.0.0.1:")
