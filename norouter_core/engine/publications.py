"""What the mesh publishes, and which host listens for it: pure functions of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from norouter_core.model import Host, format_address
from norouter_core.wire.codes import PROTOCOLS, TCP

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address


class ListenAddress(NamedTuple):
    """Where something is published: TCP and UDP at one address are two places."""

    host: str
    port: int
    proto: str = TCP
    """`tcp` or `udp`."""

    @property
    def address(self) -> Address:
        return self.host, self.port

    def text(self, address: Address | None = None) -> str:
        """`HOST:PORT` as every face shows it, with `/udp` where it is that; of another address
        where this is bound in truth, if one is given."""
        suffix = "" if self.proto == TCP else f"/{self.proto}"
        return format_address(address or self.address) + suffix


class Service(StrEnum):
    """What a client of a publication meets."""

    PORT = "port"
    HTTP = "http"
    SOCKS = "socks"
    DNS = "dns"


_TITLES = {Service.HTTP: "HTTP proxy", Service.SOCKS: "SOCKS proxy", Service.DNS: "DNS"}


@dataclass(frozen=True, slots=True)
class Publication:
    """What clients connect to at `address`, by `proto` `tcp` or `udp`.

    A port of `to_host`: clients of every host connect, `to_host` dials `target`. Or a proxy of
    `to_host`: it listens there alone, the hub reads the request and decides who dials what;
    `auth` is `USER:PASSWORD` or None. Or the DNS at the VIP of `to_host`: clients of every host
    connect, the hub answers.
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
    """What one host is to do about one publication.

    `direct`: it is a port at the host's own VIP, whose clients it joins to the target without the
    hub.
    """

    publication: Publication
    direct: bool


_NOWHERE: Address = ("", 0)


def publications(hosts: Sequence[Host]) -> dict[ListenAddress, Publication]:
    """The ports and the DNS of all hosts, by the place at which each is reached; a port comes
    before a DNS at the same place."""
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
    """The proxies that hosts serve; two hosts may do so at the same address of their own."""
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
    """Return the places that each host wants, also for hosts that are down.

    Hosts with `loopback.disable` want no ports; the proxies in `served` are wanted by their own
    hosts alone. Which of the hosts in one network namespace listens is decided there
    (`norouter_core.engine.neighbours`).
    """
    relayed = {
        place: ListenerSpec(publication, direct=False) for place, publication in published.items()
    }
    wanted = {host.name: relayed.copy() if host.loopback else {} for host in hosts}
    for place, publication in published.items():
        own = wanted.get(publication.to_host)
        if own and publication.service is Service.PORT:
            own[place] = ListenerSpec(publication, direct=True)
    for proxy in served:
        wanted[proxy.to_host][proxy.listen_address] = ListenerSpec(proxy, direct=False)
    return wanted
