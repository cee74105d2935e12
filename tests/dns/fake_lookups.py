"""A mesh and the world around it, as the responder asks for it; and queries to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from norouter_core.dns.responder import LookupFailed, Lookups, Responder, Zone
from norouter_core.model import Host

HOSTS = (
    Host("Web", "127.0.42.101", ("x",), aliases=("www.mesh",)),
    Host("bastion", "127.0.42.102", ("x",)),
)


def a_records(query: bytes, count: int = 1) -> bytes:
    """What a name server of a host says: `count` A records."""
    asked = dns.message.from_wire(query)
    response = dns.message.make_response(asked, recursion_available=True)
    addresses = [f"192.0.2.{n % 256}" for n in range(count)]
    name = asked.question[0].name
    response.answer.append(dns.rrset.from_text_list(name, 60, "IN", "A", addresses))
    return response.to_wire(max_size=65535)


@dataclass
class FakeLookups:
    """Answers what the engine would ask other hosts, and remembers what it was asked."""

    addresses: Sequence[str] | Exception = ("10.0.0.5", "fd00::5", "10.0.0.6")
    count: int = 1
    error: Exception | None = None
    silent: bool = False
    forwarded: list[tuple[str, str]] = field(default_factory=list)
    resolved: list[tuple[str, str]] = field(default_factory=list)
    learned: list[tuple[str, str]] = field(default_factory=list)
    spoil: bytes | None = None
    """What the name server says instead."""

    def claimed(self, name: str, host: str, client: str) -> str | None:
        return "bastion" if name.lower().endswith(".corp") and host != "bastion" else None

    async def resolve(self, via: str, name: str) -> Sequence[str]:
        self.resolved.append((via, name))
        if isinstance(self.addresses, Exception):
            raise self.addresses
        return self.addresses

    def learn(self, address: str, via: str, client: str, seconds: float) -> None:
        assert seconds > 0 and client == "Web"
        self.learned.append((address, via))

    async def forward(self, host: str, query: bytes, transport: str) -> bytes:
        self.forwarded.append((host, transport))
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return a_records(query, self.count) if self.spoil is None else self.spoil

    def responder(self, timeout: float = 5.0, limit: int = 256) -> Responder:
        """Return a responder; `timeout` is for everything."""
        lookups = Lookups(self.claimed, self.resolve, self.learn, self.forward)
        return Responder(
            Zone(HOSTS), lookups, timeout=timeout, resolve_timeout=timeout, limit=limit
        )


async def ask(
    responder: Responder, name: str, rdtype: str = "A", transport: str = "udp", edns: int = -1
) -> dns.message.Message:
    """The answer to one question, checked for what every answer must be."""
    query = dns.message.make_query(name, rdtype, use_edns=edns if edns < 0 else 0, payload=edns)
    wire = query.to_wire()
    answer = await responder.answer(wire, "Web", "Web", transport)
    assert answer is not None
    response = dns.message.from_wire(answer)
    assert response.id == query.id
    assert response.flags & dns.flags.QR and response.flags & dns.flags.RA
    assert response.question[0].name.to_text() == query.question[0].name.to_text()
    assert (response.edns >= 0) is (edns >= 0)
    return response


def texts(response: dns.message.Message) -> list[str]:
    """The answer section's records, without names and times."""
    return [record.to_text() for rrset in response.answer for record in rrset]


__all__ = ["HOSTS", "FakeLookups", "LookupFailed", "a_records", "ask", "texts"]
