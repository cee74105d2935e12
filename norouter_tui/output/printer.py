"""Events as lines: readiness on stdout, diagnostics on stderr."""

from __future__ import annotations

import re
import signal
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.text import Text

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
from norouter_core.exec_commands.problem import HostProblem
from norouter_core.sanitize import escape
from norouter_tui.output import hints
from norouter_tui.output.units import count, seconds, size
from norouter_tui.output.writers import PrintLine

_DIGITS = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")
_LOG_STYLES = {"warning": "yellow", "error": "bold red", "debug": "dim"}


class Printer:
    """Prints each change once, since it remembers the state of each host and listener.

    Args:
        out: takes readiness lines.
        err: takes diagnostics.
        debug: whether to print every change of state, listener, stream and log line.
        expected: the number of hosts of the mesh. Once each of them is ready or has failed, the
            printer prints what is up, even if the whole mesh never is; 0 leaves that out.
        again: how to retry a host that has failed for good; `{}` stands for its name.
        since: seconds since the epoch; hosts that have been ready for longer are not printed.
    """

    def __init__(
        self,
        out: PrintLine,
        err: PrintLine,
        *,
        debug: bool = False,
        expected: int = 0,
        again: str = "norouter ctl host restart {}",
        since: float = 0.0,
    ) -> None:
        self._out = out
        self._err = err
        self._debug = debug
        self._expected = expected
        self._again = again
        self._since = since
        self._hosts: dict[str, HostStatus] = {}
        self._listeners: dict[tuple[str, str], ListenerStatus] = {}
        self._tally = _Tally()
        self._dns_failures: dict[tuple[str, str], ListenerStatus] = {}
        self._printed_dns_failures = 0
        self._published: list[str] = []
        self._logged: dict[str, deque[str]] = {}
        self._progress_at: dict[str, float] = {}
        """When the next line on the progress of each host is due."""
        self._hinted = ("", "")
        """The host and the reason of the port that failed last."""
        self._failures_at: deque[float] = deque(maxlen=_MAX_FAILURES)
        """When the ports failed that had a line each."""
        self._more_failed: set[tuple[str, str]] = set()
        """The ports that failed since, by host and address."""
        self._more_failed_at = 0.0
        self._not_printed: set[tuple[str, str]] = set()
        """The failed ports that have had no line; their recovery has none either."""
        self._has_printed_up = False
        self._has_changed = True
        """Whether the state of a host has changed since the mesh was ready."""

    def know(self, status: Status) -> None:
        """Take a status as known already, when the printer starts later than the mesh."""
        for host in status.hosts:
            self._know_host(host.name, host)
        for listener in status.listeners:
            self._know_listener((listener.on_host, listener.listen), listener)

    def problem_of(self, name: str) -> HostProblem | None:
        """Return the problem of a host, as printed."""
        host = self._hosts.get(name)
        return host.problem if host is not None and host.state in _TROUBLE else None

    def show(self, event: Event) -> None:
        """Print the lines for `event`, if there are any."""
        if self._more_failed and event.at - self._more_failed_at > _FAILURES_TOGETHER:
            self._print_more_failed()
        match event:
            case HostChanged(host=host):
                self._host(host, event.at)
                self._up_in_part()
            case ListenerChanged(listener=listener):
                self._listener(listener, event.at)
                self._up_in_part()
            case Ready():
                self._ready(event)
            case Log():
                self._log(event)
            case HostRemoved(name=name):
                self._forget(name)
            case ListenerRemoved(on_host=on_host, listen=listen):
                self._know_listener((on_host, listen), None)
            case StreamOpened(stream=stream) | StreamClosed(stream=stream):
                self._stream(stream)
            case Stopped():
                self._print_more_failed()
                self._out(Text("stopped"))

    def missed(self, number: int) -> None:
        """Print that `number` events were lost because the reader was too slow."""
        self._err(Text(f"missed {count(number, 'event')}: the reader of the output was too slow"))

    def _know_host(self, name: str, host: HostStatus | None) -> HostStatus | None:
        """Remember the status of a host, None if it is gone; return the status before."""
        before = self._hosts.get(name)
        if host is not None:
            self._hosts[name] = host
        elif before is not None:
            del self._hosts[name]
        self._tally.host(name, before.state if before else None, host.state if host else None)
        return before

    def _know_listener(
        self, key: tuple[str, str], listener: ListenerStatus | None
    ) -> ListenerStatus | None:
        """Remember the status of a listener, None if it is gone; return the status before."""
        before = self._listeners.get(key)
        if listener is not None:
            self._listeners[key] = listener
        elif before is not None:
            del self._listeners[key]
        either = listener or before
        if either is not None and either.service == _DNS:
            self._dns_failures.pop(key, None)
            if listener is not None and listener.state == ListenerState.FAILED:
                self._dns_failures[key] = listener
            return before
        was, now = (each.state if each else None for each in (before, listener))
        self._tally.listener(*key, was, now)
        return before

    def _host(self, host: HostStatus, at: float) -> None:
        before = self._know_host(host.name, host)
        if host.state == HostState.BOOTSTRAPPING:
            self._progress(host, at)
        if before is not None and before.state == host.state and before.attempt == host.attempt:
            return
        if before is None and host.state == HostState.READY and host.since < self._since:
            return
        self._has_changed = True
        if host.state == HostState.READY:
            # A large mesh that comes up has one line for all.
            if self._has_printed_up or self._debug or self._expected <= _MAX_HOST_LINES:
                self._out(_ready_line(host))
        elif host.problem is not None and host.state in _TROUBLE:
            self._trouble(host, before)
        elif self._debug:
            # A loss is printed with its reason, which is known once the command has ended.
            self._err(Text.assemble(_named(host.name), f" {host.state.value}"))

    def _progress(self, host: HostStatus, at: float) -> None:
        """Print how much of an agent has arrived, if that takes a while."""
        due = max(host.since + _FIRST_PROGRESS, self._progress_at.get(host.name, 0.0))
        if at >= due and host.agent_received < host.agent_size:
            self._progress_at[host.name] = at + _PROGRESS_INTERVAL
            self._err(Text.assemble(_named(host.name), f": {host.sending}"))

    def _trouble(self, host: HostStatus, before: HostStatus | None) -> None:
        assert host.problem is not None
        is_same = before is not None and _is_same(before.problem, host.problem)
        if not is_same:
            lost = "lost: " if host.state == HostState.LOST else ""
            problem = self._not_logged(host.name, host.problem)
            for line in problem_lines(host.name, problem, lost):
                self._err(line)
        if host.state == HostState.FAILED:
            name = escape(host.name)
            again = self._again.format(name)
            self._err(Text(f"  {name} has failed for good; to try again: {again}"))
        elif host.retry_in is not None and not (is_same and _is_old(host.attempt)):
            again = f"the same again (attempt {host.attempt}); " if is_same else ""
            name = f"host {escape(host.name)}: " if is_same else "  "
            self._err(Text(f"{name}{again}next try in {seconds(host.retry_in)}"))

    def _not_logged(self, name: str, problem: HostProblem) -> HostProblem:
        """Return the problem without the lines of stderr that were printed as they came."""
        logged = self._logged.pop(name, ())
        return replace(problem, stderr=tuple(x for x in problem.stderr if x not in logged))

    def _listener(self, listener: ListenerStatus, at: float) -> None:
        key = (listener.on_host, listener.listen)
        before = self._know_listener(key, listener)
        if before is not None and _visible(before) == _visible(listener):
            return
        if listener.service == _DNS and not self._debug:
            return  # an extra, which has a line of its own: see `_print_dns_failures`
        failed = before is not None and before.state == ListenerState.FAILED
        elsewhere = listener.bound not in ("", listener.listen)
        if not (failed or elsewhere or self._debug or listener.state == ListenerState.FAILED):
            return
        host = self._hosts.get(listener.on_host)
        hint = hints.hint(listener, host.agent if host else "")
        line = Text.assemble(
            "port ", (escape(listener.listen), "bold"), f" on {escape(listener.on_host)} "
        )
        if listener.state == ListenerState.FAILED:
            if self._failed_with_many(key, at):
                return
            line.append("failed", "bold red")
            why = hints.reason(listener)
            self._err(line.append(f": {why}"))
            # Ports that fail together fail for one reason, so one hint is enough.
            hinted, self._hinted = self._hinted, (listener.on_host, why)
            if hint and hinted != self._hinted:
                self._err(Text.assemble(("  hint: ", "bold"), hint))
        elif key in self._not_printed and not elsewhere:
            self._not_printed.discard(key)
        elif listener.state != ListenerState.PENDING or self._debug:
            line.append(listener.state.value, _LISTENER_STYLES[listener.state])
            line.append(f" at {escape(listener.bound)}" if elsewhere else "")
            note = hint or hints.reason(listener)
            self._out(line.append(f" ({note})" if note else ""))

    def _failed_with_many(self, key: tuple[str, str], at: float) -> bool:
        """Return whether so many ports fail with this one that one line has to do for all."""
        recent = self._failures_at
        many = len(recent) == _MAX_FAILURES and at - recent[0] <= _FAILURES_TOGETHER
        if self._debug or not (many or self._more_failed):
            recent.append(at)
            return False
        self._more_failed.add(key)
        self._more_failed_at = at
        self._not_printed.add(key)
        return True

    def _print_more_failed(self) -> None:
        failed, self._more_failed = self._more_failed, set()
        if failed:
            hosts = count(len({on_host for on_host, _ in failed}), "host")
            self._err(Text(f"{count(len(failed), 'more port')} failed on {hosts}"))

    def _up_in_part(self) -> None:
        """Print once what is up if the whole mesh is not."""
        hosts, tally = len(self._hosts), self._tally
        if self._has_printed_up or not self._expected or hosts < self._expected:
            return
        ready, trouble = tally.ready, sum(tally.hosts[state] for state in _TROUBLE)
        failed = ready < hosts or tally.failed
        if not ready or ready + trouble < hosts or tally.pending_on_ready or not failed:
            return
        self._has_printed_up = True
        self._print_more_failed()
        text = f": {ready} of {count(hosts, 'host')} ready"
        self._out(Text.assemble(("up in part", "bold yellow"), text))
        self._print_dns_failures()
        self._print_ports(self._ports())

    def _print_dns_failures(self) -> None:
        """Print one line for all addresses at which DNS is not served, if it has become more."""
        failures = list(self._dns_failures.values())
        if len(failures) > self._printed_dns_failures:
            first, more = failures[0], len(failures) - 1
            line = Text("warning: ", style="yellow")
            where = f"{escape(first.listen)} on {escape(first.on_host)}"
            where += f" and in {count(more, 'more place')}" if more else ""
            self._err(line.append(f"DNS is not served at {where}: {hints.reason(first)}", "none"))
        self._printed_dns_failures = len(failures)

    def _ready(self, event: Ready) -> None:
        self._print_more_failed()
        self._print_dns_failures()
        ports = self._ports()
        if not self._has_changed and ports == self._published:
            return  # a change that stopped and started nothing
        self._has_printed_up, self._has_changed, self._hinted = True, False, ("", "")
        text = f": {count(event.hosts, 'host')}"
        # A printer that started later than the mesh does not know all its ports.
        has_all = len(self._listeners) >= event.listeners
        text += f", {count(self._tally.ports, 'port')}" if has_all else ""
        self._out(Text.assemble(("ready", "bold green"), text))
        if has_all:
            self._print_ports(ports)

    def _ports(self) -> list[str]:
        """Return a line for each published port, or one for all if they are many."""
        number = self._tally.ports
        if number > _MAX_PORT_LINES:
            return [f"the {number} ports: norouter ctl ports"]
        return published(list(self._hosts.values()), list(self._listeners.values()))

    def _print_ports(self, lines: list[str]) -> None:
        if lines != self._published:
            for line in lines:
                self._out(Text(f"  {line}"))
        self._published = lines

    def _log(self, event: Log) -> None:
        if event.level not in ("warning", "error") and not self._debug:
            return
        if event.host:
            self._logged.setdefault(event.host, deque(maxlen=_REMEMBERED)).append(event.text)
        line = Text(f"{escape(event.level)}: ", style=_LOG_STYLES.get(event.level, ""))
        line.append(f"{escape(event.host)}: " if event.host else "", "bold")
        self._err(line.append(escape(event.text), "none"))

    def _forget(self, name: str) -> None:
        self._know_host(name, None)
        self._progress_at.pop(name, None)
        self._has_changed = True
        self._err(Text.assemble(_named(name), " removed"))

    def _stream(self, stream: StreamStatus) -> None:
        if self._debug:
            self._err(Text(stream_line(stream), style="dim"))


class _Tally:
    """Counts hosts and listeners by state as they change.

    Looking at all of them at each change would take time quadratic in hosts times ports.
    """

    def __init__(self) -> None:
        self.hosts = Counter[HostState]()
        self.failed = 0
        """Listeners."""
        self.pending_on_ready = 0
        """Listeners of hosts that are ready."""
        self._ready: set[str] = set()
        self._pending = Counter[str]()
        self._listeners_at = Counter[str]()

    @property
    def ready(self) -> int:
        return len(self._ready)

    def host(self, name: str, before: HostState | None, now: HostState | None) -> None:
        for state, step in ((before, -1), (now, 1)):
            if state is not None:
                self.hosts[state] += step
            if state is HostState.READY:
                self.pending_on_ready += step * self._pending[name]
        (self._ready.add if now is HostState.READY else self._ready.discard)(name)

    @property
    def ports(self) -> int:
        """The published ports: addresses at which any host listens or should listen."""
        return len(self._listeners_at)

    def listener(
        self,
        on_host: str,
        listen: str,
        before: ListenerState | None,
        now: ListenerState | None,
    ) -> None:
        self._count_port(listen, (now is not None) - (before is not None))
        for state, step in ((before, -1), (now, 1)):
            if state is ListenerState.FAILED:
                self.failed += step
            elif state is ListenerState.PENDING:
                self._pending[on_host] += step
                self.pending_on_ready += step if on_host in self._ready else 0

    def _count_port(self, listen: str, step: int) -> None:
        if step:
            self._listeners_at[listen] += step
            if not self._listeners_at[listen]:
                del self._listeners_at[listen]


_FIRST_PROGRESS = 2.0
"""Seconds for which an agent is sent before a line says how much of it has arrived."""
_PROGRESS_INTERVAL = 5.0
"""Seconds between two such lines on one host."""
_MAX_HOST_LINES = 20
"""Hosts of a mesh that comes up for which there is a line each."""
_MAX_PORT_LINES = 40
"""Ports that are listed when the mesh is ready; more are counted."""
_MAX_FAILURES = 8
"""Ports that fail together and have a line each; one more line counts the others."""
_FAILURES_TOGETHER = 1.0
"""Seconds between them."""
_REMEMBERED = 64
"""Log lines of a host that are remembered, so that its problem does not repeat them."""
_DNS = "dns"
_SERVED = (ListenerState.BOUND, ListenerState.SHARED, ListenerState.SERVED)
_TROUBLE = frozenset({HostState.LOST, HostState.BACKING_OFF, HostState.FAILED})
_LISTENER_STYLES = {
    ListenerState.BOUND: "green",
    ListenerState.SHARED: "green",
    ListenerState.SERVED: "green",
    ListenerState.PENDING: "dim",
    ListenerState.FAILED: "bold red",
}


def problem_lines(name: str, problem: HostProblem, how: str = "") -> list[Text]:
    """Return the lines that describe the problem of a host; `how` goes before the message."""
    lines = [Text.assemble(_named(name), ": ", (how + escape(problem.message), "bold red"))]
    if problem.command:
        lines.append(Text(f"  command: {escape(problem.command)}"))
    if problem.exit_status is not None:
        lines.append(Text(f"  exit status: {_exit_status(problem.exit_status)}"))
    shown = problem.message
    lines += [Text(f"  stderr: {escape(x)}") for x in problem.stderr if x.strip() not in shown]
    if problem.hint:
        lines.append(Text.assemble(("  hint: ", "bold"), escape(problem.hint)))
    return lines


def not_ready_lines(status: Status, waited: float) -> list[Text]:
    """Return what is missing when the time of `--wait-ready` is over."""
    lines = [Text(f"not ready within {seconds(waited)}:", style="bold red")]
    for host in status.hosts:
        if host.state != HostState.READY:
            why = f": {escape(host.problem.message)}" if host.problem else ""
            lines.append(Text.assemble("  ", _named(host.name), f" {host.state.value}{why}"))
    unserved = (ListenerState.PENDING, ListenerState.FAILED)
    missing = [x for x in status.listeners if x.state in unserved and x.service != _DNS]
    return lines + [_missing(x) for x in missing]


def ports_failed_lines(
    listeners: Sequence[ListenerStatus], holders: Mapping[str, str]
) -> list[Text]:
    """Return why this machine cannot serve ports of the mesh.

    Args:
        holders: who holds an address, by `listen`.
    """
    lines = [Text("not ready, and waiting does not change that:", style="bold red")]
    for listener in listeners:
        line = _missing(listener)
        if holder := holders.get(listener.listen):
            line.append(f" by {holder}")
        lines.append(line)
    return lines


def _missing(listener: ListenerStatus) -> Text:
    why = f": {hints.reason(listener)}" if listener.note else ""
    where = f"port {escape(listener.listen)} on {escape(listener.on_host)}"
    return Text(f"  {where} {listener.state.value}{why}")


def published(hosts: list[HostStatus], listeners: list[ListenerStatus]) -> list[str]:
    """Return a line for each published port, with the address to use on this machine.

    That is the address at which a host without a command (this machine) has bound the port, or in a
    mesh without such a host the VIP, which works on every host of the mesh.
    """
    here = {host.name for host in hosts if not host.command}
    ports: dict[str, list[ListenerStatus]] = {}
    for listener in listeners:
        if listener.service == _DNS:
            continue  # every VIP serves DNS
        ports.setdefault(listener.listen, []).append(listener)
    down = {host.name: host.state for host in hosts if host.state != HostState.READY}
    return [_published(ports[listen], here, down) for listen in sorted(ports, key=_by_number)]


def _by_number(listen: str) -> list[str]:
    return [part.zfill(5) for part in listen.replace(":", ".").split(".")]


def _published(
    listeners: list[ListenerStatus], here: set[str], down: Mapping[str, HostState]
) -> str:
    """Return the line of a published port, from its listeners on all hosts."""
    own = (ListenerState.BOUND, ListenerState.SERVED)
    bound = [x for x in listeners if x.state in own]
    # A shared listener stands for another one; if that failed, nothing listens.
    serving = [x for x in listeners if bound and x.state in _SERVED]
    local = next((x for x in serving if x.on_host in here), None)
    one = local or (serving or listeners)[0]
    address = escape((local and local.bound) or one.listen)
    line = f"{address} -> {escape(one.to_host)}, {escape(one.target)}"
    if one.to_host in down:
        state = down[one.to_host]
        how = "has failed" if state == HostState.FAILED else f"is {state.value}"
        return f"{line} (not reachable: {escape(one.to_host)} {how})"
    if not serving:
        why = next((f": {hints.reason(x)}" for x in listeners if x.state not in _SERVED), "")
        return f"{line} (not reachable: no host listens{why.rstrip(': ')})"
    return line if local else f"{line} (on the hosts of the mesh)"


def stream_line(stream: StreamStatus) -> str:
    """Return a line that describes a stream, for a log."""
    line = (
        f"stream {stream.id} {stream.from_host} {stream.peer} -> {stream.listener} -> "
        f"{stream.to_host} {stream.target} {stream.state.value}, "
        f"{size(stream.bytes_sent)} sent, {size(stream.bytes_received)} received"
    )
    return escape(f"{line}: {stream.reason}" if stream.reason else line)


def _ready_line(host: HostStatus) -> Text:
    agent = f", {escape(host.agent)}" if host.agent else ""
    return Text.assemble(_named(host.name), " ", ("ready", "green"), f": {host.vip}{agent}")


def _named(name: str) -> Text:
    return Text.assemble("host ", (escape(name), "bold"))


def _is_same(one: HostProblem | None, other: HostProblem | None) -> bool:
    """Return whether two problems look the same: numbers and lines of stderr may differ."""
    if one is None or other is None:
        return False
    words = (_DIGITS.sub("0", problem.message) for problem in (one, other))
    return one.kind == other.kind and next(words) == next(words)


def _is_old(attempt: int) -> bool:
    """Return whether another failed attempt is no news: with each line, twice as many are."""
    return attempt & (attempt - 1) != 0


def _visible(listener: ListenerStatus) -> tuple[ListenerState, str, str]:
    return (listener.state, listener.bound, listener.note)


def _exit_status(status: int) -> str:
    if status >= 0:
        return str(status)
    try:
        return f"{status} ({signal.Signals(-status).name})"
    except ValueError:
        return str(status)
