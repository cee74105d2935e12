"""The small rules: hostnames, ports, addresses, credentials. Pure; they raise `ValidationError`."""

from __future__ import annotations

import ipaddress
import re

from norouter_core.manifest.problems import ValidationError
from norouter_core.model import ProxySpec
from norouter_core.sanitize import quote

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# Resolvers read a name whose last label is one of these as an IPv4 address (inet_aton).
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_SCOPE = re.compile(r"[A-Za-z0-9_.-]{1,15}")
_DIGITS = re.compile(r"[0-9]+")
# RFC 1929 gives each of SOCKS's user and password one byte of length.
_MAX_CREDENTIAL = 255


def parse_port(text: str, what: str) -> int:
    """A port number in 1..65535 out of ASCII digits.

    Raises:
        ValidationError: anything else.
    """
    if not _DIGITS.fullmatch(text):
        raise ValidationError(f"the {what} {quote(text)} is not a number", "write 1 to 65535")
    short = text.lstrip("0")
    if len(short) > 5 or not 1 <= int(short or "0") <= 65535:
        raise ValidationError(f"the {what} {quote(text)} is out of range", "write 1 to 65535")
    return int(short)


def parse_ip(text: str) -> IPAddress | None:
    """An IPv4 or IPv6 literal (without brackets), or None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    scope = getattr(address, "scope_id", None)
    return None if scope is not None and not _SCOPE.fullmatch(scope) else address


def check_hostname(text: str) -> None:
    """
    Raises:
        ValidationError: `text` is no hostname: labels of ASCII letters, digits, `-` and `_`, of at
            most
            63 characters each and 253 in all, and the last not a number.
    """
    if not text:
        raise ValidationError("the name is empty")
    if not text.isascii():
        message = f"the name {quote(text)} holds characters outside ASCII"
        raise ValidationError(message, "write an international name in its xn-- form")
    if len(text) > 253:
        raise ValidationError(f"the name {quote(text)} is longer than 253 characters")
    labels = text.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            hint = "use letters, digits, - and _; dots between parts of at most 63 characters"
            raise ValidationError(f"{quote(text)} is not a hostname", hint)
    if _NUMERIC.fullmatch(labels[-1]):
        message = f"{quote(text)} is neither an IP address nor a hostname"
        raise ValidationError(
            message, "a name must not end in a number: it would be read as an address"
        )


def strip_dot(name: str) -> str:
    """A name without the final dot that marks it as fully qualified."""
    return name[:-1] if name.endswith(".") and len(name) > 1 else name


def parse_listen(text: str, auth: str | None = None) -> ProxySpec:
    """`IP:PORT` (IPv6 in brackets) as the place where a proxy listens.

    Raises:
        ValidationError: anything else.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValidationError(f"{quote(text)} is not IP:PORT", "for example 127.0.0.1:8080")
    number = parse_port(port, "port")
    bracketed = host.startswith("[") and host.endswith("]")
    address = parse_ip(host[1:-1] if bracketed else host)
    if not host:
        hint = f"127.0.0.1:{number} for this host alone, 0.0.0.0:{number} for every interface"
        raise ValidationError(f"{quote(text)} names no address", hint)
    if address is None or bracketed != (address.version == 6):
        hint = "write an IP address, not a name, and IPv6 in brackets: 127.0.0.1:8080, [::1]:8080"
        raise ValidationError(f"{quote(text)} is not IP:PORT", hint)
    return ProxySpec(str(address), number, auth)


def check_auth(text: str) -> None:
    """
    Raises:
        ValidationError: not `USER:PASSWORD`. The message never repeats the password.
    """
    user, colon, password = text.partition(":")
    if not colon or not user or not password:
        raise ValidationError(
            "not USER:PASSWORD", 'write both, with a colon between: "alice:secret"'
        )
    if any(len(part.encode()) > _MAX_CREDENTIAL for part in (user, password)):
        raise ValidationError(f"user or password is longer than {_MAX_CREDENTIAL} bytes")
    if any(ord(ch) < 32 or ord(ch) == 127 for ch in text):
        raise ValidationError("user or password holds a control character")
