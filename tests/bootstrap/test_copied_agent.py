"""The agent is copied by an engine's own commands, here those of a small stand-in for docker.

`tests/transports/test_without_shell.py` does the same with real engines.
"""

from __future__ import annotations

import asyncio
import platform
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from norouter_core.bootstrap.base import Progress, StartFailed, Step
from norouter_core.bootstrap.copied_agent import CopiedAgent
from norouter_core.bootstrap.native_program import Platform
from norouter_core.engine.status import HostState
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.fallback import engine_container
from norouter_core.exec_commands.problem import HostProblem, ProblemKind
from norouter_core.model import AgentMode
from norouter_core.timing import Timing
from tests.agent.agents import TIMING, agent
from tests.engine.meshes import forward, local, mesh, relayed
from tests.native import native_agent
from tests.servers import TIMEOUT, connect, echoing, eventually
from tests.session.sessions import talk

pytestmark = pytest.mark.anyio

DOCKER = """\
#!/bin/sh
echo "$*" >>"$LOG"
case "$*" in
"container inspect web") cat <<END
[{{"Image": "sha256:1", "Config": {{"User": "{user}"}}, "State": {{"Status": "{state}"}}}}]
END
;;
"image inspect sha256:1") echo '[{{"Os": "linux", "Architecture": "{machine}"}}]';;
"cp - web:/") {copy};;
"exec -i web sh") echo 'OCI runtime exec failed: exec: "sh": not found'; exit 126;;
"exec -i web "*) {exec};;
"exec -i -u 0 web "*) shift 5; {hang}rm -f "$ROOT$1";;
esac
"""
# The stand-in has no root directory of its own, so the paths in it get a directory in front.
EXEC = 'shift 3; {start} "$ROOT$1" agent --automated --remove "{remove}$1"'

HANG = "[ -e $LOG.hung ] || { >$LOG.hung; exec sleep 60; }; "
"""The first removal hangs, the second one works."""
HASTY = replace(TIMING, removal=0.1)


@dataclass(frozen=True)
class Docker:
    """A `docker` with one container, whose root directory is `root`."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def cmd(self) -> tuple[str, ...]:
        return (str(self.folder / "docker"), "exec", "-i", "web")

    def write(
        self,
        *,
        state: str = "running",
        user: str = "",
        machine: str = "",
        copy: str = "tar -xz -C $ROOT",
        remove: str = "$ROOT",
        start: str = "exec",
        hang: str = "",
    ) -> None:
        machine = machine or Platform.of(platform.system(), platform.machine()).architecture
        run = EXEC.format(start=start, remove=remove)
        text = DOCKER.format(
            state=state, user=user, machine=machine, copy=copy, exec=run, hang=hang
        )
        program = self.folder / "docker"
        program.write_text(text)
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    if platform.system() != "Linux":
        pytest.skip("containers run Linux, and so has this machine to")
    made = Docker(tmp_path)
    made.root.mkdir()
    monkeypatch.setenv("ROOT", str(made.root))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return made


@pytest.mark.parametrize(
    ("user", "remove", "removed_by_root"),
    [("", "$ROOT", False), ("root:root", "$ROOT", False), ("12345", "/none", True)],
    ids=["image's root", "root", "nameless"],
)
async def test_a_host_of_a_mesh_without_a_shell(
    docker: Docker, user: str, remove: str, removed_by_root: bool
) -> None:
    native_agent()
    docker.write(user=user, remove=remove)
    web = relayed("web", cmd=docker.cmd)
    async with echoing() as port:
        web = replace(web, options=replace(web.options, ports=(forward(port),)))
        async with mesh(local(), web) as made:
            assert made.host("web").agent.startswith("Go ")
            assert made.host("web").agent_copied
            assert list(docker.root.iterdir()) == []
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
    assert any("-u 0" in call for call in docker.calls) is removed_by_root


def bootstrap_of(docker: Docker, timing: Timing = TIMING) -> CopiedAgent:
    container = engine_container((*docker.cmd, "sh"))
    assert container is not None
    return CopiedAgent((*docker.cmd, "sh"), container, timing)


def noting(notes: list[str]) -> Progress:
    """Return what appends the notes of a start to a list."""

    def take(step: Step) -> None:
        if step.note:
            notes.append(step.note)

    return take


async def test_a_command_for_a_host_without_a_shell(docker: Docker) -> None:
    native_agent()
    docker.write()
    async with talk(local("hub"), relayed("web", cmd=docker.cmd)) as say:
        outcome = await say("exec web -- /sleeper 'a b'")
        assert outcome.failure is not None and say.said == []
        assert outcome.failure.message == "web has no shell, which `exec` needs"
        own = f"{shlex.join(docker.cmd)} /sleeper 'a b'"
        assert outcome.failure.hint == f"run it without norouter: {own}"


async def test_a_host_that_allows_only_python(docker: Docker) -> None:
    docker.write()
    web = relayed("web", cmd=docker.cmd)
    web = replace(web, options=replace(web.options, agent=AgentMode.PYTHON))
    async with mesh(local(), web, wait=False) as made:
        await eventually(lambda: made.host("web").state is HostState.FAILED, "the failure")
        problem = made.host("web").problem
        assert problem is not None and problem.hint.startswith("remove `agent: python`, ")
    assert all(call.startswith("exec ") for call in docker.calls)


async def failure(docker: Docker) -> HostProblem:
    """Return why the copied agent does not come up."""
    with pytest.raises(ExceptionGroup) as failed:
        async with agent(bootstrap_of(docker)):
            pass
    (error,) = failed.value.exceptions
    assert isinstance(error, StartFailed)
    assert list(docker.root.iterdir()) == []
    return diagnose(error.evidence)


@pytest.mark.parametrize(
    ("copy", "message"),
    [
        ("echo 'Error: container rootfs is marked read-only' >&2; exit 1", "is read-only"),
        ("echo 'Error: no space left on device' >&2; exit 1", "no space left on device"),
    ],
)
async def test_the_engine_cannot_copy(docker: Docker, copy: str, message: str) -> None:
    native_agent()
    docker.write(copy=f"cat >/dev/null; {copy}")
    problem = await failure(docker)
    assert problem.kind == ProblemKind.NO_SHELL
    assert problem.message.startswith("`sh` not found in the container `web`, and ")
    assert message in problem.message


async def test_a_mesh_says_why_nothing_could_be_copied(docker: Docker) -> None:
    native_agent()
    docker.write(copy="cat >/dev/null; echo 'container rootfs is marked read-only' >&2; exit 1")
    async with mesh(local(), relayed("web", cmd=docker.cmd), wait=False) as made:
        await eventually(lambda: made.host("web").state is HostState.FAILED, "it gives up")
        assert made.host("web").agent_copied
        problem = made.host("web").problem
        assert problem is not None
        assert "the root file system is read-only" in problem.message
        assert problem.instead.endswith("docker run -i --rm --network container:web busybox")


async def test_no_agent_for_that_machine(docker: Docker) -> None:
    docker.write(machine="mips64")
    problem = await failure(docker)
    assert problem.message == (
        "`sh` not found in the container `web`, and the native agent cannot be copied there: there "
        "is no native agent for linux-mips64"
    )
    assert problem.permanent


async def test_what_was_copied_and_does_not_start_is_removed(docker: Docker) -> None:
    """As with a container that is stopped in between."""
    native_agent()
    docker.write(start="exit 137;")
    problem = await failure(docker)
    assert problem.kind == ProblemKind.NO_SHELL
    assert docker.calls[-1].startswith("exec -i -u 0 web /.norouter-")


async def test_an_engine_that_hangs_while_it_removes_does_not_block_a_start(
    docker: Docker,
) -> None:
    native_agent()
    docker.write(user="12345", remove="/none", hang=HANG)
    notes: list[str] = []
    progress = noting(notes)
    async with asyncio.timeout(TIMEOUT), agent(bootstrap_of(docker, HASTY), progress=progress):
        assert "does not end within 0.1 s" in notes[-1]
        assert len(list(docker.root.iterdir())) == 1


async def test_an_engine_that_hangs_does_not_block_a_start_that_failed(
    docker: Docker,
) -> None:
    native_agent()
    docker.write(start="exit 137;", hang=HANG)
    notes: list[str] = []
    async with asyncio.timeout(TIMEOUT):
        with pytest.raises(ExceptionGroup):
            async with agent(bootstrap_of(docker, HASTY), progress=noting(notes)):
                pass
    assert "does not end within 0.1 s" in notes[-1]
    assert "norouter removes it at the next start" in notes[-1]


async def test_the_next_start_removes_a_copy_that_could_not_be_removed(docker: Docker) -> None:
    native_agent()
    docker.write(user="12345", remove="/none", hang=HANG)
    async with agent(bootstrap_of(docker, HASTY)):
        (left,) = docker.root.iterdir()
    docker.write()
    async with agent(bootstrap_of(docker)):
        assert list(docker.root.iterdir()) == []
    calls = [call for call in docker.calls if "-u 0" in call]
    async with agent(bootstrap_of(docker)):
        pass
    assert [call for call in docker.calls if "-u 0" in call] == calls
    assert [left.name in call for call in calls] == [True, True]


@pytest.mark.parametrize(
    ("state", "message", "hint"),
    [
        ("exited", "is not running (its state: exited)", "docker start web"),
        ("paused", "is paused", "docker unpause web"),
    ],
)
async def test_a_container_that_does_not_run_gets_no_copy(
    docker: Docker, state: str, message: str, hint: str
) -> None:
    docker.write(state=state)
    problem = await failure(docker)
    assert problem.kind == ProblemKind.CONTAINER_NOT_RUNNING
    assert problem.message == f"the container `web` {message}"
    assert problem.hint.endswith(hint)
    assert not problem.permanent
    assert docker.calls == ["container inspect web"]


async def test_a_start_that_is_cancelled_while_it_removes_leaves_no_copy(docker: Docker) -> None:
    native_agent()
    docker.write(user="12345", remove="/none", hang=HANG)

    async def start() -> None:
        async with agent(bootstrap_of(docker)):
            raise AssertionError("the removal does not end")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await eventually((docker.folder / "log.hung").exists, "the removal begins")
        assert len(list(docker.root.iterdir())) == 1
        tasks.cancel_scope.cancel()
    assert list(docker.root.iterdir()) == []
