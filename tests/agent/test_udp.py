"""UDP sockets as ends: clients of a listener, targets, drops and errors."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Iterator

import pytest

from norouter_core.agent.ends import join
from norouter_core.agent.io import Io
from norouter_core.agent.operations import Operations
from norouter_core.agent.resolve import Resolver
from norouter_core.agent.udp import UdpClient, UdpEnd, UdpListener
from tests.agent.agents import Watcher
from tests.datagrams import Played, UdpPeer, answering, unused_udp_port
from tests.loops import on_each_loop
from tests.servers import Address, eventually

pytestmark = pytest.mark.anyio


class Hub:
    """Takes what listeners offer."""

    def __init__(self) -> None:
        self.clients: dict[Address, Played] = {}
        self.rows: list[list[object]] = []

    def arrived(self, client: UdpClient, peer: Address) -> None:
        join(client, self.clients.setdefault(peer, Played()))

    def offer(self, listener: int, peer: Address, end: object, destination: object = None) -> None:
        assert isinstance(end, UdpClient)
        self.arrived(end, peer)

    def report(self, rows: list[list[object]]) -> None:
        self.rows += rows


@contextlib.contextmanager
def listening(
    hub: Hub, host: str = "127.0.0.1", port: int = 0, idle: float = 30.0, most: int = 1024
) -> Iterator[UdpListener]:
    io = Io(asyncio.get_running_loop())
    listener = UdpListener(io, host, port, hub.arrived, idle_timeout=idle, max_clients=most)
    try:
        yield listener
    finally:
        listener.close()


async def test_each_client_has_a_stream_and_is_answered_from_the_address_it_asked() -> None:
    hub = Hub()
    with listening(hub, "127.0.42.9") as listener:
        with UdpPeer(listener.address) as one, UdpPeer(listener.address) as other:
            one.send(b"first")
            one.send(b"")
            other.send(b"second")
            await eventually(lambda: len(hub.clients) == 2, "both arrive")
            await eventually(lambda: len(hub.clients[one.address].got) == 2, "all arrives")
            assert hub.clients[one.address].got == [b"first", b""]
            assert hub.clients[other.address].got == [b"second"]
            # A connected socket takes answers from the address that it asked only.
            hub.clients[one.address].says(b"to one")
            hub.clients[other.address].says(b"to other")
            assert await one.receive() == (b"to one", listener.address)
            assert await other.receive() == (b"to other", listener.address)


async def test_an_idle_client_is_forgotten_and_comes_anew() -> None:
    hub = Hub()
    with listening(hub, idle=0.2) as listener, UdpPeer(listener.address) as client:
        client.send(b"one")
        await eventually(lambda: hub.clients, "it arrives")
        first = hub.clients.pop(client.address)
        await eventually(lambda: first.ended, "it is idle")
        assert first.ended is not None and first.ended[0] == "idle"
        client.send(b"two")
        await eventually(lambda: hub.clients, "it arrives again")
        assert hub.clients[client.address].got == [b"two"]


async def test_answers_keep_a_client_too() -> None:
    hub = Hub()
    with listening(hub, idle=0.3) as listener, UdpPeer(listener.address) as client:
        client.send(b"one")
        await eventually(lambda: hub.clients, "it arrives")
        played = hub.clients[client.address]
        until = time.monotonic() + 0.6
        while time.monotonic() < until:
            played.says(b"tick")
            assert (await client.receive())[0] == b"tick"
        assert played.ended is None
        await eventually(lambda: played.ended, "then it is idle")


async def _one_more(hub: Hub, peer: UdpPeer) -> None:
    """Sends a datagram, and waits until it has arrived."""

    def arrived() -> int:
        return sum(len(played.got) for played in hub.clients.values())

    before = arrived()
    peer.send(b"x")
    await eventually(lambda: arrived() > before, "it arrives")


async def test_for_a_new_client_the_one_goes_that_is_idle_for_longest() -> None:
    hub = Hub()
    with listening(hub, most=2) as listener, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(UdpPeer(listener.address)) for _ in range(3)]
        for peer in (peers[0], peers[1], peers[0], peers[2]):
            await _one_more(hub, peer)
        ended = [hub.clients[peer.address].ended for peer in peers]
        assert ended[0] is None and ended[2] is None
        assert ended[1] is not None and ended[1][0] == "idle"


async def test_a_port_that_goes_takes_its_clients_along() -> None:
    hub = Hub()
    with listening(hub) as listener, UdpPeer(listener.address) as client:
        client.send(b"x")
        await eventually(lambda: hub.clients, "it arrives")
        listener.close()
        ended = ("unpublished", "the port is no longer published")
        assert hub.clients[client.address].ended == ended


async def test_a_client_that_was_refused_is_forgotten() -> None:
    refused = 0

    def arrived(client: UdpClient, peer: Address) -> None:
        nonlocal refused
        refused += 1
        client.reset("not-allowed", "nothing is published there")

    listener = UdpListener(Io(asyncio.get_running_loop()), "127.0.0.1", 0, arrived)
    with contextlib.closing(listener), UdpPeer(listener.address) as client:
        client.send(b"x")
        await eventually(lambda: refused == 1, "it is refused")
        client.send(b"x")
        await eventually(lambda: refused == 2, "it is refused again")
        assert not listener._clients


async def test_an_address_that_is_taken_or_not_ours_is_refused() -> None:
    # 192.0.2.7 is of TEST-NET-1 of RFC 5737: no machine has it.
    with UdpPeer() as taken:
        for address in (taken.address, ("192.0.2.7", 8080)):
            with pytest.raises(OSError), listening(Hub(), *address):
                pass


@contextlib.contextmanager
def dialled(host: str, port: int) -> Iterator[tuple[Played, UdpEnd, Watcher]]:
    verbs = Operations(Io(asyncio.get_running_loop()), Hub())
    played, seen = Played(), Watcher()
    end = verbs.dial(played, host, port, seen)
    assert isinstance(end, UdpEnd)
    try:
        yield played, end, seen
    finally:
        end.reset("reset", "the test is over")
        verbs.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_target_is_asked_and_answers(name: str) -> None:
    async with answering() as port:
        with dialled(name, port) as (played, end, seen):
            # A name is still being looked up: what is sent meanwhile waits.
            for data in (b"one", b"", b"x" * 60_000):
                played.says(data)
            await eventually(lambda: len(played.got) == 3, "three answers")
            assert played.got == [b"one", b"", b"x" * 60_000]
            assert (await seen.opened)[1] == port
            assert end.bytes_in == 60_003
            end.end()
            assert played.ended == ("closed", "") and await seen.outcome() == ("closed", "")


class Fatal:
    """The errors that end a stream: none, and those that came."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def __contains__(self, number: object) -> bool:
        self.seen.append(number)
        return False


@on_each_loop
async def test_an_error_of_one_datagram_does_not_deafen_its_socket() -> None:
    """A router's "fragmentation needed" is such an error; a refusal stands in for it here."""
    port, played, fatal = unused_udp_port(), Played(), Fatal()
    io = Io(asyncio.get_running_loop())
    end = UdpEnd(io, fatal)
    join(played, end)
    end.dial(Resolver(io), "127.0.0.1", port)
    played.says(b"to nobody")
    await eventually(lambda: errno.ECONNREFUSED in fatal.seen, "the error comes")
    assert end.socket is not None
    with UdpPeer(port=port) as target:
        target.send_to(b"hello", end.socket.getsockname())
        await eventually(lambda: played.got == [b"hello"], "the datagram comes", 5)
    end.reset("reset", "the test is over")


async def test_a_target_that_refuses_is_reported() -> None:
    with dialled("127.0.0.1", unused_udp_port()) as (played, _, seen):
        played.says(b"anybody?")
        await eventually(lambda: played.ended, "the refusal is reported")
        assert played.ended is not None and played.ended[0] == "refused"
        assert (await seen.outcome())[0] == "refused"


async def test_an_unknown_name_is_reported() -> None:
    with dialled("no-such-name.invalid", 53) as (played, _, seen):
        for _ in range(1000):
            played.says(b"x" * 1000)
        assert (await seen.outcome())[0] == "name"
        assert played.ended is not None and played.ended[0] == "name"


async def test_what_is_too_long_is_dropped_alone() -> None:
    async with answering() as port:
        with dialled("127.0.0.1", port) as (played, _, _):
            played.says(b"x" * 65_508)
            played.says(b"short")
            await eventually(lambda: played.got, "an answer")
            assert played.got == [b"short"] and played.ended is None


async def test_a_look_up_that_ends_after_the_reset_opens_nothing() -> None:
    with dialled("localhost", 53) as (_played, end, seen):
        end.reset("idle", "")
        assert await seen.outcome() == ("idle", "")
        done = asyncio.Event()
        end._io.loop.call_later(0.2, done.set)
        await done.wait()
        assert end.socket is None and not seen.opened.done()


async def test_a_host_serves_its_own_port_directly() -> None:
    hub = Hub()
    verbs = Operations(Io(asyncio.get_running_loop()), hub)
    async with answering() as port:
        bound = verbs.listen(7, "127.0.0.1", 0, ("127.0.0.1", port), "udp")
        with contextlib.closing(verbs), UdpPeer((bound["host"], bound["port"])) as client:
            assert await client.asks(b"hello") == b"hello"
            await eventually(lambda: hub.rows, "it is reported")
            assert hub.rows[-1][1:7] == [7, *client.address, 5, 5, "open"]
            verbs.kill(1)
            await eventually(lambda: hub.rows[-1][6] == "closed", "its end is reported")
            assert hub.rows[-1][7] == "killed: killed"
            # The next datagram makes a stream of its own.
            assert await client.asks(b"again") == b"again"
    assert not hub.clients


async def test_tcp_and_udp_at_one_address_are_two_listeners() -> None:
    verbs = Operations(Io(asyncio.get_running_loop()), Hub())
    with contextlib.closing(verbs):
        tcp = verbs.listen(1, "127.0.0.1", 0, None)
        udp = verbs.listen(2, "127.0.0.1", tcp["port"], None, "udp")
        assert tcp == udp
        verbs.unlisten(1)
        with UdpPeer(), pytest.raises(OSError), listening(Hub(), udp["host"], udp["port"]):
            pass
