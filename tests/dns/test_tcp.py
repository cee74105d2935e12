"""DNS over TCP as a session: framing, order, bounds, ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.dns.server import FAREWELL, MAX_QUERY, dns_stream_session, frame
from tests.dns.fake_lookups import FakeLookups, texts
from tests.dns.streams import Server, behind_a_link, on_a_socket, query, response
from tests.proxy.memory_ends import Clock, MemoryEnd
from tests.servers import Peer, eventually

pytestmark = pytest.mark.anyio

Place = Callable[[Server], AbstractContextManager[Peer]]
PLACES = pytest.mark.parametrize("place", [on_a_socket, behind_a_link])


def served(world: FakeLookups, idle: float = 20.0, farewell: float = FAREWELL) -> Server:
    responder = world.responder()
    return Server(lambda wire: responder.answer(wire, "Web", "Web", "tcp"), idle, farewell)


@PLACES
async def test_queries_in_one_connection(place: Place) -> None:
    server = served(FakeLookups())
    with place(server) as client:
        for number, name in enumerate(["web", "db.corp", "example.org"]):
            await client.send(query(name, number))
            answer = await response(client)
            assert answer.id == number
            assert texts(answer)
        client.end()
        assert await client.rest() == b""
        assert server.watcher.ended == "closed"


@PLACES
async def test_a_pipeline_gets_every_answer_also_after_a_half_close(place: Place) -> None:
    server = served(FakeLookups())
    with place(server) as client:
        await client.send(b"".join(query("web", number) for number in range(1000)))
        client.end()
        got = {(await response(client)).id for _ in range(1000)}
        assert got == set(range(1000))
        assert await client.rest() == b""
        assert server.watcher.ended == "closed"


@PLACES
async def test_byte_by_byte(place: Place) -> None:
    server = served(FakeLookups())
    with place(server) as client:
        for byte in query("web", 7):
            await client.send(bytes([byte]))
        assert (await response(client)).id == 7


@PLACES
async def test_answers_come_as_they_are_ready(place: Place) -> None:
    hold = asyncio.Event()

    async def answer(wire: bytes) -> bytes | None:
        if wire[1] == 0:
            await hold.wait()
        return wire

    server = Server(answer)
    with place(server) as client:
        await client.send(query("slow", 0) + query("quick", 1))
        assert (await response(client)).id == 1
        hold.set()
        assert (await response(client)).id == 0


@PLACES
async def test_at_most_sixteen_are_answered_at_a_time(place: Place) -> None:
    hold = asyncio.Event()
    running = most = 0

    async def answer(wire: bytes) -> bytes | None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await hold.wait()
        running -= 1
        return wire

    server = Server(answer)
    with place(server) as client:
        await client.send(b"".join(query("web", number) for number in range(100)))
        await eventually(lambda: running == 16, "sixteen queries are being answered")
        hold.set()
        assert {(await response(client)).id for _ in range(100)} == set(range(100))
        assert most == 16


@PLACES
async def test_what_gets_no_answer_frees_its_place(place: Place) -> None:
    async def answer(wire: bytes) -> bytes | None:
        return None if wire[1] < 40 else wire

    server = Server(answer)
    with place(server) as client:
        await client.send(b"".join(query("web", number) for number in range(41)))
        assert (await response(client)).id == 40


@PLACES
@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",
        b"\x00\x0b",
        (MAX_QUERY + 1).to_bytes(2, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100000,
    ],
)
async def test_what_is_not_dns_is_reset(place: Place, data: bytes) -> None:
    server = served(FakeLookups())
    with place(server) as client:
        client.fill(data)
        assert await client.is_reset()
        assert server.watcher.ended == "not-allowed"


@PLACES
async def test_the_longest_query_is_taken_and_credit_given_for_it(place: Place) -> None:
    async def answer(wire: bytes) -> bytes | None:
        return wire[:12]

    server = Server(answer)
    with place(server) as client:
        # More than a stream's first window.
        for _ in range(200):
            await client.send(frame(bytes(MAX_QUERY)))
            assert await client.exactly(14) == frame(bytes(12))


@PLACES
async def test_a_client_that_takes_no_answers_is_held_up_and_then_reset(place: Place) -> None:
    answered = 0

    async def answer(wire: bytes) -> bytes | None:
        nonlocal answered
        answered += 1
        return wire[:2] + bytes(65_000)

    server = Server(answer, idle=1.0)
    with place(server) as client:
        # Far more answers than all buffers on the way hold: their makers must have stopped.
        client.fill(b"".join(query("web", 1) for _ in range(5_000)))
        await eventually(lambda: server.watcher.ended, "the session has ended")
        assert server.watcher.ended == "timeout"
        assert 16 <= answered < 1_500
        assert await client.is_reset()


@PLACES
async def test_a_quiet_client_is_closed_in_order(place: Place) -> None:
    server = served(FakeLookups(), idle=0.05)
    with place(server) as client:
        await client.send(query("web", 1))
        assert (await response(client)).id == 1
        assert await client.rest() == b""
        client.end()
        await eventually(lambda: server.watcher.ended, "the session has ended")
        assert server.watcher.ended == "closed"


@PLACES
async def test_a_trickle_is_no_sign_of_life(place: Place) -> None:
    server = served(FakeLookups(), idle=0.1)
    with place(server) as client:
        await client.send(b"\x00")
        assert await client.rest() == b""
        await client.send(b"\x20more, which nobody reads any longer")
        client.end()
        await eventually(lambda: server.watcher.ended, "the session has ended")


async def test_a_client_that_stays_after_the_farewell_is_reset() -> None:
    server = served(FakeLookups(), idle=0.05, farewell=0.05)
    with on_a_socket(server) as client:
        assert await client.rest() == b""
        await eventually(lambda: server.watcher.ended, "the session has ended")
        assert server.watcher.ended == "timeout"


@PLACES
async def test_a_reset_client_leaves_nothing(place: Place) -> None:
    world = FakeLookups(silent=True)
    server = served(world)
    with place(server) as client:
        await client.send(query("example.org", 1))
        await eventually(lambda: world.forwarded, "the query is under way")
        client.abort()
        await eventually(lambda: server.watcher.ended, "the session has ended")
        assert server.watcher.ended == "reset"
        await eventually(lambda: not server.tasks, "nothing is done for it any more")


# -- in memory: any bytes, in any pieces -------------------------------------------------------


def played(data: bytes, piece: int) -> tuple[list[bytes], MemoryEnd]:
    """The queries that a session finds in `data`, and its client's end afterwards."""
    clock, asked = Clock(), list[bytes]()

    async def answer(wire: bytes) -> bytes | None:
        asked.append(wire)
        return None

    client = MemoryEnd(clock.run)
    with clock.running():
        dns_stream_session(client, answer, clock.create_task, reached=("127.0.42.1", 53))
    client.bring(data, piece)
    client.bring_end()
    clock.advance(100)
    assert not clock.set_timers
    return asked, client


QUERIES = st.lists(st.binary(min_size=12, max_size=80), max_size=40)


@given(QUERIES, st.integers(1, 300))
def test_queries_survive_any_split(queries: list[bytes], piece: int) -> None:
    found, client = played(b"".join(map(frame, queries)), piece)
    assert found == queries
    assert client.ended and not client.was_reset
    assert client.unconsumed == 0


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_queries_or_a_bad_length(data: bytes, piece: int) -> None:
    found, client = played(data, piece)
    assert all(12 <= len(wire) <= MAX_QUERY for wire in found)
    assert client.ended or (client.was_reset is not None and client.was_reset[0] == "not-allowed")
