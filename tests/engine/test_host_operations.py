"""A ping, a look-up, a command: on a host, beside what the mesh does."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path

import psutil
import pytest

from norouter_core.engine.engine import Engine
from norouter_core.links.base import OperationError
from norouter_core.model import HostSpec
from tests.engine.meshes import Mesh, children, exec_command, host, local, mesh, relayed
from tests.servers import eventually

pytestmark = pytest.mark.anyio

Hosts = tuple[HostSpec, ...]


class Heard:
    """What a command said, by where."""

    def __init__(self) -> None:
        self.said: dict[str, bytearray] = defaultdict(bytearray)

    def __call__(self, source: str, data: bytes) -> None:
        self.said[source] += data

    def text(self, source: str = "stdout") -> str:
        return self.said[source].decode()


async def run(engine: Engine, name: str, *argv: str) -> tuple[int, str, str]:
    heard = Heard()
    async with asyncio.timeout(20):
        status = await engine.exec(name, argv, heard)
    return status, heard.text(), heard.text("stderr")


JOINED = ("sh", "-c", 'exec sh -c "$*"', "joined")
"""As ssh does: a shell there reads the words, joined by spaces."""


@pytest.fixture(params=["this machine", "handed on", "joined"])
def hosts(request: pytest.FixtureRequest) -> Hosts:
    if request.param == "this machine":
        return (local("one"),)
    words = JOINED if request.param == "joined" else ()
    return (local(), host("one", cmd=exec_command(*words)))


async def test_a_command_gets_its_words_as_they_are(hosts: Hosts) -> None:
    awkward = ["a b", "$HOME", "it's", '"', "*", "", "\\n", "zwei\nZeilen", "ünï", "{c}", "-n"]
    code = "import sys; sys.stdout.write(repr(sys.argv[1:]))"
    async with mesh(*hosts) as made:
        status, out, err = await run(made.engine, "one", sys.executable, "-c", code, *awkward)
        assert (status, out, err) == (0, repr(awkward), "")


async def test_exit_status_stderr_and_an_empty_stdin(hosts: Hosts) -> None:
    async with mesh(*hosts) as made:
        script = "cat; echo out > /dev/stdout; echo err >&2; exit 7"
        assert await run(made.engine, "one", "sh", "-c", script) == (7, "out\n", "err\n")
        assert (await run(made.engine, "one", "sh", "-c", "kill -9 $$"))[0] == 137
        assert (await run(made.engine, "one", "true"))[0] == 0
        with pytest.raises(ValueError):
            await made.engine.exec("one", [], Heard())
        with pytest.raises(ValueError):
            await made.engine.exec("one", ["a\0b"], Heard())


async def test_much_output_is_whole(hosts: Hosts) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20000)"
    heard = Heard()
    async with mesh(*hosts) as made, asyncio.timeout(20):
        assert await made.engine.exec("one", [sys.executable, "-c", code], heard) == 0
    assert heard.said["stdout"] == bytes(range(256)) * 20000


async def test_cancelling_ends_the_command_there(hosts: Hosts, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"echo $$ > {mark}; echo up; exec sleep 1000"
    async with mesh(*hosts) as made:
        heard = Heard()
        running = asyncio.ensure_future(made.engine.exec("one", ["sh", "-c", script], heard))
        await eventually(lambda: heard.text() == "up\n", "it runs, and what it says is passed on")
        pid = int(mark.read_text())
        started = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert time.monotonic() - started < 1.5
        await eventually(lambda: not psutil.pid_exists(pid), "it is gone")


async def test_what_a_command_leaves_behind_holds_nobody_up(hosts: Hosts) -> None:
    async with mesh(*hosts) as made:
        started = time.monotonic()
        status, out, _ = await run(made.engine, "one", "sh", "-c", "sleep 1000 & echo started")
        assert (status, out) == (0, "started\n")
        assert time.monotonic() - started < 5


async def test_a_command_that_is_not_there() -> None:
    async with mesh(local(), host("web"), host("bad", cmd=("/no/such",)), wait=False) as made:
        status, _, err = await run(made.engine, "web", "no-such-program")
        assert status == 127 and "no-such-program" in err
        for name, command in (("hub", "no-such-program"), ("bad", "true")):
            with pytest.raises(OSError):
                await made.engine.exec(name, [command], Heard())


async def test_a_host_that_is_not_up_can_be_looked_at() -> None:
    """By the exec command alone: that is when one wants to."""
    async with mesh(local(), host("web")) as made:
        await made.engine.stop_host("web")
        assert (await run(made.engine, "web", "echo", "hello"))[1] == "hello\n"
        assert not children()


async def test_an_exec_command_that_names_an_installed_agent() -> None:
    async with mesh(local(), host("web", cmd=exec_command("norouter")), wait=False) as made:
        assert (await run(made.engine, "web", "echo", "hello"))[1] == "hello\n"


async def test_ping_and_resolve() -> None:
    async with mesh(local(), host("web")) as made:
        for name in ("hub", "web"):
            assert 0 <= await made.engine.ping(name) < 1
            assert "127.0.0.1" in await made.engine.resolve(name, "localhost")
            with pytest.raises(OperationError, match=r".") as failed:
                await made.engine.resolve(name, "no-such-name.invalid")
            assert failed.value.code == "name"
        await _refuse_when_down(made)


async def _refuse_when_down(made: Mesh) -> None:
    await made.engine.stop_host("web")
    for attempt in (made.engine.ping("web"), made.engine.resolve("web", "localhost")):
        with pytest.raises(OperationError, match="web is stopped"):
            await attempt
    with pytest.raises(KeyError):
        await made.engine.ping("nobody")


async def test_an_exec_command_that_names_a_shell_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    (tmp_path / "python3").symlink_to(sys.executable)
    web = relayed("web", cmd=("env", f"PATH={tmp_path}", "bash"))
    async with mesh(local(), web) as made:
        assert await run(made.engine, "web", "sh", "-c", "echo hello") == (0, "hello\n", "")
