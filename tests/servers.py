"""TCP peers for tests: sockets whose every move (half-close, reset, silence) the test decides."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Protocol, Self, TypeVar

from norouter_core.agent.tcp import set_options

Address = tuple[str, int]

TIMEOUT = 15.0
"""Seconds that a test waits for what it expects: only a failing test ever waits so long."""

_ABORT = struct.pack("ii", 1, 0)


async def eventually(condition: Callable[[], object], what: str, timeout: float = TIMEOUT) -> None:
    """Returns once `condition()` is true; it is looked at every 10 ms.

    Raises:
        AssertionError: it did not become true in time.
    """
    try:
        async with asyncio.timeout(timeout):
            # Sockets, processes and status change without an event to wait for.
            while not condition():  # noqa: ASYNC110  # as said above
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {timeout:g} s: {what}") from None


class Peer:
    """A connected socket. Every wait is bounded, so that a test that fails says where."""

    def __init__(self, sock: socket.socket, timeout: float = TIMEOUT) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._timeout = timeout

    @property
    def address(self) -> Address:
        """Its own address, which the other side sees as its peer's."""
        host, port = self.socket.getsockname()[:2]
        return host, port

    @property
    def text(self) -> str:
        return "{}:{}".format(*self.address)

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(self._timeout):
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    def fill(self, data: bytes) -> int:
        """Sends as much as is taken without waiting; how much that was."""
        sent = 0
        try:
            while sent < len(data):
                sent += self.socket.send(data[sent:])
        except BlockingIOError:
            pass
        return sent

    async def some(self) -> bytes:
        """What comes next; nothing at the end."""
        async with asyncio.timeout(self._timeout):
            return await asyncio.get_running_loop().sock_recv(self.socket, 1 << 18)

    async def exactly(self, size: int) -> bytes:
        """The next `size` bytes; fewer if the end comes before."""
        data = bytearray()
        async with asyncio.timeout(self._timeout):
            while len(data) < size:
                chunk = await asyncio.get_running_loop().sock_recv(
                    self.socket, min(1 << 18, size - len(data))
                )
                if not chunk:
                    break
                data += chunk
        return bytes(data)

    async def rest(self) -> bytes:
        """Everything up to the end."""
        data = bytearray()
        while chunk := await self.some():
            data += chunk
        return bytes(data)

    async def says(self, data: bytes) -> bool:
        """Whether an echo comes back for `data`."""
        await self.send(data)
        return await self.exactly(len(data)) == data

    async def is_reset(self) -> bool:
        """Whether the connection ends with a reset, not in order; what comes before is dropped."""
        try:
            await self.rest()
        except ConnectionError:
            return True
        return False

    def end(self) -> None:
        """Half-closes."""
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Resets the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


async def connect(address: Address, timeout: float = TIMEOUT) -> Peer:
    """A client connected to `address`."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with closing_on_error(socket.socket(family, socket.SOCK_STREAM)) as sock:
        sock.setblocking(False)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, address)
    return Peer(sock, timeout)


async def resets(address: Address) -> bool:
    """Whether a client is reset there, be it while it still connects."""
    try:
        with await connect(address) as client:
            return await client.is_reset()
    except ConnectionResetError:
        return True


class Target:
    """A listening socket of 127.0.0.1 whose connections the test accepts one by one."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        with closing_on_error(socket.socket()) as self.socket:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((host, port))
            self.socket.listen(64)
        self.socket.setblocking(False)
        self.address: Address = self.socket.getsockname()
        self.port = self.address[1]

    async def accept(self) -> Peer:
        async with asyncio.timeout(TIMEOUT):
            sock, _ = await asyncio.get_running_loop().sock_accept(self.socket)
        return Peer(sock)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def tcp_pair() -> tuple[Peer, Peer]:
    """Two ends of one TCP connection; the second one has the options of a stream's socket."""
    with socket.socket() as listening, closing_on_error(socket.socket()) as one:
        listening.bind(("127.0.0.1", 0))
        set_options(listening)
        listening.listen(1)
        one.connect(listening.getsockname())
        return Peer(one), Peer(listening.accept()[0])


class _Closable(Protocol):
    def close(self) -> None: ...


_C = TypeVar("_C", bound=_Closable)


@contextmanager
def closing_on_error(sock: _C) -> Iterator[_C]:
    """Close the socket or peer if what is done with it fails."""
    try:
        yield sock
    except BaseException:
        sock.close()
        raise


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, address: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server on a free port, which is yielded; nothing of it is left after."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, address, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks)
        await server.wait_closed()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


@asynccontextmanager
async def echoing(address: str = "127.0.0.1") -> AsyncIterator[int]:
    """An echo server's port; it half-closes when its client has."""
    async with serving(_echo, address) as port:
        yield port


@asynccontextmanager
async def page(text: bytes) -> AsyncIterator[int]:
    """A web server's port, which answers every request with `text` and closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
        await writer.drain()

    async with serving(answer) as port:
        yield port


def unused_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
