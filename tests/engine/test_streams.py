"""What one end of a relayed stream sees, the other sees: FIN, reset, refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from norouter_core.engine.events import StreamClosed
from norouter_core.model import HostSpec
from tests.engine.meshes import forward, host, local, mesh, relayed
from tests.servers import Peer, Target, connect, eventually, resets, unused_port

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

AT_ONCE = 1.0
"""Seconds: far above what it takes, far below every time-out and heartbeat."""


async def test_data_follows_a_half_close_either_way() -> None:
    data = bytes(range(256)) * 2_000
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                client.end()
                assert await server.rest() == b""
                sending = asyncio.ensure_future(server.send(data))
                assert await client.exactly(len(data)) == data
                await sending
                server.end()
                assert await client.rest() == b""
            with await connect(made.address("web")) as client, await target.accept() as server:
                server.end()
                assert await client.rest() == b""
                sending = asyncio.ensure_future(client.send(data))
                assert await server.exactly(len(data)) == data
                await sending
                client.end()
                assert await server.rest() == b""
            await eventually(lambda: not made.streams, "both streams end")
            reasons = [e.stream.reason for e in made.events() if isinstance(e, StreamClosed)]
            assert reasons == ["closed", "closed"]


async def test_what_is_sent_with_the_fin_arrives() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client:
                await client.send(b"all at once")
                client.end()
                with await target.accept() as server:
                    assert await server.rest() == b"all at once"


async def test_a_reset_passes_through_either_way() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                await client.send(b"hello")
                assert await server.exactly(5) == b"hello"
                server.abort()
                with pytest.raises(ConnectionResetError):
                    await client.rest()
            with await connect(made.address("web")) as client, await target.accept() as server:
                await client.send(b"hello")
                assert await server.exactly(5) == b"hello"
                client.abort()
                with pytest.raises(ConnectionResetError):
                    await server.rest()
            await eventually(lambda: not made.streams, "both streams end")
            reasons = [e.stream.reason for e in made.events() if isinstance(e, StreamClosed)]
            assert [reason.partition(":")[0] for reason in reasons] == ["reset", "reset"]


async def test_what_came_before_a_reset_is_not_lost() -> None:
    """A server's answer to an upload that it cuts short."""
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                await client.send(b"an upload that is not read")
                await server.send(b"413 too large")
                # Closed with unread bytes: the kernel sends a reset after the answer.
                assert await server.exactly(2) == b"an"
                server.close()
                assert await client.exactly(13) == b"413 too large"


@pytest.mark.parametrize("make", [relayed, host])
async def test_a_refused_dial_resets_the_client_at_once(make: Callable[..., HostSpec]) -> None:
    async with mesh(local(), make("web", forward(unused_port()))) as made:
        started = time.monotonic()
        assert await resets(made.address("web"))
        assert time.monotonic() - started < AT_ONCE
        await eventually(lambda: made.engine.status().opened_total == 1, "it is shown")
        await eventually(lambda: not made.streams, "it is over")
        (closed,) = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
        assert closed.reason.startswith("refused: ")


async def test_a_target_whose_name_is_not_known() -> None:
    spec = relayed("web", forward(80, "no-such-name.invalid"))
    async with mesh(local(), spec) as made:
        assert await resets(made.address("web"))
        await eventually(lambda: made.engine.status().opened_total == 1, "it is shown")
        await eventually(lambda: not made.streams, "it is over")
        (closed,) = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
        assert closed.reason.startswith("name: ")
        assert closed.target == "no-such-name.invalid:80"


async def test_a_target_by_name() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port, "localhost"))) as made:
            with await connect(made.address("web")) as client, await target.accept() as server:
                await client.send(b"hello")
                assert await server.exactly(5) == b"hello"


async def test_a_client_that_leaves_at_once_leaves_nothing() -> None:
    with Target() as target:
        async with mesh(local(), relayed("web", forward(target.port))) as made:
            address = made.address("web")
            for _ in range(30):
                (await connect(address)).abort()
                (await connect(address)).close()
            await eventually(lambda: made.engine.status().opened_total == 60, "all have come")
            servers: list[Peer] = []
            try:
                await eventually(lambda: not made.streams or _took(target, servers), "all end")
                with await connect(address) as client:
                    await client.send(b"still here")
            finally:
                for server in servers:
                    server.close()


def _took(target: Target, servers: list[Peer]) -> bool:
    """Takes and closes what has connected, as the end of a client asks a server to."""
    try:
        sock, _ = target.socket.accept()
    except BlockingIOError:
        return False
    sock.close()
    return False
