"""What the handlers of commands share: the request, and waiting until hosts are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

from norouter_core.commands.call import Call
from norouter_core.commands.edits.base import host_of
from norouter_core.commands.results import Emit, Failure, Outcome
from norouter_core.engine.engine import Engine
from norouter_core.engine.readiness import MeshFailed, PortsFailed
from norouter_core.engine.status import HostState, HostStatus, ListenerState, ListenerStatus
from norouter_core.model import HostSpec
from norouter_core.session.workspace import Workspace

_PORT_IN_USE = "another mesh of yours may use it (`norouter ps`), or another program"


@dataclass(frozen=True, slots=True)
class Request:
    """A call, and where its output goes."""

    call: Call
    emit: Emit
    confirmed: bool


Handler = Callable[[Workspace, Request], Awaitable[Outcome]]


def requested_host(session: Workspace, call: Call) -> HostSpec:
    """Return the host that the argument `host` names.

    Raises:
        EditError: There is none.
    """
    return host_of(session.spec, call.get("host"), "host")


async def wait_if_asked(session: Workspace, request: Request, outcome: Outcome) -> Outcome:
    """Return the outcome of a command after the wait that `--wait` asks for."""
    if not outcome.ok or "wait" not in request.call:
        return outcome
    hosts = outcome.data.get("hosts") or None
    failure = await until_ready(session, request.call, hosts)
    if failure is None:
        return outcome
    return replace(outcome, message="", failure=failure)


async def until_ready(
    session: Workspace, call: Call, hosts: Collection[str] | None
) -> Failure | None:
    """Wait until hosts (all, with None) are ready. Return why they are not, or None."""
    engine, timing = session.engine, session.timing
    seconds = call.get("timeout", timing.wait)
    waited_for = 0.0
    while True:
        step = min(timing.port_grace, seconds - waited_for)
        try:
            async with asyncio.timeout(step):
                await engine.wait_ready(hosts)
                return None
        except MeshFailed as error:
            name, problem = next(iter(error.problems.items()))
            return Failure(f"{name} has failed: {problem.message}", hint=problem.hint, host=name)
        except PortsFailed as ports:
            return _port_failed(ports.listeners[0])
        except TimeoutError:
            waited_for += step
            if waited_for >= seconds or _only_ports_fail(engine, hosts):
                return _not_ready(engine, hosts, waited_for)


def _only_ports_fail(engine: Engine, hosts: Collection[str] | None) -> bool:
    status = engine.status()
    states = {host.name: host.state for host in status.hosts}
    wanted = [state for name, state in states.items() if hosts is None or name in hosts]
    up = all(state in (HostState.READY, HostState.STOPPED) for state in wanted)
    ports = {port.state for port in status.listeners if states.get(port.on_host) is HostState.READY}
    # Without a failure the wait goes on: a host that restarts is stopped for a moment, too.
    return up and ListenerState.FAILED in ports and ListenerState.PENDING not in ports


def _not_ready(engine: Engine, hosts: Collection[str] | None, seconds: float) -> Failure:
    """Return the likely reason: a host that is not ready, or a port that is not bound."""
    status, after = engine.status(), f"after {seconds:g} s"
    down = [
        host
        for host in status.hosts
        if host.state is not HostState.READY and (hosts is None or host.name in hosts)
    ]
    for host in down:
        if host.state is not HostState.STOPPED:
            return _host_not_ready(host, after)
    for port in status.listeners:
        if port.state is ListenerState.FAILED and (hosts is None or port.to_host in hosts):
            return _port_failed(port)
    names = f": {', '.join(host.name for host in down)}" if down else ""
    return Failure(f"not ready {after}{names}", hint="wait longer: --timeout 5m")


def _port_failed(port: ListenerStatus) -> Failure:
    why = port.note.removeprefix(f"{port.listen}: ")
    message = f"port {port.listen} on {port.on_host} cannot be served: {why}"
    return Failure(message.rstrip(": "), hint=_PORT_IN_USE if "in use" in why else "")


def _host_not_ready(host: HostStatus, after: str) -> Failure:
    message = f"{host.name} is {host.state.value} {after}"
    if host.problem is None:
        return Failure(message, hint="wait longer: --timeout 5m")
    message = f"{message}: {host.problem.message}"
    return Failure(message, hint=host.problem.hint, host=host.name)
