"""Whether something answers at an address, asked from a host."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from norouter_core.agent.ends import NullEnd
from norouter_core.links.base import Link

if TYPE_CHECKING:
    from norouter_core.agent.ends import End
    from norouter_core.wire.codes import Address

_TIMEOUT = 2.0
"""Seconds for a connection to an address of the host itself."""


async def answers(link: Link, address: Address) -> bool:
    """Return whether the host can connect to an address. The connection is closed at once."""
    outcome = _Outcome()
    end = link.dial(NullEnd(), *address, outcome)
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await outcome.is_open
    except TimeoutError:
        return False
    finally:
        end.reset("reset", "no longer wanted")


class _Outcome:
    """Observes the end that dials."""

    def __init__(self) -> None:
        self.is_open: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def end_opened(self, end: End, peer: Address) -> None:
        self._set(True)

    def end_half_closed(self, end: End) -> None: ...

    def end_closed(self, end: End, code: str, reason: str) -> None:
        self._set(False)

    def _set(self, is_open: bool) -> None:
        if not self.is_open.done():
            self.is_open.set_result(is_open)
