"""DNS over a stream (RFC 7766): queries with a length before them, answered as they are ready."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from norouter_core.agent.ends import End, join
from norouter_core.dns.message import HEADER
from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.agent.loop import LoopLike, TimerLike

MAX_QUERY = 4096
"""Bytes of one query. Well below the least window of a stream (16 KiB), so that a query is whole
before the window is spent."""
IDLE = 20.0
"""Seconds without a whole query or an answer until a session ends."""
_SLOTS = 16
"""Queries of one session that are being answered, or whose answer waits to be taken."""
_HELD = 4 * (MAX_QUERY + 2)
"""Bytes from which on no more is asked for."""
_FAREWELL = 2.0
"""Seconds that a client has to close its side once we have closed ours."""


class BadLength(NorouterError):
    """What came is not DNS over TCP."""


class Deframer:
    """Splits a byte stream into queries; no I/O. `held` bytes wait."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def held(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next whole query, without its length; None until more has come.

        Raises:
            BadLength: a length that no query has; the stream is of no more use.
        """
        if len(self._buffer) < 2:
            return None
        size = int.from_bytes(self._buffer[:2], "big")
        if not HEADER <= size <= MAX_QUERY:
            raise BadLength(f"a query of {size} bytes, not {HEADER} to {MAX_QUERY}")
        if len(self._buffer) < 2 + size:
            return None
        query = bytes(self._buffer[2 : 2 + size])
        del self._buffer[: 2 + size]
        return query


def frame(response: bytes) -> bytes:
    """An answer, at most 65,535 bytes, with its length before it."""
    return len(response).to_bytes(2, "big") + response


class DnsSession(End):
    """The server's end of one client's stream. See `dns_tcp_session`."""

    __slots__ = (
        "_answer",
        "_busy",
        "_client_ended",
        "_closed",
        "_deframer",
        "_idle",
        "_last",
        "_loop",
        "_out",
        "_pumping",
        "_sent_end",
        "_spawn",
        "_starved",
        "_timer",
    )

    def __init__(
        self,
        answer: Callable[[bytes], Awaitable[bytes | None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        loop: LoopLike,
        idle: float,
    ) -> None:
        super().__init__()
        self._answer = answer
        self._spawn = spawn
        self._loop = loop
        self._idle = idle
        self._deframer = Deframer()
        self._out: deque[bytes] = deque()
        self._busy = 0
        """Slots in use: queries being answered, and answers in `_out`."""
        self._client_ended = False
        self._sent_end = False
        self._closed = False
        self._pumping = False
        self._starved = False
        """The client was told that there is no room, and waits to be woken."""
        self._last = loop.time()
        self._timer: TimerLike = loop.call_later(idle, self._check_idle)

    # -- called by the client's end --------------------------------------------------------

    def send(self, data: memoryview) -> None:
        if self._sent_end or self._closed:
            self._client().consumed(len(data))
            return
        self._deframer.feed(data)
        self._pump()

    def end(self) -> None:
        self._client_ended = True
        self._pump()

    def reset(self, code: str, reason: str) -> None:
        self._close(code, reason)

    def room(self) -> int:
        if self._closed:
            return 0
        if self._sent_end:
            return _HELD
        room = max(0, _HELD - self._deframer.held)
        self._starved = room == 0
        return room

    def wake(self) -> None:
        self._pump()

    def consumed(self, size: int) -> None:
        """`room` of the client's end tells when the next answer may go."""

    # -- within ----------------------------------------------------------------------------

    def _pump(self) -> None:
        """Moves answers out and queries in, as far as both go. The client's end may call back
        while it is being called: the outer turn goes on then."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while not self._closed and (self._put_one() or self._take_one()):
                pass
        finally:
            self._pumping = False
        if not self._closed:
            self._end_if_due()

    def _put_one(self) -> bool:
        client = self._client()
        if not self._out or client.room() <= 0:
            return False
        data = self._out.popleft()
        self._busy -= 1
        self.bytes_in += len(data)
        self._last = self._loop.time()
        client.send(memoryview(data))
        return True

    def _take_one(self) -> bool:
        if self._busy >= _SLOTS or self._sent_end:
            return False
        try:
            query = self._deframer.next()
        except BadLength as error:
            self._abort("not-allowed", str(error))
            return False
        if query is None:
            return self._wake_client()
        self._busy += 1
        self._last = self._loop.time()
        self._client().consumed(2 + len(query))
        if not self._closed:
            self._spawn(self._serve(query))
        return True

    def _wake_client(self) -> bool:
        """Asks for more, if the client waits to be asked; True if that brought something."""
        if not self._starved:
            return False
        self._starved = False
        before = self._deframer.held
        self._client().wake()
        return self._deframer.held > before

    async def _serve(self, query: bytes) -> None:
        response: bytes | None = None
        try:
            response = await self._answer(query)
        finally:
            if response is None or len(response) > 65535:
                self._busy -= 1
            elif not self._closed:
                self._out.append(frame(response))
        self._pump()

    # -- the end ---------------------------------------------------------------------------

    def _end_if_due(self) -> None:
        if not self._client_ended or self._busy:
            return
        if not self._sent_end:
            self._sent_end = True
            self._client().end()
        self._close("closed", "")

    def _check_idle(self) -> None:
        left = self._last + self._idle - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_idle)
        elif self._busy:
            self._abort("timeout", f"answers were not taken within {self._idle:g} s")
        else:
            self._sent_end = True
            self._timer = self._loop.call_later(_FAREWELL, self._give_up)
            self._client().end()

    def _give_up(self) -> None:
        self._abort("timeout", f"nothing was asked within {self._idle:g} s")

    def _abort(self, code: str, reason: str) -> None:
        if not self._closed:
            self._close(code, reason)
            self._client().reset(code, reason)

    def _close(self, code: str, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._out.clear()
        self._deframer = Deframer()
        if self.observer:
            self.observer.end_closed(self, code, reason)

    def _client(self) -> End:
        assert self.peer is not None
        return self.peer


def dns_tcp_session(
    client: End,
    answer: Callable[[bytes], Awaitable[bytes | None]],
    spawn: Callable[[Coroutine[Any, Any, None]], object],
    loop: LoopLike,
    *,
    reached: tuple[str, int] | None = None,
    observer: Observer | None = None,
    idle: float = IDLE,
) -> DnsSession:
    """Serves DNS on a client's stream, and returns the end that it has been joined to.

    Queries may be pipelined and are answered in whatever order the answers come. At most 16 are
    answered at a time; what comes beyond waits, and the client is slowed down by its window. Bytes
    that are not DNS, and answers that are not taken for `idle` seconds, reset the stream; a quiet
    one is closed in order.

    Args:
        client: an end that has been offered and not been joined.
        answer: e.g. `Responder.answer` for one host and `tcp`; must not raise.
        spawn: starts a coroutine, which ends by itself.
        reached: what the client is told that it has reached: the address at which it came. None
            where the caller has accepted it already.
        observer: of the returned end.
    """
    session = DnsSession(answer, spawn, loop, idle)
    session.observer = observer
    if reached is not None:
        client.accept(reached)
    join(client, session)
    return session
