"""Targets that clients ask for: hosts, ports and URIs, checked before anything is dialled.

The functions raise `TargetError` for anything else.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from norouter_core.errors import NorouterError

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_ZONE = re.compile(r"[A-Za-z0-9._-]{1,32}")
# What an URL's "ends in a number" checker calls a number: resolvers read such names as addresses
# in forms that no policy would recognize (127.1, 0x7f000001).
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_PORT = re.compile(r"[0-9]{1,5}")


class TargetError(NorouterError, ValueError):
    """A target that cannot exist; the text says why."""


def parse_host(text: str) -> str:
    """Return a host as it is dialled: a name in lower case, or an IP literal in its usual form."""
    if ":" in text:
        # Some clients send the brackets of a URL along.
        bracketed = text.startswith("[") and text.endswith("]")
        return _parse_ipv6(text[1:-1] if bracketed else text)
    name = text.removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise TargetError("ends in a number but is not an IPv4 address") from None
    if not name or len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise TargetError("is not a host name")
    return text.lower()


def parse_authority(text: str, default_port: int | None) -> Address:
    """Return host and port of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    if "@" in text:
        raise TargetError("contains a user and password, which do not belong in a target")
    if text.startswith("["):
        literal, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise TargetError("is not of the form [IPV6]:PORT")
        host, port = _parse_ipv6(literal), rest[1:]
    else:
        name, _, port = text.partition(":")
        if ":" in port:
            raise TargetError("has an IPv6 address without brackets")
        host = parse_host(name)
    if not port and default_port is not None:
        return host, default_port
    return host, parse_port(port)


def parse_port(text: str) -> int:
    """Return a port from its digits."""
    if not text:
        raise TargetError("has no port")
    if not _PORT.fullmatch(text) or not 0 < int(text) <= 65535:
        raise TargetError("has a port that is not a number from 1 to 65535")
    return int(text)


def _parse_ipv6(text: str) -> str:
    # A zone is written %25ZONE in a URI (RFC 6874), %ZONE elsewhere.
    literal, percent, zone = text.partition("%25" if "%25" in text else "%")
    try:
        address = ipaddress.IPv6Address(literal)
    except ValueError:
        raise TargetError("is not an IPv6 address") from None
    if percent:
        if not _ZONE.fullmatch(zone):
            raise TargetError("has a zone that is not the name of an interface")
        return f"{address}%{zone}"
    # ::ffff:10.0.0.1 is dialled as 10.0.0.1, and should be judged as that.
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(address)
