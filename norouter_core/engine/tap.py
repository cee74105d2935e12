"""Looking at the bytes of a stream as they pass: ends that stand in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from norouter_core.agent.ends import End
from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from norouter_core.engine.streams import RelayedStream
    from norouter_core.wire.codes import Address

SENT = "sent"
RECEIVED = "received"
MAX_KEPT = 64 * 1024
"""Bytes that a `TapBuffer` keeps of each way."""

Sink = Callable[[str, memoryview], None]
"""Told the way (`sent` or `received`) and the bytes, which are valid during the call only. It is
called as they pass and must not block; one that raises is not called again."""


class TapError(NorouterError):
    """There is nothing to be seen of that stream; the message tells why."""


class Tap:
    """A context manager: until it is left, `sink` is told of what passes.

    It stands between the client's end and whatever that is joined to (a proxy's session too, from
    which the session steps out later), and passes everything on. So a stream that is not tapped
    costs nothing, and one that is has no flow control of the tap's.
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
        """Why the stream has ended, as `StreamStatus.reason`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def wait_ended(self) -> None:
        """Returns when the stream has ended."""
        await self._ended.wait()

    def close(self) -> None:
        """Looks no more: the two ends call each other again."""
        self._sink = None
        client, other = self._client_end.peer, self._other_end.peer
        assert client is not None and other is not None
        if client.peer is self._client_end and other.peer is self._other_end:
            client.peer, other.peer = other, client

    def observe(self, source: str, data: memoryview) -> None:
        """Bytes pass."""
        if self._sink is None:
            return
        try:
            self._sink(source, data)
        except Exception as error:
            # A fault of who looks must not become one of the stream's.
            self._sink = None
            self._failed(error)

    def stream_ended(self, reason: str) -> None:
        self.reason = reason
        self._ended.set()


class _TapEnd(End):
    """What one end of a tapped stream is joined to; its `peer` is that end, and its twin's peer
    the other one: whoever is joined anew to one of the two is known to both at once."""

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
    """What passed one way: the last bytes, and how many there were."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self.total = 0

    @property
    def data(self) -> bytes:
        """The last bytes, at most as many as the limit."""
        return bytes(self._kept)

    @property
    def dropped(self) -> int:
        """How many came before those in `data`."""
        return self.total - len(self._kept)

    def add(self, data: memoryview) -> None:
        self.total += len(data)
        self._kept += data[-self._limit :]
        del self._kept[: -self._limit]


class TapBuffer:
    """A sink that keeps the last bytes of each way (`LIMIT` of them unless told otherwise)."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self.sent = TapSide(limit)
        self.received = TapSide(limit)

    def __call__(self, source: str, data: memoryview) -> None:
        (self.sent if source == SENT else self.received).add(data)
