"""What a host's agent is to the engine, whatever its link runs over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from norouter_core.agent.ends import End
from norouter_core.agent.operations import OperationError
from norouter_core.bootstrap.handshake import Hello
from norouter_core.wire.codes import TCP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from norouter_core.agent.ends import Observer
    from norouter_core.wire.codes import Address
    from norouter_core.wire.messages import Json

__all__ = ["Hello", "Hub", "Link", "OperationError"]

UNSUPPORTED = "unsupported"
"""The code of an `OperationError` for what an older agent does not know; retrying cannot help."""


class Hub(Protocol):
    """Takes what a host's agent offers. Called from the loop; must not block."""

    def offer(self, listener: int, peer: Address, end: End, destination: Address | None) -> None:
        """Join or reset `end`, a client that has connected at `listener`.

        `destination` is the address that it has connected to, if that is a transparent listener.
        """
        ...

    def refused(self, reason: str) -> None:
        """Note that a client was refused, since the link has too many streams."""
        ...

    def report(self, rows: list[Any]) -> Iterator[None]:
        """Take a report of direct streams (SPEC.md section 3), a row for each step.

        Raises:
            RemoteProtocolError: code `json`: a row is malformed, or there are too many streams.
        """
        ...

    def scarce_descriptors(self, used: int, limit: int) -> None:
        """Note that the agent's process has hardly any descriptors left."""
        ...


class Link(Protocol):
    """One host, ready to listen and to dial.

    The awaitable methods raise `OperationError` if the host refuses, and if its link is lost.
    """

    hello: Hello

    @property
    def at_once(self) -> int:
        """How many requests are to wait for answers at once, at most."""
        ...

    @property
    def round_trip(self) -> float | None:
        """Seconds, smoothed; None until measured, and for this machine."""
        ...

    async def listen(
        self,
        number: int,
        host: str,
        port: int,
        direct: Address | None,
        proto: str = TCP,
        *,
        transparent: bool = False,
    ) -> Address:
        """Bind an address for `tcp` or `udp`; return it as bound.

        See SPEC.md section 14 for `transparent`.
        """
        ...

    async def unlisten(self, number: int) -> None:
        """Close a listener."""
        ...

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        """Join `other` to a new end of its kind towards a target, and return that end, which
        reports to `observer`.
        """
        ...

    async def ping(self) -> float:
        """Measure how many seconds one request and its answer take now."""
        ...

    def can_splice(self, client: End, target: End) -> bool:
        """Return whether both are streams of this link, and its agent can join them itself."""
        ...

    async def splice(
        self, listener: int, client: End, target: End, accepted: Callable[[int], None]
    ) -> None:
        """Have the agent join the sockets of two streams that are joined here (SPEC.md section
        11). `accepted` gets the number of the direct stream that they become, before anything
        else that follows from it.
        """
        ...

    async def resolve(self, name: str) -> list[str]:
        """Return the addresses of a name as the host's own resolver sees it."""
        ...

    async def read(self, path: str, limit: int) -> str:
        """Return the first `limit` bytes of a regular file on the host; `OperationError` with the
        code `no-file` if it does not exist.
        """
        ...

    async def write(self, path: str, text: str, mode: str, name: str = "") -> Json:
        """Write a file on the host (see `norouter_core.agent.files.write`); `name` is that of the
        host to which a block belongs.
        """
        ...

    async def kill_direct(self, number: int) -> None:
        """Reset a direct stream of the host."""
        ...
