"""Where a host listens if it cannot bind an address that it should serve."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from norouter_core.engine.publications import ListenAddress

LOCALHOST = "127.0.0.1"

_PORTS = range(20_000, 30_000)
"""Below the ports that systems give to clients."""
_ATTEMPTS = 4


def stable_ports(address: ListenAddress) -> list[int]:
    """Return ports for an address that depend on it alone, so they are the same at each start."""
    first = zlib.crc32(address.text().encode())
    count = len(_PORTS)
    return [_PORTS[(first + step) % count] for step in range(_ATTEMPTS)]


def taken_hint(address: ListenAddress) -> str:
    return f"another program of that host listens at port {address.port} of all addresses"


def no_address_hint(vip: str) -> str:
    return (
        f"{vip} is not an address of that host; add it: sudo ip addr add {vip}/32 dev lo (Linux), "
        f"sudo ifconfig lo0 alias {vip} (macOS, BSD)"
    )
