"""SOCKS handshakes as bytes: every version, every split, every length that is wrong."""

from __future__ import annotations

import pytest

from norouter_core.proxy.auth import Credentials
from norouter_core.proxy.handshake import Connect, Handshake, Reject, Send, Step

USER = Credentials("user:pass:word")
NONE5 = b"\x05\x01\x00"
BOTH5 = b"\x05\x02\x00\x02"
LOGIN = b"\x01\x04user\x09pass:word"
NAME5 = b"\x05\x01\x00\x03\x0bweb.example\x01\xbb"


def reply5(code: int) -> bytes:
    return bytes((5, code, 0, 1, 0, 0, 0, 0, 0, 0))


def reply4(code: int) -> bytes:
    return bytes((0, code, 0, 0, 0, 0, 0, 0))


def play(data: bytes, credentials: Credentials | None = None) -> tuple[list[Step], bytes]:
    """The steps of a handshake that comes byte by byte, and what of `data` it left."""
    whole = _play([data], credentials)
    for cut in range(1, len(data)):
        assert _play([data[:cut], data[cut:]], credentials) == whole, cut
    assert _play([data[at : at + 1] for at in range(len(data))], credentials) == whole
    return whole


def _play(pieces: list[bytes], credentials: Credentials | None) -> tuple[list[Step], bytes]:
    handshake = Handshake(credentials)
    buffer = bytearray()
    steps = []
    for piece in pieces:
        buffer += piece
        while (step := handshake.step(buffer)) is not None:
            steps.append(step)
    if steps and isinstance(steps[-1], Reject):
        # What a client that was refused sends on is of no interest.
        buffer.clear()
    return steps, bytes(buffer)


EARLY = b"early \x05\x04 bytes"


@pytest.mark.parametrize(
    ("data", "reach"),
    [
        (b"\x04\x01\x00\x50\x0a\x00\x00\x07\x00", Connect("10.0.0.7", 80, "socks4")),
        (b"\x04\x01\x01\xbb\x0a\x00\x00\x07me\x00", Connect("10.0.0.7", 443, "socks4")),
        (
            b"\x04\x01\x00\x50\x0a\x00\x00\x07" + b"u" * 255 + b"\x00",
            Connect("10.0.0.7", 80, "socks4"),
        ),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00web\x00", Connect("web", 80, "socks4a")),
        (b"\x04\x01\x00\x50\x00\x00\x00\xff\x00Web.\x00", Connect("web.", 80, "socks4a")),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x0010.0.0.7\x00", Connect("10.0.0.7", 80, "socks4a")),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01\x00::1\x00", Connect("::1", 80, "socks4a")),
    ],
)
def test_socks4_asks_for_a_target(data: bytes, reach: Connect) -> None:
    assert play(data + EARLY) == ([reach], EARLY)


@pytest.mark.parametrize(
    ("data", "reach"),
    [
        (b"\x05\x01\x00\x01\x0a\x00\x00\x07\x00\x50", Connect("10.0.0.7", 80, "socks5")),
        (NAME5, Connect("web.example", 443, "socks5")),
        (b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x00\x50", Connect("::1", 80, "socks5")),
        (
            b"\x05\x01\x00\x04" + bytes(10) + b"\xff\xff\x0a\x00\x00\x07\x00\x50",
            Connect("10.0.0.7", 80, "socks5"),
        ),
        (
            b"\x05\x01\x00\x03\xfd" + b".".join([b"a" * 63] * 4)[:253] + b"\x00\x50",
            Connect(".".join(["a" * 63] * 4)[:253], 80, "socks5"),
        ),
    ],
)
def test_socks5_asks_for_a_target(data: bytes, reach: Connect) -> None:
    assert play(NONE5 + data + EARLY) == ([Send(b"\x05\x00"), reach], EARLY)


def test_socks5_with_a_password() -> None:
    steps, rest = play(BOTH5 + LOGIN + NAME5 + EARLY, USER)
    assert steps == [Send(b"\x05\x02"), Send(b"\x01\x00"), Connect("web.example", 443, "socks5")]
    assert rest == EARLY


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
    steps, _ = play(BOTH5 + login + NAME5, USER)
    assert isinstance(steps[-1], Reject)
    assert steps[-1].data == b"\x01\x01"
    assert len(steps) == 2


@pytest.mark.parametrize(
    ("greeting", "credentials"),
    [
        (b"\x05\x00", None),
        (b"\x05\x01\x02", None),
        (b"\x05\x02\x01\x80", None),
        (b"\x05\x01\x00", USER),
        (b"\x05\x00", USER),
        (b"\x05\xff" + bytes(255), USER),
    ],
)
def test_socks5_without_a_common_method(greeting: bytes, credentials: Credentials | None) -> None:
    ((step,), _) = play(greeting, credentials)
    assert isinstance(step, Reject)
    assert step.data == b"\x05\xff"


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
    steps, _ = play(NONE5 + request_)
    assert steps[0] == Send(b"\x05\x00")
    assert isinstance(steps[1], Reject)
    assert steps[1].data == reply5(code)
    assert steps[1].text
    assert len(steps) == 2


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
    ((step,), _) = play(data)
    assert isinstance(step, Reject)
    assert step.data == reply4(0x5B)


def test_socks4_cannot_carry_a_password() -> None:
    ((step,), _) = play(b"\x04\x01\x00\x50\x0a\x00\x00\x07user\x00", USER)
    assert isinstance(step, Reject)
    assert step.data == reply4(0x5D)


@pytest.mark.parametrize("first", [0, 1, 3, 6, 22, 255])
def test_other_versions_are_refused(first: int) -> None:
    ((step,), _) = play(bytes((first, 1, 0)))
    assert step == Reject(b"", "not SOCKS 4 or 5")


def test_http_is_told_where_it_is() -> None:
    ((step,), _) = play(b"CONNECT web:443 HTTP/1.1\r\n")
    assert isinstance(step, Reject)
    assert step.data.startswith(b"HTTP/1.0 400 ")
    assert b"this is a SOCKS proxy" in step.data


def test_a_handshake_waits_for_its_last_byte() -> None:
    for data, credentials in (
        (b"\x04\x01\x00\x50\x0a\x00\x00\x07me\x00", None),
        (b"\x04\x01\x00\x50\x00\x00\x00\x01me\x00web\x00", None),
        (NONE5 + NAME5, None),
        (BOTH5 + LOGIN + NAME5, USER),
    ):
        steps, rest = _play([data[:-1]], credentials)
        assert not any(isinstance(step, (Connect, Reject)) for step in steps)
        assert rest


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
def test_how_a_failed_dial_is_told(code: str, reason: str, five: int) -> None:
    handshake = Handshake(None)
    handshake.step(bytearray(NONE5))
    assert handshake.refused(code, reason) == reply5(five)
    assert handshake.granted() == reply5(0)
    handshake = Handshake(None)
    handshake.step(bytearray(b"\x04"))
    assert handshake.refused(code, reason) == reply4(0x5B)
    assert handshake.granted() == reply4(0x5A)
