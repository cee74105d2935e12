"""DNS over datagrams (RFC 1035 section 4.2.1): one client's queries, and one query of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from norouter_core.agent.ends import DatagramEnd, End, join
from norouter_core.dns.message import HEADER
from norouter_core.dns.responder import LookupFailed
from norouter_core.dns.tcp import MAX_QUERY

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.agent.loop import LoopLike, TimerLike

_SLOTS = 16
"""Queries of one client that are being answered; more are dropped, and asked again by it."""
LINGER = 1.0
"""Seconds that a client has for another query once all have been answered. A resolver asks for both
families at once and by one socket; what comes later makes a stream of its own."""
_QR = 0x80
_TC = 0x02


class DnsDatagrams(DatagramEnd):
    """The server's end of one client's stream of datagrams. See `dns_udp_session`."""

    __slots__ = ("_answer", "_busy", "_closed", "_loop", "_spawn", "_timer")

    def __init__(
        self,
        answer: Callable[[bytes], Awaitable[bytes | None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        loop: LoopLike,
    ) -> None:
        super().__init__()
        self._answer = answer
        self._spawn = spawn
        self._loop = loop
        self._timer: TimerLike | None = None
        self._busy = 0
        self._closed = False

    def send(self, data: memoryview) -> None:
        if self._closed:
            return
        if self._busy < _SLOTS and HEADER <= len(data) <= MAX_QUERY:
            self._busy += 1
            self._stop_timer()
            self._spawn(self._serve(bytes(data)))
        elif not self._busy and self._timer is None:
            # It has never asked anything.
            self._start_timer()

    def end(self) -> None:
        if not self._closed:
            self._close("closed", "")
            if self.peer is not None:
                self.peer.end()

    def reset(self, code: str, reason: str) -> None:
        self._close(code, reason)

    async def _serve(self, query: bytes) -> None:
        response: bytes | None = None
        try:
            response = await self._answer(query)
        finally:
            self._busy -= 1
            if not self._busy and not self._closed:
                self._start_timer()
        if response is not None and not self._closed and self.peer is not None:
            self.bytes_in += len(response)
            self.peer.send(memoryview(response))

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(LINGER, self.end)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self, code: str, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._stop_timer()
            if self.observer:
                self.observer.end_closed(self, code, reason)


def dns_udp_session(
    client: End,
    answer: Callable[[bytes], Awaitable[bytes | None]],
    spawn: Callable[[Coroutine[Any, Any, None]], object],
    loop: LoopLike,
    *,
    reached: tuple[str, int] | None = None,
    observer: Observer | None = None,
) -> DnsDatagrams:
    """Serves DNS on a client's stream of datagrams, and returns the end that it has been joined to.

    At most 16 queries are answered at a time; what comes beyond is dropped, and so is what is no
    query by its length. The stream ends with its client's end, or when nothing has been asked for
    a second after the last answer.

    Args:
        client: an end of datagrams that has been offered and not been joined.
        answer: e.g. `Responder.answer` for one host and `udp`; must not raise.
        spawn: starts a coroutine, which ends by itself.
        loop: for the one timer.
        reached: what the client is told that it has reached: the address at which it came. None
            where the caller has accepted it already.
        observer: of the returned end.
    """
    session = DnsDatagrams(answer, spawn, loop)
    session.observer = observer
    if reached is not None:
        client.accept(reached)
    join(client, session)
    return session


async def ask_by_datagram(dial: Callable[[End], End], query: bytes) -> bytes:
    """The answer to `query`; waits for as long as none comes. The stream is given up afterwards,
    also when this is cancelled. What is no answer to the query by its id is passed over: anyone
    might have sent it.

    Args:
        dial: joins the end that it is given to one towards the name server; returns the latter.

    Raises:
        LookupFailed: the name server cannot be reached.
    """
    asking = _Asking(query)
    target = dial(asking)
    try:
        asking.ask()
        return await asking.answer
    finally:
        target.reset("reset", "no longer wanted")


def is_cut(response: bytes) -> bool:
    """Whether an answer says that there is more of it than a datagram took (TC)."""
    return len(response) >= HEADER and bool(response[2] & _TC)


class _Asking(DatagramEnd):
    """The asker's end."""

    __slots__ = ("_query", "answer")

    def __init__(self, query: bytes) -> None:
        super().__init__()
        self._query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """Sends the query, unless the dial has failed already."""
        if self.peer is not None:
            self.peer.send(memoryview(self._query))

    def send(self, data: memoryview) -> None:
        ours = len(data) >= HEADER and data[:2] == self._query[:2] and data[2] & _QR
        if ours and not self.answer.done():
            self.answer.set_result(bytes(data))

    def end(self) -> None:
        self._fail("it hung up without an answer")

    def reset(self, code: str, reason: str) -> None:
        self._fail(f"{code}: {reason}" if reason else code)

    def _fail(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(LookupFailed(reason))
