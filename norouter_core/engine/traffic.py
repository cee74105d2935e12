"""What the streams of each host carry: sums that are kept as it changes.

A mesh may have tens of thousands of streams, most of them idle, and a state of a host is shown
whenever it changes. So nothing here adds up all streams.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, Protocol, TypeVar


class Counted(Protocol):
    """A stream; bytes up to `counted_sent` and `counted_received` are in the sums."""

    number: int
    from_host: str
    to_host: str
    counted_sent: int
    counted_received: int

    @property
    def bytes_sent(self) -> int: ...

    @property
    def bytes_received(self) -> int: ...


_Stream = TypeVar("_Stream", bound=Counted)


class Traffic(Generic[_Stream]):
    """The open streams of each host, and the bytes of these and of all earlier ones."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self._bytes: dict[str, list[int]] = {}
        """Bytes in from the ends on a host, and out to them."""
        self._open: dict[str, dict[int, _Stream]] = {}

    def streams(self, host: str) -> Collection[_Stream]:
        """Return the open streams with an end on a host."""
        return self._open.get(host, {}).values()

    def of(self, host: str) -> tuple[int, int, int]:
        """Return for a host: bytes in from its ends, bytes out to them, open streams.

        The bytes of open streams are as `count` has seen them last.
        """
        came, went = self._bytes.get(host, (0, 0))
        return came, went, len(self._open.get(host, ()))

    def opened(self, stream: _Stream) -> None:
        """Add a stream, or replace the one of the same number."""
        for host in (stream.from_host, stream.to_host):
            self._open.setdefault(host, {})[stream.number] = stream

    def closed(self, stream: _Stream) -> None:
        self.count(stream)
        for host in {stream.from_host, stream.to_host}:
            self._remove(host, stream)

    def moved(self, stream: _Stream, to_host: str, sent: int) -> None:
        """Note that a stream goes on to another host.

        Of its bytes only `sent` were for the host that it has reached until now.
        """
        self._add(stream, sent, stream.bytes_received)
        if stream.to_host != stream.from_host:
            self._remove(stream.to_host, stream)
        stream.to_host = to_host
        self.opened(stream)

    def count(self, stream: _Stream) -> None:
        """Add what a stream has carried since it was counted last."""
        sent, received = stream.bytes_sent, stream.bytes_received
        if sent != stream.counted_sent or received != stream.counted_received:
            self._add(stream, sent, received)

    def _add(self, stream: _Stream, sent: int, received: int) -> None:
        up, down = sent - stream.counted_sent, received - stream.counted_received
        stream.counted_sent, stream.counted_received = sent, received
        self.sent += up
        self.received += down
        for host, came, went in ((stream.from_host, up, down), (stream.to_host, down, up)):
            sums = self._bytes.setdefault(host, [0, 0])
            sums[0] += came
            sums[1] += went

    def _remove(self, host: str, stream: _Stream) -> None:
        streams = self._open.get(host, {})
        streams.pop(stream.number, None)
        if not streams:
            self._open.pop(host, None)
