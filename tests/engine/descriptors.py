"""What a loop watches: nothing of an engine may be left there, least of all what is closed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from tests.servers import TIMEOUT, eventually


def watched() -> set[int]:
    """The descriptors in the running loop's selector."""
    loop = asyncio.get_running_loop()
    return set(loop._selector.get_map())  # type: ignore[attr-defined]  # asyncio's own name


def stale() -> list[int]:
    """Those of them that are closed."""
    return [number for number in watched() if not _is_open(number)]


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Checks that in the end the loop watches what it did before."""
    before = watched()
    yield
    assert stale() == []
    await eventually(lambda: watched() <= before, f"nothing new is watched: {watched() - before}")
    await strangers_work()


async def strangers_work(count: int = 24) -> None:
    """New sockets, which get the numbers of those that were closed, are served by the loop."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        came: list[asyncio.Future[None]] = []
        for _ in range(count):
            one, other = (stack.enter_context(sock) for sock in socket.socketpair())
            arrived: asyncio.Future[None] = loop.create_future()
            came.append(arrived)
            loop.add_reader(one, _arrived, loop, one, arrived)
            stack.callback(loop.remove_reader, one)
            other.send(b"x")
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*came)


def _arrived(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, future: asyncio.Future[None]
) -> None:
    loop.remove_reader(sock)
    if not future.done():
        future.set_result(None)
