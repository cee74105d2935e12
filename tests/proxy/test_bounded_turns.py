"""What a client or a server sends costs the hub a bounded time in one turn of its loop."""

from __future__ import annotations

import pytest

from norouter_core.proxy.request import MAX_FIELDS
from tests.proxy.memory_ends import Bench, MemoryEnd, body, status

GET = b"GET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST http://web/ HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OTHERS = b"A: b\r\n" * (MAX_FIELDS + 1)


def turns(bench: Bench, end: MemoryEnd, data: bytes) -> int:
    """Bring data in one piece; return how many turns somebody else has had meanwhile."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if bench.clock._soon:
            bench.clock.call_soon(tick)

    bench.clock.call_soon(tick)
    end.bring(data)
    return count


@pytest.mark.parametrize(
    ("small", "end"),
    [(b"1\r\nx\r\n", b"0\r\n\r\n"), (b"1;a=b\r\nx\r\n", b"0\r\n\r\n")],
    ids=["chunks", "extensions"],
)
def test_others_have_turns_while_many_chunks_pass(small: bytes, end: bytes) -> None:
    bench = Bench()
    assert turns(bench, bench.client, POST + small * 1000 + end) > 12
    assert bench.upstream.sent.count(b"1\r\nx\r\n") == 1000
    assert turns(bench, bench.upstream, CHUNKED + small * 1000 + end) > 12
    assert bench.client.sent.count(b"1\r\nx\r\n") == 1000
    assert bench.client.sent.endswith(b"0\r\n\r\n")


def test_others_have_turns_while_interim_answers_pass() -> None:
    bench = Bench()
    bench.ask(GET)
    many = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    assert turns(bench, bench.upstream, many + b"HTTP/1.1 204 No Content\r\n\r\n") > 12
    assert bench.client.sent.count(b"HTTP/1.1 103") == 1000


def test_a_head_with_too_many_fields_is_refused() -> None:
    bench = Bench()
    got = bench.ask(GET[:-2] + OTHERS + b"\r\n")
    assert status(got) == 431 and "500 fields" in body(got)
    assert not bench.dialer.dialled


def test_an_answer_with_too_many_fields_is_refused() -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(CHUNKED[:-2] + OTHERS + b"\r\n0\r\n\r\n")
    assert status(got) == 502 and "500 fields" in body(got)


def test_too_many_trailers_are_refused() -> None:
    trailers = b"0\r\n" + b"A: b\r\n" * 3000 + b"\r\n"
    bench = Bench()
    assert status(bench.ask(POST + trailers)) == 400
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(CHUNKED + trailers)
    assert got.startswith(b"HTTP/1.1 200") and not got.endswith(b"\r\n0\r\n\r\n")
    assert bench.client.was_reset or bench.client.ended
