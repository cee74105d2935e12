"""Data with a reset right behind it, on each loop: the stream ends, and its sockets are freed."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from norouter_core.model import HostSpec
from tests.engine.meshes import Mesh, forward, local, mesh, relayed
from tests.loops import on_each_loop
from tests.servers import Target, connect, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent"), on_each_loop]

STREAMS = 5


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def on_this_machine(port: int) -> tuple[HostSpec, ...]:
    return (local("web", forward(port)),)


def behind_a_link(port: int) -> tuple[HostSpec, ...]:
    return (local(), relayed("web", forward(port)))


@pytest.mark.parametrize("hosts", [on_this_machine, behind_a_link])
@pytest.mark.parametrize("sender", ["client", "target"])
@pytest.mark.parametrize("size", [100, 5_000, 60_000])
async def test_a_reset_right_behind_data(
    hosts: Callable[[int], tuple[HostSpec, ...]], sender: str, size: int
) -> None:
    with Target() as target:
        async with mesh(*hosts(target.port)) as made:
            before = descriptors()
            for number in range(STREAMS):
                await _reset(made, target, sender, size, crossing=bool(number % 2))
            await eventually(lambda: not made.streams, "no stream is left", 5)
            await eventually(lambda: descriptors() <= before, "no descriptor is left", 5)


async def _reset(made: Mesh, target: Target, sender: str, size: int, crossing: bool) -> None:
    with await connect(made.address("web")) as client, await target.accept() as server:
        resetting, seeing = (client, server) if sender == "client" else (server, client)
        if crossing:
            # The hub meets the reset when it writes this, too.
            await seeing.send(b"never read")
        # Data and reset are in the hub's socket before its loop looks at it again.
        await resetting.send(bytes(size))
        resetting.abort()
        assert await seeing.is_reset()
