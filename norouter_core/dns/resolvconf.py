"""A host's `resolv.conf`, read for the name servers that it names."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

DNS_PORT = 53
_MOST = 3
"""As many as the system's resolver uses (MAXNS)."""


def nameservers(text: str, exclude: Collection[str] = ()) -> list[Address]:
    """The first three name servers of a `resolv.conf`, as `(IP literal, port)`.

    `[IP]:PORT` is read as OpenBSD writes it. A file that names none means the one on that
    machine itself (resolver(5)).

    Args:
        exclude: addresses that are left out: the mesh's VIPs. A host whose resolver is the mesh's
            own DNS would otherwise ask itself for ever.
    """
    found: list[Address] = []
    named = False
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        server = _server(words[1])
        if server is None:
            continue
        named = True
        if server[0] not in exclude and server not in found:
            found.append(server)
            if len(found) == _MOST:
                break
    if not named and "127.0.0.1" not in exclude:
        return [("127.0.0.1", DNS_PORT)]
    return found


def _server(word: str) -> Address | None:
    address, port = word, str(DNS_PORT)
    if word.startswith("["):
        address, _, rest = word[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else port
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return None
    return address, int(port)
