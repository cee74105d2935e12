"""DNS sessions of clients: over a stream (RFC 7766) and over datagrams (RFC 1035 section 4.2)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from anyio import EndOfStream

from norouter_core.agent.ends import End, join
from norouter_core.byte_stream import ByteStream, DatagramStream, StreamReset
from norouter_core.dns.message import HEADER
from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.wire.codes import Address

Answer = Callable[[bytes], Awaitable[bytes | None]]
Spawn = Callable[[Coroutine[Any, Any, None]], object]

MAX_QUERY = 4096
"""Bytes of one query."""
IDLE = 20.0
"""Seconds without a whole query or an answer after which a session ends."""
LINGER = 1.0
"""Seconds that a client of datagrams has for another query after the last answer. A resolver asks
for both address families at once from one socket; what comes later begins a new session."""
_MAX_QUERIES = 16
"""Queries of one session that are answered at a time."""
FAREWELL = 2.0
"""Seconds that a client has to close its side after we have closed ours."""


class BadLength(NorouterError):
    """What came is not DNS over TCP."""


def frame(message: bytes) -> bytes:
    """Return a message of at most 65,535 bytes with its length in front, as TCP carries it."""
    return len(message).to_bytes(2, "big") + message


def dns_stream_session(
    client: End,
    answer: Answer,
    spawn: Spawn,
    *,
    reached: Address,
    observer: Observer | None = None,
    idle: float = IDLE,
    farewell: float = FAREWELL,
) -> End:
    """Serve DNS on a client's stream; return the end that it has been joined to.

    Queries may be pipelined and are answered in whatever order the answers come. At most 16 are
    answered at a time; what comes beyond waits, and the client is slowed down by its window. Bytes
    that are not DNS reset the stream, and so do answers that are not taken for `idle` seconds. A
    quiet stream is closed in order.

    Args:
        client: an end that has been offered and not been joined.
        answer: for example `Responder.answer` for one host and `tcp`; must not raise.
        spawn: runs a coroutine as a task.
        reached: the address that the client has connected to.
        observer: of the returned end.
        farewell: seconds that a client may leave its stream open after the end.
    """
    session = _StreamSession(answer, idle, farewell)
    session.stream.end.observer = observer
    client.accept(reached)
    join(client, session.stream.end)
    spawn(session.run())
    return session.stream.end


class _StreamSession:
    def __init__(self, answer: Answer, idle: float, farewell: float) -> None:
        self.stream = ByteStream()
        self._answer = answer
        self._idle = idle
        self._farewell = farewell
        self._limit = asyncio.timeout(idle)
        self._slots = asyncio.Semaphore(_MAX_QUERIES)
        self._sending = asyncio.Lock()
        self._busy = 0
        self._unanswered = 0

    async def run(self) -> None:
        try:
            async with self._limit, asyncio.TaskGroup() as queries:
                await self._read(queries)
        except* TimeoutError:
            if self._unanswered:
                self.stream.reset("timeout", f"answers were not taken within {self._idle:g} s")
        except* BadLength as errors:
            self.stream.reset("not-allowed", str(errors.exceptions[0]))
        except* StreamReset as errors:
            self.stream.reset(*self.stream.failure or ("reset", str(errors.exceptions[0])))
        await self.stream.aclose(self._farewell)

    async def _read(self, queries: asyncio.TaskGroup) -> None:
        try:
            while True:
                size = int.from_bytes(await self.stream.receive_exactly(2), "big")
                if not HEADER <= size <= MAX_QUERY:
                    raise BadLength(f"a query of {size} bytes, not {HEADER} to {MAX_QUERY}")
                query = await self.stream.receive_exactly(size)
                await self._slots.acquire()
                self._busy += 1
                self._moved()
                queries.create_task(self._reply(query))
        except EndOfStream:
            pass
        finally:
            self._unanswered = self._busy

    async def _reply(self, query: bytes) -> None:
        try:
            response = await self._answer(query)
            if response is not None and len(response) <= 65535:
                async with self._sending:
                    await self.stream.send(frame(response))
                self._moved()
        finally:
            self._busy -= 1
            self._slots.release()

    def _moved(self) -> None:
        # A limit that expires in this turn of the loop cannot be moved, and need not be.
        with contextlib.suppress(RuntimeError):
            self._limit.reschedule(asyncio.get_running_loop().time() + self._idle)


def dns_datagram_session(
    client: End,
    answer: Answer,
    spawn: Spawn,
    *,
    reached: Address,
    observer: Observer | None = None,
) -> End:
    """Serve DNS on a client's stream of datagrams; return the end that it has been joined to.

    At most 16 queries are answered at a time; what comes beyond is dropped, and so is what cannot
    be a query by its length. The session ends with its client's end, or one second after the last
    answer.

    The arguments are as for `dns_stream_session`.
    """
    stream = DatagramStream()
    stream.end.observer = observer
    client.accept(reached)
    join(client, stream.end)
    spawn(_serve_datagrams(stream, answer))
    return stream.end


async def _serve_datagrams(stream: DatagramStream, answer: Answer) -> None:
    loop, busy = asyncio.get_running_loop(), 0

    async def reply(query: bytes) -> None:
        nonlocal busy
        response = await answer(query)
        if response is not None:
            stream.send(response)
        busy -= 1
        if not busy:
            limit.reschedule(loop.time() + LINGER)

    try:
        async with asyncio.timeout(LINGER) as limit, asyncio.TaskGroup() as queries:
            while True:
                query = await stream.receive()
                if busy < _MAX_QUERIES and HEADER <= len(query) <= MAX_QUERY:
                    busy += 1
                    limit.reschedule(None)
                    queries.create_task(reply(query))
    except* (TimeoutError, EndOfStream):
        stream.close()
    except* StreamReset as errors:
        stream.reset(*stream.end.failure or ("reset", str(errors.exceptions[0])))
