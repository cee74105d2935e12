"""Back-pressure: one who does not read holds up his own stream, and nothing grows without bound."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from dataclasses import replace

import pytest

from norouter_core.links.agent_client import AgentClient
from norouter_core.links.base import OperationError
from norouter_core.wire import messages
from tests.engine.meshes import TIMING, forward, host, local, mesh, relayed
from tests.servers import Peer, Target, connect, echoing, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

MOST = 40 * 1024 * 1024
"""A window of at most 16 MiB on each of two links, and the sockets' buffers between."""
CHUNK = 1 << 20


async def stuff(sender: Peer, source: random.Random, digest: hashlib._Hash) -> int:
    """Sends until nothing is taken for a while; how much that was."""
    total = 0
    data = memoryview(b"")
    loop = asyncio.get_running_loop()
    while total <= 2 * MOST:
        data = data or memoryview(source.randbytes(CHUNK))
        sent = sender.fill(bytes(data))
        digest.update(data[:sent])
        data, total = data[sent:], total + sent
        if not sent:
            writable = asyncio.Event()
            loop.add_writer(sender.socket, writable.set)
            try:
                async with asyncio.timeout(0.5):
                    await writable.wait()
            except TimeoutError:
                break
            finally:
                loop.remove_writer(sender.socket)
    return total


async def drain(reader: Peer, total: int, digest: hashlib._Hash) -> None:
    while total:
        data = await reader.some()
        assert data, f"the end came {total} bytes early"
        digest.update(data)
        total -= len(data)


@pytest.mark.parametrize("upwards", [True, False], ids=["client sends", "target sends"])
@pytest.mark.parametrize("agents", [1, 2])
async def test_a_reader_that_stops(upwards: bool, agents: int) -> None:
    async with echoing() as port:
        with Target() as target:
            listening = local() if agents == 1 else host("client")
            ports = (forward(target.port), forward(port, listen=8081))
            async with mesh(listening, relayed("web", *ports)) as made:
                await _stalled(made.address("web"), made.address("web", 8081), target, upwards)
                await eventually(lambda: not made.streams, "both streams end")


async def _stalled(
    address: tuple[str, int], beside: tuple[str, int], target: Target, upwards: bool
) -> None:
    sent, came = hashlib.sha256(), hashlib.sha256()
    with await connect(address) as client, await target.accept() as server:
        sender, reader = (client, server) if upwards else (server, client)
        total = await stuff(sender, random.Random(7), sent)
        assert 256 * 1024 <= total < MOST
        # The other way of the same stream, and another stream of the same link, go on.
        await reader.send(b"still here")
        assert await sender.exactly(10) == b"still here"
        with await connect(beside) as other:
            assert await other.says(random.Random(8).randbytes(2_000_000))
            other.end()
            assert await other.rest() == b""
        sender.end()
        await drain(reader, total, came)
        assert await reader.some() == b""
        assert came.digest() == sent.digest()
        reader.end()
        assert await sender.rest() == b""


async def test_a_reset_while_nobody_reads() -> None:
    """All that piled up is dropped with the stream."""
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                assert await stuff(server, random.Random(7), hashlib.sha256()) < MOST
                server.abort()
                client.abort()
                await eventually(lambda: not made.streams, "the stream ends")
            with await connect(made.address("web")) as client, await target.accept() as server:
                await server.send(b"and on it goes")
                assert await client.exactly(14) == b"and on it goes"


async def test_a_host_that_is_far_behind_is_asked_nothing_new_and_kept() -> None:
    news = messages.event("news", {"text": "x" * 1_000_000})
    async with echoing() as port:
        spec = (local(), relayed("web", forward(port)))
        async with mesh(*spec, timing=replace(TIMING, heartbeat=30)) as made:
            pid, link = made.pid("web"), made.engine.link("web")
            assert isinstance(link, AgentClient)
            with await connect(made.address("web")) as kept:
                assert await kept.says(b"before")
                os.killpg(pid, signal.SIGSTOP)
                try:
                    while not link._mux.connection.outbox.full:
                        link._mux.message(news)
                        await asyncio.sleep(0)
                    with pytest.raises(OperationError, match="behind"):
                        await link.resolve("localhost")
                    with pytest.raises(ConnectionResetError):
                        with await connect(made.address("web")) as refused:
                            await refused.rest()
                finally:
                    os.killpg(pid, signal.SIGCONT)
                assert await kept.says(b"after")
            assert await link.resolve("localhost")
            with await connect(made.address("web")) as again:
                assert await again.says(b"again")
            assert made.pid("web") == pid


async def test_many_that_do_not_read_do_not_stop_one_that_does() -> None:
    async with echoing() as port:
        with Target() as target:
            ports = (forward(target.port), forward(port, listen=8081))
            async with mesh(local(), relayed("web", *ports)) as made:
                pairs = []
                try:
                    for _ in range(20):
                        client = await connect(made.address("web"))
                        pairs.append(client)
                        pairs.append(await target.accept())
                        pairs[-1].fill(bytes(CHUNK))
                    with await connect(made.address("web", 8081)) as other:
                        assert await other.says(random.Random(9).randbytes(3_000_000))
                finally:
                    for peer in pairs:
                        peer.close()


async def test_bytes_survive_both_links_in_both_directions() -> None:
    data = random.Random(10).randbytes(8_000_000)
    with Target() as target:
        async with mesh(host("client"), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                sent = [asyncio.ensure_future(each.send(data)) for each in (client, server)]
                got = await asyncio.gather(client.exactly(len(data)), server.exactly(len(data)))
                await asyncio.gather(*sent)
                assert got[0] == data and got[1] == data
