"""Hosts whose command ends in `norouter`, as in NoRouter's manifests, whatever it leads to."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.engine.events import HostChanged, Log
from norouter_core.engine.status import HostState
from norouter_core.model import AgentMode, HostOptions, HostSpec
from tests.engine.meshes import NO_DNS, TIMING, Mesh, forward, mesh, plain_path, vip
from tests.servers import connect, echoing

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
ROGUE = Path(__file__).with_name("rogue.py")
QUICK = replace(TIMING, tentative=0.3)

SILENT = "while read line; do :; done"
"""NoRouter's own agent waits for a request of its hub."""


def _rogue(action: str) -> str:
    python = os.path.realpath(sys.executable)
    return f"PYTHONPATH={ROOT} exec {python} {ROGUE} {action} norouter"


def _install(folder: Path, text: str, name: str = "norouter", mode: int = 0o755) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho started >>{folder}/starts\n{text}\n")
    program.chmod(mode)


def _starts(folder: Path) -> int:
    starts = folder / "starts"
    return len(starts.read_text().splitlines()) if starts.exists() else 0


def _host(folder: Path, port: int, agent: AgentMode = AgentMode.AUTO) -> HostSpec:
    """A host whose PATH begins with `folder`."""
    options = HostOptions(ports=(forward(port),), dns=NO_DNS, agent=agent)
    return HostSpec(
        "web", vip(), cmd=("env", f"PATH={folder}:{plain_path()}", "norouter"), options=options
    )


async def _serves(made: Mesh) -> bool:
    with await connect(made.address("web")) as client:
        return await client.says(b"hello")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "did not start an agent"),
        ("echo unknown command: agent >&2; exit 1", "unknown command: agent"),
        ("echo NoRouter 0.6", "did not start an agent"),
        (f"echo NoRouter 0.6; {SILENT}", "no hello within 0.3 s: NoRouter 0.6"),
        (SILENT, "sent nothing within 0.3 s"),
        (_rogue("older_protocol"), "speaks version 0 of the protocol, not 1"),
        (_rogue("hello_and_serve"), "lacks listen, dial"),
        (_rogue("wrong_hello"), "not the agent's protocol"),
    ],
    ids=[
        "nothing",
        "refuses",
        "prints",
        "talks",
        "silent",
        "protocol-0",
        "few-features",
        "garbled",
    ],
)
async def test_no_agent_of_ours(tmp_path: Path, text: str, why: str) -> None:
    _install(tmp_path, text)
    timing = QUICK if "0.3 s" in why else replace(TIMING, tentative=15)
    async with echoing() as port, mesh(_host(tmp_path, port), timing=timing) as made:
        line = await made.log_says("sending an agent instead: env")
        assert (line.host, line.level) == ("web", "warning")
        assert why in line.text and line.text.endswith(" sh")
        assert made.host("web").agent.startswith("Python")
        assert made.host("web").attempt == 0
        assert await _serves(made)


async def test_no_norouter_at_all(tmp_path: Path) -> None:
    async with echoing() as port, mesh(_host(tmp_path, port)) as made:
        assert "`norouter` not found" in (await made.log_says("sending an agent instead")).text
        assert await _serves(made)


async def test_one_that_cannot_be_executed(tmp_path: Path) -> None:
    _install(tmp_path, SILENT, mode=0o644)
    async with echoing() as port, mesh(_host(tmp_path, port)) as made:
        await made.log_says("sending an agent instead")
        assert await _serves(made)


async def test_a_restart_does_not_wait_for_it_again(tmp_path: Path) -> None:
    _install(tmp_path, SILENT)
    async with echoing() as port, mesh(_host(tmp_path, port), timing=QUICK) as made:
        assert _starts(tmp_path) == 1
        await made.log_says("sending an agent instead")
        await made.engine.restart("web")
        await made.ready()
        assert _starts(tmp_path) == 1
        assert not [e for e in made.events() if isinstance(e, Log) and "instead" in e.text]


async def test_a_host_may_insist_on_it(tmp_path: Path) -> None:
    _install(tmp_path, "exit 3")
    host = _host(tmp_path, 1, AgentMode.NOROUTER)
    async with mesh(host, wait=False) as made:
        await made.in_state("web", HostState.BACKING_OFF)
        problem = made.host("web").problem
        assert problem is not None and problem.kind == "norouter-refused"
        assert problem.hint.startswith("remove `agent: norouter`")


@pytest.mark.parametrize("tentative", [15, 0.1], ids=["old", "slow"])
async def test_without_a_shell_an_old_or_slow_one_gets_a_second_chance(
    tmp_path: Path, tentative: float
) -> None:
    _install(tmp_path, "sleep 0.2; " + _rogue("hello_and_serve"))
    _install(tmp_path, "exit 127", name="sh")
    timing = replace(TIMING, tentative=tentative)
    async with mesh(_host(tmp_path, 1), timing=timing, wait=False) as made:
        await made.log_says("; sending an agent instead: ")
        await made.log_says("; waiting longer for the installed norouter")
        await made.in_state("web", HostState.READY)
        assert made.host("web").agent.startswith("Python 3.11.2")


async def test_without_a_shell_its_problem_is_that_of_the_shell(tmp_path: Path) -> None:
    _install(tmp_path, SILENT)
    _install(tmp_path, "exit 127", name="sh")
    timing = replace(QUICK, installed=0.5)
    async with mesh(_host(tmp_path, 1), timing=timing, wait=False) as made:
        await made.in_state("web", HostState.FAILED)
        problem = made.host("web").problem
        assert problem is not None and problem.kind == "no-shell"
        assert _starts(tmp_path) == 3
        states = [e.host.state for e in made.events() if isinstance(e, HostChanged)]
        assert states.count(HostState.STARTING) == 1
