"""Time limits of the HTTP proxy, and connections that are lost in the middle."""

from __future__ import annotations

import pytest

from tests.proxy.memory_ends import Bench, body, status

GET = b"GET http://web.example/page HTTP/1.1\r\nHost: ignored\r\n\r\n"
CONNECT = b"CONNECT web.example:443 HTTP/1.1\r\nHost: web.example:443\r\n\r\n"
POST = b"POST http://web.example/page HTTP/1.1\r\nContent-Length: 4\r\nHost: ignored\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# -- time ----------------------------------------------------------------------------------


def test_a_slow_head_is_refused() -> None:
    bench = Bench(header_timeout=5)
    for byte in b"GET http":
        bench.client.bring(bytes((byte,)))
        bench.clock.advance(0.5)
    assert bench.client.take() == b""
    bench.clock.advance(1)
    assert status(bench.client.take()) == 408
    assert bench.client.ended
    bench.client.bring(b"more")
    assert bench.client.unconsumed == 0
    bench.clock.advance(bench.settings.linger)
    assert bench.client.was_reset
    assert bench.clock.set_timers == 0
    assert bench.closed.codes == ["timeout"]


def test_a_silent_connection_is_closed() -> None:
    bench = Bench()
    bench.clock.advance(bench.settings.header_timeout)
    assert bench.client.ended
    assert bench.client.take() == b""


def test_an_idle_connection_is_closed_with_its_upstream() -> None:
    bench = Bench(keep_alive=10)
    bench.ask(GET)
    bench.reply(OK)
    bench.clock.advance(9)
    assert not bench.client.ended
    bench.clock.advance(1)
    assert bench.client.ended
    assert bench.upstream.ended
    assert not bench.upstream.was_reset
    bench.clock.advance(5)
    assert bench.upstream.was_reset


def test_a_tunnel_whose_target_is_not_reached_is_a_gateway_timeout() -> None:
    bench = Bench(idle_timeout=60)
    bench.dialer.at_once = False
    bench.ask(CONNECT)
    bench.clock.advance(60)
    got = bench.client.take()
    assert status(got) == 504
    assert "did not answer within 60 s" in body(got)
    assert bench.upstream.was_reset


@pytest.mark.parametrize("request_", [GET, POST + b"body"])
def test_a_client_may_wait_for_its_answer_as_long_as_it_likes(request_: bytes) -> None:
    bench = Bench(idle_timeout=60)
    bench.ask(request_)
    bench.clock.advance(100_000)
    bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    bench.clock.advance(100_000)
    assert bench.reply(b"ok") == b"ok"
    assert bench.clock.set_timers <= 1


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    bench = Bench(idle_timeout=60)
    bench.ask(POST)
    bench.clock.advance(50)
    bench.ask(b"bo")
    bench.clock.advance(50)
    assert bench.client.take() == b""
    bench.clock.advance(10)
    got = bench.client.take()
    assert status(got) == 408 and "for 60 s" in body(got)
    assert bench.upstream.was_reset


# -- losses --------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 O"])
def test_an_upstream_that_closes_without_an_answer_is_told(begun: bytes) -> None:
    bench = Bench()
    bench.ask(GET)
    bench.reply(begun)
    bench.upstream.bring_end()
    got = bench.client.take()
    assert status(got) == 502
    assert "closed the connection" in body(got)
    assert not bench.client.ended


def test_an_upstream_that_is_reset_before_its_answer_is_told() -> None:
    bench = Bench()
    bench.ask(GET)
    bench.upstream.bring_reset()
    got = bench.client.take()
    assert status(got) == 502
    assert "Connection reset by peer" in body(got)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_an_answer_that_is_not_http_is_told(answer: bytes) -> None:
    bench = Bench()
    bench.ask(GET)
    got = bench.reply(answer)
    assert status(got) == 502
    assert "not HTTP" in body(got)
    assert bench.upstream.was_reset


def test_an_answer_that_is_cut_short_is_seen_to_be() -> None:
    for cut in ("end", "reset"):
        for head in (b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b""):
            bench = Bench()
            bench.ask(GET)
            got = bench.reply(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
            if cut == "reset":
                bench.upstream.bring_reset()
                assert bench.client.was_reset == ("reset", "Connection reset by peer")
            elif head:
                bench.upstream.bring_end()
                assert bench.client.ended
            else:
                continue  # an end is how such an answer ends
            assert not (got + bench.client.take()).endswith(b"0\r\n\r\n")


def test_an_old_client_is_reset_where_it_could_not_tell() -> None:
    bench = Bench()
    bench.ask(b"GET http://web/ HTTP/1.0\r\n\r\n")
    bench.reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    bench.upstream.bring_end()
    assert bench.client.was_reset
    assert not bench.client.ended


@pytest.mark.parametrize("loss", ["end", "reset"])
def test_a_kept_connection_that_is_dead_costs_nothing(loss: str) -> None:
    bench = Bench()
    bench.ask(GET)
    bench.reply(OK)
    bench.upstream.take()
    bench.ask(GET)
    first = bench.upstream
    again = first.take()
    if loss == "end":
        first.bring_end()
    else:
        first.bring_reset()
    assert len(bench.dialer.ends) == 2
    assert bench.upstream.take() == again
    assert bench.reply(OK).endswith(b"ok")
    # But a second loss is the answer.
    bench.ask(GET)
    bench.upstream.bring_reset()
    bench.upstream.bring_reset()
    assert len(bench.dialer.ends) == 3
    assert status(bench.client.take()) == 502


def test_a_kept_connection_that_has_ended_is_not_used() -> None:
    bench = Bench()
    bench.ask(GET)
    bench.reply(OK)
    bench.upstream.bring_end()
    assert bench.upstream.ended
    bench.ask(GET)
    assert len(bench.dialer.ends) == 2


@pytest.mark.parametrize("request_", [GET, CONNECT])
def test_a_client_that_is_reset_resets_its_upstream(request_: bytes) -> None:
    bench = Bench()
    bench.dialer.at_once = False
    bench.ask(request_)
    bench.client.bring_reset("gone", "the host was lost")
    assert bench.upstream.was_reset == ("gone", "the host was lost")
    assert bench.closed.codes == ["gone"]
    assert bench.clock.set_timers == 0


@pytest.mark.parametrize("request_", [GET, CONNECT])
def test_killing_client_and_session_ends_all(request_: bytes) -> None:
    bench = Bench()
    bench.ask(request_)
    for end in (bench.client, bench.session):
        end.reset("killed", "killed by the user")
    bench.clock.run()
    assert bench.upstream.was_reset == ("killed", "killed by the user")
    assert bench.closed.codes == ["killed"]
    assert bench.clock.set_timers == 0


def test_killing_the_target_alone_ends_the_client_too() -> None:
    bench = Bench()
    bench.ask(GET)
    bench.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    bench.upstream.reset("killed", "killed by the user")
    bench.clock.run()
    assert bench.client.was_reset == ("killed", "killed by the user")
