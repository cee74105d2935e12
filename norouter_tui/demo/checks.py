"""What the demo asks of the mesh: real HTTP requests over real sockets."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections import deque
from collections.abc import Callable, Iterator

import anyio
import anyio.to_thread

from norouter_core.engine import Engine, Subscription
from norouter_core.engine.events import HostChanged, StreamClosed
from norouter_core.engine.status import HostState, HostStatus, ListenerState, StreamStatus
from norouter_tui.demo.show import CheckFailed

PATIENCE = 10.0
"""Seconds for anything that the demo waits for."""
BLOCK = 1024 * 1024


class Watch:
    """Follows the engine's events, so that the demo waits for what happens and not for a clock."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.states: list[tuple[str, HostState]] = []
        self.closed: deque[StreamStatus] = deque(maxlen=100)
        self._changed = anyio.Event()

    async def follow(self, events: Subscription) -> None:
        """Runs until the events end or the task is cancelled."""
        with events:
            async for event in events:
                match event:
                    case HostChanged(host=host):
                        self.states.append((host.name, host.state))
                    case StreamClosed(stream=stream):
                        self.closed.append(stream)
                self._changed.set()
                self._changed = anyio.Event()

    async def until(self, true: Callable[[], bool], what: str) -> None:
        """Waits until `true()`.

        Raises:
            CheckFailed: not within `PATIENCE`; says that `what` did not happen.
        """
        try:
            with anyio.fail_after(PATIENCE):
                while not true():
                    await self._changed.wait()
        except TimeoutError:
            raise CheckFailed(f"{what}: not within {PATIENCE:.0f} s") from None

    def host(self, name: str) -> HostStatus | None:
        """How that host stands now."""
        return next((h for h in self.engine.status().hosts if h.name == name), None)

    def address_of(self, name: str) -> str | None:
        """`IP:PORT` where a client on this machine reaches the web server of that host."""
        for listener in self.engine.status().listeners:
            port = listener.to_host == name and listener.service == "port"
            if port and listener.state == ListenerState.BOUND:
                return listener.bound or listener.listen
        return None

    async def address(self, name: str) -> str:
        """The same, once there is one."""
        await self.until(lambda: self.address_of(name) is not None, f"a listener for {name}")
        address = self.address_of(name)
        assert address is not None
        return address


async def fetch(address: str) -> str:
    """The page at `http://ADDRESS/`.

    Raises:
        CheckFailed: no page came.
    """
    return await _in_thread(address, lambda connection: connection.request("GET", "/"))


async def must_fail(address: str) -> None:
    """Asks for the page of a host that is down.

    Raises:
        CheckFailed: a page came, or nothing at all for a second.
    """
    try:
        with anyio.fail_after(1):
            await fetch(address)
    except CheckFailed:
        return
    except TimeoutError:
        raise CheckFailed(f"http://{address}/ was to be refused at once, but hangs") from None
    raise CheckFailed(f"http://{address}/ answers although its host is down")


async def push(address: str, total: int, moved: Callable[[int], None]) -> tuple[str, str]:
    """Sends `total` random bytes by PUT; the sha256 sent, and the one the server says it got."""
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for start in range(0, total, BLOCK):
            block = os.urandom(min(BLOCK, total - start))
            digest.update(block)
            yield block
            moved(len(block))

    def send(connection: http.client.HTTPConnection) -> None:
        connection.request("PUT", "/", blocks(), {"Content-Length": str(total)})

    answer = await _in_thread(address, send)
    return digest.hexdigest(), answer


async def _in_thread(address: str, send: Callable[[http.client.HTTPConnection], None]) -> str:
    def work() -> str:
        host, _, port = address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        try:
            send(connection)
            response = connection.getresponse()
            text = response.read(10_000).decode("utf-8", "replace").strip()
        finally:
            connection.close()
        if response.status != 200:
            raise CheckFailed(f"http://{address}/ answered {response.status} {response.reason}")
        return text

    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except (OSError, http.client.HTTPException) as error:
        raise CheckFailed(f"http://{address}/: {error or type(error).__name__}") from error
