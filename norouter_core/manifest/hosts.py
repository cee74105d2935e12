"""Hosts and the host template: YAML nodes to drafts, and drafts to `HostSpec`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from yaml.nodes import Node

from norouter_core.manifest.compose import is_plain
from norouter_core.manifest.nodes import (
    Table,
    closest,
    is_null,
    known_fields,
    read_flag,
    read_items,
    read_number,
    read_table,
    read_text,
)
from norouter_core.manifest.ports import read_ports
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.report import Report
from norouter_core.manifest.values import check_auth, check_hostname, parse_listen, parse_port
from norouter_core.manifest.vips import parse_vip
from norouter_core.model import (
    AgentMode,
    DnsSpec,
    HostOptions,
    HostSpec,
    ProxySpec,
    StateDir,
    split_cmd,
)
from norouter_core.sanitize import quote

OPTION_KEYS = ("ports", "http", "socks", "dns", "loopback", "stateDir", "writeEtcHosts", "agent")
HOST_ONLY_KEYS = ("vip", "cmd", "aliases")

T = TypeVar("T")


@dataclass(slots=True)
class OptionsDraft:
    """Options with the nodes that checks across hosts point at, by key."""

    options: HostOptions = field(default_factory=HostOptions)
    nodes: dict[str, Node] = field(default_factory=dict)


@dataclass(slots=True)
class HostDraft:
    """A host as read. `vip` is empty where none is stated (or none that is valid)."""

    name: str
    key: Node
    vip: str = ""
    cmd: str | tuple[str, ...] | None = None
    aliases: list[tuple[str, Node]] = field(default_factory=list)
    own: OptionsDraft = field(default_factory=OptionsDraft)

    def spec(self) -> HostSpec:
        aliases = tuple(alias for alias, _ in self.aliases)
        return HostSpec(self.name, self.vip, self.cmd, aliases, self.own.options)


def read_hosts(node: Node, report: Report) -> list[HostDraft]:
    """Every host of the `hosts` mapping, in its order, errors reported."""
    table = read_table(node, report, "hosts") or {}
    return [_read_host(name, f.key, f.value, report) for name, f in table.items()]


def read_template(node: Node, report: Report) -> OptionsDraft | None:
    """`hostTemplate`; None where it is no mapping. What only a host can say is ignored."""
    table = read_table(node, report, "hostTemplate")
    if table is None:
        return None
    for key in HOST_ONLY_KEYS:
        if key in table:
            message = f"{key} has no meaning in hostTemplate: ignored"
            report.warn(table.pop(key).key, message, "state it on each host")
    return _read_options(table, OPTION_KEYS, report, "hostTemplate")[0]


def _read_host(name: str, key: Node, node: Node, report: Report) -> HostDraft:
    where = f"host {quote(name)}"
    draft = HostDraft(name, key)
    _check_name(name, key, report, "host name")
    if is_null(node):
        return draft
    table = read_table(node, report, where)
    if table is None:
        return draft
    draft.own, fields = _read_options(table, (*HOST_ONLY_KEYS, *OPTION_KEYS), report, where)
    if "vip" in fields:
        draft.vip = _read_vip(fields["vip"].value, report, where)
    if "cmd" in fields:
        draft.cmd = _read_cmd(fields["cmd"].value, report, where)
    if "aliases" in fields:
        draft.aliases = _read_aliases(fields["aliases"].value, report, where)
    return draft


def _check_name(name: str, node: Node, report: Report, what: str) -> None:
    try:
        check_hostname(name)
    except ValidationError as refused:
        hint = "leave the final dot off" if name.endswith(".") else refused.hint
        report.error(node, f"{what}: {refused.message}", hint)
    if name.casefold() == "localhost":
        message = f"the {what} localhost hides what every machine calls itself"
        report.warn(node, message, "choose another name, such as local")


def _read_vip(node: Node, report: Report, where: str) -> str:
    text = read_text(node, report, f"the VIP of {where}")
    address = _ruled(text, parse_vip, node, report, where)
    if address is None:
        return ""
    if not address.is_loopback:
        message = f"{where}: its ports listen beyond loopback, at the VIP {address}"
        report.warn(node, message, "use an address in 127.0.0.0/8 unless that is meant")
    return str(address)


def _read_cmd(node: Node, report: Report, where: str) -> str | tuple[str, ...] | None:
    what = f"cmd of {where}"
    empty = "leave cmd out for this machine, or name an exec command"
    if not is_plain(node, "seq"):
        text = read_text(node, report, what)
        words = _ruled(text, _split, node, report, what)
        if words is not None and (not words or not words[0]):
            report.error(node, f"{what} is empty", empty)
        return text
    items = read_items(node, report, what)
    listed = tuple(read_text(item, report, f"a word of {what}") for item in items)
    if not listed or listed[0] == "":
        report.error(node, f"{what} is empty", empty)
    return tuple(word for word in listed if word is not None)


def _split(text: str) -> tuple[str, ...] | None:
    try:
        return split_cmd(text)
    except ValueError as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        hint = "close the quotes, or write cmd as a list of words"
        raise ValidationError(f"{quote(text)} cannot be split into words: {reason}", hint) from None


def _read_aliases(node: Node, report: Report, where: str) -> list[tuple[str, Node]]:
    found = []
    for item in read_items(node, report, f"aliases of {where}"):
        text = read_text(item, report, f"an alias of {where}")
        if text is not None:
            _check_name(text, item, report, f"alias of {where}")
            found.append((text, item))
    return found


def _read_options(
    table: Table, known: tuple[str, ...], report: Report, where: str
) -> tuple[OptionsDraft, Table]:
    """The options of a host or the template, and all its known fields."""
    fields = known_fields(table, known, report, where)

    def get(key: str, read: Callable[[Node, Report, str], T]) -> T | None:
        return read(fields[key].value, report, f"{key} of {where}") if key in fields else None

    options = HostOptions(
        ports=read_ports(fields["ports"].value, report, where) if "ports" in fields else (),
        http=get("http", _read_proxy),
        socks=get("socks", _read_proxy),
        dns=get("dns", _read_dns),
        loopback=get("loopback", _read_loopback),
        state_dir=get("stateDir", _read_state_dir),
        write_etc_hosts=get("writeEtcHosts", read_flag),
        agent=get("agent", _read_agent),
    )
    return OptionsDraft(options, {key: f.value for key, f in fields.items()}), fields


def _read_proxy(node: Node, report: Report, what: str) -> ProxySpec | None:
    fields = known_fields(read_table(node, report, what) or {}, ("listen", "auth"), report, what)
    auth = None
    if "auth" in fields:
        auth_node = fields["auth"].value
        auth = read_text(auth_node, report, f"auth of {what}")
        _ruled(auth, check_auth, auth_node, report, f"auth of {what}")
    if "listen" not in fields:
        if "auth" in fields:
            message = f"{what} has auth and no listen"
            report.error(fields["auth"].key, message, "add listen: 127.0.0.1:8080")
        return None
    listen = fields["listen"].value
    text = read_text(listen, report, f"listen of {what}")
    proxy = _ruled(text, lambda t: parse_listen(t, auth), listen, report, f"listen of {what}")
    if proxy is not None and not _is_loopback(proxy):
        message = f"{what} listens beyond loopback: {quote(text or '')}"
        hint = (
            "listen on 127.0.0.1" if auth else "listen on 127.0.0.1, or demand auth: USER:PASSWORD"
        )
        report.warn(listen, message, f"{hint}, unless that is meant")
    return proxy


def _is_loopback(proxy: ProxySpec) -> bool:
    return proxy.listen_host.startswith("127.") or proxy.listen_host == "::1"


def _read_dns(node: Node, report: Report, what: str) -> DnsSpec | None:
    fields = known_fields(read_table(node, report, what) or {}, ("port", "disable"), report, what)
    port = disable = None
    if "port" in fields:
        port_node = fields["port"].value
        text = read_number(port_node, report, f"port of {what}")
        port = _ruled(text, lambda t: parse_port(t, "port"), port_node, report, what)
    if "disable" in fields:
        disable = read_flag(fields["disable"].value, report, f"disable of {what}")
    return None if port is None and disable is None else DnsSpec(port, disable)


def _read_loopback(node: Node, report: Report, what: str) -> bool | None:
    fields = known_fields(read_table(node, report, what) or {}, ("disable",), report, what)
    if "disable" not in fields:
        return None
    flag = read_flag(fields["disable"].value, report, f"disable of {what}")
    return None if flag is None else not flag


def _read_state_dir(node: Node, report: Report, what: str) -> StateDir | None:
    table = read_table(node, report, what)
    fields = known_fields(table or {}, ("pathOnAgent", "disable"), report, what)
    path = disable = None
    if "pathOnAgent" in fields:
        path_node = fields["pathOnAgent"].value
        path = read_text(path_node, report, f"pathOnAgent of {what}")
        if path == "":
            report.error(path_node, f"pathOnAgent of {what} is empty", "leave it out")
    if "disable" in fields:
        disable = read_flag(fields["disable"].value, report, f"disable of {what}")
    return StateDir(path, disable)


def _read_agent(node: Node, report: Report, what: str) -> AgentMode | None:
    text = read_text(node, report, what)
    return _ruled(text, _parse_agent, node, report, what)


def _parse_agent(text: str) -> AgentMode:
    modes = [mode.value for mode in AgentMode]
    if text not in modes:
        guess = closest(text, modes)
        hint = f"did you mean {guess}?" if guess else f"write one of {', '.join(modes)}"
        raise ValidationError(f"{quote(text)} is not a way to run the agent", hint)
    return AgentMode(text)


def _ruled(
    text: str | None, rule: Callable[[str], T], node: Node, report: Report, where: str
) -> T | None:
    """What `rule` makes of `text`; None with an error reported when it refuses."""
    if text is None:
        return None
    try:
        return rule(text)
    except ValidationError as refused:
        report.refuse(node, refused, where)
        return None
