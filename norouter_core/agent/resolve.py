"""Names to addresses, by the system's resolver, in threads."""

from __future__ import annotations

import queue
import socket
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.io import Io

    Answer = Callable[[list[str], str], None]
    LookUp = Callable[[str], tuple[list[str], str]]

TOO_MANY = "too many names are being resolved"
TRY_AGAIN = "no name server has answered"
"""It is unknown whether there is such a name."""
_THREADS = 8
_WAITING = 256


def failure_code(error: str) -> str:
    """Return the RESET code (SPEC.md section 4) of a look-up that found no address."""
    return "too-many" if error == TOO_MANY else "name"


def resolve_error_code(error: str) -> str:
    """Return the error code of the operation `resolve`, which also has `try-again`."""
    return "try-again" if error == TRY_AGAIN else failure_code(error)


def literal(host: str) -> int | None:
    """Return the address family of an IP literal; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return family
    return None


def look_up(name: str) -> tuple[list[str], str]:
    """Return the addresses of a name, or none and the reason; this blocks."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            return [], TRY_AGAIN
        return [], getattr(error, "strerror", None) or str(error)
    # A dict keeps the order and drops the repeats.
    return list(dict.fromkeys(str(entry[4][0]) for entry in found)), ""


class Resolver:
    """Runs up to 8 look-ups at a time, queues up to 256, and refuses more."""

    def __init__(self, io: Io, look_up_with: LookUp | None = None) -> None:
        self._io = io
        self._look_up = look_up_with or look_up
        self._work: queue.Queue[tuple[str, Answer]] = queue.Queue(_WAITING)
        self._threads = 0
        self._busy = 0

    def resolve(self, name: str, done: Answer) -> None:
        """Look up a name and call `done(addresses, error)` in the loop.

        The addresses are IP literals in the system's order of preference, or there are none and a
        reason.
        """
        if self._busy >= self._threads and self._threads < _THREADS:
            self._threads += 1
            threading.Thread(target=self._run, name="resolver", daemon=True).start()
        try:
            self._work.put_nowait((name, done))
        except queue.Full:
            self._io.loop.call_soon(done, [], TOO_MANY)
            return
        self._busy += 1

    def _run(self) -> None:
        while True:
            name, done = self._work.get()
            addresses, error = self._look_up(name)
            try:
                self._io.loop.call_soon_threadsafe(self._answered, done, addresses, error)
            except RuntimeError:
                return  # the loop was closed, nobody waits any more

    def _answered(self, done: Answer, addresses: list[str], error: str) -> None:
        self._busy -= 1
        done(addresses, error)
