"""Notices that a host's network namespace has been left behind.

A container that shares the network of another one (`docker run --network container:web ...`) keeps
the old namespace when that one is restarted: its interfaces vanish, every dial is refused, and no
program of the new container sees its listeners.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress

from norouter_core.exec_commands.command import ExecCommand
from norouter_core.exec_commands.problem import HostProblem, ProblemKind
from norouter_core.exec_commands.templates import template_values
from norouter_core.links.base import UNSUPPORTED, Link, OperationError

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
_NEVER = ("no-file", "gone", UNSUPPORTED)
"""Errors after which another look is useless."""
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
        self._earliest = 0.0
        """When the next look may be, by the loop's clock."""

    def check_soon(self) -> None:
        """Look at the interfaces, because a dial has failed."""
        self._due.set()

    async def run(self, link: Link) -> None:
        """Watch until the interfaces have vanished; return if the host never had or shows any."""
        had_some = False
        while True:
            try:
                has_some = await _has_interfaces(link)
            except OperationError as error:
                if error.code in _NEVER:
                    return
                has_some = True  # Another look may succeed.
            else:
                had_some = had_some or has_some
            if not has_some:
                if had_some:
                    self._gone()
                return
            await self._next_look()

    async def _next_look(self) -> None:
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self._earliest - now)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._due.wait()
        self._due.clear()
        self._earliest = asyncio.get_running_loop().time() + self._min_interval


async def missing_network(argv: Sequence[str], link: Link) -> HostProblem | None:
    """Return the problem of a host without interfaces, which had some before its last restart."""
    try:
        if await _has_interfaces(link):
            return None
    except OperationError:
        return None
    command = ExecCommand.parse(argv)
    values = template_values(command, command.innermost(), {})
    there = f"the {values['noun']} `{values['target']}`" if values["noun"] else "it"
    return HostProblem(
        ProblemKind.NETWORK_GONE,
        "its network interfaces have vanished, as if the container whose network it shares had "
        "been restarted",
        f"restart {there}, so that it joins the network that there is now",
        command=shlex.join(argv),
    )


async def _has_interfaces(link: Link) -> bool:
    """Return whether the host has interfaces that not every namespace has.

    Raises:
        OperationError: the host does not tell.
    """
    lines = (await link.read(_FILE, _MAX_FILE)).splitlines()
    names = {line.partition(":")[0].strip() for line in lines if ":" in line}
    return bool(names - _OF_EVERY_NAMESPACE)
