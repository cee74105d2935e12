"""A host whose interfaces have vanished; a real one is in `tests/transports/test_sidecars.py`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from norouter_core.engine.network_watch import NetworkWatch, missing_network
from norouter_core.engine.status import HostState
from norouter_core.links.base import OperationError
from tests.engine.meshes import TIMING, forward, local, mesh, program, relayed
from tests.servers import resets

pytestmark = pytest.mark.anyio

ACTIONS = Path(__file__).with_name("rogue_actions.py")
HEAD = "Inter-|   Receive\n face |bytes    packets\n"
ALONE = f"{HEAD}    lo:  0 0\n tunl0: 0 0\n"
BOTH = f"{ALONE}  eth0: 12 3\n"


class Host:
    """Has these interfaces, one text after the other; the last one stays."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.looks = 0

    async def read(self, path: str, limit: int) -> str:
        assert path == "/proc/net/dev"
        self.looks += 1
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        if not text.startswith(HEAD):
            raise OperationError(text, "none")
        return text


async def watched(host: Host, *argv: str, failing: bool = True) -> bool:
    """Whether the watch says that the network is gone, before it ends by itself."""
    gone: list[bool] = []
    watch = NetworkWatch(argv, lambda: gone.append(True), poll_interval=0.01, min_interval=0)
    link: Any = host
    task = asyncio.create_task(watch.run(link))
    while not task.done():
        await asyncio.sleep(0)
        if failing:
            watch.check_soon()
    await task
    return bool(gone)


async def test_interfaces_that_vanish_are_noticed_when_dials_fail() -> None:
    host = Host(BOTH, BOTH, ALONE)
    assert await watched(host, "docker", "exec", "-i", "web")
    assert host.looks == 3


async def test_a_container_in_the_network_of_another_is_watched_without_dials() -> None:
    argv = ("docker", "run", "-i", "--network=container:web", "image", "sh")
    assert await watched(Host(BOTH, BOTH, ALONE), *argv, failing=False)


@pytest.mark.parametrize("texts", [(BOTH, "timeout"), ("timeout", BOTH), ("too-many", BOTH)])
async def test_a_look_that_fails_is_repeated(texts: tuple[str, str]) -> None:
    host = Host(*texts, ALONE)
    assert await watched(host, "docker", "exec", "-i", "web")
    assert host.looks == 3


@pytest.mark.parametrize("text", [ALONE, "no-file"])
async def test_a_host_that_never_had_any_is_not_watched(text: str) -> None:
    host = Host(text)
    assert not await watched(host, "sh")
    assert host.looks == 1


async def test_a_host_that_comes_back_without_a_network_is_not_ready(tmp_path: Path) -> None:
    """Its command leads to a container that keeps the network of one that was restarted."""
    interfaces = tmp_path / "dev"
    interfaces.write_text(BOTH)
    cmd = ("env", f"INTERFACES={interfaces}", *program(ACTIONS, "shows_interfaces"))
    timing = replace(TIMING, first_retry=0.05)
    async with mesh(local(), relayed("web", forward(80), cmd=cmd), timing=timing) as made:
        await made.log_says("has shown its interfaces")
        interfaces.write_text(ALONE)
        assert await resets(made.address("web"))
        await made.log_says("its network interfaces have vanished")
        problem = (await made.in_state("web", HostState.BACKING_OFF)).problem
        assert problem is not None
        assert (problem.kind, problem.permanent) == ("network-gone", False)
        interfaces.write_text(BOTH)
        await made.in_state("web", HostState.READY)


async def test_the_problem_names_the_container() -> None:
    link: Any = Host(ALONE)
    problem = await missing_network(("sudo", "docker", "exec", "-i", "side", "sh"), link)
    assert problem is not None
    assert problem.hint.startswith("restart the container `side`")
