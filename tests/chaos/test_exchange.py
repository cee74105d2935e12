"""The traffic programs notice what a mesh must not do; real sockets, no mesh between them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.chaos.client import Exchange, get
from tests.chaos.content import Content
from tests.chaos.request import Request, name_bytes
from tests.chaos.server import Server
from tests.servers import Peer, Target, connect, eventually, serving

pytestmark = pytest.mark.anyio

SIZE = 300_000


class Reports(list[tuple[str, str]]):
    """What servers report: outcome and id."""

    def __call__(self, side: str, outcome: str, id: str, *, size: int = 0, note: str = "") -> None:
        self.append((outcome, id))


@asynccontextmanager
async def served(host: str = "here") -> AsyncIterator[tuple[int, Reports]]:
    reports = Reports()
    with Target() as target:
        task = asyncio.create_task(Server(host, reports).serve(target))
        try:
            yield target.port, reports
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def exchange(port: int, request: Request, pace: str = "plain") -> str:
    peer = await connect(("127.0.0.1", port))
    outcome, _ = await Exchange(peer, request, pace, random.Random(1)).run()
    return outcome


def request(kind: str = "down", size: int = SIZE, **more: object) -> Request:
    return Request(f"faults.here.{kind}", "here", kind, size, **more)  # type: ignore[arg-type]  # of the fields named


@pytest.mark.parametrize("kind", ["down", "up", "echo"])
async def test_an_exchange_in_order(kind: str) -> None:
    async with served() as (port, reports):
        assert await exchange(port, request(kind)) == "ok"
        await eventually(lambda: reports, "the server reports")
        assert reports == [("ok", f"faults.here.{kind}")]


async def test_turns_and_an_early_end() -> None:
    async with served() as (port, reports):
        assert await exchange(port, request("echo", 2000), "turns") == "ok"
        assert await exchange(port, request("down", early_end=True)) == "ok"
        await eventually(lambda: len(reports) == 2, "the server reports")


@pytest.mark.parametrize("kind", ["down", "up", "echo"])
@pytest.mark.parametrize("by", ["client", "server"])
async def test_an_exchange_that_one_side_cuts(kind: str, by: str) -> None:
    async with served() as (port, reports):
        cut = request(kind, cut_by=by, cut_after=SIZE // 3)
        assert await exchange(port, cut) == "cut"
        await eventually(lambda: reports, "the server reports")
        assert reports[0][0] == "cut"


async def test_an_answer_of_the_absolute_form() -> None:
    async with served() as (port, _):
        peer = await connect(("127.0.0.1", port))
        assert (await get(peer, "a.b", "here", f"127.0.0.1:{port}", 5000))[0] == "ok"
        other = await connect(("127.0.0.1", port))
        assert (await get(other, "a.b", "there", f"127.0.0.1:{port}", 5000))[0] == "misrouted"


async def test_a_stream_to_another_host() -> None:
    async with served("there") as (port, reports):
        assert await exchange(port, request()) == "misrouted"
        assert reports[0][0] == "misrouted"


Change = Callable[[bytes], bytes]


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@asynccontextmanager
async def between(port: int, change: Change, last: int) -> AsyncIterator[int]:
    """Pass on what a server sends, change it after `last` bytes, and end there in order."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)

        async def forward() -> None:
            while data := await reader.read(1 << 16):
                up_writer.write(data)

        task = asyncio.create_task(forward())
        try:
            writer.write(change(await up_reader.readexactly(last)))
            await writer.drain()
            writer.write_eof()
            await up_reader.read()
        finally:
            task.cancel()
            up_writer.close()

    async with serving(relay) as between_port:
        yield between_port


@pytest.mark.parametrize(
    ("change", "outcome"), [(bytes, "short"), (flip, "wrong"), (lambda data: data[:-1], "short")]
)
async def test_a_client_notices_what_is_wrong(change: Change, outcome: str) -> None:
    async with served() as (port, _):
        async with between(port, change, 100_000) as middle:
            assert await exchange(middle, request()) == outcome


async def test_a_server_notices_an_end_in_place_of_a_reset() -> None:
    async with served() as (port, reports):
        with await connect(("127.0.0.1", port)) as peer:
            await peer.send(request("up", cut_by="client", cut_after=10).encode())
            peer.end()
            await peer.rest()
        with await connect(("127.0.0.1", port)) as peer:
            await peer.send(request("up").encode())
            await peer.send(bytes(10))
            await eventually(lambda: len(reports) == 2, "the server reports")
        assert [outcome for outcome, _ in reports] == ["short", "wrong"]


async def test_a_client_notices_silence() -> None:
    with Target() as target:
        peer = Peer((await connect(target.address)).socket, 0.05)
        outcome, _ = await Exchange(peer, request()).run()
        assert outcome == "hang"


async def test_a_reset_that_a_write_sees_first_is_no_truncation() -> None:
    with Target() as target:
        for _ in range(10):
            task = asyncio.create_task(exchange(target.port, request("echo", 5_000_000)))
            with await target.accept() as server:
                await server.exactly(100_000)
                await server.send(name_bytes("here") + Content("faults.here.echo").take(10))
                server.abort()
            assert await task == "reset"
