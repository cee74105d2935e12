"""However an engine is left, nothing of it stays: no process, no listener, no task."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.engine.engine import Engine
from norouter_core.engine.status import HostState
from norouter_core.model import HostSpec, MeshSpec
from tests.engine.meshes import (
    SLOW_RETRY,
    TIMING,
    Mesh,
    children,
    exec_command,
    forward,
    host,
    local,
    mesh,
    program,
    relayed,
)
from tests.servers import connect, echoing, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

ROGUE = Path(__file__).with_name("rogue.py")

DEAF = "trap '' TERM HUP INT PIPE; "


QUICK = replace(TIMING, grace=0.2)


async def running(*hosts: HostSpec) -> tuple[Engine, Mesh]:
    """An engine whose hosts are up; the caller leaves it."""
    engine = Engine(TIMING)
    await engine.__aenter__()
    made = Mesh(engine)
    await engine.apply(MeshSpec(hosts))
    # Not the mesh as a whole: an agent that answers nothing never writes its names files.
    for spec in hosts:
        await made.in_state(spec.name, HostState.READY)
    return engine, made


async def refuses(address: tuple[str, int]) -> bool:
    try:
        (await connect(address)).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_leaving_ends_everything() -> None:
    tasks = asyncio.all_tasks()
    async with echoing() as port:
        hosts = (
            local("hub", forward(port)),
            relayed("web", forward(port)),
            host("db", forward(port)),
        )
        engine, made = await running(*hosts)
        await made.ready()
        names = "hub", "web", "db"
        addresses = [made.address(name) for name in names]
        clients = [await connect(address) for address in addresses]
        for client in clients:
            assert await client.says(b"hello")
        assert len(children()) == 2
        started = time.monotonic()
        await engine.__aexit__(None, None, None)
        # The agents end on request: none is killed, and none waits for the end of its grace.
        assert time.monotonic() - started < TIMING.grace
        assert children() == []
        for address in addresses:
            assert await refuses(address)
        for client in clients:
            assert await client.is_reset()
            client.close()
        status = engine.status()
        assert {each.state for each in status.hosts} == {HostState.STOPPED}
        assert status.streams == ()
    await eventually(lambda: asyncio.all_tasks() == tasks, "no task is left")


async def test_what_the_body_raises_goes_on_as_it_is() -> None:
    with pytest.raises(LookupError, match="its own"):
        async with Engine(TIMING) as engine:
            await engine.apply(MeshSpec((local(), relayed("web"))))
            await engine.wait_ready()
            raise LookupError("its own")
    assert children() == []


STARTS = {
    "no answer": ("sh", "-c", "exec sleep 60", "sh"),
    "slow": ("sh", "-c", 'sleep 0.2; exec "$@"', "_", *exec_command("sh")),
    "common": exec_command(),
}


@pytest.mark.parametrize("command", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("state", [None, HostState.STARTING, HostState.BOOTSTRAPPING])
async def test_cancelled_during_the_start(
    command: tuple[str, ...], state: HostState | None
) -> None:
    """At any point of it: before the first turn of the loop, or with the agent on its way."""

    async def life() -> None:
        async with Engine(QUICK) as engine:
            await engine.apply(MeshSpec((local(), relayed("web", cmd=command))))
            with engine.subscribe() as events:
                while state is not None:
                    if Mesh(engine).host("web").state in (state, HostState.READY):
                        break
                    await anext(events)
                cut.set()
                await asyncio.Event().wait()

    cut = asyncio.Event()
    task = asyncio.ensure_future(life())
    if not (command is STARTS["no answer"] and state is HostState.BOOTSTRAPPING):
        await cut.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


async def test_left_while_it_starts() -> None:
    async with mesh(local(), *(relayed(f"web-{n}") for n in range(3)), wait=False) as made:
        await eventually(children, "a command runs")
        assert made.engine.status().hosts


IGNORANT = {
    "a command that never answers": DEAF + "while :; do sleep 1; done",
    "a command that stays when its agent has gone": DEAF + '"$@"; while :; do sleep 1; done',
}


@pytest.mark.parametrize("script", IGNORANT.values(), ids=IGNORANT)
async def test_a_command_that_ignores_every_signal(script: str) -> None:
    command = ("sh", "-c", script, "_", *exec_command("sh"))
    async with Engine(QUICK) as engine:
        await engine.apply(MeshSpec((local(), relayed("web", cmd=command))))
        await eventually(children, "it runs")
        if "$@" in script:
            await engine.wait_ready()
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert children() == []


async def test_an_agent_that_ignores_everything() -> None:
    stubborn = relayed("web", cmd=program(ROGUE, "stubborn"))
    async with mesh(local(), stubborn, wait=False, timing=QUICK) as made:
        await made.in_state("web", HostState.READY)
        started = time.monotonic()
    assert time.monotonic() - started < 6


async def test_what_a_command_started_beside_itself_goes_too() -> None:
    command = ("sh", "-c", 'sleep 300 & exec "$@"', "_", *exec_command("sh"))
    async with mesh(local(), relayed("web", cmd=command)):
        assert len(children()) == 2


async def test_a_host_that_is_removed_while_it_starts() -> None:
    silent = relayed("web", cmd=("sh", "-c", "exec sleep 60", "sh"))
    async with mesh(local(), silent, wait=False, timing=QUICK) as made:
        await eventually(children, "it runs")
        await made.apply(made.engine.spec.without_hosts("web"))
        assert children() == []


async def test_a_host_that_is_removed_while_it_backs_off() -> None:
    dead = relayed("web", cmd=("sh", "-c", "exit 7", "sh"))
    async with mesh(local(), dead, wait=False, timing=SLOW_RETRY) as made:
        await made.in_state("web", HostState.BACKING_OFF)
        async with asyncio.timeout(10):
            await made.apply(made.engine.spec.without_hosts("web"))


async def test_engines_one_after_the_other_on_the_same_addresses() -> None:
    async with echoing() as port:
        hosts = local("hub", forward(port)), relayed("web", forward(port))
        for _ in range(3):
            async with mesh(*hosts) as made:
                for name in ("hub", "web"):
                    with await connect(made.address(name)) as client:
                        assert await client.says(b"hello")


async def test_killed_at_once_by_a_user_in_a_hurry() -> None:
    engine, _ = await running(local(), relayed("web", cmd=program(ROGUE, "stubborn")))

    async def hurry() -> None:
        await eventually(lambda: not engine._supervisors["web"].link, "it is being stopped")
        engine.kill_now()

    hurrying = asyncio.ensure_future(hurry())
    started = time.monotonic()
    await engine.__aexit__(None, None, None)
    await hurrying
    assert time.monotonic() - started < TIMING.grace
    assert children() == []
