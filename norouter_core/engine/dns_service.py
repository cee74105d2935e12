"""The mesh's DNS: asks the mesh's hosts for what its answers need."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from norouter_core.agent.ends import End
from norouter_core.dns.client import ask_by_datagram, ask_by_stream, is_cut, nameservers
from norouter_core.dns.responder import LookupFailed, Lookups, Responder, Zone
from norouter_core.links.base import Link, OperationError
from norouter_core.model import Host, format_address
from norouter_core.routing.table import LearnedAddresses, RouteTable

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

RESOLV_CONF = "/etc/resolv.conf"
_MAX_RESOLV_CONF = 16 * 1024
"""Bytes of a `resolv.conf` that are read."""
_CACHE_TIME = 10.0
"""Seconds that the contents of a `resolv.conf` are kept."""
_SERVER_TIMEOUT = 2.0
"""Seconds that a name server has to answer if there are others to ask."""
_UDP_TIMEOUT = 1.0
"""Seconds that it has to answer a datagram, before it is asked over TCP."""
_LATE = 2.0
"""Seconds after which a client may have asked again, so that the answer is kept for it."""
_KEPT = 10.0
"""Seconds for which it is kept."""
_RCODE = 0xF
_TRY_NEXT = frozenset((2, 4, 5))
"""SERVFAIL, NOTIMP and REFUSED: the answers on which a resolver tries its next server."""

_log = logging.getLogger(__name__)


class DnsContext(Protocol):
    """What the DNS service needs of the engine."""

    @property
    def routes(self) -> RouteTable: ...

    def link(self, host: str) -> Link | None:
        """Return a host's link, while it is up."""
        ...


@dataclass(frozen=True, slots=True)
class _Servers:
    """A host's name servers, read from its `resolv.conf` over that link."""

    link: Link
    until: float
    servers: Sequence[Address]


class DnsService:
    """Answers the queries of the whole mesh, over any transport."""

    def __init__(self, mesh: DnsContext, learned: LearnedAddresses) -> None:
        self._mesh = mesh
        self._vips: frozenset[str] = frozenset()
        self._servers: dict[str, _Servers] = {}
        self._resolving: dict[tuple[str, str], asyncio.Task[Sequence[str]]] = {}
        """Look-ups under way, and late ones that have just ended, by host and name."""
        self._responder = Responder(
            Zone(), Lookups(self._claimed, self._resolve, learned.learn, self._forward)
        )

    def serve(self, zone: Zone, hosts: Sequence[Host]) -> None:
        """Answer for these hosts from now on, whose names `zone` has."""
        self._responder.zone = zone
        self._vips = frozenset(host.vip for host in hosts)
        self._servers.clear()

    async def answer(self, query: bytes, host: str, client: str, transport: str) -> bytes | None:
        """Return the answer of the `Responder`; log any exception, which costs this query only."""
        try:
            return await self._responder.answer(query, host, client, transport)
        except Exception:
            _log.exception("a DNS query at %s failed", host)
            return None

    # -- look-ups --------------------------------------------------------------------------

    def _claimed(self, name: str, host: str, client: str) -> str | None:
        return self._mesh.routes.claims(name, host, client)

    async def _resolve(self, via: str, name: str) -> Sequence[str]:
        """Resolve a name on a host, together with all others who ask for it meanwhile.

        A look-up goes on when those who asked have given up, and its answer is kept for a while:
        a host with a dead name server answers only after its clients ask a second time.
        """
        key = (via, name)
        lookup = self._resolving.get(key)
        if lookup is None:
            lookup = asyncio.create_task(self._look_up(via, name))
            self._resolving[key] = lookup
            began = asyncio.get_running_loop().time()
            lookup.add_done_callback(lambda _: self._resolved(key, began))
        return await asyncio.shield(lookup)

    def _resolved(self, key: tuple[str, str], began: float) -> None:
        loop = asyncio.get_running_loop()
        is_late = loop.time() - began > _LATE
        failed = self._resolving[key].cancelled() or self._resolving[key].exception() is not None
        if failed or not is_late:
            del self._resolving[key]
        else:
            loop.call_later(_KEPT, self._resolving.pop, key, None)

    def close(self) -> None:
        """End the look-ups that nobody waits for."""
        for lookup in self._resolving.values():
            lookup.cancel()

    async def _look_up(self, via: str, name: str) -> Sequence[str]:
        try:
            return await self._link(via).resolve(name)
        except OperationError as error:
            if error.code == "name":
                return ()
            raise LookupFailed(f"looking up {name} on {via}: {error.reason}") from None

    async def _forward(self, host: str, query: bytes, transport: str) -> bytes:
        link = self._link(host)
        servers = await self._servers_of(host, link)
        if not servers:
            raise LookupFailed(f"{RESOLV_CONF} of {host} names no other name server")
        failures = []
        answer: bytes | None = None
        for server in servers:
            try:
                async with asyncio.timeout(_SERVER_TIMEOUT if len(servers) > 1 else None):
                    answer = await ask_name_server(link, server, query)
            except TimeoutError:
                failures.append(f"{format_address(server)}: no answer within {_SERVER_TIMEOUT:g} s")
                continue
            except (LookupFailed, OperationError, OSError, EOFError) as error:
                failures.append(f"{format_address(server)}: {error}")
                continue
            if len(answer) > 3 and answer[3] & _RCODE not in _TRY_NEXT:
                break
        if answer is None:
            raise LookupFailed("; ".join(failures))
        return answer

    def _link(self, host: str) -> Link:
        link = self._mesh.link(host)
        if link is None:
            raise LookupFailed(f"{host} is not up")
        return link

    async def _servers_of(self, host: str, link: Link) -> Sequence[Address]:
        now = asyncio.get_running_loop().time()
        known = self._servers.get(host)
        if known is not None and known.link is link and now < known.until:
            return known.servers
        try:
            text = await link.read(RESOLV_CONF, _MAX_RESOLV_CONF)
        except OperationError as error:
            if error.code != "no-file":
                raise LookupFailed(error.reason) from None
            text = ""
        servers = nameservers(text, self._vips)
        self._servers[host] = _Servers(link, now + _CACHE_TIME, servers)
        return servers


async def ask_name_server(link: Link, server: Address, query: bytes) -> bytes:
    """Return the answer of a name server, asked from the link's host over UDP, or over TCP if that
    gives no answer or a truncated one.

    Raises:
        LookupFailed: TCP gives no answer either.
    """

    def dial(asking: End) -> End:
        return link.dial(asking, *server, _Unobserved())

    try:
        async with asyncio.timeout(_UDP_TIMEOUT):
            answer = await ask_by_datagram(dial, query)
        if not is_cut(answer):
            return answer
    except (TimeoutError, LookupFailed):
        pass  # a datagram was lost, or UDP is blocked: TCP shows what is wrong
    return await ask_by_stream(dial, query)


class _Unobserved:
    """The hub's own look-ups do not count as streams of the mesh."""

    def end_opened(self, end: End, peer: Address) -> None: ...

    def end_half_closed(self, end: End) -> None: ...

    def end_closed(self, end: End, code: str, reason: str) -> None: ...
