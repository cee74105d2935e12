"""Where sockets lie, who may reach them, and what becomes of those that were left."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from norouter_core import private_sockets
from norouter_core.control import ControlLost, ListenError, RemoteClient, discover
from norouter_core.private_sockets import not_private, socket_directories, socket_path
from tests.control.raw_clients import RawClient, command, served

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


async def test_engines_that_run_are_found_and_asked() -> None:
    assert await discover() == []
    async with served(manifest="/x/mesh.yaml") as one:
        (found,) = await discover()
        assert (found.pid, found.name, found.path) == (os.getpid(), "mesh", one.path)
        assert found.manifest == os.path.abspath("a.yaml"), (
            "that of the session, which may have been saved since"
        )
        assert found.summary is not None and found.summary.hosts == 3
        async with served(manifest="other.yaml"):
            assert [each.name for each in await discover()] == ["mesh", "other"]


async def test_what_a_killed_engine_left_is_swept_up(runtime: Path) -> None:
    folder = runtime / "norouter"
    folder.mkdir(mode=0o700)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = folder / f"{ended.pid}-mesh.sock"
    mine = folder / f"{os.getpid()}-young.sock"
    for path in (left, mine):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(os.fspath(path))
    (folder / "notes.txt").write_text("not ours")
    (folder / "x-y.sock").write_text("not ours either")
    assert await discover() == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [mine.name, "notes.txt", "x-y.sock"]
    ), "one whose process runs may be about to listen"
    os.utime(mine, (1, 1))
    assert await discover() == []
    assert not mine.exists()


async def test_a_process_finds_its_own_name_taken_by_one_that_is_no_more(runtime: Path) -> None:
    folder = runtime / "norouter"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fspath(folder / f"{os.getpid()}-mesh.sock"))
    async with served() as server, RemoteClient(server.path) as client:
        assert (await client.run(command("say x"), lambda output: None)).ok


async def test_one_that_does_not_answer_is_listed(runtime: Path) -> None:
    folder = runtime / "norouter"
    folder.mkdir(mode=0o700)
    path = folder / f"{os.getpid()}-stuck.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.fspath(path))
        sock.listen(5)
        (found,) = await discover(answer_timeout=0.1)
        assert (found.name, found.pid, found.summary) == ("stuck", os.getpid(), None)
        assert "no hello" in found.trouble


async def test_something_else_that_listens_there(runtime: Path) -> None:
    path = runtime / "else.sock"

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_unix_server(greet, path):
        with pytest.raises(ControlLost, match="not the socket of a mesh"):
            await RemoteClient(path).__aenter__()
    with pytest.raises(ControlLost, match="No such file"):
        await RemoteClient(runtime / "nothing.sock").__aenter__()


async def test_a_folder_that_others_can_get_at_is_not_used(runtime: Path) -> None:
    folder = runtime / "norouter"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    async with served() as server:
        assert not_private(server.path.parent) == "", "its mode was mended"
    folder.rmdir()
    folder.symlink_to(tempfile.mkdtemp(dir=runtime))
    with pytest.raises(ListenError, match="is not a directory"):
        async with served():
            pass
    folder.unlink()
    folder.write_text("")
    with pytest.raises(ListenError):
        async with served():
            pass


async def test_a_folder_above_that_others_can_rename(runtime: Path) -> None:
    open_to_all = runtime / "open"
    folder = open_to_all / "norouter"
    folder.mkdir(mode=0o700, parents=True)
    assert not_private(folder) == ""
    open_to_all.chmod(0o777)
    assert "is writable by other users" in not_private(folder)
    open_to_all.chmod(0o1777)
    assert not_private(folder) == ""


async def test_a_path_that_is_too_long_for_a_socket(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = runtime / ("x" * 100)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    path = socket_path("mesh")
    assert path.parent == runtime / f"norouter-{os.geteuid()}"
    async with served() as server:
        assert server.path.parent == path.parent
        assert len(await discover()) == 1
    monkeypatch.setenv("TMPDIR", str(long))
    with pytest.raises(ListenError, match="set XDG_RUNTIME_DIR or TMPDIR to a shorter one"):
        async with served():
            pass
    assert len(socket_directories()) == 2


async def test_long_and_odd_names_of_manifests() -> None:
    for manifest in ("x" * 300 + ".yaml", "ü/.yaml", "-", "..", "\x1b[31m.yaml", ""):
        async with served(manifest=manifest) as server:
            assert server.path.name.startswith(f"{os.getpid()}-")
            assert server.path.name.isascii() and len(server.path.name) < 60


async def test_another_user_is_refused() -> None:
    async with served(user=4711) as server:
        raw = await RawClient.connect(server.path)
        assert await raw.rest() == [{"error": {"message": "this mesh belongs to another user"}}]
        await raw.close()
        with pytest.raises(ControlLost, match="belongs to another user"):
            await RemoteClient(server.path, user=4711).__aenter__()


_INTRUDER = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(10)
try:
    sock.connect(sys.argv[1])
except PermissionError:
    print("no entry")
    sys.exit()
said = sock.recv(4096)
try:
    sock.sendall(b'{"id": 1, "run": "exec web -- say I am in"}\\n')
    while data := sock.recv(4096):
        said += data
except OSError:
    pass
print(said.decode())
"""


@pytest.mark.root
async def test_nobody_is_refused_even_when_the_modes_are_opened(runtime: Path) -> None:
    async with served() as server:

        async def intrude() -> str:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _INTRUDER, server.path, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await asyncio.wait_for(process.communicate(), 20)
            return out.decode()

        assert (await intrude()).strip() == "no entry"
        for path in (runtime, server.path.parent, server.path):
            path.chmod(0o777)
        said = await intrude()
        assert "belongs to another user" in said
        assert "I am in" not in said and "hello" not in said


async def test_where_the_system_does_not_tell_the_folder_protects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert private_sockets.peer_uid(one) == os.geteuid()
        monkeypatch.delattr(socket, "SO_PEERCRED")
        assert private_sockets.peer_uid(one) in (None, os.geteuid())
    async with served() as server, RemoteClient(server.path) as client:
        assert (await client.run(command("say x"), lambda output: None)).ok
