"""The limit of open descriptors: it is raised at the start, and clients wait near it."""

from __future__ import annotations

import errno
import os
import socket

try:
    import resource
except ImportError:  # Windows, where the number is not limited
    resource = None  # type: ignore[assignment]  # a module or nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.loop import LoopLike

_RESERVED = 64
"""Descriptors that streams and listeners leave free: for exec commands, control clients, files."""
_FOR_DIALS = 32
"""Descriptors that accepted clients leave free for the dials on their behalf."""
_PROBE_INTERVAL = 0.1
"""Seconds for which the answer that none are free is not checked again."""
_REPORT_INTERVAL = 60.0
"""Seconds between two reports."""
_UNLIMITED = 1 << 30
_FALLBACKS = (1 << 20, 1 << 16, 10240)
"""Soft limits to try if the hard one is refused, as macOS does with an unlimited one."""

_original: list[int] = []


def raise_limit() -> None:
    """Raise the soft limit of open descriptors to the hard one."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, *_FALLBACKS):
        if _as_number(soft) >= _as_number(wanted):
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            continue
        if not _original:
            _original.append(soft)
        return


def original_limit() -> int | None:
    """Return the soft limit that `raise_limit` has raised; None if it has not.

    It is meant for child processes: a program that uses select(2) breaks with more than 1024.
    """
    return _original[0] if _original else None


class Descriptors:
    """Tells when descriptors run out. `on_scarce(open, limit)` is called once a minute at most.

    The system hands out the lowest free number, so a new descriptor shows how many are open.
    """

    __slots__ = (
        "_accept_limit",
        "_limit",
        "_loop",
        "_probed",
        "_reported",
        "_scarce",
        "_stream_limit",
        "on_scarce",
    )

    def __init__(self, loop: LoopLike) -> None:
        self.on_scarce: Callable[[int, int], None] = lambda used, limit: None
        self._loop = loop
        self._scarce = False
        self._probed = 0.0
        self._reported: float | None = None
        self._set_limits()

    def _set_limits(self) -> None:
        limit = _UNLIMITED
        if resource is not None:
            limit = _as_number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._limit = limit
        self._stream_limit = limit - min(_RESERVED, limit // 4)
        self._accept_limit = self._stream_limit - min(_FOR_DIALS, limit // 8)

    def check(self, fd: int) -> None:
        """Check the new descriptor of a dial.

        Raises:
            OSError: EMFILE, as by the system: too few others are left. The caller closes it.
        """
        if fd >= self._stream_limit:
            self.run_out(fd)
            raise _too_many()

    def left(self) -> int:
        """Return how many more descriptors dials may open."""
        return max(0, self._stream_limit - _second_free(self._limit))

    def check_listener(self, fd: int) -> None:
        """Check the new descriptor of a listener, which must leave some for its clients.

        Raises:
            OSError: as by `check`.
        """
        if fd >= self._accept_limit // 4 * 3:
            raise _too_many()

    def accepted(self, fd: int) -> None:
        """Note the descriptor of an accepted client."""
        if fd >= self._accept_limit:
            self.run_out(fd)

    def run_out(self, used: int | None = None) -> None:
        """Note that hardly any are free; report it with their number, which may be all."""
        self._scarce = True
        self._probed = now = self._loop.time()
        if self._reported is None or now - self._reported >= _REPORT_INTERVAL:
            self._reported = now
            self.on_scarce(self._limit if used is None else used, self._limit)

    def has_room(self) -> bool:
        """Return whether a client may be accepted."""
        if not self._scarce:
            return True
        now = self._loop.time()
        if now - self._probed < _PROBE_INTERVAL:
            return False
        self._probed = now
        self._set_limits()  # an administrator may have raised it
        self._scarce = _second_free(self._limit) >= self._accept_limit
        return not self._scarce


def _too_many() -> OSError:
    return OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def _second_free(limit: int) -> int:
    """Return the second number that is free: a client may need one, and the dial for it another."""
    try:
        with socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM) as probe:
            return probe.fileno()
    except OSError:
        return limit


def _as_number(limit: int) -> int:
    assert resource is not None
    return _UNLIMITED if limit == resource.RLIM_INFINITY else limit
