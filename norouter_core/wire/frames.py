"""The encoding of frames (SPEC.md section 1)."""

from __future__ import annotations

from struct import Struct

from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import (
    HEADER,
    MAGIC,
    MAX_DATA,
    MAX_DATAGRAM_SIZE,
    MAX_JSON,
    MAX_STREAM_JSON,
    STREAM_HEADER,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Buffer = bytes | bytearray | memoryview

L3 = 0x01
JSON = 0x02
OPEN = 0x10
OPENED = 0x11
DATA = 0x12
CREDIT = 0x13
EOF = 0x14
RESET = 0x15
DATAGRAM = 0x16

NAMES = {
    L3: "L3",
    JSON: "JSON",
    OPEN: "OPEN",
    OPENED: "OPENED",
    DATA: "DATA",
    CREDIT: "CREDIT",
    EOF: "EOF",
    RESET: "RESET",
    DATAGRAM: "DATAGRAM",
}

# The smallest and the largest payload after the stream id (for JSON, after the header).
_SIZES = {
    JSON: (2, MAX_JSON),
    OPEN: (2, MAX_STREAM_JSON),
    OPENED: (2, MAX_STREAM_JSON),
    DATA: (1, MAX_DATA),
    CREDIT: (4, 4),
    EOF: (0, 0),
    RESET: (2, MAX_STREAM_JSON),
    DATAGRAM: (0, MAX_DATAGRAM_SIZE),
}

# Magic and length share one 32-bit word, since struct has no 24-bit field.
_HEADER = Struct("!IHH")
_STREAM_HEADER = Struct("!IHHI")
_UINT32 = Struct("!I")


def json_frame(payload: bytes) -> bytes:
    """Return a JSON frame with an encoded message."""
    return _HEADER.pack(MAGIC << 24 | len(payload) + 4, JSON, 0) + payload


def stream_frame(kind: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a whole frame of any type that has a stream."""
    return _STREAM_HEADER.pack(MAGIC << 24 | len(payload) + 8, kind, 0, stream) + payload


def data_header(stream: int, size: int) -> bytes:
    """Return the 12 bytes before `size` bytes of DATA; the data need not be copied."""
    return _STREAM_HEADER.pack(MAGIC << 24 | size + 8, DATA, 0, stream)


def credit_frame(stream: int, credit: int) -> bytes:
    """Return a CREDIT frame for `credit` bytes, 1 to 2^31 - 1."""
    return stream_frame(CREDIT, stream, _UINT32.pack(credit))


def credit_value(payload: Buffer) -> int:
    """Return the number of bytes that the payload of a CREDIT frame grants."""
    value: int = _UINT32.unpack(payload)[0]
    return value


class Decoder:
    """Split a byte stream into `(type, stream, payload)`.

    The payload of DATA comes in pieces as it arrives. Each is a view of the caller's buffer, valid
    until the caller reuses it. Every other payload is complete and a copy. The stream of JSON is 0.
    """

    __slots__ = ("_body", "_head", "_kind", "_left", "_max_json", "_stream")

    def __init__(self, max_json: int = MAX_JSON) -> None:
        self._max_json = max_json
        self._head = bytearray()
        self._body = bytearray()
        self._kind = 0
        self._stream = 0
        self._left = 0

    @property
    def idle(self) -> bool:
        """Whether the decoder is between two frames, so that the byte stream may end here."""
        return not (self._head or self._kind)

    def feed(self, data: memoryview) -> Iterator[tuple[int, int, Buffer]]:
        """Yield the frames, and pieces of DATA, in the next bytes.

        Raises:
            RemoteProtocolError: codes `frame` and `length`; the decoder must not be used again.
        """
        at, end = 0, len(data)
        while at < end or (self._kind and not self._left):
            if not self._kind:
                at = self._read_header(data, at, end)
            elif self._kind == DATA:
                stop = min(end, at + self._left)
                self._left -= stop - at
                piece = (DATA, self._stream, data[at:stop])
                at = stop
                if not self._left:
                    self._kind = 0
                yield piece
            else:
                stop = min(end, at + self._left)
                self._left -= stop - at
                self._body += data[at:stop]
                at = stop
                if not self._left:
                    yield self._take_body()

    def _read_header(self, data: memoryview, at: int, end: int) -> int:
        head = self._head
        # The common case: the whole header is in the buffer and need not be copied.
        if not head and end - at >= STREAM_HEADER:
            word, kind, reserved, stream = _STREAM_HEADER.unpack_from(data, at)
            self._begin(word, kind, reserved, stream)
            return at + (HEADER if kind == JSON else STREAM_HEADER)
        want = HEADER if len(head) < HEADER else STREAM_HEADER
        stop = min(end, at + want - len(head))
        head += data[at:stop]
        if head[0] != MAGIC:
            raise RemoteProtocolError(
                "frame", f"a frame began with 0x{head[0]:02x} instead of 0x42"
            )
        if len(head) == HEADER:
            word, kind, reserved = _HEADER.unpack(head)
            if kind == JSON or kind not in _SIZES:
                self._begin(word, kind, reserved, 0)
                head.clear()
        elif len(head) == STREAM_HEADER:
            self._begin(*_STREAM_HEADER.unpack(head))
            head.clear()
        return stop

    def _begin(self, word: int, kind: int, reserved: int, stream: int) -> None:
        if word >> 24 != MAGIC:
            raise RemoteProtocolError(
                "frame", f"a frame began with 0x{word >> 24:02x} instead of 0x42"
            )
        if kind not in _SIZES:
            name = "an L3 packet of NoRouter" if kind == L3 else f"a frame of type 0x{kind:x}"
            raise RemoteProtocolError("frame", f"{name} on a native link")
        if reserved:
            raise RemoteProtocolError("frame", f"reserved field of {NAMES[kind]} is 0x{reserved:x}")
        least, most = _SIZES[kind]
        if kind == JSON:
            most = self._max_json
        size = (word & 0xFFFFFF) - (4 if kind == JSON else 8)
        if not least <= size <= most:
            raise RemoteProtocolError(
                "length", f"{NAMES[kind]} with {size} bytes, not {least} to {most}"
            )
        self._kind = kind
        self._stream = 0 if kind == JSON else stream
        self._left = size

    def _take_body(self) -> tuple[int, int, Buffer]:
        body = bytes(self._body)
        self._body.clear()
        kind, self._kind = self._kind, 0
        return kind, self._stream, body
