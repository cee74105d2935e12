"""What a host's link is to the engine, whatever it runs over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from norouter_core.agent.ends import End
from norouter_core.agent.operations import OperationError
from norouter_core.sanitize import strip_line
from norouter_core.wire.messages import field

if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.ends import Observer
    from norouter_core.wire.messages import Json

__all__ = ["Hello", "Hub", "Link", "OperationError"]

UNSUPPORTED = "unsupported"
"""The code of an `OperationError` for what an older agent does not know; retrying cannot help."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What an agent said of itself (SPEC.md section 2)."""

    protocol: int
    python: str
    implementation: str
    system: str
    machine: str
    hostname: str
    boot_id: str
    netns: str
    features: frozenset[str] = frozenset()
    """What the agent may be asked for."""

    @classmethod
    def parse(cls, data: Json) -> Hello:
        """Raises:
        Violation: code `json`, for a hello without what it must hold.
        """
        texts = ("python", "implementation", "system", "machine", "hostname", "boot_id", "netns")
        known = data.get("features")
        features = known if isinstance(known, list) else []
        return cls(
            protocol=field(data, "protocol", int),
            features=frozenset(word for word in features if isinstance(word, str)),
            **{key: strip_line(field(data, key, str)) for key in texts},
        )

    @property
    def namespace(self) -> tuple[str, str]:
        """Equal for two agents in one network namespace; where the system does not tell, for two
        of one host name."""
        known = bool(self.boot_id and self.netns)
        return (self.boot_id, self.netns) if known else ("", self.hostname)

    def __str__(self) -> str:
        python = "Python" if self.implementation == "CPython" else self.implementation
        return f"{python} {self.python}, {self.system} {self.machine}"


class Hub(Protocol):
    """Who is told of what a host's agent offers. Called from the loop; must not block."""

    def offer(self, listener: int, peer: tuple[str, int], end: End) -> None:
        """A client has connected at `listener`: `end` is to be joined, or reset."""
        ...

    def report(self, rows: list[list[Any]]) -> None:
        """Changed direct streams (SPEC.md section 3)."""
        ...


class Link(Protocol):
    """One host, ready to listen and to dial.

    The awaitable verbs raise `OperationError` when the host refuses and when the link is lost.
    """

    hello: Hello

    @property
    def round_trip(self) -> float | None:
        """Seconds, smoothed; None until measured, and for this machine."""
        ...

    async def listen(
        self,
        number: int,
        host: str,
        port: int,
        direct: tuple[str, int] | None,
        proto: str = "tcp",
    ) -> tuple[str, int, bool]:
        """Binds an address for `tcp` or `udp`; host and port as bound, and whether that is a
        fallback."""
        ...

    async def unlisten(self, number: int) -> None: ...

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        """Joins `other` to a new end, of its kind, towards a target; `observer` is told of the new
        end."""
        ...

    async def ping(self) -> float:
        """Seconds that one question and its answer take, now."""
        ...

    def can_splice(self, client: End, target: End) -> bool:
        """Whether both are streams of this link, and its agent can join them itself."""
        ...

    async def splice(
        self, listener: int, client: End, target: End, accepted: Callable[[int], None]
    ) -> None:
        """Has the agent join the sockets of two streams that are joined here (SPEC.md section 11).
        `accepted` is told the number of the direct stream that they are then, before anything else
        that comes of it."""
        ...

    async def resolve(self, name: str) -> list[str]:
        """The addresses of a name, as that host's resolver sees it."""
        ...

    async def read(self, path: str, limit: int) -> str:
        """The first `limit` bytes of a regular file on the host; `OperationError` `no-file` where
        there
        is none."""
        ...

    async def write(self, path: str, text: str, mode: str, name: str = "") -> Json:
        """Writes a file on the host (`norouter_core.agent.files.write`); `name` is the host's, to
        which a block belongs."""
        ...

    async def kill_direct(self, number: int) -> None:
        """Resets a direct stream of that host."""
        ...

    async def wait_down(self) -> None:
        """Returns when the link has ended by itself."""
        ...

    async def close(self) -> None:
        """Ends in an orderly way and leaves nothing behind."""
        ...
