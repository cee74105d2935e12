"""Requests that two readers could read differently, and heads that are none."""

from __future__ import annotations

import pytest

from tests.proxy.memory_ends import Bench, body, status

SMUGGLING = {
    "both framings": b"Content-Length: 4\r\nTransfer-Encoding: chunked",
    "both framings, other order": b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    "differing lengths": b"Content-Length: 4\r\nContent-Length: 5",
    "differing lengths in one": b"Content-Length: 4, 5",
    "signed length": b"Content-Length: +4",
    "negative length": b"Content-Length: -4",
    "hex length": b"Content-Length: 0x4",
    "empty length": b"Content-Length:",
    "huge length": b"Content-Length: 999999999999999999999",
    "folded line": b"X: a\r\n b",
    "folded length": b"Content-Length:\r\n 4",
    "fold at first": b" X: a",
    "space before colon": b"Content-Length : 4",
    "tab before colon": b"Content-Length\t: 4",
    "space in name": b"Content Length: 4",
    "bare CR": b"X: a\rContent-Length: 4",
    "bare LF": b"X: a\nContent-Length: 4",
    "NUL": b"X: a\0b",
    "NUL in name": b"X\0: a",
    "no colon": b"Content-Length 4",
    "no name": b": 4",
    "vertical tab": b"Transfer-Encoding: \x0bchunked",
    "two hosts": b"Host: other",
    "coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "coding in coding": b"Transfer-Encoding: chunked, chunked",
    "identity": b"Transfer-Encoding: identity",
    "unknown coding": b"Transfer-Encoding: xchunked",
    "quoted coding": b'Transfer-Encoding: "chunked"',
}


@pytest.mark.parametrize("shape", SMUGGLING)
@pytest.mark.parametrize("piece", [1, 1 << 20])
def test_what_two_readers_could_read_differently_is_refused(shape: str, piece: int) -> None:
    bench = Bench()
    head = b"POST http://web/ HTTP/1.1\r\nHost: web\r\n%s\r\n\r\n" % SMUGGLING[shape]
    got = bench.ask(head + b"0\r\n\r\nGET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n", piece)
    assert status(got) in (400, 501)
    assert b"Connection: close" in got
    assert bench.client.ended
    assert bench.client.unconsumed == 0
    assert not bench.dialer.dialled


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n GET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"GET  http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"GET http://web/  HTTP/1.1\r\nHost: web\r\n\r\n",
        b"GET\thttp://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"GET http://web/ http/1.1\r\nHost: web\r\n\r\n",
        b"GET http://web/\r\nHost: web\r\n\r\n",
        b"GET http://web/ HTTP/1.1\r\n\r\n",
        b"G(T http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"GET http://w\xc3\xa9b/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"GET http://web/ HTTP/1.1\nHost: web\n\n",
        b"\nGET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"\rGET http://web/ HTTP/1.1\r\nHost: web\r\n\r\n",
        b"POST http://web/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x05\x01\x00",
        b"\x00",
    ],
)
def test_what_is_no_request_is_refused(head: bytes) -> None:
    bench = Bench()
    assert status(bench.ask(head, 1)) == 400
    assert bench.client.ended
    assert not bench.dialer.dialled


@pytest.mark.parametrize(
    ("line", "what"),
    [(b"X: a\rb", "bare CR"), (b"X: a\nb", "bare LF"), (b" X: a", "folded"), (b"X: \0", "NUL")],
)
def test_what_a_head_must_not_have_is_named(line: bytes, what: str) -> None:
    bench = Bench()
    assert what in body(bench.ask(b"GET http://web/ HTTP/1.1\r\n%s\r\nHost: w\r\n\r\n" % line))


@pytest.mark.parametrize("version", [b"2.0", b"0.9", b"3.1"])
def test_other_versions_are_not_spoken(version: bytes) -> None:
    bench = Bench()
    got = bench.ask(b"PRI http://web/ HTTP/%s\r\nHost: web\r\n\r\n" % version)
    assert status(got) == 505


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"+4\r\nabcd\r\n",
        b"0x4\r\nabcd\r\n",
        b" 4\r\nabcd\r\n",
        b"\r\n4\r\n",
        b"4\r\nabcdX\r\n",
        b"4\r\nabcd\n0\r\n\r\n",
        b"100000000000000000000000\r\n",
        b"4\nabcd\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"4;" + b"x" * 70_000,
    ],
    ids=lambda chunks: repr(chunks[:30]),
)
def test_a_chunk_that_is_wrong_ends_both_sides(chunks: bytes) -> None:
    bench = Bench()
    bench.ask(b"POST http://web/ HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n")
    got = bench.ask(chunks)
    assert status(got) == 400
    assert bench.client.ended
    # Not an orderly end: the upstream must not take what it has for the whole.
    assert bench.upstream.was_reset
    assert b"0\r\n\r\n" not in bench.upstream.take()
    assert bench.client.unconsumed == 0


def test_a_body_that_ends_early_ends_both_sides() -> None:
    bench = Bench()
    bench.ask(b"POST http://web/ HTTP/1.1\r\nHost: web\r\nContent-Length: 9\r\n\r\nhalf")
    bench.client.bring_end()
    assert status(bench.client.take()) == 400
    assert bench.upstream.was_reset
    assert bench.closed.codes == ["closed"]


def test_a_head_that_ends_early_is_told() -> None:
    bench = Bench()
    bench.ask(b"GET http://web/ HT")
    bench.client.bring_end()
    assert status(bench.client.take()) == 400


@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_a_head_over_the_limit_is_refused(piece: int) -> None:
    bench = Bench()
    got = bench.ask(b"GET http://web/ HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", piece)
    assert status(got) == 431
    assert bench.client.ended
    assert bench.client.unconsumed == 0
    assert bench.client.most_unconsumed <= max(piece, 66_000)


def test_a_head_up_to_the_limit_passes() -> None:
    bench = Bench()
    start, end = b"GET http://web/ HTTP/1.1\r\nHost: web\r\nX: ", b"\r\n\r\n"
    bench.ask(start + b"x" * (64 * 1024 - len(start) - len(end)) + end)
    assert bench.dialer.dialled == [("web", 80)]
