"""What handlers share."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from norouter_core.commands.call import Call
from norouter_core.commands.edits.base import host_of
from norouter_core.commands.results import Emit, Failure, Outcome
from norouter_core.engine import Engine, MeshFailed
from norouter_core.engine.status import HostState, HostStatus, ListenerState
from norouter_core.model import HostSpec, MeshSpec

if TYPE_CHECKING:
    from norouter_core.session.document import Document
    from norouter_core.session.session import Session

PATIENCE = 60.0
"""Seconds that a wait takes at most where nothing else is said."""


_GRACE = 3.0


@dataclass(frozen=True, slots=True)
class Request:
    """A call, and where its output goes."""

    call: Call
    emit: Emit
    confirmed: bool


Handler = Callable[["Session", Request], Awaitable[Outcome]]


def failed(message: str, hint: str = "", argument: str = "", index: int = 0) -> Outcome:
    return Outcome(failure=Failure(message, argument, index, hint))


def named(session: Session, call: Call, argument: str = "host", number: int = 0) -> HostSpec:
    """The host that an argument names.

    Raises:
        EditError: there is none.
    """
    return host_of(session.spec, call.all(argument)[number], argument, number)


def difference(document: Document, before: MeshSpec, after: MeshSpec) -> str:
    """The unified diff between two specs, as the document would write them."""
    now, then = (document.render(spec).splitlines() for spec in (before, after))
    return "\n".join(difflib.unified_diff(now, then, "now", "then", lineterm=""))


async def waited(session: Session, request: Request, outcome: Outcome) -> Outcome:
    """The outcome of a command, after the wait that `--wait` asks for."""
    if not outcome.ok or "wait" not in request.call:
        return outcome
    hosts = outcome.data.get("hosts") or None
    timeout = request.call.get("timeout", PATIENCE)
    failure = await until_ready(session.engine, hosts, timeout)
    if failure is None:
        return outcome
    return replace(outcome, message="", failure=failure)


async def until_ready(
    engine: Engine, hosts: Collection[str] | None, patience: float
) -> Failure | None:
    """Waits until hosts (all of the mesh, if None) are ready; why they are not, or None.

    Ports that cannot be bound are tried again for ever: where nothing else is missing, they are
    given `_GRACE` seconds.
    """
    waited_for = 0.0
    while True:
        step = min(_GRACE, patience - waited_for)
        try:
            async with asyncio.timeout(step):
                await engine.wait_ready(hosts)
                return None
        except MeshFailed as error:
            name, problem = next(iter(error.problems.items()))
            return Failure(f"{name}: {problem.message}", hint=problem.hint)
        except TimeoutError:
            waited_for += step
            if waited_for >= patience or _only_ports_fail(engine, hosts):
                return _not_ready(engine, hosts, waited_for)


def _only_ports_fail(engine: Engine, hosts: Collection[str] | None) -> bool:
    status = engine.status()
    states = {host.name: host.state for host in status.hosts}
    wanted = [state for name, state in states.items() if hosts is None or name in hosts]
    up = all(state in (HostState.READY, HostState.STOPPED) for state in wanted)
    return up and not any(
        port.state is ListenerState.PENDING and states.get(port.on_host) is HostState.READY
        for port in status.listeners
    )


def _not_ready(engine: Engine, hosts: Collection[str] | None, patience: float) -> Failure:
    """What is most likely to blame: a host, or a port that nobody listens on."""
    status, after = engine.status(), f"after {patience:g} s"
    down = [
        host
        for host in status.hosts
        if host.state is not HostState.READY and (hosts is None or host.name in hosts)
    ]
    for host in down:
        if host.state is not HostState.STOPPED:
            told = f"{host.name} is {host.state.value} {after}{_why(host)}"
            return Failure(told, hint=_hint(host))
    for port in status.listeners:
        if port.state is ListenerState.FAILED and (hosts is None or port.to_host in hosts):
            why = port.note.removeprefix(f"{port.listen}: ")
            told = f"port {port.listen} on {port.on_host} is not bound {after}: {why}"
            return Failure(told.rstrip(": "), hint=_TAKEN if "in use" in why else "")
    names = f": {', '.join(host.name for host in down)}" if down else ""
    return Failure(f"not ready {after}{names}", hint="wait longer: --timeout 5m")


_TAKEN = "another mesh of yours may have it (`norouter ps`), or another program"


def _why(host: HostStatus) -> str:
    return f": {host.problem.message}" if host.problem is not None else ""


def _hint(host: HostStatus) -> str:
    return host.problem.hint if host.problem is not None else "wait longer: --timeout 5m"
