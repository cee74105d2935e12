"""The servers of a host: exchanges, and HTTP for proxies."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from tests.chaos.content import BLOCK, Content
from tests.chaos.outcome import Report, is_timeout
from tests.chaos.request import COUNT_SIZE, Request, name_bytes
from tests.servers import Peer, Target

HANG = 45.0
"""Seconds without a byte that is due. Longer than a client's: it judges first."""


@dataclass(slots=True)
class Server:
    """Serves exchanges as `host` and reports how each one ended."""

    host: str
    report: Report
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, target: Target) -> None:
        """Accept clients, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(target.socket)
            task = asyncio.create_task(self._session(Peer(sock, HANG)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _session(self, peer: Peer) -> None:
        with peer:
            with contextlib.suppress(ConnectionError, TimeoutError):
                head = await peer.exactly(4)
                if head == b"GET ":
                    await self._http(peer)
                elif len(head) < 4:
                    self.report("server", "short", "?", note=f"end after {len(head)} bytes")
                else:
                    await self._request(peer, head)

    async def _request(self, peer: Peer, head: bytes) -> None:
        try:
            request = await Request.read(peer, head)
        except EOFError:
            self.report("server", "short", "?", note="end inside a request")
            return
        if request.target != self.host:
            self.report("server", "misrouted", request.id, note=f"meant for {request.target}")
        try:
            outcome, note = await Exchange(peer, request).serve(self.host)
        except OSError as error:
            outcome, note = ("hang", "") if is_timeout(error) else ("reset", str(error))
            if outcome == "reset" and request.cut_by:
                outcome = "cut"
        self.report("server", outcome, request.id, note=note)

    async def _http(self, peer: Peer) -> None:
        """Answer `GET /ID/SIZE`, for proxies that get the absolute form."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = await peer.some()
            if not more:
                return
            head += more
        ident, size = head.split(b" ", 1)[0].decode().rsplit("/", 2)[-2:]
        fields = f"Content-Length: {size}\r\nX-Host: {self.host}\r\nConnection: close"
        await peer.send(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode())
        content, left = Content(ident), int(size)
        while left:
            part = content.take(min(BLOCK, left))
            await peer.send(part)
            left -= len(part)
        peer.end()
        await peer.rest()


@dataclass(slots=True)
class Exchange:
    """The server's side of one exchange."""

    peer: Peer
    request: Request

    async def serve(self, host: str) -> tuple[str, str]:
        """Return the outcome and a note on it."""
        await self.peer.send(name_bytes(host))
        if self.request.kind == "down":
            return await self._send()
        return await self._receive()

    async def _send(self) -> tuple[str, str]:
        request, content = self.request, Content(self.request.id)
        cut = request.cut_after if request.cut_by == "server" else None
        left = request.size if cut is None else cut
        while left:
            part = content.take(min(BLOCK, left))
            await self.peer.send(part)
            left -= len(part)
        if cut is not None:
            self.peer.abort()
            return "cut", ""
        self.peer.end()
        if await self.peer.rest():
            return "wrong", "bytes that the client never sent"
        if request.cut_by == "client" and not request.early_end:
            return "short", "an end in place of the client's reset"
        return "ok", ""

    async def _receive(self) -> tuple[str, str]:
        request, content, got = self.request, Content(self.request.id), 0
        while data := await self.peer.some():
            if not content.matches(data):
                self.peer.abort()
                return "wrong", f"in the {len(data)} bytes after {got}"
            got += len(data)
            if request.cut_by == "server" and got >= request.cut_after:
                self.peer.abort()
                return "cut", ""
            if request.kind == "echo":
                await self.peer.send(data)
        if request.cut_by == "client":
            return "short", f"an end in place of the client's reset, after {got}"
        if got != request.size:
            return "short" if got < request.size else "wrong", f"{got} of {request.size}"
        if request.kind == "up":
            await self.peer.send(got.to_bytes(COUNT_SIZE, "big"))
        self.peer.end()
        return "ok", ""
