"""Which agent comes up by itself: a Python that works, else the native agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from norouter_core.bootstrap.auto_agent import AutoAgent
from norouter_core.bootstrap.base import StartFailed, Step
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import ProblemKind, Stage
from tests.agent.agents import TIMING, agent
from tests.bootstrap.shells import SHELLS, host
from tests.native import native_agent

pytestmark = pytest.mark.anyio


def _auto_agent(tmp_path: Path, shell: str, place: Path) -> AutoAgent:
    """One that looks for Pythons in `tmp_path/pythons`, and puts the native agent in `place`."""
    command = host(tmp_path, shell, "head", "kill", "sleep")
    return AutoAgent(command, TIMING, (f"{tmp_path}/pythons",), (str(place),))


def _old_python(directory: Path) -> None:
    directory = directory / "pythons"
    directory.mkdir()
    (directory / "python3").write_text("#!/bin/sh\nexit 83\n")
    (directory / "python3").chmod(0o755)


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_python_comes_first(tmp_path: Path, shell: str) -> None:
    _old_python(tmp_path)
    (tmp_path / "pythons" / "python").symlink_to(os.path.realpath(sys.executable))
    async with agent(_auto_agent(tmp_path, shell, tmp_path)) as far:
        assert far.link.hello.implementation == "CPython"
        assert far.stderr == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("old", [False, True], ids=["without", "old"])
async def test_then_the_native_agent(tmp_path: Path, shell: str, old: bool) -> None:
    native_agent()
    if old:
        _old_python(tmp_path)
    steps: list[Step] = []
    async with agent(_auto_agent(tmp_path, shell, tmp_path), progress=steps.append) as far:
        assert far.link.hello.implementation == "Go"
        assert await far.link.resolve("localhost")
        assert far.stderr == []
    notes = [step.note for step in steps if step.note]
    assert [f"{tmp_path}/pythons/python3: is Python 3.3, too old" in note for note in notes] == (
        [True] if old else []
    )
    assert {"bin", "pythons"} >= set(os.listdir(tmp_path))


async def test_so_does_a_host_with_an_old_python(tmp_path: Path, old_python: Path) -> None:
    native_agent()
    (tmp_path / "pythons").mkdir()
    (tmp_path / "pythons" / "python3").symlink_to(old_python)
    async with agent(_auto_agent(tmp_path, "dash", tmp_path)) as far:
        assert far.link.hello.implementation == "Go"


@pytest.mark.parametrize("old", [False, True], ids=["without", "old"])
async def test_a_failure_reports_both(tmp_path: Path, old: bool) -> None:
    native_agent()
    if old:
        _old_python(tmp_path)
    place = tmp_path / "none"
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(_auto_agent(tmp_path, "dash", place)):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    assert error.evidence.stage is Stage.NATIVE
    problem = diagnose(error.evidence)
    assert problem.kind is ProblemKind.NO_NATIVE_AGENT and problem.permanent
    assert problem.message.startswith(f"no {'usable ' if old else ''}Python ")
    assert str(place) in problem.message
    assert (f"{tmp_path}/pythons/python3: is Python 3.3, too old" in problem.message) is old
