"""What all I/O of one thread shares: the loop and a read buffer."""

from __future__ import annotations

import errno

from norouter_core.agent.descriptors import Descriptors
from norouter_core.wire.limits import MAX_DATA
from norouter_core.wire.outbox import Cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from norouter_core.agent.loop import LoopLike

    class ResetCheck(Protocol):
        def check_for_reset(self) -> bool:
            """Return False once there is nothing more to check."""
            ...


_RESET_CHECK_INTERVAL = 1.0
_MAX_SPARE = 4


class Io:
    """The shared state of one loop.

    `buffer` is for bytes that are read and passed on within one call, so that no socket needs a
    buffer of its own. A link keeps what it has read for as long as it handles it (`take_buffer`).
    """

    __slots__ = ("_spare", "_watched", "_watching", "buffer", "cause", "descriptors", "loop")

    def __init__(self, loop: LoopLike) -> None:
        self.loop = loop
        self.buffer = memoryview(bytearray(MAX_DATA))
        self.cause = Cause()
        self.descriptors = Descriptors(loop)
        self._spare: list[memoryview] = []
        self._watched: set[ResetCheck] = set()
        self._watching = False

    def take_buffer(self) -> memoryview:
        """Return a buffer that nobody else uses until `give_back`."""
        return self._spare.pop() if self._spare else memoryview(bytearray(MAX_DATA))

    def give_back(self, buffer: memoryview) -> None:
        if len(self._spare) < _MAX_SPARE:
            self._spare.append(buffer)

    def watch_for_reset(self, end: ResetCheck) -> None:
        """Call `end.check_for_reset` once a second until it returns False."""
        self._watched.add(end)
        if not self._watching:
            self._watching = True
            self.loop.call_later(_RESET_CHECK_INTERVAL, self._check_for_resets)

    def _check_for_resets(self) -> None:
        for end in list(self._watched):
            if not end.check_for_reset():
                self._watched.discard(end)
        self._watching = bool(self._watched)
        if self._watching:
            self.loop.call_later(_RESET_CHECK_INTERVAL, self._check_for_resets)


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
    errno.EMFILE: "too-many",
    errno.ENFILE: "too-many",
}


def reset_code(error: OSError) -> str:
    """Return the RESET code (SPEC.md section 4) for a socket's error."""
    return _CODES.get(error.errno or 0, "internal")


def error_text(error: OSError) -> str:
    """Return an operating system error without its number."""
    return error.strerror or str(error)
