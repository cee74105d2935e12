"""What a change would cut is what it cuts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from norouter_core.model import HostSpec, MeshSpec, ProxySpec, Route
from tests.engine.meshes import Mesh, exec_command, forward, host, local, mesh, relayed, with_ports
from tests.servers import connect, echoing, eventually, unused_port

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("each_agent")]

Change = Callable[[MeshSpec, int], MeshSpec]


def changed(spec: MeshSpec, name: str, **said: object) -> MeshSpec:
    known = spec.host(name)
    assert known is not None
    options = replace(known.options, **said)  # type: ignore[arg-type]  # each test says what fits
    return spec.with_host(replace(known, options=options))


def _command(spec: MeshSpec, name: str) -> HostSpec:
    known = spec.host(name)
    assert known is not None
    return replace(known, cmd=exec_command("LC_ALL=C"))


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (lambda spec, port: spec, set()),
    "another port": (
        lambda spec, port: with_ports(spec, "web", forward(port), forward(port, listen=9)),
        set(),
    ),
    "another route": (
        lambda spec, port: replace(spec, routes=(Route("web", ("*.x",)),)),
        set(),
    ),
    "the port gone": (lambda spec, port: with_ports(spec, "web"), {"relayed", "proxied"}),
    "retargeted": (
        lambda spec, port: with_ports(spec, "web", forward(port, "localhost")),
        {"relayed", "proxied"},
    ),
    "a direct port gone": (lambda spec, port: with_ports(spec, "own"), {"direct"}),
    "no loopback": (lambda spec, port: changed(spec, "own", loopback=False), {"direct"}),
    "only this user": (lambda spec, port: changed(spec, "hub", only_user=True), {"here", "direct"}),
    "the proxy gone": (lambda spec, port: changed(spec, "hub", http=None), {"proxied"}),
    "the host gone": (lambda spec, port: spec.without_hosts("web"), {"relayed", "proxied"}),
    "another command": (
        lambda spec, port: spec.with_host(_command(spec, "own")),
        {"direct"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_what_would_be_cut_is_cut_and_nothing_else(name: str) -> None:
    change, expected = CHANGES[name]
    proxy = ProxySpec("127.0.0.1", unused_port())
    async with echoing() as port:
        hub = local("hub", forward(port))
        hub = replace(hub, options=replace(hub.options, http=proxy))
        hosts = (hub, relayed("web", forward(port)), host("own", forward(port)))
        async with mesh(*hosts) as made:
            with ExitStack() as clients:
                kinds = await _streams(made, proxy, clients)
                cut = made.engine.cuts(change(made.engine.spec, port))
                assert {kinds[number] for number in cut} == expected
                await made.engine.apply(change(made.engine.spec, port))
                left = kinds.keys() - set(cut)
                await eventually(lambda: {s.id for s in made.streams} == left, f"{left} are left")


async def _streams(made: Mesh, proxy: ProxySpec, clients: ExitStack) -> dict[int, str]:
    """Opens a stream of each kind; their kinds by their numbers."""
    own = made.engine.spec.host("own")
    assert own is not None
    addresses = {
        "relayed": made.address("web"),
        "direct": (own.vip, 8080),
        "here": made.address("hub"),
        "proxied": (proxy.listen_host, proxy.listen_port),
    }
    kinds: dict[int, str] = {}
    for kind, address in addresses.items():
        client = clients.enter_context(await connect(address))
        if kind == "proxied":
            await client.send(b"CONNECT web:8080 HTTP/1.1\r\nHost: web:8080\r\n\r\n")
            assert (await client.some()).startswith(b"HTTP/1.1 200")
        await client.send(b"x")
        assert await client.exactly(1) == b"x"
        await eventually(lambda: len(made.streams) > len(kinds), f"{kind} is open")
        kinds.update({s.id: kind for s in made.streams if s.id not in kinds})
    return kinds
