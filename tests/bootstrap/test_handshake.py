"""From noise to marker or hello: the same however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.bootstrap.handshake import (
    MAX_NOISE,
    Found,
    HelloSearch,
    MarkerSearch,
    NoPython,
)
from norouter_core.wire import frames, messages

NONCE = "0123456789abcdef"
LINE = b"for p in python3 python3.14 python3.13 python3.12; do q=$(command -v $p)\n"
MARKER = f"NOROUTER:{NONCE}:".encode()
HELLO = frames.json_frame(messages.encode(messages.event("hello", {"protocol": 1})))

Outcome = Found | NoPython | None


def fed(search: MarkerSearch | HelloSearch, *pieces: bytes) -> tuple[Outcome, bytes]:
    """The outcome, and what was fed after it."""
    for index, piece in enumerate(pieces):
        found = search.feed(piece)
        if found is not None:
            return found, b"".join(pieces[index + 1 :])
    return None, b""


def marker_search() -> MarkerSearch:
    return MarkerSearch(MARKER, LINE)


BANNER = b"Welcome to web-1\r\nLast login: never\n\n"
SAID = {
    "go": (BANNER + MARKER + b"go\n" + HELLO, HELLO),
    "go, from a terminal": (BANNER + MARKER + b"go\r\n" + HELLO, HELLO),
}


@pytest.mark.parametrize(("said", "rest"), SAID.values(), ids=SAID)
def test_the_marker_is_found_at_every_split(said: bytes, rest: bytes) -> None:
    for at in range(1, len(said)):
        search = marker_search()
        found, later = fed(search, said[:at], said[at:])
        assert isinstance(found, Found)
        assert found.rest + later == rest
        assert search.noise == BANNER and not search.echoed


def test_the_marker_is_found_byte_by_byte() -> None:
    said = BANNER + MARKER + b"go\n" + HELLO
    found, later = fed(marker_search(), *(said[i : i + 1] for i in range(len(said))))
    assert isinstance(found, Found) and found.rest + later == HELLO


def test_a_report_is_found_at_every_split() -> None:
    report = b"/usr/bin/python3: no module named 'json'|/usr/bin/python: is Python 2.7.18, too old|"
    said = BANNER + MARKER + b"none:" + report + b"\n"
    wanted = NoPython(report.strip(b"|").replace(b"|", b"\n").decode())
    for at in range(1, len(said)):
        assert fed(marker_search(), said[:at], said[at:])[0] == wanted


def test_another_markers_nonce_is_noise() -> None:
    search = marker_search()
    assert search.feed(b"NOROUTER:fedcba9876543210:go\n") is None
    assert search.feed(MARKER + b"go\n") == Found(b"")


def test_our_own_line_coming_back_is_an_echo() -> None:
    for at in range(1, len(LINE)):
        search = marker_search()
        assert fed(search, b"$ " + LINE[:at], LINE[at:].replace(b"\n", b"\r\n"))[0] is None
        assert search.echoed
    assert not marker_search().echoed


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=30))
def test_noise_is_bounded_and_its_end_kept(pieces: list[bytes]) -> None:
    search = marker_search()
    assert fed(search, *pieces)[0] is None
    said = b"".join(pieces)
    assert search.too_noisy == (len(said) > MAX_NOISE)
    assert said.endswith(search.noise)
    assert len(search.noise) == min(len(said), 8 * 1024)


def test_the_marker_is_found_after_much_noise() -> None:
    search = marker_search()
    for _ in range(MAX_NOISE * 8 // 1000):
        assert search.feed(b"x" * 1000) is None
    assert search.feed(b"\n" + MARKER + b"go\nrest") == Found(b"rest")


@pytest.mark.parametrize("noise", [b"", BANNER, b"\x00\x01\x02 binary \xff"])
def test_a_hello_is_found_at_every_split(noise: bytes) -> None:
    said = noise + HELLO + b"more"
    for at in range(1, len(said)):
        found, later = fed(HelloSearch(), said[:at], said[at:])
        assert isinstance(found, Found)
        assert found.rest + later == HELLO + b"more"


def test_a_hello_without_its_header_is_none() -> None:
    assert HelloSearch().feed(HELLO[8:]) is None


@given(st.binary(max_size=200).filter(lambda noise: b"hello" not in noise), st.data())
def test_any_noise_before_a_hello_is_skipped(noise: bytes, data: st.DataObject) -> None:
    said = noise + HELLO
    at = data.draw(st.integers(0, len(said)))
    pieces = [piece for piece in (said[:at], said[at:]) if piece]
    found, later = fed(HelloSearch(), *pieces)
    assert isinstance(found, Found) and found.rest + later == HELLO
