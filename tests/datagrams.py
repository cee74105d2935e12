"""UDP peers for tests, and an end of a stream of datagrams that a test plays itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from norouter_core.agent.ends import DatagramEnd
from tests.servers import TIMEOUT, Address, closing_on_error


class UdpPeer:
    """A UDP socket bound to 127.0.0.1; every wait is bounded."""

    def __init__(self, target: Address | None = None, port: int = 0) -> None:
        """With a target it is connected to it: an answer from elsewhere does not arrive."""
        with closing_on_error(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as self.socket:
            self.socket.setblocking(False)
            self.socket.bind(("127.0.0.1", port))
            if target is not None:
                self.socket.connect(target)
        self.address: Address = self.socket.getsockname()
        self.port: int = self.address[1]

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def send_to(self, data: bytes, address: Address) -> None:
        self.socket.sendto(data, address)

    async def receive(self) -> tuple[bytes, Address]:
        """The next datagram and where it came from."""
        async with asyncio.timeout(TIMEOUT):
            return await asyncio.get_running_loop().sock_recvfrom(self.socket, 1 << 16)

    async def asks(self, data: bytes) -> bytes:
        """The answer to a datagram, of which some may be lost: sent again until one comes."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(TIMEOUT):
            while True:
                self.send(data)
                try:
                    async with asyncio.timeout(0.5):
                        return await loop.sock_recv(self.socket, 1 << 16)
                except (TimeoutError, ConnectionRefusedError):
                    continue

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


class Played(DatagramEnd):
    """One end of a stream: what it was sent, and how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[bytes] = []
        self.ended: tuple[str, str] | None = None

    def says(self, data: bytes) -> None:
        assert self.peer is not None
        self.peer.send(memoryview(data))

    def send(self, data: memoryview) -> None:
        self.got.append(bytes(data))

    def end(self) -> None:
        self.ended = ("closed", "")

    def reset(self, code: str, reason: str) -> None:
        self.ended = (code, reason)


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes] = bytes, port: int = 0) -> AsyncIterator[int]:
    """The port of a UDP server on 127.0.0.1, which by default is an echo at a free one."""
    with UdpPeer(port=port) as server:
        loop = asyncio.get_running_loop()

        async def serve() -> None:
            while True:
                data, address = await loop.sock_recvfrom(server.socket, 1 << 16)
                server.send_to(answer(data), address)

        task = asyncio.create_task(serve())
        try:
            yield server.port
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def unused_udp_port() -> int:
    with UdpPeer() as peer:
        return peer.port
