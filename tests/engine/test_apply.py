"""A changed spec changes only what differs: streams that it does not touch stay up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from norouter_core.engine.events import (
    HostChanged,
    HostRemoved,
    ListenerRemoved,
    Ready,
    StreamClosed,
)
from norouter_core.engine.status import HostState, ListenerState
from norouter_core.model import HostOptions, HostSpec, MeshSpec, Route
from tests.engine.meshes import (
    PORT,
    Mesh,
    exec_command,
    forward,
    host,
    local,
    mesh,
    relayed,
    vip,
    with_ports,
)
from tests.servers import Target, connect, echoing, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]


@pytest.mark.parametrize("build", [relayed, host], ids=["relayed", "direct"])
async def test_ports_added_removed_and_retargeted(build: Callable[..., HostSpec]) -> None:
    async with echoing() as one, echoing() as two:
        spec = MeshSpec((local(), build("web", forward(one), forward(one, listen=81))))
        async with mesh(*spec.hosts) as made:
            with (
                await connect(made.address("web")) as kept,
                await connect(made.address("web", 81)) as cut,
            ):
                assert await kept.says(b"one") and await cut.says(b"two")
                await eventually(lambda: len(made.streams) == 2, "both are shown")
                # Retargeted: what came by that port is cut, the other is not.
                await made.apply(with_ports(spec, "web", forward(one), forward(two, listen=81)))
                assert await cut.is_reset()
                assert await kept.says(b"kept")
                assert {each.target for each in made.listeners("web")} == {
                    f"127.0.0.1:{one}",
                    f"127.0.0.1:{two}",
                }
                with await connect(made.address("web", 81)) as moved:
                    assert await moved.says(b"moved")
                    await eventually(lambda: _running(made, two), "it is shown")
                    # Removed, while another is added.
                    gone = made.address("web", 81)
                    await made.apply(with_ports(spec, "web", forward(one), forward(two, listen=82)))
                    assert await moved.is_reset()
                    assert await kept.says(b"still kept")
                    await eventually(lambda: _refuses(gone), "the port is closed")
                with await connect(made.address("web", 82)) as new:
                    assert await new.says(b"new")
            await eventually(lambda: not made.streams, "every stream is over")
            reasons = [e.stream.reason for e in made.events() if isinstance(e, StreamClosed)]
            assert sum(reason.startswith("unpublished") for reason in reasons) == 2


def _running(made: Mesh, port: int) -> bool:
    """Whether a stream to that target is shown."""
    return any(stream.target == f"127.0.0.1:{port}" for stream in made.streams)


def _refuses(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0


async def test_the_same_spec_twice_changes_nothing() -> None:
    async with echoing() as port:
        spec = MeshSpec((local(), relayed("web", forward(port)), host("db", forward(port))))
        async with mesh(*spec.hosts) as made:
            before = made.engine.status()
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                made.events()
                await made.apply(spec)
                assert await client.says(b"hello")
                assert all(isinstance(event, Ready) for event in made.events())
            after = made.engine.status()
            assert [(each.name, each.since) for each in after.hosts] == [
                (each.name, each.since) for each in before.hosts
            ]
            assert after.listeners == before.listeners


async def test_hosts_added_and_removed() -> None:
    async with echoing() as port:
        spec = MeshSpec((local(), relayed("web", forward(port))))
        async with mesh(*spec.hosts) as made:
            with await connect(made.address("web")) as kept:
                assert await kept.says(b"kept")
                bigger = spec.with_host(relayed("db", forward(port)))
                await made.apply(bigger)
                assert await kept.says(b"kept")
                pid = made.pid("db")
                with await connect(made.address("db")) as cut:
                    assert await cut.says(b"new")
                    made.events()
                    await made.apply(spec)
                    assert await cut.is_reset()
                assert await kept.says(b"still kept")
                events = made.events()
                assert [e.name for e in events if isinstance(e, HostRemoved)] == ["db"]
                assert [e.on_host for e in events if isinstance(e, ListenerRemoved)] == ["hub"]
                assert not psutil.pid_exists(pid)
                await made.apply(bigger)
                with await connect(made.address("db")) as again:
                    assert await again.says(b"back")


async def test_another_command_restarts_that_host_only() -> None:
    async with echoing() as port:
        spec = MeshSpec((local(), relayed("web", forward(port)), relayed("db", forward(port))))
        async with mesh(*spec.hosts) as made:
            pids = made.pid("web"), made.pid("db")
            with (
                await connect(made.address("web")) as cut,
                await connect(made.address("db")) as kept,
            ):
                assert await cut.says(b"one") and await kept.says(b"two")
                web = spec.host("web")
                assert web is not None
                changed = spec.with_host(replace(web, cmd=exec_command("A=b")))
                await made.apply(changed)
                await eventually(lambda: "A=b" in made.host("web").command, "it is shown")
                assert await cut.is_reset()
                assert await kept.says(b"kept")
                await made.ready()
                with await connect(made.address("web")) as again:
                    assert await again.says(b"again")
            assert made.pid("web") != pids[0] and made.pid("db") == pids[1]


async def test_another_command_while_the_first_does_not_answer() -> None:
    """A person has mistyped the command, and corrects it: nobody waits for the time-out."""
    async with echoing() as port:
        wrong = relayed("web", forward(port), cmd=("sh", "-c", "exec sleep 60", "sh"))
        async with mesh(local(), wrong, wait=False) as made:
            await made.in_state("web", HostState.STARTING)
            await eventually(lambda: made.host("web").since, "it has been started")
            async with asyncio.timeout(8):
                await made.apply(MeshSpec((local(), replace(wrong, cmd=exec_command()))))
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")


async def test_a_host_that_fails_is_mended_by_another_command() -> None:
    async with echoing() as port:
        wrong = relayed("web", forward(port), cmd=("norouter-no-such-program",))
        async with mesh(local(), wrong, wait=False) as made:
            await made.in_state("web", HostState.FAILED)
            await made.apply(MeshSpec((local(), replace(wrong, cmd=exec_command()))))
            assert made.host("web").problem is None
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")


async def test_aliases_and_routes_touch_no_stream() -> None:
    async with echoing() as port:
        spec = MeshSpec((local(), relayed("web", forward(port))))
        async with mesh(*spec.hosts) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                pid = made.pid("web")
                web = spec.host("web")
                assert web is not None
                made.events()
                aliased = spec.with_host(replace(web, aliases=("www",)))
                await made.apply(replace(aliased, routes=(Route("web", ("*.example.com",)),)))
                assert await client.says(b"hello")
                assert made.pid("web") == pid
                changed = [e.host.name for e in made.events() if isinstance(e, HostChanged)]
                assert changed == ["web"]


async def test_another_vip_moves_the_listener() -> None:
    async with echoing() as port:
        spec = MeshSpec((local(), relayed("web", forward(port))))
        async with mesh(*spec.hosts) as made:
            old = made.address("web")
            with await connect(old) as cut:
                assert await cut.says(b"hello")
                web = spec.host("web")
                assert web is not None
                pid = made.pid("web")
                await made.apply(spec.with_host(replace(web, vip=vip())))
                assert await cut.is_reset()
                await eventually(lambda: _refuses(old), "the old address is closed")
                assert made.pid("web") == pid and made.host("web").vip != web.vip
                with await connect(made.address("web")) as client:
                    assert await client.says(b"moved")


async def test_the_template_counts() -> None:
    async with echoing() as port:
        spec = MeshSpec((local(), relayed("web")))
        async with mesh(*spec.hosts) as made:
            assert not made.engine.status().listeners
            await made.apply(replace(spec, template=HostOptions(ports=(forward(port),))))
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")


async def test_a_command_that_cannot_be_split_changes_nothing() -> None:
    async with echoing() as port:
        spec = MeshSpec((local("hub", forward(port)),))
        async with mesh(*spec.hosts) as made:
            wrong = replace(host("web"), cmd="env 'unbalanced")
            with pytest.raises(ValueError, match="closing quotation"):
                await made.engine.apply(spec.with_host(wrong))
            assert made.engine.spec == spec
            with await connect(made.address("hub")) as client:
                assert await client.says(b"hello")


async def test_an_address_that_is_taken_is_served_once_it_is_free() -> None:
    async with echoing() as port:
        spec = local("hub", forward(port))
        try:
            target = Target(spec.vip, PORT)
        except OSError as error:
            pytest.skip(f"only 127.0.0.1 can be bound here: {error}")
        with target as taken:
            async with mesh(spec, wait=False) as made:
                await eventually(
                    lambda: [e.state for e in made.listeners("hub")] == [ListenerState.FAILED],
                    "it is refused",
                )
                (listener,) = made.listeners("hub")
                assert str(PORT) in listener.note and listener.bound == ""
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await made.engine.wait_ready()
                taken.close()
                await made.ready()
                with await connect(made.address("hub")) as client:
                    assert await client.says(b"hello")


async def test_specs_applied_in_a_hurry() -> None:
    """The last one counts, whatever was under way."""
    async with echoing() as port:
        base = MeshSpec((local(), relayed("web", forward(port))))
        async with mesh(*base.hosts) as made:
            with await connect(made.address("web")) as kept:
                assert await kept.says(b"kept")
                specs = [
                    with_ports(base, "web", forward(port), *(forward(port, listen=100 + n % 3),))
                    for n in range(12)
                ]
                await asyncio.gather(*(made.engine.apply(spec) for spec in specs))
                await made.ready()
                assert made.engine.spec == specs[-1]
                ports = {each.listen.rpartition(":")[2] for each in made.listeners("web")}
                assert ports == {"8080", "102"}
                with await connect(made.address("web", 102)) as client:
                    assert await client.says(b"the last")
                assert await kept.says(b"still kept")


async def test_ready_is_told_of_the_new_mesh_and_not_of_what_is_left_meanwhile() -> None:
    """When a host goes, this machine takes over its listener in the moment before that goes too."""
    async with echoing() as port:
        async with mesh(local(), host("web", forward(port))) as made:
            spec = made.engine.spec
            made.events()
            await made.apply(MeshSpec(spec.hosts[:1]))
            (ready,) = [event for event in made.events() if isinstance(event, Ready)]
            assert (ready.hosts, ready.listeners) == (1, len(made.engine.status().listeners))
