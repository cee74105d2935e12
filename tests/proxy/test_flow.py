"""How much a session holds, and when it says that bytes have gone."""

from __future__ import annotations

import pytest

from norouter_core.byte_stream import MAX_BUFFERED
from tests.proxy.memory_ends import Bench

MIB = 1 << 20


def upload(bench: Bench, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (64 * MIB)
    bench.ask(b"POST http://web/ HTTP/1.1\r\nHost: web\r\n%s\r\n\r\n" % framing)


def body(chunked: bool, size: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"x" * size) if chunked else b"x" * size


@pytest.mark.parametrize("chunked", [True, False])
def test_a_slow_upstream_stops_the_client(chunked: bool) -> None:
    bench = Bench()
    upload(bench, chunked)
    bench.upstream.blocked = True
    while bench.session.room():
        room = bench.session.room()
        assert room <= MAX_BUFFERED
        bench.client.bring(body(chunked, 8000))
    held = bench.client.unconsumed
    assert MAX_BUFFERED - 16 * 1024 - 8100 <= held <= MAX_BUFFERED + 8100
    wakes = bench.client.wakes
    bench.upstream.unblock()
    assert bench.client.unconsumed == 0
    assert bench.client.wakes == wakes + 1
    assert bench.session.room() == MAX_BUFFERED


@pytest.mark.parametrize("chunked", [True, False])
def test_a_slow_client_stops_the_upstream(chunked: bool) -> None:
    bench = Bench()
    bench.ask(b"GET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n")
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (64 * MIB)
    bench.reply(b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % framing)
    bench.client.blocked = True
    peer = bench.upstream.peer
    assert peer is not None
    while peer.room():
        bench.upstream.bring(body(chunked, 8000))
    assert bench.upstream.unconsumed <= MAX_BUFFERED + 8100
    wakes = bench.upstream.wakes
    bench.client.unblock()
    assert bench.upstream.unconsumed == 0
    assert bench.upstream.wakes == wakes + 1


def test_credit_returns_as_bytes_leave_not_as_they_come() -> None:
    bench = Bench()
    upload(bench, chunked=False)
    bench.upstream.blocked = True
    bench.client.bring(b"x" * 1000)
    assert len(bench.upstream.waiting) == 1000 and bench.client.unconsumed == 0
    # It takes no more than these.
    for number in range(1, 5):
        bench.client.bring(b"x" * 1000)
        assert bench.client.unconsumed == number * 1000
    bench.upstream.unblock()
    assert bench.client.unconsumed == 0
    assert len(bench.upstream.take().partition(b"\r\n\r\n")[2]) == 5000


def test_what_a_lost_upstream_had_not_taken_is_credited_all_the_same() -> None:
    bench = Bench()
    upload(bench, chunked=False)
    bench.upstream.blocked = True
    bench.client.bring(b"x" * 100_000)
    assert 0 < bench.client.unconsumed == 100_000 - len(bench.upstream.waiting)
    bench.upstream.bring_reset()
    assert bench.client.unconsumed == 0
    assert bench.client.take().startswith(b"HTTP/1.1 502 ")


def test_what_the_client_was_sent_is_counted_before_and_after_a_tunnel() -> None:
    bench = Bench()
    got = bench.ask(b"GET http://web/1 HTTP/1.1\r\nHost: web\r\n\r\n")
    got += bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    bench.ask(b"GET http://web/2 HTTP/1.1\r\nHost: w\r\nConnection: Upgrade\r\nUpgrade: ws\r\n\r\n")
    got += bench.reply(b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: ws\r\n\r\nhi")
    assert bench.client.peer is bench.upstream
    assert bench.session.bytes_in == len(got)
    got += bench.reply(b"more")
    assert bench.session.bytes_in == len(got)


def test_bytes_before_a_tunnel_are_credited_when_the_target_takes_them() -> None:
    bench = Bench()
    bench.dialer.at_once = False
    bench.client.bring(b"CONNECT web:443 HTTP/1.1\r\nHost: web\r\n\r\n" + b"e" * 5000)
    assert bench.client.unconsumed == 5000
    bench.upstream.blocked = True
    bench.dialer.settle()
    assert bench.client.peer is bench.upstream
    assert bench.client.unconsumed == 5000
    bench.upstream.unblock()
    assert bench.client.unconsumed == 0


def test_requests_that_are_piled_up_wait_uncredited() -> None:
    bench = Bench()
    request = b"GET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n"
    bench.client.bring(request * 1000)
    assert bench.client.unconsumed == 999 * len(request)
    for _ in range(1000):
        bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert bench.client.unconsumed == 0
    assert bench.upstream.take().count(b"GET / HTTP/1.1\r\n") == 1000


def test_many_small_chunks_are_accounted_for() -> None:
    bench = Bench()
    upload(bench, chunked=True)
    bench.upstream.blocked = True
    bench.client.bring(b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n", piece=501)
    assert bench.client.unconsumed > 100_000
    bench.upstream.unblock()
    while bench.upstream.waiting:
        bench.upstream.unblock()
    assert bench.client.unconsumed == 0
    assert bench.upstream.take().endswith(b"0\r\n\r\n")


def test_a_stale_reference_to_a_session_still_reaches_the_other_end() -> None:
    bench = Bench()
    bench.ask(b"CONNECT web:443 HTTP/1.1\r\nHost: web\r\n\r\n")
    bench.client.take()
    # A socket that is being read asks its former peer for room once more.
    assert bench.session.room() == bench.upstream.room()
    bench.client.unconsumed += 4
    bench.session.send(memoryview(b"late"))
    assert bench.client.unconsumed == 0
    assert bench.upstream.take() == b"late"
    bench.session.end()
    assert bench.upstream.ended
