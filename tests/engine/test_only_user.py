"""`onlyUser`: this machine's listeners are for the user that runs norouter."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from norouter_core.engine.peer_users import PeerUsers
from norouter_core.engine.status import ListenerState
from norouter_core.model import HostSpec, ProxySpec
from tests.datagrams import UdpPeer, answering
from tests.engine.meshes import Mesh, forward, forward_udp, host, local, mesh, relayed
from tests.servers import connect, echoing, eventually, unused_port

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's"),
]


def only_user(host: HostSpec, on: bool = True) -> HostSpec:
    return replace(host, options=replace(host.options, only_user=on))


@pytest.fixture
def users() -> Iterator[PeerUsers]:
    made = PeerUsers()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("family", "at", "towards"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_a_connection_belongs_to_its_user_until_its_program_closes_it(
    users: PeerUsers, family: int, at: str, towards: str
) -> None:
    with socket.create_server((at, 0), family=family) as listener:
        local = listener.getsockname()[:2]
        kind = socket.AF_INET6 if ":" in towards else socket.AF_INET
        with socket.socket(kind) as client:
            client.connect((towards, local[1]))
            accepted, peer = listener.accept()
            with accepted:
                assert users.is_own("tcp", local, peer[:2])
                client.shutdown(socket.SHUT_WR)
                assert users.is_own("tcp", local, peer[:2])
                client.close()
                # Its address and port are still known to the kernel, as those of user 0.
                assert not users.is_own("tcp", local, peer[:2])


def test_a_listener_at_the_port_of_a_client_is_not_the_client(users: PeerUsers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        assert not users.is_own("tcp", ("127.0.0.1", unused_port()), own.getsockname()[:2])


@pytest.mark.parametrize("connected", [True, False])
def test_a_datagram_belongs_to_the_user_of_the_socket_that_an_answer_reaches(
    users: PeerUsers, connected: bool
) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        if connected:
            two.connect(one.getsockname())
        assert users.is_own("udp", one.getsockname(), two.getsockname())
        gone = two.getsockname()
        two.close()
        assert not users.is_own("udp", one.getsockname(), gone)


async def test_the_own_user_reaches_every_kind_of_listener() -> None:
    socks = ProxySpec("127.0.0.1", unused_port())
    async with echoing() as port, answering() as udp:
        hub = only_user(local("hub", forward(port)))
        hub = replace(hub, options=replace(hub.options, socks=socks))
        async with mesh(hub, relayed("web", forward(port), forward_udp(udp))) as made:
            for address in (made.address("hub"), made.address("web")):
                with await connect(address) as client:
                    assert await client.says(b"hello")
            with UdpPeer(made.address("web", suffix="/udp")) as peer:
                assert await peer.asks(b"hello") == b"hello"
            with await connect((socks.listen_host, socks.listen_port)) as client:
                await client.send(b"\x05\x01\x00")
                assert await client.exactly(2) == b"\x05\x00"


@pytest.mark.parametrize("from_start", [True, False])
async def test_no_other_host_of_this_machine_listens_beside_the_check(from_start: bool) -> None:
    """What such a host accepts by itself, nobody asks whose it is."""
    async with echoing() as port:
        hub = local("hub", forward(port))
        web = host("web", forward(port), forward_udp(port))
        http = ProxySpec("127.0.0.1", unused_port())
        web = replace(web, options=replace(web.options, http=http))
        async with mesh(web, only_user(hub, from_start)) as made:
            if not from_start:
                assert held_by(made, "web")
                await made.apply(made.engine.spec.with_host(only_user(hub)))
            await eventually(lambda: not held_by(made, "web"), "web listens nowhere")
            await eventually(lambda: len(held_by(made, "hub")) == 3, "the hub listens for it")
            note = "only hub, which has onlyUser, may listen in this network namespace"
            await eventually(lambda: note in notes(made, "web"), "web's proxy is refused")
            _leave(made.address("web"))
            await made.log_says("it is not of the user that runs norouter")
            with await connect(made.address("web")) as client:
                assert await client.says(b"hello")
            await made.apply(made.engine.spec.with_host(only_user(hub, on=False)))
            await eventually(lambda: len(held_by(made, "web")) == 3, "web listens again")


def held_by(made: Mesh, name: str) -> list[str]:
    """What a host listens for itself."""
    listeners = made.engine.status().listeners
    return [x.listen for x in listeners if x.on_host == name and x.state is ListenerState.BOUND]


def notes(made: Mesh, name: str) -> list[str]:
    return [x.note for x in made.engine.status().listeners if x.on_host == name]


async def test_a_client_that_has_gone_is_refused_where_users_are_checked() -> None:
    """Data that another user leaves behind in a closed socket must not be passed on."""
    async with echoing() as port:
        hub = only_user(local("hub", forward(port)))
        async with mesh(hub) as made:
            for _ in range(3):
                _leave(made.address("hub"))
            await made.log_says("it is not of the user that runs norouter")
            assert not made.streams and not made.engine.status().opened_total
            assert not [line for line in made.events() if "runs norouter" in str(line)]
            await made.apply(made.engine.spec.with_host(only_user(hub, on=False)))
            with await connect(made.address("hub")) as client:
                assert await client.says(b"hello")


def _leave(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"from nobody")
