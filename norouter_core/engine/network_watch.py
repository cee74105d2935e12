"""Notices that a host's network namespace has been left behind.

A container that shares the network of another one (`docker run --network container:web ...`) keeps
the old namespace when that one is restarted: its interfaces vanish, every dial is refused, and no
program of the new container sees its listeners.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from norouter_core.links.base import Link, OperationError

_FILE = "/proc/net/dev"
_MAX_FILE = 16 * 1024
_OF_EVERY_NAMESPACE = frozenset(
    (
        "lo",
        "sit0",
        "tunl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "ip6tnl0",
        "ip6gre0",
    )
)
"""The interfaces that a new namespace may have of itself."""
_POLL_INTERVAL = 5.0
_MIN_INTERVAL = 1.0


class NetworkWatch:
    """Watches a host behind an exec command; calls `gone` once its interfaces have vanished.

    Args:
        argv: the exec command.
        gone: called once.
        poll_interval: seconds between two looks at a host that is known to share a container's
            network.
        min_interval: seconds between two looks at any host.
    """

    def __init__(
        self,
        argv: Sequence[str],
        gone: Callable[[], None],
        *,
        poll_interval: float = _POLL_INTERVAL,
        min_interval: float = _MIN_INTERVAL,
    ) -> None:
        is_sidecar = any("container:" in word for word in argv)
        self._interval = poll_interval if is_sidecar else None
        self._min_interval = min_interval
        self._gone = gone
        self._due = asyncio.Event()

    def check_soon(self) -> None:
        """Look at the interfaces, because a dial has failed."""
        self._due.set()

    async def run(self, link: Link) -> None:
        """Watch until the interfaces have vanished; return at once where that cannot be told."""
        with suppress(OperationError):
            if not await _interfaces(link):
                return
            self._due.clear()
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._interval):
                        await self._due.wait()
                self._due.clear()
                if not await _interfaces(link):
                    self._gone()
                    return
                await asyncio.sleep(self._min_interval)


async def _interfaces(link: Link) -> set[str]:
    """Return the host's interfaces, but those of every namespace.

    Raises:
        OperationError: the host does not tell.
    """
    lines = (await link.read(_FILE, _MAX_FILE)).splitlines()
    names = {line.partition(":")[0].strip() for line in lines if ":" in line}
    return names - _OF_EVERY_NAMESPACE
