"""Time limits that stand still while the user is asked."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from norouter_core.bootstrap.base import Exchange, StartFailed
from norouter_core.bootstrap.handshake import MarkerSearch
from norouter_core.timing import TimeLimits
from tests.servers import eventually

pytestmark = pytest.mark.anyio


class SilentHost:
    """A host that says nothing until it is told to."""

    def __init__(self) -> None:
        self.limits = TimeLimits()
        self.stderr: list[str] = []
        self.output: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, data: bytes) -> None:
        """Take anything."""

    async def receive(self) -> bytes:
        return await self.output.get()


async def search(host: SilentHost, limit: float) -> bytes:
    exchange = Exchange(("ssh",), host, lambda step: None)
    return await exchange.search(MarkerSearch(b"MARKER:", b"line"), limit)


async def passed(seconds: float) -> None:
    until = anyio.current_time() + seconds
    await eventually(lambda: anyio.current_time() > until, f"{seconds} s have passed")


@pytest.mark.parametrize("asked_before", [True, False])
async def test_a_start_waits_for_the_user(asked_before: bool) -> None:
    host = SilentHost()
    if asked_before:
        host.limits.pause()
    starting = asyncio.create_task(search(host, 0.05))
    await asyncio.sleep(0)
    host.limits.pause()
    await passed(0.1)
    assert not starting.done()
    host.output.put_nowait(b"MARKER:go\nrest")
    assert await starting == b"rest"


async def test_the_rest_of_the_limit_counts_after_the_answer() -> None:
    host = SilentHost()
    starting = asyncio.create_task(search(host, 0.05))
    await asyncio.sleep(0)
    host.limits.pause()
    await passed(0.1)
    host.limits.resume()
    with pytest.raises(StartFailed) as failed:
        await starting
    assert failed.value.evidence.timed_out == 0.05
