"""Requests and answers that break a rule, and that every client and server takes all the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.proxy import answer_head
from norouter_core.proxy.chunk_lines import ChunkLines
from tests.proxy.memory_ends import Bench, body, joined_chunks, status

GET = b"GET http://web.example/page HTTP/1.1\r\nHost: web.example\r\n\r\n"


@pytest.mark.parametrize(
    ("sloppy", "passes"),
    [
        (b"X-A : b", b"X-A: b"),
        (b"X-A\t:b", b"X-A: b"),
        (b": nothing", b""),
        (b"X/B: c", b""),
        (b"no colon", b""),
        (b"X/B: c\r\n folded: on", b""),
        (b"Transfer-Encoding: Identity", b""),
    ],
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_head_of_an_answer_is_repaired(
    sloppy: bytes, passes: bytes, line_end: bytes, at_once: bool
) -> None:
    bench = Bench()
    bench.ask(GET)
    lines = (b"http/1.1 200 fine", b"X-First: 1", sloppy, b"Content-Length: 3", b"", b"ok\n")
    answer = line_end.join(lines)
    pieces = [answer] if at_once else [bytes((byte,)) for byte in answer]
    got = b"".join(bench.reply(piece) for piece in pieces)
    head, _, content = got.partition(b"\r\n\r\n")
    assert content == b"ok\n"
    fields = head.split(b"\r\n")
    assert fields[0] == b"HTTP/1.1 200 fine" and b"X-First: 1" in fields
    assert [each for each in fields if each.lower().startswith((b"x-a", b"x/b", b"no"))] == (
        [passes] if passes else []
    )
    assert not bench.client.ended


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DATA = b"1\n\r\n", b"\n\n456789\r\n"


def chunks(end: bytes) -> bytes:
    """An answer whose lines end so; what is in the chunks stays as it is."""
    lines = b"4", DATA[0], b"A;x=y", DATA[1], b"0", b"X-Sum: 1", b""
    return CHUNKED + b"".join(line + end for line in lines)


@pytest.mark.parametrize("at", range(len(CHUNKED), len(chunks(b"\n"))))
def test_chunks_pass_whose_lines_end_in_lf_alone(at: int) -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(chunks(b"\n")[:at]) + bench.reply(chunks(b"\n")[at:])
    assert joined_chunks(got.partition(b"\r\n\r\n")[2]) == (b"".join(DATA), b"X-Sum: 1")
    assert not bench.client.ended


def test_no_answer_follows_one_that_others_may_end_elsewhere() -> None:
    for end, dials in ((b"\r\n", 1), (b"\n", 2)):
        bench = Bench()
        for _ in range(2):
            bench.ask(GET)
            bench.reply(chunks(end))
        assert len(bench.dialer.dialled) == dials


@pytest.mark.parametrize(
    "bad", [b"2\nokX\n", b"2\nok\rX\n", b"\n2\nok\n", b"2 2\nok\n", b"-2\nok\n"]
)
def test_what_is_no_chunk_is_not_repaired(bad: bytes) -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(CHUNKED + bad + b"0\n\n")
    assert not got.endswith(b"0\r\n\r\n")


@given(
    st.lists(st.sampled_from([b"1", b"a", b"0", b"f" * 30, b"\r", b"\n", b"\r\n", b";x"])),
    st.integers(0, 60),
)
def test_lines_of_chunks_are_the_same_wherever_they_are_split(parts: list[bytes], at: int) -> None:
    text = b"".join(parts)
    whole, split = ChunkLines(), ChunkLines()
    repaired = whole.feed(text)
    assert split.feed(text[:at]) + split.feed(text[at:]) == repaired
    assert split.repaired == whole.repaired == (repaired != text)
    assert ChunkLines().feed(repaired) == repaired


@given(st.binary(max_size=60), st.integers(0, 60))
def test_an_end_is_found_wherever_the_head_is_split(text: bytes, at: int) -> None:
    whole = bytearray(b"HTTP/1.1 200 OK\r\n" + text)
    at = min(17 + at, len(whole))
    found = answer_head.find_head(whole[:at], 0)
    assert answer_head.find_head(whole, at if found is None else 0) == answer_head.find_head(
        whole, 0
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x28", "not HTTP: it begins with"),
        (b"SSH-2.0-OpenSSH_9.2", "not HTTP: it begins with"),
        (b"\0\0\x12\x04\0\0\0\0\0", "HTTP/2, which needs a tunnel, as by curl --proxytunnel"),
        (b"HTTP/1.1 two OK\r\n\r\n", "not HTTP: illegal status line: HTTP/1.1 two OK"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "not HTTP: its head is over 64 KiB"),
    ],
)
def test_what_is_no_answer_is_told_at_once_and_plainly(answer: bytes, why: str) -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(answer)
    assert status(got) == 502
    assert why in body(got) and "bytearray" not in body(got)


def test_a_target_beyond_ascii_is_percent_encoded() -> None:
    bench = Bench()
    bench.ask("GET http://web.example/ä.txt?ö HTTP/1.1\r\nHost: web.example\r\n\r\n".encode())
    assert bench.upstream.take().startswith(b"GET /%C3%A4.txt?%C3%B6 HTTP/1.1\r\n")


def test_a_malformed_request_is_quoted_plainly() -> None:
    bench = Bench()
    got = bench.ask(b"GET http://web.example/ HTTP/1.1\r\nX-A : b\r\n\r\n")
    assert status(got) == 400
    assert body(got) == "norouter: malformed request: illegal header line: X-A : b\n"


def test_ws_is_http_and_wss_needs_a_tunnel() -> None:
    bench = Bench()
    fields = b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    bench.ask(b"GET ws://web.example/chat HTTP/1.1\r\n" + fields)
    assert bench.dialer.dialled == [("web.example", 80)]
    assert bench.upstream.take().startswith(b"GET /chat HTTP/1.1\r\n")
    got = Bench().ask(b"GET wss://web.example/chat HTTP/1.1\r\n" + fields)
    assert status(got) == 400 and "wss:// needs CONNECT" in body(got)


@pytest.mark.parametrize("scheme", [b"NTLM", b"Negotiate", b"ntlm", b"Basic"])
def test_a_login_that_holds_for_a_connection_keeps_it(scheme: bytes) -> None:
    bench = Bench()
    post = (
        b"POST http://web.example/page HTTP/1.1\r\nHost: web.example\r\n"
        b"Authorization: %s dGVzdA==\r\nContent-Length: %d\r\n\r\n%s"
    )
    bench.ask(post % (scheme, 0, b""))
    challenge = b"WWW-Authenticate: %s dGVzdA==" % scheme
    bench.reply(b"HTTP/1.1 401 No\r\n" + challenge + b"\r\nContent-Length: 0\r\n\r\n")
    bench.ask(post % (scheme, 5, b"hello"))
    bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    bench.ask(post % (scheme, 5, b"hello"))
    assert len(bench.dialer.dialled) == (3 if scheme == b"Basic" else 1)
