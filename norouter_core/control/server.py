"""A session's control socket: many clients at once, none of which can harm it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from norouter_core.control.access import NoSocketDirectory, socket_path
from norouter_core.control.codec import Json
from norouter_core.control.connection import STALL_TIMEOUT, ClientConnection
from norouter_core.control.discovery import sweep
from norouter_core.control.requests import Id, Request, RequestRunner
from norouter_core.errors import NorouterError
from norouter_core.session.client import Client

PROTOCOL = 1
MAX_CLIENTS = 64
CLOSE_TIMEOUT = 1.0


class ListenError(NorouterError):
    """There is no control socket; the message says why and what to do."""


class ControlServer:
    """Serves a session on a Unix socket that only its user can reach (docs/control.md).

    An async context manager, inside that of its session. It removes the socket when it is left.

    Args:
        client: The session.
        manifest: The path of its file; empty for none.
        on_quit: Called when the command of a client has ended the session.
        stall_timeout: Seconds after which a client that does not read is dropped.
        close_timeout: Seconds for clients to read their last answers at the end.
    """

    def __init__(
        self,
        client: Client,
        *,
        manifest: str = "",
        on_quit: Callable[[], None] = lambda: None,
        stall_timeout: float = STALL_TIMEOUT,
        close_timeout: float = CLOSE_TIMEOUT,
    ) -> None:
        self.path = Path()
        """Of the socket."""
        self._client = client
        self._stall_timeout = stall_timeout
        self._close_timeout = close_timeout
        self._on_quit = on_quit
        self._tasks: TaskGroup
        self._requests: RequestRunner
        self._manifest = manifest
        self._started = time.time()
        self._server: asyncio.Server
        self._connections: set[ClientConnection] = set()
        self._idle = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Raises:
        ListenError: There is no control socket.
        """
        sock = await self._listening()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._requests = RequestRunner(self._client, self._tasks, self._on_quit)
        loop = asyncio.get_running_loop()
        # Shielded: cancelled half-way in, this would leave the group open and the socket behind.
        with anyio.CancelScope(shield=True):
            self._server = await loop.create_unix_server(
                lambda: ClientConnection(self, self._stall_timeout), sock=sock
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        # First the name, so that nobody finds it from now on.
        with suppress(OSError):
            self.path.unlink()
        self._server.close()
        with anyio.CancelScope(shield=True):
            self._closing = True
            for part in (ClientConnection.close, ClientConnection.abort):
                for connection in list(self._connections):
                    part(connection)
                with anyio.move_on_after(self._close_timeout):
                    while self._connections:
                        self._idle.clear()
                        await self._idle.wait()
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _listening(self) -> socket.socket:
        if not hasattr(socket, "AF_UNIX"):
            raise ListenError("this system has no Unix sockets")
        await sweep()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path = socket_path(self.name)
            with suppress(FileNotFoundError):
                # A process that had the same id, and has ended, left it.
                self.path.unlink()
            sock.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            sock.listen(MAX_CLIENTS)
        except NoSocketDirectory as error:
            sock.close()
            raise ListenError(str(error)) from None
        except OSError as error:
            sock.close()
            raise ListenError(f"{self.path}: {error.strerror}") from None
        sock.setblocking(False)
        return sock

    @property
    def name(self) -> str:
        """The name of the mesh: that of its file, without the suffix."""
        return Path(self._manifest).stem or "mesh"

    @property
    def hello(self) -> Json:
        """The first message to every client."""
        return {
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "name": self.name,
            "manifest": os.path.abspath(self._manifest) if self._manifest else "",
            "started": self._started,
        }

    # -- from the connections ----------------------------------------------------------------

    def joined(self, connection: ClientConnection) -> bool:
        """Note a new client. Return False if there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= MAX_CLIENTS and not self._closing

    def left(self, connection: ClientConnection) -> None:
        """Note that a client has gone."""
        self._requests.left(connection)
        self._connections.discard(connection)
        self._idle.set()

    def begin(self, connection: ClientConnection, request: Request) -> str:
        """Begin a request. Return why that is not possible; empty if it is."""
        return self._requests.begin(connection, request)

    def cancel(self, connection: ClientConnection, number: Id) -> None:
        """End a request, if it is open."""
        self._requests.cancel(connection, number)
