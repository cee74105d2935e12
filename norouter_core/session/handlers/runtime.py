"""Commands that act on running hosts and streams, and leave the spec as it is."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Awaitable, Callable
from functools import partial

from norouter_core.commands.edits.base import hosts_of
from norouter_core.commands.results import Bytes, Outcome, Question, failed
from norouter_core.engine.engine import Engine
from norouter_core.engine.questions import NotAnswered
from norouter_core.engine.status import HostState
from norouter_core.engine.supervisor import NoShell
from norouter_core.engine.tap import RECEIVED, SENT, TapError
from norouter_core.links.base import OperationError
from norouter_core.sanitize import strip_line
from norouter_core.session import tables
from norouter_core.session.handlers.base import (
    Handler,
    Request,
    requested_host,
    until_ready,
    wait_if_asked,
)
from norouter_core.session.workspace import Workspace

HostAction = Callable[[Engine, str], Awaitable[None]]


async def _act_on_hosts(
    session: Workspace, request: Request, *, action: HostAction, done: str, cuts: bool
) -> Outcome:
    """Do something to each of the named hosts."""
    work = _act_on_each(session, request, action, done, cuts)
    return await wait_if_asked(session, request, await session.run_exclusively(work))


async def _act_on_each(
    session: Workspace, request: Request, action: HostAction, done: str, cuts: bool
) -> Outcome:
    names = [host.name for host in hosts_of(session.spec, request.call)]
    if cuts and not request.confirmed:
        cut = _streams_of(session, names)
        if cut:
            many = f"{len(cut)} streams" if len(cut) > 1 else "1 stream"
            return Outcome(question=Question(f"this cuts {many}: continue?", cuts=cut))
    for name in names:
        await action(session.engine, name)
    return Outcome(message=f"{done} {', '.join(names)}", data={"hosts": names})


def _streams_of(session: Workspace, names: list[str]) -> tuple[int, ...]:
    streams = session.engine.status().streams
    return tuple(s.id for s in streams if s.from_host in names or s.to_host in names)


async def resolve(session: Workspace, request: Request) -> Outcome:
    name = request.call.get("name")
    host = requested_host(session, request.call)
    try:
        addresses = await session.engine.resolve(host.name, name)
    except (OperationError, KeyError) as error:
        return failed(f"{host.name} cannot resolve {name}: {_reason(error)}")
    found = [strip_line(address) for address in addresses]
    request.emit(tables.address_table(name, found))
    return Outcome(data={"addresses": found})


async def ping(session: Workspace, request: Request) -> Outcome:
    host = requested_host(session, request.call)
    count: int = request.call.get("count", 4)
    trips: list[float] = []
    for number in range(1, count + 1):
        if number > 1:
            await asyncio.sleep(session.timing.ping_interval)
        try:
            trips.append(await session.engine.ping(host.name))
        except (OperationError, KeyError) as error:
            return failed(f"{host.name} does not answer: {_reason(error)}", "see `hosts`")
        request.emit(tables.ping_table(number, host.name, trips[-1]))
    data = {"least": min(trips), "mean": sum(trips) / len(trips), "most": max(trips)}
    return Outcome(data=data)


def _reason(error: OperationError | KeyError) -> str:
    if isinstance(error, OperationError):
        return strip_line(error.reason)
    return "it is no longer in the mesh"


async def execute(session: Workspace, request: Request) -> Outcome:
    host = requested_host(session, request.call)

    def emit(source: str, data: bytes) -> None:
        request.emit(Bytes(source, bytes(data)))

    command = request.call.all("cmd")
    try:
        status = await session.engine.exec(host.name, command, emit)
    except NoShell as error:
        hint = f"run it without norouter: {shlex.join((*error.exec, *command))}"
        return failed(f"{host.name} has no shell, which `exec` needs", hint, "host")
    except NotAnswered as error:
        return failed(f"cannot run it on {host.name}: {error.message}", error.hint, "host")
    except (OSError, KeyError, ValueError) as error:
        return failed(f"cannot run it on {host.name}: {error}", argument="cmd")
    return Outcome(status=status, data={"status": status})


async def wait(session: Workspace, request: Request) -> Outcome:
    names = [host.name for host in hosts_of(session.spec, request.call)] or None
    failure = await until_ready(session, request.call, names)
    if failure is not None:
        return Outcome(failure=failure)
    states = {host.name: host.state for host in session.engine.status().hosts}
    stopped = [name for name, state in states.items() if state is HostState.STOPPED]
    for index, name in enumerate(names or ()):
        if name in stopped:
            return failed(f"{name} is stopped", f"host start {name}", "host", index)
    rest = f" but {', '.join(stopped)} (stopped)" if stopped else ""
    return Outcome(message=f"ready: {', '.join(names) if names else f'all hosts{rest}'}")


async def kill(session: Workspace, request: Request) -> Outcome:
    numbers = request.call.all("stream")
    known = {stream.id for stream in session.engine.status().streams}
    for index, number in enumerate(numbers):
        if number not in known:
            return _no_stream(number, index)
    silent = []
    for number in numbers:
        try:
            await session.engine.kill_stream(number)
        except OperationError as error:
            silent.append(f"stream {number} may still be open: {strip_line(error.reason)}")
    if silent:
        return failed("; ".join(silent), "`host restart` ends all streams of a host")
    return Outcome(message=f"killed {', '.join(map(str, numbers))}", data={"killed": [*numbers]})


async def show(session: Workspace, request: Request) -> Outcome:
    number = request.call.get("stream")
    found = [stream for stream in session.engine.status().streams if stream.id == number]
    if not found:
        return _no_stream(number)
    request.emit(tables.stream_details(found[0], session.latest.get().streams.get(number)))
    return Outcome()


async def tap(session: Workspace, request: Request) -> Outcome:
    number = request.call.get("stream")
    total = {SENT: 0, RECEIVED: 0}

    def emit(source: str, data: memoryview) -> None:
        total[source] += len(data)
        request.emit(Bytes(source, bytes(data)))

    if all(stream.id != number for stream in session.engine.status().streams):
        return _no_stream(number)
    try:
        with session.engine.tap(number, emit) as tapped:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(request.call.get("for")):
                    await tapped.wait_ended()
    except TapError as error:
        return failed(str(error), argument="stream")
    ended = f"stream {number} has ended: {tapped.reason}" if tapped.reason else ""
    return Outcome(message=ended, data={"sent": total[SENT], "received": total[RECEIVED]})


def _no_stream(number: int, index: int = 0) -> Outcome:
    hint = "`streams` lists the open ones"
    return failed(f"there is no stream {number}", hint, "stream", index)


RUNTIME: dict[str, Handler] = {
    "host restart": partial(_act_on_hosts, action=Engine.restart, done="restarted", cuts=True),
    "host stop": partial(_act_on_hosts, action=Engine.stop_host, done="stopped", cuts=True),
    "host start": partial(_act_on_hosts, action=Engine.start_host, done="started", cuts=False),
    "resolve": resolve,
    "ping": ping,
    "exec": execute,
    "wait": wait,
    "stream kill": kill,
    "stream show": show,
    "stream tap": tap,
}
