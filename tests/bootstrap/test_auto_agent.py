"""Which agent comes up by itself: a Python that works, else the native agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from norouter_core.bootstrap.auto_agent import AutoAgent
from norouter_core.bootstrap.base import StartFailed
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import ProblemKind, Stage
from tests.agent.agents import TIMING, agent
from tests.native import native_agent

pytestmark = pytest.mark.anyio

SHELLS = {
    "busybox": ("/bin/busybox", "sh"),
    "dash": ("/bin/dash",),
    "bash": ("/bin/bash", "--norc"),
}


def _auto_agent(directory: Path, shell: str, place: str) -> AutoAgent:
    """An agent that looks for Pythons in a directory, and puts the native agent into another."""
    words = SHELLS[shell]
    if not Path(words[0]).exists():
        pytest.skip(f"{words[0]} is not on this machine")
    directory.mkdir(exist_ok=True)
    argv = ("env", "-i", "PATH=/usr/bin:/bin", *words)
    return AutoAgent(argv, TIMING, (str(directory),), (place,))


def _old_python(directory: Path) -> None:
    directory.mkdir()
    (directory / "python3").write_text("#!/bin/sh\nexit 83\n")
    (directory / "python3").chmod(0o755)


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_python_comes_first(tmp_path: Path, shell: str) -> None:
    _old_python(tmp_path / "bin")
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    async with agent(_auto_agent(tmp_path / "bin", shell, str(tmp_path))) as host:
        assert host.link.hello.implementation == "CPython"
        assert host.stderr == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("old", [False, True], ids=["without", "old"])
async def test_then_the_native_agent(tmp_path: Path, shell: str, old: bool) -> None:
    native_agent()
    if old:
        _old_python(tmp_path / "bin")
    async with agent(_auto_agent(tmp_path / "bin", shell, str(tmp_path))) as host:
        assert host.link.hello.implementation == "Go"
        assert await host.link.resolve("localhost")
        assert host.stderr == []
    assert os.listdir(tmp_path) == ["bin"]


@pytest.mark.parametrize("old", [False, True], ids=["without", "old"])
async def test_a_failure_reports_both(tmp_path: Path, old: bool) -> None:
    native_agent()
    if old:
        _old_python(tmp_path / "bin")
    place = f"{tmp_path}/none"
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(_auto_agent(tmp_path / "bin", "dash", place)):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    assert error.evidence.stage is Stage.NATIVE
    problem = diagnose(error.evidence)
    assert problem.kind is ProblemKind.NO_NATIVE_AGENT and problem.permanent
    assert problem.message.startswith(f"no {'usable ' if old else ''}Python ")
    assert f"{place}: cannot write" in problem.message
    assert (f"{tmp_path}/bin/python3: is Python 3.3, too old" in problem.message) is old
