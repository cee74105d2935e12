"""An agent on its way: how much of it has arrived, and how long the hub waits for that."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from norouter_core.bootstrap.base import Exchange, StartFailed, Step
from norouter_core.bootstrap.bundle import bundle
from norouter_core.bootstrap.python_agent import BLOCK, payload
from norouter_core.engine.events import HostChanged
from norouter_core.engine.status import HostState
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, ProblemKind, Stage
from norouter_core.timing import TimeLimits
from tests.agent.agents import TIMING, agent, plain_path, shell_plan
from tests.engine.meshes import exec_command, local, mesh, relayed

pytestmark = pytest.mark.anyio

PACER = str(Path(__file__).with_name("pacer.py"))


class SlowHost:
    """A host whose answers come 20 s apart, by a clock of its own."""

    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.limits = TimeLimits()
        self.stderr: list[str] = []
        self.sent = 0
        loop = asyncio.get_running_loop()
        self._now = loop.time
        self._later = 0.0
        loop.time = lambda: self._now() + self._later  # type: ignore[method-assign]  # its clock

    async def send(self, data: bytes) -> None:
        self.sent += len(data)

    async def receive(self) -> bytes:
        for _ in range(80):
            self._later += (
                0.25  # in steps: a clock that jumps is that of a process that stood still
            )
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self.answers.pop(0)


async def test_the_limit_counts_from_the_last_block_that_arrived() -> None:
    steps: list[Step] = []
    host = SlowHost([b".", b"..", b".", b".hello"])
    exchange = Exchange(("x",), host, steps.append)
    exchange.enter(Stage.PYTHON)
    assert await exchange.send_whole(b"x" * 4_500, 1_000, limit=30) == b"hello"
    assert [step.received for step in steps] == [0, 0, 1_000, 3_000, 4_000, 4_500]
    assert host.sent == 4_500


async def test_a_host_that_takes_too_long_for_one_block_has_failed() -> None:
    host = SlowHost([b".", b".", b"."])
    exchange = Exchange(("x",), host, lambda step: None)
    with pytest.raises(StartFailed) as failed:
        await exchange.send_whole(b"x" * 3_000, 1_000, limit=10)
    assert (failed.value.evidence.received, failed.value.evidence.size) == (0, 3_000)
    assert failed.value.evidence.timed_out == 10


async def test_a_slow_link_shows_the_progress_of_the_agent(tmp_path: Path) -> None:
    steps: list[Step] = []
    plan = shell_plan(plain_path(tmp_path / "bin"), sys.executable, PACER, "4000", "--")
    async with agent(plan, progress=steps.append) as host:
        assert host.link.hello.protocol == 1
    sent = [step for step in steps if step.size]
    whole = len(payload(bundle()))
    assert {step.size for step in sent} == {whole}
    received = [step.received for step in sent]
    assert received == sorted(received) and received[-1] == whole
    assert len(set(received)) > 3


async def test_events_show_the_progress_four_times_a_second_at_most() -> None:
    slow = (sys.executable, PACER, "1000", "--", *exec_command("sh"))
    async with mesh(local(), relayed("web", cmd=slow)) as made:
        events = [event for event in made.events() if isinstance(event, HostChanged)]
        sending = [e for e in events if e.host.state is HostState.BOOTSTRAPPING and e.host.sending]
        shown = [event.host.agent_received for event in sending]
        assert shown == sorted(shown) and any(0 < x < sending[-1].host.agent_size for x in shown)
        assert all(b.at - a.at > 0.2 for a, b in pairwise(sending))
        assert made.host("web").agent_size == 0
        assert not made.host("web").agent_copied


async def test_a_link_that_stalls_fails_with_what_had_arrived(tmp_path: Path) -> None:
    timing = replace(TIMING, transfer=0.3)
    line_and_two_blocks = 2_600 + 2 * BLOCK
    words = sys.executable, PACER, "4000", str(line_and_two_blocks), "--"
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(shell_plan(plain_path(tmp_path / "bin"), *words), timing):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    evidence = error.evidence
    assert evidence.timed_out == 0.3
    assert 0 < evidence.received < evidence.size == len(payload(bundle()))
    problem = diagnose(evidence)
    assert problem.kind is ProblemKind.TIMEOUT and not problem.permanent
    assert "did not arrive" in problem.message and " KiB (" in problem.message
    assert "then nothing for 0.3 s" in problem.message


def test_a_command_that_ends_says_how_much_had_arrived() -> None:
    evidence = Evidence(("ssh", "web", "sh"), Stage.PYTHON, 4, received=8_192, size=32_768)
    message = diagnose(evidence).message
    assert "while the agent was being sent (8 of 32 KiB (25 %) had arrived)" in message
