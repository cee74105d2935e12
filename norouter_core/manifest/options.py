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

from yaml.nodes import Node

from norouter_core.manifest.compose import is_plain
from norouter_core.manifest.listeners import (
    entries_of,
    read_flag_of,
    read_ports,
    read_proxy,
    set_only,
    write_forward,
    write_proxy,
)
from norouter_core.manifest.nodes import (
    Entries,
    read_flag,
    read_items,
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
    check_hostname,
    check_python,
    parse_agent,
    parse_port,
    parse_vip,
)
from norouter_core.manifest.yaml_text import FlowList, Quoted
from norouter_core.model import (
    DEFAULT_DNS_PORT,
    DEFAULT_STATE_DIR,
    AgentMode,
    DnsSpec,
    StateDir,
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
        here_only: Whether it has a meaning for hosts without a command only.
    """

    key: str
    type: ValueType
    about: str
    flag: str = ""
    help: str = ""
    metavar: str = ""
    label: str = ""
    examples: tuple[str, ...] = ()
    here_only: bool = False

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


def _read_dns(node: Node, report: Report, what: str) -> DnsSpec | None:
    entries = entries_of(node, report, what, "port", "disable")
    port = None
    if "port" in entries:
        port = read_parsed(entries["port"].value, report, what, parse_port, read_number)
    disable = read_flag_of(entries, "disable", report, what)
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
    disable = read_flag_of(entries_of(node, report, what, "disable"), "disable", report, what)
    return None if disable is None else not disable


def _read_state_dir(node: Node, report: Report, what: str) -> StateDir | None:
    entries = entries_of(node, report, what, "pathOnAgent", "disable")
    path = None
    if "pathOnAgent" in entries:
        path_node = entries["pathOnAgent"].value
        path = read_text(path_node, report, f"pathOnAgent of {what}")
        if path == "":
            report.error(path_node, f"pathOnAgent of {what} is empty", "leave it out")
    return StateDir(path, read_flag_of(entries, "disable", report, what))


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
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "minLength": 1},
    "description": "The hosts (by name), or networks such as 10.0.0.0/8, whose clients may "
    "connect; all if left out.",
}
PORTS = ValueType(
    read_ports,
    lambda ports: [write_forward(forward) for forward in ports],
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
PROXY = ValueType(read_proxy, write_proxy, {"$ref": "#/$defs/proxy"})
PROXY_SCHEMA = mapping_schema(
    {
        "listen": {
            "type": ["string", "null"],
            "pattern": LISTEN_PATTERN,
            "examples": ["127.0.0.1:8080"],
            "description": "IP:PORT, with IPv6 in brackets.",
        },
        "auth": {
            "type": "string",
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
    lambda dns: set_only(port=dns.port, disable=dns.disable),
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
    lambda state: set_only(pathOnAgent=state.path and Quoted(state.path), disable=state.disable),
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
ACCESS_SWITCH = replace(SWITCH, schema={"type": "boolean"})
"""A switch that limits access, which must not be null."""
AGENT = ValueType(
    lambda node, report, what: read_parsed(node, report, what, parse_agent),
    lambda agent: agent.value,
    {"enum": [*(mode.value for mode in AgentMode), None]},
    "agent",
    parse_agent,
    str,
    tuple(mode.value for mode in AgentMode),
)
PORT = ValueType(
    lambda node, report, what: read_parsed(node, report, what, parse_port, read_number),
    int,
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {"type": "string", "pattern": PORT_PATTERN},
            {"type": "null"},
        ]
    },
    "own-port",
    parse_port,
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
        "transparent",
        PORT,
        "A transparent proxy (Linux, TCP and UDP): takes what a TPROXY rule on this host redirects "
        "to this port, and reaches each destination as a proxy on the hub's machine would. "
        "`norouter shell` sets one up.",
        "transparent",
        "the port of a transparent proxy, for a TPROXY rule",
        "PORT",
        "Transparent proxy",
        ("12345",),
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
        "open",
        SWITCH,
        "true: other machines may use this host's ports, at a VIP that is not a loopback address.",
        "open",
        "whether other machines may use its ports, at a VIP beyond loopback",
        "on|off",
        "Open",
    ),
    ManifestKey(
        "onlyUser",
        ACCESS_SWITCH,
        "true: the listeners of this machine (ports, proxies, DNS) accept only connections of the "
        "user that runs norouter. Linux only, and only on a host without cmd.",
        "only-user",
        "whether listeners of this machine accept only the user that runs norouter (Linux)",
        "on|off",
        "Only this user",
        here_only=True,
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
