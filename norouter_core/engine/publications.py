"""What the mesh publishes, and which host listens for it: pure functions of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from norouter_core.model import Forward, Host

Address = tuple[str, int]
"""IP literal and port."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One published port of one host: clients anywhere connect to `address`, `to_host` dials."""

    address: Address
    to_host: str
    forward: Forward

    @property
    def target(self) -> Address:
        return self.forward.host, self.forward.port


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one host is to do about one publication.

    `direct`: it is the host's own VIP, whose clients it joins to the target without the hub.
    `yields_to`: the host whose VIP it is, where that is up in the same network namespace and
    listens for both; else empty. `group`: the hosts that are up in the same network namespace, of
    which another may turn out to hold the address already.
    """

    publication: Publication
    direct: bool
    yields_to: str
    group: frozenset[str]


def publications(hosts: Iterable[Host]) -> dict[Address, Publication]:
    """Everything that the mesh publishes, by the address at which it is reached."""
    found: dict[Address, Publication] = {}
    for host in hosts:
        for forward in host.ports:
            address = (host.vip, forward.listen)
            found.setdefault(address, Publication(address, host.name, forward))
    return found


def placement(
    hosts: Iterable[Host],
    published: Mapping[Address, Publication],
    namespaces: Mapping[str, object],
) -> dict[str, dict[Address, Wanted]]:
    """For each host the addresses it wants, also for those that are down.

    `namespaces` maps the names of the hosts that are up to what is equal for hosts that share a
    network namespace. There the host whose VIP it is listens, so that it serves itself without the
    hub; of the others whoever is first, which each finds out by trying: what an agent says of its
    namespace decides nothing but whether a taken address is called shared, and costs a host that
    lies about it nothing but clients of its own. Hosts with `loopback.disable` want nothing.
    """
    listening = [host for host in hosts if not host.loopback_disable]
    groups: dict[object, set[str]] = {}
    for host in listening:
        if host.name in namespaces:
            groups.setdefault(namespaces[host.name], set()).add(host.name)
    wanted: dict[str, dict[Address, Wanted]] = {}
    for host in listening:
        space = namespaces.get(host.name)
        group = frozenset(groups[space]) if host.name in namespaces else frozenset[str]()
        wanted[host.name] = {
            address: _wanted(host.name, publication, group)
            for address, publication in published.items()
        }
    return wanted


def _wanted(name: str, publication: Publication, group: frozenset[str]) -> Wanted:
    own = publication.to_host
    yields_to = own if own in group and own != name else ""
    return Wanted(publication, direct=name == own, yields_to=yields_to, group=group)
