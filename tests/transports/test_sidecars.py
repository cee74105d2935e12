"""A container in the network of another one, which is restarted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from norouter_core.engine import engine as engine_module
from norouter_core.engine.status import HostState
from norouter_core.model import MeshSpec
from tests.engine.meshes import TIMING, Mesh, forward, local, relayed
from tests.servers import connect, eventually, resets
from tests.transports.engines import Container, Engine

pytestmark = [
    pytest.mark.root,
    pytest.mark.engine,
    pytest.mark.anyio,
    pytest.mark.timeout(120),
]

NETWORK = "sidecars"
WEB, SIDE = "sidecars-web", "sidecars-side"
SERVER = ("python3", "-m", "http.server", "8080")


@pytest.fixture
def web(docker: Engine) -> Iterator[Container]:
    """A container with an interface of its own."""
    docker.run("network", "create", NETWORK)
    try:
        with docker.container(WEB, "python", network=NETWORK) as made:
            yield made
    finally:
        docker.run("network", "rm", NETWORK)


async def test_a_sidecar_follows_its_container_into_its_new_network(web: Container) -> None:
    engine = web.engine
    words = ("run", "-i", "--rm", "--network", f"container:{WEB}", "python", "sh")
    side = relayed("side", forward(8080), cmd=tuple(engine.command(*words)))
    await asyncio.to_thread(engine.run, "exec", "-d", WEB, *SERVER)
    async with engine_module.Engine(replace(TIMING, first_retry=0.2)) as running:
        made = Mesh(running)
        await made.apply(MeshSpec((local(), side)))
        await _serves(made)
        before = made.host("side").since
        await asyncio.to_thread(engine.run, "restart", "-t", "0", WEB)
        await asyncio.to_thread(engine.run, "exec", "-d", WEB, *SERVER)
        await made.log_says("its network interfaces have vanished")
        await eventually(lambda: made.host("side").since > before, "it is restarted")
        await made.in_state("side", HostState.READY)
        await _serves(made)


async def test_a_sidecar_that_keeps_its_dead_network_is_not_ready(web: Container) -> None:
    """Only a restart of the sidecar itself leads it into the new network."""
    engine = web.engine
    words = ("run", "-d", "--name", SIDE, "--network", f"container:{WEB}", "python", "sleep", "inf")
    await asyncio.to_thread(engine.run, *words)
    try:
        side = relayed("side", forward(8080), cmd=tuple(engine.command("exec", "-i", SIDE, "sh")))
        async with engine_module.Engine(replace(TIMING, first_retry=0.2)) as running:
            made = Mesh(running)
            await made.apply(MeshSpec((local(), side)))
            await asyncio.to_thread(engine.run, "restart", "-t", "0", WEB)
            assert await resets(made.address("side"))
            problem = (await made.in_state("side", HostState.BACKING_OFF)).problem
            assert problem is not None and problem.kind == "network-gone"
            assert f"restart the container `{SIDE}`" in problem.hint
            await asyncio.to_thread(engine.run, "restart", "-t", "0", SIDE)
            await made.in_state("side", HostState.READY)
    finally:
        await asyncio.to_thread(engine.run, "rm", "-f", SIDE)


async def _serves(made: Mesh) -> None:
    """Wait for the answer of the web server, which may still be starting."""

    async def answer() -> bytes:
        try:
            with await connect(made.address("side")) as client:
                await client.send(b"GET / HTTP/1.0\r\n\r\n")
                return await client.rest()
        except (ConnectionError, AssertionError):
            return b""

    async with asyncio.timeout(30):
        # The server does not tell when it has begun to listen.
        while not (await answer()).startswith(b"HTTP/1.0 200"):  # noqa: ASYNC110  # as said above
            await asyncio.sleep(0.1)
