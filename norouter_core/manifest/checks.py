"""Rules across hosts: unique names and VIPs, and listeners that do not collide.

The allocation of VIPs is here too, since it needs to know all of them.
"""

from __future__ import annotations

import sys
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple

from yaml.nodes import Node

from norouter_core.manifest.compose import is_plain
from norouter_core.manifest.options import OPTION_KEYS
from norouter_core.manifest.problems import Report, ValidationError
from norouter_core.manifest.values import allocate_vip
from norouter_core.model import Host, HostOptions, HostSpec, MeshSpec, format_address
from norouter_core.sanitize import quote

_FIELDS = {row.key: row.field for row in OPTION_KEYS}


@dataclass(slots=True)
class HostDraft:
    """A host as read: its values by field, and the nodes of its keys, to which problems point.

    `vip` is empty if none is set (or none that is valid).
    """

    name: str
    key: Node
    vip: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    options: HostOptions = field(default_factory=HostOptions)
    nodes: Mapping[str, Node] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        return "cmd" not in self.nodes

    def names(self) -> Iterator[tuple[str, Node]]:
        """Yield its name and its aliases, each with its node."""
        yield self.name, self.key
        if self.values.get("aliases"):
            for item in self.nodes["aliases"].value:
                if is_plain(item, "str"):
                    yield item.value, item

    def spec(self) -> HostSpec:
        values = {**self.values, "vip": self.vip}
        return HostSpec(name=self.name, options=self.options, **values)


def check_names(drafts: list[HostDraft], report: Report) -> list[str]:
    """Report duplicate names and aliases; return all of them in lower case, in order."""
    found: dict[str, Node] = {}
    for draft in drafts:
        for name, node in draft.names():
            first = found.get(name.casefold())
            if first is None:
                found[name.casefold()] = node
                continue
            hint = "names and aliases are unique in a mesh, and their case does not count"
            _report_duplicate(report, f"name {quote(name)}", draft, first, node, hint)
    return list(found)


def check_vips(drafts: list[HostDraft], report: Report) -> None:
    """Report VIPs that two hosts set."""
    found: dict[str, Node] = {}
    for draft in drafts:
        if not draft.vip:
            continue
        node = draft.nodes["vip"]
        first = found.get(draft.vip)
        if first is None:
            found[draft.vip] = node
            continue
        hint = "give this host another one, or leave vip out"
        _report_duplicate(report, f"VIP {draft.vip}", draft, first, node, hint)


def _report_duplicate(
    report: Report, what: str, draft: HostDraft, first: Node, node: Node, hint: str
) -> None:
    # All uses of an anchor share one node, so the host's key is the second place then.
    place = draft.key if node is first else node
    report.error(place, f"duplicate {what}, first at {report.place(first)}", hint)


@dataclass(frozen=True, slots=True)
class VipChoice:
    """What to consider when hosts without a VIP get one.

    Attributes:
        known: The VIPs that hosts of these names have had; they keep them if they can.
        in_use: Addresses of this machine that others use.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    in_use: Collection[str] = ()


def allocate_vips(drafts: list[HostDraft], choice: VipChoice, report: Report) -> None:
    """Give every host without a VIP one that no host sets, this machine first."""
    taken = {draft.vip: None for draft in drafts if draft.vip}
    missing = [draft for draft in drafts if "vip" not in draft.nodes]
    for draft in missing:
        known = choice.known.get(draft.name, "")
        if known and known not in taken:
            draft.vip = known
            taken[known] = None
    local = next((draft for draft in missing if draft.is_local), None)
    missing = [draft for draft in missing if not draft.vip]
    missing.sort(key=lambda draft: draft is not local)
    for done, draft in enumerate(missing):
        try:
            draft.vip = allocate_vip(taken, choice.in_use, is_local=draft is local)
        except ValidationError as error:
            left = f"{len(missing) - done} hosts from {quote(draft.name)} on have no vip"
            report.invalid(draft.key, error, left)
            return
        taken[draft.vip] = None


def check_allow_from(spec: MeshSpec, report: Report) -> None:
    """Report names in `allowFrom` that no host has."""
    for peer, node in report.peers:
        if "/" not in peer and spec.host(peer) is None:
            report.error(node, f"allowFrom: {quote(peer)} is not a host", "name a host of the mesh")


def check_listeners(
    spec: MeshSpec,
    drafts: list[HostDraft],
    template_nodes: Mapping[str, Node],
    report: Report,
) -> None:
    """Report listeners of the mesh that collide with other listeners of it.

    Only for a spec without other errors, since it looks at the hosts with the template merged in.
    """
    by_name = {draft.name: draft for draft in drafts}
    for found in find_collisions(spec):
        draft = by_name[found.host]
        own = draft.nodes.get(found.key) if getattr(draft.options, _FIELDS[found.key]) else None
        node = own or template_nodes.get(found.key) or draft.key
        (report.warn if found.harmless else report.error)(node, found.message, found.hint)


class Collision(NamedTuple):
    """What keeps a listener of a host from its work, such as another listener of the mesh.

    `key` is the key of the host that causes it. `harmless` means that it is known which of the
    two gives way.
    """

    host: str
    key: str
    message: str
    hint: str
    harmless: bool = False


def find_collisions(spec: MeshSpec) -> Iterator[Collision]:
    """Yield every collision in a spec that is valid otherwise."""
    hosts = list(spec.effective())
    published = {
        (h.vip, forward.listen): f"a port of host {quote(h.name)}"
        for h in hosts
        for forward in h.ports
        if forward.proto == "tcp"
    }
    yield from _misplaced(spec)
    for host in hosts:
        if host.checks_users and sys.platform != "linux":
            message = f"onlyUser of host {quote(host.name)} is possible on Linux only"
            yield Collision(host.name, "onlyUser", message, "remove it; use auth on proxies")
        yield from _open_ports(host)
        yield from _dns_collisions(host)
        if host.dns_port is not None:
            name = f"the DNS of host {quote(host.name)}"
            published.setdefault((host.vip, host.dns_port), name)
    for host in hosts:
        own: dict[tuple[str, int], str] = {}
        taken = ChainMap(own, published if host.loopback else {})
        for key, proxy in (("http", host.http), ("socks", host.socks)):
            if proxy is None:
                continue
            address = (proxy.listen_host, proxy.listen_port)
            if address in taken:
                message = f"{key} of host {quote(host.name)} listens on {format_address(address)}"
                message += f", where {taken[address]} already listens"
                yield Collision(host.name, key, message, "choose another port")
            own[address] = f"its {key} proxy"


def _misplaced(spec: MeshSpec) -> Iterator[Collision]:
    """Yield the keys of hosts with a command that have a meaning on this machine only."""
    for host in spec.hosts:
        for row in OPTION_KEYS:
            if row.here_only and host.cmd is not None and getattr(host.options, row.field):
                message = f"{row.key} of host {quote(host.name)} has no effect on another machine"
                yield Collision(host.name, row.key, message, "set it on a host without cmd")


def _open_ports(host: Host) -> Iterator[Collision]:
    """Yield the ports that other machines could use, though nothing says that they may."""
    if host.open or ip_address(host.vip).is_loopback:
        return
    for forward in host.ports:
        if not forward.allow_from:
            message = (
                f"port {forward.listen} of host {quote(host.name)} is open to other machines: "
            )
            message += f"its VIP {host.vip} is not a loopback address"
            hint = (
                "use a VIP of 127.0.0.0/8, or set allowFrom on the port or open: true on the host"
            )
            yield Collision(host.name, "ports", message, hint)


def _dns_collisions(host: Host) -> Iterator[Collision]:
    """Yield the collision of a port of the host with its DNS, by TCP or UDP."""
    if host.dns_port not in [forward.listen for forward in host.ports]:
        return
    hint = "move its DNS, dns: {port: 10054}, or turn it off, dns: {disable: true}"
    if host.dns.port is not None:
        message = f"the DNS of host {quote(host.name)} is on port {host.dns_port}"
        message += ", which the host publishes itself"
        yield Collision(host.name, "dns", message, hint)
    else:
        message = f"port {host.dns_port} of host {quote(host.name)} replaces its DNS"
        yield Collision(host.name, "ports", message, hint, harmless=True)
