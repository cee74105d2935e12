"""Tunnels that need not cross the hub, since one host has both sockets (SPEC.md section 11)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from norouter_core.engine.status import StreamState
from norouter_core.links.base import Link, OperationError

if TYPE_CHECKING:
    from norouter_core.agent.ends import End
    from norouter_core.engine.relay import LocalStream, RelayedStream


class SplicingContext(Protocol):
    """What is needed of the engine."""

    def link(self, host: str) -> Link | None:
        """A host's link, while it is up."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine as a task of the engine's."""
        ...


def splice(
    mesh: SplicingContext, stream: RelayedStream, listener: int, client: End, target: End
) -> None:
    """Has a proxy's host join the two ends of a tunnel itself, where it has both: `client` and
    `target`, which are joined here and stay so until the host has taken over.

    A target that is a port of the mesh's stays here, where it can be taken away.
    """
    link = mesh.link(stream.from_host)
    if link is not None and stream.through is None and link.can_splice(client, target):
        mesh.spawn(_splice(link, stream, listener, client, target))


async def _splice(
    link: Link, stream: RelayedStream, listener: int, client: End, target: End
) -> None:
    # Something may stand in between by now: somebody who looks at the bytes.
    if stream.state is StreamState.CLOSED or client.peer is not target:
        return
    stream.own_bytes = stream.bytes_received - target.bytes_in
    try:
        await link.splice(listener, client, target, stream.spliced)
    except OperationError:
        pass  # it has ended, or goes on through the hub


def cut(mesh: SplicingContext, streams: list[LocalStream]) -> None:
    """Resets spliced streams, whose agent does not know that they are published no more."""
    for stream in streams:
        link = mesh.link(stream.from_host)
        if link is not None:
            mesh.spawn(_cut(link, stream.remote_number))


async def _cut(link: Link, number: int) -> None:
    try:
        await link.kill_direct(number)
    except OperationError:
        pass  # the host is gone, and the stream with it
