"""A host whose interfaces have vanished; a real one is in `tests/transports/test_sidecars.py`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from norouter_core.engine.network_watch import NetworkWatch
from norouter_core.links.base import OperationError

pytestmark = pytest.mark.anyio

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
        if not text:
            raise OperationError("no-file", "none")
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


@pytest.mark.parametrize("text", [ALONE, ""])
async def test_a_host_that_never_had_any_is_not_watched(text: str) -> None:
    host = Host(text)
    assert not await watched(host, "sh")
    assert host.looks == 1
