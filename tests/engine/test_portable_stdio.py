"""A mesh over the portable ways: threads that pump stdio, an agent without vectored writes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
import pytest

from norouter_core.engine.engine import Engine
from norouter_core.engine.status import HostState
from norouter_core.links.process import PumpedProcess, StartChild, start_pumped, start_watched
from norouter_core.model import MeshSpec
from tests.engine.descriptors import nothing_left, stale
from tests.engine.meshes import (
    QUICK_RETRY,
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

pytestmark = pytest.mark.anyio

ACTIONS = Path(__file__).with_name("rogue_actions.py")
DATA = random.Random(12).randbytes(2_000_000)


@pytest.fixture(params=[start_pumped, start_watched], ids=["pumped", "direct"])
def start_child(request: pytest.FixtureRequest) -> StartChild:
    wanted: StartChild = request.param
    return wanted


async def carries(made: Mesh, name: str) -> None:
    """Bytes go both ways at once, and the end comes after them."""
    with await connect(made.address(name)) as client:
        sending = asyncio.ensure_future(client.send(DATA))
        assert await client.exactly(len(DATA)) == DATA
        await sending
        client.end()
        assert await client.rest() == b""


def runs_pumped(made: Mesh, name: str) -> bool:
    stdio = made.engine._supervisors[name]._stdio
    assert stdio is not None and stdio._child is not None
    return isinstance(stdio._child.process, PumpedProcess)


async def test_a_mesh_comes_up_carries_bytes_and_ends(start_child: StartChild) -> None:
    async with nothing_left(), echoing() as port:
        async with mesh(
            local(), relayed("web", forward(port)), host("far"), start_child=start_child
        ) as made:
            assert runs_pumped(made, "web") is (start_child is start_pumped)
            await carries(made, "web")
            await eventually(lambda: not made.streams, "the stream is over")
            line = relayed("talk", cmd=_talks("hello there"))
            await made.apply(made.engine.spec.with_host(line))
            assert (await made.log_says("hello there")).host == "talk"
        assert children() == []


def _talks(words: str) -> tuple[str, ...]:
    return ("sh", "-c", f'echo {words} >&2; exec "$@"', "_", *exec_command("sh"))


async def test_a_host_that_is_killed_comes_back(start_child: StartChild) -> None:
    async with nothing_left(), echoing() as port:
        async with mesh(
            local(), relayed("web", forward(port)), timing=QUICK_RETRY, start_child=start_child
        ) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                os.killpg(made.pid("web"), signal.SIGKILL)
                assert await client.is_reset()
            await eventually(lambda: made.host("web").problem, "the problem is shown")
            problem = made.host("web").problem
            assert problem is not None and problem.exit_status == -signal.SIGKILL
            await made.ready()
            assert stale() == []
            await carries(made, "web")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """An exec command that leaves something in a session of its own, with all of its stdio."""
    if not os.access("/usr/bin/setsid", os.X_OK):
        pytest.skip("setsid is not on this machine")
    pids = tmp_path / "pids"
    script = f"setsid sh -c 'echo $$ >> {pids}; exec sleep 60' & exec \"$@\""
    yield ("sh", "-c", script, "_", *exec_command("sh"))
    for pid in pids.read_text().split():
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(int(pid)).kill()


async def test_a_daemon_that_holds_its_stdio_holds_up_nothing(
    start_child: StartChild, daemon: tuple[str, ...]
) -> None:
    async with nothing_left(), echoing() as port:
        web = relayed("web", forward(port), cmd=daemon)
        async with asyncio.timeout(12):
            # Not `mesh`: what the command leaves behind is not the engine's to end.
            async with Engine(TIMING, start_child=start_child) as engine:
                made = Mesh(engine)
                await made.apply(MeshSpec((local(), web)))
                await carries(made, "web")
                pid = made.pid("web")
                os.killpg(pid, signal.SIGKILL)
                await eventually(
                    lambda: made.host("web").state is not HostState.READY, "it is lost", 3
                )
                await eventually(
                    lambda: made.host("web").state is HostState.READY, "it comes back", 6
                )
                assert made.pid("web") != pid and stale() == []
                await made.ready()
                await carries(made, "web")


async def test_a_command_that_is_not_there(start_child: StartChild) -> None:
    async with nothing_left():
        missing = relayed("web", cmd=("norouter-no-such-program",))
        async with mesh(local(), missing, wait=False, start_child=start_child) as made:
            failed = await made.in_state("web", HostState.FAILED)
            assert failed.problem is not None and failed.problem.kind == "command-not-found"


async def test_an_agent_without_vectored_writes(start_child: StartChild) -> None:
    async with nothing_left(), echoing() as port:
        web = relayed("web", forward(port), cmd=program(ACTIONS, "without_vectors"))
        async with mesh(
            host("client", cmd=program(ACTIONS, "without_vectors")), web, start_child=start_child
        ) as made:
            await carries(made, "web")


@pytest.mark.parametrize("cancel_first", [True, False])
async def test_a_pumped_stderr_is_closed_whenever_its_reader_ends(
    cancel_first: bool,
) -> None:
    async with nothing_left():
        child = await start_pumped(("sh", "-c", "echo hello >&2; exec cat"), 2.0)
        said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        reading = asyncio.ensure_future(child.read_stderr(said.set_result))
        assert await said == "hello"
        if cancel_first:
            reading.cancel()
            await asyncio.wait([reading])
        assert await child.end() == 0
        await asyncio.wait([reading])
        assert isinstance(child.process, PumpedProcess)
        assert child.process._stderr.fileno() == -1


async def test_pumped_processes_leave_the_pool_of_threads_to_others() -> None:
    started = [await start_pumped(("cat",), 2.0) for _ in range(45)]
    waiting = [asyncio.ensure_future(child.process.wait()) for child in started]
    await asyncio.sleep(0)
    with anyio.fail_after(20):
        assert await anyio.to_thread.run_sync(os.getpid) == os.getpid()
        assert not any(each.done() for each in waiting)
        for child in started:
            await child.end()
        assert await asyncio.gather(*waiting) == [0] * 45
