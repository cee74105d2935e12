"""Hosts that fail to start: their problem is shown, and they are retried if that may help."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.engine.engine import Engine
from norouter_core.engine.events import HostChanged
from norouter_core.engine.readiness import MeshFailed
from norouter_core.engine.status import HostState
from norouter_core.model import MeshSpec
from tests.engine.meshes import (
    QUICK_RETRY,
    SLOW_RETRY,
    TIMING,
    Mesh,
    exec_command,
    forward,
    killing_strays,
    local,
    mesh,
    relayed,
)
from tests.servers import connect, echoing, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

DIES = ("sh", "-c", "echo the reason >&2; exit 7", "sh")


async def test_a_command_that_is_not_found() -> None:
    async with Engine(TIMING) as engine:
        spec = MeshSpec((local(), relayed("web", cmd=("norouter-no-such-program",))))
        await engine.apply(spec)
        with pytest.raises(MeshFailed, match="norouter-no-such-program") as failed:
            async with asyncio.timeout(5):
                await engine.wait_ready()
        assert list(failed.value.problems) == ["web"]
        problem = failed.value.problems["web"]
        assert (problem.kind, problem.permanent) == ("command-not-found", True)
        made = Mesh(engine)
        web = made.host("web")
        assert (web.state, web.problem, web.retry_in) == (HostState.FAILED, problem, None)
        assert made.host("hub").state is HostState.READY


async def test_a_command_that_dies_is_started_again_and_again() -> None:
    async with mesh(local(), relayed("web", cmd=DIES), wait=False, timing=QUICK_RETRY) as made:
        await eventually(lambda: made.host("web").attempt >= 4, "four attempts")
        seen = [e.host for e in made.events() if isinstance(e, HostChanged) if e.host.name == "web"]
        waits = [host for host in seen if host.state is HostState.BACKING_OFF]
        assert [host.attempt for host in waits[:3]] == [1, 2, 3]
        delays = [host.retry_in for host in waits[:3]]
        assert None not in delays
        first, second, third = (delay or 0 for delay in delays)
        shortest = QUICK_RETRY.first_retry
        limits = [shortest * factor * 1.25 for factor in (1, 2, 4)]
        assert 0 < first <= limits[0] < second <= limits[1] < third <= limits[2]
        problem = waits[0].problem
        assert problem is not None and not problem.permanent
        assert (problem.kind, problem.exit_status, problem.stderr) == ("exited", 7, ("the reason",))
        states = {host.state for host in seen}
        assert states == {HostState.STARTING, HostState.BACKING_OFF}


async def test_a_command_that_stays_silent_gets_more_time_at_each_start_within_a_bound() -> None:
    timing = replace(QUICK_RETRY, shell=0.1, max_shell=0.3, max_retry=0.1)
    silent = ("sh", "-c", "cat >/dev/null", "sh")
    async with mesh(local(), relayed("web", cmd=silent), wait=False, timing=timing) as made:
        await eventually(lambda: made.host("web").attempt >= 5, "five attempts")
        seen = [event.host for event in made.events() if isinstance(event, HostChanged)]
        waits = [host.problem for host in seen if host.state is HostState.BACKING_OFF]
        told = [problem.message.partition(" within ")[2] for problem in waits if problem]
        assert told[:4] == ["0.1 s", "0.2 s", "0.3 s", "0.3 s"]


async def test_restarted_by_hand_while_backing_off(tmp_path: Path) -> None:
    """A person who has mended the cause does not wait."""
    mended = tmp_path / "mended"
    command = ("sh", "-c", f'test -e {mended} && exec "$@"; exit 7', "_", *exec_command("sh"))
    async with echoing() as port:
        async with mesh(
            local(), relayed("web", forward(port), cmd=command), wait=False, timing=SLOW_RETRY
        ) as made:
            await made.in_state("web", HostState.BACKING_OFF)
            mended.touch()
            await made.engine.restart("web")
            await made.ready()
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")


async def test_restarted_by_hand_after_a_failure(tmp_path: Path) -> None:
    program = tmp_path / "program"
    async with mesh(local(), relayed("web", cmd=(str(program),)), wait=False) as made:
        await made.in_state("web", HostState.FAILED)
        program.write_text('#!/bin/sh\nexec "$@"\n')
        program.chmod(0o755)
        await made.engine.restart("web")
        await made.ready()
        assert made.host("web").problem is None


@pytest.mark.parametrize("name", ["web", "hub"])
async def test_restarted_by_hand_while_ready(name: str) -> None:
    async with echoing() as port:
        async with mesh(local("hub", forward(port)), relayed("web", forward(port))) as made:
            pid = made.pid("web")
            with await connect(made.address(name)) as cut:
                assert await cut.says(b"hello")
                made.events()
                await made.engine.restart(name)
                await eventually(
                    lambda: made.host(name).state is not HostState.READY or _restarted(made, name),
                    "it is restarted",
                )
                assert await cut.is_reset()
            await made.ready()
            assert (made.pid("web") != pid) == (name == "web")
            with await connect(made.address(name)) as again:
                assert await again.says(b"hello")


def _restarted(made: Mesh, name: str) -> bool:
    return any(isinstance(e, HostChanged) and e.host.name == name for e in made.events())


async def test_a_host_that_is_not_there_cannot_be_restarted() -> None:
    async with mesh(local()) as made:
        with pytest.raises(KeyError):
            await made.engine.restart("web")


async def test_a_host_that_was_ready_once_is_not_given_up(tmp_path: Path) -> None:
    """Its command has shown to be right: what fails now may mend itself."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\nexec "$@"\n')
    program.chmod(0o755)
    async with mesh(local(), relayed("web", cmd=(str(program),)), timing=QUICK_RETRY) as made:
        program.rename(tmp_path / "away")
        os.killpg(made.pid("web"), signal.SIGKILL)
        await eventually(
            lambda: made.host("web").attempt >= 2 and made.host("web").problem, "it is tried again"
        )
        problem = made.host("web").problem
        assert problem is not None
        assert made.host("web").state is not HostState.FAILED
        (tmp_path / "away").rename(program)
        await made.ready()


async def test_a_login_that_never_stops_to_talk() -> None:
    command = ("sh", "-c", "yes 'please type your password'", "sh")
    async with mesh(local(), relayed("web", cmd=command), wait=False) as made:
        await eventually(lambda: made.host("web").problem, "it has a problem")
        problem = made.host("web").problem
        assert problem is not None and problem.kind == "noise"


async def test_a_host_that_keeps_silent() -> None:
    command = ("sh", "-c", "exec sleep 60", "sh")
    timing = replace(TIMING, shell=0.3)
    async with mesh(local(), relayed("web", cmd=command), timing=timing, wait=False) as made:
        await eventually(lambda: made.host("web").problem, "it has a problem")
        problem = made.host("web").problem
        assert problem is not None
        assert (problem.kind, problem.exit_status) == ("timeout", None)


async def test_the_last_words_of_a_command_that_talks_a_lot() -> None:
    script = "yes 'a line of no use at all' | head -n 20000 >&2; echo the reason >&2; exit 7"
    async with mesh(local(), relayed("web", cmd=("sh", "-c", script, "sh")), wait=False) as made:
        await eventually(lambda: made.host("web").problem, "it has a problem")
        problem = made.host("web").problem
        assert problem is not None and problem.exit_status == 7
        assert problem.stderr[-1] == "the reason"


async def test_a_command_that_leaves_something_behind() -> None:
    """What it put into a session of its own keeps the pipes open; nobody waits for that."""
    if shutil.which("setsid") is None:
        pytest.skip("setsid is not on this machine")
    script = "setsid sleep 30 & exit 7"
    command = ("sh", "-c", script, "sh")
    with killing_strays():
        async with Engine(QUICK_RETRY) as engine:
            await engine.apply(MeshSpec((local(), relayed("web", cmd=command))))
            made = Mesh(engine)
            await eventually(lambda: made.host("web").problem, "it has a problem", 8)
            problem = made.host("web").problem
            assert problem is not None and problem.exit_status == 7


async def test_lines_of_stderr_come_as_they_are_said() -> None:
    talk = ("sh", "-c", "printf 'one\\r\\n\\033[31mtwo\\033[0m\\n\\n  three' >&2; exec \"$@\"", "_")
    async with mesh(local(), relayed("web", cmd=(*talk, *exec_command("sh")))) as made:
        for text in ("one", "two"):
            line = await made.log_says(text)
            assert (line.text, line.level, line.host) == (text, "info", "web")
