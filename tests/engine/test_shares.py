"""This machine dials for the clients of every host: no host takes all of its descriptors."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import ExitStack

import pytest

from norouter_core.agent.io import Io
from norouter_core.agent.tcp import TcpEnd
from norouter_core.links.local import LocalLink
from tests.agent.agents import RecordingHub, Watcher
from tests.servers import Peer, Target, tcp_pair

pytestmark = pytest.mark.anyio

MORE = 300
"""Descriptors that are left for the test."""


def io_with_few_descriptors() -> Io:
    with socket.socket() as probe:
        limit = probe.fileno() + MORE
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        return Io(asyncio.get_running_loop())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_one_host_takes_no_more_than_it_leaves_for_others() -> None:
    io = io_with_few_descriptors()
    link = LocalLink(RecordingHub(io), io, 10)
    with Target() as target, ExitStack() as stack:

        async def dials(source: str | None) -> tuple[Watcher | None, Peer]:
            client, inner = tcp_pair()
            stack.enter_context(client)
            seen = Watcher()
            io.cause.source = source
            near = TcpEnd(io, inner.socket)
            stack.callback(near.reset, "reset", "")
            end = link.dial(near, *target.address, seen)
            io.cause.source = None
            if not isinstance(end, TcpEnd):
                return None, client
            await seen.opened
            stack.callback(end.reset, "reset", "")
            stack.enter_context(await target.accept())
            return seen, client

        opened: list[tuple[Watcher, Peer]] = []
        while (dialled := await dials("rogue"))[0]:
            opened.append((dialled[0], dialled[1]))
            assert len(opened) < MORE
        assert await dialled[1].is_reset()
        assert 20 < len(opened) < MORE // 4
        assert all([(await dials(source))[0] for source in ("honest", None, "honest")])
        for _, client in opened:
            client.abort()
        for seen, _ in opened:
            await seen.outcome()
        assert (await dials("rogue"))[0]
    await link.close()
