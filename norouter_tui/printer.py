"""Events as lines for people: readiness on stdout, diagnostics on stderr."""

from __future__ import annotations

import signal
from collections.abc import Callable

from rich.text import Text

from norouter_core.bootstrap.problem import HostProblem
from norouter_core.engine.events import (
    Event,
    HostChanged,
    HostRemoved,
    ListenerChanged,
    ListenerRemoved,
    Log,
    Ready,
    Stopped,
    StreamClosed,
    StreamOpened,
)
from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerState,
    ListenerStatus,
    Status,
    StreamStatus,
)
from norouter_tui.plaintext import clean, count, seconds, size

Say = Callable[[Text], None]

_LOG_STYLES = {"warning": "yellow", "error": "bold red", "debug": "dim"}


class Printer:
    """Says what changed, once: it remembers how each host and listener stood.

    Args:
        out: takes readiness lines.
        err: takes diagnostics.
        debug: tell every change of state, every stream and every log line.
    """

    def __init__(self, out: Say, err: Say, *, debug: bool = False) -> None:
        self._out = out
        self._err = err
        self._debug = debug
        self._hosts: dict[str, HostStatus] = {}
        self._listeners: dict[tuple[str, str], ListenerStatus] = {}
        self._published: list[str] = []

    def show(self, event: Event) -> None:
        """Prints the lines that `event` is worth, if any."""
        match event:
            case HostChanged(host=host):
                self._host(host)
            case ListenerChanged(listener=listener):
                self._listener(listener)
            case Ready(hosts=hosts):
                self._ready(hosts)
            case Log():
                self._log(event)
            case HostRemoved(name=name):
                self._forget(name)
            case ListenerRemoved(on_host=on_host, listen=listen):
                self._listeners.pop((on_host, listen), None)
            case StreamOpened(stream=stream) | StreamClosed(stream=stream):
                self._stream(stream)
            case Stopped():
                self._out(Text("stopped"))

    def missed(self, number: int) -> None:
        """Says that `number` events were lost because output was not read fast enough."""
        self._err(Text(f"missed {count(number, 'event')}: output was not read fast enough"))

    def _host(self, host: HostStatus) -> None:
        before = self._hosts.get(host.name)
        self._hosts[host.name] = host
        if before is not None and before.state == host.state and before.attempt == host.attempt:
            return
        if host.state == HostState.READY:
            self._out(_ready_line(host))
        elif host.problem is not None and host.state in _TROUBLE:
            self._trouble(host, before)
        elif host.state == HostState.LOST or self._debug:
            self._err(Text.assemble(_named(host.name), f" {host.state.value}"))

    def _trouble(self, host: HostStatus, before: HostStatus | None) -> None:
        assert host.problem is not None
        told = before is not None and before.problem == host.problem
        if not told:
            lost = "lost: " if host.state == HostState.LOST else ""
            for line in problem_lines(host.name, host.problem, lost):
                self._err(line)
        if host.state == HostState.FAILED:
            self._err(Text(f"  {clean(host.name)} has failed for good; it is not tried again"))
        elif host.retry_in is not None:
            again = f"the same again (attempt {host.attempt}); " if told else ""
            name = f"host {clean(host.name)}: " if told else "  "
            self._err(Text(f"{name}{again}next try in {seconds(host.retry_in)}"))

    def _listener(self, listener: ListenerStatus) -> None:
        key = (listener.on_host, listener.listen)
        before = self._listeners.get(key)
        self._listeners[key] = listener
        if before is not None and _standing(before) == _standing(listener):
            return
        line = Text.assemble(
            "port ", (clean(listener.listen), "bold"), f" on {clean(listener.on_host)} "
        )
        if listener.state == ListenerState.FAILED:
            line.append("failed", "bold red")
            self._err(line.append(f": {clean(listener.note)}"))
        elif listener.state != ListenerState.PENDING or self._debug:
            line.append(listener.state.value, _LISTENER_STYLES[listener.state])
            elsewhere = listener.bound not in ("", listener.listen)
            line.append(f" at {clean(listener.bound)}" if elsewhere else "")
            self._out(line.append(f" ({clean(listener.note)})" if listener.note else ""))

    def _ready(self, hosts: int) -> None:
        lines = published(list(self._hosts.values()), list(self._listeners.values()))
        self._out(
            Text.assemble(
                ("ready", "bold green"), f": {count(hosts, 'host')}, {count(len(lines), 'port')}"
            )
        )
        if lines != self._published:
            for line in lines:
                self._out(Text(f"  {line}"))
        self._published = lines

    def _log(self, event: Log) -> None:
        if event.level not in ("warning", "error") and not self._debug:
            return
        line = Text(f"{clean(event.level)}: ", style=_LOG_STYLES.get(event.level, ""))
        line.append(f"{clean(event.host)}: " if event.host else "", "bold")
        self._err(line.append(clean(event.text), "none"))

    def _forget(self, name: str) -> None:
        self._hosts.pop(name, None)
        self._err(Text.assemble(_named(name), " removed"))

    def _stream(self, stream: StreamStatus) -> None:
        if self._debug:
            self._err(Text(stream_line(stream), style="dim"))


_TROUBLE = frozenset({HostState.LOST, HostState.BACKING_OFF, HostState.FAILED})
_LISTENER_STYLES = {
    ListenerState.BOUND: "green",
    ListenerState.SHARED: "green",
    ListenerState.PENDING: "dim",
    ListenerState.FAILED: "bold red",
}


def problem_lines(name: str, problem: HostProblem, how: str = "") -> list[Text]:
    """Everything a person needs to mend a host; `how` goes before the message."""
    lines = [Text.assemble(_named(name), ": ", (how + clean(problem.message), "bold red"))]
    if problem.command:
        lines.append(Text(f"  command: {clean(problem.command)}"))
    if problem.exit_status is not None:
        lines.append(Text(f"  exit status: {_exit_status(problem.exit_status)}"))
    lines += [Text(f"  stderr: {clean(line)}") for line in problem.stderr]
    if problem.hint:
        lines.append(Text.assemble(("  hint: ", "bold"), clean(problem.hint)))
    return lines


def not_ready_lines(status: Status, waited: float) -> list[Text]:
    """What is still missing when the time for `--wait-ready` is over."""
    lines = [Text(f"not ready within {seconds(waited)}:", style="bold red")]
    for host in status.hosts:
        if host.state != HostState.READY:
            why = f": {clean(host.problem.message)}" if host.problem else ""
            lines.append(Text.assemble("  ", _named(host.name), f" {host.state.value}{why}"))
    for listener in status.listeners:
        if listener.state == ListenerState.PENDING:
            lines.append(Text(f"  port {clean(listener.listen)} on {clean(listener.on_host)}"))
    return lines


def published(hosts: list[HostStatus], listeners: list[ListenerStatus]) -> list[str]:
    """One line for each published port, with the address to use on this machine.

    That is where the port is bound by a host that is this machine (one without a command); in a
    mesh without such a host it is the VIP, on every host of the mesh.
    """
    here = {host.name for host in hosts if not host.command}
    ports: dict[str, ListenerStatus] = {}
    for listener in listeners:
        known = ports.get(listener.listen)
        if known is None or _worth(listener, here) > _worth(known, here):
            ports[listener.listen] = listener
    return [_published(ports[listen], here) for listen in sorted(ports, key=_by_number)]


def _by_number(listen: str) -> list[str]:
    return [part.zfill(5) for part in listen.replace(":", ".").split(".")]


def _worth(listener: ListenerStatus, here: set[str]) -> tuple[bool, bool]:
    serves = listener.state in (ListenerState.BOUND, ListenerState.SHARED)
    return (listener.on_host in here and serves, serves)


def _published(listener: ListenerStatus, here: set[str]) -> str:
    local, serves = _worth(listener, here)
    address = clean((local and listener.bound) or listener.listen)
    line = f"{address} -> {clean(listener.to_host)}, {clean(listener.target)}"
    if not serves:
        return f"{line} (no host listens yet)"
    return line if local else f"{line} (on the hosts of the mesh)"


def stream_line(stream: StreamStatus) -> str:
    """A stream in one line, for a log."""
    line = (
        f"stream {stream.id} {stream.from_host} {stream.peer} -> {stream.listener} -> "
        f"{stream.to_host} {stream.target} {stream.state.value}, "
        f"{size(stream.bytes_forth)} forth, {size(stream.bytes_back)} back"
    )
    return clean(f"{line}: {stream.reason}" if stream.reason else line)


def _ready_line(host: HostStatus) -> Text:
    agent = f", {clean(host.agent)}" if host.agent else ""
    return Text.assemble(_named(host.name), " ", ("ready", "green"), f": {host.vip}{agent}")


def _named(name: str) -> Text:
    return Text.assemble("host ", (clean(name), "bold"))


def _standing(listener: ListenerStatus) -> tuple[ListenerState, str, str]:
    return (listener.state, listener.bound, listener.note)


def _exit_status(status: int) -> str:
    if status >= 0:
        return str(status)
    try:
        return f"{status} ({signal.Signals(-status).name})"
    except ValueError:
        return str(status)
