"""What the hub asks of an agent over a link, and what the agent answers.

Answers come from a machine that the hub does not trust. One of a wrong form raises
`RemoteProtocolError` with the code `json`, which ends the link.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from norouter_core.agent.ends import End, NullEnd, join, protocol_of
from norouter_core.agent.mux import Mux
from norouter_core.agent.process_identity import PROTOCOL
from norouter_core.agent.wire_end import WireEnd
from norouter_core.bootstrap.handshake import Hello
from norouter_core.countdown import Countdown
from norouter_core.links.base import UNSUPPORTED, OperationError
from norouter_core.sanitize import strip_line
from norouter_core.wire import messages
from norouter_core.wire.codes import NOT_READING, TCP, UDP
from norouter_core.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.wire.codes import Address
    from norouter_core.wire.messages import Json

_Parsed = TypeVar("_Parsed")

MAX_REQUESTS = 4096
"""Requests that may be open on one link. The clients of an agent that answers nothing can make the
hub ask ever more of it."""
MAX_SHARED_REQUESTS = MAX_REQUESTS // 4
"""Of those, the requests that clients of one host have caused."""

_MAX_ADDRESSES = 64
"""The addresses of one name that are used: more than any name has."""

NOT_TRANSPARENT = "only the Python agent on Linux has transparent proxies"
NO_UDP = "the agent installed on the host has no UDP; update it (`norouter show-installer`)"


class AgentClient:
    """The agent behind one link, from its hello to the end of the link."""

    at_once = 64
    """The most `listen` requests at a time: the answers to thousands would hold up the loop."""

    def __init__(self, mux: Mux, requests: Requests, hello: Hello, timeout: float) -> None:
        self.hello = hello
        self._mux = mux
        self._requests = requests
        self._timeout = timeout

    @property
    def round_trip(self) -> float | None:
        heartbeat = self._mux.heartbeat
        return heartbeat.round_trip if heartbeat else None

    # -- streams ---------------------------------------------------------------------------

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        if other.datagrams and UDP not in self.hello.features:
            other.reset("not-allowed", NO_UDP)
            return NullEnd()
        if refusal := self._mux.connection.refusal():
            other.reset("too-many", refusal)
            return NullEnd()
        end = self._mux.open({"target": (host, port), "proto": protocol_of(other)})
        end.observer = observer
        join(other, end)
        return end

    def can_splice(self, client: End, target: End) -> bool:
        ours = (isinstance(end, WireEnd) and end.mux is self._mux for end in (client, target))
        return "splice" in self.hello.features and all(ours)

    async def splice(
        self, listener: int, client: End, target: End, accepted: Callable[[int], None]
    ) -> None:
        assert isinstance(client, WireEnd) and isinstance(target, WireEnd)
        args = {"listener": listener, "client": client.stream.id, "target": target.stream.id}

        def parse(data: Json) -> None:
            accepted(messages.field(data, "stream", int))

        # No time limit: what the agent has taken over must not go unseen while there is a link.
        await self._request("splice", args, parse, limit=None)

    # -- operations ------------------------------------------------------------------------

    async def attach(self, heartbeat: float) -> None:
        """Answer the hello (SPEC.md section 2)."""
        args = {"name": "hub", "protocol": PROTOCOL, "heartbeat": heartbeat}
        await self._run("attach", args, dict)

    async def listen(
        self,
        number: int,
        host: str,
        port: int,
        direct: Address | None,
        proto: str = TCP,
        *,
        transparent: bool = False,
    ) -> Address:
        args: Json = {"listener": number, "host": host, "port": port, "direct": direct}
        if transparent:
            if "transparent" not in self.hello.features:
                raise OperationError(UNSUPPORTED, NOT_TRANSPARENT)
            args["transparent"] = True
        if proto != TCP:
            if proto not in self.hello.features:
                raise OperationError(UNSUPPORTED, NO_UDP)
            args["proto"] = proto
        return await self._run("listen", args, _parse_bound)

    async def unlisten(self, number: int) -> None:
        await self._run("unlisten", {"listener": number}, dict)

    async def ping(self) -> float:
        began = time.perf_counter()
        await self._run("echo", {}, dict)
        return time.perf_counter() - began

    async def resolve(self, name: str) -> list[str]:
        return await self._run("resolve", {"name": name}, _parse_addresses)

    async def read(self, path: str, limit: int) -> str:
        def parse(data: Json) -> str:
            # At most what was asked for, whatever the agent sends.
            text: str = messages.field(data, "text", str)
            return text[:limit]

        return await self._run("read", {"path": path, "limit": limit}, parse)

    async def write(self, path: str, text: str, mode: str, name: str = "") -> Json:
        args = {"path": path, "text": text, "mode": mode, "name": name}
        return await self._run("write", args, dict)

    async def kill_direct(self, number: int) -> None:
        await self._run("kill", {"stream": number}, dict)

    async def _run(self, op: str, args: Json, parse: Callable[[Json], _Parsed]) -> _Parsed:
        return await self._request(op, args, parse, limit=self._timeout)

    async def _request(
        self, op: str, args: Json, parse: Callable[[Json], _Parsed], *, limit: float | None
    ) -> _Parsed:
        if self._mux.connection.outbox.full:
            raise OperationError("too-many", NOT_READING)
        number, answer = self._requests.begin(parse, self._mux.connection.outbox.cause.source)
        try:
            self._mux.message(messages.request(number, op, args))
            async with Countdown(limit):
                return await answer
        except TimeoutError:
            raise OperationError("timeout", f"no answer to {op!r} within {limit:.0f} s") from None
        finally:
            self._requests.end(number)


class Requests:
    """The open requests of one link, by number."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[asyncio.Future[Any], Callable[[Json], Any], object]] = {}
        self._opened_for: Counter[object] = Counter()
        self._last = 0
        self._lost = ""

    def begin(
        self, parse: Callable[[Json], _Parsed], source: object = None
    ) -> tuple[int, asyncio.Future[_Parsed]]:
        """Return the number of a new request and its answer to wait for; `end` has to follow.

        `source` is that of the link whose client has caused it, as in `Cause`.

        `parse` reads the answer as it comes: a malformed one is a violation on the link, as with
        any other frame, and not the fault of the caller.

        Raises:
            OperationError: `too-many` are open, or the link is `gone`.
        """
        if self._lost:
            raise OperationError("gone", self._lost)
        if len(self._open) >= MAX_REQUESTS:
            raise OperationError("too-many", f"{MAX_REQUESTS} requests wait for the agent's answer")
        if source is not None and self._opened_for[source] >= MAX_SHARED_REQUESTS:
            reason = f"{MAX_SHARED_REQUESTS} requests of one host's clients wait for the answer"
            raise OperationError("too-many", reason)
        self._last += 1
        answer: asyncio.Future[_Parsed] = asyncio.get_running_loop().create_future()
        self._open[self._last] = answer, parse, source
        self._opened_for[source] += 1
        return self._last, answer

    def end(self, number: int) -> None:
        """Forget a request."""
        _, _, source = self._open.pop(number)
        self._opened_for[source] -= 1
        if not self._opened_for[source]:
            del self._opened_for[source]

    def take(self, body: Json) -> None:
        """Take a result; one that nobody waits for is ignored.

        Raises:
            RemoteProtocolError: it is malformed.
        """
        number = messages.field(body, "request_id", int)
        if number not in self._open:
            return
        answer, parse, _ = self._open[number]
        if answer.done():
            return
        error = body.get("error")
        if error is None:
            answer.set_result(parse(messages.field(body, "data", dict)))
        elif isinstance(error, dict):
            code, reason = (messages.field(error, key, str) for key in ("code", "reason"))
            answer.set_exception(OperationError(code, strip_line(reason)))
        else:
            raise RemoteProtocolError("json", "'error' is not an object")

    def close(self, reason: str) -> None:
        """Fail every request, now and later: the link has ended."""
        self._lost = f"the link was lost: {reason}"
        for answer, _, _ in self._open.values():
            if not answer.done():
                answer.set_exception(OperationError("gone", self._lost))


def _parse_bound(data: Json) -> Address:
    host, port = messages.address([data.get("host"), data.get("port")])
    return strip_line(host), port


def _parse_addresses(data: Json) -> list[str]:
    found = messages.field(data, "addresses", list)[:_MAX_ADDRESSES]
    if not all(isinstance(address, str) for address in found):
        raise RemoteProtocolError("json", "an address that is not text")
    return [strip_line(address) for address in found]
