"""An agent whose hub is far behind turns new clients away instead of keeping ever more of them."""

from __future__ import annotations

import os
import socket

import pytest

from norouter_core.agent.io import Io
from norouter_core.agent.loop import Loop
from norouter_core.agent.main import Agent
from norouter_core.agent.tcp import TcpEnd, set_options


def test_a_client_that_cannot_be_offered_is_reset() -> None:
    loop = Loop()
    ours, hub = socket.socketpair()
    with hub, socket.create_server(("127.0.0.1", 0)) as server:
        fd = ours.detach()
        agent = Agent(loop, fd, os.dup(fd))
        outbox = agent._mux.connection.outbox
        while not outbox.full:
            outbox.put_control(bytes(100_000))
        with socket.create_connection(server.getsockname()) as client:
            accepted, peer = server.accept()
            set_options(accepted)
            accepted.setblocking(False)
            agent.offer(1, peer, TcpEnd(Io(loop), accepted), None)
            client.settimeout(10)
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        assert not agent._mux.connection.streams
        agent._mux.close("the test is over")
    loop.close()
