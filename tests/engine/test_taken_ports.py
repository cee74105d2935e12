"""Ports that a host cannot bind: served all the same, served elsewhere, or no obstacle."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from norouter_core.engine.publications import ListenerSpec, Publication
from norouter_core.engine.readiness import PortsFailed
from norouter_core.engine.status import ListenerState
from norouter_core.model import DnsSpec, MeshSpec
from tests.engine.meshes import Mesh, forward, host, local, mesh, with_ports
from tests.servers import connect, echoing

pytestmark = [pytest.mark.anyio]

State = ListenerState

NOT_OURS = "192.0.2.7"
"""Of TEST-NET-1 of RFC 5737: no machine has it."""


@contextlib.contextmanager
def taken(address: str, port: int = 0) -> Iterator[int]:
    """A program of somebody else that listens."""
    with socket.create_server((address, port)) as server:
        yield server.getsockname()[1]


@pytest.mark.usefixtures("each_agent")
async def test_a_service_on_all_addresses_is_published_under_its_own_number() -> None:
    async with echoing("0.0.0.0") as port:
        web = host("web", forward(port, listen=port))
        async with mesh(local(), web) as made:
            states = {each.on_host: each for each in made.listeners("web")}
            assert {name: each.state for name, each in states.items()} == {
                "web": State.SERVED,
                "hub": State.SHARED,
            }
            assert states["web"].bound == states["hub"].bound == f"{web.vip}:{port}"
            with await connect((web.vip, port)) as client:
                assert await client.says(b"hello")


@pytest.mark.usefixtures("each_agent")
async def test_a_port_that_others_have_at_all_addresses_is_served_at_another_one() -> None:
    """The same one each time."""
    bounds = set()
    with taken("0.0.0.0") as port:
        async with echoing() as target:
            web = host("web", forward(target, listen=port))
            for _ in range(2):
                async with mesh(local(), web) as made:
                    here, own = sorted(made.listeners("web"), key=lambda each: each.on_host)
                    assert (own.state, here.state) == (State.BOUND, State.SHARED)
                    assert own.bound == here.bound and own.bound.startswith("127.0.0.1:")
                    assert "another program" in own.note
                    bounds.add(own.bound)
                    name, _, number = own.bound.partition(":")
                    with await connect((name, int(number))) as client:
                        assert await client.says(b"hello")
    assert len(bounds) == 1


@pytest.mark.usefixtures("each_agent")
async def test_a_host_without_the_vip_serves_the_published_number() -> None:
    async with echoing() as target:
        with taken("127.0.0.1") as port:
            pass
        web = replace(host("web", forward(target, listen=port)), vip=NOT_OURS)
        async with mesh(local(), web) as made:
            for each in made.listeners("web"):
                assert each.bound == f"127.0.0.1:{port}"
                assert "is not an address of that host" in each.note or each.state is State.SHARED
            with await connect(("127.0.0.1", port)) as client:
                assert await client.says(b"hello")


@pytest.mark.usefixtures("each_agent")
async def test_a_host_without_the_vip_serves_another_number_if_the_published_one_is_taken() -> None:
    """The same one each time, and also after a change of the port."""
    bounds = set()
    with taken("127.0.0.1") as port:
        for _ in range(2):
            web = replace(host("web", forward(1, listen=port)), vip=NOT_OURS)
            async with mesh(local(), web) as made, echoing() as target:
                bounds |= {each.bound for each in made.listeners("web")}
                await made.apply(with_ports(made.engine.spec, "web", forward(target, listen=port)))
                bounds |= {each.bound for each in made.listeners("web")}
                (bound,) = bounds
                assert bound != f"127.0.0.1:{port}"
                name, _, number = bound.partition(":")
                with await connect((name, int(number))) as client:
                    assert await client.says(b"hello")


async def test_a_port_that_this_machine_cannot_serve_is_reported_soon() -> None:
    hub = local("hub", forward(1))
    with taken(hub.vip, 8080):
        async with mesh(hub, wait=False) as made:
            with pytest.raises(PortsFailed, match="in use") as failed:
                await made.ready()
            (listener,) = failed.value.listeners
            assert (listener.on_host, listener.listen) == ("hub", f"{hub.vip}:8080")
            assert made.listeners("hub")[0].state is State.FAILED


@pytest.mark.usefixtures("each_agent")
async def test_a_port_that_another_host_cannot_serve_is_no_obstacle() -> None:
    async with echoing() as port:
        web = host("web", forward(port))
        with taken(web.vip, 8080):
            async with mesh(web) as made:
                assert made.listeners("web")[0].state is State.FAILED
                hub = MeshSpec((web, local()))
                await made.engine.apply(hub)
                with pytest.raises(PortsFailed, match=r"web shares .* cannot listen"):
                    await made.ready()


async def test_dns_that_cannot_be_served_is_no_obstacle() -> None:
    hub = local()
    hub = replace(hub, options=replace(hub.options, dns=DnsSpec()))
    with taken(hub.vip, 10053):
        async with mesh(hub) as made:
            assert _states(made) == {"tcp": State.FAILED, "udp": State.BOUND}


def _states(made: Mesh) -> dict[str, ListenerState]:
    listeners = made.engine.status().listeners
    return {"udp" if "/" in each.listen else "tcp": each.state for each in listeners}


@pytest.mark.parametrize(
    ("target", "port", "is_it"),
    [
        ("127.0.0.1", 80, True),
        ("LOCALHOST", 80, True),
        ("::1", 80, True),
        ("127.9.9.9", 80, True),
        ("127.0.0.1", 81, False),
        ("10.0.0.1", 80, False),
        ("db.example.com", 80, False),
    ],
)
def test_only_the_service_itself_serves_its_address(target: str, port: int, is_it: bool) -> None:
    publication = Publication(("127.0.9.9", 80), "web", (target, port))
    assert ListenerSpec(publication, direct=True).is_service_at_address is is_it
    assert not ListenerSpec(publication, direct=False).is_service_at_address
    udp = replace(publication, proto="udp")
    assert not ListenerSpec(udp, direct=True).is_service_at_address
