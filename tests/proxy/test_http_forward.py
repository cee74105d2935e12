"""What passes an HTTP proxy, and in which form."""

from __future__ import annotations

import pytest

from tests.proxy.memory_ends import Bench, joined_chunks

GET = b"GET http://web.example/page HTTP/1.1\r\nHost: ignored\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def get(url: bytes = b"http://web.example/page", *fields: bytes, method: bytes = b"GET") -> bytes:
    head = b"%s %s HTTP/1.1\r\nHost: ignored\r\n" % (method, url)
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


@pytest.mark.parametrize(
    ("url", "dialled", "line", "host"),
    [
        (b"http://web.example", ("web.example", 80), b"GET / HTTP/1.1", b"web.example"),
        (b"HTTP://Web.Example/A", ("web.example", 80), b"GET /A HTTP/1.1", b"Web.Example"),
        (b"http://web:8080/a?b=c", ("web", 8080), b"GET /a?b=c HTTP/1.1", b"web:8080"),
        (b"http://web:/x", ("web", 80), b"GET /x HTTP/1.1", b"web"),
        (b"http://web?q", ("web", 80), b"GET /?q HTTP/1.1", b"web"),
        (b"http://[::1]:81/", ("::1", 81), b"GET / HTTP/1.1", b"[::1]:81"),
        (b"http://10.0.0.7/", ("10.0.0.7", 80), b"GET / HTTP/1.1", b"10.0.0.7"),
    ],
)
def test_the_uri_says_where_to(
    url: bytes, dialled: tuple[str, int], line: bytes, host: bytes
) -> None:
    bench = Bench()
    bench.ask(get(url))
    lines = bench.upstream.take().split(b"\r\n")
    assert bench.dialer.dialled == [dialled]
    assert lines[:2] == [line, b"Host: " + host]


def test_options_without_a_path_asks_for_the_whole_server() -> None:
    bench = Bench()
    bench.ask(get(b"http://web.example", method=b"OPTIONS"))
    assert bench.upstream.take().startswith(b"OPTIONS * HTTP/1.1\r\n")


def test_hop_by_hop_fields_of_a_request_stay() -> None:
    bench = Bench()
    bench.ask(
        get(
            b"http://web.example/",
            b"Connection: keep-alive, X-Private, Content-Length, Host",
            b"X-Private: 1",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic c2VjcmV0",
            b"TE: gzip, trailers",
            b"Upgrade: websocket",
            b"Trailer: X-Sum",
            b"X-Public: 2",
            b"Via: 1.0 first",
        )
    )
    assert bench.upstream.take().split(b"\r\n")[1:-2] == [
        b"Host: web.example",
        b"Trailer: X-Sum",
        b"X-Public: 2",
        b"Via: 1.0 first",
        b"TE: trailers",
        b"Via: 1.1 norouter",
        b"Connection: TE",
    ]


def test_hop_by_hop_fields_of_an_answer_stay() -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(
        b"HTTP/1.1 200 Fine\r\nConnection: X-Private, keep-alive\r\nX-Private: 1\r\n"
        b"Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\n"
        b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
    )
    assert got == (
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n"
        b"Via: 1.1 norouter\r\n\r\n"
    )


def test_a_length_that_connection_names_still_frames_the_body() -> None:
    bench = Bench()
    bench.ask(
        b"POST http://web/ HTTP/1.1\r\nHost: web\r\nConnection: Content-Length\r\n"
        b"Content-Length: 4\r\n\r\nbody"
    )
    head, _, body = bench.upstream.take().partition(b"\r\n\r\n")
    assert b"Content-Length: 4" in head
    assert body == b"body"


def test_one_connection_serves_requests_to_different_hosts() -> None:
    bench = Bench()
    for host, text in ((b"one", b"1"), (b"two", b"2"), (b"one", b"3")):
        bench.ask(get(b"http://%s/" % host))
        got = bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + text)
        assert got.endswith(b"\r\n\r\n" + text)
        assert b"close" not in got
    assert bench.dialer.dialled == [("one", 80), ("two", 80), ("one", 80)]
    assert [end.ended for end in bench.dialer.ends] == [True, True, False]


def test_the_upstream_connection_is_used_again_for_the_same_host() -> None:
    bench = Bench()
    for _ in range(3):
        bench.ask(GET)
        assert bench.reply(OK).endswith(b"ok")
    assert len(bench.dialer.ends) == 1


def test_a_post_is_not_risked_on_a_connection_that_was_kept() -> None:
    bench = Bench()
    bench.ask(GET)
    bench.reply(OK)
    bench.ask(b"POST http://web.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
    assert len(bench.dialer.ends) == 2


def test_pipelined_requests_are_answered_in_order() -> None:
    bench = Bench()
    bench.ask(get(b"http://one/1") + get(b"http://two/2"))
    assert len(bench.dialer.ends) == 1
    first = bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
    assert first.endswith(b"1")
    assert bench.dialer.dialled == [("one", 80), ("two", 80)]
    assert bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2").endswith(b"2")


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_a_chunked_body_and_its_trailers_go_both_ways(piece: int) -> None:
    bench = Bench()
    body = b"4\r\nWiki\r\n5;ext=1\r\npedia\r\n0\r\nX-Sum: 9\r\nContent-Length: 3\r\n\r\n"
    bench.ask(
        b"POST http://web/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body, piece
    )
    head, _, sent = bench.upstream.take().partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert joined_chunks(sent) == (b"Wikipedia", b"X-Sum: 9")
    got = bench.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, piece)
    head, _, back = got.partition(b"\r\n\r\n")
    assert joined_chunks(back) == (b"Wikipedia", b"X-Sum: 9")
    assert bench.client.unconsumed == bench.upstream.unconsumed == 0


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        (b"HEAD", b"200 OK", b"Content-Length: 12345\r\n"),
        (b"GET", b"204 No Content", b""),
        (b"GET", b"304 Not Modified", b"Content-Length: 12345\r\n"),
    ],
)
def test_answers_without_a_body_end_with_their_head(
    method: bytes, status: bytes, fields: bytes
) -> None:
    bench = Bench()
    bench.ask(get(method=method))
    got = bench.reply(b"HTTP/1.1 %s\r\n%s\r\n" % (status, fields))
    assert got.startswith(b"HTTP/1.1 %s\r\n%sVia:" % (status, fields))
    bench.ask(GET)
    assert bench.reply(OK).endswith(b"ok")
    assert len(bench.dialer.ends) == 1


def test_interim_answers_pass_at_once_and_the_body_follows() -> None:
    bench = Bench()
    bench.ask(
        b"PUT http://web/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    )
    assert b"Expect: 100-continue" in bench.upstream.take()
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert bench.reply(early).startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n")
    assert bench.reply(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 100 Continue\r\n")
    assert bench.ask(b"body") == b""
    assert bench.upstream.take() == b"body"
    assert bench.reply(OK).endswith(b"ok")


def test_an_expectation_that_fails_leaves_the_client_to_choose() -> None:
    bench = Bench()
    bench.ask(
        b"PUT http://web/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    )
    got = bench.reply(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 417 No\r\n")
    assert not bench.client.ended
    bench.ask(b"body" + GET)
    assert bench.dialer.ends[0].take().endswith(b"\r\n\r\nbody")
    assert bench.reply(OK).endswith(b"ok")


def test_an_early_answer_with_close_says_close() -> None:
    bench = Bench()
    bench.ask(b"PUT http://web/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhal")
    got = bench.reply(b"HTTP/1.1 413 Big\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
    assert b"Connection: close" in got
    assert got.endswith(b"big")
    bench.upstream.bring_end()
    assert bench.client.ended
    bench.client.bring(b"the rest")
    assert bench.client.unconsumed == 0
    bench.client.bring_end()
    assert bench.closed.codes == ["closed"]


def test_an_event_stream_is_passed_on_event_by_event() -> None:
    bench = Bench()
    bench.ask(GET)
    bench.reply(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    for number in range(3):
        event = b"data: %d\n\n" % number
        assert event in bench.reply(event)
    bench.upstream.bring_end()
    assert bench.client.take() == b"0\r\n\r\n"
    assert not bench.client.ended


def test_a_close_delimited_answer_ends_the_connection_of_an_old_client() -> None:
    bench = Bench()
    bench.ask(b"GET http://web/ HTTP/1.0\r\n\r\n")
    assert b"Via: 1.0 norouter" in bench.upstream.take()
    got = bench.reply(b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert b"Transfer-Encoding" not in got
    assert got.endswith(b"\r\n\r\nhello")
    bench.upstream.bring_end()
    assert bench.client.ended


def test_chunks_are_undone_for_an_old_client() -> None:
    bench = Bench()
    bench.ask(b"GET http://web/ HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
    assert b"Expect" not in bench.upstream.take()
    assert bench.reply(b"HTTP/1.1 100 Continue\r\n\r\n") == b""
    got = bench.reply(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n"
    )
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"Connection: close" in head
    assert body == b"abc"
    assert bench.client.ended


def test_a_client_that_wants_to_close_is_closed_after_its_answer() -> None:
    bench = Bench()
    bench.ask(get(b"http://web/", b"Connection: close"))
    assert b"Connection: close" in bench.upstream.take()
    assert b"Connection: close" in bench.reply(OK)
    assert bench.client.ended


def test_a_half_closed_client_still_gets_its_answer() -> None:
    bench = Bench()
    bench.ask(GET)
    bench.client.bring_end()
    assert not bench.upstream.was_reset
    assert bench.reply(OK).endswith(b"ok")
    assert bench.client.ended
    assert bench.closed.codes == ["closed"]


def test_an_upgrade_becomes_a_tunnel() -> None:
    bench = Bench()
    bench.ask(get(b"http://web/ws", b"Connection: Upgrade", b"Upgrade: websocket") + b"early")
    sent = bench.upstream.take()
    assert b"Connection: Upgrade" in sent
    assert b"Upgrade: websocket" in sent
    assert not sent.endswith(b"early")
    got = bench.reply(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi"
    )
    head, _, rest = got.partition(b"\r\n\r\n")
    assert b"Upgrade: websocket" in head
    assert b"Connection: Upgrade" in head
    assert rest == b"hi"
    assert bench.upstream.take() == b"early"
    assert bench.client.peer is bench.upstream
    assert bench.upstream.peer is bench.client
    assert bench.clock.set_timers == 0


def test_an_upgrade_that_is_declined_is_an_ordinary_answer() -> None:
    bench = Bench()
    bench.ask(get(b"http://web.example/ws", b"Connection: Upgrade", b"Upgrade: websocket"))
    assert bench.reply(OK).endswith(b"ok")
    bench.ask(GET)
    assert bench.reply(OK).endswith(b"ok")
    assert len(bench.dialer.ends) == 1


def test_an_upgrade_that_nobody_asked_for_is_a_bad_answer() -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 502 ")


def test_an_old_client_cannot_upgrade() -> None:
    bench = Bench()
    bench.ask(
        b"GET http://web/ HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert b"Upgrade" not in bench.upstream.take()


def test_max_forwards_counts_down_and_ends_here() -> None:
    bench = Bench()
    bench.ask(get(b"http://web/", b"Max-Forwards: 3", method=b"OPTIONS"))
    assert b"Max-Forwards: 2\r\n" in bench.upstream.take()
    bench.reply(OK)
    got = bench.ask(get(b"http://web/", b"Max-Forwards: 0", method=b"OPTIONS"))
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(bench.dialer.ends) == 1


def test_two_framings_in_one_answer_are_made_one() -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n0\r\n\r\n"
    )
    assert b"Content-Length" not in got
    assert got.endswith(b"2\r\nab\r\n0\r\n\r\n")
    bench.ask(GET)
    assert len(bench.dialer.ends) == 2
