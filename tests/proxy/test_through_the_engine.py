"""Both proxies as an engine serves them: real agents, real clients, routes say who dials."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from norouter_core.model import Route
from tests.engine.meshes import host
from tests.proxy.engines import (
    PUBLISHED,
    USER,
    WAYS,
    Blob,
    ask_http,
    ask_socks,
    curl,
    curl_way,
    tunnel,
    world,
)
from tests.servers import connect, echoing, eventually, page, serving, unused_port

pytestmark = pytest.mark.anyio

MIB = 1 << 20
NOT_ALLOWED = 2
REFUSED = 5


@pytest.mark.parametrize("way", WAYS)
async def test_curl_reaches_what_the_mesh_publishes(way: str) -> None:
    async with page(b"of back") as port, world(port) as there:
        for name in ("back", "BACK", "web", there.vip("back")):
            got = await curl(*curl_way(there, way), f"http://{name}:{PUBLISHED}/")
            assert (got.status, got.out) == (0, b"of back"), (name, got.told)
        await there.idle()
        streams = there.closed()
        assert [s.from_host for s in streams] == ["hub"] * 4
        assert [s.to_host for s in streams] == ["back"] * 4
        assert all(s.bytes_sent > 50 and s.bytes_received > 40 for s in streams), streams


@pytest.mark.parametrize("way", ["--proxy", "--proxytunnel", "--socks5-hostname"])
async def test_curl_shows_a_user_and_password(way: str) -> None:
    async with page(b"of back") as port, world(port, auth=USER) as there:
        words = [*curl_way(there, way), f"http://back:{PUBLISHED}/"]
        got = await curl("--proxy-user", USER, *words)
        assert (got.status, got.out) == (0, b"of back"), got.told
        for wrong in ([], ["--proxy-user", "me:wrong"]):
            refused = await curl("--fail", *wrong, *words)
            assert refused.status != 0
            assert b"of back" not in refused.out
        await there.idle()
        assert [s.to_host for s in there.closed() if s.target == f"back:{PUBLISHED}"] == ["back"]


async def test_socks4a_has_no_password_and_is_refused_where_one_is_asked_for() -> None:
    async with page(b"of back") as port, world(port, auth=USER) as there:
        got = await curl(*curl_way(there, "--socks4a"), f"http://back:{PUBLISHED}/")
        assert got.status == 97, got  # CURLE_PROXY
        assert got.out == b""


async def test_what_is_not_published_is_refused_by_either_proxy() -> None:
    async with page(b"of back") as port, world(port) as there:
        for name in ("back", "web", there.vip("back")):
            url = f"http://{name}:{PUBLISHED + 1}/"
            got = await curl(*curl_way(there, "--proxy"), "--write-out", "%{http_code}", url)
            told = got.out.decode()
            assert told.endswith("403"), told
            assert f"back does not publish port {PUBLISHED + 1}; it publishes {PUBLISHED}" in told
            client, head = await ask_http(there.http, name, PUBLISHED + 1)
            with client:
                assert head.startswith(b"HTTP/1.1 403 "), head
            client, reply = await ask_socks(there.socks, name, PUBLISHED + 1)
            with client:
                assert reply == NOT_ALLOWED


async def test_a_target_where_nobody_listens_is_told_apart() -> None:
    async with page(b"") as port, world(port) as there:
        nobody = unused_port()
        client, head = await ask_http(there.http, "127.0.0.1", nobody)
        with client:
            assert head.startswith(b"HTTP/1.1 502 "), head
            assert b"refused" in await client.rest()
        client, reply = await ask_socks(there.socks, "127.0.0.1", nobody)
        with client:
            assert reply == REFUSED


ROUTED = {
    "no route": ((), "localhost", "hub"),
    "a glob": ((Route("bastion", ("local*",)),), "localhost", "bastion"),
    "a glob has no say on addresses": ((Route("bastion", ("local*",)),), "127.0.0.1", "hub"),
    "a network": ((Route("bastion", ("127.0.0.0/24",)),), "127.0.0.1", "bastion"),
    "another network": ((Route("bastion", ("10.0.0.0/8",)),), "127.0.0.1", "hub"),
    "a network and a name": ((Route("bastion", ("127.0.0.0/24",)),), "localhost", "bastion"),
    "later wins": (
        (Route("bastion", ("local*",)), Route("other", ("*host",))),
        "localhost",
        "other",
    ),
    "a later network": (
        (Route("bastion", ("*",)), Route("other", ("127.0.0.0/24",))),
        "localhost",
        "other",
    ),
    "not to": ((Route("bastion", ("*",), ("local*",)),), "localhost", "hub"),
    "not to a network": ((Route("bastion", ("*",), ("127.0.0.0/24",)),), "localhost", "hub"),
    "not to, and an earlier route": (
        (Route("other", ("*",)), Route("bastion", ("*",), ("127.0.0.0/24",))),
        "localhost",
        "other",
    ),
}


@pytest.mark.parametrize("case", ROUTED)
async def test_routes_say_who_dials(case: str) -> None:
    routes, name, dialler = ROUTED[case]
    async with echoing() as port, world(port, *routes) as there:
        with await tunnel(there.http, name, port) as client:
            assert await client.says(b"by http")
            assert (there.stream.from_host, there.stream.to_host) == ("hub", dialler)
            assert there.stream.target == f"{name}:{port}"
            await eventually(lambda: there.stream.bytes_received >= 7, "its bytes are counted")
            assert there.stream.bytes_sent >= 7
            assert there.stream.peer == client.text
        await there.idle()
        client, reply = await ask_socks(there.socks, name, port)
        with client:
            assert reply == 0
            assert await client.says(b"by socks")
            assert there.stream.to_host == dialler


async def test_a_route_leads_via_an_alias_or_a_vip() -> None:
    async with echoing() as port, world(port, Route("web", ("localhost",))) as there:
        with await tunnel(there.http, "localhost", port):
            assert there.stream.to_host == "back"
        await there.idle()
        await there.route(Route(there.vip("other"), ("localhost",)))
        with await tunnel(there.http, "localhost", port):
            assert there.stream.to_host == "other"


async def test_a_proxy_on_a_remote_host_dials_there() -> None:
    async with echoing() as port, world(port, at=host("far")) as there:
        (http, socks) = (x for x in there.mesh.listeners("far") if x.on_host == "far")
        assert {http.target, socks.target} == {"HTTP proxy", "SOCKS proxy"}
        with await tunnel(there.http, "localhost", port) as client:
            assert await client.says(b"far")
            assert (there.stream.from_host, there.stream.to_host) == ("far", "far")
        await there.idle()
        with await tunnel(there.http, "web", PUBLISHED) as client:
            assert await client.says(b"to back")
            assert (there.stream.from_host, there.stream.to_host) == ("far", "back")
        await there.idle()
        await there.route(Route("bastion", ("127.0.0.0/24",)))
        with await tunnel(there.http, "localhost", port) as client:
            assert await client.says(b"looked up on far, dialled on the bastion")
            assert there.stream.to_host == "bastion"


async def test_changed_routes_are_for_new_connections() -> None:
    async with echoing() as port, world(port) as there:
        with await tunnel(there.http, "localhost", port) as old:
            await there.route(Route("bastion", ("localhost",)))
            with await tunnel(there.http, "localhost", port) as new:
                assert [s.to_host for s in there.mesh.streams] == ["hub", "bastion"]
                assert await old.says(b"still here")
                assert await new.says(b"and here")


async def test_requests_of_one_connection_go_to_whoever_each_is_for() -> None:
    async with page(b"of back") as port, world(port, Route("bastion", ("localhost",))) as there:
        with await connect(there.http) as client:
            wanted = [("web", PUBLISHED, "back"), ("localhost", port, "bastion")]
            for name, at, dialler in [*wanted, ("127.0.0.1", port, "hub"), *wanted]:
                await client.send(b"GET http://%s:%d/ HTTP/1.1\r\n" % (name.encode(), at))
                await client.send(b"Host: %s:%d\r\n\r\n" % (name.encode(), at))
                answer = b""
                while not answer.endswith(b"of back"):
                    piece = await client.some()
                    assert piece, answer
                    answer += piece
                assert there.stream.to_host == dialler
                assert there.stream.target == f"{name}:{at}"


async def test_each_host_that_one_connection_visits_has_its_own_bytes_counted() -> None:
    async with page(b"x" * 100_000) as port, world(port, Route("bastion", ("localhost",))) as there:
        visits = [("web", PUBLISHED), ("localhost", port), ("web", PUBLISHED)]
        with await connect(there.http) as client:
            for name, at in visits:
                request = f"GET http://{name}:{at}/ HTTP/1.1\r\nHost: {name}:{at}\r\nX: "
                await client.send(f"{request}{'y' * 5000}\r\n\r\n".encode())
                got = b""
                while not got.endswith(b"x" * 100_000):
                    piece = await client.some()
                    assert piece, got
                    got += piece
            counted = {host.name: host for host in there.mesh.engine.status().hosts}
            for name, times in (("back", 2), ("bastion", 1)):
                host = counted[name]
                assert times * 100_000 < host.bytes_in < times * 100_200, (name, host)
                assert times * 5000 < host.bytes_out < times * 5200, (name, host)
                assert host.streams == (1 if name == "back" else 0)
            assert 15_000 < counted["hub"].bytes_in < 15_600
            assert 300_000 < counted["hub"].bytes_out < 300_600
        await there.idle()
        after = {host.name: host for host in there.mesh.engine.status().hosts}
        for name in ("back", "bastion", "hub"):
            assert after[name].bytes_in == counted[name].bytes_in
            assert after[name].bytes_out == counted[name].bytes_out


async def test_a_hundred_at_once() -> None:
    async with page(b"of back") as port, world(port, Route("bastion", ("local*",))) as there:

        async def fetch(number: int) -> bytes:
            name, at = [("web", PUBLISHED), ("localhost", port), ("127.0.0.1", port)][number % 3]
            head = f"GET http://{name}:{at}/ HTTP/1.1\r\nHost: {name}:{at}\r\n"
            with await connect(there.http) as client:
                await client.send(f"{head}Connection: close\r\n\r\n".encode())
                return await client.rest()

        answers = await asyncio.gather(*map(fetch, range(100)))
        assert all(x.startswith(b"HTTP/1.1 200 OK") and x.endswith(b"of back") for x in answers)
        await there.idle()
        ways = [stream.to_host for stream in there.closed()]
        assert {name: ways.count(name) for name in set(ways)} == {
            "back": 34,
            "bastion": 33,
            "hub": 33,
        }


@pytest.mark.parametrize("way", ["--proxy", "--socks5-hostname"])
async def test_much_data_both_ways_through_a_bastion(way: str, tmp_path: Path) -> None:
    blob = Blob(os.urandom(64 * MIB))
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(blob.data)
    async with serving(blob) as port, world(port, Route("bastion", ("localhost",))) as there:
        words = [*curl_way(there, way), f"http://localhost:{port}/"]
        down = await curl("--output", str(got), *words)
        assert down.status == 0, down.told
        assert hashlib.sha256(got.read_bytes()).hexdigest() == blob.digest
        up = await curl("--upload-file", str(sent), *words)
        assert (up.status, up.out.decode()) == (0, blob.digest), up.told
        await there.idle()
        down_stream, up_stream = there.closed()
        assert {down_stream.to_host, up_stream.to_host} == {"bastion"}
        assert 64 * MIB <= down_stream.bytes_received <= 64 * MIB + 4096
        assert 64 * MIB <= up_stream.bytes_sent <= 64 * MIB + 4096
