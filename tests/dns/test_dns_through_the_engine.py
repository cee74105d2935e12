"""DNS as an engine serves it: real agents, a real dig, name servers of this machine's own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import pytest

from norouter_core.engine import dns_service
from norouter_core.engine.events import StreamClosed
from norouter_core.engine.status import HostState, ListenerState, StreamStatus
from norouter_core.model import DnsSpec, HostSpec, MeshSpec, ProxySpec, Route
from tests.datagrams import UdpPeer, answering
from tests.dns import agents
from tests.dns.fake_lookups import a_records
from tests.dns.meshes import PORT, address, addresses, ask, with_dns
from tests.dns.streams import query, response
from tests.dns.test_dig import dig
from tests.engine.meshes import Mesh, exec_command, forward, host, local, mesh, program, relayed
from tests.servers import Peer, connect, echoing, eventually, serving, unused_port

pytestmark = pytest.mark.anyio

needs_dig = pytest.mark.skipif(not shutil.which("dig"), reason="dig is missing (bind9-dnsutils)")

CORP = Route("bastion", ("*.corp",))


def bastion() -> HostSpec:
    """A host that knows the names of `agents.NAMES`."""
    return relayed("bastion", cmd=program(Path(agents.__file__)))


@asynccontextmanager
async def name_server(
    asked: list[str], rcode: dns.rcode.Rcode = dns.rcode.NOERROR
) -> AsyncIterator[int]:
    """The port of one that has an A record for every name, by TCP; `asked` gets the names."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        wire = await reader.readexactly(size)
        asked.append(dns.message.from_wire(wire).question[0].name.to_text())
        found = dns.message.from_wire(a_records(wire))
        found.set_rcode(rcode)
        data = found.to_wire()
        # In pieces, as a slow link would.
        writer.write(len(data).to_bytes(2, "big") + data[:20])
        await writer.drain()
        writer.write(data[20:])
        await writer.drain()

    async with serving(answer) as port:
        yield port


@needs_dig
async def test_every_vip_answers_for_the_mesh() -> None:
    hub, web = with_dns(local()), with_dns(replace(relayed("web"), aliases=("www.mesh",)))
    async with mesh(hub, web, with_dns(host("db"))) as made:
        listeners = [x for x in made.engine.status().listeners if x.service == "dns"]
        assert {x.target for x in listeners} == {"DNS"}
        # `web` does not listen; `hub` does at every VIP, `db` at its own and at that of `hub`.
        # UDP and TCP are one listener each.
        assert len(listeners) == 6 + 4
        assert all(x.state in (ListenerState.BOUND, ListenerState.SHARED) for x in listeners)
        for name in ("hub", "web", "db"):
            at, port = address(made, name)
            for words, wanted in (
                (("web",), [web.vip]),
                (("WWW.Mesh",), [web.vip]),
                (("-x", web.vip), ["web."]),
                (("web", "AAAA"), []),
            ):
                for transport in ("+tcp", "+notcp"):
                    got = await dig(port, "+short", transport, *words, server=at)
                    assert got.split() == wanted
        await eventually(lambda: not made.streams, "their streams have ended, UDP's too")
        ended = [e.stream for e in made.events() if isinstance(e, StreamClosed)]
        assert sum(map(_is_udp, ended)) == 12
        assert {x.service for x in ended} == {"dns"}
        assert {x.to_host for x in ended} == {"hub", "web", "db"}
        assert {x.reason for x in ended} == {"closed"}
        assert all(x.bytes_sent > 20 and x.bytes_received > 20 for x in ended)


async def test_the_port_is_the_manifests_and_may_be_none() -> None:
    web, db = with_dns(relayed("web"), DnsSpec(port=5353)), relayed("db")
    async with mesh(local(), web, db) as made:
        (answer,) = await ask(address(made, "web", 5353), "db")
        assert addresses(answer) == [db.vip]
        assert {x.to_host for x in made.engine.status().listeners} == {"web"}
        await made.apply(MeshSpec((local(), web)))
        (answer,) = await ask(address(made, "web", 5353), "db")
        assert answer.rcode() != dns.rcode.NOERROR  # it is of the mesh no longer
        await made.apply(MeshSpec((local(), with_dns(web, DnsSpec(disable=True)))))
        assert not made.engine.status().listeners


async def test_a_session_is_a_stream_that_can_be_seen_and_killed() -> None:
    web = with_dns(relayed("web"))
    async with mesh(local(), web) as made:
        with await connect(address(made, "web")) as client:
            await client.send(query("web", 7))
            assert addresses(await response(client)) == [web.vip]
            (stream,) = made.streams
            assert (stream.service, stream.target, stream.to_host) == ("dns", "DNS", "web")
            assert (stream.from_host, stream.peer) == ("hub", client.text)
            assert stream.listener == f"{web.vip}:{PORT}"
            await made.engine.kill_stream(stream.id)
            assert await client.is_reset()
        # It ends with its port, too.
        with await connect(address(made, "web")) as client:
            await made.apply(MeshSpec((local(), with_dns(web, DnsSpec(disable=True)))))
            assert await client.is_reset()


async def test_names_that_a_route_claims_are_resolved_there_and_learnt() -> None:
    socks = ProxySpec("127.0.0.1", unused_port())
    hub = with_dns(local())
    hub = replace(hub, options=replace(hub.options, socks=socks))
    there = bastion()
    async with mesh(hub, there) as made:
        await made.apply(MeshSpec((hub, there), (CORP,)))
        found = await ask(address(made, "hub"), "DB.corp", "no.corp", "silent.corp", "here.corp")
        assert addresses(found[0]) == ["198.51.100.7", "198.51.100.8"]
        assert found[1].rcode() == dns.rcode.NXDOMAIN
        assert found[2].rcode() == dns.rcode.SERVFAIL
        assert addresses(found[3]) == ["127.0.0.1"]
        # An address that DNS gave is reached through whoever gave it, by the proxies too.
        assert made.engine.routes.decide("198.51.100.7", "hub").host == "bastion"
        assert made.engine.routes.decide("198.51.100.9", "hub").host == "hub"
        assert made.engine.routes.decide("127.0.0.1", "hub").host == "hub"
        with await asked_socks4(socks, "198.51.100.8"):
            await eventually(lambda: _to(made) == ["bastion"], "it is dialled by the bastion")
        # A change that keeps the route keeps what was learnt; without the route it is forgotten.
        await made.apply(MeshSpec((hub, there, relayed("new")), (CORP,)))
        assert made.engine.routes.decide("198.51.100.7", "hub").host == "bastion"
        await made.apply(MeshSpec((hub, there), ()))
        assert made.engine.routes.decide("198.51.100.7", "hub").host == "hub"


async def asked_socks4(spec: ProxySpec, target: str) -> Peer:
    client = await connect((spec.listen_host, spec.listen_port))
    packed = bytes(map(int, target.split(".")))
    await client.send(b"\x04\x01\x00\x50" + packed + b"me\0")
    return client


def _to(made: Mesh) -> list[str]:
    return [x.to_host for x in made.streams if x.service == "socks"]


def _is_udp(stream: StreamStatus) -> bool:
    return stream.listener.endswith("/udp")


@needs_dig
@pytest.mark.parametrize("where", ["hub", "web"])
async def test_name_servers_are_asked_by_udp_and_by_tcp_for_what_is_long(
    resolv_conf: Path, where: str
) -> None:
    asked: list[str] = []
    by_udp: list[str] = []

    def answer(wire: bytes) -> bytes:
        name = dns.message.from_wire(wire).question[0].name.to_text()
        by_udp.append(name)
        found = dns.message.from_wire(a_records(wire))
        if name == "long.example.":
            found = dns.message.make_response(dns.message.from_wire(wire))
            found.flags |= dns.flags.TC
        return found.to_wire()

    hub, web = with_dns(local()), with_dns(host("web"))
    async with name_server(asked) as port, answering(answer, port), mesh(hub, web) as made:
        resolv_conf.write_text(f"nameserver [127.0.0.1]:{port}\n")
        at, dns_port = made.address(where, PORT, "/udp")
        for name in ("short.example", "long.example"):
            got = await dig(dns_port, "+short", name, server=at)
            assert got.split() == ["192.0.2.0"]
        assert by_udp == ["short.example.", "long.example."]
        assert asked == ["long.example."]


@needs_dig
async def test_what_is_too_long_for_the_client_is_cut_and_had_by_tcp(resolv_conf: Path) -> None:
    """As any name server's: dig sees TC, and asks again by TCP."""

    def answer(wire: bytes) -> bytes:
        return a_records(wire, 40)

    async def by_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        data = answer(await reader.readexactly(size))
        writer.write(len(data).to_bytes(2, "big") + data)
        await writer.drain()

    web = with_dns(host("web"))
    async with serving(by_tcp) as port, answering(answer, port), mesh(local(), web) as made:
        resolv_conf.write_text(f"nameserver [127.0.0.1]:{port}\n")
        at, dns_port = made.address("web", PORT, "/udp")
        cut = await dig(dns_port, "+noedns", "+ignore", "many.example", server=at)
        assert "flags: qr tc rd" in cut and "ANSWER: 0" in cut
        whole = await dig(dns_port, "+noedns", "+short", "many.example", server=at)
        assert len(whole.split()) == 40
        large = await dig(dns_port, "+bufsize=4096", "+ignore", "+short", "many.example", server=at)
        assert len(large.split()) == 40


async def test_a_name_server_that_does_not_answer_datagrams_is_asked_by_tcp(
    resolv_conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_service, "_UDP_TIMEOUT", 0.1)
    asked: list[str] = []
    hub = with_dns(local())
    async with name_server(asked) as port, mesh(hub) as made:
        with UdpPeer(port=port) as silent:
            resolv_conf.write_text(f"nameserver [127.0.0.1]:{port}\n")
            with UdpPeer(made.address("hub", PORT, "/udp")) as client:
                answer = dns.message.from_wire(await client.asks(query("example.org", 5)[2:]))
            assert addresses(answer) == ["192.0.2.0"] and answer.id == 5
            assert (await silent.receive())[0] == query("example.org", 5)[2:]


@pytest.mark.parametrize("where", ["hub", "web"])
async def test_the_rest_is_asked_of_the_host_whose_vip_was_asked(
    resolv_conf: Path, where: str
) -> None:
    asked: list[str] = []
    hub, web = with_dns(local()), with_dns(host("web"))
    async with name_server(asked) as port, mesh(hub, web) as made:
        # The mesh itself is never asked, nor is one that is down waited for.
        text = f"nameserver {hub.vip}\nnameserver [127.0.0.1]:{unused_port()}\n"
        resolv_conf.write_text(f"{text}nameserver [127.0.0.1]:{port}\n")
        first, second = await ask(address(made, where), "example.org", "web")
        assert addresses(first) == ["192.0.2.0"]
        assert addresses(second) == [web.vip]
        assert asked == ["example.org."]


async def test_a_name_server_that_refuses_is_not_the_last_word(resolv_conf: Path) -> None:
    asked: list[str] = []
    hub = with_dns(local())
    refused = dns.rcode.REFUSED
    async with name_server([], refused) as bad, name_server(asked) as good, mesh(hub) as made:
        servers = [f"nameserver [127.0.0.1]:{port}\n" for port in (bad, good)]
        resolv_conf.write_text("".join(servers))
        (answer,) = await ask(address(made, "hub"), "example.org")
        assert addresses(answer) == ["192.0.2.0"]
    async with name_server([], refused) as bad, mesh(hub) as made:
        resolv_conf.write_text(f"nameserver [127.0.0.1]:{bad}\n")
        (answer,) = await ask(address(made, "hub"), "example.org")
        assert answer.rcode() == refused


def _conf_is_silent(path: Path) -> str:
    path.write_text(f"nameserver [127.0.0.1]:{unused_port()}\n")
    return "connection refused"


def _conf_is_a_folder(path: Path) -> str:
    path.mkdir()
    return "not a regular file"


def _conf_names_the_mesh(path: Path) -> str:
    path.write_text("nameserver 127.99.99.99\n")
    return "names no other name server"


@pytest.mark.parametrize("conf", [_conf_is_silent, _conf_is_a_folder, _conf_names_the_mesh])
async def test_without_a_name_server_it_is_servfail_with_a_reason(
    resolv_conf: Path, conf: object
) -> None:
    assert callable(conf)
    told = conf(resolv_conf)
    hub, web = with_dns(replace(local(), vip="127.99.99.99")), with_dns(host("web"))
    async with mesh(hub, web) as made:
        message = dns.message.make_query("example.org", "A", use_edns=0)
        wire = message.to_wire()
        with await connect(address(made, "web")) as client:
            await client.send(len(wire).to_bytes(2, "big") + wire)
            answer = await response(client)
        assert answer.rcode() == dns.rcode.SERVFAIL
        assert told in answer.to_text().lower(), answer.to_text()


async def test_the_name_servers_of_a_host_serve_its_own_clients_only(resolv_conf: Path) -> None:
    """A host without any network must not reach the outside by the names that it asks for."""
    asked: list[str] = []
    hub, web = with_dns(local()), with_dns(relayed("web"))
    async with name_server(asked) as port, mesh(hub, web) as made:
        resolv_conf.write_text(f"nameserver [127.0.0.1]:{port}\n")
        first, second = await ask(address(made, "web"), "secret.example.org", "web")
        assert first.rcode() == dns.rcode.REFUSED
        assert addresses(second) == [web.vip]
        assert not asked


async def test_a_host_that_is_down_fails_its_own_questions_alone(resolv_conf: Path) -> None:
    asked: list[str] = []
    hub = with_dns(local())
    gone = with_dns(relayed("gone", cmd=("false",)))
    async with name_server(asked) as port, mesh(hub, gone, wait=False) as made:
        resolv_conf.write_text(f"nameserver [127.0.0.1]:{port}\n")
        await made.in_state("hub", HostState.READY)
        listens = lambda: any(  # noqa: E731  # a condition to wait for
            x.state is ListenerState.BOUND for x in made.listeners("gone")
        )
        await eventually(listens, "its vip is listened at")
        first, second = await ask(address(made, "gone"), "example.org", "gone")
        assert first.rcode() == dns.rcode.REFUSED
        assert addresses(second) == [gone.vip]
        assert not asked


async def test_the_agent_of_another_host_is_not_asked_what_it_does_not_serve() -> None:
    async with echoing() as port, mesh(local(), host("web", forward(port))) as made:
        # Without DNS nobody listens at its port.
        assert [x.service for x in made.listeners("web")] == ["port", "port"]
        at = made.address("web")
        with pytest.raises(OSError):
            await connect((at[0], PORT))


async def test_local_commands_have_dns_as_well() -> None:
    spec = with_dns(host("sh", cmd=exec_command()))
    async with mesh(with_dns(local()), spec) as made:
        (answer,) = await ask(address(made, "sh"), "sh")
        assert addresses(answer) == [spec.vip]
