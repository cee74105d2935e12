"""What everything that does I/O in one thread shares: the loop and one read buffer."""

from __future__ import annotations

import errno

from norouter_core.wire.limits import MAX_DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.agent.loop import LoopLike


class Io:
    """One per loop. `buffer` is for bytes that are read and passed on within one call: no
    socket needs a buffer of its own, however many there are."""

    __slots__ = ("buffer", "loop")

    def __init__(self, loop: LoopLike) -> None:
        self.loop = loop
        self.buffer = memoryview(bytearray(MAX_DATA))


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
