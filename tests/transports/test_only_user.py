"""Another user of this machine, where `onlyUser` keeps others out."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from norouter_core.model import DnsSpec, ProxySpec
from tests.datagrams import UdpPeer, answering
from tests.engine.meshes import Mesh, forward, forward_udp, local, mesh, relayed
from tests.servers import Address, Peer, connect, echoing, resets, unused_port
from tests.transports.require import need_root

pytestmark = [pytest.mark.root, pytest.mark.anyio]

NOBODY = 65534


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Sockets that are made meanwhile belong to another user: see setfsuid(2)."""
    need_root()
    libc = ctypes.CDLL(None)
    libc.setfsuid(NOBODY)
    try:
        yield
    finally:
        libc.setfsuid(os.geteuid())


async def stranger(address: Address) -> Peer:
    with as_nobody():
        return await connect(address)


async def is_refused(address: Address) -> bool:
    with as_nobody():
        return await resets(address)


async def test_another_user_is_reset_at_every_listener_and_one_line_says_so() -> None:
    http, socks = (ProxySpec("127.0.0.1", unused_port()) for _ in range(2))
    async with echoing() as port, answering() as udp:
        hub = local("hub", forward(port))
        options = replace(hub.options, only_user=True, http=http, socks=socks)
        web = relayed("web", forward(port), forward_udp(udp))
        web = replace(web, options=replace(web.options, dns=DnsSpec(port=10053)))
        async with mesh(replace(hub, options=options), web) as made:
            proxies = [(proxy.listen_host, proxy.listen_port) for proxy in (http, socks)]
            ports = [made.address("hub"), made.address("web"), made.address("web", 10053)]
            for address in [*ports, *proxies]:
                for _ in range(3):
                    assert await is_refused(address)
            await _datagrams(made)
            for _ in range(6):
                await made.log_says("it is not of the user that runs norouter")
            assert not [line for line in made.events() if "runs norouter" in str(line)]
            with await connect(made.address("hub")) as own:
                assert await own.says(b"hello")


async def _datagrams(made: Mesh) -> None:
    address = made.address("web", suffix="/udp")
    with as_nobody():
        strange = socket.socket(type=socket.SOCK_DGRAM)
    with strange, UdpPeer(address) as own:
        strange.sendto(b"from nobody", address)
        assert await own.asks(b"hello") == b"hello"
        assert [stream.peer for stream in made.streams] == [f"127.0.0.1:{own.port}"]
        strange.setblocking(False)
        with pytest.raises(BlockingIOError):
            strange.recv(100)


async def test_another_user_is_a_client_like_any_other_without_it() -> None:
    async with echoing() as port:
        async with mesh(local("hub", forward(port))) as made:
            with await stranger(made.address("hub")) as client:
                assert await client.says(b"hello")
