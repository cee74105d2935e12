"""The steps of the demo, in order."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import anyio

from norouter_core.engine.engine import Engine
from norouter_core.engine.readiness import MeshFailed, PortsFailed
from norouter_core.engine.status import HostState
from norouter_core.exec_commands.problem import HostProblem
from norouter_tui.demo.checks import TIMEOUT, Watch, fetch, must_fail, push
from norouter_tui.demo.hosts import SimulatedHost, mesh, simulated_hosts
from norouter_tui.demo.show import CheckFailed, Show
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output import writers
from norouter_tui.output.printer import problem_lines
from norouter_tui.output.units import count, seconds, size
from norouter_tui.program_name import command_for
from norouter_tui.run.crash import reporter
from norouter_tui.run.process import watch_signals

BULK = 64 * 1024 * 1024

_NEXT = """\
Next: put this into mesh.yaml, with commands that reach hosts of yours, and run it.

    hosts:
      local:                      # this machine: it has no cmd
        vip: 127.0.42.100
      web:
        vip: 127.0.42.101
        cmd: docker exec -i web   # or: ssh web, kubectl exec -i POD --, ...
        ports: [8080:127.0.0.1:80]

    {norouter} check mesh.yaml    # check it
    {norouter} run mesh.yaml      # then: curl http://127.0.42.101:8080/
    {tui} mesh.yaml    # the same on a full screen"""


async def tell_story() -> ExitCode:
    """Run the demo to its end or to the first signal."""
    result = ExitCode.INTERRUPTED
    show = Show()
    engine = Engine()
    async with anyio.create_task_group() as tasks:
        await tasks.start(watch_signals, tasks.cancel_scope.cancel, engine.kill_now)
        result = await _demo(show, engine)
        tasks.cancel_scope.cancel()
    if result == ExitCode.INTERRUPTED:
        show.say("interrupted; everything has stopped")
    return result


async def _demo(show: Show, engine: Engine) -> ExitCode:
    began = time.monotonic()
    show.say("norouter demo: three simulated hosts on this machine, joined over nothing but stdio")
    try:
        with tempfile.TemporaryDirectory(prefix="norouter-demo-") as directory:
            await _steps(show, engine, Path(directory))
    except (CheckFailed, OSError, BaseExceptionGroup) as error:
        if writers.cannot_write(error):
            raise
        show.failed(_check_failed(error))
        show.say(
            "The demo stopped here. Please report this, with the output of 'norouter demo --debug'."
        )
        return ExitCode.MESH_FAILED
    took = seconds(time.monotonic() - began)
    show.say(f"\nall {count(show.passed, 'check')} passed in {took}\n", "bold green")
    show.say(_NEXT.format(norouter=command_for("norouter"), tui=command_for("norouter-tui")))
    return ExitCode.OK


def _check_failed(error: BaseException) -> CheckFailed:
    """Return the failed check in `error`, which may be a group of exceptions.

    Anything that the system refuses (a process, a temporary directory) counts as a failed check.

    Raises:
        BaseException: the error is not a failed check but a bug.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, OSError) and not reporter.debug:
        return CheckFailed(f"the system refused something that the demo needs: {error}")
    if not isinstance(error, CheckFailed):
        raise error
    return error


async def _steps(show: Show, engine: Engine, directory: Path) -> None:
    if shutil.which("sh") is None:
        raise CheckFailed("there is no sh on this machine, so no host can be simulated")
    async with simulated_hosts(directory) as hosts:
        ports = ", ".join(f"{host.name} 127.0.0.1:{host.web_port}" for host in hosts)
        show.say(f"       their web servers: {ports}")
        async with anyio.create_task_group() as tasks:
            async with engine:
                watch = Watch(engine)
                tasks.start_soon(watch.follow, engine.subscribe())
                await _bring_up(show, watch, hosts)
                for host in hosts:
                    await _fetch_page(show, watch, host, f"{host.name}'s page through the mesh")
                await _kill_one(show, watch, hosts)
                await _push(show, watch, hosts[1])
                pids = [host.pid() for host in hosts]
                await _wait_closed(watch)
                show.say()
                show.streams(watch.closed)
                show.say()
                started = time.monotonic()
            tasks.cancel_scope.cancel()
        _check_gone(pids)
        show.passed_in("stopped: no process is left behind", time.monotonic() - started)


async def _bring_up(show: Show, watch: Watch, hosts: list[SimulatedHost]) -> None:
    for host in hosts:
        show.say(f"       {host.name}: {' '.join(host.spec.cmd or ())}")
    with show.step("sending each host its agent through a bare sh") as found:
        await watch.engine.apply(mesh(hosts))
        for host in hosts:
            found(await _answered(watch, host))
        try:
            with anyio.fail_after(TIMEOUT):
                await watch.engine.wait_ready()
        except MeshFailed as failed:
            raise CheckFailed(*_problems(failed.problems)) from None
        except PortsFailed as failed:
            raise CheckFailed(f"the ports: {failed}") from None
        except TimeoutError:
            raise CheckFailed(f"the ports: not all bound within {TIMEOUT:.0f} s") from None
        found(f"{count(len(hosts), 'port')} published, listening on this machine")


async def _answered(watch: Watch, host: SimulatedHost) -> str:
    """Wait for the agent of a host; return a line about it."""
    await watch.until(
        lambda: _is_ready(watch, host.name) or bool(_trouble(watch, host.name)),
        f"{host.name} was to be ready",
    )
    if trouble := _trouble(watch, host.name):
        raise CheckFailed(*_problems(trouble))
    status = watch.host(host.name)
    assert status is not None
    return f"agent on {host.name}, nothing installed: {host.vip}, {status.agent}"


def _trouble(watch: Watch, name: str) -> dict[str, HostProblem]:
    status = watch.host(name)
    return {name: status.problem} if status is not None and status.problem is not None else {}


def _problems(problems: dict[str, HostProblem]) -> list[str]:
    return [line.plain for name in problems for line in problem_lines(name, problems[name])]


async def _fetch_page(show: Show, watch: Watch, host: SimulatedHost, what: str) -> None:
    with show.step(f"fetching {what}") as found:
        address = await watch.address(host.name)
        page = await fetch(address)
        if page != f"I am {host.name}":
            raise CheckFailed(f"http://{address}/ should be {host.name}'s page, but says: {page}")
        found(f"{what}: http://{address}/ says: {page}")


async def _kill_one(show: Show, watch: Watch, hosts: list[SimulatedHost]) -> None:
    *others, victim = hosts
    address = await watch.address(victim.name)
    seen = len(watch.states)
    with show.step(f"killing {victim.name}'s exec command with kill -9") as found:
        os.kill(victim.pid(), signal.SIGKILL)
        await watch.until(
            lambda: any(n == victim.name and s != HostState.READY for n, s in watch.states[seen:]),
            f"the loss of {victim.name} was to be noticed",
        )
        found(f"killed {victim.name}'s exec command with kill -9: its loss was noticed")
    with show.step(f"asking for {victim.name}'s page while it is down") as found:
        await must_fail(address)
        found(f"a client of {victim.name} is turned away at once meanwhile, not left hanging")
    for host in others:
        await _fetch_page(show, watch, host, f"{host.name}'s page meanwhile")
    with show.step(f"waiting for {victim.name} to come back by itself") as found:
        await watch.until(
            lambda: _is_ready(watch, victim.name), f"{victim.name} was to come back by itself"
        )
        found(f"{victim.name} came back by itself")
    await _fetch_page(show, watch, victim, f"{victim.name}'s page again")


def _is_ready(watch: Watch, name: str) -> bool:
    host = watch.host(name)
    return host is not None and host.state == HostState.READY


async def _push(show: Show, watch: Watch, host: SimulatedHost) -> None:
    address = await watch.address(host.name)
    started = time.monotonic()
    with show.transfer(f"pushing {size(BULK)} to {host.name}", BULK) as moved:
        sent, arrived = await push(address, BULK, moved)
    took = time.monotonic() - started
    if sent != arrived:
        raise CheckFailed(f"sha256 of what arrived at {host.name} is {arrived}, sent was {sent}")
    intact = f"sha256 {sent[:16]}... intact, {BULK / took / 2**20:.0f} MiB/s"
    show.passed_in(f"{size(BULK)} pushed to {host.name}, {intact}", took)


async def _wait_closed(watch: Watch) -> None:
    """Also for the last events of streams, so that the table is whole."""

    def closed() -> bool:
        status = watch.engine.status()
        return not status.streams and len(watch.closed) >= status.opened_total

    await watch.until(closed, "all streams were to be closed")


def _check_gone(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        raise CheckFailed(f"process {pid} was left behind after the mesh was stopped")
