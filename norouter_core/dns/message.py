"""DNS messages: what a query may be, and how answers are made. No I/O, and nothing here raises
on any bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from norouter_core.dns.zone import record

HEADER = 12
TTL = 30
"""Seconds that an answer of ours may be kept; a mesh changes live, so not for long."""
_NEGATIVE_TTL = 5
_MAX_RECORDS = 8
"""In a query, behind the question: OPT and TSIG or SIG(0) are all that is usual."""
_LEAST_UDP = 512
_MOST_UDP = 4096
OUR_UDP = 1232
"""What we take by UDP without fragments (DNS flag day 2020)."""
_REFUSED_OPCODES = (dns.opcode.NOTIFY, dns.opcode.UPDATE)

_COUNTS = struct.Struct("!HHHHHH")


def read_query(wire: bytes) -> Message | bytes | None:
    """A query with one question of class IN that can be answered; or else the answer that
    refuses it; or None for what gets no answer.

    That is what is too short for a header, and every response: answering one could go on for
    ever between two servers.
    """
    if len(wire) < HEADER:
        return None
    _, flags, questions, *records = _COUNTS.unpack_from(wire)
    if flags & dns.flags.QR:
        return None
    opcode = dns.opcode.from_flags(flags)
    if opcode != dns.opcode.QUERY:
        return _refusal(wire, Rcode.REFUSED if opcode in _REFUSED_OPCODES else Rcode.NOTIMP)
    if questions != 1 or sum(records) > _MAX_RECORDS or _question_end(wire) is None:
        return _refusal(wire, Rcode.FORMERR)
    try:
        # keyring=False: a signature is passed on unread; we hold no key that could check it.
        query = dns.message.from_wire(wire, keyring=False)
    except Exception:  # dnspython promises no common class for what bytes can do to it
        return _refusal(wire, Rcode.FORMERR)
    if query.edns > 0:
        return encode(reply(query, Rcode.BADVERS), query, "udp")
    question = query.question[0]
    meta = dns.rdatatype.is_metatype(question.rdtype) and question.rdtype != RdataType.ANY
    if question.rdclass != dns.rdataclass.IN or meta:
        return encode(reply(query, Rcode.REFUSED), query, "udp")
    return query


def reply(query: Message, rcode: Rcode = Rcode.NOERROR, note: str = "") -> Message:
    """An answer without records. `note` tells a person why, where the client takes EDNS
    (RFC 8914)."""
    response = dns.message.make_response(
        query, recursion_available=True, our_payload=OUR_UDP, pad=0
    )
    response.flags |= query.flags & dns.flags.CD
    if query.edns >= 0:
        options: list[dns.edns.Option] = []
        if note:
            code = dns.edns.EDECode.NO_REACHABLE_AUTHORITY
            options.append(dns.edns.EDEOption(code, note[:200]))
        asked = query.ednsflags & dns.flags.DO
        response.use_edns(0, asked, OUR_UDP, query.payload, options)
    response.set_rcode(rcode)
    return response


def positive(query: Message, records: Sequence[dns.rdata.Rdata], *, ours: bool) -> Message:
    """An answer of `records`, at least one; `ours`: about the mesh itself, of which we are the
    authority."""
    response = reply(query)
    if ours:
        response.flags |= dns.flags.AA
    name = query.question[0].name
    response.answer.append(dns.rrset.from_rdata_list(name, TTL, records))
    return response


def negative(query: Message, rcode: Rcode = Rcode.NOERROR, *, ours: bool) -> Message:
    """There is no such name (`NXDOMAIN`), or nothing of that type (`NOERROR`), with the SOA that
    says how long to remember so (RFC 2308)."""
    response = reply(query, rcode)
    if ours:
        response.flags |= dns.flags.AA
    times = f"1 3600 600 86400 {_NEGATIVE_TTL}"
    soa = record(RdataType.SOA, f"norouter.invalid. hostmaster.norouter.invalid. {times}")
    name = query.question[0].name
    response.authority.append(dns.rrset.from_rdata(name, _NEGATIVE_TTL, soa))
    return response


def encode(response: Message, query: Message, transport: str) -> bytes:
    """The bytes of an answer; by `udp` no more than the client takes, with TC where it is cut."""
    limit = _udp_limit(query) if transport == "udp" else 65535
    # Unshuffled: the order of addresses is their host's order of preference.
    return response.to_wire(max_size=limit, prefer_truncation=True, want_shuffle=False)


def relayed(response: bytes, wire: bytes, query: Message, transport: str) -> bytes | None:
    """A resolver's answer to `query` (in bytes: `wire`) made fit for the client; None if it is no
    answer to it.

    The question comes back in the client's own letters, whatever the resolver made of them, and
    what is too long for the client's UDP becomes an empty answer with TC.
    """
    if len(response) < HEADER or len(response) > 65535 or response[:2] != wire[:2]:
        return None
    _, flags, questions, *_ = _COUNTS.unpack_from(response)
    if not flags & dns.flags.QR or dns.opcode.from_flags(flags) != dns.opcode.QUERY:
        return None
    if questions == 0 and flags & 0xF in (Rcode.FORMERR, Rcode.NOTIMP, Rcode.SERVFAIL):
        return response  # some say these with a bare header
    start, end = HEADER, _question_end(response)
    asked_end = _question_end(wire)
    if questions != 1 or end is None or asked_end is None:
        return None
    asked, got = wire[start:asked_end], response[start:end]
    # Only the name is without case: the last four bytes are type and class.
    if asked[:-4].lower() != got[:-4].lower() or asked[-4:] != got[-4:]:
        return None
    if transport == "udp" and len(response) > _udp_limit(query):
        cut = reply(query)
        cut.flags = dns.flags.Flag(flags | dns.flags.TC)
        return encode(cut, query, transport)
    return response[:start] + asked + response[end:]


def _udp_limit(query: Message) -> int:
    return max(_LEAST_UDP, min(query.payload, _MOST_UDP)) if query.edns >= 0 else _LEAST_UDP


def _refusal(wire: bytes, rcode: Rcode) -> bytes:
    """The header of an answer, and the question where there is one that can be told."""
    number, flags, questions, *_ = _COUNTS.unpack_from(wire)
    flags = dns.flags.QR | dns.flags.RA | (flags & (0x7800 | dns.flags.RD)) | rcode
    end = _question_end(wire) if questions == 1 else None
    header = _COUNTS.pack(number, flags, 0 if end is None else 1, 0, 0, 0)
    return header if end is None else header + wire[HEADER:end]


def _question_end(wire: bytes) -> int | None:
    """Where the first question ends; None if it is cut short, too long, or compressed: there is
    nothing before it that it could point to."""
    at = HEADER
    while at < len(wire) and wire[at]:
        if wire[at] > 63 or at - HEADER > 255:
            return None
        at += 1 + wire[at]
    end = at + 5
    return end if end <= len(wire) and at - HEADER < 255 else None
