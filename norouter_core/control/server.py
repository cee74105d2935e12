"""A session's control socket: many clients at once, none of whom can hurt it."""

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

from norouter_core.control.codec import Json
from norouter_core.control.connection import ClientConnection
from norouter_core.control.discovery import sweep
from norouter_core.control.requests import Id, Request, RequestRunner
from norouter_core.control.socket_paths import NoSocketDirectory, socket_path
from norouter_core.errors import NorouterError
from norouter_core.session.client import Client

PROTOCOL = 1
MAX_CLIENTS = 64
_LAST_WORDS = 1.0
"""Seconds for clients to take their last answers at the end."""


class ListenError(NorouterError):
    """There is no control socket; the message tells why, and what to do."""


class ControlServer:
    """Serves a session on a Unix socket that its own user alone can reach (docs/control.md).

    An async context manager, within that of its session; the socket is gone when it is left.

    Args:
        client: the session.
        manifest: the path of its file; empty for none.
        quits: called when a client's command has ended the session.
    """

    def __init__(
        self, client: Client, *, manifest: str = "", quits: Callable[[], None] = lambda: None
    ) -> None:
        self.path = Path()
        """Of the socket."""
        self._client = client
        self._quits = quits
        self._tasks: TaskGroup
        self._serving: RequestRunner
        self._manifest = manifest
        self._started = time.time()
        self._server: asyncio.Server
        self._connections: set[ClientConnection] = set()
        self._idle = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """
        Raises:
            ListenError: as it says.
        """
        sock = await self._listening()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._serving = RequestRunner(self._client, self._tasks, self._quits)
        loop = asyncio.get_running_loop()
        # Shielded: who is cancelled half-way in would leave the group open, and the name behind.
        with anyio.CancelScope(shield=True):
            self._server = await loop.create_unix_server(lambda: ClientConnection(self), sock=sock)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        # First the name: from now on nobody finds it any more.
        with suppress(OSError):
            self.path.unlink()
        self._server.close()
        with anyio.CancelScope(shield=True):
            self._closing = True
            for part in (ClientConnection.close, ClientConnection.abort):
                for connection in list(self._connections):
                    part(connection)
                with anyio.move_on_after(_LAST_WORDS):
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
                # Of this process's number, and not its own: a process that is no more left it.
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
        """What the engine is called by: its file's name without what follows the last dot."""
        return Path(self._manifest).stem or "mesh"

    @property
    def hello(self) -> Json:
        """What every client is told first."""
        return {
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "name": self.name,
            "manifest": os.path.abspath(self._manifest) if self._manifest else "",
            "started": self._started,
        }

    # -- from the connections ----------------------------------------------------------------

    def joined(self, connection: ClientConnection) -> bool:
        """A client has come; False if there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= MAX_CLIENTS and not self._closing

    def left(self, connection: ClientConnection) -> None:
        """A client has gone."""
        self._serving.left(connection)
        self._connections.discard(connection)
        self._idle.set()

    def begin(self, connection: ClientConnection, request: Request) -> str:
        """Begins with a request; why not, or nothing."""
        return self._serving.begin(connection, request)

    def cancel(self, connection: ClientConnection, number: Id) -> None:
        """Ends a request, if it is open."""
        self._serving.cancel(connection, number)
