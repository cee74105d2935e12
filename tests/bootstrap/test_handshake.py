"""From noise to marker or hello: the same however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.bootstrap.handshake import (
    MAX_NOISE,
    Found,
    HelloReader,
    HelloSearch,
    MarkerSearch,
    NoPython,
)
from norouter_core.wire import frames, messages
from norouter_core.wire.errors import RemoteProtocolError

NONCE = "0123456789abcdef"
LINE = b"for p in python3 python3.14 python3.13 python3.12; do q=$(command -v $p)\n"
MARKER = f"NOROUTER:{NONCE}:".encode()
HELLO = frames.json_frame(messages.encode(messages.event("hello", {"protocol": 1})))

Outcome = Found | NoPython | None


def feed_pieces(search: MarkerSearch | HelloSearch, *pieces: bytes) -> tuple[Outcome, bytes]:
    """Return the outcome, and the pieces after it."""
    for index, piece in enumerate(pieces):
        found = search.feed(piece)
        if found is not None:
            return found, b"".join(pieces[index + 1 :])
    return None, b""


def marker_search() -> MarkerSearch:
    return MarkerSearch(MARKER, LINE)


BANNER = b"Welcome to web-1\r\nLast login: never\n\n"
OUTPUTS = {
    "go": (BANNER + MARKER + b"go\n" + HELLO, HELLO),
    "go, from a terminal": (BANNER + MARKER + b"go\r\n" + HELLO, HELLO),
}


@pytest.mark.parametrize(("said", "rest"), OUTPUTS.values(), ids=OUTPUTS)
def test_the_marker_is_found_at_every_split(said: bytes, rest: bytes) -> None:
    for at in range(1, len(said)):
        search = marker_search()
        found, later = feed_pieces(search, said[:at], said[at:])
        assert isinstance(found, Found)
        assert found.rest + later == rest
        assert search.noise == BANNER and not search.echoed


def test_the_marker_is_found_byte_by_byte() -> None:
    said = BANNER + MARKER + b"go\n" + HELLO
    found, later = feed_pieces(marker_search(), *(said[i : i + 1] for i in range(len(said))))
    assert isinstance(found, Found) and found.rest + later == HELLO


def test_a_report_is_found_at_every_split() -> None:
    report = b"/usr/bin/python3: no module named 'json'|/usr/bin/python: is Python 2.7.18, too old|"
    said = BANNER + MARKER + b"none:" + report + b"\n"
    wanted = NoPython(report.strip(b"|").replace(b"|", b"\n").decode())
    for at in range(1, len(said)):
        for search in (marker_search(), HelloSearch(MARKER)):
            assert feed_pieces(search, said[:at], said[at:])[0] == wanted
            assert search.noise == BANNER


def test_another_markers_nonce_is_noise() -> None:
    search = marker_search()
    assert search.feed(b"NOROUTER:fedcba9876543210:go\n") is None
    assert search.feed(MARKER + b"go\n") == Found(b"")


def test_our_own_line_coming_back_is_an_echo() -> None:
    for at in range(1, len(LINE)):
        search = marker_search()
        assert feed_pieces(search, b"$ " + LINE[:at], LINE[at:].replace(b"\n", b"\r\n"))[0] is None
        assert search.echoed
    assert not marker_search().echoed


def test_a_message_that_quotes_our_line_is_no_echo() -> None:
    """fish shows the beginning of a line that it rejects."""
    long = b"if [ a ]; then b; fi; " * 20 + b"exit 3\n"
    search = MarkerSearch(MARKER, long)
    quote = b"fish: Missing end to balance this if\n" + long[:200] + b"\n^\n"
    assert feed_pieces(search, quote)[0] is None
    assert not search.echoed
    assert feed_pieces(search, MARKER + b"go\n")[0] == Found(b"")


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=30))
def test_noise_is_bounded_and_its_end_kept(pieces: list[bytes]) -> None:
    search = marker_search()
    assert feed_pieces(search, *pieces)[0] is None
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
        found, later = feed_pieces(HelloSearch(), said[:at], said[at:])
        assert isinstance(found, Found)
        assert found.rest + later == HELLO + b"more"


def test_a_hello_without_its_header_is_none() -> None:
    assert HelloSearch().feed(HELLO[8:]) is None


@given(st.binary(max_size=200).filter(lambda noise: b"hello" not in noise), st.data())
def test_any_noise_before_a_hello_is_skipped(noise: bytes, data: st.DataObject) -> None:
    said = noise + HELLO
    at = data.draw(st.integers(0, len(said)))
    pieces = [piece for piece in (said[:at], said[at:]) if piece]
    found, later = feed_pieces(HelloSearch(), *pieces)
    assert isinstance(found, Found) and found.rest + later == HELLO


TEXTS = "python", "implementation", "system", "machine", "hostname", "boot_id", "netns"
FULL_HELLO = frames.json_frame(
    messages.encode(messages.event("hello", {"protocol": 1, **dict.fromkeys(TEXTS, "x")}))
)


def test_a_hello_is_read_at_every_split() -> None:
    sent = FULL_HELLO + b"more"
    for at in range(1, len(sent)):
        reader = HelloReader()
        read = reader.feed(sent[:at])
        assert (read is None) == (at < len(FULL_HELLO))
        hello, rest = read or reader.feed(sent[at:]) or pytest.fail("no hello")
        assert hello.hostname == "x" and rest == b"more"[: len(rest)]
        assert len(rest) == (4 if read is None else at - len(FULL_HELLO))


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (b"Err", "frame", "0x45 instead of 0x42"),
        (frames.stream_frame(frames.EOF, 1), "stream", "before the hello"),
        (frames.json_frame(messages.encode(messages.event("ping", {}))), "json", "not a hello"),
        (frames.json_frame(messages.encode(messages.request(1, "hello", {}))), "json", "hello"),
        (b"\x42\xff\xff\xff\x00\x02\x00\x00", "length", "JSON with"),
        (HELLO, "json", "'python' is not text"),
    ],
)
def test_a_link_that_does_not_begin_with_a_hello(sent: bytes, code: str, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason) as violation:
        HelloReader().feed(sent)
    assert violation.value.code == code
