"""The events that `Connection.receive` yields."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.wire.errors import RemoteProtocolError
    from norouter_core.wire.messages import Json
    from norouter_core.wire.stream import Stream


class Message:
    """A JSON message of `size` bytes: `kind` is request, result or event."""

    __slots__ = ("body", "kind", "size")

    def __init__(self, kind: str, body: Json, size: int) -> None:
        self.kind = kind
        self.body = body
        self.size = size


class Opened:
    """The peer opened a stream (`offered`), or answered one that we opened.

    `detail` is the JSON object: `target` or `listener` and `peer` of an offer, `peer` of an answer.
    """

    __slots__ = ("detail", "offered", "stream")

    def __init__(self, stream: Stream, detail: Json, offered: bool) -> None:
        self.stream = stream
        self.detail = detail
        self.offered = offered


class Refused:
    """A stream of the peer was reset, since there are too many; `reason` has the figures."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Data:
    """Bytes of a stream; `view` is valid until the receive buffer is used again."""

    __slots__ = ("stream", "view")

    def __init__(self, stream: Stream, view: memoryview) -> None:
        self.stream = stream
        self.view = view


class Datagram:
    """One datagram; `data` is a copy."""

    __slots__ = ("data", "stream")

    def __init__(self, stream: Stream, data: bytes) -> None:
        self.stream = stream
        self.data = data


class Writable:
    """The peer gave credit: `stream.room` has grown."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


class Ended:
    """The peer sends no more on this stream."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


class Reset:
    """The peer ended the stream in both directions."""

    __slots__ = ("code", "reason", "stream")

    def __init__(self, stream: Stream, code: str, reason: str) -> None:
        self.stream = stream
        self.code = code
        self.reason = reason


class Broken:
    """The peer broke the protocol; always the last event."""

    __slots__ = ("error",)

    def __init__(self, violation: RemoteProtocolError) -> None:
        self.error = violation


if TYPE_CHECKING:
    Event = Message | Opened | Refused | Data | Datagram | Writable | Ended | Reset | Broken
