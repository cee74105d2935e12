"""Discovery, with scripts that stand in for container engines."""

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
def bin_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, with nothing but a shell and `sleep` in it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("sh", "sleep"):
        os.symlink(f"/bin/{name}", directory / name)
    monkeypatch.setenv("PATH", str(directory))
    return directory


def write_program(directory: Path, name: str, body: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\necho called >> {directory}/{name}.calls\n{body}\n")
    path.chmod(0o755)


def count_calls(directory: Path, name: str) -> int:
    path = directory / f"{name}.calls"
    return len(path.read_text().splitlines()) if path.exists() else 0


async def test_containers_complete_an_exec_command(bin_directory: Path) -> None:
    write_program(
        bin_directory, "docker", r"printf 'web\tnginx:1\ndb,x\tpostgres\n\033[31m\tred\n'"
    )
    discovery = Discovery()
    assert await discovery.commands(()) == [("docker", "a container")]
    assert await discovery.commands(("docker",)) == [("exec", "run something in a container")]
    names = [("web", "nginx:1"), ("db", "postgres")]
    assert await discovery.commands(("sudo", "-n", "docker", "exec", "-i")) == names
    assert ("-i", "pass stdin on") in await discovery.commands(("docker", "exec"))
    assert await discovery.commands(("docker", "exec", "-i", "-u", "root")) == names
    assert await discovery.commands(("docker", "exec", "-i", "-u")) == []
    assert await discovery.commands(("ssh", "far", "docker", "exec", "-i")) == []
    assert await discovery.commands(("docker", "exec", "-i", "web")) == []
    assert count_calls(bin_directory, "docker") == 1


async def test_each_program_is_asked_once_at_a_time_and_remembered(bin_directory: Path) -> None:
    write_program(bin_directory, "podman", "sleep 0.1\necho web")
    discovery = Discovery()
    many = [discovery.commands(("podman", "exec", "-i")) for _ in range(5)]
    assert set(map(tuple, await asyncio.gather(*many))) == {(("web", ""),)}
    assert count_calls(bin_directory, "podman") == 1
    discovery = Discovery(lifetime=0.0)
    for _ in range(2):
        await discovery.commands(("podman", "exec", "-i"))
    assert count_calls(bin_directory, "podman") == 3


async def test_a_program_that_hangs_times_out(bin_directory: Path) -> None:
    write_program(bin_directory, "lxc", "echo first\nsleep 60 &\nsleep 60")
    write_program(bin_directory, "kubectl", "echo 'pod Running'")
    begun = time.monotonic()
    hosts = await Discovery(bin_directory / "none", timeout=0.3).hosts()
    assert time.monotonic() - begun < 10
    assert hosts == [
        ("lxc exec first --", "instance"),
        ("kubectl exec -i pod --", "pod Running"),
    ]
    await eventually(lambda: not children(), "nothing is left of it")


async def test_a_program_that_fails_or_floods_names_nothing_of_use(bin_directory: Path) -> None:
    write_program(bin_directory, "docker", "echo no daemon >&2\nexit 1")
    write_program(
        bin_directory, "podman", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"
    )
    discovery = Discovery()
    assert await discovery.commands(("docker", "exec", "-i")) == []
    names = await discovery.commands(("podman", "exec", "-i"))
    assert len(names) <= MAX_NAMES
    await eventually(lambda: not children(), "nothing is left of it")


async def test_a_cancelled_question_leaves_its_answer_to_the_next(bin_directory: Path) -> None:
    write_program(bin_directory, "docker", "sleep 0.3\necho web")
    discovery = Discovery()
    question = asyncio.ensure_future(discovery.commands(("docker", "exec", "-i")))
    await eventually(lambda: count_calls(bin_directory, "docker"), "it is discovery")
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    assert await discovery.commands(("docker", "exec", "-i")) == [("web", "")]
    assert count_calls(bin_directory, "docker") == 1


async def test_closing_waits_for_what_is_asked(bin_directory: Path) -> None:
    write_program(bin_directory, "docker", "sleep 60")
    discovery = Discovery(timeout=0.3)
    question = asyncio.ensure_future(discovery.commands(("docker", "exec", "-i")))
    await eventually(lambda: count_calls(bin_directory, "docker"), "it is discovery")
    await discovery.close()
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


async def test_hosts_of_ssh_complete_a_command(bin_directory: Path, tmp_path: Path) -> None:
    write_program(bin_directory, "ssh", "")
    config = tmp_path / "config"
    config.write_text("Host db\n")
    discovery = Discovery(ssh_config=config)
    assert await discovery.commands(("ssh",)) == [("db", "ssh host")]
    assert await discovery.commands(("ssh", "-i")) == []
    assert ("ssh db", "ssh host") in await discovery.hosts()
