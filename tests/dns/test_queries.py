"""Queries that are refused, dropped or malformed: every one cleanly."""

from __future__ import annotations

import asyncio
import struct

import dns.flags
import dns.message
import dns.opcode
import dns.update
import pytest
from dns.rcode import Rcode
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.dns import message
from norouter_core.dns.client import nameservers
from tests.dns.fake_lookups import FakeLookups

GOOD = dns.message.make_query("web", "A", id=0x1234).to_wire()


def answer(wire: bytes, transport: str = "udp") -> bytes | None:
    return asyncio.run(FakeLookups().responder().answer(wire, "Web", "Web", transport))


def rcode(wire: bytes) -> int:
    """The code of the answer, whose header must fit the query's."""
    got = answer(wire)
    assert got is not None
    number: int
    flags: int
    number, flags, questions = struct.unpack("!HHH", got[:6])
    assert number == int.from_bytes(wire[:2], "big")
    assert flags & dns.flags.QR
    assert dns.opcode.from_flags(flags) == dns.opcode.from_flags(int.from_bytes(wire[2:4], "big"))
    if questions:
        assert got[12:].startswith(wire[12 : len(GOOD)])
    return flags & 0xF


@pytest.mark.parametrize("size", range(12))
def test_what_is_no_dns_is_dropped(size: int) -> None:
    assert answer(GOOD[:size]) is None


def test_responses_are_never_answered() -> None:
    assert answer(GOOD[:2] + b"\x81\x80" + GOOD[4:]) is None


@pytest.mark.parametrize("size", range(12, len(GOOD)))
def test_a_query_cut_short_is_malformed(size: int) -> None:
    assert rcode(GOOD[:size]) == Rcode.FORMERR


@pytest.mark.parametrize(
    "wire",
    [
        GOOD + b"\0",
        GOOD[:4] + b"\0\0" + GOOD[6:],
        GOOD[:4] + b"\0\2" + GOOD[6:] + GOOD[12:],
        GOOD[:6] + b"\0\1" + GOOD[8:],
        GOOD[:10] + b"\xff\xff" + GOOD[12:],
        GOOD[:12] + b"\xc0\x0c" + GOOD[17:],
        GOOD[:12] + b"\xc0\x00" + GOOD[17:],
        GOOD[:12] + b"\x40" + GOOD[13:],
        GOOD[:12] + b"\x01a" * 130 + b"\0\0\1\0\1",
        # Two OPT records.
        GOOD[:10] + b"\0\2" + GOOD[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\0\0" * 2,
    ],
)
def test_malformed_queries(wire: bytes) -> None:
    assert rcode(wire) == Rcode.FORMERR


@pytest.mark.parametrize("opcode", range(1, 16))
def test_other_opcodes(opcode: int) -> None:
    flags = int.from_bytes(GOOD[2:4], "big") | opcode << 11
    refused = opcode in (dns.opcode.NOTIFY, dns.opcode.UPDATE)
    assert rcode(GOOD[:2] + flags.to_bytes(2, "big") + GOOD[4:]) == (
        Rcode.REFUSED if refused else Rcode.NOTIMP
    )


def test_a_real_update_is_refused() -> None:
    update = dns.update.UpdateMessage("web")
    update.add("web", 60, "A", "10.0.0.1")
    got = answer(update.to_wire())
    assert got is not None
    assert dns.message.from_wire(got).rcode() is Rcode.REFUSED


@pytest.mark.parametrize(
    ("rdtype", "rdclass"),
    [("A", "CH"), ("A", "ANY"), ("TXT", "HS"), ("AXFR", "IN"), ("TKEY", "IN")],
)
def test_other_classes_and_transfers_are_refused(rdtype: str, rdclass: str) -> None:
    wire = dns.message.make_query("web", rdtype, rdclass).to_wire()
    got = answer(wire)
    assert got is not None
    assert dns.message.from_wire(got).rcode() is Rcode.REFUSED


def test_edns_of_the_future_is_told_our_version() -> None:
    query = dns.message.make_query("web", "A", use_edns=1)
    got = answer(query.to_wire())
    assert got is not None
    response = dns.message.from_wire(got)
    assert (response.rcode(), response.edns) == (Rcode.BADVERS, 0)


def test_a_signed_query_is_answered_unsigned() -> None:
    query = dns.message.make_query("web", "A")
    query.use_tsig(dns.tsig.Key("k.", "c2VjcmV0"))
    got = answer(query.to_wire())
    assert got is not None
    assert dns.message.from_wire(got).answer


def test_do_and_cd_come_back() -> None:
    query = dns.message.make_query("web", "A", want_dnssec=True)
    query.flags |= dns.flags.CD
    got = answer(query.to_wire())
    assert got is not None
    response = dns.message.from_wire(got)
    assert response.ednsflags & dns.flags.DO
    assert response.flags & dns.flags.CD
    assert not response.flags & dns.flags.AD


# -- any bytes -------------------------------------------------------------------------------


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A query with some of its bytes changed, which comes further than noise."""
    rdtype = draw(st.sampled_from(["A", "ANY", "MX", "HTTPS"]))
    name = draw(st.sampled_from(["web", "db.corp", "example.org", "."]))
    edns = draw(st.sampled_from([-1, 0, 1]))
    wire = bytearray(dns.message.make_query(name, rdtype, use_edns=edns).to_wire())
    for _ in range(draw(st.integers(0, 4))):
        wire[draw(st.integers(0, len(wire) - 1))] = draw(st.integers(0, 255))
    return bytes(wire) + draw(st.binary(max_size=4))


def check(wire: bytes, transport: str) -> None:
    got = answer(wire, transport)
    if got is None:
        assert len(wire) < 12 or wire[2] & 0x80
        return
    assert got[:2] == wire[:2]
    assert got[2] & 0x80
    if not wire[2] & 0x78:
        dns.message.from_wire(got)  # of an UPDATE, dnspython would check what is echoed, too


@given(st.one_of(st.binary(max_size=600), mutated()), st.sampled_from(["udp", "tcp"]))
def test_any_bytes_get_a_clean_answer_or_none(wire: bytes, transport: str) -> None:
    check(wire, transport)


@given(st.one_of(st.binary(max_size=300), mutated()), st.sampled_from(["udp", "tcp"]))
def test_any_bytes_from_a_name_server_are_an_answer_or_servfail(
    said: bytes, transport: str
) -> None:
    wire = dns.message.make_query("example.org", "A", id=7).to_wire()
    said = wire[:2] + said[2:]
    got = asyncio.run(FakeLookups(spoil=said).responder().answer(wire, "Web", "Web", transport))
    assert got is not None
    assert got[:2] == wire[:2] and got[2] & 0x80
    query = message.read_query(wire)
    assert isinstance(query, dns.message.Message)
    if message.relayed(said, wire, query, transport) is None:
        assert dns.message.from_wire(got).rcode() is Rcode.SERVFAIL


# -- resolv.conf -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("", [("127.0.0.1", 53)]),
        ("search x\nnameserver 10.0.0.1\n", [("10.0.0.1", 53)]),
        (" nameserver\t10.0.0.1  # here\r\n", [("10.0.0.1", 53)]),
        ("nameserver fe80::1%eth0\nnameserver ::1", [("fe80::1%eth0", 53), ("::1", 53)]),
        ("nameserver [10.0.0.1]:5353\nnameserver [::1]", [("10.0.0.1", 5353), ("::1", 53)]),
        ("#nameserver 1.1.1.1\n;nameserver 1.1.1.2\nnameserver", [("127.0.0.1", 53)]),
        ("nameserver one\nnameserver [::1]:x\nnameserver [::1]:99999", [("127.0.0.1", 53)]),
        ("nameserver 1.1.1.1\n" * 2, [("1.1.1.1", 53)]),
        (
            "".join(f"nameserver 1.1.1.{n}\n" for n in range(5)),
            [(f"1.1.1.{n}", 53) for n in range(3)],
        ),
        # The mesh's own DNS would ask itself for ever.
        ("nameserver 127.0.42.101\nnameserver 10.0.0.1", [("10.0.0.1", 53)]),
        ("nameserver 127.0.42.101", []),
    ],
)
def test_resolv_conf(text: str, servers: list[tuple[str, int]]) -> None:
    assert nameservers(text, exclude={"127.0.42.101"}) == servers


@given(st.text())
def test_any_resolv_conf(text: str) -> None:
    assert len(nameservers(text)) >= 1
    assert len(nameservers(f"nameserver {text}")) >= 1
