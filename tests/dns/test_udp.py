"""DNS over datagrams: sessions of clients, and queries of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import dns.flags
import dns.message
import pytest

from norouter_core.agent.ends import DatagramEnd, End, join
from norouter_core.dns.client import ask_by_datagram, is_cut
from norouter_core.dns.responder import LookupFailed
from norouter_core.dns.server import LINGER, dns_datagram_session
from tests.datagrams import Played
from tests.proxy.memory_ends import Clock
from tests.servers import eventually

QUERY = dns.message.make_query("web.example", "A").to_wire()


class Client(Played):
    """A client whose queries are answered by `answer`, in a time of its own."""

    def __init__(self, answer: Callable[[bytes], Awaitable[bytes | None]]) -> None:
        super().__init__()
        self.clock = Clock()
        self.asked = 0
        self.closed: list[tuple[str, str]] = []
        self.accepted: tuple[str, int] | None = None

        async def counted(query: bytes) -> bytes | None:
            self.asked += 1
            return await answer(query)

        with self.clock.running():
            self.session = dns_datagram_session(
                self,
                counted,
                self.clock.create_task,
                reached=("127.0.42.1", 10053),
                observer=self,
            )

    def asks(self, *queries: bytes) -> None:
        """Send queries, all at once, and let the session act."""
        for query in queries:
            self.says(query)
        self.clock.run()

    def accept(self, peer: tuple[str, int]) -> None:
        self.accepted = peer

    def end_opened(self, end: End, peer: tuple[str, int]) -> None: ...

    def end_half_closed(self, end: End) -> None: ...

    def end_closed(self, end: End, code: str, reason: str) -> None:
        self.closed.append((code, reason))


class Held:
    """Answers each query with itself, once it may."""

    def __init__(self) -> None:
        self._go = asyncio.Event()

    async def __call__(self, query: bytes) -> bytes | None:
        await self._go.wait()
        return query

    def release(self, client: Client) -> None:
        self._go.set()
        client.clock.run()


async def _reversed(query: bytes) -> bytes | None:
    return query[::-1]


def test_each_query_gets_its_answer() -> None:
    client = Client(_reversed)
    assert client.accepted == ("127.0.42.1", 10053)
    client.asks(b"a first query", b"another query")
    assert client.got == [b"yreuq tsrif a", b"yreuq rehtona"]
    assert client.session.bytes_in == 26
    client.clock.close()


def test_what_no_query_can_be_is_dropped() -> None:
    client = Client(_reversed)
    client.asks(b"", b"x" * 11, b"x" * 4097)
    assert not client.asked
    client.clock.close()


def test_no_answer_is_none() -> None:
    async def silent(query: bytes) -> bytes | None:
        return None

    client = Client(silent)
    client.asks(QUERY)
    assert client.asked == 1 and client.got == []
    client.clock.close()


def test_so_many_at_a_time_and_more_after_them() -> None:
    held = Held()
    client = Client(held)
    client.asks(*[QUERY] * 100)
    assert client.asked == 16
    held.release(client)
    client.asks(QUERY)
    assert len(client.got) == 17
    client.clock.close()


def test_answers_after_the_end_go_nowhere() -> None:
    held = Held()
    client = Client(held)
    client.asks(QUERY)
    client.session.reset("idle", "")
    client.asks(QUERY)
    held.release(client)
    assert client.got == [] and client.closed == [("idle", "")] and client.asked == 1
    client = Client(held)
    client.session.end()
    client.clock.run()
    assert client.ended == ("closed", "") and client.closed == [("closed", "")]
    assert not client.clock.set_timers


def test_a_client_that_has_its_answers_is_soon_gone() -> None:
    held = Held()
    client = Client(held)
    client.asks(QUERY, QUERY)
    client.clock.advance(10 * LINGER)
    assert not client.ended  # both are open
    held.release(client)
    for _ in range(3):
        client.clock.advance(0.9 * LINGER)
        client.asks(QUERY)
    client.clock.advance(0.9 * LINGER)
    assert not client.ended and len(client.got) == 5
    client.clock.advance(0.2 * LINGER)
    assert client.ended == ("closed", "") and client.closed == [("closed", "")]
    # One that never asks anything goes as well, and nothing is left of one that went by itself.
    client = Client(held)
    client.asks(b"junk")
    client.clock.advance(0.9 * LINGER)
    client.asks(b"junk")
    client.clock.advance(0.2 * LINGER)
    assert client.ended == ("closed", "")
    client = Client(held)
    client.asks(b"junk")
    client.session.reset("idle", "")
    client.clock.run()
    assert client.closed == [("idle", "")] and not client.clock.set_timers


class Server(DatagramEnd):
    """A name server's end, which answers with what it is told to."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[bytes] = []
        self.ended = False

    def dial(self, other: End) -> End:
        join(other, self)
        return self

    def send(self, data: memoryview) -> None:
        self.asked.append(bytes(data))
        assert self.peer is not None
        for answer in self.answers:
            self.peer.send(memoryview(answer))

    def reset(self, code: str, reason: str) -> None:
        self.ended = True


def response(query: bytes = QUERY, *flags: dns.flags.Flag) -> bytes:
    answer = dns.message.make_response(dns.message.from_wire(query))
    for flag in flags:
        answer.flags |= flag
    return answer.to_wire()


@pytest.mark.anyio
async def test_the_answer_is_the_first_that_answers_the_query() -> None:
    other = response(dns.message.make_query("other.example", "A", id=1).to_wire())
    strange = (b"", b"x" * 11, QUERY, other if other[:2] != QUERY[:2] else b"")
    server = Server(*strange, response(), response(QUERY, dns.flags.AA))
    assert await ask_by_datagram(server.dial, QUERY) == response()
    assert server.asked == [QUERY] and server.ended


@pytest.mark.anyio
async def test_a_dial_that_fails_is_told() -> None:
    def dial(other: End) -> End:
        other.reset("refused", "Connection refused")
        return Server()

    with pytest.raises(LookupFailed, match="refused: Connection refused"):
        await ask_by_datagram(dial, QUERY)


@pytest.mark.anyio
async def test_a_stream_is_given_up_with_its_asker() -> None:
    server = Server()
    asking = asyncio.create_task(ask_by_datagram(server.dial, QUERY))
    await eventually(lambda: server.asked, "it is asked")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert server.ended


def test_a_cut_answer_says_so() -> None:
    assert is_cut(response(QUERY, dns.flags.TC))
    assert not is_cut(response()) and not is_cut(b"")
