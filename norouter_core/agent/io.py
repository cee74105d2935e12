"""What everything that does I/O in one thread shares: the loop and one read buffer."""

from __future__ import annotations

import errno

from norouter_core.wire.limits import MAX_DATA
from norouter_core.wire.outbox import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.agent.loop import LoopLike
    from norouter_core.agent.tcp import TcpEnd


_UNREAD_INTERVAL = 1.0


class Io:
    """One per loop. `buffer` is for bytes that are read and passed on within one call: no
    socket needs a buffer of its own, however many there are."""

    __slots__ = ("_unread", "_watching", "buffer", "cause", "loop")

    def __init__(self, loop: LoopLike) -> None:
        self.loop = loop
        self.buffer = memoryview(bytearray(MAX_DATA))
        self.cause = Cause()
        self._unread: set[TcpEnd] = set()
        self._watching = False

    def watch_unread(self, end: TcpEnd) -> None:
        """Has `end.check_unread` called once a second until it returns False."""
        self._unread.add(end)
        if not self._watching:
            self._watching = True
            self.loop.call_later(_UNREAD_INTERVAL, self._check_unread)

    def _check_unread(self) -> None:
        for end in list(self._unread):
            if not end.check_unread():
                self._unread.discard(end)
        self._watching = bool(self._unread)
        if self._watching:
            self.loop.call_later(_UNREAD_INTERVAL, self._check_unread)


_CODES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ECONNABORTED: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EACCES: "not-allowed",
    errno.EPERM: "not-allowed",
}


def reset_code(error: OSError) -> str:
    """The RESET code (SPEC.md section 4) that tells of a socket's error."""
    return _CODES.get(error.errno or 0, "internal")


def describe(error: OSError) -> str:
    """An operating system error in its own words."""
    return error.strerror or str(error)
