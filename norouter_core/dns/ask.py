"""Asking one name server over a stream that somebody dials: one query, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from norouter_core.agent.ends import End
from norouter_core.dns.message import HEADER
from norouter_core.dns.responder import LookupFailed
from norouter_core.dns.tcp import frame

_MOST = 2 + 65535


async def ask_by_stream(dial: Callable[[End], End], query: bytes) -> bytes:
    """The answer to `query`, both without the length that TCP puts before them. The stream is
    given up afterwards, also when this is cancelled.

    Args:
        dial: joins the end that it is given to one towards the name server; returns the latter.

    Raises:
        LookupFailed: the name server cannot be reached, or hung up.
    """
    asking = _Asking(frame(query))
    target = dial(asking)
    try:
        asking.wake()
        return await asking.answer
    finally:
        asking.over = True
        target.reset("reset", "no longer wanted")


class _Asking(End):
    """The asker's end. Takes at most one answer; the rest of what comes is dropped."""

    __slots__ = ("_came", "_query", "answer", "over")

    def __init__(self, query: bytes) -> None:
        super().__init__()
        self._query = memoryview(query)
        self._came = bytearray()
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.over = False

    def wake(self) -> None:
        while self._query and not self.over and self.peer is not None:
            room = self.peer.room()
            if room <= 0:
                return
            piece, self._query = self._query[:room], self._query[room:]
            self.peer.send(piece)

    def start(self) -> None:
        """Its other end is not started yet: what is sent first waits for `wake`."""

    def send(self, data: memoryview) -> None:
        assert self.peer is not None
        if not self.answer.done():
            self._came += data[: _MOST - len(self._came)]
        self.peer.consumed(len(data))
        size = int.from_bytes(self._came[:2], "big") if len(self._came) >= 2 else None
        if size is None or self.answer.done():
            return
        if size < HEADER:
            self._fail("it sent what is no DNS")
        elif len(self._came) >= 2 + size:
            self.answer.set_result(bytes(self._came[2 : 2 + size]))

    def end(self) -> None:
        self._fail("it hung up without an answer")

    def reset(self, code: str, reason: str) -> None:
        self.over = True
        self._fail(f"{code}: {reason}" if reason else code)

    def room(self) -> int:
        return _MOST

    def consumed(self, size: int) -> None:
        """`room` of the other end tells when more may go."""

    def _fail(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(LookupFailed(reason))
