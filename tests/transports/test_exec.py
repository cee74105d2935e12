"""Commands on hosts by the exec commands that people use: words, status, output, and their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import psutil
import pytest

from norouter_core.bootstrap.command import shell_command
from norouter_core.links.execute import execute_behind
from tests.servers import eventually
from tests.transports.engines import Container
from tests.transports.hosts import Hosts
from tests.transports.netns import Namespace
from tests.transports.sshd import Ssh

pytestmark = pytest.mark.root

AWKWARD = ["a b", "$HOME", "it's", '"', "*", "", "\\n", "zwei\nZeilen", "{c}", "-n", ";", "&"]
MARK = "4711.5"
"""Seconds that nothing else on this machine sleeps for."""


async def exchange(cmd: Sequence[str]) -> None:
    """Awkward words, an exit status, 1 MiB of output, an end."""
    said = {"stdout": bytearray(), "stderr": bytearray()}

    async def run(*argv: str) -> int:
        for each in said.values():
            each.clear()
        async with asyncio.timeout(30):
            return await execute_behind(
                shell_command(tuple(cmd)), argv, lambda source, data: said[source].extend(data)
            )

    assert await run("printf", "%s|", *AWKWARD) == 0
    assert said["stdout"].decode() == "".join(f"{word}|" for word in AWKWARD)
    assert await run("sh", "-c", "cat; echo out; echo err >&2; exit 7") == 7
    assert said["stdout"] == b"out\n" and b"err\n" in said["stderr"]
    assert await run("sh", "-c", "head -c 1048576 /dev/zero") == 0
    assert said["stdout"] == bytes(1 << 20)
    await _end(cmd)


async def _end(cmd: Sequence[str]) -> None:
    """Whoever gives up leaves nothing running there."""
    up = asyncio.Event()
    running = asyncio.ensure_future(
        execute_behind(
            shell_command(tuple(cmd)),
            ("sh", "-c", f"echo up; exec sleep {MARK}"),
            lambda source, data: up.set() if source == "stdout" else None,
        )
    )
    await asyncio.wait_for(up.wait(), 20)
    await eventually(_sleeping, "it runs there")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await eventually(lambda: not _sleeping(), "it does no longer")


def _sleeping() -> bool:
    found = psutil.process_iter(["cmdline"])
    return any((process.info["cmdline"] or [])[-2:] == ["sleep", MARK] for process in found)


def test_behind_ssh(netns: Callable[[str], Namespace], ssh: Ssh) -> None:
    asyncio.run(exchange(Hosts(netns).ssh("ssh", ssh).cmd))


def test_behind_nsenter(netns: Callable[[str], Namespace]) -> None:
    asyncio.run(exchange(Hosts(netns).nsenter("plain").cmd))


@pytest.mark.engine
@pytest.mark.parametrize("image", ["python", "busybox"])
def test_behind_docker(
    netns: Callable[[str], Namespace],
    container: Callable[[str, str], Container],
    image: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = container(f"exec-{image}", image)
    for name, value in made.engine.env.items():
        monkeypatch.setenv(name, value)
    asyncio.run(exchange(Hosts(netns).docker(made).cmd))
