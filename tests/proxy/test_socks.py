"""SOCKS sessions: from the handshake to the tunnel, and every other end."""

from __future__ import annotations

import pytest

from tests.proxy.memory_ends import Bench

ASK5 = b"\x05\x01\x00\x05\x01\x00\x03\x03web\x00\x50"
ASK4 = b"\x04\x01\x00\x50\x00\x00\x00\x01\x00web\x00"
GRANTED5 = b"\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
GRANTED4 = b"\x00\x5a\x00\x00\x00\x00\x00\x00"


@pytest.mark.parametrize(
    ("ask", "granted", "kind"), [(ASK5, GRANTED5, "socks5"), (ASK4, GRANTED4, "socks4a")]
)
@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize("early", [b"", b"early"])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_tunnel(
    ask: bytes, granted: bytes, kind: str, piece: int, early: bytes, at_once: bool
) -> None:
    bench = Bench("socks")
    bench.dialer.at_once = at_once
    got = bench.ask(ask + early, piece)
    if not at_once:
        # Success only after the far side has connected.
        assert got == (b"\x05\x00" if kind == "socks5" else b"")
        bench.dialer.settle()
        got += bench.client.take()
    assert got == granted
    assert bench.dialer.dialled == [("web", 80)]
    assert bench.upstream.take() == early
    assert bench.client.peer is bench.upstream
    assert bench.upstream.peer is bench.client
    assert bench.client.unconsumed == 0
    bench.upstream.bring(b"later")
    assert bench.client.take() == b"later"
    assert bench.session.bytes_in == len(granted) + 5
    assert bench.clock.set_timers == 0


def test_a_client_that_ends_early_ends_the_tunnel_that_way_only() -> None:
    bench = Bench("socks")
    bench.dialer.at_once = False
    got = bench.ask(ASK5 + b"question")
    bench.client.bring_end()
    bench.dialer.settle()
    assert got + bench.client.take() == GRANTED5
    assert bench.upstream.take() == b"question"
    assert bench.upstream.ended
    assert not bench.client.ended
    bench.upstream.bring(b"answer")
    bench.upstream.bring_end()
    assert bench.client.take() == b"answer"
    assert bench.client.ended


def test_a_target_that_speaks_and_ends_at_once() -> None:
    bench = Bench("socks")
    bench.dialer.at_once = False
    bench.client.blocked = True
    bench.ask(ASK5)
    bench.dialer.settle()
    bench.upstream.bring(b"banner")
    bench.upstream.bring_end()
    # The answer to the greeting has not left yet: nothing may overtake it.
    assert bench.client.peer is bench.session
    bench.client.unblock()
    assert bench.client.take() == GRANTED5 + b"banner"
    assert bench.client.ended
    assert bench.upstream.unconsumed == 0


@pytest.mark.parametrize(
    ("code", "five"),
    [("refused", 5), ("unreachable", 4), ("not-allowed", 2), ("timeout", 6), ("gone", 1)],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_dial_that_fails(code: str, five: int, at_once: bool) -> None:
    for ask, expected in ((ASK5, b"\x05\x00\x05" + bytes((five, 0, 1))), (ASK4, b"\x00\x5b")):
        bench = Bench("socks")
        bench.dialer.outcome = (code, "")
        bench.dialer.at_once = at_once
        got = bench.ask(ask + b"early")
        if not at_once:
            bench.dialer.settle()
            got += bench.client.take()
        assert got == expected + bytes(6)
        assert bench.client.ended
        assert bench.client.unconsumed == 0
        assert len(bench.logged) == 1
        bench.client.bring_end()
        assert bench.closed.codes == ["closed"]
        assert bench.clock.set_timers == 0


def test_a_slow_handshake_is_given_up() -> None:
    bench = Bench("socks", header_timeout=5)
    for byte in b"\x05\x01\x00\x05\x01":
        bench.ask(bytes((byte,)))
        bench.clock.advance(0.9)
    assert not bench.client.ended
    bench.clock.advance(0.5)
    assert bench.client.ended
    bench.clock.advance(bench.settings.linger)
    assert bench.client.was_reset
    assert bench.clock.set_timers == 0


def test_a_client_that_leaves_in_the_handshake_is_forgotten() -> None:
    bench = Bench("socks")
    bench.ask(ASK5[:6])
    bench.client.bring_end()
    assert bench.client.ended
    assert bench.closed.codes == ["closed"]
    bench = Bench("socks")
    bench.ask(ASK5[:6])
    bench.client.bring_reset()
    assert bench.closed.codes == ["reset"]
    assert bench.clock.set_timers == 0


def test_a_client_that_leaves_while_it_is_dialled_for_cancels_the_dial() -> None:
    bench = Bench("socks")
    bench.dialer.at_once = False
    bench.ask(ASK5)
    bench.client.bring_reset()
    assert bench.upstream.was_reset
    assert bench.closed.codes == ["reset"]


def test_a_target_lost_before_the_client_took_its_answer_resets_it() -> None:
    bench = Bench("socks")
    bench.ask(ASK5[:3])
    bench.client.blocked = True
    bench.ask(ASK5[3:])
    bench.upstream.bring_reset()
    bench.client.unblock()
    assert bench.client.was_reset == ("reset", "Connection reset by peer")


def test_a_client_that_takes_nothing_is_given_up() -> None:
    bench = Bench("socks", header_timeout=5)
    bench.client.blocked = True
    bench.ask(ASK5)
    bench.clock.advance(5)
    assert bench.client.was_reset
    assert bench.upstream.was_reset
    assert bench.closed.codes == ["timeout"]


def test_a_client_of_a_link_is_accepted_before_it_is_answered() -> None:
    bench = Bench("socks", address=("127.0.42.1", 1080))
    assert bench.client.accepted == [("127.0.42.1", 1080)]


def test_an_observer_hears_of_the_end_of_a_tunnel() -> None:
    bench = Bench("socks")
    bench.ask(ASK5)
    bench.upstream.bring_reset()
    assert bench.client.was_reset == ("reset", "Connection reset by peer")
    assert bench.closed.codes == ["reset"]
