"""What is wrong at one host stays there: every other goes on, and so does the engine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from norouter_core.engine import supervisor
from norouter_core.engine.backoff import BackOff
from norouter_core.engine.events import Log
from norouter_core.engine.listeners import HostListeners
from norouter_core.engine.readiness import MeshFailed
from norouter_core.engine.status import HostState
from norouter_core.links.process import (
    _MAX_LINES_A_SECOND,
    StartChild,
    start_child,
    start_pumped,
    start_watched,
)
from norouter_core.model import HostSpec
from tests.engine.meshes import (
    SLOW_RETRY,
    TIMING,
    Mesh,
    exec_command,
    forward,
    host,
    local,
    mesh,
    program,
    relayed,
    with_ports,
)
from tests.servers import Peer, connect, echoing, eventually, resets, unused_port

pytestmark = pytest.mark.anyio

ACTIONS = Path(__file__).with_name("rogue_actions.py")


@asynccontextmanager
async def beside(
    *added: HostSpec, start_child: StartChild = start_child
) -> AsyncIterator[tuple[Mesh, Peer]]:
    """Hosts that are added to a mesh with a stream that has to stay up all the time."""
    async with echoing() as port:
        honest = relayed("honest", forward(port))
        async with mesh(local(), honest, start_child=start_child) as made:
            with await connect(made.address("honest")) as client:
                assert await client.says(b"before")
                pid = made.pid("honest")
                spec = made.engine.spec
                for each in added:
                    spec = spec.with_host(each)
                await made.engine.apply(spec)
                yield made, client
                assert await client.says(b"after")
                assert made.pid("honest") == pid


# -- commands that cannot be run


@pytest.mark.parametrize("word", ["en\0v", "\ud800", "a\udcffb"], ids=["nul", "lone", "escape"])
@pytest.mark.parametrize("start_child", [start_watched, start_pumped], ids=["direct", "pumped"])
async def test_a_command_that_no_system_can_be_asked_for(
    word: str, start_child: StartChild
) -> None:
    async with beside(start_child=start_child) as (made, client):
        await made.engine.apply(made.engine.spec.with_host(relayed("odd", cmd=("env", word, "sh"))))
        await eventually(lambda: made.host("odd").problem, "it has a problem")
        problem = made.host("odd").problem
        assert problem is not None and problem.kind != "internal"
        assert await client.says(b"meanwhile")


def _breaks(error: Exception) -> Any:
    def broken(*_: object, **__: object) -> object:
        raise error

    return broken


FAULTS = {"plan_start": supervisor, "diagnose": supervisor, "run": HostListeners}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_ours_is_that_hosts_problem(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    command = ("sh", "-c", "exit 7", "sh") if name == "diagnose" else exec_command("sh")
    async with beside() as (made, client):
        with monkeypatch.context() as patched:
            patched.setattr(FAULTS[name], name, _breaks(LookupError("a fault of ours")))
            await made.engine.apply(made.engine.spec.with_host(relayed("odd", cmd=command)))
            failed = await made.in_state("odd", HostState.FAILED)
            with pytest.raises(MeshFailed, match="a fault of ours"):
                await made.ready()
        problem = failed.problem
        assert problem is not None and problem.permanent and problem.kind == "internal"
        assert "LookupError('a fault of ours')" in problem.message and problem.hint
        assert "Traceback" not in problem.message
        assert "a fault of ours" in caplog.text
        assert await client.says(b"meanwhile")
        if name != "diagnose":
            await made.engine.restart("odd")
            await made.in_state("odd", HostState.READY)
            assert made.host("odd").problem is None


async def test_a_right_command_that_is_changed_to_a_wrong_one() -> None:
    async with beside(relayed("web")) as (made, _):
        await made.ready()
        web = made.engine.spec.host("web")
        assert web is not None
        wrong = replace(web, cmd=("norouter-no-such-program",))
        await made.engine.apply(made.engine.spec.with_host(wrong))
        # At once: the old command's end is still under way.
        with pytest.raises(MeshFailed, match="norouter-no-such-program"):
            await made.ready()
        assert made.host("web").state is HostState.FAILED
        await made.engine.apply(made.engine.spec.with_host(web))
        await made.ready()
        assert made.host("web").problem is None


async def test_ready_means_the_new_command() -> None:
    """Not the old one, which has yet to end."""
    async with beside(relayed("web")) as (made, _):
        await made.ready()
        web, pid = made.engine.spec.host("web"), made.pid("web")
        assert web is not None
        await made.engine.apply(made.engine.spec.with_host(replace(web, cmd=exec_command("A=b"))))
        await made.ready()
        assert made.host("web").state is HostState.READY and made.pid("web") != pid
        again = made.pid("web")
        await made.engine.restart("web")
        await made.ready()
        assert made.pid("web") != again


# -- rogues


async def test_a_stream_before_its_time_is_a_violation() -> None:
    async with beside(host("rogue", cmd=program(ACTIONS, "opens_too_soon"))) as (made, _):
        await eventually(lambda: made.host("rogue").problem, "it has a problem")
        problem = made.host("rogue").problem
        assert problem is not None and problem.kind == "protocol"
        assert "a stream before the hub has attached" in problem.message
        assert made.engine.status().opened_total == 1


async def test_an_agent_reports_direct_streams_of_its_own_port_only() -> None:
    rogue = host("rogue", forward(unused_port()), cmd=program(ACTIONS, "claims"))
    async with beside(rogue) as (made, _):
        line = await made.log_says("claimed")
        assert line.text == "claimed 1 of others"
        await eventually(lambda: made.host("rogue").streams, "its own is shown")
        claimed = [stream for stream in made.streams if stream.from_host == "rogue"]
        assert [(each.to_host, each.direct) for each in claimed] == [("rogue", True)]
        assert made.host("honest").streams == 1
        assert made.host("rogue").state is HostState.READY


# -- floods


async def test_a_flood_of_stderr() -> None:
    script = 'seq 1 600000 >&2; echo "the reason" >&2; exit 7'
    flood = relayed("flood", cmd=("sh", "-c", script, "sh"))
    async with beside(flood) as (made, client):
        worst = 0.0
        while made.host("flood").problem is None:
            started = time.monotonic()
            assert await client.says(b"still served")
            worst = max(worst, time.monotonic() - started)
        assert worst < 2
        problem = made.host("flood").problem
        assert problem is not None and problem.exit_status == 7
        assert problem.stderr[-2:] == ("600000", "the reason")
        lines = [e for e in made.events() if isinstance(e, Log) and e.host == "flood"]
        seconds = lines[-1].at - lines[0].at
        # By the clock's whole seconds, of which the first and the last are cut.
        assert len(lines) <= (_MAX_LINES_A_SECOND + 1) * (int(seconds) + 2)


async def test_a_flood_that_ends_is_summed_up() -> None:
    script = 'seq 1 5000 >&2; sleep 1.1; echo "and on it goes" >&2; exec "$@"'
    talk = relayed("talk", cmd=("sh", "-c", script, "_", *exec_command("sh")))
    async with beside(talk) as (made, _):
        await made.in_state("talk", HostState.READY)
        lines = [e.text for e in made.events() if isinstance(e, Log) and e.host == "talk"]
        left_out = [line for line in lines if line.endswith("were left out)")]
        assert lines[-1] == "and on it goes" and left_out
        # Nothing is lost without a word.
        shown = len(lines) - len(left_out) - 1
        assert shown + sum(int(line.strip("(").split()[0]) for line in left_out) == 5000


# -- what is logged


def test_the_first_wait_differs_by_chance() -> None:
    waits = {BackOff().next_delay() for _ in range(20)}
    assert len(waits) > 10
    assert all(1.0 <= wait <= 1.25 for wait in waits)


async def test_ports_that_are_removed_vanish_at_a_host_that_is_down() -> None:
    async with echoing() as port:
        web = relayed("web", forward(port), forward(port, listen=81))
        async with mesh(local(), host("down"), web, timing=SLOW_RETRY) as made:
            os.killpg(made.pid("down"), signal.SIGKILL)
            await made.in_state("down", HostState.BACKING_OFF)
            assert {each.on_host for each in made.listeners("web")} == {"down", "hub"}
            await made.engine.apply(with_ports(made.engine.spec, "web", forward(port)))
            assert len(made.listeners("web")) == 2
            assert all(each.listen.endswith(":8080") for each in made.listeners("web"))
            await made.engine.apply(made.engine.spec.without_hosts("web"))
            assert made.engine.status().listeners == ()


async def test_clients_that_were_not_reached_are_told_of_once() -> None:
    async with mesh(local(), relayed("web", forward(unused_port()))) as made:
        for _ in range(8):
            assert await resets(made.address("web"))
        await eventually(lambda: made.engine.status().opened_total == 8, "all have come")
        await eventually(lambda: not made.streams, "all are over")
        warnings = [e for e in made.events() if isinstance(e, Log) and e.level == "warning"]
        (line,) = warnings
        assert line.host == "web" and "was not reached: refused" in line.text
        assert made.listeners("web")[0].target in line.text


async def test_a_slow_start_is_logged_with_what_it_waits_for() -> None:
    silent = relayed("web", cmd=("sh", "-c", "exec sleep 60", "sh"))
    async with mesh(local(), silent, wait=False, timing=replace(TIMING, slow_start=0.1)) as made:
        line = await made.log_says("still waiting")
        assert (line.level, line.host) == ("warning", "web")
        assert line.text == f"still waiting for an answer from: {made.host('web').command}"


async def test_a_slow_start_is_logged_with_the_last_line_that_came() -> None:
    menu = relayed("web", cmd=("sh", "-c", "echo 1 shell; printf 'Choice: '; exec sleep 60", "sh"))
    async with mesh(local(), menu, wait=False, timing=replace(TIMING, slow_start=1.0)) as made:
        line = await made.log_says("still waiting")
        assert line.text.endswith(" (the last line that it printed: Choice:)")
