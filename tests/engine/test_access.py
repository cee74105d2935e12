"""Who may connect to a port or a proxy: decided by the hub, whatever the host's agent says."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from norouter_core.engine.publications import Access, assign_listeners, proxies, publications
from norouter_core.engine.status import ListenerState
from norouter_core.model import Forward, Host, HostSpec, ProxySpec
from tests.engine.meshes import Mesh, forward, local, mesh, relayed
from tests.servers import Peer, connect, echoing, resets, unused_port

VIP = "127.0.9.2"


def hosts(*allow_from: str) -> tuple[Host, ...]:
    port = Forward(80, "localhost", 80, allow_from=allow_from)
    web = Host("web", VIP, ("x",), aliases=("www",), ports=(port,))
    return Host("hub", "127.0.9.1", None), web, Host("db", "127.0.9.3", ("x",))


@pytest.mark.parametrize(
    ("allow_from", "listening", "direct"),
    [
        ((), {"hub", "web", "db"}, True),
        (("hub",), {"hub"}, False),
        (("HUB", "www"), {"hub", "web"}, True),
        (("10.0.0.0/8",), {"hub", "web", "db"}, False),
        (("10.0.0.0/8", "web"), {"hub", "web", "db"}, True),
    ],
)
def test_only_hosts_with_clients_that_are_allowed_listen(
    allow_from: tuple[str, ...], listening: set[str], direct: bool
) -> None:
    mesh = hosts(*allow_from)
    wanted = assign_listeners(mesh, publications(mesh))
    specs = {
        name: spec
        for name, listeners in wanted.items()
        for spec in listeners.values()
        if spec.publication.service == "port"
    }
    assert set(specs) == listening
    assert {name for name, spec in specs.items() if spec.direct} == ({"web"} if direct else set())


@pytest.mark.parametrize(
    ("host", "peer", "allowed"),
    [
        ("web", "127.0.0.1", True),
        ("web", VIP, True),
        ("web", "::1", True),
        ("web", "192.168.0.9", False),
        ("web", "10.1.2.3", True),
        ("db", "127.0.0.1", False),
        ("db", "10.1.2.3", True),
        ("db", "fe80::1%eth0", False),
        ("web", "nonsense", False),
    ],
)
def test_a_client_counts_for_its_host_by_its_own_address(
    host: str, peer: str, allowed: bool
) -> None:
    access = Access(frozenset({"web"}), (ip_network("10.0.0.0/8"),))
    assert access.allows(host, (peer, 4711), (VIP, 80)) is allowed


def test_a_proxy_has_its_own_access() -> None:
    proxy = ProxySpec("0.0.0.0", 1080, allow_from=("web",))
    web = replace(hosts()[1], socks=proxy)
    (published,) = proxies([web])
    assert published.allows("web", ("127.0.0.1", 1))
    assert not published.allows("web", ("10.0.0.1", 1))


def allowing(host: HostSpec, *allow_from: str) -> HostSpec:
    ports = tuple(replace(port, allow_from=allow_from) for port in host.options.ports)
    return replace(host, options=replace(host.options, ports=ports))


@pytest.mark.anyio
async def test_a_port_for_other_hosts_is_not_there_and_one_for_others_networks_resets() -> None:
    async with echoing() as port:
        web = relayed("web", forward(port))
        async with mesh(local(), allowing(web, "hub")) as made:
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
                await made.apply(made.engine.spec.with_host(allowing(web, "web")))
                assert await client.is_reset()
            assert not made.listeners("web")
            await made.apply(made.engine.spec.with_host(allowing(web, "10.254.0.0/16")))
            assert await resets(made.address("web"))
            await made.log_says("is not for clients at 127.")


@pytest.mark.anyio
async def test_a_proxy_leads_to_a_port_only_from_where_it_is_allowed() -> None:
    async with echoing() as port:
        socks = ProxySpec("127.0.0.1", unused_port())
        hub = local()
        hub = replace(hub, options=replace(hub.options, socks=socks))
        web = relayed("web", forward(port))
        async with mesh(hub, allowing(web, "hub")) as made:
            assert await _granted(socks, made, web)
            await made.apply(made.engine.spec.with_host(allowing(web, "web")))
            assert not await _granted(socks, made, web)


async def _granted(socks: ProxySpec, made: Mesh, host: HostSpec) -> bool:
    with await connect((socks.listen_host, socks.listen_port)) as client:
        return await _asked(client, host.vip)


async def _asked(client: Peer, vip: str) -> bool:
    packed = bytes(map(int, vip.split(".")))
    await client.send(b"\x04\x01" + (8080).to_bytes(2, "big") + packed + b"me\0")
    return (await client.exactly(8))[1] == 0x5A


@pytest.mark.anyio
async def test_hosts_of_one_namespace_listen_for_themselves_if_the_owner_may_not() -> None:
    async with echoing() as port:
        web = replace(relayed("web", forward(port)))
        web = replace(web, options=replace(web.options, loopback=None))
        async with mesh(local(), allowing(web, "hub")) as made:
            (listener,) = made.listeners("web")
            assert (listener.on_host, listener.state) == ("hub", ListenerState.BOUND)
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
