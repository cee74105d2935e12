"""What the mesh's DNS answers, and to whom it turns for what it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.rdatatype
import pytest
from dns.rcode import Rcode

from norouter_core.dns.responder import Lookups, Responder, Zone
from norouter_core.model import Host
from tests.dns.fake_lookups import HOSTS, FakeLookups, LookupFailed, a_records, ask, texts
from tests.servers import eventually

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["web", "WEB", "wEb", "www.mesh", "WWW.mesh"])
async def test_mesh_names_have_their_vip(name: str) -> None:
    world = FakeLookups()
    response = await ask(world.responder(), name)
    assert response.rcode() is Rcode.NOERROR
    assert texts(response) == ["127.0.42.101"]
    assert response.flags & dns.flags.AA
    assert response.answer[0].name.to_text() == name + "."
    assert not world.forwarded and not world.resolved


@pytest.mark.parametrize("rdtype", ["AAAA", "MX", "TXT", "HTTPS", "NS", "CNAME", "PTR"])
async def test_mesh_names_have_nothing_else(rdtype: str) -> None:
    world = FakeLookups()
    response = await ask(world.responder(), "web", rdtype)
    assert response.rcode() is Rcode.NOERROR
    assert texts(response) == []
    assert [rrset.rdtype for rrset in response.authority] == [dns.rdatatype.SOA]
    assert not world.forwarded


async def test_any_is_one_record_set() -> None:
    assert texts(await ask(FakeLookups().responder(), "web", "ANY")) == ["127.0.42.101"]
    reverse = await ask(FakeLookups().responder(), "101.42.0.127.in-addr.arpa", "ANY")
    assert texts(reverse) == ["Web."]


async def test_vips_have_names() -> None:
    world = FakeLookups()
    name = "101.42.0.127.IN-addr.arpa"
    assert texts(await ask(world.responder(), name, "PTR")) == ["Web."]
    nodata = await ask(world.responder(), name, "TXT")
    assert (nodata.rcode(), texts(nodata), len(nodata.authority)) == (Rcode.NOERROR, [], 1)
    assert not world.forwarded
    await ask(world.responder(), "1.0.0.10.in-addr.arpa", "PTR")
    assert world.forwarded == [("Web", "udp")]


async def test_the_zone_can_be_replaced() -> None:
    world = FakeLookups()
    responder = world.responder()
    long = "x" * 64
    responder.zone = Zone([Host("new", "127.0.42.9", None, aliases=(long, "a..b"))])
    assert texts(await ask(responder, "new")) == ["127.0.42.9"]
    assert texts(await ask(responder, "web")) == ["192.0.2.0"]


async def test_claimed_names_are_resolved_by_their_host_and_learnt() -> None:
    world = FakeLookups()
    responder = world.responder()
    response = await ask(responder, "Db.Corp")
    assert texts(response) == ["10.0.0.5", "10.0.0.6"]
    assert not response.flags & dns.flags.AA
    assert world.resolved == [("bastion", "Db.Corp")]
    assert world.learned == [("10.0.0.5", "bastion"), ("10.0.0.6", "bastion")]
    assert texts(await ask(responder, "db.corp", "AAAA")) == ["fd00::5"]
    assert world.learned[2:] == [("fd00::5", "bastion")]
    assert texts(await ask(responder, "db.corp", "ANY")) == ["10.0.0.5", "10.0.0.6"]
    assert not world.forwarded


async def test_what_an_agent_calls_addresses_is_checked() -> None:
    bad = ("", "x", "10.0.0.1 ", "10.0.0.5", "10.0.0.5", "fe80::1%eth0", "\\# 4 0a000001", "1.2")
    world = FakeLookups(addresses=bad)
    assert texts(await ask(world.responder(), "db.corp")) == ["10.0.0.5"]
    nothing = await ask(world.responder(), "db.corp", "AAAA")
    assert (nothing.rcode(), texts(nothing)) == (Rcode.NOERROR, [])
    assert world.learned == [("10.0.0.5", "bastion")]


async def test_claimed_names_that_are_none() -> None:
    response = await ask(FakeLookups(addresses=()).responder(), "no.corp")
    assert response.rcode() is Rcode.NXDOMAIN
    assert len(response.authority) == 1


async def test_other_types_of_claimed_names_come_from_their_hosts_resolver() -> None:
    world = FakeLookups()
    await ask(world.responder(), "db.corp", "MX", "tcp")
    assert world.forwarded == [("bastion", "tcp")]
    # Hints in HTTPS records would be addresses that nobody has learnt the way to.
    response = await ask(world.responder(), "db.corp", "HTTPS")
    assert (response.rcode(), texts(response)) == (Rcode.NOERROR, [])
    assert len(world.forwarded) == 1 and not world.resolved


async def test_names_that_are_no_hostnames_never_reach_a_system_resolver() -> None:
    world = FakeLookups()
    await ask(world.responder(), "a\\000b.corp")
    await ask(world.responder(), "a\\.b.corp")
    assert not world.resolved
    assert world.forwarded == [("bastion", "udp")] * 2


async def test_everything_else_is_asked_of_the_host_whose_vip_was_asked() -> None:
    world = FakeLookups()
    response = await ask(world.responder(), "eXample.ORG", transport="tcp")
    assert texts(response) == ["192.0.2.0"]
    assert world.forwarded == [("Web", "tcp")]


async def test_letters_come_back_as_they_were_asked() -> None:
    lower = dns.message.make_query("example.org", "A")
    upper = dns.message.make_query("EXAMPLE.org", "A", id=lower.id)
    world = FakeLookups(spoil=a_records(lower.to_wire()))
    answer = await world.responder().answer(upper.to_wire(), "Web", "Web", "udp")
    assert answer is not None
    assert dns.message.from_wire(answer).question[0].name.to_text() == "EXAMPLE.org."


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [LookupFailed("no way"), ConnectionRefusedError("no way"), EOFError("no way")]
)
async def test_failures_are_servfail_and_say_why(error: Exception) -> None:
    world = FakeLookups(error=error, addresses=error)
    for name in ("example.org", "db.corp"):
        response = await ask(world.responder(), name, edns=1232)
        assert response.rcode() is Rcode.SERVFAIL
        (option,) = response.options
        assert isinstance(option, dns.edns.EDEOption)
        assert option.text == "Web: no way"
        assert (await ask(world.responder(), name)).rcode() is Rcode.SERVFAIL


async def test_silence_is_servfail() -> None:
    responder = FakeLookups(silent=True).responder(timeout=0.02)
    response = await ask(responder, "example.org", edns=1232)
    assert response.rcode() is Rcode.SERVFAIL
    assert "no answer within 0.02 s" in str(response.options[0])


async def test_a_slow_resolver_of_a_host_has_longer_than_a_name_server() -> None:
    class Slow(FakeLookups):
        async def resolve(self, via: str, name: str) -> Sequence[str]:
            await asyncio.sleep(0.1)
            return await super().resolve(via, name)

    world = Slow()
    lookups = Lookups(world.claimed, world.resolve, world.learn, world.forward)
    responder = Responder(Zone(HOSTS), lookups, timeout=0.02, resolve_timeout=10)
    assert texts(await ask(responder, "db.corp")) == ["10.0.0.5", "10.0.0.6"]


async def test_other_clients_get_the_mesh_but_no_name_server() -> None:
    world = FakeLookups()
    responder = world.responder()
    for name, rcode in (("web", Rcode.NOERROR), ("example.org", Rcode.REFUSED)):
        wire = dns.message.make_query(name, "A").to_wire()
        answer = await responder.answer(wire, "Web", "bastion", "udp")
        assert answer is not None and dns.message.from_wire(answer).rcode() is rcode
    assert not world.forwarded


async def test_clients_of_other_machines_learn_the_names_of_the_mesh_only() -> None:
    world = FakeLookups()
    for name, rcode in (("web", Rcode.NOERROR), ("db.corp", Rcode.REFUSED)):
        wire = dns.message.make_query(name, "A").to_wire()
        answer = await world.responder().answer(wire, "Web", "", "udp")
        assert answer is not None and dns.message.from_wire(answer).rcode() is rcode
    assert not world.forwarded and not world.resolved


async def test_queries_under_way_are_bounded_and_the_mesh_is_answered_all_the_same() -> None:
    world = FakeLookups(silent=True)
    responder = world.responder(timeout=30, limit=2)
    waiting = [asyncio.ensure_future(ask(responder, f"n{n}.org")) for n in range(2)]
    await eventually(lambda: len(world.forwarded) == 2, "both queries are under way")
    refused = await ask(responder, "one.more", edns=1232)
    assert refused.rcode() is Rcode.SERVFAIL
    assert "2 queries are waiting" in str(refused.options[0])
    assert texts(await ask(responder, "web")) == ["127.0.42.101"]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    world.silent = False
    assert texts(await ask(responder, "one.more")) == ["192.0.2.0"]


@pytest.mark.parametrize("kind", ["id", "name", "type", "query", "short", "empty", "cut", "none"])
async def test_answers_to_something_else_are_not_passed_on(kind: str) -> None:
    query = dns.message.make_query("example.org", "HTTPS")
    wire = query.to_wire()
    other = {"name": ("example.net", "HTTPS"), "type": ("example.org", "TYPE97")}.get(kind)
    base = dns.message.make_query(*other, id=query.id).to_wire() if other else wire
    response = base[:2] + b"\x81\x80" + base[4:]
    response = {
        "id": bytes([wire[0] ^ 1]) + response[1:],
        "query": wire,
        "short": response[:11],
        "empty": b"",
        "cut": response[:-1],
        "none": response[:4] + bytes(8),
    }.get(kind, response)
    answer = await FakeLookups(spoil=response).responder().answer(wire, "Web", "Web", "udp")
    assert answer is not None
    assert dns.message.from_wire(answer).rcode() is Rcode.SERVFAIL


async def test_a_bare_formerr_is_passed_on() -> None:
    wire = dns.message.make_query("example.org", "A").to_wire()
    bare = wire[:2] + b"\x81\x81" + bytes(8)
    assert await FakeLookups(spoil=bare).responder().answer(wire, "Web", "Web", "udp") == bare


# -- size ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edns", "count", "cut"),
    [
        (-1, 28, False),
        (-1, 40, True),
        (100, 40, True),
        (1232, 70, False),
        (1232, 90, True),
        (65535, 200, False),
        (65535, 300, True),
    ],
)
async def test_udp_answers_are_cut_to_what_the_client_takes(
    edns: int, count: int, cut: bool
) -> None:
    responder = FakeLookups(count=count).responder()
    response = await ask(responder, "example.org", edns=edns)
    assert bool(response.flags & dns.flags.TC) is cut
    assert len(texts(response)) == (0 if cut else count)
    whole = await ask(responder, "example.org", transport="tcp", edns=edns)
    assert not whole.flags & dns.flags.TC
    assert len(texts(whole)) == min(count, 256)


async def test_claimed_answers_are_cut_too() -> None:
    addresses = [f"fd00::{n:x}" for n in range(1, 30)]
    responder = FakeLookups(addresses=addresses).responder()
    cut = await ask(responder, "db.corp", "AAAA")
    assert cut.flags & dns.flags.TC
    assert len(cut.to_wire(max_size=65535)) <= 512
    whole = await ask(responder, "db.corp", "AAAA", "tcp")
    assert len(texts(whole)) == 29
