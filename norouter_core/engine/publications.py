"""What the mesh publishes, and which hosts listen for it: pure functions of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from norouter_core.model import Host, format_address, is_loopback
from norouter_core.wire.codes import PROTOCOLS, TCP

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address


IPNetwork = IPv4Network | IPv6Network


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
    TRANSPARENT = "transparent"


_TITLES = {
    Service.TRANSPARENT: "transparent proxy",
    Service.HTTP: "HTTP proxy",
    Service.SOCKS: "SOCKS proxy",
    Service.DNS: "DNS",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect to a publication: clients on these hosts, and from these networks."""

    hosts: frozenset[str]
    networks: tuple[IPNetwork, ...]

    def may_listen(self, host: str) -> bool:
        """Return whether there may be clients at `host` that are allowed."""
        return host in self.hosts or bool(self.networks)

    def allows(self, host: str, peer: Address, at: Address) -> bool:
        """Return whether a client may connect.

        A client counts as one on `host`, where it has connected to `at`, if it runs there.
        """
        try:
            address = ip_address(peer[0].partition("%")[0])
        except ValueError:
            return False
        if any(address in network for network in self.networks):
            return True
        return host in self.hosts and is_own_client(peer, at)


def is_own_client(peer: Address, at: Address) -> bool:
    """Return whether a client that has connected to `at` runs on the same machine.

    Its own address is a loopback address then, or the address that it has connected to.
    """
    return is_loopback(peer[0]) or peer[0] == at[0]


@dataclass(frozen=True, slots=True)
class Publication:
    """What clients connect to at `address`, by `proto` `tcp` or `udp`.

    It is a port of `to_host`: clients on every host connect, and `to_host` dials `target`. Or it is
    a proxy: only `to_host` listens, and the hub reads the request and decides which host dials;
    `auth` is `USER:PASSWORD` or None. Or it is the DNS at the VIP of `to_host`, where the hub
    answers.
    """

    address: Address
    to_host: str
    target: Address
    service: Service = Service.PORT
    auth: str | None = None
    proto: str = TCP
    access: Access | None = None
    """None allows all clients."""

    def __hash__(self) -> int:
        # Each client costs one, and a hash of all fields would take longer than the rest of it.
        return hash((self.address, self.to_host))

    def allows(self, host: str, peer: Address) -> bool:
        """Return whether a client at `peer` that has connected on `host` may be served."""
        return self.access is None or self.access.allows(host, peer, self.address)

    def may_listen(self, host: str) -> bool:
        """Return whether `host` may listen for it."""
        return self.access is None or self.access.may_listen(host)

    @property
    def owner_serves_itself(self) -> bool:
        """Whether the hub need not see the clients of `to_host`, since all of them are allowed."""
        access = self.access
        if access is None:
            return True
        return self.to_host in access.hosts and is_loopback(self.address[0])

    @property
    def listen_address(self) -> ListenAddress:
        return ListenAddress(*self.address, self.proto)

    @property
    def is_proxy(self) -> bool:
        return self.service in (Service.HTTP, Service.SOCKS, Service.TRANSPARENT)

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
    names = _names(hosts)
    for host in hosts:
        for forward in host.ports:
            address = (host.vip, forward.listen)
            target = (forward.host, forward.port)
            access = _access(forward.allow_from, names)
            published = Publication(address, host.name, target, proto=forward.proto, access=access)
            found.setdefault(published.listen_address, published)
    for host in hosts:
        if host.dns_port is not None:
            address = (host.vip, host.dns_port)
            for proto in PROTOCOLS:
                published = Publication(address, host.name, _NOWHERE, Service.DNS, proto=proto)
                found.setdefault(published.listen_address, published)
    return found


def _names(hosts: Iterable[Host]) -> dict[str, str]:
    """Return the names of hosts by their names and aliases in lower case."""
    return {name.casefold(): host.name for host in hosts for name in (host.name, *host.aliases)}


def _access(allow_from: Sequence[str], names: Mapping[str, str]) -> Access | None:
    if not allow_from:
        return None
    hosts = frozenset(names.get(peer.casefold(), "") for peer in allow_from if "/" not in peer)
    return Access(hosts, tuple(ip_network(peer) for peer in allow_from if "/" in peer))


def proxies(hosts: Sequence[Host]) -> list[Publication]:
    """Return the proxies of all hosts; two hosts may serve one at the same address."""
    found = []
    names = _names(hosts)
    for host in hosts:
        for spec, service in ((host.http, Service.HTTP), (host.socks, Service.SOCKS)):
            if spec is not None:
                address = (spec.listen_host, spec.listen_port)
                access = _access(spec.allow_from, names)
                found.append(
                    Publication(address, host.name, _NOWHERE, service, spec.auth, access=access)
                )
        if host.transparent is not None:
            address, service = ("::", host.transparent), Service.TRANSPARENT
            found += [
                Publication(address, host.name, _NOWHERE, service, proto=proto)
                for proto in PROTOCOLS
            ]
    return found


def assign_listeners(
    hosts: Sequence[Host],
    published: Mapping[ListenAddress, Publication],
    served: Iterable[Publication] = (),
) -> dict[str, dict[ListenAddress, ListenerSpec]]:
    """Return the listeners of each host, including hosts that are down.

    Hosts with `loopback.disable` listen for no ports, and only its own host listens for a proxy.
    A host without clients that are allowed does not listen. This machine serves DNS at every VIP,
    other hosts at their own VIP and at this machine's: most listeners of a large mesh would
    otherwise be those of DNS, which a host needs once.
    `norouter_core.engine.neighbours` decides which of the hosts in one network namespace listens.
    """
    relayed = {
        address: ListenerSpec(publication, direct=False)
        for address, publication in published.items()
    }
    local = {host.name for host in hosts if host.is_local}
    elsewhere = {
        address: spec
        for address, spec in relayed.items()
        if spec.publication.service is not Service.DNS or spec.publication.to_host in local
    }
    wanted = {
        host.name: (relayed if host.is_local else elsewhere).copy()
        for host in hosts
        if host.loopback
    }
    checked = {host.name for host in hosts if host.checks_users}
    for address, publication in published.items():
        if publication.access is not None:
            for name in [name for name in wanted if not publication.may_listen(name)]:
                wanted[name].pop(address, None)
        own = wanted.get(publication.to_host)
        if own is not None and publication.service is Service.DNS:
            own[address] = relayed[address]
        elif own is not None and address in own:
            direct = publication.owner_serves_itself and publication.to_host not in checked
            own[address] = ListenerSpec(publication, direct)
    for proxy in served:
        wanted.setdefault(proxy.to_host, {})[proxy.listen_address] = ListenerSpec(
            proxy, direct=False
        )
    return wanted
