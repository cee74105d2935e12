"""Header fields that pass a proxy, and those that do not (RFC 9110 sections 7.6 and 7.8)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import h11

if TYPE_CHECKING:
    from h11._headers import Headers

Fields = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)
# These pass even if Connection names them: without them the message would mean something else.
_KEPT = frozenset((b"content-length", b"host"))
# As trailers, these could change what has been decided by the head (RFC 9110 section 6.5.1).
_NO_TRAILERS = _HOP_BY_HOP | _KEPT | {b"authorization", b"content-encoding", b"trailer", b"via"}
_CONNECTION_LOGIN = re.compile(rb"(?:NTLM|Negotiate)\b", re.IGNORECASE)
_PSEUDONYM = b"norouter"


def options(headers: Headers, name: bytes) -> set[bytes]:
    """Return the members of a field that is a list of tokens, in lower case."""
    members = (part.strip().lower() for part in b",".join(values(headers, name)).split(b","))
    return {member for member in members if member}


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Return the values of all fields of that name (lower case)."""
    return [value for found, value in headers if found == name]


def wants_upgrade(request: h11.Request) -> bool:
    """Return whether the client asks for another protocol, which HTTP/1.0 does not support."""
    return (
        request.http_version != b"1.0"
        and bool(values(request.headers, b"upgrade"))
        and b"upgrade" in options(request.headers, b"connection")
    )


def has_body(request: h11.Request) -> bool:
    """Return whether a body follows the head."""
    if values(request.headers, b"transfer-encoding"):
        return True
    return any(int(value) for value in values(request.headers, b"content-length"))


def keeps_alive(head: h11.Request | h11.Response) -> bool:
    """Return whether the sender allows for another request on its connection."""
    return head.http_version != b"1.0" and b"close" not in options(head.headers, b"connection")


def binds_connection(request: h11.Request, response: h11.Response) -> bool:
    """Return whether one of them is part of a login that holds for its connection (RFC 4559)."""
    shown = values(request.headers, b"authorization")
    if response.status_code == 401:
        shown = shown + values(response.headers, b"www-authenticate")
    return any(_CONNECTION_LOGIN.match(value) for value in shown)


def for_upstream(request: h11.Request, authority: bytes) -> Fields:
    """Return the fields of the forwarded request; `authority` is the one of its URI."""
    headers = request.headers
    fields = [(b"Host", authority)]
    hop_options = []
    for raw, name, value in _end_to_end(headers):
        if name == b"host" or (name == b"expect" and request.http_version == b"1.0"):
            continue
        if name == b"max-forwards" and request.method in (b"OPTIONS", b"TRACE"):
            value = _decremented(value)
        fields.append((raw, value))
    if values(headers, b"transfer-encoding"):
        fields.append((b"Transfer-Encoding", b"chunked"))
    if b"trailers" in options(headers, b"te"):
        fields.append((b"TE", b"trailers"))
        hop_options.append(b"TE")
    if wants_upgrade(request):
        fields.append((b"Upgrade", b", ".join(values(headers, b"upgrade"))))
        hop_options.append(b"Upgrade")
    if not keeps_alive(request):
        hop_options.append(b"close")
    return fields + _hop(request.http_version, hop_options)


def for_client(response: h11.Response | h11.InformationalResponse, *, close: bool) -> Fields:
    """Return the fields of the forwarded response; h11 adds those of its framing."""
    headers = response.headers
    status = response.status_code
    # Chunks override a length, and these statuses must not have one at all.
    no_length = bool(values(headers, b"transfer-encoding")) or status < 200 or status == 204
    fields = [
        (raw, value)
        for raw, name, value in _end_to_end(headers)
        if not (no_length and name == b"content-length")
    ]
    hop_options = []
    if status in (101, 426):
        fields += [(b"Upgrade", value) for value in values(headers, b"upgrade")]
        hop_options.append(b"Upgrade")
    if close:
        hop_options.append(b"close")
    return fields + _hop(response.http_version, hop_options)


def trailers(headers: Headers) -> Fields:
    """Return the fields of a trailer section that are forwarded."""
    return [pair for pair, (name, _) in _pairs(headers) if name not in _NO_TRAILERS]


def _hop(version: bytes, hop_options: list[bytes]) -> Fields:
    via = [(b"Via", version + b" " + _PSEUDONYM)]
    return via + ([(b"Connection", b", ".join(hop_options))] if hop_options else [])


def _end_to_end(headers: Headers) -> Iterator[tuple[bytes, bytes, bytes]]:
    dropped = _HOP_BY_HOP | (options(headers, b"connection") - _KEPT)
    for (raw, value), (name, _) in _pairs(headers):
        if name not in dropped:
            yield raw, name, value


def _pairs(headers: Headers) -> Iterator[tuple[tuple[bytes, bytes], tuple[bytes, bytes]]]:
    return zip(headers.raw_items(), headers, strict=True)


def _decremented(value: bytes) -> bytes:
    return b"%d" % max(0, int(value) - 1) if value.isdigit() and len(value) < 10 else value
