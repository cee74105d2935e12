"""Published UDP ports: over the hub, at a host's own VIP, in process, beside TCP."""

from __future__ import annotations

from pathlib import Path

import pytest

from norouter_core.engine.events import StreamClosed
from norouter_core.engine.status import ListenerState
from norouter_core.model import MeshSpec
from tests.datagrams import UdpPeer, answering, unused_udp_port
from tests.engine.meshes import (
    forward,
    forward_udp,
    host,
    local,
    mesh,
    program,
    relayed,
    with_ports,
)
from tests.servers import connect, echoing, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

UDP = "/udp"
ROGUE = Path(__file__).with_name("rogue.py")


async def test_datagrams_over_the_hub_and_back() -> None:
    async with answering() as port:
        async with mesh(local(), relayed("web", forward_udp(port))) as made:
            (listener,) = made.listeners("web")
            assert listener.listen.endswith(":8080/udp") and listener.bound == listener.listen
            address = made.address("web", suffix=UDP)
            with UdpPeer(address) as one, UdpPeer(address) as other:
                for size in (0, 1, 1472, 60_000):
                    assert await one.asks(b"1" * size) == b"1" * size
                assert await other.asks(b"2") == b"2"
                assert {s.peer for s in made.streams} == {
                    f"127.0.0.1:{peer.port}" for peer in (one, other)
                }
                stream = next(s for s in made.streams if s.peer.endswith(f":{one.port}"))
                assert stream.listener == listener.listen and stream.state == "open"
                assert stream.bytes_sent == stream.bytes_received == 61_473
                assert await made.engine.kill_stream(stream.id)
                await eventually(lambda: len(made.streams) == 1, "it has ended")
                assert await one.asks(b"again") == b"again"
                assert len(made.streams) == 2


async def test_a_hosts_own_clients_do_not_cross_the_hub() -> None:
    async with answering() as port:
        async with mesh(local(), host("web", forward_udp(port))) as made:
            with UdpPeer(made.address("web", suffix=UDP)) as client:
                assert await client.asks(b"hello") == b"hello"
                await eventually(lambda: made.streams, "it is reported")
                assert made.streams[0].direct and made.streams[0].listener.endswith(UDP)
                await made.engine.kill_stream(made.streams[0].id)
                await eventually(lambda: not made.streams, "its end is reported")


async def test_this_machine_serves_and_dials_in_process() -> None:
    async with answering() as port:
        hub = local("hub", forward_udp(port))
        async with mesh(hub, host("web")) as made:
            with UdpPeer(made.address("hub", suffix=UDP)) as client:
                assert await client.asks(b"hello") == b"hello"


async def test_one_port_for_tcp_and_udp() -> None:
    async with answering(bytes.upper) as datagrams, echoing() as bytes_port:
        both = (forward(bytes_port), forward_udp(datagrams))
        spec = MeshSpec((local(), relayed("web", *both)))
        async with mesh(*spec.hosts) as made:
            assert len({x.listen for x in made.listeners("web")}) == 2
            assert made.address("web") == made.address("web", suffix=UDP)
            with UdpPeer(made.address("web")) as client, await connect(made.address("web")) as tcp:
                assert await tcp.says(b"tcp") and await client.asks(b"udp") == b"UDP"
                # What one of the two is taken from does not touch the other.
                await made.apply(with_ports(spec, "web", both[0]))
                assert await tcp.says(b"still there")
                assert [x.listen.endswith(UDP) for x in made.listeners("web")] == [False]
                await eventually(lambda: len(made.streams) == 1, "the datagrams' stream ends")
                ends = [e.stream.reason for e in made.events() if isinstance(e, StreamClosed)]
                assert len(ends) == 1 and ends[0].startswith("unpublished")
                await made.apply(with_ports(spec, "web", both[1]))
                assert await client.asks(b"again") == b"AGAIN"
                assert await tcp.is_reset()


async def test_a_target_where_nobody_is_is_told_of() -> None:
    async with mesh(local(), relayed("web", forward_udp(unused_udp_port()))) as made:
        with UdpPeer(made.address("web", suffix=UDP)) as client:
            client.send(b"anybody?")
            line = await made.log_says("was not reached: refused")
            assert "8080/udp" in line.text


async def test_an_agent_that_knows_no_udp_is_not_asked() -> None:
    """The mesh is ready without it, and says what is missing where."""
    async with answering() as port:
        old = host("old", cmd=program(ROGUE, "hello_and_serve"))
        async with mesh(local(), old, relayed("web", forward_udp(port))) as made:
            listeners = {x.on_host: x for x in made.listeners("web")}
            assert listeners["hub"].state is ListenerState.BOUND
            assert listeners["old"].state is ListenerState.FAILED
            assert "has no UDP" in listeners["old"].note


async def test_a_port_of_an_agent_that_knows_no_udp_is_refused() -> None:
    old = relayed("old", forward_udp(9), cmd=program(ROGUE, "hello_and_serve"))
    async with mesh(local(), old) as made:
        with UdpPeer(made.address("old", suffix=UDP)) as client:
            client.send(b"hello?")
            await made.log_says("has no UDP")
            await eventually(lambda: not made.streams, "the stream ends")
