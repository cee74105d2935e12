"""SOCKS handshakes as bytes: every version, every split, every length that is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.proxy.memory_ends import Bench

USER = "user:pass:word"
NONE5 = b"\x05\x01\x00"
BOTH5 = b"\x05\x02\x00\x02"
LOGIN = b"\x01\x04user\x09pass:word"
NAME5 = b"\x05\x01\x00\x03\x0bweb.example\x01\xbb"


def reply5(code: int) -> bytes:
    return bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))


def reply4(code: int) -> bytes:
    return bytes((0, code, 0, 0, 0, 0, 0, 0))


@dataclass(frozen=True)
class Played:
    """How a handshake went: what the client was sent, and who it was connected to."""

    sent: bytes
    target: tuple[str, int] | None = None
    early: bytes = b""
    """What came behind the handshake, as the target gets it."""
    rejected: str = ""
    """Why it got no target."""


def play(data: bytes, auth: str | None = None) -> Played:
    """Play a handshake that comes at once, in two pieces, and byte by byte."""
    whole = _play([data], auth)
    for cut in range(1, len(data)):
        assert _play([data[:cut], data[cut:]], auth) == whole, cut
    assert _play([data[at : at + 1] for at in range(len(data))], auth) == whole
    return whole


def _play(pieces: list[bytes], auth: str | None) -> Played:
    bench = Bench("socks", auth=auth)
    bench.dialer.at_once = False
    for piece in pieces:
        bench.client.bring(piece)
    sent = bench.client.take()
    if not bench.dialer.ends:
        rejected = bench.logged[0].removeprefix("socks proxy: rejected: ") if bench.logged else ""
        assert bench.client.ended is bool(bench.logged)
        return Played(sent, rejected=rejected)
    bench.dialer.settle()
    (target,) = bench.dialer.dialled
    return Played(sent, target, bench.upstream.take())


EARLY = b"early \x05\x04 bytes"


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (b"\x04\x01\x00\x50\x0a\x00\x00\x07\x00", ("10.0.0.7", 80)),
        (b"\x04\x01\x01\xbb\x0a\x00\x00\x07me\x00", ("10.0.0.7", 443)),
        (
            b"\x04\x01\x00\x50\x0a\x00\x00\x07" + b"u" * 255 + b"\x00",
            ("10.0.0.7", 80),
        ),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00web\x00", ("web", 80)),
        (b"\x04\x01\x00\x50\x00\x00\x00\xff\x00Web.\x00", ("web.", 80)),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x0010.0.0.7\x00", ("10.0.0.7", 80)),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00::1\x00", ("::1", 80)),
    ],
)
def test_socks4_asks_for_a_target(data: bytes, target: tuple[str, int]) -> None:
    assert play(data + EARLY) == Played(b"", target, EARLY)


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (b"\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50", ("10.0.0.7", 80)),
        (NAME5, ("web.example", 443)),
        (b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50", ("::1", 80)),
        (
            b"\x05\x01\x00\x04" + bytes(10) + b"\xff\xff\x0a\x00\x00\x07\x00\x50",
            ("10.0.0.7", 80),
        ),
        (
            b"\x05\x01\x00\x03\xfd" + b".".join([b"a" * 63] * 4)[:253] + b"\x00\x50",
            (".".join(["a" * 63] * 4)[:253], 80),
        ),
    ],
)
def test_socks5_asks_for_a_target(data: bytes, target: tuple[str, int]) -> None:
    assert play(NONE5 + data + EARLY) == Played(b"\x05\x00", target, EARLY)


def test_socks5_with_a_password() -> None:
    played = play(BOTH5 + LOGIN + NAME5 + EARLY, USER)
    assert played == Played(b"\x05\x02\x01\x00", ("web.example", 443), EARLY)


@pytest.mark.parametrize(
    "login",
    [
        b"\x01\x04user\x04pass",
        b"\x01\x04usex\x09pass:word",
        b"\x01\x00\x00",
        b"\x01\x00\x09pass:word",
        b"\x05\x04user\x09pass:word",
    ],
)
def test_socks5_with_a_wrong_password(login: bytes) -> None:
    played = play(BOTH5 + login + NAME5, USER)
    assert played.sent == b"\x05\x02\x01\x01"
    assert played.rejected


@pytest.mark.parametrize(
    ("greeting", "auth"),
    [
        (b"\x05\x00", None),
        (b"\x05\x01\x02", None),
        (b"\x05\x02\x01\x80", None),
        (b"\x05\x01\x00", USER),
        (b"\x05\x00", USER),
        (b"\x05\xff" + bytes(255), USER),
    ],
)
def test_socks5_without_a_common_method(greeting: bytes, auth: str | None) -> None:
    played = play(greeting, auth)
    assert played.sent == b"\x05\xff"
    assert "does not offer" in played.rejected


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", 7),
        (b"\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", 7),
        (b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", 7),
        (b"\x05\xf0\x00\x03\x03web\x00\x50", 7),
        (b"\x05\x01\x00\x02\x7f\x00\x00\x01\x00\x50", 8),
        (b"\x05\x01\x00\x00\x7f\x00\x00\x01\x00\x50", 8),
        (b"\x05\x01\x00\xff\x7f\x00\x00\x01\x00\x50", 8),
        (b"\x05\x01\x07\x01\x7f\x00\x00\x01\x00\x50", 1),
        (b"\x04\x01\x00\x01\x7f\x00\x00\x01\x00\x50", 1),
        (b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00", 1),
        (b"\x05\x01\x00\x03\x00\x00\x50", 1),
        (b"\x05\x01\x00\x03\x04a\x00b\n\x00\x50", 1),
        (b"\x05\x01\x00\x03\x04a..b\x00\x50", 1),
        (b"\x05\x01\x00\x03\x05w\xc3\xa9b.\x00\x50", 1),
        (b"\x05\x01\x00\x03\x05127.1\x00\x50", 1),
        (b"\x05\x01\x00\x03\xff" + b"a" * 255 + b"\x00\x50", 1),
    ],
)
def test_socks5_refuses_with_the_exact_code(request_: bytes, code: int) -> None:
    played = play(NONE5 + request_)
    assert played.sent == b"\x05\x00" + reply5(code)
    assert played.rejected


@pytest.mark.parametrize(
    "data",
    [
        b"\x04\x02\x00\x50\x0a\x00\x00\x07\x00",
        b"\x04\x00\x00\x50\x0a\x00\x00\x07\x00",
        b"\x04\x01\x00\x00\x0a\x00\x00\x07\x00",
        b"\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00",
        b"\x04\x01\x00\x50\x00\x00\x00\x01\x00a b\x00",
        b"\x04\x01\x00\x50\x00\x00\x00\x01\x00" + b"a" * 256,
        b"\x04\x01\x00\x50\x0a\x00\x00\x07" + b"u" * 256,
        b"\x04\x01\x00\x50\x0a\x00\x00\x07" + b"u" * 256 + b"\x00",
    ],
)
def test_socks4_refuses(data: bytes) -> None:
    played = play(data)
    assert played.sent == reply4(0x5B)
    assert played.rejected


def test_socks4_cannot_carry_a_password() -> None:
    played = play(b"\x04\x01\x00\x50\x0a\x00\x00\x07user\x00", USER)
    assert played == Played(reply4(0x5D), rejected="SOCKS4 cannot carry a password")


@pytest.mark.parametrize("first", [0, 1, 3, 6, 22, 255])
def test_other_versions_are_refused(first: int) -> None:
    assert play(bytes((first, 1, 0))) == Played(b"", rejected="not SOCKS 4 or 5")


def test_http_gets_a_hint() -> None:
    played = play(b"CONNECT web:443 HTTP/1.1\r\n")
    assert played.sent.startswith(b"HTTP/1.0 400 ")
    assert b"this is a SOCKS proxy" in played.sent


def test_a_handshake_waits_for_its_last_byte() -> None:
    for data, auth in (
        (b"\x04\x01\x00\x50\x0a\x00\x00\x07me\x00", None),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00web\x00", None),
        (NONE5 + NAME5, None),
        (BOTH5 + LOGIN + NAME5, USER),
    ):
        played = _play([data[:-1]], auth)
        assert played.target is None and not played.rejected


@pytest.mark.parametrize(
    ("code", "reason", "five"),
    [
        ("refused", "Connection refused", 5),
        ("unreachable", "No route to host", 4),
        ("unreachable", "Network is unreachable", 3),
        ("name", "Name or service not known", 4),
        ("not-allowed", "no route allows it", 2),
        ("timeout", "no answer within 30 s", 6),
        ("gone", "the host was lost", 1),
        ("too-many", "", 1),
        ("internal", "", 1),
        ("a new code", "", 1),
    ],
)
def test_replies_to_a_failed_dial(code: str, reason: str, five: int) -> None:
    for data, reply in (
        (NONE5 + NAME5, b"\x05\x00" + reply5(five)),
        (b"\x04\x01\x00\x50\x0a\x00\x00\x07\x00", reply4(0x5B)),
    ):
        bench = Bench("socks")
        bench.dialer.outcome = (code, reason)
        assert bench.ask(data) == reply
        assert bench.client.ended
