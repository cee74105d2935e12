"""What the mesh publishes, and which hosts listen for it: pure functions of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from norouter_core.model import Host, format_address, is_loopback
from norouter_core.wire.codes import PROTOCOLS, TCP

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address


class ListenAddress(NamedTuple):
    """Where something is published; TCP and UDP at one host and port are two addresses."""

    host: str
    port: int
    proto: str = TCP
    """`tcp` or `udp`."""

    @property
    def host_port(self) -> Address:
        return self.host, self.port

    def text(self, address: Address | None = None) -> str:
        """Return `HOST:PORT`, followed by `/udp` for UDP.

        `address` replaces host and port, if this is bound elsewhere.
        """
        suffix = "" if self.proto == TCP else f"/{self.proto}"
        return format_address(address or self.host_port) + suffix


class Service(StrEnum):
    """What serves the clients of a publication."""

    PORT = "port"
    HTTP = "http"
    SOCKS = "socks"
    DNS = "dns"


_TITLES = {Service.HTTP: "HTTP proxy", Service.SOCKS: "SOCKS proxy", Service.DNS: "DNS"}


@dataclass(frozen=True, slots=True)
class Publication:
    """What clients connect to at `address`, by `proto` `tcp` or `udp`.

    It is a port of `to_host`: clients on every host connect, and `to_host` dials `target`. Or it is
    a proxy: only `to_host` listens, and the hub reads the request and decides which host dials;
    `auth` is `USER:PASSWORD` or None. Or it is the DNS at the VIP of `to_host`: clients on every
    host connect, and the hub answers.
    """

    address: Address
    to_host: str
    target: Address
    service: Service = Service.PORT
    auth: str | None = None
    proto: str = TCP

    @property
    def listen_address(self) -> ListenAddress:
        return ListenAddress(*self.address, self.proto)

    @property
    def is_proxy(self) -> bool:
        return self.service in (Service.HTTP, Service.SOCKS)

    @property
    def target_text(self) -> str:
        return _TITLES.get(self.service) or format_address(self.target)


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """How one host listens for one publication.

    `direct` means that it is a port at the host's own VIP: the host joins its clients to the target
    without the hub.
    """

    publication: Publication
    direct: bool

    @property
    def is_service_at_address(self) -> bool:
        """Whether the published service may itself listen at the published address.

        If it listens on all addresses of its host, it does.
        """
        (vip, listen), (host, port) = self.publication.address, self.publication.target
        is_same = port == listen and (host == vip or is_loopback(host))
        return self.direct and self.publication.proto == TCP and is_same


_NOWHERE: Address = ("", 0)


def publications(hosts: Sequence[Host]) -> dict[ListenAddress, Publication]:
    """Return the ports and DNS services of all hosts, by address.

    A port takes precedence over a DNS service at the same address.
    """
    found: dict[ListenAddress, Publication] = {}
    for host in hosts:
        for forward in host.ports:
            address = (host.vip, forward.listen)
            target = (forward.host, forward.port)
            published = Publication(address, host.name, target, proto=forward.proto)
            found.setdefault(published.listen_address, published)
    for host in hosts:
        if host.dns_port is not None:
            address = (host.vip, host.dns_port)
            for proto in PROTOCOLS:
                published = Publication(address, host.name, _NOWHERE, Service.DNS, proto=proto)
                found.setdefault(published.listen_address, published)
    return found


def proxies(hosts: Iterable[Host]) -> list[Publication]:
    """Return the proxies of all hosts; two hosts may serve one at the same address."""
    found = []
    for host in hosts:
        for spec, service in ((host.http, Service.HTTP), (host.socks, Service.SOCKS)):
            if spec is not None:
                address = (spec.listen_host, spec.listen_port)
                found.append(Publication(address, host.name, _NOWHERE, service, spec.auth))
    return found


def assign_listeners(
    hosts: Iterable[Host],
    published: Mapping[ListenAddress, Publication],
    served: Iterable[Publication] = (),
) -> dict[str, dict[ListenAddress, ListenerSpec]]:
    """Return the listeners of each host, including hosts that are down.

    Hosts with `loopback.disable` listen for no ports, and only its own host listens for a proxy.
    `norouter_core.engine.neighbours` decides which of the hosts in one network namespace listens.
    """
    relayed = {
        address: ListenerSpec(publication, direct=False)
        for address, publication in published.items()
    }
    wanted = {host.name: relayed.copy() if host.loopback else {} for host in hosts}
    for address, publication in published.items():
        own = wanted.get(publication.to_host)
        if own and publication.service is Service.PORT:
            own[address] = ListenerSpec(publication, direct=True)
    for proxy in served:
        wanted[proxy.to_host][proxy.listen_address] = ListenerSpec(proxy, direct=False)
    return wanted
