"""Taps: ends between the two ends of a stream, which see its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from norouter_core.agent.ends import End
from norouter_core.engine.streams import RelayedStream, ReportedStream
from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

SENT = "sent"
RECEIVED = "received"
MAX_KEPT = 64 * 1024
"""Bytes that a `TapBuffer` keeps of each direction."""

Sink = Callable[[str, memoryview], None]
"""Called with the direction (`sent` or `received`) and the bytes, valid during the call only. It
must not block; one that raises is not called again."""


class TapError(NorouterError):
    """A stream cannot be tapped; the message gives the reason."""


class Taps:
    """The open taps of a mesh. `log` takes a level, a host and a line."""

    def __init__(self, log: Callable[[str, str, str], None]) -> None:
        self._log = log
        self._open: dict[int, list[Tap]] = {}

    def open(self, number: int, stream: RelayedStream | ReportedStream | None, sink: Sink) -> Tap:
        """Return a new tap of a stream, which may have several.

        Raises:
            TapError: there is no such stream, or its bytes do not cross the hub.
        """
        if stream is None:
            raise TapError(f"there is no stream {number}")
        host = stream.from_host
        if isinstance(stream, ReportedStream) or stream.spliced_as is not None:
            raise TapError(
                f"stream {number} cannot be tapped: {host} joins both of its ends, and its bytes "
                "do not pass through norouter"
            )

        def failed(error: Exception) -> None:
            self._log("error", host, f"the tap of stream {number}: {error!r}")

        tap = Tap(stream, sink, failed)
        self._open.setdefault(number, []).append(tap)
        return tap

    def __len__(self) -> int:
        """Return the number of streams that have taps."""
        return len(self._open)

    def stream_closed(self, stream: RelayedStream | ReportedStream) -> None:
        """End the taps of a stream that has ended."""
        for tap in self._open.pop(stream.number, ()):
            tap.stream_ended(stream.reason)


class Tap:
    """A context manager that passes the bytes of a stream to `sink` until its end.

    It is joined between the client's end and that end's peer (which may be a proxy's session that
    later steps out), and passes everything on. So an untapped stream has no cost, and a tap has no
    flow control of its own.
    """

    def __init__(
        self, stream: RelayedStream, sink: Sink, failed: Callable[[Exception], None]
    ) -> None:
        client, other = stream.client, stream.client.peer
        if other is None:
            raise TapError(f"stream {stream.number} has ended")
        self._sink: Sink | None = sink
        self._failed = failed
        self._client_end = _TapEnd(self, SENT, client.datagrams)
        self._other_end = _TapEnd(self, RECEIVED, client.datagrams)
        self._client_end.twin, self._other_end.twin = self._other_end, self._client_end
        self._client_end.peer, self._other_end.peer = client, other
        client.peer, other.peer = self._client_end, self._other_end
        self._ended = asyncio.Event()
        self.reason = ""
        """Why the stream has ended, as in `StreamStatus.reason`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def wait_ended(self) -> None:
        """Return when the stream has ended."""
        await self._ended.wait()

    def close(self) -> None:
        """Remove the tap: the two ends call each other again."""
        self._sink = None
        client, other = self._client_end.peer, self._other_end.peer
        assert client is not None and other is not None
        if client.peer is self._client_end and other.peer is self._other_end:
            client.peer, other.peer = other, client

    def observe(self, source: str, data: memoryview) -> None:
        """Pass bytes to the sink."""
        if self._sink is None:
            return
        try:
            self._sink(source, data)
        except Exception as error:
            # An error of the sink must not affect the stream.
            self._sink = None
            self._failed(error)

    def stream_ended(self, reason: str) -> None:
        self.reason = reason
        self._ended.set()


class _TapEnd(End):
    """What one end of a tapped stream is joined to.

    Its `peer` is that end, and its twin's `peer` the other one, so a new join of either is known to
    both at once.
    """

    __slots__ = ("_source", "_tap", "datagrams", "twin")

    twin: _TapEnd

    def __init__(self, tap: Tap, source: str, datagrams: bool) -> None:
        super().__init__()
        self._tap = tap
        self._source = source
        self.datagrams = datagrams

    @property
    def _onward(self) -> End:
        end = self.twin.peer
        assert end is not None
        return end

    def accept(self, peer: Address) -> None:
        self._onward.accept(peer)

    def send(self, data: memoryview) -> None:
        self._tap.observe(self._source, data)
        self._onward.send(data)

    def end(self) -> None:
        self._onward.end()

    def reset(self, code: str, reason: str) -> None:
        self._onward.reset(code, reason)

    def room(self) -> int:
        return self._onward.room()

    def wake(self) -> None:
        self._onward.wake()

    def consumed(self, size: int) -> None:
        self._onward.consumed(size)


class TapSide:
    """The last bytes of one direction, and the number of all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.total = 0

    @property
    def data(self) -> bytes:
        """The last bytes, up to the limit."""
        return bytes(self._kept)

    @property
    def dropped(self) -> int:
        """The number of bytes before those in `data`."""
        return self.total - len(self._kept)

    def add(self, data: memoryview) -> None:
        self.total += len(data)
        self._kept += data[-self._limit :]
        del self._kept[: -self._limit]


class TapBuffer:
    """A sink that keeps the last bytes of each direction."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self.sent = TapSide(limit)
        self.received = TapSide(limit)

    def __call__(self, source: str, data: memoryview) -> None:
        (self.sent if source == SENT else self.received).add(data)
