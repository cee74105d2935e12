"""DNS messages: which queries are valid, and how answers are built. No I/O, and no input makes a
function raise.
"""

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

HEADER = 12
TTL = 30
"""Seconds that our answers may be cached; not for long, as a mesh changes live."""
_NEGATIVE_TTL = 5
_MAX_RECORDS = 8
"""In a query, after the question: usually OPT, and TSIG or SIG(0)."""
_MIN_UDP = 512
_MAX_UDP = 4096
OUR_UDP = 1232
"""What we accept over UDP without fragments (DNS flag day 2020)."""
_REFUSED_OPCODES = (dns.opcode.NOTIFY, dns.opcode.UPDATE)

_COUNTS = struct.Struct("!HHHHHH")


def read_query(wire: bytes) -> Message | bytes | None:
    """Return a query with one question of class IN that can be answered; or else the answer that
    refuses it; or None for what gets no answer.

    Nothing answers what is too short for a header, nor a response: two servers could go on
    answering each other for ever.
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
        # keyring=False: forward a signature unread; we have no key to check it.
        query = dns.message.from_wire(wire, keyring=False)
    except Exception:  # dnspython promises no common class for its parse errors
        return _refusal(wire, Rcode.FORMERR)
    if query.edns > 0:
        return encode(reply(query, Rcode.BADVERS), query, "udp")
    question = query.question[0]
    meta = dns.rdatatype.is_metatype(question.rdtype) and question.rdtype != RdataType.ANY
    if question.rdclass != dns.rdataclass.IN or meta:
        return encode(reply(query, Rcode.REFUSED), query, "udp")
    return query


def reply(query: Message, rcode: Rcode = Rcode.NOERROR, note: str = "") -> Message:
    """Return an answer without records. If the client supports EDNS, `note` explains it to people
    (RFC 8914).
    """
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
    """Return an answer with `records`, at least one; `ours` says that it is about the mesh itself,
    for which we are the authority.
    """
    response = reply(query)
    if ours:
        response.flags |= dns.flags.AA
    name = query.question[0].name
    response.answer.append(dns.rrset.from_rdata_list(name, TTL, records))
    return response


def negative(query: Message, rcode: Rcode = Rcode.NOERROR, *, ours: bool) -> Message:
    """Return the answer that there is no such name (`NXDOMAIN`), or no record of that type
    (`NOERROR`), with the SOA that says how long to cache it (RFC 2308).
    """
    response = reply(query, rcode)
    if ours:
        response.flags |= dns.flags.AA
    times = f"1 3600 600 86400 {_NEGATIVE_TTL}"
    soa = record(RdataType.SOA, f"norouter.invalid. hostmaster.norouter.invalid. {times}")
    name = query.question[0].name
    response.authority.append(dns.rrset.from_rdata(name, _NEGATIVE_TTL, soa))
    return response


def record(rdtype: RdataType, text: str) -> dns.rdata.Rdata:
    """Return a record of class IN from its text.

    Raises:
        dns.exception.DNSException: `text` is not a record of that type.
    """
    return dns.rdata.from_text(dns.rdataclass.IN, rdtype, text)


def encode(response: Message, query: Message, transport: str) -> bytes:
    """Return the bytes of an answer; for `udp`, cut to what the client accepts (TC)."""
    limit = _udp_limit(query) if transport == "udp" else 65535
    # Not shuffled: the addresses are in their host's order of preference.
    return response.to_wire(max_size=limit, prefer_truncation=True, want_shuffle=False)


def relayed(response: bytes, wire: bytes, query: Message, transport: str) -> bytes | None:
    """Return a resolver's answer to `query` (in bytes: `wire`) in a form fit for the client; None
    if it does not answer that query.

    The question is spelled as the client spelled it, whatever the resolver made of it, and an
    answer too long for the client's UDP becomes an empty one with TC.
    """
    if len(response) < HEADER or len(response) > 65535 or response[:2] != wire[:2]:
        return None
    _, flags, questions, *_ = _COUNTS.unpack_from(response)
    if not flags & dns.flags.QR or dns.opcode.from_flags(flags) != dns.opcode.QUERY:
        return None
    if questions == 0 and flags & 0xF in (Rcode.FORMERR, Rcode.NOTIMP, Rcode.SERVFAIL):
        return response[:4] + bytes(HEADER - 4)  # some servers send these with a bare header
    start, end = HEADER, _question_end(response)
    asked_end = _question_end(wire)
    if questions != 1 or end is None or asked_end is None:
        return None
    asked, got = wire[start:asked_end], response[start:end]
    # Only the name is case-insensitive: the last four bytes are type and class.
    if asked[:-4].lower() != got[:-4].lower() or asked[-4:] != got[-4:]:
        return None
    if transport == "udp" and len(response) > _udp_limit(query):
        cut = reply(query)
        cut.flags = dns.flags.Flag(flags | dns.flags.TC)
        return encode(cut, query, transport)
    return response[:start] + asked + response[end:]


def _udp_limit(query: Message) -> int:
    return max(_MIN_UDP, min(query.payload, _MAX_UDP)) if query.edns >= 0 else _MIN_UDP


def _refusal(wire: bytes, rcode: Rcode) -> bytes:
    """Return the header of an answer, with the question if there is a readable one."""
    number, flags, questions, *_ = _COUNTS.unpack_from(wire)
    flags = dns.flags.QR | dns.flags.RA | (flags & (0x7800 | dns.flags.RD)) | rcode
    end = _question_end(wire) if questions == 1 else None
    header = _COUNTS.pack(number, flags, 0 if end is None else 1, 0, 0, 0)
    return header if end is None else header + wire[HEADER:end]


def _question_end(wire: bytes) -> int | None:
    """Return where the first question ends; None if it is truncated, too long, or compressed:
    there is nothing before it to point to.
    """
    at = HEADER
    while at < len(wire) and wire[at]:
        if wire[at] > 63 or at - HEADER > 255:
            return None
        at += 1 + wire[at]
    end = at + 5
    return end if end <= len(wire) and at - HEADER < 255 else None
