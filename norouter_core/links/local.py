"""The hub's own machine as a host: the agent's operations, in process."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from norouter_core.agent import process_identity
from norouter_core.agent.ends import End, NullEnd
from norouter_core.agent.io import Io
from norouter_core.agent.operations import OperationError, Operations
from norouter_core.agent.resolve import resolve_error_code
from norouter_core.agent.turns import TurnQueue
from norouter_core.countdown import Countdown
from norouter_core.links.base import UNSUPPORTED, Hello, Hub
from norouter_core.links.shares import DialShares
from norouter_core.wire.codes import TCP

if TYPE_CHECKING:
    from collections.abc import Callable

    from norouter_core.agent.ends import Observer
    from norouter_core.wire.codes import Address
    from norouter_core.wire.messages import Json


def own_hello() -> Hello:
    """Return what the hub's own machine says of itself."""
    return Hello.parse(process_identity.hello())


class LocalLink:
    """Ready at once, and never lost."""

    round_trip = None
    at_once = 1

    def __init__(self, hub: Hub, io: Io, timeout: float) -> None:
        self._timeout = timeout
        self._hub = hub
        self._reports = TurnQueue(io.loop)
        self._shares = DialShares(io)
        self._operations = Operations(io, self)
        io.descriptors.on_scarce = hub.scarce_descriptors
        self.hello = own_hello()

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
        bound = self._operations.listen(number, host, port, direct, proto, transparent)
        return bound["host"], bound["port"]

    def offer(self, listener: int, peer: Address, end: End, destination: Address | None) -> None:
        self._hub.offer(listener, peer, end, destination)

    def report(self, rows: list[list[Any]]) -> None:
        self._reports.add(self._hub.report(rows))

    async def unlisten(self, number: int) -> None:
        self._operations.unlisten(number)

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        if refusal := self._shares.refusal():
            other.reset("too-many", refusal)
            return NullEnd()
        end = self._operations.dial(other, host, port, observer)
        self._shares.add(end)
        return end

    async def ping(self) -> float:
        began = time.perf_counter()
        await asyncio.sleep(0)
        return time.perf_counter() - began

    def can_splice(self, client: End, target: End) -> bool:
        return False  # There is no link that they could be kept off.

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
                answer.set_exception(OperationError(resolve_error_code(error), error))

        self._operations.resolve(name, done)
        try:
            async with Countdown(self._timeout):
                return await answer
        except TimeoutError:
            reason = f"no answer to the look-up within {self._timeout:.0f} s"
            raise OperationError("timeout", reason) from None

    async def read(self, path: str, limit: int) -> str:
        text: str = self._operations.read(path, limit)["text"]
        return text

    async def write(self, path: str, text: str, mode: str, name: str = "") -> Json:
        # In a thread, so that a slow disk or a locked file holds up no stream. A cancelled caller
        # waits for it all the same, so that what it undoes afterwards stays undone.
        return await anyio.to_thread.run_sync(self._operations.write, path, text, mode, name)

    async def kill_direct(self, number: int) -> None:
        self._operations.kill(number)

    @property
    def agent(self) -> LocalLink:
        """What the engine uses, as of a `StdioLink`."""
        return self

    async def wait_down(self) -> None:
        """Wait for ever: this machine is never lost."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Close every listener and stream."""
        self._operations.close()
        self._reports.clear()
