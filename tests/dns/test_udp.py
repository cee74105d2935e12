"""DNS over datagrams: sessions of clients, and queries of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import pytest

from norouter_core.agent.ends import DatagramEnd, End, join
from norouter_core.dns.responder import LookupFailed
from norouter_core.dns.udp import LINGER, DnsDatagrams, ask_by_datagram, dns_udp_session, is_cut
from tests.datagrams import Played
from tests.proxy.memory import Clock
from tests.servers import eventually

if TYPE_CHECKING:
    from norouter_core.agent.loop import LoopLike

pytestmark = pytest.mark.anyio

QUERY = dns.message.make_query("web.example", "A").to_wire()


class Client(Played):
    """A client whose queries are answered by `answer`."""

    def __init__(
        self, answer: Callable[[bytes], Awaitable[bytes | None]], loop: LoopLike | None = None
    ) -> None:
        super().__init__()
        self.tasks: set[asyncio.Task[None]] = set()
        self.closed: list[tuple[str, str]] = []
        self.accepted: tuple[str, int] | None = None
        self.session: DnsDatagrams = dns_udp_session(
            self,
            answer,
            self._spawn,
            loop or asyncio.get_running_loop(),
            reached=("127.0.42.1", 10053),
            observer=self,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.add(asyncio.get_running_loop().create_task(work))

    def accept(self, peer: tuple[str, int]) -> None:
        self.accepted = peer

    async def answered(self) -> None:
        await asyncio.gather(*self.tasks)

    def end_opened(self, end: End, peer: tuple[str, int]) -> None: ...

    def end_half_closed(self, end: End) -> None: ...

    def end_closed(self, end: End, code: str, reason: str) -> None:
        self.closed.append((code, reason))


async def _reversed(query: bytes) -> bytes | None:
    return query[::-1]


async def test_each_query_gets_its_answer() -> None:
    client = Client(_reversed)
    assert client.accepted == ("127.0.42.1", 10053)
    client.says(b"a first query")
    client.says(b"another query")
    await client.answered()
    assert client.got == [b"yreuq tsrif a", b"yreuq rehtona"]
    assert client.session.bytes_in == 26


async def test_what_no_query_can_be_is_dropped() -> None:
    client = Client(_reversed)
    for data in (b"", b"x" * 11, b"x" * 4097):
        client.says(data)
    assert not client.tasks


async def test_no_answer_is_none() -> None:
    async def silent(query: bytes) -> bytes | None:
        return None

    client = Client(silent)
    client.says(QUERY)
    await client.answered()
    assert client.got == []


async def test_so_many_at_a_time_and_more_after_them() -> None:
    go = asyncio.Event()

    async def slow(query: bytes) -> bytes | None:
        await go.wait()
        return query

    client = Client(slow)
    for _ in range(100):
        client.says(QUERY)
    assert len(client.tasks) == 16
    go.set()
    await client.answered()
    client.says(QUERY)
    await client.answered()
    assert len(client.got) == 17


async def test_answers_after_the_end_go_nowhere() -> None:
    go = asyncio.Event()

    async def slow(query: bytes) -> bytes | None:
        await go.wait()
        return query

    client = Client(slow)
    client.says(QUERY)
    client.session.reset("idle", "")
    client.says(QUERY)
    go.set()
    await client.answered()
    assert client.got == [] and client.closed == [("idle", "")] and len(client.tasks) == 1
    client = Client(slow)
    client.session.end()
    assert client.ended == ("closed", "") and client.closed == [("closed", "")]


async def test_a_client_that_has_its_answers_is_soon_gone() -> None:
    go = asyncio.Event()

    async def slow(query: bytes) -> bytes | None:
        await go.wait()
        return query

    clock = Clock()

    def wait(seconds: float) -> None:
        clock.advance(seconds)
        clock.run()

    client = Client(slow, clock)
    client.says(QUERY)
    client.says(QUERY)
    wait(10 * LINGER)
    assert not client.ended  # both are open
    go.set()
    await client.answered()
    for _ in range(3):
        wait(0.9 * LINGER)
        client.says(QUERY)
        await client.answered()
    wait(0.9 * LINGER)
    assert not client.ended and len(client.got) == 5
    wait(0.2 * LINGER)
    assert client.ended == ("closed", "") and client.closed == [("closed", "")]
    # One that never asks anything goes as well, and nothing is left of one that went by itself.
    client = Client(slow, clock)
    client.says(b"junk")
    wait(0.9 * LINGER)
    client.says(b"junk")
    wait(0.2 * LINGER)
    assert client.ended == ("closed", "")
    client = Client(slow, clock)
    client.says(b"junk")
    client.session.reset("idle", "")
    assert client.closed == [("idle", "")] and not clock.set_timers


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


async def test_the_answer_is_the_first_that_answers_the_query() -> None:
    other = response(dns.message.make_query("other.example", "A", id=1).to_wire())
    strange = (b"", b"x" * 11, QUERY, other if other[:2] != QUERY[:2] else b"")
    server = Server(*strange, response(), response(QUERY, dns.flags.AA))
    assert await ask_by_datagram(server.dial, QUERY) == response()
    assert server.asked == [QUERY] and server.ended


async def test_a_dial_that_fails_is_told() -> None:
    def dial(other: End) -> End:
        other.reset("refused", "Connection refused")
        return Server()

    with pytest.raises(LookupFailed, match="refused: Connection refused"):
        await ask_by_datagram(dial, QUERY)


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
