"""What must hold across hosts: unique names and VIPs, listeners that do not collide; and the
allotment of VIPs, which needs to know them all."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator
from typing import NamedTuple

from yaml.nodes import Node

from norouter_core.manifest.hosts import HostDraft, OptionsDraft
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.report import Report
from norouter_core.manifest.vips import LOCAL_VIP, allot_vip
from norouter_core.model import Host, MeshSpec
from norouter_core.sanitize import quote


def check_names(drafts: list[HostDraft], report: Report) -> dict[str, None]:
    """Reports names and aliases that are there twice; returns all of them in lower case, in
    the manifest's order."""
    found: dict[str, Node] = {}
    for draft in drafts:
        for name, node in ((draft.name, draft.key), *draft.aliases):
            first = found.get(name.casefold())
            if first is None:
                found[name.casefold()] = node
                continue
            message = f"the name {quote(name)} is taken, at {report.place(first)}"
            hint = "names and aliases are unique in a mesh, whatever their case"
            report.error(_other(node, first, draft), message, hint)
    return dict.fromkeys(found)


def check_vips(drafts: list[HostDraft], report: Report) -> None:
    """Reports VIPs that two hosts state."""
    found: dict[str, Node] = {}
    owners: set[str] = set()
    for draft in drafts:
        if not draft.vip:
            continue
        node = draft.own.nodes["vip"]
        first = found.setdefault(draft.vip, node)
        if draft.vip in owners:
            message = f"the VIP {draft.vip} is taken, at {report.place(first)}"
            hint = "give this host another one, or leave vip out"
            report.error(_other(node, first, draft), message, hint)
        owners.add(draft.vip)


def _other(node: Node, first: Node, draft: HostDraft) -> Node:
    """Where to point: an anchor's content is one node for all who use it, so the host's key."""
    return draft.key if node is first else node


def allot_vips(drafts: list[HostDraft], report: Report) -> None:
    """Gives every host that states no VIP one that no host states, in the manifest's order."""
    taken = {draft.vip for draft in drafts if draft.vip}
    waiting = [draft for draft in drafts if "vip" not in draft.own.nodes]
    local = next((draft for draft in waiting if draft.cmd is None), None)
    if local is not None and LOCAL_VIP not in taken:
        local.vip = LOCAL_VIP
        taken.add(LOCAL_VIP)
    missing = [draft for draft in waiting if not draft.vip]
    for done, draft in enumerate(missing):
        try:
            draft.vip = allot_vip(taken)
        except ValidationError as refused:
            left = f"{len(missing) - done} hosts from {quote(draft.name)} on state no VIP"
            report.refuse(draft.key, refused, left)
            return
        taken.add(draft.vip)


def check_listeners(
    spec: MeshSpec, drafts: list[HostDraft], template: OptionsDraft | None, report: Report
) -> None:
    """Reports listeners of the mesh that would be where something else of it listens.

    Only for a spec without other errors: it looks at the hosts with the template merged in.
    """
    by_name = {draft.name: draft for draft in drafts}
    for found in collisions(spec):
        draft = by_name[found.host]
        own = draft.own.nodes.get(found.key) if getattr(draft.own.options, found.key) else None
        node = own or (template.nodes.get(found.key) if template else None) or draft.key
        (report.warn if found.harmless else report.error)(node, found.message, found.hint)


class Collision(NamedTuple):
    """A listener of a host that would be where something else of the mesh listens; `key` is the
    host's that brings it about. `harmless`: it is known which of the two gives way."""

    host: str
    key: str
    message: str
    hint: str
    harmless: bool = False


def collisions(spec: MeshSpec) -> Iterator[Collision]:
    """Every collision in a spec that is valid otherwise."""
    hosts = list(spec.effective())
    published = {
        (h.vip, forward.listen): f"a port of host {quote(h.name)}"
        for h in hosts
        for forward in h.ports
        if forward.proto == "tcp"
    }
    for host in hosts:
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
            place = (proxy.listen_host, proxy.listen_port)
            if place in taken:
                message = f"{key} of host {quote(host.name)} listens at {place[0]}:{place[1]}"
                message += f", where {taken[place]} listens already"
                yield Collision(host.name, key, message, "choose another port")
            own[place] = f"its {key} proxy"


def _dns_collisions(host: Host) -> Iterator[Collision]:
    """Where a port of the host takes the place of its DNS, by TCP or UDP."""
    if host.dns_port not in [forward.listen for forward in host.ports]:
        return
    hint = "give its DNS another port, dns: {port: 10054}, or none, dns: {disable: true}"
    if host.dns.port is not None:
        message = f"the DNS of host {quote(host.name)} has the port {host.dns_port}"
        message += ", which the host publishes itself"
        yield Collision(host.name, "dns", message, hint)
    else:
        message = f"port {host.dns_port} of host {quote(host.name)} takes the place of its DNS"
        yield Collision(host.name, "ports", message, hint, harmless=True)
