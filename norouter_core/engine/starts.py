"""How many hosts start at once: hundreds must swamp neither this machine nor a login server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from norouter_core.exec_commands.command import ExecCommand

MAX_STARTS = 16
"""On this machine."""
MAX_LOGINS = 8
"""At one ssh target: below the 10 unauthenticated connections from which sshd drops some."""
_MAX_START = 3.0
"""Seconds after which a start counts no more on this machine: it waits, and computes nothing."""
_MAX_LOGIN = 20.0
"""The same at an ssh target."""


class StartGate:
    """Has hosts wait for their turn to start, in the order in which they come."""

    def __init__(self, max_starts: int = MAX_STARTS, max_logins: int = MAX_LOGINS) -> None:
        self._machine = _Limit(max_starts)
        self._max_logins = max_logins
        self._logins: dict[str, _Limit] = {}

    @asynccontextmanager
    async def turn(self, argv: Sequence[str]) -> AsyncIterator[None]:
        """Wait for the turn of a command, which ends with the block, or after some seconds."""
        target = _ssh_target(argv)
        async with AsyncExitStack() as turns:
            if target:
                logins = self._logins.setdefault(target, _Limit(self._max_logins))
                turns.push(lambda *_: self._forget(target))
                await turns.enter_async_context(logins.turn(_MAX_LOGIN))
            await turns.enter_async_context(self._machine.turn(_MAX_START))
            yield

    def _forget(self, target: str) -> None:
        if target in self._logins and self._logins[target].is_unused:
            del self._logins[target]


@dataclass(slots=True)
class _Limit:
    left: int
    used: int = 0
    """Those that have a turn or wait for one."""
    free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.free = asyncio.Semaphore(self.left)

    @property
    def is_unused(self) -> bool:
        return not self.used

    @asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[None]:
        self.used += 1
        try:
            await self.free.acquire()
            release = _once(self.free.release)
            timer = asyncio.get_running_loop().call_later(seconds, release)
            try:
                yield
            finally:
                timer.cancel()
                release()
        finally:
            self.used -= 1


def _once(do: Callable[[], None]) -> Callable[[], None]:
    done = False

    def once() -> None:
        nonlocal done
        if not done:
            done = True
            do()

    return once


def _ssh_target(argv: Sequence[str]) -> str:
    """Return where a command logs in from this machine; empty if it does not."""
    layers = ExecCommand.parse(argv).layers
    return next((layer.target for layer in layers if layer.program == "ssh"), "")
