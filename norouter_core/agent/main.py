"""The agent's process: it serves the operations over a link on stdin and stdout."""

from __future__ import annotations

import os
import signal
import sys

from norouter_core.agent import process_identity
from norouter_core.agent.channel import FdChannel
from norouter_core.agent.descriptors import raise_limit
from norouter_core.agent.ends import join, protocol_of
from norouter_core.agent.io import Io
from norouter_core.agent.loop import Loop
from norouter_core.agent.mux import Mux
from norouter_core.agent.operations import OperationError, Operations
from norouter_core.agent.resolve import resolve_error_code
from norouter_core.agent.wire_end import WireEnd
from norouter_core.wire import messages
from norouter_core.wire.codes import NOT_READING
from norouter_core.wire.connection import AGENT, Connection
from norouter_core.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from norouter_core.agent.ends import End
    from norouter_core.wire.codes import Address
    from norouter_core.wire.messages import Json

_ATTACH_TIMEOUT = 8.0
"""Seconds that an agent waits for `attach`."""


class Agent:
    """Serves one hub over one link, and ends with it."""

    def __init__(self, loop: Loop, read_fd: int, write_fd: int) -> None:
        self._loop = loop
        io = Io(loop)
        io.descriptors.on_scarce = self._report_scarce
        self._operations = Operations(io, self)
        self._mux = Mux(io, Connection(AGENT), FdChannel(read_fd, write_fd), self)
        self._attached = False
        self.exit_status = 0

    def start(self) -> None:
        """Send the hello and begin to read."""
        self._mux.start()
        self._mux.message(messages.event("hello", process_identity.hello()))
        self._loop.call_later(_ATTACH_TIMEOUT, self._check_attached)

    def terminate(self, number: int) -> None:
        """End as by a signal, but in order: with resets, and without blocks left in files."""
        self.exit_status = 128 + number
        self._mux.close("the agent was terminated")

    def _check_attached(self) -> None:
        if not self._attached:
            self._mux.close("the hub did not attach")

    # -- from the link ---------------------------------------------------------------------

    def link_message(self, kind: str, body: Json) -> None:
        if kind == "event" and body.get("type") == "bye":
            self._mux.close("the hub ended the link")
        elif kind == "request":
            number = messages.field(body, "id", int)
            op = messages.field(body, "op", str)
            args = messages.field(body, "args", dict)
            self._handle_request(number, op, args)

    def _handle_request(self, number: int, op: str, args: Json) -> None:
        if op == "resolve":
            name = messages.field(args, "name", str)
            self._operations.resolve(
                name, lambda found, why: self._send_addresses(number, found, why)
            )
            return
        try:
            if op == "splice":
                self._splice(number, args)
                return
            answer = messages.result(number, self._run_operation(op, args))
        except OperationError as error:
            answer = messages.failure(number, error.code, error.reason)
        self._mux.message(answer)

    def _splice(self, number: int, args: Json) -> None:
        listener, client, target = (
            messages.field(args, key, int) for key in ("listener", "client", "target")
        )
        streams = self._mux.connection.streams
        if client not in streams or target not in streams:
            raise OperationError("gone", "the stream has ended")
        self._operations.splice(
            listener,
            streams[client].owner,
            streams[target].owner,
            # The result goes first: it changes the meaning of what follows on the streams.
            lambda direct: self._mux.message(messages.result(number, {"stream": direct})),
        )

    def _run_operation(self, op: str, args: Json) -> Json:
        verbs = self._operations
        if op == "attach":
            self._attach(args)
        elif op == "listen":
            direct = args.get("direct")
            return verbs.listen(
                messages.field(args, "listener", int),
                *messages.address([args.get("host"), args.get("port")]),
                None if direct is None else messages.address(direct),
                messages.protocol(args),
                args.get("transparent") is True,
            )
        elif op == "unlisten":
            verbs.unlisten(messages.field(args, "listener", int))
        elif op == "read":
            return verbs.read(messages.field(args, "path", str), messages.field(args, "limit", int))
        elif op == "write":
            path, text, mode = (messages.field(args, key, str) for key in ("path", "text", "mode"))
            name = messages.field(args, "name", str) if "name" in args else ""
            return verbs.write(path, text, mode, name)
        elif op == "kill":
            verbs.kill(messages.field(args, "stream", int))
        elif op != "echo":
            raise OperationError("unknown-op", f"this agent does not know {op[:80]!r}")
        return {}

    def _attach(self, args: Json) -> None:
        interval = args.get("heartbeat")
        if not isinstance(interval, (int, float)) or not 0.01 <= interval <= 3600:
            raise RemoteProtocolError("json", "'heartbeat' is not a number of seconds")
        if not self._attached:
            self._attached = True
            self._mux.start_heartbeat(interval)

    def _send_addresses(self, number: int, addresses: list[str], error: str) -> None:
        if addresses:
            self._mux.message(messages.result(number, {"addresses": addresses}))
        else:
            self._mux.message(messages.failure(number, resolve_error_code(error), error))

    def link_offer(self, end: WireEnd, detail: Json) -> None:
        host, port = messages.address(detail.get("target"))
        self._operations.dial(end, host, port, _AcceptOnOpen(end))

    def link_refused(self, reason: str) -> None:
        """Do nothing: the hub learns it from the RESET, and reports it."""

    def link_down(self, reason: str, violation: RemoteProtocolError | None) -> None:
        if violation is not None:
            sys.stderr.write(f"norouter agent: the hub broke the protocol: {violation}\n")
            self.exit_status = 1
        self._operations.close()
        self._loop.stop()

    # -- from the operations ---------------------------------------------------------------

    def offer(self, listener: int, peer: Address, end: End, destination: Address | None) -> None:
        if self._mux.connection.outbox.full:
            end.reset("too-many", NOT_READING)
            return
        detail = {"listener": listener, "peer": list(peer), "proto": protocol_of(end)}
        if destination is not None:
            detail["destination"] = list(destination)
        join(end, self._mux.open(detail))

    def report(self, rows: list[list[Any]]) -> None:
        self._mux.message(messages.event("direct", {"streams": rows}))

    def _report_scarce(self, used: int, limit: int) -> None:
        self._mux.message(messages.event("descriptors", {"open": used, "limit": limit}))


class _AcceptOnOpen:
    """Accepts a stream of the hub once its dial has succeeded; a failed dial resets it."""

    __slots__ = ("_end",)

    def __init__(self, end: WireEnd) -> None:
        self._end = end

    def end_opened(self, end: Any, peer: Address) -> None:
        self._end.accept(peer)

    def end_half_closed(self, end: Any) -> None:
        pass

    def end_closed(self, end: Any, code: str, reason: str) -> None:
        pass


def main(argv: list[str]) -> int:
    """Run an agent on fds 0 and 1 until its hub is gone; return the exit status.

    `argv` must be `["--automated"]`; otherwise a person has typed `norouter agent`.
    """
    if argv != ["--automated"]:
        sys.stderr.write(
            "norouter starts `norouter agent` itself, on a host, by an exec command.\n"
            "To join hosts, write a manifest and run `norouter run MANIFEST` on your own machine.\n"
        )
        return 2
    return run(*_move_stdio_aside())


def _move_stdio_aside() -> tuple[int, int]:
    """Return duplicates of fds 0 and 1, which then lead elsewhere.

    So nothing that this process prints can end up between two frames. For an agent that was sent
    over the link, the first stage has done this before its marker.
    """
    read_fd, write_fd = os.dup(0), os.dup(1)
    # A pipe without a writer: a chroot may lack the null device.
    end, writer = os.pipe()
    os.dup2(end, 0)
    os.close(end)
    os.close(writer)
    os.dup2(2, 1)
    return read_fd, write_fd


def run(read_fd: int, write_fd: int) -> int:
    """Serve the hub on two descriptors until it is gone; return the exit status."""
    # The hub decides when the agent ends: by EOF, `bye` or silence. A terminal sends Ctrl-C to the
    # whole process group, which must not end the link before that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    raise_limit()
    loop = Loop()
    agent = Agent(loop, read_fd, write_fd)
    _handle_signals(loop, agent)
    try:
        agent.start()
    except OSError as error:
        # A file or the null device, which a loop cannot watch.
        sys.stderr.write(f"norouter agent: stdin is not a pipe to a hub: {error.strerror}\n")
        return 1
    loop.run()
    return agent.exit_status


def _handle_signals(loop: Loop, agent: Agent) -> None:
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # `nohup` ignores SIGHUP on behalf of what it starts.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(
                number,
                lambda number, frame: loop.call_soon_threadsafe(agent.terminate, number),
            )
