"""The types of arguments: how their texts convert to values, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from norouter_core.commands.units import parse_span, span_text
from norouter_core.manifest.options import OFF, TYPES
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.values import (
    check_auth,
    check_hostname,
    parse_forward,
    parse_listen,
    parse_peer,
    parse_port,
    parse_target,
    parse_vip,
    short_forward,
)
from norouter_core.model import ProxySpec, format_address
from norouter_core.sanitize import quote


class ArgumentType(StrEnum):
    HOST = "host"
    """A host of the mesh, by name or alias."""
    NAME = "name"
    """A new hostname."""
    DNS_NAME = "dns-name"
    """A name to look up."""
    PORT = "port"
    """A listen port that a host publishes, `8080` or `53/udp`."""
    FORWARD = "forward"
    """A new port forward, `LISTEN:HOST:PORT[/PROTO]`; `8080:80` and `80` mean localhost."""
    STREAM = "stream"
    VIP = "vip"
    ADDRESS = "address"
    """`IP:PORT`, or `off`."""
    AUTH = "auth"
    FILE = "file"
    ROUTE = "route"
    """The number of a route, from 1."""
    TARGET = "target"
    """A network or a hostname glob."""
    PEER = "peer"
    """A host of the mesh, or a network."""
    AGENT = "agent"
    PYTHON = "python"
    SWITCH = "switch"
    """`on`, `off` or `default`."""
    DNS = "dns"
    """The port of a host's DNS, `off` or `default`."""
    OWN_PORT = "own-port"
    """A port of a host, or `default`."""
    DIRECTORY = "directory"
    """A directory on a host, `off` or `default`."""
    FILTER = "filter"
    SECONDS = "seconds"
    COUNT = "count"
    VERB = "verb"
    CMD = "cmd"
    """The words of a command, after `--`."""


def convert(kind: ArgumentType, text: str) -> Any:
    """Return the value of a text as an argument of a type.

    Raises:
        ValidationError: It is invalid. Whether a host, port or stream exists is not checked.
    """
    return _RULES.get(kind, str)(text)


def to_text(kind: ArgumentType, value: Any) -> str:
    """Return the text that `convert` turns into a value."""
    if kind is ArgumentType.PORT:
        number, proto = value
        return str(number) if proto == "tcp" else f"{number}/{proto}"
    if kind is ArgumentType.FORWARD:
        return short_forward(value)
    if kind is ArgumentType.ADDRESS:
        return OFF if value is None else format_address((value.listen_host, value.listen_port))
    if kind in TYPES:
        return TYPES[kind].to_text(value)
    return span_text(value) if kind is ArgumentType.SECONDS else str(value)


def choices(kind: ArgumentType) -> tuple[str, ...]:
    """Return the fixed words of a type, if it has some."""
    return _CHOICES.get(kind, ())


def _name(text: str) -> str:
    check_hostname(text)
    return text


def _port(text: str) -> tuple[int, str]:
    number, slash, proto = text.partition("/")
    if slash and proto.lower() not in ("tcp", "udp"):
        raise ValidationError(f"the protocol {quote(proto)} is not known", "write /tcp or /udp")
    return parse_port(number, "listen port"), proto.lower() or "tcp"


def _number(text: str, what: str) -> int:
    digits = text.removeprefix("#")
    if not re.fullmatch("[0-9]{1,18}", digits) or not int(digits):
        raise ValidationError(f"{quote(text)} is not {what}", "write a number from 1 on")
    return int(digits)


def _address(text: str) -> ProxySpec | None:
    return None if text == OFF else parse_listen(text)


def _file(text: str) -> str:
    if not text:
        raise ValidationError("the name of the file is empty", "name a file")
    return text


_CHOICES = {
    **{ArgumentType(name): each.choices for name, each in TYPES.items()},
    ArgumentType.ADDRESS: (OFF,),
}

_RULES: dict[ArgumentType, Callable[[str], Any]] = {
    **{ArgumentType(name): each.from_text for name, each in TYPES.items()},
    ArgumentType.NAME: _name,
    ArgumentType.PORT: _port,
    ArgumentType.FORWARD: parse_forward,
    ArgumentType.STREAM: lambda text: _number(text, "the number of a stream"),
    ArgumentType.ROUTE: lambda text: _number(text, "the number of a route"),
    ArgumentType.COUNT: lambda text: _number(text, "a count"),
    ArgumentType.VIP: lambda text: str(parse_vip(text)),
    ArgumentType.ADDRESS: _address,
    ArgumentType.AUTH: check_auth,
    ArgumentType.FILE: _file,
    ArgumentType.TARGET: parse_target,
    ArgumentType.PEER: parse_peer,
    ArgumentType.SECONDS: parse_span,
}
