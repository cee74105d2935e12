"""What follows from a spec: whom the mesh has, what it publishes, and what its names are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from norouter_core.dns.responder import Zone
from norouter_core.engine.publications import (
    ListenAddress,
    ListenerSpec,
    Publication,
    assign_listeners,
    proxies,
    publications,
)
from norouter_core.model import Host, MeshSpec
from norouter_core.names.files import MeshNames
from norouter_core.routing.table import LearnedAddresses, RouteTable


@dataclass(frozen=True, slots=True)
class MeshPlan:
    """What an engine brings about. What an edit does not change keeps its objects, so that a
    comparison, once for each host, is one of identities.
    """

    spec: MeshSpec
    hosts: tuple[Host, ...]
    routes: RouteTable
    zone: Zone = field(default_factory=Zone)
    names: MeshNames = field(default_factory=MeshNames)
    published: Mapping[ListenAddress, Publication] = field(default_factory=dict)
    published_by: Mapping[str, Sequence[ListenAddress]] = field(default_factory=dict)
    """The addresses of each host that listens for ports itself."""
    reachable: frozenset[Publication] = frozenset()
    listeners: Mapping[str, Mapping[ListenAddress, ListenerSpec]] = field(default_factory=dict)
    """Where each host should listen."""


async def plan_mesh(spec: MeshSpec, before: MeshPlan, learned: LearnedAddresses) -> MeshPlan:
    """Return the plan of a spec. Other tasks run between its parts: with hundreds of hosts, each
    takes milliseconds.

    Raises:
        ValueError: a command cannot be split, or a route leads to no host.
    """
    hosts = _hosts(spec.effective(), before.hosts)
    routes = RouteTable(hosts, spec.routes, learned)
    await asyncio.sleep(0)
    names = MeshNames(hosts)
    if names.key == before.names.key:
        names, zone = before.names, before.zone
    else:
        zone = Zone(hosts)
    await asyncio.sleep(0)
    published = _published(hosts, before.published)
    await asyncio.sleep(0)
    served = proxies(hosts)
    published_by: dict[str, list[ListenAddress]] = {h.name: [] for h in hosts if h.loopback}
    for address, publication in published.items():
        if publication.to_host in published_by:
            published_by[publication.to_host].append(address)
    reachable = frozenset((*published.values(), *served))
    await asyncio.sleep(0)
    listeners = assign_listeners(hosts, published, served)
    return MeshPlan(spec, hosts, routes, zone, names, published, published_by, reachable, listeners)


def _hosts(hosts: Iterable[Host], before: Sequence[Host]) -> tuple[Host, ...]:
    known = {host.name: host for host in before}
    return tuple(known[h.name] if known.get(h.name) == h else h for h in hosts)


def _published(
    hosts: Sequence[Host], before: Mapping[ListenAddress, Publication]
) -> dict[ListenAddress, Publication]:
    return {
        address: before[address] if before.get(address) == publication else publication
        for address, publication in publications(hosts).items()
    }
