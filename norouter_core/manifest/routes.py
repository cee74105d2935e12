"""Routes: `via` a host, `to` (and not to) networks and names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from yaml.nodes import Node

from norouter_core.manifest.nodes import (
    closest,
    known_fields,
    read_items,
    read_table,
    read_text,
)
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.report import Report
from norouter_core.manifest.values import check_hostname, parse_ip, strip_dot
from norouter_core.model import Route
from norouter_core.sanitize import quote

_CLASS = re.compile(r"\[[!^]?[A-Za-z0-9_-]+\]")
_ADDRESS_GLOB = re.compile(r"(?=.*[0-9])[0-9.*?]+")
_TO_FORM = "write a network such as 10.0.0.0/8, or a name such as *.example.com"


def read_routes(node: Node, names: Collection[str], report: Report) -> tuple[Route, ...]:
    """Every route of the list, in its order, errors reported.

    Args:
        names: what `via` may say: names and aliases in lower case, and VIPs.
    """
    items = read_items(node, report, "routes")
    read = [_read_route(item, names, report) for item in items]
    return tuple(route for route in read if route is not None)


def _read_route(node: Node, names: Collection[str], report: Report) -> Route | None:
    table = read_table(node, report, "a route")
    if table is None:
        return None
    fields = known_fields(table, ("via", "to", "notTo"), report, "a route")
    lists = {
        key: _read_targets(fields[key].value, report, f"{key} of a route") if key in fields else ()
        for key in ("to", "notTo")
    }
    if "to" not in fields or fields["to"].value.value == []:
        report.error(node, "the route has no `to`: it leads nowhere", f"add `to`; {_TO_FORM}")
    if "via" not in fields:
        report.error(node, "the route has no `via`", "add `via` with the name of a host")
        return None
    via = _read_via(fields["via"].value, names, report)
    return None if via is None else Route(via, lists["to"], lists["notTo"])


def _read_via(node: Node, names: Collection[str], report: Report) -> str | None:
    text = read_text(node, report, "via of a route")
    if text is None:
        return None
    via = strip_dot(text)
    if via.casefold() in names:
        return via

    def hint() -> str:
        guess = closest(via, names)
        return f"did you mean {guess}?" if guess else "name a host of this manifest, or its VIP"

    report.error(node, f"via {quote(text)} is no host, alias or VIP here", hint)
    return None


def _read_targets(node: Node, report: Report, what: str) -> tuple[str, ...]:
    found = []
    for item in read_items(node, report, what):
        text = read_text(item, report, f"an entry of {what}")
        if text is None:
            continue
        try:
            target = parse_target(text)
        except ValidationError as refused:
            report.refuse(item, refused, what)
            continue
        if "/" in target and _has_host_bits(text):
            message = f"{what}: {quote(text)} has bits set beyond its prefix; {target} is meant"
            report.warn(item, message, f"write {target}")
        found.append(target)
    return tuple(found)


def _has_host_bits(text: str) -> bool:
    interface = ipaddress.ip_interface(text)
    return interface.ip != interface.network.network_address


def parse_target(text: str) -> str:
    """A network (`10.0.0.0/8`, in its canonical form) or a hostname glob, without final dot.

    A glob knows `*` (any run of characters, dots too), `?` and `[a-z]`, `[!a-z]`.

    Raises:
        ValidationError: anything else.
    """
    if "/" in text:
        return _parse_network(text)
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    address = parse_ip(bare)
    if address is not None:
        hint = f"write {bare}/{address.max_prefixlen} for this one address"
        raise ValidationError(f"{quote(text)} is an address, not a network", hint)
    return _parse_glob(text)


def _parse_network(text: str) -> str:
    address, _, prefix = text.partition("/")
    if "://" in text:
        raise ValidationError(f"{quote(text)} is a URL", "write its hostname alone")
    if not prefix.isdecimal() or not prefix.isascii() or "%" in address:
        raise ValidationError(f"{quote(text)} is not a network", _TO_FORM)
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValidationError(f"{quote(text)} is not a network", _TO_FORM) from None


def _parse_glob(text: str) -> str:
    glob = strip_dot(text)
    if _ADDRESS_GLOB.fullmatch(glob):
        message = f"{quote(text)} looks like addresses; a glob matches names only"
        raise ValidationError(
            message, "write a range of addresses as a network, such as 10.0.0.0/16"
        )
    # A wildcard stands where characters of a name could, so the rest must make a hostname.
    sample = re.sub(r"[*?]", "x", _CLASS.sub("x", glob))
    try:
        check_hostname(sample)
    except ValidationError as refused:
        message = f"{quote(text)} is neither a network nor a hostname glob"
        raise ValidationError(message, refused.hint if sample == glob else _TO_FORM) from None
    return glob.replace("[^", "[!")
