"""What the hub serves itself: proxies and DNS, each a session that a client's end is joined to."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from norouter_core.agent.ends import End
from norouter_core.agent.io import Io
from norouter_core.dns.server import dns_datagram_session, dns_stream_session
from norouter_core.engine import dialer
from norouter_core.engine.dns_service import DnsService
from norouter_core.engine.publications import Publication, Service
from norouter_core.engine.relay import RelayedStream
from norouter_core.engine.splicing import splice
from norouter_core.engine.status import StreamState
from norouter_core.proxy.http import http_session
from norouter_core.proxy.session import ProxySettings
from norouter_core.proxy.socks import socks_session


class ServiceContext(dialer.DialerContext, Protocol):
    """What sessions need of the engine."""

    io: Io

    def host_log(self, level: str, host: str, text: str) -> None: ...


def serve_proxy(
    mesh: ServiceContext,
    publication: Publication,
    listener: int,
    client: End,
    stream: RelayedStream,
) -> End:
    """Serves the client of a proxy, which came by that listener of its host; returns the end that
    it has been joined to."""
    host = publication.to_host
    settings = ProxySettings(
        mesh.spawn,
        auth=publication.auth,
        address=publication.address,
        log=lambda line: mesh.host_log("info", host, line),
        on_tunnel=lambda one, other: splice(mesh, stream, listener, one, other),
    )
    begin = http_session if publication.service is Service.HTTP else socks_session
    return begin(client, dialer.HostDialer(mesh, host, stream.reaches), settings, stream)


def serve_dns(
    mesh: ServiceContext,
    dns: DnsService,
    publication: Publication,
    client: End,
    stream: RelayedStream,
) -> End:
    """Serves a client of the DNS at a vip; returns the end that it has been joined to."""
    stream.state = StreamState.OPEN
    proto, reached = publication.proto, publication.address

    def answer(query: bytes) -> Awaitable[bytes | None]:
        return dns.answer(query, publication.to_host, proto)

    serve = dns_datagram_session if proto == "udp" else dns_stream_session
    return serve(client, answer, mesh.spawn, reached=reached, observer=stream)
