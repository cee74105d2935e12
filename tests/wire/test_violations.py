"""What breaks the protocol ends the link with its code (SPEC.md section 9), and nothing raises."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from norouter_core.wire import frames
from norouter_core.wire.limits import (
    EARLY_WINDOW,
    MAX_CREDIT,
    MAX_DATA,
    MAX_DATAGRAM_SIZE,
    MAX_JSON,
)
from tests.wire.pair import Pair, Side, every_byte, frame, output

OPEN = json.dumps({"listener": 1, "peer": ["a", 1], "window": EARLY_WINDOW}).encode()


OPEN_UDP = json.dumps({"listener": 1, "peer": ["a", 1], "proto": "udp"}).encode()


def header(length: int, kind: int, reserved: int = 0, first: int = 0x42) -> bytes:
    return struct.pack("!IHH", first << 24 | length, kind, reserved)


def message(text: str) -> bytes:
    return frames.json_frame(text.encode())


OFFENCES = {
    "wrong first byte": (header(4, 2, first=0x43) + b"{}", "frame"),
    "text": (b"Last login: Mon Nov 23 from nowhere", "frame"),
    "reserved": (header(6, 2, reserved=1) + b"{}", "frame"),
    "unknown type": (header(8, 0x77) + b"\0\0\0\1", "frame"),
    "l3": (header(24, 1) + b"E" * 20, "frame"),
    "json too long": (header(MAX_JSON + 5, 2), "length"),
    "json empty": (header(4, 2), "length"),
    "length below 4": (header(0, 2), "length"),
    "data too long": (header(8 + MAX_DATA + 1, frames.DATA) + b"\0\0\0\2", "length"),
    "data empty": (frame(frames.DATA, 2), "length"),
    "eof with payload": (frame(frames.EOF, 2, b"x"), "length"),
    "credit short": (frame(frames.CREDIT, 2, b"xx"), "length"),
    "not utf-8": (frames.json_frame(b'{"type":"\xff"}'), "json"),
    "not json": (message("{nope}"), "json"),
    "nan": (message('{"type":"event","body":{"x":NaN}}'), "json"),
    "too large": (message('{"type":"event","body":{"x":-1e999}}'), "json"),
    "dense": (message('{"type":"event","body":{"x":[' + "0," * 40_000 + "0]}}"), "json"),
    "no object": (message("[1]"), "json"),
    "no body": (message('{"type":"event"}'), "json"),
    "strange type": (message('{"type":"shout","body":{}}'), "json"),
    "deep": (message('{"type":"event","body":{"a":' + "[" * 64 + "]" * 64 + "}}"), "json"),
    "very deep": (message("[" * 200_000), "json"),
    "open of ours": (frame(frames.OPEN, 1, OPEN), "stream"),
    "open of none": (frame(frames.OPEN, 0, OPEN), "stream"),
    "open twice": (frame(frames.OPEN, 2, OPEN) * 2, "stream"),
    "open backwards": (frame(frames.OPEN, 4, OPEN) + frame(frames.OPEN, 2, OPEN), "stream"),
    "open without window": (frame(frames.OPEN, 2, b'{"listener":1}'), "json"),
    "open, small window": (frame(frames.OPEN, 2, b'{"window":1}'), "window"),
    "open, huge window": (frame(frames.OPEN, 2, b'{"window":1e300}'), "json"),
    "data, never opened": (frame(frames.DATA, 2, b"x"), "stream"),
    "data, ours, never opened": (frame(frames.DATA, 9, b"x"), "stream"),
    "data for 0": (frame(frames.DATA, 0, b"x"), "stream"),
    "eof twice": (frame(frames.OPEN, 2, OPEN) + frame(frames.EOF, 2) * 2, "stream"),
    "data after eof": (
        frame(frames.OPEN, 2, OPEN) + frame(frames.EOF, 2) + frame(frames.DATA, 2, b"x"),
        "stream",
    ),
    "opened by the opener": (
        frame(frames.OPEN, 2, OPEN) + frame(frames.OPENED, 2, OPEN),
        "stream",
    ),
    "beyond the window": (
        frame(frames.OPEN, 2, OPEN) + frame(frames.DATA, 2, b"x" * (EARLY_WINDOW + 1)),
        "window",
    ),
    "credit of 0": (frame(frames.OPEN, 2, OPEN) + frame(frames.CREDIT, 2, b"\0\0\0\0"), "window"),
    "credit too large": (
        frame(frames.OPEN, 2, OPEN) + frame(frames.CREDIT, 2, struct.pack("!I", MAX_CREDIT)),
        "window",
    ),
    "open of no protocol": (
        frame(frames.OPEN, 2, json.dumps({"proto": "sctp", "window": EARLY_WINDOW}).encode()),
        "json",
    ),
    "a protocol that is no text": (
        frame(frames.OPEN, 2, json.dumps({"proto": ["udp"], "window": EARLY_WINDOW}).encode()),
        "json",
    ),
    "data among datagrams": (
        frame(frames.OPEN, 2, OPEN_UDP) + frame(frames.DATA, 2, b"x"),
        "stream",
    ),
    "credit for datagrams": (
        frame(frames.OPEN, 2, OPEN_UDP) + frame(frames.CREDIT, 2, b"\0\0\0\1"),
        "stream",
    ),
    "datagram among bytes": (
        frame(frames.OPEN, 2, OPEN) + frame(frames.DATAGRAM, 2, b"x"),
        "stream",
    ),
    "datagram, never opened": (frame(frames.DATAGRAM, 2, b"x"), "stream"),
    "datagram after eof": (
        frame(frames.OPEN, 2, OPEN_UDP) + frame(frames.EOF, 2) + frame(frames.DATAGRAM, 2, b"x"),
        "stream",
    ),
    "datagram too long": (
        header(8 + MAX_DATAGRAM_SIZE + 1, frames.DATAGRAM) + b"\0\0\0\2",
        "length",
    ),
    "reset without code": (frame(frames.OPEN, 2, OPEN) + frame(frames.RESET, 2, b"{}"), "json"),
}


@pytest.mark.parametrize("name", OFFENCES)
def test_an_offence_ends_the_link_with_its_code(name: str) -> None:
    data, code = OFFENCES[name]
    for pieces in ([data], list(every_byte(data)) if len(data) < 5000 else [data]):
        side = Side("hub")
        side.receive(pieces)
        assert side.violation == code
        assert side.log[-1] == ("broken", code)
        before = len(side.log)
        side.receive([frame(frames.OPEN, 100, OPEN)])
        assert len(side.log) == before, "something was received after the end"


def test_what_has_come_of_a_frame() -> None:
    side = Side("hub")
    for byte in frame(frames.OPEN, 2, OPEN)[:-1]:
        side.receive([bytes([byte])])
        assert side.connection.in_frame
    side.receive([frame(frames.OPEN, 2, OPEN)[-1:]])
    assert not side.connection.in_frame


# Frames that are nearly right find more than noise does.
_KINDS = st.sampled_from([*frames.NAMES, 0x17, 0xFFFF])
_JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["window", "peer", "listener", "type", "body", "code", "reason", "data"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
_OPENS = st.builds(
    lambda window: json.dumps({"listener": 1, "peer": ["h", 1], "window": window}).encode(),
    st.integers(EARLY_WINDOW, EARLY_WINDOW * 4),
)
_FRAMES = st.one_of(
    st.builds(frame, _KINDS, st.integers(0, 9), st.binary(max_size=40) | _JSONISH),
    st.builds(lambda n, p: frame(frames.OPEN, n, p), st.sampled_from([2, 4, 6]), _OPENS),
    st.builds(lambda n, p: frame(frames.DATA, n, p), st.sampled_from([1, 2, 4]), st.binary()),
    _JSONISH.map(frames.json_frame),
    st.binary(max_size=30),
)


@given(st.lists(_FRAMES, max_size=12), st.data())
def test_nothing_that_comes_raises_or_hurts_another_link(
    pieces: list[bytes], data: st.DataObject
) -> None:
    healthy = Pair()
    stream = healthy.hub.connection.open({"target": ["a", 1]})
    fuzzed = Side("hub")
    fuzzed.connection.open({"target": ["b", 1]})
    stuff = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stuff)), max_size=4)))
    fuzzed.receive(stuff[a:b] for a, b in zip([0, *cuts], [*cuts, len(stuff)], strict=True))
    output(fuzzed.connection)
    broken = [entry for entry in fuzzed.log if entry[0] == "broken"]
    assert len(broken) <= 1
    assert not broken or fuzzed.log[-1] == broken[0]
    healthy.hub.connection.send(stream, b"unharmed")
    healthy.pump()
    assert bytes(healthy.agent.data[stream.id]) == b"unharmed"


@given(st.lists(_FRAMES, max_size=8), st.data())
@settings(deadline=None)
def test_the_way_it_is_cut_up_changes_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    stuff = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stuff)), max_size=6)))
    whole, cut = Side("hub"), Side("hub")
    whole.receive([stuff])
    cut.receive(stuff[a:b] for a, b in zip([0, *cuts], [*cuts, len(stuff)], strict=True))
    assert whole.log == cut.log
    # Of data that a violation cut short, a later cut may have let more through.
    if whole.violation is None:
        assert whole.data == cut.data
    assert output(whole.connection) == output(cut.connection)
