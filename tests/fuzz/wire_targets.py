"""The wire: frames, messages, a connection at either end."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from norouter_core.wire import events, frames, messages
from norouter_core.wire.connection import AGENT, HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import MAX_DEPTH
from tests.fuzz.targets import bytewise, outcome, target

Frames = list[tuple[int, int, bytes]]


def decode_frames(pieces: Iterable[bytes]) -> tuple[Frames, str, bool]:
    """Return frames, the violation that ends them, and whether one is incomplete; DATA that follows
    DATA of its stream is joined to it.
    """
    decoder, found, violation = frames.Decoder(), Frames(), ""
    try:
        for piece in pieces:
            for kind, stream, payload in decoder.feed(memoryview(piece)):
                if kind == frames.DATA and found and found[-1][:2] == (kind, stream):
                    payload = found.pop()[2] + bytes(payload)
                found.append((kind, stream, bytes(payload)))
    except RemoteProtocolError as error:
        violation = f"{error.code} {error}"
    return found, violation, bool(violation) or decoder.idle


_EOF = frames.stream_frame(frames.EOF, 1)


@target(
    "wire-frames",
    shapes=[
        (b"", _EOF, b""),
        (b"", frames.stream_frame(frames.DATA, 1, b"x"), b""),
        (b"", frames.json_frame(b"{}"), b""),
        (frames.stream_frame(frames.DATA, 1, b"x" * 65536)[:12], b"x", b""),
        (frames.json_frame(b"x" * 65536)[:8], b"x", b""),
    ],
)
def check_frames(data: bytes) -> None:
    found = decode_frames([data])
    assert found == decode_frames(bytewise(data))
    encoded = b"".join(
        frames.json_frame(payload)
        if kind == frames.JSON
        else frames.stream_frame(kind, stream, payload)
        for kind, stream, payload in found[0]
    )
    assert decode_frames([encoded]) == (found[0], "", True)


@target(
    "wire-messages",
    shapes=[
        (b'{"a":[', b"0,", b"0]}"),
        (b'{"a":"', b"\\u0000", b'"}'),
        (b"", b'{"a":', b""),
        (b'{"a":', b"[", b""),
        (b'{"a":', b"9", b"}"),
        (b'{"a":0.', b"9", b"}"),
        (b'{"a":"', b"x", b'"}'),
        (b"", b" ", b"{}"),
    ],
)
def check_messages(data: bytes) -> None:
    value = outcome(lambda: messages.decode(data), RemoteProtocolError)
    if isinstance(value, str):
        return
    assert messages.decode(messages.encode(value)) == value
    assert _depth(value) <= MAX_DEPTH
    for key in list(value)[:10]:
        for kind in (int, str, dict, list):
            outcome(partial(messages.field, value, key, kind), RemoteProtocolError)
        host = outcome(partial(messages.address, value[key]), RemoteProtocolError)
        assert isinstance(host, str) or messages.address(list(host)) == host
    outcome(lambda: messages.protocol(value), RemoteProtocolError)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


class _End:
    """A connection with a stream of bytes and one of datagrams open, and what it reports."""

    def __init__(self, role: str) -> None:
        self.connection = Connection(role, max_streams=8)
        self.connection.open({"target": ["a", 1]})
        self.connection.open({"target": ["a", 1], "proto": "udp"})
        self.output()
        self.log: list[str] = []
        self.data: dict[int, bytes] = {}
        self.broken = ""
        self.sent = b""

    def feed(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            for event in self.connection.receive(memoryview(piece)):
                assert not self.broken, "an event after a violation"
                self._take(event)
                self.sent += self.output()

    def _take(self, event: events.Event | None) -> None:
        if isinstance(event, events.Broken):
            self.broken = str(event.error)
        elif isinstance(event, events.Data):
            number = event.stream.id
            self.data[number] = self.data.get(number, b"") + bytes(event.view)
        elif event is not None:
            number = getattr(getattr(event, "stream", None), "id", 0)
            self.log.append(f"{type(event).__name__} {number}")
        if isinstance(event, events.Opened) and event.offered:
            if event.stream.id % 8 < 4:
                self.connection.accept(event.stream, {"peer": ["a", 1]})
            else:
                self.connection.reset(event.stream, "refused", "no")
        elif isinstance(event, events.Ended):
            self.connection.end(event.stream)

    def output(self) -> bytes:
        sent = bytearray()
        while not self.connection.outbox.idle:
            self.connection.outbox.fill([])
            sent += b"".join(self.connection.outbox.writing)
            self.connection.outbox.written(sum(map(len, self.connection.outbox.writing)))
        return bytes(sent)


def _open(number: int) -> bytes:
    return frames.stream_frame(frames.OPEN, number, b'{"window":65536}')


@target(
    "wire-connection",
    shapes=[
        (b"\x00" + _open(2), frames.stream_frame(frames.DATA, 2, b""), b""),
        (b"\x00", frames.stream_frame(frames.DATAGRAM, 3, b"x"), b""),
        (b"\x00", frames.credit_frame(1, 1), b""),
        (b"\x00", frames.json_frame(b'{"type":"event","body":{}}'), b""),
        (b"\x01" + _open(1) + frames.stream_frame(frames.EOF, 1), _EOF, b""),
    ],
)
def check_connection(data: bytes) -> None:
    """The first byte chooses the end."""
    role = AGENT if data[:1] and data[0] % 2 else HUB
    whole, pieces = _End(role), _End(role)
    whole.feed([data[1:]])
    pieces.feed(bytewise(data[1:]))
    assert whole.log == pieces.log
    assert whole.broken == pieces.broken
    assert whole.sent == pieces.sent
    for number, came in whole.data.items():
        # Of DATA beyond the window, what fits may have come in a piece of its own.
        assert pieces.data.get(number, b"").startswith(came)
        assert whole.broken or pieces.data[number] == came
    assert len(whole.sent) <= 64 * len(data), "a few bytes cause a large answer"
    assert len(whole.connection.streams) <= 8
