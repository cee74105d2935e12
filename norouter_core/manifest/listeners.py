"""Reading and writing what listens: published ports, proxies, and who may connect to them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from yaml.nodes import Node, ScalarNode

from norouter_core.manifest.compose import TAG, is_plain
from norouter_core.manifest.nodes import (
    Entries,
    known_entries,
    read_flag,
    read_items,
    read_mapping,
    read_parsed,
)
from norouter_core.manifest.problems import Report
from norouter_core.manifest.values import (
    check_auth,
    check_proxy,
    parse_forward,
    parse_listen,
    parse_peer,
    parse_peer_host,
)
from norouter_core.manifest.yaml_text import FlowList, Quoted
from norouter_core.model import Forward, ProxySpec, format_address
from norouter_core.sanitize import quote


def set_only(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def entries_of(node: Node, report: Report, what: str, *keys: str) -> Entries:
    return known_entries(read_mapping(node, report, what) or {}, keys, report, what)


def read_flag_of(entries: Entries, key: str, report: Report, what: str) -> bool | None:
    return read_flag(entries[key].value, report, f"{key} of {what}") if key in entries else None


def read_ports(node: Node, report: Report, what: str) -> tuple[Forward, ...]:
    found: dict[tuple[int, str], tuple[Forward, Node]] = {}
    for item in read_items(node, report, what):
        forward = _read_forward(item, report, f"an entry of {what}")
        if forward is None:
            continue
        first = found.setdefault((forward.listen, forward.proto), (forward, item))
        if first[1] is not item:
            message = f"{what}: {first[0]} at {report.place(first[1])} "
            message += f"already listens on port {forward.listen}"
            report.error(item, message, "use another listen port, or remove one of them")
    return tuple(forward for forward, _ in found.values())


_PLAIN_NUMBER = re.compile("[1-9][0-9]*")


def _read_forward(node: Node, report: Report, what: str) -> Forward | None:
    if is_plain(node, "int") and _PLAIN_NUMBER.fullmatch(node.value):
        # As in commands, a port may be written without quotes.
        node = ScalarNode(TAG + "str", node.value, node.start_mark, node.end_mark)
    if not is_plain(node, "map") or all(key.value != "forward" for key, _ in node.value):
        return read_parsed(node, report, what, parse_forward)
    entries = entries_of(node, report, what, "forward", "allowFrom")
    allow_from = read_allow_from(entries, report, what)
    forward = entries.get("forward")
    if forward is None:
        report.error(node, f"forward of {what} has no value", "write the port forward after it")
        return None
    if is_plain(forward.value, "map"):
        # Its own allowFrom would be lost.
        report.error(forward.value, f"forward of {what} must be text, not a mapping")
        return None
    read = _read_forward(forward.value, report, what)
    return None if read is None else replace(read, allow_from=allow_from)


def read_allow_from(
    entries: Entries, report: Report, what: str, *, networks: bool = True
) -> tuple[str, ...]:
    """Return the hosts, and networks if they are allowed, that the key `allowFrom` lists."""
    if "allowFrom" not in entries:
        return ()
    node, what = entries["allowFrom"].value, f"allowFrom of {what}"
    items = read_items(node, report, what)
    if not items and is_plain(node, "seq"):
        report.error(node, f"{what} is empty", "list hosts, or leave it out for all hosts")
    parse = parse_peer if networks else parse_peer_host
    read = [(read_parsed(item, report, f"an entry of {what}", parse), item) for item in items]
    peers = [(peer, item) for peer, item in read if peer is not None]
    report.peers += peers
    return tuple(dict.fromkeys(peer for peer, _ in peers))


def write_forward(forward: Forward) -> Any:
    text = Quoted(forward)
    allow_from = forward.allow_from
    return {"forward": text, "allowFrom": FlowList(allow_from)} if allow_from else text


def read_proxy(node: Node, report: Report, what: str) -> ProxySpec | None:
    entries = entries_of(node, report, what, "listen", "auth", "allowFrom", "open")
    auth = None
    if "auth" in entries:
        auth = read_parsed(entries["auth"].value, report, f"auth of {what}", check_auth)
    if "listen" not in entries:
        for key in ("auth", "allowFrom", "open"):
            if key in entries:
                message = f"{what} has {key} but no listen"
                report.error(entries[key].key, message, "add listen: 127.0.0.1:8080")
        return None
    allow_from = read_allow_from(entries, report, what)
    is_open = read_flag_of(entries, "open", report, what)
    listen = entries["listen"].value

    def parse(text: str) -> ProxySpec:
        return check_proxy(replace(parse_listen(text, auth), allow_from=allow_from, open=is_open))

    proxy = read_parsed(listen, report, f"listen of {what}", parse)
    if proxy is not None and not proxy.is_loopback:
        message = f"{what} is open to other machines: it listens on {quote(str(listen.value))}"
        report.warn(listen, message, "use 127.0.0.1, unless you mean that")
    return proxy


def write_proxy(proxy: ProxySpec) -> dict[str, Any]:
    listen = Quoted(format_address((proxy.listen_host, proxy.listen_port)))
    allow_from = FlowList(proxy.allow_from) if proxy.allow_from else None
    return set_only(
        listen=listen,
        auth=proxy.auth and Quoted(proxy.auth),
        allowFrom=allow_from,
        open=proxy.open,
    )
