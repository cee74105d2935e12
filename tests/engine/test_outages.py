"""A host that dies, freezes or falls silent: its streams end at once, and it comes back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from norouter_core.engine.events import HostChanged, StreamClosed
from norouter_core.engine.status import HostState, ListenerState
from tests.engine.meshes import (
    BRISK,
    QUICK_RETRY,
    exec_command,
    forward,
    host,
    local,
    mesh,
    relayed,
    start_states,
)
from tests.servers import connect, echoing, eventually, resets

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]


async def test_a_host_that_is_killed() -> None:
    async with echoing() as port:
        hosts = (local(), relayed("one", forward(port)), relayed("other", forward(port)))
        async with mesh(*hosts, timing=QUICK_RETRY) as made:
            address = made.address("one")
            with await connect(address) as lost, await connect(made.address("other")) as kept:
                assert await lost.says(b"hello") and await kept.says(b"hello")
                made.events()
                # The exec client and all that it started, as an administrator's kill would.
                os.killpg(made.pid("one"), signal.SIGKILL)
                started = time.monotonic()
                with pytest.raises(ConnectionResetError):
                    await lost.rest()
                assert time.monotonic() - started < 1
                assert await kept.says(b"undisturbed")
                assert made.address("one") == address
                await eventually(lambda: made.host("one").problem, "the problem is shown")
                problem = made.host("one").problem
                assert problem is not None
                assert (problem.kind, problem.exit_status) == ("link-lost", -signal.SIGKILL)
                assert not problem.permanent and "SIGKILL" in problem.message
                await made.ready()
                assert made.host("one").problem is None
                with await connect(address) as again:
                    assert await again.says(b"back") and await kept.says(b"still there")
            states = [
                e.host.state
                for e in made.events()
                if isinstance(e, HostChanged)
                if e.host.name == "one"
            ]
            assert states == [HostState.LOST, HostState.BACKING_OFF, *start_states()]


async def test_a_client_of_a_host_that_is_away_is_reset(tmp_path: Path) -> None:
    """Its listener stays bound at the others: a connection is refused with a reset."""
    gone = tmp_path / "gone"
    command = ("sh", "-c", f'test ! -e {gone} && exec "$@"', "_", *exec_command("sh"))
    async with echoing() as port:
        async with mesh(
            local(), relayed("web", forward(port), cmd=command), timing=QUICK_RETRY
        ) as made:
            address = made.address("web")
            gone.touch()
            os.killpg(made.pid("web"), signal.SIGKILL)
            await made.in_state("web", HostState.BACKING_OFF)
            assert made.listeners("web")[0].state is ListenerState.BOUND
            assert await resets(address)
            gone.unlink()
            await made.ready()
            with await connect(address) as client:
                assert await client.says(b"back")


async def test_a_host_with_clients_is_killed() -> None:
    """The client's side of a stream is lost: the target sees a reset too."""
    async with echoing() as port:
        async with mesh(
            host("client"), relayed("target", forward(port)), timing=QUICK_RETRY
        ) as made:
            with await connect(made.address("target")) as client:
                assert await client.says(b"hello")
                os.killpg(made.pid("client"), signal.SIGKILL)
                await eventually(lambda: not made.streams, "the stream is over")
            await made.was_lost("client")
            await made.ready()
            with await connect(made.address("target")) as client:
                assert await client.says(b"back")


async def test_direct_streams_of_a_lost_host_are_told_as_gone() -> None:
    async with echoing() as port:
        async with mesh(host("web", forward(port)), timing=QUICK_RETRY) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                await eventually(lambda: made.streams, "it is shown")
                os.killpg(made.pid("web"), signal.SIGKILL)
                await eventually(lambda: not made.streams, "it is over")
                # The kernel ended it with the process; whether by FIN or reset is its choice.
            (closed,) = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
            assert closed.direct and closed.reason.startswith("gone")


async def test_a_host_that_freezes() -> None:
    async with echoing() as port:
        hosts = (local(), relayed("one", forward(port)), relayed("other", forward(port)))
        async with mesh(*hosts, timing=BRISK) as made:
            pid = made.pid("one")
            with (
                await connect(made.address("one")) as lost,
                await connect(made.address("other")) as kept,
            ):
                assert await lost.says(b"hello")
                os.kill(pid, signal.SIGSTOP)
                started = time.monotonic()
                # 3 heartbeats of 0.5 s, less what had passed of the first.
                assert await lost.is_reset()
                await made.in_state("one", HostState.LOST)
                assert 0.9 < time.monotonic() - started < 4
                assert await kept.says(b"undisturbed")
                await made.ready()
                assert made.pid("one") != pid
                with await connect(made.address("one")) as again:
                    assert await again.says(b"back") and await kept.says(b"still there")
        assert not psutil.pid_exists(pid)


async def test_the_round_trip_is_measured() -> None:
    async with mesh(local(), relayed("web"), timing=BRISK) as made:
        await eventually(lambda: made.host("web").round_trip, "it is measured")
        seconds = made.host("web").round_trip
        assert seconds is not None and 0 < seconds < 5
        assert made.host("hub").round_trip is None


async def test_an_idle_mesh_stays_up() -> None:
    """Over several times the silence that would end it."""
    async with mesh(local(), relayed("web"), timing=BRISK) as made:
        before = made.pid("web")
        rounds = {made.host("web").round_trip}
        await eventually(
            lambda: rounds.add(made.host("web").round_trip) or len(rounds) > 6,  # type: ignore[func-returns-value]  # adds, then counts
            "six heartbeats",
        )
        assert made.pid("web") == before and made.host("web").state is HostState.READY


async def test_refused_logins_are_not_repeated_for_ever(tmp_path: Path) -> None:
    """Even a host that was ready: login servers lock out who fails too often."""
    refused = tmp_path / "refused"
    script = (
        f'test -e {refused} || exec "$@"; echo >>{refused}; '
        "echo 'dev@web: Permission denied (publickey,password).' >&2; exit 255"
    )
    command = ("sh", "-c", script, "_", *exec_command("sh"))
    async with mesh(local(), relayed("web", cmd=command), timing=QUICK_RETRY) as made:
        refused.touch()
        os.killpg(made.pid("web"), signal.SIGKILL)
        await made.in_state("web", HostState.FAILED)
        problem = made.host("web").problem
        assert problem is not None and problem.kind == "login-failed"
        assert len(refused.read_text()) == 3
        refused.unlink()
        await made.engine.restart("web")
        await made.ready()
