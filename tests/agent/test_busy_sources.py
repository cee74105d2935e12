"""Clients that share a busy link read in their turn, without the loop watching their sockets."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from norouter_core.agent.ends import join
from norouter_core.agent.io import Io
from norouter_core.agent.tcp import TcpEnd
from norouter_core.wire.connection import AGENT, HUB
from norouter_core.wire.limits import QUANTUM
from tests.agent.muxes import Behind, socket_channels
from tests.servers import Target, eventually, tcp_pair

pytestmark = pytest.mark.anyio

CLIENTS = 6
TURNS = 12


class _Counting:
    """The running loop, with a count of the descriptors that it was asked to watch."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.watched = 0

    def add_reader(self, *args: Any) -> None:
        self.watched += 1
        self._loop.add_reader(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_a_source_with_more_to_send_stays_in_the_ring() -> None:
    loop = _Counting()
    near, far = socket_channels()
    hub, agent = Behind(Io(loop), HUB, near), Behind(Io(loop), AGENT, far)
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(Target())
        clients, ends = [], []
        for _ in range(CLIENTS):
            client, inner = map(stack.enter_context, tcp_pair())
            clients.append((client, hub.mux.open({"target": list(target.address)}), inner))
        servers = [stack.enter_context(await target.accept()) for _ in clients]
        data = bytes(TURNS * QUANTUM)
        async with asyncio.TaskGroup() as tasks:
            for client, wire, inner in clients:
                ends.append(TcpEnd(Io(loop), inner.socket))
                join(ends[-1], wire)
                tasks.create_task(client.send(data))
            before = loop.watched
            arrived = [tasks.create_task(server.exactly(len(data))) for server in servers]
        assert [len(task.result()) for task in arrived] == [len(data)] * CLIENTS
        # Watching a socket again after each turn would be CLIENTS * TURNS.
        assert loop.watched - before < CLIENTS * TURNS / 2
        hub.mux.close("the test is over")
        agent.mux.close("the test is over")
        # The streams end in later turns, and their sockets must be open until then.
        await eventually(lambda: all(end.closed for end in ends), "all ends closed")
