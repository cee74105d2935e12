"""The ways of systems that lack a call (PyPy, Windows) are taken by force, and carry the same."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from norouter_core.agent.ends import join
from norouter_core.agent.io import Io
from norouter_core.agent.tcp import TcpEnd
from norouter_core.wire.connection import AGENT, HUB
from tests.agent.agents import Watcher
from tests.agent.muxes import (
    Behind,
    Plain,
    pipe_channels,
    pipe_channels_without_vectors,
    plain_channels,
    socket_channels,
)
from tests.servers import echoing, eventually, tcp_pair

if TYPE_CHECKING:
    from tests.agent.muxes import Channels

pytestmark = pytest.mark.anyio

DATA = random.Random(11).randbytes(3_000_000)


async def test_a_plain_socket_has_no_sendmsg() -> None:
    with Plain() as sock:
        assert not hasattr(sock, "sendmsg")


@pytest.mark.parametrize(
    "make", [pipe_channels, pipe_channels_without_vectors, socket_channels, plain_channels]
)
async def test_every_kind_of_channel_carries_bytes_both_ways(make: Channels) -> None:
    io = Io(asyncio.get_running_loop())
    at_hub, at_agent = make()
    hub, agent = Behind(io, HUB, at_hub), Behind(io, AGENT, at_agent)
    async with echoing() as port:
        client, inner = tcp_pair()
        seen = Watcher()
        with client:
            end = hub.mux.open({"target": ["127.0.0.1", port]})
            end.observer = seen
            join(TcpEnd(io, inner.socket), end)
            sending = asyncio.ensure_future(client.send(DATA))
            assert await client.exactly(len(DATA)) == DATA
            await sending
            client.end()
            assert await client.rest() == b""
            assert await seen.outcome() == ("closed", "")
        said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        hub.mux.close_gracefully(lambda: said.set_result(None))
        async with asyncio.timeout(5):
            await said
        await eventually(lambda: agent.down, "the other end sees the end")
        assert agent.messages == [("event", {"type": "bye", "data": {}})]
        assert agent.down == [("the other side closed the link", None)]
        hub.mux.close("over")
        assert hub.mux.connection.streams == agent.mux.connection.streams == {}
