"""The native agent is sent to a bare shell, runs, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.bootstrap.base import StartFailed, Step
from norouter_core.bootstrap.native_agent import NativeAgent
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import HostProblem, ProblemKind
from norouter_core.model import AgentMode
from tests.agent.agents import TIMING, agent
from tests.bootstrap.shells import SHELLS, behind, host
from tests.engine.meshes import forward, local, mesh, relayed
from tests.native import native_agent
from tests.servers import connect, echoing

pytestmark = pytest.mark.anyio

PACER = str(Path(__file__).with_name("pacer.py"))
NO_PROC = "mount -t tmpfs none /proc"


@pytest.fixture(autouse=True)
def built() -> None:
    native_agent()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory in which the program is put."""
    made = tmp_path / "place"
    made.mkdir()
    return made


async def failure(command: tuple[str, ...], *places: Path) -> HostProblem:
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(NativeAgent(command, TIMING, tuple(map(str, places)))):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    problem = diagnose(error.evidence)
    assert problem.kind is ProblemKind.NO_NATIVE_AGENT and problem.permanent
    return problem


@pytest.mark.parametrize("shell", SHELLS)
async def test_comes_up_behind_every_shell(tmp_path: Path, place: Path, shell: str) -> None:
    bootstrap = NativeAgent(host(tmp_path, shell, "head", "gunzip"), TIMING, (str(place),))
    async with agent(bootstrap) as far, echoing() as port:
        assert far.link.hello.implementation == "Go"
        assert os.listdir(place) == [] and far.stderr == []
        (agent_process,) = far.processes()
        assert Path(f"/proc/{agent_process}/comm").read_text() == "norouter\n"
        async with far.dialled("127.0.0.1", port) as (client, _):
            assert await client.says(b"x" * 500_000)


async def test_comes_up_without_gunzip_and_home(tmp_path: Path, place: Path) -> None:
    command = host(tmp_path, "dash", "head", home=False)
    async with agent(NativeAgent(command, TIMING, (f"{tmp_path}/none", str(place)))) as far:
        assert await far.link.resolve("localhost")
        assert os.listdir(place) == []


async def test_a_host_of_a_mesh_without_a_python(tmp_path: Path) -> None:
    web = relayed("web", cmd=host(tmp_path, "dash", "head"))
    async with echoing() as port:
        options = replace(web.options, agent=AgentMode.NATIVE, ports=(forward(port),))
        async with mesh(local(), replace(web, options=options)) as made:
            assert made.host("web").agent.startswith("Go ")
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")


async def test_a_slow_link_shows_the_progress(tmp_path: Path, place: Path) -> None:
    steps: list[Step] = []
    slow = (sys.executable, PACER, "70000", "--", *host(tmp_path, "dash", "head", "gunzip"))
    bootstrap = NativeAgent(slow, TIMING, (str(place),))
    async with agent(bootstrap, progress=steps.append):
        received = [step.received for step in steps if step.size]
        assert received == sorted(received) and len(received) > 4
        assert received[-1] == steps[-1].size


async def test_a_link_that_stalls(tmp_path: Path, place: Path) -> None:
    command = (sys.executable, PACER, "70000", "300000", "--", *host(tmp_path, "dash", "head"))
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(NativeAgent(command, replace(TIMING, transfer=0.5), (str(place),))):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    problem = diagnose(error.evidence)
    assert problem.kind is ProblemKind.TIMEOUT
    assert "the agent did not arrive" in problem.message
    assert os.listdir(place) == []


# --- where it may lie

PROC = {"with /proc": "true", "without /proc": NO_PROC}


@pytest.mark.parametrize("proc", PROC.values(), ids=PROC)
async def test_goes_on_to_a_directory_that_allows_execution(
    tmp_path: Path, place: Path, proc: str
) -> None:
    noexec = tmp_path / "noexec"
    noexec.mkdir()
    setup = f"mount -t tmpfs -o noexec none {noexec}; {proc}"
    command = behind(setup, host(tmp_path, "busybox", "head", "gunzip", "ls"))
    places = tuple(map(str, (noexec, place)))
    async with agent(NativeAgent(command, TIMING, places)) as far:
        assert far.link.hello.implementation == "Go"
        assert os.listdir(place) == []
        (shell,) = far.processes()
        left = Path(f"/proc/{shell}/root{noexec}")
        assert os.listdir(left) == []


async def test_goes_on_to_a_directory_with_room(tmp_path: Path, place: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    setup = f"mount -t tmpfs -o size=1m none {full}"
    command = behind(setup, host(tmp_path, "dash", "head", "gunzip"))
    async with agent(NativeAgent(command, TIMING, (str(full), str(place)))) as far:
        assert far.link.hello.implementation == "Go"


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "zsh"])
async def test_lies_in_memory_if_no_directory_will_do(tmp_path: Path, shell: str) -> None:
    read_only = tmp_path / "read-only"
    read_only.mkdir()
    setup = f"mount -t tmpfs -o ro none {read_only}"
    command = behind(setup, host(tmp_path, shell, "head", "gunzip", "perl"))
    async with agent(NativeAgent(command, TIMING, (str(read_only),))) as far:
        assert far.link.hello.implementation == "Go"
        assert far.stderr == []


async def test_is_copied_to_memory_if_no_directory_allows_execution(
    tmp_path: Path, place: Path
) -> None:
    setup = f"mount -t tmpfs -o noexec none {place}"
    command = behind(setup, host(tmp_path, "dash", "head", "gunzip", "perl"))
    async with agent(NativeAgent(command, TIMING, (str(place),))) as far:
        assert far.link.hello.implementation == "Go"


async def test_says_what_was_tried_where(tmp_path: Path) -> None:
    names = "none", "read-only", "noexec", "full"
    none, read_only, noexec, full = places = [tmp_path / name for name in names]
    for each in places[1:]:
        each.mkdir()
    setup = (
        f"mount -t tmpfs -o ro none {read_only}; mount -t tmpfs -o noexec none {noexec}; "
        f"mount -t tmpfs -o size=1m none {full}"
    )
    command = behind(setup, host(tmp_path, "dash", "head", "gunzip"))
    problem = await failure(command, *places, none)
    assert problem.message.count(f"{none}: Directory nonexistent") == 1
    assert f"{read_only}: Read-only file system" in problem.message
    assert f"{noexec}: cannot execute (exit status 126: Permission denied)" in problem.message
    assert f"{full}: no room for " in problem.message
    assert problem.stderr == ()


async def test_a_machine_that_no_native_agent_is_built_for(tmp_path: Path, place: Path) -> None:
    command = behind(NO_PROC, host(tmp_path, "dash", "head"))
    uname = tmp_path / "bin/uname"
    uname.unlink()
    uname.write_text('#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo mips64\n')
    uname.chmod(0o755)
    problem = await failure(command, place)
    assert "there is no native agent for Linux on mips64" in problem.message


async def test_an_architecture_that_uname_does_not_tell(tmp_path: Path, place: Path) -> None:
    command = host(tmp_path, "dash", "head", "gunzip")
    (tmp_path / "bin/uname").unlink()
    (tmp_path / "bin/uname").symlink_to("/bin/true")
    async with agent(NativeAgent(command, TIMING, (str(place),))) as far:
        assert far.link.hello.implementation == "Go"
