"""Names files that real agents write for an engine, in files of the test."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from norouter_core.agent import files
from norouter_core.agent.blocks import BEGIN
from norouter_core.engine.engine import Engine
from norouter_core.model import HostSpec, MeshSpec, StateDir
from norouter_core.names import files as names_files
from tests.engine.meshes import (
    ROOT,
    TIMING,
    Mesh,
    exec_command,
    host,
    killing_strays,
    local,
    mesh,
    relayed,
)
from tests.names import hub
from tests.servers import eventually

pytestmark = pytest.mark.anyio

# As a person may have left it: no newline at the end.
TEXT = "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost"


@pytest.fixture
def hosts_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that is /etc/hosts for every host of a test."""
    path = tmp_path / "etc" / "hosts"
    path.parent.mkdir()
    path.write_text(TEXT)
    monkeypatch.setattr(names_files, "ETC_HOSTS", str(path))
    return path


def in_etc_hosts(spec: HostSpec) -> HostSpec:
    return replace(spec, options=replace(spec.options, write_etc_hosts=True))


def in_directory(spec: HostSpec, directory: Path | str, disable: bool | None = None) -> HostSpec:
    options = replace(spec.options, state_dir=StateDir(str(directory), disable))
    return replace(spec, options=options)


def blocks(path: Path) -> int:
    return path.read_text().count(f"{BEGIN}\n")


async def holds(path: Path, *parts: str) -> None:
    def true() -> bool:
        text = path.read_text() if path.exists() else ""
        return all(part in text for part in parts)

    await eventually(true, f"{path.name} holds {parts}")


async def lacks(path: Path, part: str) -> None:
    await eventually(lambda: part not in path.read_text(), f"{path.name} has lost {part}")


async def test_a_state_dir_holds_the_names_and_what_the_user_had(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("old old.example.org\nWEB elsewhere.example.org\n")
    command = exec_command("env", f"HOSTALIASES={mine}", f"STATE={tmp_path}")
    web = in_directory(relayed("web", cmd=command), "${STATE}/deep/state/")
    web = replace(web, aliases=("www.mesh",))
    there = tmp_path / "deep" / "state"
    async with mesh(local(), web) as made:
        await holds(there / "README", "for the host web of a mesh", f"{there.name}/hostaliases")
        assert f"{web.vip}\tweb www.mesh\n" in (there / "hosts").read_text()
        aliases = (there / "hostaliases").read_text()
        assert f"web {web.vip}.nip.io\n" in aliases and "old old.example.org\n" in aliases
        assert "elsewhere" not in aliases
        # It follows the mesh.
        more = relayed("more")
        await made.apply(MeshSpec((local(), web, more)))
        await holds(there / "hosts", f"{more.vip}\tmore\n")
        await holds(there / "hostaliases", f"more {more.vip}.nip.io\n", "old old.example.org\n")
        await made.apply(MeshSpec((local(), web)))
        await lacks(there / "hosts", "more")
        assert sorted(os.listdir(there)) == ["README", "hostaliases", "hosts"]
    assert os.listdir(tmp_path) == ["mine"]


async def test_a_state_dir_that_is_not_wanted_is_not_made(tmp_path: Path) -> None:
    quiet, other = (
        in_directory(local(), tmp_path / "a", True),
        in_directory(host("b"), tmp_path / "b"),
    )
    async with mesh(quiet, other):
        await holds(tmp_path / "b" / "README", "host b")
        assert os.listdir(tmp_path) == ["b"]


async def test_the_usual_state_dir_is_in_the_home_of_each_host(tmp_path: Path) -> None:
    async with mesh(host("web", cmd=exec_command("env", f"HOME={tmp_path}"))):
        await holds(tmp_path / ".norouter" / "agent" / "README", "host web")
    assert os.listdir(tmp_path) == []


async def test_hosts_that_share_a_home_keep_the_files_until_the_last_ends(tmp_path: Path) -> None:
    one, two = (in_directory(relayed(x), tmp_path / ".norouter" / "agent") for x in ("one", "two"))
    here = tmp_path / ".norouter" / "agent"
    async with mesh(one, two) as made:
        await all_done(made, "one", "two")
        # Either one may have written last.
        for left in ("one", "two"):
            await made.engine.stop_host(left)
            assert sorted(os.listdir(here)) == ["README", "hostaliases", "hosts"]
            await made.engine.start_host(left)
            await made.ready()
            await all_done(made, left)
    assert os.listdir(tmp_path) == []


async def test_the_hosts_file_is_put_back_to_the_byte(hosts_file: Path) -> None:
    first, web = local(), in_etc_hosts(relayed("web"))
    async with mesh(first, web) as made:
        await holds(hosts_file, TEXT, f"{web.vip}\tweb\n", f"{first.vip}\thub\n")
        assert hosts_file.with_name("hosts.bak.norouter").read_text() == TEXT
        await made.apply(MeshSpec((first, web, relayed("more"))))
        await holds(hosts_file, "\tmore\n")
        assert blocks(hosts_file) == 1
        # Live: what is no longer wanted goes, and comes again.
        plain = replace(web, options=replace(web.options, write_etc_hosts=False))
        await made.apply(MeshSpec((first, plain)))
        await eventually(lambda: hosts_file.read_text() == TEXT, "it is put back")
        await made.apply(MeshSpec((first, web)))
        await holds(hosts_file, "\tweb\n")
        await made.engine.stop_host("web")
        assert hosts_file.read_text() == TEXT
        await made.engine.start_host("web")
        await holds(hosts_file, "\tweb\n")
        await made.apply(MeshSpec((first,)))
        assert hosts_file.read_text() == TEXT
    assert hosts_file.read_text() == TEXT
    assert os.listdir(hosts_file.parent) == ["hosts"]


async def test_hosts_that_share_the_file_do_not_take_each_others_names(hosts_file: Path) -> None:
    one, two, three = (in_etc_hosts(x) for x in (local("one"), local("two"), relayed("three")))
    async with mesh(one, two, three) as made:
        await eventually(lambda: blocks(hosts_file) == 3, "each has its own")
        for left in ((two, three), (three,)):
            await made.apply(MeshSpec(left))
            await eventually(lambda: blocks(hosts_file) == len(left), "one is gone")  # noqa: B023  # waited for
            await lacks(hosts_file, "\tone\n")
            await holds(hosts_file, f"{three.vip}\tthree\n")
    assert hosts_file.read_text() == TEXT


async def test_an_agent_that_was_killed_leaves_nothing_for_long(hosts_file: Path) -> None:
    web = in_etc_hosts(relayed("web"))
    async with mesh(local(), web) as made:
        await holds(hosts_file, "\tweb\n")
        before = hosts_file.read_text()
        os.kill(made.pid("web"), signal.SIGKILL)
        await made.was_lost("web")
        await made.ready()
        await eventually(lambda: hosts_file.read_text() != before, "a new agent has written")
        await holds(hosts_file, "\tweb\n")
        assert blocks(hosts_file) == 1
    assert hosts_file.read_text() == TEXT


@contextmanager
def a_hub(hosts_file: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """One in a process of its own, that has the names written: on this machine, and once more by
    the agent behind a command, if there is one."""
    words = [sys.executable, hub.__file__, str(hosts_file), *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with killing_strays(), subprocess.Popen(words, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_the_agents_of_a_killed_hub_take_their_blocks_away(hosts_file: Path) -> None:
    with a_hub(hosts_file, *exec_command()) as process:
        await eventually(lambda: blocks(hosts_file) == 2, "both hosts have written")
        process.kill()
        # The hub's own block goes too if it is dead by then, or with the next mesh.
        await lacks(hosts_file, "# (by that ")
    async with mesh(local()):
        await eventually(lambda: hosts_file.read_text() == TEXT, "the file is put back")


@pytest.mark.parametrize("again", ["with the names", "without them"])
async def test_what_a_killed_hub_left_goes_with_the_next(hosts_file: Path, again: str) -> None:
    with a_hub(hosts_file) as process:
        await holds(hosts_file, "127.0.41.1\tthis\n")
        process.kill()
        process.wait()
    assert blocks(hosts_file) == 1
    next_one = in_etc_hosts(local()) if again == "with the names" else local()
    async with mesh(next_one):
        await lacks(hosts_file, "127.0.41.1\tthis")
        await eventually(
            lambda: blocks(hosts_file) == (1 if again == "with the names" else 0), "only its own"
        )
    assert hosts_file.read_text() == TEXT


@pytest.mark.parametrize("end", ["waits", "is cancelled"])
async def test_a_file_that_somebody_has_locked_holds_up_nothing(
    hosts_file: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCK_ATTEMPTS", 500)
    async with mesh(local()) as made:
        link = made.engine.link("hub")
        assert link is not None
        with hosts_file.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(link.write, str(hosts_file), "10.0.0.1 web", "block", "hub")
                await asyncio.sleep(0.1)
                assert blocks(hosts_file) == 0  # the engine goes on, and the file has to wait
                if end == "is cancelled":
                    tasks.cancel_scope.cancel()
                fcntl.flock(file, fcntl.LOCK_UN)
        # Nothing is still to come that would undo what is done next.
        assert blocks(hosts_file) == 1
        await link.write(str(hosts_file), "", "remove-block", "hub")
        assert hosts_file.read_text() == TEXT


async def test_a_living_mesh_keeps_its_names_when_another_comes_and_goes(hosts_file: Path) -> None:
    with a_hub(hosts_file, *exec_command()):
        await eventually(lambda: blocks(hosts_file) == 2, "both hosts have written")
        before = hosts_file.read_text()
        async with Engine(TIMING) as engine:
            await engine.apply(MeshSpec((in_etc_hosts(local("another")),)))
            await holds(hosts_file, "\tanother\n", "127.0.41.1\tthis\n")
        assert hosts_file.read_text() == before


async def test_what_cannot_be_written_is_told_once_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names_files, "ETC_HOSTS", str(tmp_path / "none" / "hosts"))
    (tmp_path / "file").write_text("not a directory")
    web = in_etc_hosts(in_directory(relayed("web"), tmp_path / "file" / "x"))
    async with mesh(local(), web) as made:
        for part, hint in (("none/hosts", "writeEtcHosts: false"), ("file/x", "pathOnAgent")):
            line = await made.log_says(part)
            assert (line.level, line.host) == ("warning", "web")
            assert hint in line.text
        await made.apply(MeshSpec((local(), web, relayed("more"))))
        await made.engine.restart("web")
        await made.ready()
        await all_done(made, "web", "more")
        logged = [line for line in made._log if str(tmp_path) in line.text]
        assert not logged, logged


async def test_a_state_dir_that_is_belongs_to_somebody_costs_nothing(tmp_path: Path) -> None:
    for name in ("hosts", "README"):
        tmp_path.joinpath(name).write_text(TEXT)
    async with mesh(local(), in_directory(relayed("web"), tmp_path)) as made:
        line = await made.log_says(f"{tmp_path}/hosts: the file exists")
        assert line.level == "warning" and "set a writable directory" in line.text
        await holds(tmp_path / "hostaliases", "web")
        await all_done(made, "web")
        for name in ("hosts", "README"):
            assert tmp_path.joinpath(name).read_text() == TEXT
        # The cause is the same.
        assert not [line for line in made._log if f"{tmp_path}/README" in line.text]
        # Its own it goes on writing.
        await made.apply(MeshSpec((*made.engine.spec.hosts, relayed("more"))))
        await holds(tmp_path / "hostaliases", "more")
    assert sorted(os.listdir(tmp_path)) == ["README", "hosts"]


async def all_done(made: Mesh, *names: str) -> None:
    """Wait until these hosts have written their files."""
    for name in names:
        written = made.engine._supervisors[name].names
        await eventually(lambda: not written.is_busy, f"{name} has its files")  # noqa: B023  # waited for
    made.events()


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="needs root, unshare")
async def test_the_system_resolves_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a mount namespace, where /etc is a copy of the test's own, so that the backup is too, and
    /etc/hosts a mount in it, as a container's is."""
    own, etc = tmp_path / "hosts", tmp_path / "etc"
    own.write_text(TEXT)
    etc.mkdir()
    etc.joinpath("hosts").touch()
    etc.joinpath("nsswitch.conf").write_text("hosts: files\n")
    real = Path("/etc/hosts").read_bytes()
    backup = Path("/etc/hosts.bak.norouter")
    before = backup.exists()
    monkeypatch.setattr(names_files, "ETC_HOSTS", "/etc/hosts")
    inner = f'mount --bind {etc} /etc && mount --bind {own} /etc/hosts && exec "$@"'
    enter = ("unshare", "-m", "--propagation", "private", "sh", "-c", inner, "sh")
    web = in_etc_hosts(relayed("web", cmd=(*enter, *exec_command())))
    async with mesh(web) as made:
        await holds(own, f"{web.vip}\tweb\n")
        pid = made.pid("web")
        found = await asyncio.create_subprocess_exec(
            *("nsenter", "-m", "-t", str(pid), "getent", "hosts", "web"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await found.communicate()
        assert out.split() == [web.vip.encode(), b"web"]
        assert etc.joinpath("hosts.bak.norouter").read_text() == TEXT
    assert own.read_text() == TEXT
    assert Path("/etc/hosts").read_bytes() == real and backup.exists() == before
