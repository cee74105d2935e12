"""A start that is stopped, restarted or cancelled, at any of its moments, leaves nothing behind."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from norouter_core.bootstrap.base import Exchange
from norouter_core.engine.engine import Engine
from norouter_core.engine.status import HostState
from norouter_core.links.agent_client import AgentClient
from norouter_core.links.stdio import StdioLink
from norouter_core.model import MeshSpec
from tests.engine.descriptors import nothing_left, stale
from tests.engine.meshes import TIMING, children, local, mesh, program, relayed
from tests.servers import eventually

pytestmark = pytest.mark.anyio

ACTIONS = Path(__file__).with_name("rogue_actions.py")


class Moment:
    """A point in the start: just before or just after one of its steps."""

    def __init__(self, owner: object, step: str, after: bool) -> None:
        self.owner = owner
        self.step = step
        self.after = after

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
        """Set as it comes; who waits goes on while the start waits for its next I/O."""
        reached = asyncio.Event()
        original: Any = getattr(self.owner, self.step)

        @functools.wraps(original)
        async def step(*args: Any, **named: Any) -> Any:
            if not self.after:
                reached.set()
            try:
                return await original(*args, **named)
            finally:
                if self.after:
                    reached.set()

        monkeypatch.setattr(self.owner, self.step, step)
        return reached


STEPS = [
    (StdioLink, "_run_command"),
    (Exchange, "search"),
    (Exchange, "read_hello"),
    (StdioLink, "_attach"),
    (AgentClient, "_request"),
]
QUICK = replace(TIMING, grace=0.2)
MOMENTS = [Moment(owner, step, after) for owner, step in STEPS for after in (False, True)]
NAMES = [f"{'after' if each.after else 'before'} {each.step.strip('_')}" for each in MOMENTS]


@pytest.fixture
def reached(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    moment: Moment = request.param
    return moment.watch(monkeypatch)


@pytest.mark.parametrize("reached", MOMENTS, ids=NAMES, indirect=True)
async def test_removed(reached: asyncio.Event) -> None:
    async with nothing_left(), mesh(local(), relayed("web"), timing=QUICK, wait=False) as made:
        await reached.wait()
        await made.engine.apply(made.engine.spec.without_hosts("web"))
        assert stale() == [] and children() == []
        assert made.host("hub").state is HostState.READY


@pytest.mark.parametrize("reached", MOMENTS[1::2], ids=NAMES[1::2], indirect=True)
async def test_restarted(reached: asyncio.Event) -> None:
    async with nothing_left(), mesh(local(), relayed("web"), timing=QUICK, wait=False) as made:
        await reached.wait()
        await made.engine.restart("web")
        await made.ready()
        assert stale() == []


@pytest.mark.parametrize("reached", MOMENTS[1::2], ids=NAMES[1::2], indirect=True)
async def test_cancelled(reached: asyncio.Event) -> None:
    async def life() -> None:
        async with Engine(QUICK) as engine:
            await engine.apply(MeshSpec((local(), relayed("web"))))
            await asyncio.Event().wait()

    async with nothing_left():
        task = asyncio.ensure_future(life())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stale() == [] and children() == []


@pytest.mark.parametrize("ending", ["remove", "restart"])
async def test_between_hello_and_attach(ending: str) -> None:
    """The link speaks already, and its descriptors are watched."""
    rogue = relayed("web", cmd=program(ACTIONS, "hello_only"))
    async with nothing_left(), mesh(local(), rogue, timing=QUICK, wait=False) as made:
        await made.log_says("asked to attach")
        link = made.engine._supervisors["web"]._stdio
        assert link is not None and link._handler is not None
        assert made.host("web").state is not HostState.READY
        if ending == "remove":
            await made.engine.apply(made.engine.spec.without_hosts("web"))
        else:
            await made.engine.restart("web")
            await made.log_says("asked to attach")
        assert stale() == []
        assert link.is_down and link._handler.mux._tick_timer.cancelled()
        if ending == "remove":
            assert children() == []


async def test_an_engine_that_is_hurried_while_a_host_starts() -> None:
    """`kill_now` ends what ignores every signal, at whatever point it is."""
    deaf = ("sh", "-c", "trap '' TERM HUP INT PIPE; echo deaf >&2; while :; do sleep 1; done", "sh")
    async with (
        nothing_left(),
        mesh(local(), relayed("web", cmd=deaf), timing=QUICK, wait=False) as made,
    ):
        await made.log_says("deaf")
        made.engine.kill_now()
        await eventually(lambda: made.host("web").problem, "its end is seen")
        problem = made.host("web").problem
        assert problem is not None and problem.exit_status == -9
        made.engine.kill_now()  # nothing runs: nothing happens
        assert made.host("hub").state is HostState.READY
