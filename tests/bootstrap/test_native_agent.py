"""The native agent is sent to a bare shell, runs, and leaves nothing behind."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.bootstrap.base import StartFailed
from norouter_core.bootstrap.native_agent import NativeAgent
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import ProblemKind
from norouter_core.model import AgentMode
from tests.agent.agents import TIMING, agent
from tests.engine.meshes import forward, local, mesh, relayed
from tests.native import native_agent
from tests.servers import connect, echoing

pytestmark = pytest.mark.anyio

APPLETS = ("uname", "chmod", "cp", "rm", "cat")
SHELLS = {
    "busybox": ("/bin/busybox", "sh"),
    "dash": ("/bin/dash",),
    "bash": ("/bin/bash", "--norc"),
}


@pytest.fixture(autouse=True)
def built() -> None:
    native_agent()


def _host(folder: Path, shell: str, *applets: str) -> tuple[str, ...]:
    """Return the command of a shell with nothing but these programs of busybox."""
    path = folder / "bin"
    path.mkdir()
    for name in (*APPLETS, *applets):
        (path / name).symlink_to("/bin/busybox")
    words = SHELLS[shell]
    if not Path(words[0]).exists():
        pytest.skip(f"no {words[0]} is on this machine")
    return ("env", "-i", f"PATH={path}", f"HOME={folder}", *words)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("reader", [("head",), ("head", "gunzip")], ids=["plain", "packed"])
async def test_comes_up_behind_a_bare_shell(
    tmp_path: Path, shell: str, reader: tuple[str, ...]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    command = _host(tmp_path, shell, *reader)
    bootstrap = NativeAgent(command, TIMING, (f"{tmp_path}/none", str(place)))
    async with agent(bootstrap) as host, echoing() as port:
        assert host.link.hello.implementation == "Go"
        assert os.listdir(place) == []
        async with host.dialled("127.0.0.1", port) as (client, _):
            assert await client.says(b"x" * 500_000)
    assert sorted(os.listdir(tmp_path)) == ["bin", "place"]


async def test_a_host_of_a_mesh_without_a_python(tmp_path: Path) -> None:
    web = relayed("web", cmd=_host(tmp_path, "dash", "head"))
    async with echoing() as port:
        options = replace(web.options, agent=AgentMode.NATIVE, ports=(forward(port),))
        async with mesh(local(), replace(web, options=options)) as made:
            assert made.host("web").agent.startswith("Go ")
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")


async def test_byte_by_byte_where_there_is_no_head(tmp_path: Path) -> None:
    command = _host(tmp_path, "dash", "dd", "gunzip")
    async with agent(NativeAgent(command, TIMING, (str(tmp_path),))) as host:
        assert await host.link.resolve("localhost")
    assert os.listdir(tmp_path) == ["bin"]


async def test_says_what_was_tried_where(tmp_path: Path) -> None:
    command = _host(tmp_path, "dash", "head")
    for name in ("none", "proc"):
        (tmp_path / name).write_text("a file, not a directory")
    with pytest.raises(ExceptionGroup) as failed:
        async with agent(NativeAgent(command, TIMING, (f"{tmp_path}/none", f"{tmp_path}/proc"))):
            pass
    (error,) = failed.value.exceptions
    assert isinstance(error, StartFailed)
    problem = diagnose(error.evidence)
    assert problem.kind is ProblemKind.NO_NATIVE_AGENT
    assert f"{tmp_path}/none: cannot write" in problem.message
