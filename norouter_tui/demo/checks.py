"""The checks of the demo: real HTTP requests over real sockets."""

from __future__ import annotations

import hashlib
import http.client
import os
from collections import deque
from collections.abc import Callable, Iterator

import anyio
import anyio.to_thread

from norouter_core.engine.bus import Subscription
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import HostChanged, StreamClosed
from norouter_core.engine.status import HostState, HostStatus, ListenerState, StreamStatus
from norouter_tui.demo.show import CheckFailed

TIMEOUT = 10.0
"""Seconds for each thing that the demo waits for."""
BLOCK = 1024 * 1024


class Watch:
    """Follows the events of the engine, so that the demo waits for events instead of a clock."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.states: list[tuple[str, HostState]] = []
        self.closed: deque[StreamStatus] = deque(maxlen=100)
        self._changed = anyio.Event()

    async def follow(self, events: Subscription) -> None:
        """Follow events until they end."""
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
        """Wait until `true()`.

        Raises:
            CheckFailed: `what` did not happen within `TIMEOUT`.
        """
        try:
            with anyio.fail_after(TIMEOUT):
                while not true():
                    await self._changed.wait()
        except TimeoutError:
            raise CheckFailed(f"{what}: not within {TIMEOUT:.0f} s") from None

    def host(self, name: str) -> HostStatus | None:
        """Return the current status of a host."""
        return next((h for h in self.engine.status().hosts if h.name == name), None)

    def address_of(self, name: str) -> str | None:
        """Return the `IP:PORT` at which this machine reaches the web server of a host."""
        for listener in self.engine.status().listeners:
            port = listener.to_host == name and listener.service == "port"
            if port and listener.state == ListenerState.BOUND:
                return listener.bound or listener.listen
        return None

    async def address(self, name: str) -> str:
        """Return the same, once there is one."""
        await self.until(lambda: self.address_of(name) is not None, f"a listener for {name}")
        address = self.address_of(name)
        assert address is not None
        return address


async def fetch(address: str) -> str:
    """Return the page at `http://ADDRESS/`.

    Raises:
        CheckFailed: no page came.
    """
    return await _in_thread(address, lambda connection: connection.request("GET", "/"))


async def must_fail(address: str) -> None:
    """Request the page of a host that is down.

    Raises:
        CheckFailed: a page came, or no answer within a second.
    """
    try:
        with anyio.fail_after(1):
            await fetch(address)
    except CheckFailed:
        return
    except TimeoutError:
        raise CheckFailed(f"http://{address}/ hangs instead of refusing the connection") from None
    raise CheckFailed(f"http://{address}/ answers although its host is down")


async def push(address: str, total: int, moved: Callable[[int], None]) -> tuple[str, str]:
    """Send `total` random bytes by PUT; return the SHA-256 sent and the one the server computed."""
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
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
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
