"""What there is to be joined, asked of programs that stand in for engines of containers."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from norouter_core.exec_commands.discovery import MAX_NAMES, Discovery, ssh_hosts
from tests.engine.meshes import children
from tests.servers import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but for the shell and `sleep`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "sleep"):
        os.symlink(f"/bin/{name}", folder / name)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho called >> {folder}/{name}.calls\n{body}\n")
    path.chmod(0o755)


def calls(folder: Path, name: str) -> int:
    path = folder / f"{name}.calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


async def test_containers_complete_an_exec_command(programs: Path) -> None:
    program(programs, "docker", r"printf 'web\tnginx:1\ndb,x\tpostgres\n\033[31m\tred\n'")
    asked = Discovery()
    assert await asked.commands(()) == [("docker", "a container")]
    assert await asked.commands(("docker",)) == [("exec", "run something in a container")]
    names = [("web", "nginx:1"), ("db", "postgres")]
    assert await asked.commands(("sudo", "-n", "docker", "exec", "-i")) == names
    assert ("-i", "pass stdin on") in await asked.commands(("docker", "exec"))
    assert await asked.commands(("docker", "exec", "-i", "-u", "root")) == names
    assert await asked.commands(("docker", "exec", "-i", "-u")) == []
    assert await asked.commands(("ssh", "far", "docker", "exec", "-i")) == []
    assert await asked.commands(("docker", "exec", "-i", "web")) == []
    assert calls(programs, "docker") == 1


async def test_each_program_is_asked_once_at_a_time_and_remembered(programs: Path) -> None:
    program(programs, "podman", "sleep 0.1\necho web")
    asked = Discovery()
    many = [asked.commands(("podman", "exec", "-i")) for _ in range(5)]
    assert set(map(tuple, await asyncio.gather(*many))) == {(("web", ""),)}
    assert calls(programs, "podman") == 1
    asked = Discovery(lifetime=0.0)
    for _ in range(2):
        await asked.commands(("podman", "exec", "-i"))
    assert calls(programs, "podman") == 3


async def test_a_program_that_hangs_is_given_up(programs: Path) -> None:
    program(programs, "lxc", "echo first\nsleep 60 &\nsleep 60")
    program(programs, "kubectl", "echo 'pod Running'")
    begun = time.monotonic()
    hosts = await Discovery(programs / "none", timeout=0.3).hosts()
    assert time.monotonic() - begun < 10
    assert hosts == [
        ("lxc exec first --", "instance"),
        ("kubectl exec -i pod --", "pod Running"),
    ]
    await eventually(lambda: not children(), "nothing is left of it")


async def test_a_program_that_fails_or_floods_names_nothing_of_use(programs: Path) -> None:
    program(programs, "docker", "echo no daemon >&2\nexit 1")
    program(programs, "podman", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done")
    asked = Discovery()
    assert await asked.commands(("docker", "exec", "-i")) == []
    names = await asked.commands(("podman", "exec", "-i"))
    assert len(names) <= MAX_NAMES
    await eventually(lambda: not children(), "nothing is left of it")


async def test_who_gives_up_leaves_the_answer_to_the_next(programs: Path) -> None:
    program(programs, "docker", "sleep 0.3\necho web")
    asked = Discovery()
    question = asyncio.ensure_future(asked.commands(("docker", "exec", "-i")))
    await eventually(lambda: calls(programs, "docker"), "it is asked")
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    assert await asked.commands(("docker", "exec", "-i")) == [("web", "")]
    assert calls(programs, "docker") == 1


async def test_closing_waits_for_what_is_asked(programs: Path) -> None:
    program(programs, "docker", "sleep 60")
    asked = Discovery(timeout=0.3)
    question = asyncio.ensure_future(asked.commands(("docker", "exec", "-i")))
    await eventually(lambda: calls(programs, "docker"), "it is asked")
    await asked.close()
    assert not children()
    assert await question == []


def test_hosts_of_ssh_and_of_what_it_includes(tmp_path: Path) -> None:
    config, more = tmp_path / "config", tmp_path / "more"
    config.write_text(
        f"# mine\nHost web db  # two\n  User me\nhost=eq\nHost *.example.com !not\n"
        f"Include {tmp_path}/mo*\nMatch host x\nHost 'quoted\nInclude {config}\n"
    )
    more.write_text("Host far\n")
    names = list(dict.fromkeys(name for name, _ in ssh_hosts(config)))
    assert names == ["web", "db", "eq", "far"]


def test_no_configuration_is_no_trouble(tmp_path: Path) -> None:
    assert list(ssh_hosts(tmp_path / "none")) == []


async def test_hosts_of_ssh_complete_a_command(programs: Path, tmp_path: Path) -> None:
    program(programs, "ssh", "")
    config = tmp_path / "config"
    config.write_text("Host db\n")
    asked = Discovery(ssh_config=config)
    assert await asked.commands(("ssh",)) == [("db", "ssh host")]
    assert await asked.commands(("ssh", "-i")) == []
    assert ("ssh db", "ssh host") in await asked.hosts()
