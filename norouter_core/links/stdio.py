"""A native link: our agent at the other end of an exec command's stdio.

Three pieces make it: a `Bootstrap` brings up the agent, a `LinkHandler` handles what comes over the
link, and an `AgentClient` is what the engine uses of it. This module holds them together from the
start of the command to its end.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

import anyio
import anyio.abc

from norouter_core.agent.channel import SocketChannel
from norouter_core.agent.io import Io
from norouter_core.agent.mux import Mux
from norouter_core.agent.wire_end import WireEnd
from norouter_core.bootstrap.base import Bootstrap, Completed, Progress, StartFailed
from norouter_core.bootstrap.handshake import Hello
from norouter_core.exec_commands.asking import with_askpass
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.links.agent_client import AgentClient, Requests
from norouter_core.links.base import Hub, OperationError
from norouter_core.links.execute import collect
from norouter_core.links.process import Child, Environment, StartChild
from norouter_core.sanitize import strip_line, strip_lines
from norouter_core.timing import TimeLimits, Timing
from norouter_core.wire import messages
from norouter_core.wire.connection import HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address


class LinkHandler:
    """Handles one `Mux`, which it makes: results go to `requests`, streams to the hub."""

    def __init__(self, hub: Hub, io: Io, channel: SocketChannel) -> None:
        self.mux = Mux(io, Connection(HUB), channel, self)
        self.requests = Requests()
        self.down = asyncio.Event()
        self.violation = ""
        """How the agent broke the protocol, if that ended the link."""
        self.attached = False
        """Whether the agent has answered `attach`; it may offer nothing before that."""
        self._hub = hub

    def link_message(self, kind: str, body: messages.Json) -> Iterator[None] | None:
        if kind == "result":
            self.requests.take(body)
        elif kind == "event":
            name, data = messages.field(body, "type", str), messages.field(body, "data", dict)
            if name == "direct" and self.attached:
                return self._hub.report(messages.field(data, "streams", list))
            if name == "descriptors" and self.attached:
                used, limit = messages.field(data, "open", int), messages.field(data, "limit", int)
                self._hub.scarce_descriptors(used, limit)
        else:
            # An agent has nothing to ask of the hub, whatever it sends.
            number = messages.field(body, "id", int)
            self.mux.message(messages.failure(number, "unknown-op", "the hub takes no requests"))
        return None

    def link_offer(self, end: WireEnd, detail: messages.Json) -> None:
        if not self.attached:
            raise RemoteProtocolError("stream", "a stream before the hub has attached")
        listener = messages.field(detail, "listener", int)
        host, port = messages.address(detail.get("peer"))
        destination = detail.get("destination")
        reached = None if destination is None else _destination(destination)
        self._hub.offer(listener, (strip_line(host), port), end, reached)

    def link_refused(self, reason: str) -> None:
        self._hub.refused(reason)

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        if violation is not None:
            self.violation = str(violation)
        self.requests.close(reason)
        self.down.set()


def _destination(value: object) -> Address:
    """Return the `destination` of an OPEN (SPEC.md section 14), an IPv4 address as such.

    Raises:
        RemoteProtocolError: code `json`.
    """
    host, port = messages.address(value)
    try:
        address = ip_address(host)
    except ValueError:
        raise RemoteProtocolError("json", "'destination' is not an address") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise RemoteProtocolError("json", "'destination' has a zone")
        return str(address.ipv4_mapped or address), port
    return str(address), port


class StdioLink:
    """One exec command and the agent behind it: `start` it, use `agent`, then `close` it."""

    agent: AgentClient

    def __init__(
        self,
        hub: Hub,
        io: Io,
        bootstrap: Bootstrap,
        timing: Timing,
        on_stderr: Callable[[str], None],
        start_child: StartChild,
        *,
        environment: Environment = None,
        limits: TimeLimits | None = None,
    ) -> None:
        """Prepare a link.

        Args:
            environment: That of the command.
            limits: They stand still while the command waits for an answer of the user.
        """
        self._hub = hub
        self._io = io
        self._bootstrap = bootstrap
        self._timing = timing
        self._on_stderr = on_stderr
        self._start_child = start_child
        self._environment = environment
        self._limits = limits or TimeLimits()
        self._child: Child | None = None
        self._handler: LinkHandler | None = None
        self._stderr_ended = asyncio.Event()

    async def start(self, tasks: anyio.abc.TaskGroup, progress: Progress) -> None:
        """Run the command and bring up its agent.

        Raises:
            StartFailed: with all that was seen; the command has ended.
        """
        try:
            await self._bootstrap.prepare(self._collect, progress)
            await self._start(tasks, progress)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._bootstrap.clean_up()
            raise

    async def _collect(self, argv: tuple[str, ...], stdin: bytes) -> Completed:
        asking = argv if self._environment is None else with_askpass(argv)
        return await collect(asking, stdin, self._environment)

    async def _start(self, tasks: anyio.abc.TaskGroup, progress: Progress) -> None:
        child = self._child = await self._run_command()
        tasks.start_soon(self._read_stderr, child)
        tasks.start_soon(child.hang_up)
        try:
            hello, rest = await self._bootstrap.start(child, progress)
            await self._attach(child, hello, rest)
        except StartFailed as error:
            raise StartFailed(await self._finish(child, error.evidence)) from None
        except BaseException:
            # The link first: its descriptors must leave the loop before they are closed.
            if self._handler is not None:
                self._handler.mux.close("the start was cancelled")
            await child.end()
            raise

    async def _run_command(self) -> Child:
        argv = self._bootstrap.argv
        try:
            asking = argv if self._environment is None else with_askpass(argv)
            child = await self._start_child(asking, self._timing.grace, self._environment)
        except OSError as error:
            raise StartFailed(Evidence(argv, Stage.SPAWN, os_error=error)) from None
        except ValueError as error:
            # A NUL or a lone surrogate, which no system accepts in a command.
            invalid = OSError(errno.EINVAL, str(error))
            raise StartFailed(Evidence(argv, Stage.SPAWN, os_error=invalid)) from None
        child.limits = self._limits
        return child

    async def _read_stderr(self, child: Child) -> None:
        try:
            await child.read_stderr(self._on_stderr)
        finally:
            self._stderr_ended.set()

    async def _attach(self, child: Child, hello: Hello, rest: bytes) -> None:
        handler = LinkHandler(self._hub, self._io, SocketChannel(child.reading, child.writing))
        self._handler = handler
        self.agent = AgentClient(handler.mux, handler.requests, hello, self._timing.request)
        handler.mux.start()
        handler.mux.start_heartbeat(self._timing.heartbeat)
        if rest:
            handler.mux.received(memoryview(rest))
        try:
            await self.agent.attach(self._timing.heartbeat)
        except OperationError as error:
            # An agent that has died has broken no rule.
            refusal = "" if error.code == "gone" else error.reason
            violation = handler.violation or refusal
            evidence = Evidence(self._bootstrap.argv, Stage.RUNNING, violation=violation)
            raise StartFailed(evidence) from None
        handler.attached = True

    # -- the end ---------------------------------------------------------------------------

    async def wait_down(self) -> None:
        """Return when the link has ended by itself."""
        assert self._handler is not None
        await self._handler.down.wait()

    @property
    def is_down(self) -> bool:
        return self._handler is not None and self._handler.down.is_set()

    @property
    def last_line(self) -> str:
        """The last line that the command has printed before its agent was up; may be empty."""
        if self._child is None:
            return ""
        heard = strip_lines(self._child.heard.decode("utf-8", "replace")).splitlines()
        lines = (*self._child.stderr, *heard)
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def kill(self) -> None:
        """End the command at once."""
        if self._child is not None:
            self._child.kill()

    async def lost(self) -> Evidence:
        """After `wait_down`: end the command and return what was seen of it."""
        assert self._child is not None and self._handler is not None
        evidence = Evidence(
            self._bootstrap.argv,
            Stage.RUNNING,
            violation=self._handler.violation,
            timed_out=self._handler.mux.silence,
        )
        return await self._finish(self._child, evidence)

    async def close(self) -> None:
        """End the link in an orderly way; leave nothing behind."""
        if self._handler is not None and not self.is_down:
            goodbye_sent = asyncio.Event()
            self._handler.mux.close_gracefully(goodbye_sent.set)
            with anyio.CancelScope(shield=True):
                await goodbye_sent.wait()
                # The agent ends on `bye`; its end of the pipe then closes ours.
                with anyio.move_on_after(1):
                    await self.wait_down()
            self._handler.mux.close("the host was stopped")
        if self._child is not None:
            await self._child.end()

    async def _finish(self, child: Child, evidence: Evidence) -> Evidence:
        """End the command, and add its exit status and its stderr to the evidence."""
        if evidence.echoed:
            await child.leave_terminal()
        gave_up = bool(evidence.timed_out) and child.process.returncode is None
        if self._handler is not None:
            self._handler.mux.close("the link has ended")
        exit_status = await child.end()
        with anyio.move_on_after(1):
            await self._stderr_ended.wait()
        return dataclasses.replace(
            evidence,
            exit_status=None if gave_up else exit_status,
            stderr=tuple(child.stderr),
        )
