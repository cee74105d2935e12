"""A host that the user stops stays stopped, and is nobody's concern, until it is started."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from norouter_core.engine.events import Ready, StreamClosed
from norouter_core.engine.status import HostState, ListenerState
from norouter_core.model import MeshSpec
from tests.engine.meshes import (
    children,
    exec_command,
    forward,
    host,
    local,
    mesh,
    relayed,
    with_ports,
)
from tests.servers import Target, connect, echoing, eventually, resets

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]


async def test_a_stopped_host_stays_so_until_it_is_started() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port))) as made:
            address = made.address("web")
            client = await connect(address)
            assert await client.says(b"hello")
            await made.engine.stop_host("web")
            assert await client.is_reset()
            client.close()
            assert made.host("web").state is HostState.STOPPED
            assert made.host("web").agent == ""
            assert not children()
            assert await resets(address)
            await made.ready()
            await made.engine.start_host("web")
            await made.ready()
            assert made.host("web").state is HostState.READY
            with await connect(address) as client:
                assert await client.says(b"again")


async def test_the_reason_is_told_of_every_stream() -> None:
    with Target() as target:
        # `own` serves its own clients without the hub, `web` is reached over it.
        hosts = local(), relayed("web", forward(target.port)), host("own", forward(target.port))
        async with mesh(*hosts) as made:
            with await connect(made.address("web")) as one, await target.accept():
                with await connect(made.address("own")) as other, await target.accept():
                    await eventually(lambda: len(made.streams) == 2, "both are known")
                    assert [s.direct for s in made.streams] == [False, True]
                    await made.engine.stop_host("own")
                    await made.engine.stop_host("web")
                    assert await one.is_reset() and await other.is_reset()
            assert not made.streams
            events = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
            reasons = {stream.to_host: stream.reason for stream in events}
            assert reasons == {
                "own": "killed: own was stopped",
                "web": "killed: web was stopped",
            }


async def test_it_survives_a_change_of_something_else_and_of_itself() -> None:
    async with echoing() as port:
        async with mesh(local(), relayed("web", forward(port)), host("db")) as made:
            await made.engine.stop_host("web")
            spec = with_ports(made.engine.spec, "db", forward(port))
            await made.apply(spec)
            assert made.host("web").state is HostState.STOPPED
            web = spec.host("web")
            assert web is not None
            await made.apply(spec.with_host(replace(web, cmd=exec_command("A=b"))))
            assert made.host("web").state is HostState.STOPPED
            assert made.host("web").command.count("A=b")
            await made.engine.restart("web")
            await made.ready()
            assert made.host("web").state is HostState.READY


async def test_ready_is_told_of_the_hosts_that_are_wanted() -> None:
    never = exec_command("sleep", "1000;")
    async with mesh(local(), host("slow", cmd=never), wait=False) as made:
        await made.in_state("slow", HostState.STARTING)
        await made.engine.stop_host("slow")
        await made.ready()
        assert [e.hosts for e in made.events() if isinstance(e, Ready)] == [1]
        assert not children()


async def test_this_machine_can_be_stopped_too() -> None:
    async with echoing() as port:
        async with mesh(local("hub", forward(port)), host("web")) as made:
            (own,) = [x for x in made.listeners("hub") if x.on_host == "hub"]
            assert own.state is ListenerState.BOUND
            name, _, number = own.bound.rpartition(":")
            await made.engine.stop_host("hub")
            states = {x.on_host: x.state for x in made.listeners("hub")}
            assert states["hub"] is ListenerState.PENDING
            await made.engine.start_host("hub")
            await made.ready()
            with await connect((name, int(number))) as client:
                assert await client.says(b"hello")


async def test_a_failed_host_can_be_stopped_and_nothing_is_wrong_then() -> None:
    async with mesh(local(), host("bad", cmd=("/no/such/program",)), wait=False) as made:
        await made.in_state("bad", HostState.FAILED)
        await made.engine.stop_host("bad")
        assert made.host("bad").problem is None
        await made.ready()
        await made.engine.start_host("bad")
        await made.in_state("bad", HostState.FAILED)


async def test_stop_and_start_that_cross_each_other() -> None:
    async with mesh(local(), host("web")) as made:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(made.engine.stop_host("web"))
            await asyncio.sleep(0)
            tasks.create_task(made.engine.start_host("web"))
        await made.ready()
        assert made.host("web").state is HostState.READY
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            for _ in range(3):
                tasks.create_task(made.engine.stop_host("web"))
        assert made.host("web").state is HostState.STOPPED


async def test_a_removed_host_is_forgotten_stopped_or_not() -> None:
    web = host("web")
    async with mesh(local(), web) as made:
        spec = made.engine.spec
        await made.engine.stop_host("web")
        await made.apply(MeshSpec(spec.hosts[:1]))
        await made.apply(spec)
        assert made.host("web").state is HostState.READY
        with pytest.raises(KeyError):
            await made.engine.stop_host("nobody")
        with pytest.raises(KeyError):
            await made.engine.start_host("nobody")
