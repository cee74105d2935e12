"""What the hub serves itself: proxies and DNS. It decides which host dials for a proxy's client,
and lets that host splice the tunnel where it has both sockets (SPEC.md section 11).
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from norouter_core.agent.ends import End, NullEnd, join
from norouter_core.dns.server import dns_datagram_session, dns_stream_session
from norouter_core.engine.dns_service import DnsService
from norouter_core.engine.publications import (
    ListenAddress,
    Publication,
    Service,
    is_own_client,
)
from norouter_core.engine.status import StreamState
from norouter_core.engine.streams import RelayedStream, ReportedStream
from norouter_core.links.base import Link, OperationError
from norouter_core.model import format_address
from norouter_core.proxy.http import HttpSession
from norouter_core.proxy.session import ProxySettings
from norouter_core.proxy.socks import SocksSession
from norouter_core.routing.table import RouteKind, RouteTable
from norouter_core.wire.codes import TCP, UDP

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer
    from norouter_core.wire.codes import Address


_DNS_PORT = 53


class ServiceContext(Protocol):
    """What the services need of the engine."""

    @property
    def routes(self) -> RouteTable: ...

    def publication(self, address: Address, proto: str = TCP) -> Publication | None:
        """Return the port that the mesh publishes at an address."""
        ...

    @property
    def local_host(self) -> str | None:
        """The name of the host that is this machine, if one is."""
        ...

    def vip(self, host: str) -> str:
        """Return the VIP of a host of the mesh."""
        ...

    def link(self, host: str) -> Link | None:
        """Return a host's link, while it is up."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task of the engine's."""
        ...

    def host_log(self, level: str, host: str, text: str) -> None: ...

    def wrong_login(self, publication: Publication, stream: RelayedStream) -> float:
        """Log a wrong password; return the seconds until it may be answered."""
        ...


def serve_dns(
    mesh: ServiceContext,
    dns: DnsService,
    publication: Publication,
    stream: RelayedStream,
) -> End:
    """Serve a client of the DNS at a VIP; return the end that it has been joined to."""
    # At a VIP beyond loopback, a client may be one of another machine.
    is_own = is_own_client(stream.peer, publication.address)
    host = stream.from_host if is_own else ""
    return _serve_dns(mesh, dns, publication.to_host, host, publication.listen_address, stream)


def _serve_dns(
    mesh: ServiceContext,
    dns: DnsService,
    to_host: str,
    client_host: str,
    reached: ListenAddress,
    stream: RelayedStream,
) -> End:
    stream.state = StreamState.OPEN

    def answer(query: bytes) -> Awaitable[bytes | None]:
        return dns.answer(query, to_host, client_host, reached.proto)

    serve = dns_datagram_session if reached.proto == UDP else dns_stream_session
    return serve(stream.client, answer, mesh.spawn, reached=reached.host_port, observer=stream)


def serve_proxy(
    mesh: ServiceContext,
    publication: Publication,
    listener: int,
    client: End,
    stream: RelayedStream,
) -> End:
    """Serve a client of a proxy, accepted by `listener` of the proxy's host; return the end that it
    has been joined to.
    """
    host = publication.to_host
    settings = ProxySettings(
        mesh.spawn,
        auth=publication.auth,
        address=publication.address,
        log=lambda line: mesh.host_log("info", host, line),
        on_wrong_login=lambda: mesh.wrong_login(publication, stream),
        on_tunnel=lambda one, other: _splice_if_possible(mesh, stream, listener, one, other),
    )
    kind = HttpSession if publication.service is Service.HTTP else SocksSession
    return kind(HostDialer(mesh, host, stream), settings).start(client, stream)


def serve_transparently(
    mesh: ServiceContext,
    dns: DnsService,
    publication: Publication,
    destination: Address | None,
    stream: RelayedStream,
) -> End:
    """Serve a client of a transparent proxy, which has connected to `destination`; return the end
    that it has been joined to.

    It reaches what a client of a proxy on the hub's machine would, and at port 53 of its host's
    VIP the DNS.
    """
    if destination is None:
        return _refuse(stream.client, "not-allowed", "it has no destination")
    home = mesh.local_host or publication.to_host
    if destination == (mesh.vip(publication.to_host), _DNS_PORT):
        reached = ListenAddress(*destination, publication.proto)
        return _serve_dns(mesh, dns, home, home, reached, stream)
    is_in_mesh = mesh.routes.decide(destination[0], home).kind is RouteKind.MESH
    if not is_in_mesh and not _is_elsewhere(destination[0]):
        text = format_address(destination)
        return _refuse(stream.client, "refused", f"{text} is not an address of the mesh")
    return HostDialer(mesh, home, stream).dial(stream.client, *destination, stream)


def _is_elsewhere(address: str) -> bool:
    """Return whether an address means the same on the hub's machine as in another namespace."""
    ip = ip_address(address)
    return not (ip.is_loopback or ip.is_multicast or ip.is_unspecified)


# -- dialling --------------------------------------------------------------------------------


class HostDialer:
    """Dials for one client of a host's proxy; `stream` records each decision."""

    def __init__(self, mesh: ServiceContext, host: str, stream: RelayedStream) -> None:
        self._mesh = mesh
        self._host = host
        self._stream = stream

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        """Implement `norouter_core.proxy.session.Dialer`."""
        if not self._mesh.routes.needs_addresses(host, self._host):
            return self._dial(other, host, port, observer, ())
        pending = _Pending()
        join(other, pending)
        self._mesh.spawn(self._resolve_and_dial(pending, other, host, port, observer))
        return pending

    async def _resolve_and_dial(
        self, pending: _Pending, other: End, host: str, port: int, observer: Observer
    ) -> None:
        failure: OperationError | None = None
        addresses: list[str] = []
        try:
            addresses = await self._look_up(host)
        except OperationError as error:
            failure = error
        if pending.given_up:
            return
        if failure is not None:
            _refuse(other, failure.code, f"looking up {host} on {self._host}: {failure.reason}")
            return
        end = self._dial(other, host, port, observer, addresses)
        if pending.ended:
            end.end()

    async def _look_up(self, host: str) -> list[str]:
        """Return the addresses of a name on the proxy's own host. There are none if the name is
        unknown there; then only the name itself can match a route.

        Raises:
            OperationError: the look-up failed. Dialling by the name alone could then lead where
                the networks of a route forbid it.
        """
        link = self._mesh.link(self._host)
        if link is None:
            raise OperationError("gone", f"{self._host} is not up")
        try:
            return await link.resolve(host)
        except OperationError as error:
            if error.code not in ("name", "try-again"):
                raise
        return []

    def _dial(
        self, other: End, host: str, port: int, observer: Observer, resolved: Sequence[str]
    ) -> End:
        proto = self._stream.publication.proto
        choice = self._mesh.routes.decide_port(host, port, self._host, resolved, proto)
        dialler = choice.decision.host
        published = self._mesh.publication(choice.published, proto) if choice.published else None
        self._stream.set_target(dialler, format_address((host, port)), published, other)
        if choice.dial is None:
            return _refuse(other, choice.code, choice.reason)
        if published is not None and not published.allows(self._host, self._stream.peer):
            reason = f"{dialler} allows {format_address((host, port))} only from other hosts"
            return _refuse(other, "not-allowed", reason)
        link = self._mesh.link(dialler)
        if link is None:
            return _refuse(other, "gone", f"{dialler} is not up")
        return link.dial(other, *choice.dial, observer)


def _refuse(other: End, code: str, reason: str) -> End:
    other.reset(code, reason)
    return NullEnd()


class _Pending(NullEnd):
    """Takes the place of the target's end while a name is looked up."""

    __slots__ = ("ended", "given_up")

    def __init__(self) -> None:
        super().__init__()
        self.given_up = False
        self.ended = False

    def end(self) -> None:
        self.ended = True

    def reset(self, code: str, reason: str) -> None:
        self.given_up = True


# -- splicing --------------------------------------------------------------------------------


def _splice_if_possible(
    mesh: ServiceContext, stream: RelayedStream, listener: int, client: End, target: End
) -> None:
    """Let a proxy's host join the two ends of a tunnel itself if it has both sockets. The hub's
    ends stay joined until it has taken over.

    A target that is a port of the mesh stays here, where it can be unpublished.
    """
    link = mesh.link(stream.from_host)
    if link is not None and stream.through is None and link.can_splice(client, target):
        mesh.spawn(_splice(link, stream, listener, client, target))


async def _splice(
    link: Link, stream: RelayedStream, listener: int, client: End, target: End
) -> None:
    # By now the stream may be tapped, with something in between.
    if stream.state is StreamState.CLOSED or client.peer is not target:
        return
    stream.own_bytes = stream.bytes_received - target.bytes_in
    try:
        await link.splice(listener, client, target, stream.mark_spliced)
    except OperationError:
        pass  # it has ended, or goes on through the hub


def reset_spliced(mesh: ServiceContext, streams: list[ReportedStream]) -> None:
    """Reset spliced streams that are no longer published, which their agent does not know."""
    for stream in streams:
        link = mesh.link(stream.from_host)
        if link is not None:
            mesh.spawn(_reset_spliced(link, stream.remote_number))


async def _reset_spliced(link: Link, number: int) -> None:
    try:
        await link.kill_direct(number)
    except OperationError:
        pass  # the host is gone, and the stream with it
