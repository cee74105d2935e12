"""Reading a manifest: from a file or a text to a checked `MeshSpec`."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from ipaddress import ip_interface, ip_network

from yaml.nodes import Node, ScalarNode

from norouter_core.manifest.checks import (
    HostDraft,
    VipChoice,
    allocate_vips,
    check_allow_from,
    check_listeners,
    check_names,
    check_vips,
)
from norouter_core.manifest.compose import compose
from norouter_core.manifest.listeners import read_allow_from
from norouter_core.manifest.nodes import (
    is_null,
    known_entries,
    read_items,
    read_mapping,
    read_parsed,
    read_text,
)
from norouter_core.manifest.options import (
    HOST_ONLY_KEYS,
    OPTION_KEYS,
    check_name,
    read_values,
)
from norouter_core.manifest.problems import MAX_BYTES, Problem, Report, read_source, unreadable
from norouter_core.manifest.values import closest, parse_target, strip_dot
from norouter_core.model import HostOptions, MeshSpec, Route
from norouter_core.sanitize import quote

DEFAULT_VIPS = VipChoice()
"""The choice that depends on nothing but the manifest."""

STDIN = "<stdin>"
"""The name of standard input in problems."""

_TOP_KEYS = ("hostTemplate", "hosts", "routes")
_ROUTE_KEYS = ("via", "to", "notTo", "allowFrom")
_HOSTS_HINT = "list the hosts of the mesh under `hosts:`"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest that can be used.

    `name` is the file's, as it was given (`<stdin>` for `-`). `data` is what was read from it,
    None for a manifest that is not from a file.
    """

    spec: MeshSpec
    warnings: tuple[Problem, ...]
    name: str
    data: bytes | None = None


def load_file(path: str | os.PathLike[str], choice: VipChoice = DEFAULT_VIPS) -> Loaded:
    """Return the manifest in a file; `-` is standard input.

    Args:
        choice: How hosts without a VIP get theirs.

    Raises:
        ManifestError: The file cannot be read, or does not contain a valid manifest.
    """
    data, name = read_data(path)
    return replace(load_text(data, name, choice), data=data)


def read_data(path: str | os.PathLike[str]) -> tuple[bytes, str]:
    """Return what a file (`-`: standard input) contains, and its name in problems.

    At most one byte more is read than a manifest may have.

    Raises:
        ManifestError: The file cannot be read.
    """
    given = os.fspath(path)
    name = STDIN if given == "-" else given
    try:
        if given == "-":
            if sys.stdin is None:
                raise OSError("standard input is closed")
            return sys.stdin.buffer.read(MAX_BYTES + 1), name
        with open(given, "rb") as file:
            return file.read(MAX_BYTES + 1), name
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None


def load_text(text: str | bytes, name: str, choice: VipChoice = DEFAULT_VIPS) -> Loaded:
    """Return the manifest in a text, or in bytes in UTF-8 (or UTF-16 with its mark).

    Args:
        name: The name of the file in problems.
        choice: How hosts without a VIP get theirs.

    Raises:
        ManifestError: The text is not a valid manifest; it holds all errors at once.
    """
    report = Report(read_source(text, name))
    root = compose(report)
    report.raise_errors()
    if root is None or is_null(root):
        report.warn_at(0, "the manifest is empty: a mesh without hosts", _HOSTS_HINT)
        return Loaded(MeshSpec(), report.warnings(), name)
    spec = _read_mesh(root, choice, report)
    report.raise_errors()
    return Loaded(spec, report.warnings(), name)


def _read_mesh(root: Node, choice: VipChoice, report: Report) -> MeshSpec:
    """Return the spec; an empty one, which nobody sees, if there are errors."""
    if isinstance(root, ScalarNode):
        message = f"not a manifest but a single text: {quote(root.value)}"
        hint = "start with `hosts:`, and list each host below it, indented"
        report.error(root, message, hint)
        return MeshSpec()
    mapping = read_mapping(root, report, "the manifest")
    if mapping is None:
        return MeshSpec()
    entries = known_entries(mapping, _TOP_KEYS, report, "the manifest")
    template, template_nodes = None, dict[str, Node]()
    if "hostTemplate" in entries:
        template, template_nodes = _read_template(entries["hostTemplate"].value, report)
    hosts = read_mapping(entries["hosts"].value, report, "hosts") if "hosts" in entries else None
    drafts = [_read_host(name, e.key, e.value, report) for name, e in (hosts or {}).items()]
    if not drafts and not report.has_errors:
        report.warn(root, "the manifest has no hosts", _HOSTS_HINT)
    names = check_names(drafts, report)
    check_vips(drafts, report)
    allocate_vips(drafts, choice, report)
    vias = dict.fromkeys([*names, *(draft.vip for draft in drafts if draft.vip)])
    routes = _read_routes(entries["routes"].value, vias, report) if "routes" in entries else ()
    if report.has_errors:
        return MeshSpec()
    spec = MeshSpec(tuple(draft.spec() for draft in drafts), routes, template)
    check_listeners(spec, drafts, template_nodes, report)
    check_allow_from(spec, report)
    return spec


# Hosts


def _read_template(node: Node, report: Report) -> tuple[HostOptions | None, dict[str, Node]]:
    """Return `hostTemplate`, None if it is not a mapping, and the nodes of its keys."""
    mapping = read_mapping(node, report, "hostTemplate")
    if mapping is None:
        return None, {}
    for row in HOST_ONLY_KEYS:
        if row.key in mapping:
            message = f"{row.key} has no meaning in hostTemplate and is ignored"
            report.warn(mapping.pop(row.key).key, message, "set it on each host")
    entries = known_entries(mapping, [row.key for row in OPTION_KEYS], report, "hostTemplate")
    options = HostOptions(**read_values(OPTION_KEYS, entries, report, "hostTemplate"))
    return options, {key: entry.value for key, entry in entries.items()}


def _read_host(name: str, key: Node, node: Node, report: Report) -> HostDraft:
    where = f"host {quote(name)}"
    check_name(name, key, report, where)
    mapping = None if is_null(node) else read_mapping(node, report, where)
    if mapping is None:
        return HostDraft(name, key)
    rows = (*HOST_ONLY_KEYS, *OPTION_KEYS)
    entries = known_entries(mapping, [row.key for row in rows], report, where)
    options = HostOptions(**read_values(OPTION_KEYS, entries, report, where))
    values = read_values(HOST_ONLY_KEYS, entries, report, where)
    nodes = {key: entry.value for key, entry in entries.items()}
    return HostDraft(name, key, values.pop("vip", ""), values, options, nodes)


# Routes


def _read_routes(node: Node, vias: Collection[str], report: Report) -> tuple[Route, ...]:
    """Return every route of the list, in order.

    Args:
        vias: What `via` may be: names and aliases in lower case, and VIPs.
    """
    items = read_items(node, report, "routes")
    read = [_read_route(item, vias, report) for item in items]
    return tuple(route for route in read if route is not None)


def _read_route(node: Node, vias: Collection[str], report: Report) -> Route | None:
    mapping = read_mapping(node, report, "a route")
    if mapping is None:
        return None
    entries = known_entries(mapping, _ROUTE_KEYS, report, "a route")
    to, not_to = (
        _read_targets(entries[key].value, report, f"`{key}` of a route") if key in entries else ()
        for key in ("to", "notTo")
    )
    if "to" not in entries or entries["to"].value.value == []:
        hint = "add `to`, with a network such as 10.0.0.0/8 or a name such as *.example.com"
        report.error(node, "the route has no `to`", hint)
    if "via" not in entries:
        report.error(node, "the route has no `via`", "add `via` with the name of a host")
        return None
    via = _read_via(entries["via"].value, vias, report)
    allow_from = read_allow_from(entries, report, "a route", networks=False)
    return None if via is None else Route(via, to, not_to, allow_from)


def _read_via(node: Node, vias: Collection[str], report: Report) -> str | None:
    text = read_text(node, report, "`via` of a route")
    if text is None:
        return None
    via = strip_dot(text)
    if via.casefold() in vias:
        return via

    def hint() -> str:
        guess = closest(via, vias)
        return f"did you mean {guess}?" if guess else "use a host of this manifest, or its VIP"

    report.error(node, f"via {quote(text)} is not a host, alias or VIP of this mesh", hint)
    return None


def _read_targets(node: Node, report: Report, what: str) -> tuple[str, ...]:
    found = []
    for item in read_items(node, report, what):
        target = read_parsed(item, report, f"an entry of {what}", parse_target)
        if target is None:
            continue
        if "/" in target and ip_interface(item.value).ip != ip_network(target).network_address:
            message = f"{what}: {quote(item.value)} has bits set beyond its prefix, "
            report.warn(item, f"{message}so it means {target}", f"write {target}")
        found.append(target)
    return tuple(found)
