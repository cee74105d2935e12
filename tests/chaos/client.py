"""The client's side of an exchange."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from tests.chaos.content import BLOCK, Content
from tests.chaos.outcome import is_timeout
from tests.chaos.request import NAME_SIZE, Request, name_bytes
from tests.chaos.ways import Refused, read_head
from tests.servers import Peer

HANG = 30.0
"""Seconds without a byte that is due: longer than any fault can hold a stream up."""

Result = tuple[str, str]
"""An outcome and a note on it."""


@dataclass(slots=True)
class Exchange:
    """One exchange over a connection that reaches its server.

    Attributes:
        pace: `plain`, `slow` (small reads), `stall` (stops reading for seconds), `deaf` (a client
            that cuts, and reads nothing before) or `turns` (ping-pong).
        random: decides the details.
    """

    peer: Peer
    request: Request
    pace: str = "plain"
    random: random.Random = field(default_factory=random.Random)
    _sender: asyncio.Task[None] | None = None
    _send_error: OSError | None = None
    _got: int = 0

    async def run(self) -> Result:
        """Return how it ended; the connection is closed then."""
        try:
            with self.peer:
                return await self._run()
        except OSError as error:
            if is_timeout(error):
                return "hang", f"after {self._got} of {self.request.answer_size} bytes"
            return self._ended(str(error))

    async def _run(self) -> Result:
        await self.peer.send(self.request.encode())
        if self.request.early_end:
            self.peer.end()
        if self.request.cut_by == "client":
            return await self._cut()
        if self.pace == "turns":
            return await self._take_turns()
        self._sender = sender = asyncio.create_task(self._send())
        try:
            result = await self._receive()
            if result[0] == "ok":
                await sender
            return result
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def _ended(self, note: str) -> Result:
        """Return the outcome of a reset, which the request may have asked for."""
        return ("cut", "") if self.request.cut_by == "server" else ("reset", note)

    async def _send(self, limit: int | None = None) -> None:
        request, content = self.request, Content(self.request.id)
        if request.kind == "down":
            return
        left = request.size if limit is None else limit
        try:
            while left:
                part = content.take(min(left, self.random.choice((3000, BLOCK, BLOCK))))
                await self.peer.send(part)
                left -= len(part)
            if limit is None:
                self.peer.end()
        except OSError as error:
            # The kernel reports a reset to one call only: a read sees nothing but the end then.
            self._send_error = error
            raise

    async def _cut(self) -> Result:
        """Reset the connection where the request says so."""
        request = self.request
        if self.pace == "deaf":
            await asyncio.sleep(self.random.uniform(0.5, 3))
        elif request.kind == "down":
            left = min(request.cut_after, request.answer_size)
            while left and (data := await self._read(left)):
                left -= len(data)
        else:
            reader = asyncio.create_task(self.peer.rest())
            try:
                await self._send(request.cut_after)
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
        self.peer.abort()
        return "cut", ""

    async def _read(self, limit: int) -> bytes:
        data = await self.peer.exactly(min(limit, BLOCK))
        self._got += len(data)
        return data

    async def _take_turns(self) -> Result:
        request, content = self.request, Content(self.request.id)
        if (name := await self.peer.exactly(NAME_SIZE)) != name_bytes(request.target):
            return await self._bad_name(name)
        left = request.size
        while left:
            part = content.take(min(left, self.random.randrange(1, 300)))
            await self.peer.send(part)
            answer = await self.peer.exactly(len(part))
            self._got += len(answer)
            if answer != part[: len(answer)]:
                return "wrong", f"after {self._got}"
            if len(answer) < len(part):
                return await self._early_end()
            left -= len(part)
        self.peer.end()
        return ("wrong", "bytes after the end") if await self.peer.rest() else ("ok", "")

    async def _receive(self) -> Result:
        request, content, name, count = self.request, Content(self.request.id), b"", b""
        stall_at = request.answer_size // 2 if self.pace == "stall" else None
        while data := await self.peer.some():
            self._got += len(data)
            if len(name) < NAME_SIZE:
                missing = NAME_SIZE - len(name)
                name, data = name + data[:missing], data[missing:]
                if len(name) == NAME_SIZE and name != name_bytes(request.target):
                    return await self._bad_name(name)
            if request.kind == "up":
                count += data
            elif not content.matches(data):
                return "wrong", f"in the {len(data)} bytes before {self._got}"
            if self.pace == "slow":
                await asyncio.sleep(self.random.uniform(0.001, 0.02))
            if stall_at is not None and self._got >= stall_at:
                stall_at = None
                await asyncio.sleep(self.random.uniform(1, 4))
        if self._got < request.answer_size:
            return await self._early_end()
        if self._got > request.answer_size:
            return "wrong", f"{self._got} of {request.answer_size} bytes"
        if request.kind == "up" and int.from_bytes(count, "big") != request.size:
            return "wrong", f"the server counted {int.from_bytes(count, 'big')}"
        return "ok", ""

    async def _early_end(self) -> Result:
        if self._sender is not None:
            # A write may have taken the error of a reset that its task has not seen yet.
            await asyncio.wait([self._sender], timeout=1)
        if self._send_error is not None:
            return self._ended(f"while sending: {self._send_error}")
        return "short", f"{self._got} of {self.request.answer_size} bytes"

    async def _bad_name(self, name: bytes) -> Result:
        if len(name) < NAME_SIZE:
            return await self._early_end()
        return "misrouted", f"to {name.decode(errors='replace').strip()}"


async def get(peer: Peer, ident: str, host: str, authority: str, size: int) -> Result:
    """Fetch `size` bytes by the absolute form, over a connection to a proxy."""
    try:
        with peer:
            line = f"GET http://{authority}/{ident}/{size} HTTP/1.1"
            await peer.send(f"{line}\r\nHost: {authority}\r\nConnection: close\r\n\r\n".encode())
            head = (await read_head(peer)).decode(errors="replace")
            if " 200 " not in head.splitlines()[0]:
                return "refused", head.splitlines()[0]
            if f"x-host: {host}\r\n" not in head.lower():
                return "misrouted", head
            body = await peer.rest()
    except Refused as error:
        return "refused", str(error)
    except OSError as error:
        return ("hang", "HTTP") if is_timeout(error) else ("reset", str(error))
    if len(body) < size:
        # The client knows by the Content-Length that this is not all.
        return "reset", f"{len(body)} of {size} bytes of the body"
    return ("ok", "") if body == Content(ident).take(size) else ("wrong", "the body")
