"""The load server and the loads against each other, on loopback: right, not fast."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from benchmarks import loads
from benchmarks.loadclient import Client
from benchmarks.protocol import (
    COUNT,
    SINK,
    SOURCE,
    STALL,
    Address,
    LoadError,
    Proxy,
    check_answer,
    open_stream,
)
from benchmarks.workers import ClientProcess, ServerProcess
from tests.proxy.proxy_server import proxying


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with closing(ServerProcess()) as process:
        yield process


@pytest.fixture
def address(server: ServerProcess) -> Address:
    return server.address


@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize("streams", [1, 5])
def test_bulk_moves_every_byte(address: Address, direction: str, streams: int) -> None:
    size = 5 * 300_001
    took = loads.bulk(address, direction, streams, size)
    assert took["bytes"] == size
    assert 0 < took["first"] <= took["last"]


def test_source_sends_what_was_asked_for_then_eof(address: Address) -> None:
    with open_stream(address, SOURCE) as sock:
        sock.sendall(COUNT.pack(600_000))
        assert sum(len(part) for part in iter(lambda: sock.recv(65536), b"")) == 600_000


def test_sink_counts_what_arrived(address: Address) -> None:
    with open_stream(address, SINK) as sock:
        sock.sendall(b"x" * 12345)
        sock.shutdown(socket.SHUT_WR)
        assert COUNT.unpack(sock.recv(8)) == (12345,)
        assert sock.recv(1) == b""


def test_pingpong_keeps_as_many_trips_as_asked(address: Address) -> None:
    trips = loads.pingpong(address, 20)
    assert len(trips) == 20
    assert min(trips) > 0


@pytest.mark.parametrize("at_once", [1, 7])
def test_connections(address: Address, at_once: int) -> None:
    assert loads.connections(address, 20, at_once) > 0


async def _through_a_proxy(address: Address, kind: str) -> None:
    async with proxying("http" if kind == "connect" else "socks") as served:
        proxy = Proxy(kind, *served.address)
        for direction in ("down", "up"):
            took = await asyncio.to_thread(loads.bulk, address, direction, 2, 600_000, proxy)
            assert took["bytes"] == 600_000
        for at_once in (1, 4):
            assert await asyncio.to_thread(loads.connections, address, 12, at_once, proxy) > 0
        assert set(served.dialled) == {address}


@pytest.mark.parametrize("kind", ["connect", "socks5"])
def test_loads_pass_a_proxy(address: Address, kind: str) -> None:
    asyncio.run(_through_a_proxy(address, kind))


def test_a_proxy_that_is_none_is_an_error(address: Address) -> None:
    for kind in ("connect", "socks5"):
        with pytest.raises((LoadError, ConnectionError)):
            loads.connections(address, 4, 1, Proxy(kind, *address))
        with pytest.raises((LoadError, ConnectionError)):
            loads.connections(address, 4, 4, Proxy(kind, *address))


@pytest.mark.parametrize("at_once", [1, 7])
def test_refused_connections_are_an_error(at_once: int) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="refused"):
            loads.connections(bound.getsockname(), 20, at_once)


def test_an_answer_of_another_kind_of_server_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"SSH-2.0")
        with pytest.raises(LoadError, match="answered b'S'"):
            check_answer(ours, SINK)


def test_stalled_connections_end_when_the_server_is_told(server: ServerProcess) -> None:
    with open_stream(server.address, STALL) as sock:
        sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(10)
        server.release()
        assert sock.recv(1) == b""


@pytest.mark.parametrize("direction", ["down", "up"])
def test_stalled_load_can_be_released(address: Address, direction: str) -> None:
    held = loads.Held()
    held.stalled(address, direction, 3)
    held.release()
    assert loads.connections(address, 1, 1) > 0


def test_client_answers_in_json(address: Address) -> None:
    client = Client()
    assert json.loads(client.answer(json.dumps(["idle", *address, 70]))) == {"result": None}
    assert json.loads(client.answer('["release"]')) == {"result": None}


def test_client_process_reports_faults_and_survives_them(server: ServerProcess) -> None:
    with socket.socket() as bound, closing(ClientProcess()) as client:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(LoadError, match=r"pingpong: .*refused"):
            client.run("pingpong", *bound.getsockname(), 5)
        assert len(client.run("pingpong", *server.address, 5)) == 5


def test_client_process_that_hangs_is_cut_off_and_replaced(server: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, closing(ClientProcess()) as client:
        with pytest.raises(LoadError, match="no result within 1 s"):
            client.run("pingpong", *deaf.getsockname(), 5, limit=1.0)
        assert len(client.run("pingpong", *server.address, 5)) == 5
