"""A session's control socket: many clients at once, none of which can harm it."""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import anyio
from anyio.abc import TaskGroup

from norouter_core.control.codec import (
    MAX_ANSWER,
    MAX_LINE,
    DecodeError,
    Json,
    LineBuffer,
    LineTooLong,
    decode,
    encode,
)
from norouter_core.control.discovery import sweep
from norouter_core.control.requests import (
    CancelRequest,
    Id,
    RequestRunner,
    id_of,
    parse_request,
)
from norouter_core.errors import NorouterError
from norouter_core.private_sockets import NoSocketDirectory, is_own, peer_uid, socket_path
from norouter_core.session.client import Client

PROTOCOL = 1
MAX_CLIENTS = 64
CLOSE_TIMEOUT = 1.0
MAX_WAITING = 32 << 20
"""Bytes that a client has yet to read when it is dropped."""
STALL_TIMEOUT = 30.0
"""Seconds after which a client is dropped that leaves more than `_ENOUGH` unread."""
_ENOUGH = 1 << 20
"""Bytes that wait for a client when events start to wait in their own bounded queue."""
_MAX_LINES = 32
"""How many requests are read before the rest of the loop gets its turn."""
_HTTP = re.compile(rb" HTTP/[0-9.]+\r?$")
"""The end of a request line. Where something forwards a TCP port to the socket, a web page can send
a request, whose body may be a command."""
MAX_FAULTS = 50
"""How many malformed requests end the connection."""
_CHECK_INTERVAL = 1.0
"""Seconds between two checks whether a client that sends no more is still there."""


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
        user: Whose clients are served; with None, that of this process.
    """

    def __init__(
        self,
        client: Client,
        *,
        manifest: str = "",
        on_quit: Callable[[], None] = lambda: None,
        stall_timeout: float = STALL_TIMEOUT,
        close_timeout: float = CLOSE_TIMEOUT,
        user: int | None = None,
    ) -> None:
        self.path = Path()
        """Of the socket."""
        self._client = client
        self.stall_timeout = stall_timeout
        self.user = os.geteuid() if user is None else user
        self._close_timeout = close_timeout
        self._on_quit = on_quit
        self._tasks: TaskGroup
        self._manifest = manifest
        self._started = time.time()
        self._server: asyncio.Server
        self._connections: set[ClientConnection] = set()
        self._idle = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            ListenError: There is no control socket.
        """
        sock = await self._listening()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        loop = asyncio.get_running_loop()
        # Shielded: cancelled half-way in, this would leave the group open and the socket behind.
        with anyio.CancelScope(shield=True):
            self._server = await loop.create_unix_server(lambda: ClientConnection(self), sock=sock)
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

    def runner(self, connection: ClientConnection) -> RequestRunner:
        """Return what runs the requests of a new client."""
        return RequestRunner(connection, self._client, self._tasks, self._on_quit)

    def joined(self, connection: ClientConnection) -> bool:
        """Note a new client. Return False if there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= MAX_CLIENTS and not self._closing

    def left(self, connection: ClientConnection) -> None:
        """Note that a client has gone."""
        self._connections.discard(connection)
        self._idle.set()


class ClientConnection(asyncio.Protocol):
    """The connection of a client, from beginning to end."""

    def __init__(self, server: ControlServer) -> None:
        self._server = server
        self._requests = server.runner(self)
        self._transport: asyncio.Transport
        self._lines = LineBuffer(MAX_LINE)
        self._waiting: list[bytes] = []
        self._size = 0
        self._faults = 0
        self._ending = False
        self._reading = False
        self._sends_no_more = False
        self._stalled: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._room.set()

    # -- from the transport ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_ENOUGH)
        room = self._server.joined(self)
        if not is_own(_peer(self._fileno), self._server.user):
            self._reject("this mesh belongs to another user")
        elif not room:
            self._reject("too many clients")
        else:
            self.put({"hello": self._server.hello})

    def data_received(self, data: bytes) -> None:
        self._lines.feed(data)
        if not self._reading:
            self._read()

    def eof_received(self) -> bool:
        """Answer what the client asked for, although it sends no more."""
        self._sends_no_more = True
        self._close_if_done()
        self._check_alive()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._ending = True
        self.resume_writing()
        self._requests.cancel_all()
        self._server.left(self)

    def pause_writing(self) -> None:
        self._room.clear()
        self._stalled = self._loop.call_later(self._server.stall_timeout, self.abort)

    def resume_writing(self) -> None:
        self._room.set()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # -- reading ---------------------------------------------------------------------------

    def _read(self) -> None:
        """Read some lines, and the rest in the next turn of the loop."""
        self._reading = False
        for _ in range(_MAX_LINES):
            if self._ending:
                return
            try:
                line = self._lines.next()
            except LineTooLong as error:
                self._reject(str(error))
                return
            if line is None:
                self._transport.resume_reading()
                self._close_if_done()
                return
            self._take(line)
        self._reading = True
        self._transport.pause_reading()
        self._loop.call_soon(self._read)

    def _take(self, line: bytes) -> None:
        number: Id | None = None
        try:
            value = decode(line)
            number = id_of(value)
            request = parse_request(value)
        except DecodeError as error:
            if _HTTP.search(line):
                self._reject("this is not a web server")
            else:
                self._fault(number, str(error))
            return
        if isinstance(request, CancelRequest):
            self._requests.cancel(request.cancel)
            return
        trouble = self._requests.begin(request)
        if trouble:
            self.put_error(number, trouble)

    def _fault(self, number: Id | None, message: str) -> None:
        self._faults += 1
        if self._faults >= MAX_FAULTS:
            self._reject("too many malformed requests")
        else:
            self.put_error(number, message)

    # -- writing ---------------------------------------------------------------------------

    def put(self, value: Any) -> None:
        """Send a line without waiting. A client that leaves too much unread is dropped.

        Raises:
            DecodeError: The line is too long for any client.
        """
        if self._ending:
            return
        line = encode(value)
        if len(line) > MAX_ANSWER:
            raise DecodeError(f"an answer of {len(line)} bytes")
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(line)
        self._size += len(line)
        if self._size + self._transport.get_write_buffer_size() > MAX_WAITING:
            self.abort()

    def put_error(self, number: Id | None, message: str) -> None:
        """Send why a request failed."""
        about = {} if number is None else {"id": number}
        self.put({**about, "error": {"message": message}})

    @property
    def has_room(self) -> bool:
        """Whether the client has read most of what it was sent."""
        return self._room.is_set() and self._size < _ENOUGH

    async def room(self) -> None:
        """Wait until the client has read most of what it was sent."""
        await self._room.wait()

    def request_ended(self) -> None:
        """Note that a request has been answered."""
        self._close_if_done()

    def _flush(self) -> None:
        data, self._waiting, self._size = b"".join(self._waiting), [], 0
        if not self._transport.is_closing():
            self._transport.write(data)

    # -- the end ---------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection once the client has read everything."""
        if not self._ending:
            self._ending = True
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self._ending = True
        self._transport.abort()

    def _reject(self, message: str) -> None:
        self.put_error(None, message)
        self.close()

    def _close_if_done(self) -> None:
        if self._sends_no_more and not self._requests.is_busy and not self._reading:
            self.close()

    def _check_alive(self) -> None:
        """Check whether a client that sends no more has closed its socket: no read shows that."""
        if self._ending:
            return
        poll = select.poll()
        poll.register(self._fileno, 0)
        if any(event & select.POLLHUP for _, event in poll.poll(0)):
            self.abort()
        else:
            self._loop.call_later(_CHECK_INTERVAL, self._check_alive)

    @property
    def _fileno(self) -> int:
        number: int = self._transport.get_extra_info("socket").fileno()
        return number


def _peer(fileno: int) -> int | None:
    # The socket class of uvloop has no peer credentials.
    sock = socket.socket(fileno=fileno)
    try:
        return peer_uid(sock)
    finally:
        sock.detach()
