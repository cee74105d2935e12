"""One client of a control socket: what it asks for, and what it has yet to read."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from typing import Any, Protocol, cast

from norouter_core.control import requests
from norouter_core.control.access import is_own, peer_uid
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
from norouter_core.control.requests import CancelRequest, Id, Request

MAX_WAITING = 32 << 20
"""Bytes that a client has yet to read when it is dropped."""
STALL_TIMEOUT = 30.0
"""Seconds after which a client is dropped that leaves more than `_ENOUGH` unread."""
_ENOUGH = 1 << 20
"""Bytes that wait for a client when events start to wait in their own bounded queue."""
_MAX_LINES = 32
"""How many requests are read before the rest of the loop gets its turn."""
MAX_FAULTS = 50
"""How many malformed requests end the connection."""
_CHECK_INTERVAL = 1.0
"""Seconds between two checks whether a client that sends no more is still there."""


class Server(Protocol):
    """What a connection needs of the server."""

    @property
    def hello(self) -> Json:
        """The first message to a client."""
        ...

    def joined(self, connection: ClientConnection) -> bool:
        """Note a new client. Return False if there are too many."""
        ...

    def left(self, connection: ClientConnection) -> None:
        """Note that a client has gone."""
        ...

    def begin(self, connection: ClientConnection, request: Request) -> str:
        """Begin a request. Return why that is not possible; empty if it is."""
        ...

    def cancel(self, connection: ClientConnection, number: Id) -> None:
        """End a request, if it is open."""
        ...


class ClientConnection(asyncio.Protocol):
    """The connection of a client, from beginning to end."""

    def __init__(self, server: Server, stall_timeout: float = STALL_TIMEOUT) -> None:
        self._server = server
        self._stall_timeout = stall_timeout
        self._transport: asyncio.Transport
        self._lines = LineBuffer(MAX_LINE)
        self._waiting: list[bytes] = []
        self._size = 0
        self._faults = 0
        self._open = 0
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
        if not is_own(_peer(self._fileno)):
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
        self._server.left(self)

    def pause_writing(self) -> None:
        self._room.clear()
        self._stalled = self._loop.call_later(self._stall_timeout, self.abort)

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
            number = requests.id_of(value)
            request = requests.parse_request(value)
        except DecodeError as error:
            self._fault(number, str(error))
            return
        if isinstance(request, CancelRequest):
            self._server.cancel(self, request.id)
            return
        trouble = self._server.begin(self, request)
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

    def request_begun(self) -> None:
        """Note that a request is open."""
        self._open += 1

    def request_ended(self) -> None:
        """Note that a request has been answered."""
        self._open -= 1
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
        if self._sends_no_more and not self._open and not self._reading:
            self.close()

    def _check_alive(self) -> None:
        """Whether a client that sends no more has closed its socket, which no read tells of."""
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
    # uvloop has a socket class of its own, which cannot tell.
    with socket.socket(fileno=os.dup(fileno)) as sock:
        return peer_uid(sock)
