"""Hosts of one network namespace: who listens is found out by binding, and no lie changes that."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from norouter_core.engine.events import Ready
from norouter_core.engine.status import HostState, ListenerState
from norouter_core.model import HostSpec, MeshSpec
from tests.engine.meshes import (
    PORT,
    QUICK_RETRY,
    SLOW_RETRY,
    Mesh,
    exec_command,
    forward,
    host,
    local,
    mesh,
    program,
    relayed,
)
from tests.servers import Address, Target, connect, echoing, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

ACTIONS = Path(__file__).with_name("rogue_actions.py")
BOUND, SHARED = ListenerState.BOUND, ListenerState.SHARED


def at(spec: HostSpec) -> Address:
    """Where a host's port is reached, whichever host listens there."""
    assert spec.vip is not None
    return spec.vip, PORT


def states(made: Mesh, to_host: str) -> dict[str, ListenerState]:
    """How a host's port stands on each host."""
    return {each.on_host: each.state for each in made.listeners(to_host)}


async def serves(address: Address) -> bool:
    with await connect(address) as client:
        return await client.says(b"hello")


# -- a lie


@pytest.mark.parametrize("first", [True, False], ids=["liar first", "liar last"])
async def test_a_host_that_lies_about_its_namespace_takes_nothing_away(first: bool) -> None:
    async with echoing() as port:
        liar = host("liar", forward(port), cmd=program(ACTIONS, "neighbour"))
        hub, own = local("hub", forward(port)), host("own", forward(port))
        far = relayed("far", forward(port))
        honest = hub, own, far
        async with mesh(*((liar,) if first else honest)) as made:
            await made.engine.apply(MeshSpec((liar, *honest) if first else (*honest, liar)))
            await made.log_says("asked to listen")
            await made.ready()
            for victim in honest:
                assert await serves(at(victim))
            assert sorted(states(made, "far").values()) != [SHARED] * 3
            # Nor does it when it goes, or comes back.
            os.killpg(made.pid("liar"), signal.SIGKILL)
            await made.in_state("liar", HostState.BACKING_OFF)
            for victim in honest:
                assert await serves(at(victim))


# -- the truth


async def test_hosts_that_share_a_namespace_say_so() -> None:
    async with echoing() as port:
        one, two = host("one", forward(port)), host("two", forward(port))
        far = relayed("far", forward(port))
        async with mesh(one, two, far) as made:
            assert states(made, "one") == {"one": BOUND, "two": SHARED}
            assert states(made, "two") == {"one": SHARED, "two": BOUND}
            assert sorted(states(made, "far").values()) == [BOUND, SHARED]
            (shared,) = [each for each in made.listeners("far") if each.state is SHARED]
            (holder,) = [each.on_host for each in made.listeners("far") if each.state is BOUND]
            assert shared.note == f"served by {holder}, which shares this network namespace"
            for spec in (one, two, far):
                assert await serves(at(spec))


async def test_another_takes_over_and_keeps_what_it_took() -> None:
    async with echoing() as port:
        one, two = host("one", forward(port)), host("two", forward(port))
        far = relayed("far", forward(port))
        async with mesh(one, two, far, timing=SLOW_RETRY) as made:
            (holder,) = (name for name, state in states(made, "far").items() if state is BOUND)
            (other,) = {"one", "two"} - {holder}
            os.killpg(made.pid(holder), signal.SIGKILL)
            await made.in_state(holder, HostState.BACKING_OFF)
            await eventually(lambda: states(made, "far")[other] is BOUND, "it is taken over")
            await eventually(lambda: states(made, holder)[other] is BOUND, "its own VIP too")
            # Its holder is away: a client is refused at once.
            with await connect(at(far)) as client:
                assert await client.says(b"hello")
                await made.engine.restart(holder)
                await made.ready()
                # Its own VIP it takes back; the foreign one it leaves to who serves it.
                assert states(made, holder) == {holder: BOUND, other: SHARED}
                assert states(made, "far") == {other: BOUND, holder: SHARED}
                assert await client.says(b"undisturbed")
                assert await serves(at(far))


async def test_another_takes_over_from_a_host_that_is_removed() -> None:
    async with echoing() as port:
        one, two = host("one", forward(port)), host("two", forward(port))
        far = relayed("far", forward(port))
        async with mesh(one, two, far) as made:
            (holder,) = (name for name, state in states(made, "far").items() if state is BOUND)
            await made.apply(made.engine.spec.without_hosts(holder))
            assert list(states(made, "far").values()) == [BOUND]
            assert await serves(at(far))


# -- without a gap


class Probe:
    """A client that knocks at an address every 10 ms, and the longest time it was refused."""

    def __init__(self, address: Address) -> None:
        self.longest = 0.0
        self.served = 0
        self._address = address
        self._refused_since: float | None = None
        self._task = asyncio.ensure_future(self._knock())

    async def _knock(self) -> None:
        while True:
            with socket.socket() as sock:
                refused = sock.connect_ex(self._address) != 0
            now = time.monotonic()
            if refused:
                self._refused_since = self._refused_since or now
                self.longest = max(self.longest, now - self._refused_since)
            else:
                self._refused_since = None
                self.served += 1
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_no_client_waits_while_a_neighbour_comes_and_goes(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    late = ("sh", "-c", f'read _ < {go}; exec "$@"', "_", *exec_command("sh"))
    async with echoing() as port:
        one, two = host("one", forward(port)), host("two", forward(port), cmd=late)
        far = relayed("far", forward(port))
        async with mesh(one, two, far, wait=False, timing=QUICK_RETRY) as made:
            await eventually(
                lambda: (
                    set(states(made, "far").values()) >= {BOUND}
                    and states(made, "two").get("one") is BOUND
                    and made.host("far").state is HostState.READY
                ),
                "all but the late one serve",
            )
            probes = [Probe(at(spec)) for spec in (one, two, far)]
            go.write_text("\n")
            await made.ready()
            assert states(made, "two") == {"one": SHARED, "two": BOUND}
            os.killpg(made.pid("one"), signal.SIGKILL)
            await eventually(lambda: made.host("one").state is not HostState.READY, "it is lost")
            await made.ready()
            await eventually(lambda: all(probe.served > 50 for probe in probes), "all served")
            for probe in probes:
                await probe.stop()
            assert max(probe.longest for probe in probes) < 1.0


# -- an address that a stranger holds


async def test_a_mesh_is_not_ready_while_a_stranger_holds_its_port() -> None:
    async with echoing() as port:
        web = relayed("web", forward(port))
        with Target(*at(web)) as stranger:
            async with mesh(local(), web, wait=False) as made:
                await eventually(
                    lambda: states(made, "web") == {"hub": ListenerState.FAILED}, "it is taken"
                )
                await made.in_state("web", HostState.READY)
                (listener,) = made.listeners("web")
                assert "in use" in listener.note and listener.bound == ""
                waiting = asyncio.ensure_future(made.engine.wait_ready())
                with await connect(at(web)) as client, await stranger.accept() as server:
                    await client.send(b"not for us")
                    assert await server.exactly(10) == b"not for us"
                assert not [event for event in made.events() if isinstance(event, Ready)]
                assert not waiting.done()
                stranger.close()
                async with asyncio.timeout(5):
                    await waiting
                assert states(made, "web") == {"hub": BOUND}
                (ready,) = [event for event in made.events() if isinstance(event, Ready)]
                assert (ready.hosts, ready.listeners) == (2, 1)
                assert await serves(at(web))
