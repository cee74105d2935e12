"""Addresses learned from DNS answers, each reached through the host that resolved it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection

from norouter_core.routing.match import IPAddress, parse_address

_MAX_ADDRESSES = 4096


class LearnedAddresses:
    """At most `limit` addresses, each for a time; the oldest makes room for a new one.

    `clock` returns seconds and never goes backward.
    """

    def __init__(self, clock: Callable[[], float], limit: int = _MAX_ADDRESSES) -> None:
        self._clock = clock
        self._limit = limit
        self._known: OrderedDict[IPAddress, tuple[str, float]] = OrderedDict()

    def learn(self, address: str, via: str, seconds: float) -> bool:
        """Remember that `via` resolved a name to `address`; return whether that is allowed.

        Loopback, link-local, multicast and unspecified addresses mean something else on each
        machine: a bastion whose DNS answers 127.0.0.1 must not take over everyone's localhost.
        """
        parsed = parse_address(address)
        if parsed is None or parsed.is_loopback or parsed.is_link_local:
            return False
        if parsed.is_multicast or parsed.is_unspecified or str(parsed) == "255.255.255.255":
            return False
        self._known[parsed] = (via, self._clock() + seconds)
        self._known.move_to_end(parsed)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
        return True

    def via(self, address: IPAddress) -> str | None:
        """Return the host through which `address` is reached, or None."""
        known = self._known.get(address)
        return known[0] if known is not None and known[1] > self._clock() else None

    def keep(self, hosts: Collection[str]) -> None:
        """Forget the addresses of all other hosts."""
        for address in [a for a, (via, _) in self._known.items() if via not in hosts]:
            del self._known[address]

    def __len__(self) -> int:
        return len(self._known)
