"""Streams that a service of the hub reads and writes in coroutines.

Most streams are two ends joined to each other, and no coroutine sees what passes. A proxy or the
DNS, however, is itself the peer of its client's end. It joins the `end` of a `ByteStream` to that
and uses `receive`, `send`, `send_eof` and `aclose`, named as anyio's byte streams name them.

Back-pressure works both ways. The peer may fill a buffer of `MAX_BUFFERED` bytes (an end of a
link: its window), and gets credit for what was received when the coroutine asks for more, since
it has then passed that on. `send` returns once the peer has taken everything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from anyio import EndOfStream

from norouter_core.agent.ends import DatagramEnd, End, rejoin
from norouter_core.errors import NorouterError

MAX_BUFFERED = 256 * 1024
LINGER = 2.0
"""Seconds between our EOF and a reset, for a peer that does not send its own."""
_MIN_ROOM = 16 * 1024
"""Less room than this is not offered: it would cause many small reads."""
_MAX_DATAGRAMS = 64


class StreamReset(NorouterError):
    """The stream was reset, by either side; `code` is one of SPEC.md section 4."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}" if reason else code)
        self.code = code
        self.reason = reason


class _Waiter:
    """Lets one coroutine wait for the next change."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        self._future = asyncio.get_running_loop().create_future()
        await self._future

    def notify(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)


class _StreamEnd(End):
    """The end that faces the peer. It stays in place for stale references after the service has
    stepped out, and passes every call on to its successor.
    """

    __slots__ = (
        "_own_bytes",
        "_starved",
        "buffer",
        "discarding",
        "failure",
        "got_eof",
        "input",
        "outgoing",
        "output",
        "successor",
        "taken",
        "unacknowledged",
        "under_way",
        "watch",
    )

    def __init__(self) -> None:
        self._own_bytes = 0
        self.successor: End | None = None
        super().__init__()
        self.buffer = bytearray()
        self.unacknowledged = 0
        """Bytes that came and have not been credited."""
        self.taken = 0
        """Those of them that have left the buffer."""
        self.outgoing = memoryview(b"")
        self.under_way = 0
        """Bytes sent that the peer has not passed on yet."""
        self.got_eof = False
        self.failure: tuple[str, str] | None = None
        self.discarding = False
        self.input = _Waiter()
        self.output = _Waiter()
        self.watch: Callable[[], None] | None = None
        """Called after data, EOF or a reset has come."""
        self._starved = False

    @property
    def bytes_in(self) -> int:
        """Bytes that the peer was sent by the service, and past it after it stepped out."""
        later = self.successor.bytes_in if self.successor is not None else 0
        return self._own_bytes + later

    @bytes_in.setter
    def bytes_in(self, value: int) -> None:
        self._own_bytes = value

    # -- called by the peer ----------------------------------------------------------------

    def send(self, data: memoryview) -> None:
        if self.successor is not None:
            self.successor.send(data)
        elif self.discarding:
            self.other().consumed(len(data))
        elif self.failure is None:
            self.buffer += data
            self.unacknowledged += len(data)
            self._has_input()

    def end(self) -> None:
        if self.successor is not None:
            self.successor.end()
        elif not self.got_eof:
            self.got_eof = True
            self._has_input()

    def reset(self, code: str, reason: str) -> None:
        if self.successor is not None:
            self.successor.reset(code, reason)
        elif self.failure is None:
            self.fail(code, reason)
            self._has_input()

    def room(self) -> int:
        if self.successor is not None:
            return self.successor.room()
        room = MAX_BUFFERED - self.unacknowledged
        self._starved = room < _MIN_ROOM
        return 0 if self._starved else room

    def wake(self) -> None:
        if self.successor is not None:
            self.successor.wake()
        else:
            self.flush()

    def consumed(self, size: int) -> None:
        if self.successor is not None:
            self.successor.consumed(size)
        elif self.failure is None:
            self.under_way -= size
            if not self.under_way:
                self.output.notify()

    # -- called by the stream --------------------------------------------------------------

    def flush(self) -> None:
        """Send as much as the peer has room for now: a link offers it during `wake` only."""
        peer = self.peer
        while peer is not None and self.outgoing and self.failure is None:
            room = peer.room()
            if room <= 0:
                return
            piece, self.outgoing = self.outgoing[:room], self.outgoing[room:]
            self._own_bytes += len(piece)
            self.under_way += len(piece)
            peer.send(piece)
        if not self.outgoing:
            self.output.notify()

    def acknowledge(self) -> None:
        """Credit the peer with what has left the buffer, and wake it if it waits for room."""
        taken, self.taken = self.taken, 0
        self.unacknowledged -= taken
        if self.failure is not None:
            return
        if taken:
            self.other().consumed(taken)
        if self._starved and MAX_BUFFERED - self.unacknowledged >= _MIN_ROOM:
            self._starved = False
            if not self.got_eof:
                self.other().wake()

    def fail(self, code: str, reason: str) -> None:
        self.failure = (code, reason)
        self.outgoing = memoryview(b"")
        self.under_way = 0
        self.output.notify()

    def succeed(self, successor: End) -> bytes:
        """Let `successor` take over; return what came and was not received."""
        waiting = bytes(self.buffer)
        self.buffer.clear()
        self.successor = successor
        return waiting

    def count(self, size: int) -> None:
        """Correct the service's part of `bytes_in` by `size`."""
        self._own_bytes += size

    def other(self) -> End:
        assert self.peer is not None
        return self.peer

    def _has_input(self) -> None:
        self.input.notify()
        if self.watch is not None:
            self.watch()


class ByteStream:
    """One coroutine at a time may receive, and one may send.

    All of them raise `StreamReset` once the stream was reset; at the peer's EOF, what waits for
    bytes raises `EndOfStream`.
    """

    def __init__(self) -> None:
        self.end = _StreamEnd()

    @property
    def buffer(self) -> bytearray:
        """What has come and was not received; to be looked at only."""
        return self.end.buffer

    @property
    def failure(self) -> tuple[str, str] | None:
        """Code and reason of the reset that ended the stream."""
        return self.end.failure

    @property
    def got_eof(self) -> bool:
        """Whether nothing follows the buffer."""
        return self.end.got_eof

    # -- reading ---------------------------------------------------------------------------

    async def receive(self, max_bytes: int = 64 * 1024) -> bytes:
        """Return the next bytes, at least one."""
        self.end.acknowledge()
        if not self.end.buffer:
            await self.fill()
        return self.take(max_bytes)

    async def receive_exactly(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        while len(self.end.buffer) < size:
            await self.fill()
        return self.take(size)

    async def fill(self) -> None:
        """Wait until the buffer has grown."""
        end = self.end
        size = len(end.buffer)
        end.acknowledge()
        while len(end.buffer) == size:
            self._check_failure()
            if end.got_eof:
                raise EndOfStream
            await end.input.wait()

    def take(self, max_bytes: int) -> bytes:
        """Remove and return the front of the buffer."""
        end = self.end
        data = bytes(memoryview(end.buffer)[:max_bytes])
        del end.buffer[: len(data)]
        end.taken += len(data)
        return data

    def put_back(self, data: bytes) -> None:
        """Undo the `receive` of what belongs to the next reader, before receiving more."""
        self.end.buffer[:0] = data
        self.end.taken -= len(data)

    def acknowledge(self) -> None:
        """Credit the peer with what was received, without waiting for more."""
        self.end.acknowledge()

    async def wait_eof(self) -> None:
        """Wait for EOF, whatever is in the buffer."""
        while not self.end.got_eof:
            self._check_failure()
            await self.end.input.wait()

    def discard(self) -> None:
        """Drop what has come and what will come."""
        self.end.discarding = True
        self.end.taken += len(self.end.buffer)
        self.end.buffer.clear()
        self.end.acknowledge()

    # -- writing ---------------------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        """Send `data`, as fast as the peer takes it."""
        end = self.end
        self._check_failure()
        end.outgoing = memoryview(data)
        end.flush()
        try:
            while end.outgoing:
                await end.output.wait()
        finally:
            end.outgoing = memoryview(b"")
        self._check_failure()

    async def drain(self) -> None:
        """Wait until the peer has passed on all that was sent."""
        while self.end.under_way:
            await self.end.output.wait()
        self._check_failure()

    async def send_eof(self) -> None:
        """Half-close the stream."""
        self._check_failure()
        self.end.other().end()

    # -- the end ---------------------------------------------------------------------------

    async def aclose(self, linger: float = LINGER) -> None:
        """Close in order: send EOF, and drop what comes until the peer's. If that does not come
        within `linger` seconds, reset the stream.
        """
        try:
            self.discard()
            await self.send_eof()
            async with asyncio.timeout(linger):
                await self.wait_eof()
            self.closed("closed", "")
        except TimeoutError:
            self.reset("timeout", "it did not close")
        except StreamReset as reset:
            self.closed(reset.code, reset.reason)
        except asyncio.CancelledError:
            self.reset("reset", "no longer wanted")
            raise

    def reset(self, code: str, reason: str) -> None:
        """End the stream both ways at once, unless it has failed already."""
        end = self.end
        if end.failure is None:
            end.fail(code, reason)
            end.input.notify()
            if end.peer is not None:
                end.peer.reset(code, reason)
        self.closed(code, reason)

    def closed(self, code: str, reason: str) -> None:
        """Tell the observer, once, how the stream ended."""
        _tell_observer(self.end, code, reason)

    def _check_failure(self) -> None:
        if self.end.failure is not None:
            raise StreamReset(*self.end.failure)


def step_out(client: ByteStream, target: ByteStream) -> tuple[End, End]:
    """Join the peers of two drained streams to each other, pass on what has come, and return the
    peers.
    """
    client.acknowledge()
    target.acknowledge()
    assert not client.end.under_way and not target.end.under_way
    one, other = client.end.other(), target.end.other()
    early, late = client.end.succeed(other), target.end.succeed(one)
    # From here on the client is sent what comes in at the other end, `late` included.
    client.end.count(len(late) - other.bytes_in)
    # The peers first: the credit for what came early then goes to where it came from.
    one.peer, other.peer = other, one
    if early:
        other.send(memoryview(early))
    if late:
        one.send(memoryview(late))
    if client.got_eof:
        other.end()
    if target.got_eof:
        one.end()
    rejoin(one, other)
    return one, other


class _DatagramStreamEnd(DatagramEnd):
    __slots__ = ("failure", "got_eof", "input", "queue")

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[bytes] = deque(maxlen=_MAX_DATAGRAMS)
        self.got_eof = False
        self.failure: tuple[str, str] | None = None
        self.input = _Waiter()

    def send(self, data: memoryview) -> None:
        if not self.got_eof and self.failure is None:
            self.queue.append(bytes(data))
            self.input.notify()

    def end(self) -> None:
        self.got_eof = True
        self.input.notify()

    def reset(self, code: str, reason: str) -> None:
        if self.failure is None:
            self.failure = (code, reason)
            self.input.notify()


class DatagramStream:
    """The same for a stream of datagrams: each is received whole. The oldest are dropped when
    more come than are received.
    """

    def __init__(self) -> None:
        self.end = _DatagramStreamEnd()

    async def receive(self) -> bytes:
        """Return the next datagram."""
        end = self.end
        while True:
            if end.failure is not None:
                raise StreamReset(*end.failure)
            if end.queue:
                return end.queue.popleft()
            if end.got_eof:
                raise EndOfStream
            await end.input.wait()

    def send(self, data: bytes) -> None:
        """Send one datagram, unless the stream has ended."""
        end = self.end
        if end.peer is not None and end.failure is None and not end.got_eof:
            end.bytes_in += len(data)
            end.peer.send(memoryview(data))

    def close(self) -> None:
        """End the stream."""
        self.end.got_eof = True
        if self.end.peer is not None:
            self.end.peer.end()
        _tell_observer(self.end, "closed", "")

    def reset(self, code: str, reason: str) -> None:
        """End the stream with a reset, unless it has failed already."""
        if self.end.failure is None:
            self.end.failure = (code, reason)
            if self.end.peer is not None:
                self.end.peer.reset(code, reason)
        _tell_observer(self.end, *self.end.failure)


def _tell_observer(end: End, code: str, reason: str) -> None:
    """Tell the observer of an end, once, how it has ended."""
    observer, end.observer = end.observer, None
    if observer is not None:
        observer.end_closed(end, code, reason)
