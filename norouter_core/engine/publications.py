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

    `direct`: the host serves its own VIP, and joins clients to the target without the hub.
    `shared_by`: another host in the same network namespace listens for both; empty if this one
    does.
    """

    publication: Publication
    direct: bool
    shared_by: str


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
    """For each host that is up: the addresses it wants, and who of a shared namespace binds them.

    `namespaces` maps the names of the hosts that are up to what is equal for hosts that share a
    network namespace. Of those one binds: the host whose VIP it is, or else the first in the
    manifest's order. Hosts with `loopback.disable` want nothing.
    """
    up = [host for host in hosts if host.name in namespaces and not host.loopback_disable]
    groups: dict[object, list[str]] = {}
    for host in up:
        groups.setdefault(namespaces[host.name], []).append(host.name)
    wanted: dict[str, dict[Address, Wanted]] = {host.name: {} for host in up}
    for address, publication in published.items():
        for members in groups.values():
            own = publication.to_host in members
            binder = publication.to_host if own else members[0]
            for name in members:
                shared_by = "" if name == binder else binder
                direct = name == binder == publication.to_host
                wanted[name][address] = Wanted(publication, direct, shared_by)
    return wanted
