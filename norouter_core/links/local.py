"""The machine of the hub as a host: the agent's verbs, in process, with no link in between."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from norouter_core.agent import identity
from norouter_core.agent.ends import End
from norouter_core.agent.io import Io
from norouter_core.agent.operations import OperationError, Operations
from norouter_core.agent.resolve import verb_code
from norouter_core.links.base import UNSUPPORTED, Hello, Hub

if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.ends import Observer
    from norouter_core.wire.messages import Json


_PATIENCE = 10.0
"""Seconds that a look-up may take, as over a link."""


class LocalLink:
    """Ready at once, and never lost."""

    round_trip = None

    def __init__(self, hub: Hub, io: Io) -> None:
        self._hub = hub
        self._verbs = Operations(io, self)
        self.hello = Hello.parse(identity.hello())

    async def listen(
        self,
        number: int,
        host: str,
        port: int,
        direct: tuple[str, int] | None,
        proto: str = "tcp",
    ) -> tuple[str, int, bool]:
        bound = self._verbs.listen(number, host, port, direct, proto)
        return bound["host"], bound["port"], bound["fallback"]

    async def unlisten(self, number: int) -> None:
        self._verbs.unlisten(number)

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        return self._verbs.dial(other, host, port, observer)

    async def ping(self) -> float:
        asked = time.perf_counter()
        await asyncio.sleep(0)
        return time.perf_counter() - asked

    def can_splice(self, client: End, target: End) -> bool:
        return False  # there is no link to keep them off

    async def splice(
        self, listener: int, client: End, target: End, accepted: Callable[[int], None]
    ) -> None:
        raise OperationError(UNSUPPORTED, "this machine has no link")

    async def resolve(self, name: str) -> list[str]:
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

        def done(addresses: list[str], error: str) -> None:
            if answer.done():
                return
            if addresses:
                answer.set_result(addresses)
            else:
                answer.set_exception(OperationError(verb_code(error), error))

        self._verbs.resolve(name, done)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await answer
        except TimeoutError:
            reason = f"no answer to the look-up within {_PATIENCE:.0f} s"
            raise OperationError("timeout", reason) from None

    async def read(self, path: str, limit: int) -> str:
        text: str = self._verbs.read(path, limit)["text"]
        return text

    async def write(self, path: str, text: str, mode: str, name: str = "") -> Json:
        # In a thread: a disk that is slow, or a file that somebody has locked, holds up no stream.
        # Who is cancelled waits for it all the same, so that what is undone afterwards stays so.
        return await anyio.to_thread.run_sync(self._verbs.write, path, text, mode, name)

    async def kill_direct(self, number: int) -> None:
        self._verbs.kill(number)

    async def wait_down(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        self._verbs.close()

    # -- from the verbs --------------------------------------------------------------------

    def offer(self, listener: int, peer: tuple[str, int], end: End) -> None:
        self._hub.offer(listener, peer, end)

    def report(self, rows: list[list[Any]]) -> None:
        self._hub.report(rows)
