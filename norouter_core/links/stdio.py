"""A native link: our agent at the other end of an exec command's stdio."""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from norouter_core.agent.channel import SocketChannel
from norouter_core.agent.ends import End, Nowhere, join, proto_of
from norouter_core.agent.identity import PROTOCOL
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux
from norouter_core.agent.wire_end import WireEnd
from norouter_core.bootstrap import stage
from norouter_core.bootstrap.bundle import bundle
from norouter_core.bootstrap.handshake import AgentReady, HelloSearch, MarkerSearch, NoPython
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.exec_commands.start_plan import StartPlan
from norouter_core.links import replies
from norouter_core.links.base import UNSUPPORTED, Hello, Hub, OperationError
from norouter_core.links.process import Child, spawn
from norouter_core.links.requests import Requests
from norouter_core.sanitize import strip_line
from norouter_core.wire import messages
from norouter_core.wire.connection import BEHIND, HUB, Connection
from norouter_core.wire.errors import Violation

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer


_Parsed = TypeVar("_Parsed")

NO_UDP = "the agent that is installed on the host is older than this program, and knows no UDP"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `shell` bounds the time to a shell's answer (a login may be slow), `hello` that
    from there to the agent's, `installed` the silence of an installed agent, `heartbeat` is the
    interval of SPEC.md section 7."""

    shell: float = 45.0
    hello: float = 20.0
    installed: float = 20.0
    heartbeat: float = 2.0
    verb: float = 10.0


class StartFailed(NorouterError):
    """A host could not be started; `evidence` is for `norouter_core.bootstrap.diagnosis`."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(f"{evidence.stage}: {evidence.argv}")
        self.evidence = evidence


class StdioLink:
    """One exec command and the agent behind it. Use `start`, then the verbs, then `close`."""

    hello: Hello

    def __init__(
        self, hub: Hub, io: Io, plan: StartPlan, timing: Timing, stderr_line: Callable[[str], None]
    ) -> None:
        self._hub = hub
        self._io = io
        self._plan = plan
        self._timing = timing
        self._stderr_line = stderr_line
        self._child: Child | None = None
        self._mux: Mux | None = None
        self._requests = Requests()
        self._hello_came: asyncio.Future[Hello] | None = None
        self._down = asyncio.Event()
        self._stderr_done = asyncio.Event()
        self._stage = Stage.SPAWN
        self._violation = ""

    # -- start -----------------------------------------------------------------------------

    async def start(self, tasks: anyio.abc.TaskGroup, bootstrapping: Callable[[], None]) -> None:
        """Runs the command and brings the agent up; calls `bootstrapping` when a Python answered.

        Raises:
            StartFailed: with everything that was seen. The child has ended then.
        """
        try:
            self._child = await spawn(self._plan.argv)
        except OSError as error:
            raise StartFailed(Evidence(self._plan.argv, Stage.SPAWN, os_error=error)) from None
        except ValueError as error:
            # A NUL or a lone surrogate: no system can be asked to run that.
            os_error = OSError(errno.EINVAL, str(error))
            evidence = Evidence(self._plan.argv, Stage.SPAWN, os_error=os_error)
            raise StartFailed(evidence) from None
        tasks.start_soon(self._read_stderr, self._child)
        tasks.start_soon(self._child.hang_up)
        try:
            rest = await self._meet(self._child, bootstrapping)
            await self._say_hello(self._child, rest)
        except _NotMet as failure:
            raise StartFailed(await self._evidence(**failure.seen)) from None
        except BaseException:
            # The link first: its descriptors must leave the loop before they are closed.
            if self._mux is not None:
                self._mux.close("the start was given up")
            await self._child.end()
            raise

    async def _read_stderr(self, child: Child) -> None:
        try:
            await child.read_stderr(self._stderr_line)
        finally:
            self._stderr_done.set()

    async def _meet(self, child: Child, bootstrapping: Callable[[], None]) -> bytes:
        """The exchange before the first frame; returns what came of the link already."""
        if self._plan.installed:
            self._stage = Stage.HELLO
            return await self._search(child, HelloSearch(), self._timing.installed)
        self._stage = Stage.SHELL
        agent = bundle()
        nonce = secrets.token_hex(8)
        line = stage.stage0(nonce, agent)
        await _send(child, line)
        rest = await self._search(child, MarkerSearch(nonce, line), self._timing.shell)
        self._stage = Stage.PYTHON
        bootstrapping()
        await _send(child, stage.payload(agent))
        return rest

    async def _search(
        self, child: Child, search: MarkerSearch | HelloSearch, patience: float
    ) -> bytes:
        loop = asyncio.get_running_loop()
        with anyio.move_on_after(patience):
            while True:
                try:
                    data = await loop.sock_recv(child.reading, 65536)
                except OSError:
                    data = b""
                found = search.feed(data) if data else None
                # The echo of a terminal may come together with the marker.
                if isinstance(found, AgentReady) and not search.echoed:
                    return found.rest
                if isinstance(found, NoPython):
                    raise _NotMet(stdout=search.noise, report=found.report)
                if not data or search.echoed or search.too_noisy:
                    if search.echoed:
                        await child.leave_terminal()
                    raise _NotMet(stdout=search.noise, echoed=search.echoed, noise=search.too_noisy)
        raise _NotMet(stdout=search.noise, timed_out=patience)

    async def _say_hello(self, child: Child, rest: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._hello_came = loop.create_future()
        channel = SocketChannel(child.reading, child.writing)
        mux = self._mux = Mux(self._io, Connection(HUB), channel, self)
        mux.start()
        if rest:
            mux.received(memoryview(rest))
        try:
            async with asyncio.timeout(self._timing.hello):
                self.hello = await self._hello_came
        except TimeoutError:
            raise _NotMet(timed_out=self._timing.hello) from None
        except Violation as violation:
            raise _NotMet(violation=str(violation)) from None
        if self.hello.protocol != PROTOCOL:
            spoken = f"it speaks version {self.hello.protocol} of the protocol, not {PROTOCOL}"
            raise _NotMet(violation=spoken)
        self._stage = Stage.RUNNING
        attach = {"name": "hub", "protocol": PROTOCOL, "heartbeat": self._timing.heartbeat}
        mux.start_heartbeat(self._timing.heartbeat)
        try:
            await self._request("attach", attach, dict)
        except OperationError as error:
            # An agent that has died has broken no rule.
            refused = "" if error.code == "gone" else error.reason
            raise _NotMet(violation=self._violation or refused) from None

    # -- the end ---------------------------------------------------------------------------

    async def wait_down(self) -> None:
        await self._down.wait()

    def kill(self) -> None:
        """Ends the command at once."""
        if self._child is not None:
            self._child.kill()

    async def lost(self) -> Evidence:
        """After `wait_down`: sees the child out, and tells what was seen."""
        silent_for = self._mux.silent_for if self._mux else None
        return await self._evidence(violation=self._violation, timed_out=silent_for)

    @property
    def is_down(self) -> bool:
        return self._down.is_set()

    async def close(self) -> None:
        if self._mux is not None and not self._down.is_set():
            said = asyncio.Event()
            self._mux.goodbye(said.set)
            with anyio.CancelScope(shield=True):
                await said.wait()
                # The agent ends on `bye`; its end of the pipe then closes ours.
                with anyio.move_on_after(1):
                    await self._down.wait()
            self._mux.close("the host was stopped")
        if self._child is not None:
            await self._child.end()

    async def _evidence(self, **seen: Any) -> Evidence:
        assert self._child is not None
        child = self._child
        gave_up = bool(seen.get("timed_out")) and child.process.returncode is None
        if self._mux is not None:
            self._mux.close("the link has ended")
        exit_status = await child.end()
        with anyio.move_on_after(1):
            await self._stderr_done.wait()
        return Evidence(
            self._plan.argv,
            self._stage,
            exit_status=None if gave_up else exit_status,
            stderr=tuple(child.stderr),
            **seen,
        )

    # -- verbs -----------------------------------------------------------------------------

    @property
    def round_trip(self) -> float | None:
        heartbeat = self._mux.heartbeat if self._mux else None
        return heartbeat.round_trip if heartbeat else None

    async def listen(
        self,
        number: int,
        host: str,
        port: int,
        direct: tuple[str, int] | None,
        proto: str = "tcp",
    ) -> tuple[str, int, bool]:
        args = {"listener": number, "host": host, "port": port, "direct": direct}
        if proto != "tcp":
            if proto not in self.hello.features:
                raise OperationError(UNSUPPORTED, NO_UDP)
            args["proto"] = proto
        return await self._request("listen", args, replies.bound)

    async def unlisten(self, number: int) -> None:
        await self._request("unlisten", {"listener": number}, dict)

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        assert self._mux is not None
        if other.datagrams and "udp" not in self.hello.features:
            other.reset("not-allowed", NO_UDP)
            return Nowhere()
        if self._mux.connection.outbox.crowded:
            other.reset("too-many", BEHIND)
            return Nowhere()
        end = self._mux.open({"target": [host, port], "proto": proto_of(other)})
        end.observer = observer
        join(other, end)
        return end

    async def ping(self) -> float:
        asked = time.perf_counter()
        await self._request("echo", {}, dict)
        return time.perf_counter() - asked

    def can_splice(self, client: End, target: End) -> bool:
        ours = (isinstance(end, WireEnd) and end.mux is self._mux for end in (client, target))
        return "splice" in self.hello.features and all(ours)

    async def splice(
        self, listener: int, client: End, target: End, accepted: Callable[[int], None]
    ) -> None:
        assert isinstance(client, WireEnd) and isinstance(target, WireEnd)
        args = {"listener": listener, "client": client.stream.id, "target": target.stream.id}
        # Waited for as long as there is a link: what it has taken over must not go unseen.
        await self._request(
            "splice", args, lambda data: accepted(replies.stream(data)), forever=True
        )

    async def resolve(self, name: str) -> list[str]:
        return await self._request("resolve", {"name": name}, replies.addresses)

    async def read(self, path: str, limit: int) -> str:
        return await self._request("read", {"path": path, "limit": limit}, replies.text)

    async def write(self, path: str, text: str, mode: str, name: str = "") -> messages.Json:
        args = {"path": path, "text": text, "mode": mode, "name": name}
        return await self._request("write", args, dict)

    async def kill_direct(self, number: int) -> None:
        await self._request("kill", {"stream": number}, dict)

    async def _request(
        self,
        op: str,
        args: messages.Json,
        parse: Callable[[messages.Json], _Parsed],
        *,
        forever: bool = False,
    ) -> _Parsed:
        """`parse` as `Requests.begin` has it."""
        if self._mux is None or self._down.is_set():
            raise OperationError("gone", "the link to the host is lost")
        if self._mux.connection.outbox.full:
            raise OperationError("too-many", BEHIND)
        number, answer = self._requests.begin(parse)
        try:
            self._mux.message(messages.request(number, op, args))
            async with asyncio.timeout(None if forever else self._timing.verb):
                return await answer
        except TimeoutError:
            reason = f"no answer to {op!r} within {self._timing.verb:.0f} s"
            raise OperationError("timeout", reason) from None
        finally:
            self._requests.end(number)

    # -- from the mux ----------------------------------------------------------------------

    def link_message(self, kind: str, body: messages.Json) -> None:
        if kind == "result":
            self._requests.answered(body)
        elif kind == "event":
            name, data = messages.field(body, "type", str), messages.field(body, "data", dict)
            if name == "hello" and self._hello_came is not None and not self._hello_came.done():
                self._hello_came.set_result(Hello.parse(data))
            elif name == "direct" and self._stage is Stage.RUNNING:
                self._hub.report(messages.field(data, "streams", list))
        else:
            # An agent has nothing to ask of the hub, whatever it sends.
            number = messages.field(body, "id", int)
            assert self._mux is not None
            self._mux.message(messages.failure(number, "unknown-op", "the hub takes no requests"))

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        if self._stage is not Stage.RUNNING:
            raise Violation("stream", "a stream before the hello")
        listener = messages.field(detail, "listener", int)
        host, port = messages.address(detail.get("peer"))
        self._hub.offer(listener, (strip_line(host), port), end)

    def link_down(self, reason: str, violation: Violation | None) -> None:
        if violation is not None:
            self._violation = str(violation)
        self._requests.lost(reason)
        if self._hello_came is not None and not self._hello_came.done():
            self._hello_came.set_exception(violation or _NotMet())
        self._down.set()


class _NotMet(NorouterError):
    """The exchange before the link's first frame went wrong; `seen` goes into the evidence."""

    def __init__(self, **seen: Any) -> None:
        self.seen = seen


async def _send(child: Child, data: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(child.writing, data)
    except OSError:
        pass  # the command has ended: reading tells how far it came
