"""Decides which host connects, and where, for a name or an address that a proxy client asks for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from norouter_core.model import Forward, Host, Route
from norouter_core.routing.match import (
    Index,
    IPAddress,
    is_network,
    normal_name,
    parse_address,
)
from norouter_core.wire.codes import PROTOCOLS, TCP

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_MAX_ADDRESSES = 4096
_MAX_LISTED = 8
"""The number of published ports that a rejection lists."""


class RouteKind(StrEnum):
    MESH = "mesh"
    """To a host of the mesh, by what it publishes."""
    VIA = "via"
    """Through a host, which connects, and resolves the name if it is one."""
    DIRECT = "direct"
    """The proxy's own host connects."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a connection goes.

    `host` connects. `target` is the host's VIP for `MESH`, else the name or IP literal to connect
    to, as the client wrote it but without brackets.
    """

    kind: RouteKind
    host: str
    target: str


@dataclass(frozen=True, slots=True)
class PortDecision:
    """A decision for one port. `dial` is what `decision.host` connects to, None if rejected.

    `published` is the `(VIP, port)` under which the mesh publishes it, only for `MESH`: the key of
    the publication that the stream belongs to. A rejection has a RESET `code` and its `reason`.
    """

    decision: Decision
    dial: Address | None
    published: Address | None = None
    code: str = ""
    reason: str = ""


class LearnedAddresses:
    """At most `limit` addresses a client, each for a time; the oldest makes room for a new one.

    `clock` returns seconds and never goes backward.
    """

    def __init__(self, clock: Callable[[], float], limit: int = _MAX_ADDRESSES) -> None:
        self._clock = clock
        self._limit = limit
        self._known: dict[str, OrderedDict[IPAddress, tuple[str, float]]] = {}
        """By the host that has asked, so that none can push out what others have learned."""

    def learn(self, address: str, via: str, client: str, seconds: float) -> bool:
        """Remember that `via` resolved a name to `address`; return whether that is allowed.

        It holds for the proxies of `client`, the host that has asked.

        Loopback, link-local, multicast and unspecified addresses mean something else on each
        machine: a bastion whose DNS answers 127.0.0.1 must not take over everyone's localhost.
        """
        parsed = parse_address(address)
        if parsed is None or parsed.is_loopback or parsed.is_link_local:
            return False
        if parsed.is_multicast or parsed.is_unspecified or str(parsed) == "255.255.255.255":
            return False
        known = self._known.setdefault(client, OrderedDict())
        known[parsed] = (via, self._clock() + seconds)
        known.move_to_end(parsed)
        if len(known) > self._limit:
            known.popitem(last=False)
        return True

    def via(self, address: IPAddress, client: str) -> str | None:
        """Return the host through which `client` reaches `address`, or None."""
        of_client = self._known.get(client)
        known = of_client.get(address) if of_client is not None else None
        return known[0] if known is not None and known[1] > self._clock() else None

    def keep(self, hosts: Collection[str]) -> None:
        """Forget the addresses of all other hosts."""
        for client, known in list(self._known.items()):
            for address in [a for a, (via, _) in known.items() if via not in hosts]:
                del known[address]
            if not known:
                del self._known[client]

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))


class RouteTable:
    """A mesh's hosts and routes, indexed once and then consulted for every connection.

    The order of preference: a mesh name or VIP; the last route that matches and does not exclude;
    for an address, what DNS answers taught the proxy's own host (`learned`); the proxy's own host.
    So no route's host can claim addresses that the manifest gives to another one. A route matches
    if anything in its `to` does, and is skipped if anything in its `notTo` does: globs match the
    name, networks the address, or any address that the name resolves to on the proxy's own host.

    Loops are impossible by construction. A decision is made once, at the hub, where the proxy ends.
    Then one host makes one plain connection, which consults no route. If a published port of this
    mesh answers there, it leads to a fixed target, again by a plain connection.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        routes: Sequence[Route],
        learned: LearnedAddresses | None = None,
    ) -> None:
        """Index hosts and routes.

        Raises:
            ValueError: The `via` of a route is not a host, or a `to` contains an invalid network.
        """
        self._learned = learned
        self._names: dict[str, Host] = {}
        self._vips: dict[IPAddress, Host] = {}
        for host in hosts:
            self._add_host(host)
        self._hosts = {host.name for host in hosts}
        self._vias = [self._via(route) for route in routes]
        self._to = Index((e, n) for n, route in enumerate(routes) for e in route.to)
        self._allowed = {n: self._hosts_of(r) for n, r in enumerate(routes) if r.allow_from}
        """The hosts that may use a route, of routes that are not for all."""
        self._not_to = {n: _excluding(r) for n, r in enumerate(routes) if r.not_to}
        self._by_network = [n for n, r in enumerate(routes) if any(map(is_network, r.to))]
        self._ports = {host.name: _published(host) for host in hosts}

    @property
    def vias(self) -> frozenset[str]:
        """The names of the hosts that routes lead through."""
        return frozenset(self._vias)

    def needs_addresses(self, name_or_ip: str, from_host: str) -> bool:
        """Return whether `decide` depends on what this name resolves to on the proxy's own host.

        It does not for mesh names and addresses, nor if no network could change what the globs
        decide. Nothing needs to be looked up then.
        """
        name = normal_name(name_or_ip)
        if name in self._names or parse_address(name_or_ip) is not None:
            return False
        chosen = self._last(name, (), from_host)
        excluding = self._not_to.get(chosen)
        if excluding is not None and excluding.has_networks:
            return True
        for number in reversed(self._by_network):
            if number <= chosen:
                return False
            if self._is_for(number, from_host) and not self._excludes(number, name, ()):
                return True
        return False

    def decide(self, name_or_ip: str, from_host: str, resolved: Sequence[str] = ()) -> Decision:
        """Return where a proxy on `from_host` sends a connection to `name_or_ip`.

        Args:
            from_host: The name of the proxy's own host.
            resolved: The addresses of the name on `from_host`, if `needs_addresses` asks for them
                and it has any there. Invalid addresses are ignored.
        """
        name = normal_name(name_or_ip)
        literal = parse_address(name_or_ip)
        host = self._names.get(name) if literal is None else self._vips.get(literal)
        if host is not None:
            return Decision(RouteKind.MESH, host.name, host.vip)
        if literal is not None:
            return self._decide_address(literal, from_host)
        addresses: list[IPAddress] = []
        if resolved and self.needs_addresses(name_or_ip, from_host):
            addresses = [a for a in map(parse_address, resolved) if a is not None]
        for address in addresses:
            if address in self._vips:
                host = self._vips[address]
                return Decision(RouteKind.MESH, host.name, host.vip)
        return _connect_from(self._routed(name, addresses, from_host), name_or_ip, from_host)

    def decide_port(
        self,
        name_or_ip: str,
        port: int,
        from_host: str,
        resolved: Sequence[str] = (),
        proto: str = TCP,
    ) -> PortDecision:
        """Return the decision for one port.

        A VIP serves only the ports that its host publishes; other ports are rejected with
        `not-allowed`.
        """
        decision = self.decide(name_or_ip, from_host, resolved)
        if decision.kind is not RouteKind.MESH:
            return PortDecision(decision, (decision.target, port))
        ports = self._ports[decision.host][proto]
        forward = ports.get(port)
        if forward is not None:
            published = (decision.target, port)
            return PortDecision(decision, (forward.host, forward.port), published)
        named = f"port {port}" if proto == TCP else f"port {port}/{proto}"
        reason = f"{decision.host} does not publish {named}; {_listed(ports)}"
        return PortDecision(decision, None, code="not-allowed", reason=reason)

    def claims(self, name: str, from_host: str, client: str = "") -> str | None:
        """Return the host that resolves `name` according to the globs of the routes, for DNS.

        None means that it is a name of the mesh, an address, or a name that no glob claims, or that
        the host is `from_host` itself. Networks do not count: they would need the answer first.

        Args:
            client: The host on which the client runs, if it is not `from_host`; the route must be
                for both.
        """
        normal = normal_name(name)
        if normal in self._names or parse_address(name) is not None:
            return None
        number = self._last(normal, (), from_host)
        if number < 0 or (client and not self._is_for(number, client)):
            return None
        via = self._vias[number]
        return None if via == from_host else via

    def _decide_address(self, address: IPAddress, from_host: str) -> Decision:
        number = self._last(None, (address,), from_host)
        if number >= 0:
            return _connect_from(self._vias[number], str(address), from_host)
        via = self._learned.via(address, from_host) if self._learned is not None else None
        return _connect_from(via if via in self._hosts else from_host, str(address), from_host)

    def _routed(self, name: str | None, addresses: Sequence[IPAddress], from_host: str) -> str:
        """Return the host that the routes choose, or `from_host`."""
        number = self._last(name, addresses, from_host)
        return self._vias[number] if number >= 0 else from_host

    def _last(self, name: str | None, addresses: Sequence[IPAddress], from_host: str) -> int:
        """Return the number of the last route for a host that applies, or -1."""
        for number in sorted(self._to.numbers(name, addresses), reverse=True):
            if self._is_for(number, from_host) and not self._excludes(number, name, addresses):
                return number
        return -1

    def _is_for(self, number: int, host: str) -> bool:
        """Return whether clients on a host may use a route."""
        allowed = self._allowed.get(number)
        return allowed is None or host in allowed

    def _hosts_of(self, route: Route) -> frozenset[str]:
        found = (self._names.get(normal_name(name)) for name in route.allow_from)
        return frozenset(host.name for host in found if host is not None)

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
            raise ValueError(
                f"via {route.via!r} of a route is not a host, alias or VIP of the mesh"
            )
        return host.name


def _connect_from(host: str, target: str, from_host: str) -> Decision:
    return Decision(RouteKind.DIRECT if host == from_host else RouteKind.VIA, host, target)


def _excluding(route: Route) -> Index:
    return Index((entry, 0) for entry in route.not_to)


def _published(host: Host) -> dict[str, dict[int, Forward]]:
    """Return the ports of a host by protocol and number."""
    ports: dict[str, dict[int, Forward]] = {proto: {} for proto in PROTOCOLS}
    for forward in host.ports:
        ports[forward.proto].setdefault(forward.listen, forward)
    return ports


def _listed(ports: dict[int, Forward]) -> str:
    if not ports:
        return "it publishes none"
    shown = ", ".join(map(str, sorted(ports)[:_MAX_LISTED]))
    return f"it publishes {shown}" + (", ..." if len(ports) > _MAX_LISTED else "")
