"""The decision: which host dials, and what, for a name or an address that a proxy was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from norouter_core.model import Forward, Host, Route
from norouter_core.routing.learned_addresses import LearnedAddresses
from norouter_core.routing.match import (
    Index,
    IPAddress,
    is_network,
    normal_name,
    parse_address,
)

Address = tuple[str, int]
"""A host (a name or an IP literal) and a port."""

_LISTED = 8
"""How many published ports a refusal lists."""


class RouteKind(StrEnum):
    MESH = "mesh"
    """To a host of the mesh, by what it publishes."""
    VIA = "via"
    """Through a host: it dials, and resolves the name if it is one."""
    DIRECT = "direct"
    """The proxy's own host dials."""


@dataclass(frozen=True, slots=True)
class Decision:
    """`host` is who dials; `target` is the host's VIP for `MESH`, else the name or IP literal to
    dial, as it came but for brackets. `route` is what decided, None where none did."""

    way: RouteKind
    host: str
    target: str
    route: Route | None = None


@dataclass(frozen=True, slots=True)
class PortDecision:
    """A decision for one port. `dial` is what `decision.host` connects to, None if refused.

    `published` is the `(VIP, port)` under which the mesh publishes it, for `MESH` alone: the
    key of the publication whose stream this is. A refusal has a RESET `code` and its `reason`.
    """

    decision: Decision
    dial: Address | None
    published: Address | None = None
    code: str = ""
    reason: str = ""


class RouteTable:
    """A mesh's hosts and routes, indexed once and then asked for every connection.

    The order of preference: a mesh name or VIP; what DNS has taught (`learnt`); the last route
    that matches and does not exclude; the proxy's own host. A route matches when anything in its
    `to` does, and is passed over when anything in its `notTo` does: globs against the name,
    networks against the address, or against every address that the name resolves to on the
    proxy's own host.

    Loops are impossible by construction. A decision is made once, at the hub, where the proxy
    ends; what follows is one plain dial on one host, which consults no route. What answers there
    may be a published port of this mesh, but that leads to a fixed target, dialled plainly again.
    """

    def __init__(
        self, hosts: Sequence[Host], routes: Sequence[Route], learnt: LearnedAddresses | None = None
    ) -> None:
        """
        Raises:
            ValueError: `via` of a route is no host here, or a `to` holds a bad network.
        """
        self._learnt = learnt
        self._names: dict[str, Host] = {}
        self._vips: dict[IPAddress, Host] = {}
        for host in hosts:
            self._add_host(host)
        self._hosts = {host.name for host in hosts}
        self._routes = tuple(routes)
        self._vias = [self._via(route) for route in routes]
        self._to = Index((e, n) for n, route in enumerate(routes) for e in route.to)
        self._not_to = {n: _excluding(r) for n, r in enumerate(routes) if r.not_to}
        self._by_network = [n for n, r in enumerate(routes) if any(map(is_network, r.to))]
        self._ports = {host.name: _published(host) for host in hosts}

    @property
    def vias(self) -> frozenset[str]:
        """The names of the hosts that routes lead through."""
        return frozenset(self._vias)

    # -- asking ----------------------------------------------------------------------------

    def needs_addresses(self, name_or_ip: str) -> bool:
        """Whether `decide` depends on what this name resolves to on the proxy's own host.

        False for mesh names and addresses, and where no network could change what the globs
        say: nothing is to be looked up then.
        """
        name = normal_name(name_or_ip)
        if name in self._names or parse_address(name_or_ip) is not None:
            return False
        chosen = self._last(name, ())
        excluding = self._not_to.get(chosen)
        if excluding is not None and excluding.has_networks:
            return True
        for number in reversed(self._by_network):
            if number <= chosen:
                return False
            if not self._excludes(number, name, ()):
                return True
        return False

    def decide(self, name_or_ip: str, from_host: str, resolved: Sequence[str] = ()) -> Decision:
        """Where a proxy on `from_host` sends a connection to `name_or_ip`.

        Args:
            from_host: the name of the proxy's own host.
            resolved: the addresses of the name on `from_host`, if `needs_addresses` asked for
                them; none if it has none there. What is no address among them is ignored.
        """
        name = normal_name(name_or_ip)
        literal = parse_address(name_or_ip)
        host = self._names.get(name) if literal is None else self._vips.get(literal)
        if host is not None:
            return Decision(RouteKind.MESH, host.name, host.vip)
        if literal is not None:
            return self._decide_address(literal, from_host)
        addresses: list[IPAddress] = []
        if resolved and self.needs_addresses(name_or_ip):
            addresses = [a for a in map(parse_address, resolved) if a is not None]
        for address in addresses:
            if address in self._vips:
                host = self._vips[address]
                return Decision(RouteKind.MESH, host.name, host.vip)
        return self._by_route(self._last(name, addresses), name_or_ip, from_host)

    def decide_port(
        self, name_or_ip: str, port: int, from_host: str, resolved: Sequence[str] = ()
    ) -> PortDecision:
        """`decide` for one TCP port. A VIP serves what its host publishes and nothing else:
        another port is refused with `not-allowed`."""
        decision = self.decide(name_or_ip, from_host, resolved)
        if decision.way is not RouteKind.MESH:
            return PortDecision(decision, (decision.target, port))
        ports = self._ports[decision.host]
        forward = ports.get(port)
        if forward is not None:
            published = (decision.target, port)
            return PortDecision(decision, (forward.host, forward.port), published)
        reason = f"{decision.host} does not publish port {port}; {_listed(ports)}"
        return PortDecision(decision, None, code="not-allowed", reason=reason)

    def claims(self, name: str, from_host: str) -> str | None:
        """The host by which a route's globs say that `name` is to be resolved, for DNS.

        None for a name of the mesh, an address, a name that no glob claims, and where that host
        is `from_host` itself. Networks have no say: they would need the answer first.
        """
        normal = normal_name(name)
        if normal in self._names or parse_address(name) is not None:
            return None
        number = self._last(normal, ())
        via = self._vias[number] if number >= 0 else from_host
        return None if via == from_host else via

    # -- within ----------------------------------------------------------------------------

    def _decide_address(self, address: IPAddress, from_host: str) -> Decision:
        via = self._learnt.via(address) if self._learnt is not None else None
        if via in self._hosts:
            assert via is not None
            way = RouteKind.DIRECT if via == from_host else RouteKind.VIA
            return Decision(way, via, str(address))
        return self._by_route(self._last(None, (address,)), str(address), from_host)

    def _by_route(self, number: int, target: str, from_host: str) -> Decision:
        if number < 0:
            return Decision(RouteKind.DIRECT, from_host, target)
        via = self._vias[number]
        way = RouteKind.DIRECT if via == from_host else RouteKind.VIA
        return Decision(way, via, target, self._routes[number])

    def _last(self, name: str | None, addresses: Sequence[IPAddress]) -> int:
        """The number of the last route that matches and does not exclude; -1 if none does."""
        for number in sorted(self._to.numbers(name, addresses), reverse=True):
            if not self._excludes(number, name, addresses):
                return number
        return -1

    def _excludes(self, number: int, name: str | None, addresses: Sequence[IPAddress]) -> bool:
        excluding = self._not_to.get(number)
        return excluding is not None and bool(excluding.numbers(name, addresses))

    def _add_host(self, host: Host) -> None:
        for name in (host.name, *host.aliases):
            self._names.setdefault(normal_name(name), host)
        vip = parse_address(host.vip)
        if vip is not None:
            self._vips.setdefault(vip, host)

    def _via(self, route: Route) -> str:
        vip = parse_address(route.via)
        host = self._names.get(normal_name(route.via)) if vip is None else self._vips.get(vip)
        if host is None:
            raise ValueError(f"via {route.via!r} of a route is no host, alias or VIP of the mesh")
        return host.name


def _excluding(route: Route) -> Index:
    return Index((entry, 0) for entry in route.not_to)


def _published(host: Host) -> dict[int, Forward]:
    ports: dict[int, Forward] = {}
    for forward in host.ports:
        if forward.proto == "tcp":
            ports.setdefault(forward.listen, forward)
    return ports


def _listed(ports: dict[int, Forward]) -> str:
    if not ports:
        return "it publishes none"
    shown = ", ".join(map(str, sorted(ports)[:_LISTED]))
    return f"it publishes {shown}" + (", ..." if len(ports) > _LISTED else "")
