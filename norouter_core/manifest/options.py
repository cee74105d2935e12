"""The manifest keys of a host: one row each.

A row says where a value lives in the model, how YAML and prompts spell it, and what it means. The
rows drive the loader, the dump, `host set` and `template set`, the form of a host and the JSON
Schema. To add a key, add a field to `HostOptions` in `norouter_core.model`, add a row to
`OPTION_KEYS`, and run `python -m norouter_core.manifest.schema`, which writes the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from yaml.nodes import Node, ScalarNode

from norouter_core.manifest.compose import TAG, is_plain
from norouter_core.manifest.nodes import (
    Entries,
    known_entries,
    read_flag,
    read_items,
    read_mapping,
    read_number,
    read_parsed,
    read_text,
)
from norouter_core.manifest.problems import Report, ValidationError
from norouter_core.manifest.values import (
    AUTH_PATTERN,
    LISTEN_PATTERN,
    PORT_PATTERN,
    PYTHON_PATTERN,
    VIP_PATTERN,
    check_auth,
    check_hostname,
    check_proxy,
    check_python,
    parse_agent,
    parse_forward,
    parse_listen,
    parse_peer,
    parse_peer_host,
    parse_port,
    parse_vip,
)
from norouter_core.manifest.yaml_text import FlowList, Quoted
from norouter_core.model import (
    DEFAULT_DNS_PORT,
    DEFAULT_STATE_DIR,
    AgentMode,
    DnsSpec,
    Forward,
    ProxySpec,
    StateDir,
    format_address,
    split_cmd,
)
from norouter_core.sanitize import quote

Schema = dict[str, Any]

DEFAULT = "default"
"""The word that unsets an option, so that the template or norouter decides."""

OFF = "off"


@dataclass(frozen=True, slots=True)
class ValueType:
    """A type of values, in YAML and at prompts.

    `read` takes a node, the report for its errors and what the node is, and returns None for a
    value with errors. `write` returns a value for `yaml_text`. `parse` and `format` convert the
    text of a prompt; `words` are fixed texts that `parse` accepts. `argument` is the name of the
    argument type (`norouter_core.commands.argument_types`), empty if verbs of its own set it.
    """

    read: Callable[[Node, Report, str], Any]
    write: Callable[[Any], Any]
    schema: Schema
    argument: str = ""
    parse: Callable[[str], Any] = str
    format: Callable[[Any], str] = str
    words: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """The fixed texts of a prompt."""
        return (*self.words, DEFAULT)

    def from_text(self, text: str) -> Any:
        """Return the value of a prompt's text, None for `default`."""
        return None if text == DEFAULT else self.parse(text)

    def to_text(self, value: Any) -> str:
        """Return the text of which `from_text` makes a value."""
        return DEFAULT if value is None else self.format(value)


@dataclass(frozen=True, slots=True)
class ManifestKey:
    """One manifest key of a host.

    Attributes:
        key: The key in YAML.
        about: The description in the JSON Schema.
        flag: The option of `host set` and `template set`; empty if verbs of its own set it.
        help, metavar: The help of that option.
        label: The label in the form of a host.
    """

    key: str
    type: ValueType
    about: str
    flag: str = ""
    help: str = ""
    metavar: str = ""
    label: str = ""
    examples: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """The field of `HostOptions` (of `HostSpec` for `HOST_ONLY_KEYS`): `state_dir`."""
        return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", self.key)

    @property
    def schema(self) -> Schema:
        examples = {"examples": list(self.examples)} if self.examples else {}
        return {**self.type.schema, "description": self.about, **examples}


def read_values(
    keys: Iterable[ManifestKey], entries: Entries, report: Report, where: str
) -> dict[str, Any]:
    """Return the values of some keys, by field. Errors are reported, and their values left out."""
    values = {}
    for row in keys:
        if row.key in entries:
            node = entries[row.key].value
            value = row.type.read(node, report, f"{row.key} of {where}")
            if value is not None:
                values[row.field] = value
    return values


def write_values(keys: Iterable[ManifestKey], spec: object) -> dict[str, Any]:
    """Return the values that a spec sets, by key, as values for `yaml_text`."""
    values = ((row, getattr(spec, row.field)) for row in keys)
    return {row.key: row.type.write(value) for row, value in values if value not in (None, ())}


# Readers and writers


def _set_only(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _entries(node: Node, report: Report, what: str, *keys: str) -> Entries:
    return known_entries(read_mapping(node, report, what) or {}, keys, report, what)


def _read_flag_of(entries: Entries, key: str, report: Report, what: str) -> bool | None:
    return read_flag(entries[key].value, report, f"{key} of {what}") if key in entries else None


def _read_vip(node: Node, report: Report, what: str) -> str | None:
    address = read_parsed(node, report, what, parse_vip)
    if address is not None and not address.is_loopback:
        message = f"{what}: the address {address} is not a loopback address"
        report.warn(node, message, "use 127.0.0.0/8 unless other machines should reach its ports")
    return None if address is None else str(address)


def _read_cmd(node: Node, report: Report, what: str) -> str | tuple[str, ...] | None:
    empty = "leave cmd out for this machine, or write an exec command"
    if not is_plain(node, "seq"):
        words = read_parsed(node, report, what, _split)
        if words is not None and (not words or not words[0]):
            report.error(node, f"{what} is empty", empty)
        return None if words is None else str(node.value)
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
        message = f"{quote(text)} cannot be split into words: {reason}"
        raise ValidationError(message, "close the quotes, or write cmd as a list") from None


def _read_aliases(node: Node, report: Report, what: str) -> tuple[str, ...]:
    found = []
    for item in read_items(node, report, what):
        text = read_text(item, report, f"an entry of {what}")
        if text is not None:
            check_name(text, item, report, f"alias {quote(text)}")
            found.append(text)
    return tuple(found)


def check_name(name: str, node: Node, report: Report, what: str) -> None:
    """Report what is wrong with a new hostname."""
    try:
        check_hostname(name)
    except ValidationError as error:
        hint = "remove the final dot" if name.endswith(".") else error.hint
        report.error(node, f"{what}: {error.message}", hint)
    if name.casefold() == "localhost":
        message = f"{what} hides the name that every machine has for itself"
        report.warn(node, message, "choose another name, such as local")


def _read_ports(node: Node, report: Report, what: str) -> tuple[Forward, ...]:
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
    entries = _entries(node, report, what, "forward", "allowFrom")
    allow_from = read_allow_from(entries, report, what)
    forward = entries.get("forward")
    read = None if forward is None else _read_forward(forward.value, report, what)
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
    read = (read_parsed(item, report, f"an entry of {what}", parse) for item in items)
    return tuple(dict.fromkeys(peer for peer in read if peer is not None))


def _write_forward(forward: Forward) -> Any:
    text = Quoted(forward)
    allow_from = forward.allow_from
    return {"forward": text, "allowFrom": FlowList(allow_from)} if allow_from else text


def _read_proxy(node: Node, report: Report, what: str) -> ProxySpec | None:
    entries = _entries(node, report, what, "listen", "auth", "allowFrom", "open")
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
    is_open = _read_flag_of(entries, "open", report, what)
    listen = entries["listen"].value

    def parse(text: str) -> ProxySpec:
        return check_proxy(replace(parse_listen(text, auth), allow_from=allow_from, open=is_open))

    proxy = read_parsed(listen, report, f"listen of {what}", parse)
    if proxy is not None and not proxy.is_loopback:
        message = f"{what} is open to other machines: it listens on {quote(str(listen.value))}"
        report.warn(listen, message, "use 127.0.0.1, unless you mean that")
    return proxy


def _write_proxy(proxy: ProxySpec) -> dict[str, Any]:
    listen = Quoted(format_address((proxy.listen_host, proxy.listen_port)))
    allow_from = FlowList(proxy.allow_from) if proxy.allow_from else None
    return _set_only(
        listen=listen,
        auth=proxy.auth and Quoted(proxy.auth),
        allowFrom=allow_from,
        open=proxy.open,
    )


def _read_dns(node: Node, report: Report, what: str) -> DnsSpec | None:
    entries = _entries(node, report, what, "port", "disable")
    port = None
    if "port" in entries:
        port = read_parsed(entries["port"].value, report, what, parse_port, read_number)
    disable = _read_flag_of(entries, "disable", report, what)
    return None if port is None and disable is None else DnsSpec(port, disable)


def _parse_dns(text: str) -> DnsSpec:
    if text == OFF:
        return DnsSpec(disable=True)
    try:
        return DnsSpec(port=parse_port(text))
    except ValidationError as error:
        hint = f"use 1 to 65535, {OFF} or {DEFAULT}"
        raise ValidationError(error.message, hint) from None


def _format_dns(dns: DnsSpec) -> str:
    return OFF if dns.disable else str(dns.port or DEFAULT)


def _read_loopback(node: Node, report: Report, what: str) -> bool | None:
    disable = _read_flag_of(_entries(node, report, what, "disable"), "disable", report, what)
    return None if disable is None else not disable


def _read_state_dir(node: Node, report: Report, what: str) -> StateDir | None:
    entries = _entries(node, report, what, "pathOnAgent", "disable")
    path = None
    if "pathOnAgent" in entries:
        path_node = entries["pathOnAgent"].value
        path = read_text(path_node, report, f"pathOnAgent of {what}")
        if path == "":
            report.error(path_node, f"pathOnAgent of {what} is empty", "leave it out")
    return StateDir(path, _read_flag_of(entries, "disable", report, what))


def _parse_state_dir(text: str) -> StateDir:
    if not text:
        raise ValidationError("the path is empty", "write a path")
    return StateDir(disable=True) if text == OFF else StateDir(path=text)


def _format_state_dir(state_dir: StateDir) -> str:
    return OFF if state_dir.disable else state_dir.path or DEFAULT


def _parse_switch(text: str) -> bool:
    if text not in ("on", OFF):
        raise ValidationError(f"{quote(text)} is not a switch", "use on, off or default")
    return text == "on"


def _format_switch(on: bool) -> str:
    return "on" if on else OFF


# Types


def mapping_schema(properties: Mapping[str, Schema], **more: Any) -> Schema:
    """Return the schema of a mapping without other keys than these, which may be null."""
    base = {"type": ["object", "null"], "additionalProperties": False}
    return {**base, **more, "properties": dict(properties)}


_FLAG_SCHEMA: Schema = {"type": ["boolean", "null"]}
_PATH_SCHEMA: Schema = {"type": ["string", "null"], "minLength": 1}
_ON_OFF = ("on", OFF)

VIP = ValueType(_read_vip, Quoted, {"type": ["string", "null"], "pattern": VIP_PATTERN})
CMD = ValueType(
    _read_cmd,
    lambda cmd: Quoted(cmd) if isinstance(cmd, str) else FlowList(cmd),
    {
        "anyOf": [
            {"type": "null"},
            {"type": "string", "pattern": r"\S"},
            {
                "type": "array",
                "minItems": 1,
                "prefixItems": [{"type": "string", "minLength": 1}],
                "items": {"type": "string"},
            },
        ]
    },
)
ALIASES = ValueType(
    _read_aliases, FlowList, {"type": ["array", "null"], "items": {"$ref": "#/$defs/name"}}
)
ALLOW_FROM_SCHEMA: Schema = {
    "type": ["array", "null"],
    "minItems": 1,
    "items": {"type": "string", "minLength": 1},
    "description": "The hosts (by name), or networks such as 10.0.0.0/8, whose clients may "
    "connect; all if left out.",
}
PORTS = ValueType(
    _read_ports,
    lambda ports: [_write_forward(forward) for forward in ports],
    {
        "type": ["array", "null"],
        "items": {
            "anyOf": [
                {"$ref": "#/$defs/forward"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["forward"],
                    "properties": {
                        "forward": {"$ref": "#/$defs/forward"},
                        "allowFrom": ALLOW_FROM_SCHEMA,
                    },
                },
            ]
        },
    },
)
PROXY = ValueType(_read_proxy, _write_proxy, {"$ref": "#/$defs/proxy"})
PROXY_SCHEMA = mapping_schema(
    {
        "listen": {
            "type": ["string", "null"],
            "pattern": LISTEN_PATTERN,
            "examples": ["127.0.0.1:8080"],
            "description": "IP:PORT, with IPv6 in brackets.",
        },
        "auth": {
            "type": ["string", "null"],
            "pattern": AUTH_PATTERN,
            "description": "USER:PASSWORD that clients must give.",
        },
        "allowFrom": ALLOW_FROM_SCHEMA,
        "open": {
            **_FLAG_SCHEMA,
            "description": "true: anybody who can reach `listen` may use it, other machines too.",
        },
    },
    dependentRequired={key: ["listen"] for key in ("auth", "allowFrom", "open")},
)
DNS = ValueType(
    _read_dns,
    lambda dns: _set_only(port=dns.port, disable=dns.disable),
    mapping_schema(
        {
            "port": {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": 65535},
                    {"type": "string", "pattern": PORT_PATTERN},
                    {"type": "null"},
                ],
                "default": DEFAULT_DNS_PORT,
                "description": "The port at this host's VIP, on every host.",
            },
            "disable": {**_FLAG_SCHEMA, "description": "true: no DNS at this host's VIP."},
        }
    ),
    "dns",
    _parse_dns,
    _format_dns,
    (OFF,),
)
LOOPBACK = ValueType(
    _read_loopback,
    lambda loopback: {"disable": not loopback},
    mapping_schema({"disable": _FLAG_SCHEMA}),
    "switch",
    _parse_switch,
    _format_switch,
    _ON_OFF,
)
STATE_DIR = ValueType(
    _read_state_dir,
    lambda state: _set_only(pathOnAgent=state.path and Quoted(state.path), disable=state.disable),
    mapping_schema(
        {
            "pathOnAgent": {**_PATH_SCHEMA, "default": DEFAULT_STATE_DIR},
            "disable": _FLAG_SCHEMA,
        }
    ),
    "directory",
    _parse_state_dir,
    _format_state_dir,
    (OFF,),
)
SWITCH = ValueType(read_flag, bool, _FLAG_SCHEMA, "switch", _parse_switch, _format_switch, _ON_OFF)
AGENT = ValueType(
    lambda node, report, what: read_parsed(node, report, what, parse_agent),
    lambda agent: agent.value,
    {"enum": [*(mode.value for mode in AgentMode), None]},
    "agent",
    parse_agent,
    str,
    tuple(mode.value for mode in AgentMode),
)
PYTHON = ValueType(
    lambda node, report, what: read_parsed(node, report, what, check_python),
    Quoted,
    {"type": ["string", "null"], "pattern": PYTHON_PATTERN},
    "python",
    check_python,
)


# Rows

HOST_ONLY_KEYS = (
    ManifestKey(
        "vip",
        VIP,
        "The IPv4 address of this host on all hosts, usually in 127.0.0.0/8; allocated from "
        "127.0.42.0/24 if left out.",
        examples=("127.0.42.101",),
    ),
    ManifestKey(
        "cmd",
        CMD,
        "The exec command that reaches the host: a text, split as a shell would, or a list of "
        "words. Without it the host is this machine.",
        examples=("docker exec -i web", "ssh web.example.com"),
    ),
    ManifestKey("aliases", ALIASES, "More names, unique in the mesh."),
)
"""What only a host has, not the template."""

OPTION_KEYS = (
    ManifestKey(
        "ports",
        PORTS,
        "Port forwards LISTEN:HOST:PORT: on every host, port LISTEN of this host's VIP leads to "
        "HOST:PORT as this host sees it. LISTEN:PORT and PORT mean localhost. TCP, or UDP with "
        "/udp at the end.",
    ),
    ManifestKey(
        "http",
        PROXY,
        "An HTTP proxy (CONNECT and http:// requests) on this host, which resolves the mesh's "
        "names and follows its routes.",
        label="HTTP proxy",
    ),
    ManifestKey(
        "socks",
        PROXY,
        "A SOCKS proxy (4, 4a, 5) on this host, which resolves the mesh's names and follows its "
        "routes.",
        label="SOCKS proxy",
    ),
    ManifestKey(
        "dns",
        DNS,
        "The mesh's DNS at this host's VIP: the mesh's names, names that routes claim, and the "
        "rest from this host's own resolvers.",
        "dns",
        "the port of the mesh's DNS at its VIP, or off",
        "PORT|off",
        "DNS",
    ),
    ManifestKey(
        "loopback",
        LOOPBACK,
        "disable: true leaves this host without listeners at the VIPs; its proxies remain.",
        "loopback",
        "whether the mesh's ports are served on its own loopback",
        "on|off",
        "Loopback",
    ),
    ManifestKey(
        "stateDir",
        STATE_DIR,
        "Where this host keeps the mesh's names as files; the host expands ~ and ${VAR}.",
        "state-dir",
        "the directory for its names files, or off",
        "DIRECTORY",
        "Names files",
    ),
    ManifestKey(
        "writeEtcHosts",
        SWITCH,
        "Write the mesh's names to /etc/hosts on this host.",
        "etc-hosts",
        "whether its /etc/hosts gets the mesh's names",
        "on|off",
        "/etc/hosts",
    ),
    ManifestKey(
        "agent",
        AGENT,
        "How the agent starts. python: sent to a bare sh that finds a Python. native: sent to a "
        "bare sh, which needs no Python. norouter: installed; the command gets "
        "`agent --automated`. auto (the default): norouter if the command ends with it, else "
        "python, else native.",
        "agent",
        "how its agent starts: auto, python, native or norouter",
        "HOW",
        "Agent",
    ),
    ManifestKey(
        "python",
        PYTHON,
        "The Python that runs the agent on this host, and no other: a path, in which the host "
        "expands a leading ~/, or a name on the host's PATH.",
        "python",
        "the Python on the host that runs its agent, such as /opt/venv/bin/python3",
        "PATH",
        "Python",
        ("/opt/venv/bin/python3",),
    ),
)
"""What both a host and the template may set."""

TYPES = {row.type.argument: row.type for row in OPTION_KEYS if row.flag}
"""The types of what `host set` sets, by argument type."""
