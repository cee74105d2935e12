"""What a proxy session is given: who dials for it, and its bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from norouter_core.agent.ends import End, Observer
    from norouter_core.agent.loop import LoopLike


class Dialer(Protocol):
    """Decides where a target is reached from, and dials; knows whose proxy it serves."""

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        """Joins `other` to a new end towards a target, and returns that end.

        `host` is a name in lower case or an IP literal (IPv6 without brackets). The outcome, which
        may come before the return, is `observer.end_opened(end, peer)`, or a reset of `other` with
        a code of SPEC.md section 4. Never raises.
        """
        ...


def _ignore(*_: object) -> None:
    """The default of what is told: nobody listens."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Times are in seconds."""

    loop: LoopLike
    auth: str | None = None
    """`USER:PASSWORD` that a client must show; None for an open proxy."""
    address: tuple[str, int] = ("0.0.0.0", 0)
    """Where the proxy listens: what a client that came over a link is told it has reached."""
    header_timeout: float = 30.0
    """For a whole request head or SOCKS handshake, and for a last answer to be taken."""
    keep_alive: float = 75.0
    """Between two requests on one connection."""
    idle_timeout: float = 900.0
    """Without a byte either way while a request is under way; long, for long polls."""
    linger: float = 2.0
    """Between our half-close and a reset, for a client that goes on sending."""
    log: Callable[[str], None] = _ignore
    """Told one line, free of control characters, per request that was refused or failed."""
    on_tunnel: Callable[[End, End], None] = _ignore
    """Told the client's end and the target's once they have been joined to each other: the session
    has nothing more to do with what passes."""
    on_target: Callable[[str, int, str], None] = _ignore
    """Told `host, port, kind` when the client asks for another target than before; `kind` is
    `http`, `connect`, `socks4`, `socks4a` or `socks5`."""
