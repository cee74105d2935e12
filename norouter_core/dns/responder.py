"""Answers DNS queries: from the mesh, by a route's host, or from a host's own resolvers."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import dns.reversename
from dns.message import Message
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from norouter_core.dns import message
from norouter_core.dns.message import record
from norouter_core.errors import NorouterError
from norouter_core.model import Host

LEARNED_FOR = 600.0
"""Seconds that an address stays routed: longer than its answer may be cached, since programs keep
addresses for longer than they should."""
_MAX_ADDRESSES = 32
_HOSTNAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class Zone:
    """The names, aliases and VIPs of a mesh; case does not matter. Names that DNS cannot hold are
    left out.
    """

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._vips: dict[dns.name.Name, str] = {}
        self._pointers: dict[dns.name.Name, dns.name.Name] = {}
        for host in hosts:
            for text in (host.name, *host.aliases):
                name = _name(text)
                if name is not None:
                    self._vips.setdefault(name, host.vip)
            canonical = _name(host.name)
            if canonical is not None:
                self._pointers.setdefault(dns.reversename.from_address(host.vip), canonical)

    def lookup(self, name: dns.name.Name, rdtype: RdataType) -> dns.rdata.Rdata | None:
        """Return the one record of `name` of that type; None if there is none.

        A question for `ANY` gets whichever exists: one record set is a complete answer (RFC 8482).
        """
        vip = self._vips.get(name)
        if vip is not None and rdtype in (RdataType.A, RdataType.ANY):
            return record(RdataType.A, vip)
        pointer = self._pointers.get(name)
        if pointer is not None and rdtype in (RdataType.PTR, RdataType.ANY):
            return record(RdataType.PTR, pointer.to_text())
        return None

    def __contains__(self, name: dns.name.Name) -> bool:
        return name in self._vips or name in self._pointers


@lru_cache(maxsize=8192)
def _name(text: str) -> dns.name.Name | None:
    try:
        return dns.name.from_text(text)
    except (dns.exception.DNSException, UnicodeError):
        return None


class LookupFailed(NorouterError):
    """A name could not be looked up, whether it exists or not; the text says why."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """How to ask the rest of the world; provided by the engine.

    The awaitables may raise `LookupFailed`, `OSError` or `EOFError`; they are cancelled when the
    time is up. They must raise nothing else.
    """

    claimed: Callable[[str, str, str], str | None]
    """`(name, host, client)`: the host that a route makes resolve a name that a client on the host
    `client` asked for at `host`, if there is one (`RouteTable.claims`)."""
    resolve: Callable[[str, str], Awaitable[Sequence[str]]]
    """`(via, name)`: IP literals of a name, resolved on that host; none if it does not exist."""
    learn: Callable[[str, str, str, float], object]
    """`(address, via, client, seconds)`: records that a client on the host `client` got `address`,
    to be reached through `via` (`LearnedAddresses.learn`)."""
    forward: Callable[[str, bytes, str], Awaitable[bytes]]
    """`(host, query, transport)`: the answer of a name server of that host, both without the
    length that TCP puts in front of them. It may be longer than `udp` allows: it is cut here."""


class Responder:
    """One for a whole mesh. `zone` is replaced as the mesh changes.

    At most `limit` queries are under way to elsewhere: the next ones get SERVFAIL at once, so that
    a loop of resolvers ends instead of growing. A name server has `timeout` seconds, and the
    resolver of a host `resolve_timeout`: it may have to give up a dead name server first.
    """

    def __init__(
        self,
        zone: Zone,
        lookups: Lookups,
        *,
        timeout: float = 5.0,
        resolve_timeout: float = 12.0,
        limit: int = 256,
    ) -> None:
        self.zone = zone
        self._lookups = lookups
        self._timeout = timeout
        self._resolve_timeout = resolve_timeout
        self._limit = limit
        self._under_way = 0

    async def answer(self, query: bytes, host: str, client: str, transport: str) -> bytes | None:
        """Return the answer to a query, without TCP's length; None if it gets no answer.

        Args:
            host: the host whose VIP was asked.
            client: the host on which the client runs; empty for one on another machine, which
                learns the names of the mesh only. The name servers of `host` are for clients on
                `host` itself.
            transport: `udp` or `tcp`; by `udp` an answer is cut to what the client takes.
        """
        asked = message.read_query(query)
        if not isinstance(asked, Message):
            return asked
        question = asked.question[0]
        if question.name in self.zone:
            found = self.zone.lookup(question.name, question.rdtype)
            known = (
                message.positive(asked, [found], ours=True)
                if found is not None
                else message.negative(asked, ours=True)
            )
            return message.encode(known, asked, transport)
        if self._under_way >= self._limit:
            return _failed(asked, transport, f"{self._limit} queries are waiting for answers")
        self._under_way += 1
        began = asyncio.get_running_loop().time()
        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return await self._elsewhere(query, asked, host, client, transport, limit)
        except TimeoutError:
            seconds = round((limit.when() or began) - began, 2)
            return _failed(asked, transport, f"{host}: no answer within {seconds:g} s")
        except (LookupFailed, OSError, EOFError) as error:
            return _failed(asked, transport, f"{host}: {error}")
        finally:
            self._under_way -= 1

    async def _elsewhere(
        self,
        wire: bytes,
        asked: Message,
        host: str,
        client: str,
        transport: str,
        limit: asyncio.Timeout,
    ) -> bytes:
        question = asked.question[0]
        name = question.name.to_text(omit_final_dot=True)
        via = self._lookups.claimed(name, host, client) if client else None
        if via is None:
            if client != host:
                why = f"the name servers of {host} are for clients on {host} only"
                return message.encode(message.reply(asked, Rcode.REFUSED, why), asked, transport)
            return await self._forward(wire, asked, host, transport)
        if question.rdtype in (RdataType.HTTPS, RdataType.SVCB):
            # Clients would use their address hints, which no route has learned.
            return message.encode(message.negative(asked, ours=False), asked, transport)
        families = _FAMILIES.get(question.rdtype)
        if families is None or not _HOSTNAME.fullmatch(name):
            return await self._forward(wire, asked, via, transport)
        limit.reschedule(asyncio.get_running_loop().time() + self._resolve_timeout)
        found = await self._resolve(asked, name, via, client, families)
        return message.encode(found, asked, transport)

    async def _forward(self, wire: bytes, asked: Message, host: str, transport: str) -> bytes:
        response = await self._lookups.forward(host, wire, transport)
        relayed = message.relayed(response, wire, asked, transport)
        if relayed is None:
            raise LookupFailed("the name server answered another question")
        return relayed

    async def _resolve(
        self, asked: Message, name: str, via: str, client: str, rdtype: RdataType
    ) -> Message:
        addresses = list(await self._lookups.resolve(via, name))[:_MAX_ADDRESSES]
        if not addresses:
            return message.negative(asked, Rcode.NXDOMAIN, ours=False)
        records = []
        for address in addresses:
            found = _address(rdtype, address)
            if found is not None and found not in records:
                records.append(found)
                self._lookups.learn(address, via, client, LEARNED_FOR)
        if not records:
            return message.negative(asked, ours=False)
        return message.positive(asked, records, ours=False)


# ANY gets one record set (RFC 8482).
_FAMILIES = {
    RdataType.A: RdataType.A,
    RdataType.AAAA: RdataType.AAAA,
    RdataType.ANY: RdataType.A,
}


def _address(rdtype: RdataType, text: str) -> dns.rdata.Rdata | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None  # never trust an agent
    if (address.version == 4) != (rdtype == RdataType.A) or "%" in text:
        return None
    return record(rdtype, str(address))


def _failed(asked: Message, transport: str, why: str) -> bytes:
    return message.encode(message.reply(asked, Rcode.SERVFAIL, why), asked, transport)
