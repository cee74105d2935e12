"""VIPs: the rule for one, and how one is allotted where a host states none."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from norouter_core.manifest.problems import ValidationError
from norouter_core.model import VIP_POOL
from norouter_core.sanitize import quote

_POOL = ipaddress.IPv4Network(VIP_POOL)
LOCAL_VIP = str(_POOL[100])
"""What this machine gets when it is free."""

# The low numbers last, so that the usual manifest reads as NoRouter's own examples do.
_ORDER = tuple(str(_POOL[n]) for n in (*range(101, 255), *range(1, 101)))


def parse_vip(text: str) -> ipaddress.IPv4Address:
    """
    Raises:
        ValidationError: not an IPv4 literal that one host can have.
    """
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        message = f"the VIP {quote(text)} is not an IPv4 address"
        raise ValidationError(message, f"write one such as {_ORDER[0]}, or leave vip out") from None
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        message = f"the VIP {address} is not an address that a host can have"
        raise ValidationError(message, f"write one such as {_ORDER[0]}, or leave vip out")
    return address


def allot_vip(taken: Collection[str]) -> str:
    """The first free VIP of the pool 127.0.42.0/24: from .101 upward, then from .1 to .100.

    Args:
        taken: the VIPs that cannot be given, as dotted IPv4 literals.

    Raises:
        ValueError: the pool is used up.
    """
    for vip in _ORDER:
        if vip not in taken:
            return vip
    raise ValidationError(f"no VIP is left in {VIP_POOL}", "state a vip, such as 127.0.43.1")
