"""How what a proxy of the engine serves comes to an end: kills, removals, deaths, look-ups."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from norouter_core.agent import resolve
from norouter_core.engine.status import HostState, ListenerState
from norouter_core.links.base import OperationError
from norouter_core.links.local import LocalLink
from norouter_core.model import MeshSpec, Route
from tests.engine.meshes import host, local, mesh, relayed
from tests.proxy.engines import (
    PUBLISHED,
    World,
    ask_http,
    ask_socks,
    connect_head,
    tunnel,
    with_proxies,
    world,
)
from tests.servers import Address, Target, connect, echoing, eventually

pytestmark = pytest.mark.anyio

GENERAL = 1


async def test_a_bastion_that_is_down_is_told() -> None:
    hub = with_proxies(local())
    hosts = (hub, relayed("bastion", cmd=("false",)))
    async with mesh(*hosts, wait=False) as made:
        await made.engine.apply(MeshSpec(hosts, (Route("bastion", ("local*",)),)))
        there = World(made, hosts, hub)
        bound = ListenerState.BOUND
        await eventually(
            lambda: [x.state for x in made.listeners("hub")] == [bound, bound], "proxies listen"
        )
        await eventually(lambda: made.host("bastion").problem, "the bastion has failed")
        client, head = await ask_http(there.http, "localhost", 80)
        with client:
            assert head.startswith(b"HTTP/1.1 502 "), head
            told = await client.rest()
            assert b"localhost:80" in told
            assert b"bastion is not up" in told
        client, reply = await ask_socks(there.socks, "localhost", 80)
        with client:
            assert reply == GENERAL
        await there.idle()


async def test_a_stream_of_a_proxy_can_be_killed() -> None:
    async with echoing() as port, world(port, Route("bastion", ("local*",))) as there:
        with (
            await tunnel(there.http, "localhost", port) as killed,
            await tunnel(there.http, "web", PUBLISHED) as other,
        ):
            assert await killed.says(b"up")
            (number,) = (s.id for s in there.mesh.streams if s.to_host == "bastion")
            assert await there.mesh.engine.kill_stream(number)
            assert await killed.is_reset()
            assert await other.says(b"not me")
            assert there.stream.to_host == "back"
        await there.idle()
        assert [s.reason for s in there.closed() if s.id == number] == [
            "killed: killed by the user"
        ]


async def test_a_connection_between_two_requests_can_be_killed() -> None:
    async with echoing() as port, world(port) as there:
        with await connect(there.http) as waiting:
            await eventually(lambda: there.mesh.streams, "the client has arrived")
            assert await there.mesh.engine.kill_stream(there.stream.id)
            assert await waiting.is_reset()


async def test_a_proxy_taken_away_takes_its_streams_and_no_others() -> None:
    async with echoing() as port, world(port) as there:
        client, reply = await ask_socks(there.socks, "web", PUBLISHED)
        assert reply == 0
        with client, await tunnel(there.http, "web", PUBLISHED) as gone:
            assert await gone.says(b"up")
            without = replace(there.at, options=replace(there.at.options, http=None))
            await there.mesh.apply(MeshSpec((without, *there.hosts[1:])))
            assert await gone.is_reset()
            assert await client.says(b"not me")
            assert len(there.mesh.streams) == 1
            await eventually(lambda: _refuses(there.http), "nobody listens any more")
            assert [x.target for x in there.mesh.listeners("hub")] == ["SOCKS proxy"]
            await there.mesh.apply(MeshSpec(there.hosts))
            with await tunnel(there.http, "web", PUBLISHED) as back:
                assert await back.says(b"again")


async def test_a_port_taken_away_takes_the_tunnels_to_it_along() -> None:
    async with echoing() as port, world(port) as there:
        with (
            await tunnel(there.http, "web", PUBLISHED) as gone,
            await tunnel(there.http, "127.0.0.1", port) as kept,
        ):
            assert await gone.says(b"up") and await kept.says(b"up")
            back = next(host for host in there.hosts if host.name == "back")
            bare = replace(back, options=replace(back.options, ports=()))
            await there.mesh.apply(MeshSpec(there.hosts).with_host(bare))
            assert await gone.is_reset(), "it still reaches what is published no more"
            assert await kept.says(b"not me")


def _refuses(address: Address) -> bool:
    with socket.socket() as client:
        return client.connect_ex(address) == errno.ECONNREFUSED


@pytest.mark.parametrize("lost", ["bastion", "back"])
async def test_the_death_of_a_host_resets_its_tunnels(lost: str) -> None:
    async with echoing() as port, world(port, Route("bastion", ("local*",))) as there:
        with (
            await tunnel(there.http, "localhost", port) as through,
            await tunnel(there.http, "web", PUBLISHED) as into,
        ):
            assert await through.says(b"up") and await into.says(b"up")
            os.kill(there.mesh.pid(lost), signal.SIGKILL)
            dead, alive = (through, into) if lost == "bastion" else (into, through)
            assert await dead.is_reset()
            assert await alive.says(b"not me")
            await there.mesh.in_state(lost, HostState.READY)
            name, at = ("localhost", port) if lost == "bastion" else ("web", PUBLISHED)
            with await tunnel(there.http, name, at) as again:
                assert await again.says(b"up again")


@pytest.mark.parametrize("at", [None, "far"], ids=["on the hub", "on a remote host"])
async def test_a_request_that_waits_for_an_answer_is_told_that_its_bastion_died(
    at: str | None,
) -> None:
    to_bastion = Route("bastion", ("local*",))
    with Target() as silent:
        async with world(silent.port, to_bastion, at=host(at) if at else None) as there:
            with await connect(there.http) as client:
                name = f"localhost:{silent.port}"
                await client.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
                with await silent.accept() as reached:
                    assert (await reached.some()).startswith(b"GET / ")
                    assert there.stream.to_host == "bastion"
                    os.kill(there.mesh.pid("bastion"), signal.SIGKILL)
                    assert await client.exactly(13) == b"HTTP/1.1 502 "


class Hang:
    """Look-ups that do not end until they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = threading.Event()
        self._real = resolve.look_up

    def __call__(self, name: str) -> tuple[list[str], str]:
        self.begun += 1
        self.go.wait(30)
        return self._real(name)


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hang]:
    """The look-ups of this process, hub and local host, hang."""
    made = Hang()
    monkeypatch.setattr(resolve, "look_up", made)
    yield made
    made.go.set()


BY_NETWORK = Route("bastion", ("127.0.0.0/24",))


async def test_what_comes_while_a_name_is_looked_up_arrives(hang: Hang) -> None:
    async with echoing() as port, world(port, BY_NETWORK) as there:
        with await connect(there.http) as client:
            await client.send(connect_head("localhost", port) + b"early")
            client.end()
            await eventually(lambda: hang.begun, "the name is looked up")
            hang.go.set()
            assert await client.rest() == b"HTTP/1.1 200 Connection established\r\n\r\nearly"


@pytest.mark.parametrize("how", ["abort", "end", "kill"])
async def test_a_client_that_gives_up_during_a_look_up_leaves_nothing(hang: Hang, how: str) -> None:
    async with echoing() as port, world(port, BY_NETWORK) as there:
        client = await connect(there.http)
        await client.send(connect_head("localhost", port))
        await eventually(lambda: hang.begun, "the name is looked up")
        number = there.stream.id
        if how == "abort":
            client.abort()
        elif how == "end":
            client.close()
        else:
            assert await there.mesh.engine.kill_stream(number)
            assert await client.is_reset()
            client.close()
        if how != "end":  # an end in order alone is no reason not to connect
            await there.idle()
            assert there.closed()[0].to_host == "hub"
        hang.go.set()
        await there.idle()
        with await tunnel(there.http, "localhost", port) as other:
            assert await other.says(b"all is well")


async def test_a_look_up_that_fails_for_now_is_no_reason_to_go_by_the_name_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_: LocalLink, name: str) -> list[str]:
        raise OperationError("timeout", f"no answer for {name}")

    monkeypatch.setattr(LocalLink, "resolve", never)
    but_no_loopback = Route("bastion", ("*",), ("127.0.0.0/8",))
    async with echoing() as port, world(port, but_no_loopback) as there:
        client, head = await ask_http(there.http, "localhost", port)
        with client:
            assert head.startswith(b"HTTP/1.1 504 "), head
            assert b"looking up localhost on hub: no answer for localhost" in await client.rest()
        await there.idle()
        assert [stream.to_host for stream in there.closed()] == ["hub"]


async def test_a_name_that_does_not_exist_goes_by_its_globs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What only the bastion knows: the hub has never heard of it, and must not refuse it.
    monkeypatch.setattr(resolve, "look_up", lambda name: ([], "Name or service not known"))
    routes = (Route("bastion", ("local*",)), Route("other", ("10.0.0.0/8",)))
    async with echoing() as port, world(port, *routes) as there:
        with await tunnel(there.http, "localhost", port) as client:
            assert await client.says(b"resolved on the bastion")
            assert there.stream.to_host == "bastion"


async def test_an_engine_is_left_at_once_while_a_look_up_hangs(hang: Hang) -> None:
    async with echoing() as port:
        async with world(port, BY_NETWORK) as there:
            client = await connect(there.http)
            await client.send(connect_head("localhost", port))
            await eventually(lambda: hang.begun, "the name is looked up")
            leaving = asyncio.get_running_loop().time()
            hosts = MeshSpec(tuple(h for h in there.hosts if h.name != "bastion"))
            await there.mesh.engine.apply(hosts)
            await there.mesh.engine.apply(MeshSpec())
            assert await client.is_reset()
            client.close()
        assert asyncio.get_running_loop().time() - leaving < 5


async def test_an_engine_that_is_left_resets_who_waits_for_a_look_up(hang: Hang) -> None:
    hub = with_proxies(local())
    async with echoing() as port:
        hosts = (hub, relayed("bastion"))
        async with mesh(*hosts) as made:
            await made.apply(MeshSpec(hosts, (BY_NETWORK,)))
            client = await connect(World(made, hosts, hub).http)
            await client.send(connect_head("localhost", port))
            await eventually(lambda: hang.begun, "the name is looked up")
            leaving = time.monotonic()
        assert time.monotonic() - leaving < 4
        with client:
            assert await client.is_reset()
