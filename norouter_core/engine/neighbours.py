"""The hosts in one network namespace, and which of them listens where."""

from __future__ import annotations

from collections.abc import Collection

from norouter_core.engine.publications import ListenAddress


class Neighbours:
    """The hosts that are up, by network namespace, and the addresses that they hold.

    In a namespace the host that owns the VIP listens, so that it serves itself without the hub. For
    other VIPs, the first host that tries listens. A guard is a host that checks the users of its
    clients; in its namespace only guards listen, since nobody checks the clients of other hosts.
    The namespace that an agent reports decides nothing else, so a false one costs that host only
    its own clients.
    """

    def __init__(self) -> None:
        self._homes: dict[str, tuple[object, bool]] = {}
        """The namespace of each host that is up, and whether it listens for ports there."""
        self._members: dict[object, set[str]] = {}
        self._holders: dict[tuple[object, ListenAddress], dict[str, str]] = {}
        """Where each host that serves an address has bound it."""
        self._refusals: dict[tuple[object, ListenAddress], str] = {}
        self._guards: frozenset[str] = frozenset()
        self._guarded: object = None

    def set_guards(self, guards: frozenset[str], namespace: object) -> Collection[str]:
        """Set the guards, up or not, and their namespace; return the hosts that this affects."""
        if guards == self._guards:
            return ()
        self._guards, self._guarded = guards, namespace
        return self.members(namespace)

    def members(self, namespace: object) -> Collection[str]:
        """Return the hosts in a namespace that are up."""
        return frozenset(self._members.get(namespace, ()))

    def guard(self, namespace: object, address: ListenAddress, host: str) -> str:
        """Return the guard that listens in place of `host`; empty if that may itself."""
        if not self._guards or namespace != self._guarded or host in self._guards:
            return ""
        holders = self._holders.get((namespace, address), ())
        return next((name for name in holders if name in self._guards), min(self._guards))

    def update(self, host: str, namespace: object | None, listens: bool) -> Collection[str]:
        """Note the namespace of a host (None: it is down), and whether it listens for ports.

        Return the other hosts that this affects.
        """
        home = None if namespace is None else (namespace, listens)
        before = self._homes.get(host)
        if before == home:
            return ()
        concerned: set[str] = set()
        if before is not None:
            members = self._members[before[0]]
            members.discard(host)
            concerned |= members
            if not members:
                del self._members[before[0]]
            del self._homes[host]
        if home is not None:
            members = self._members.setdefault(namespace, set())
            concerned |= members
            members.add(host)
            self._homes[host] = home
        return concerned

    def listens_for(self, owner: str, host: str) -> bool:
        """Return whether `owner` is another host that listens in the namespace of `host`."""
        home, other = self._homes.get(host), self._homes.get(owner)
        if owner == host or home is None or other is None:
            return False
        namespace, listens = other
        if self._guards and namespace == self._guarded and owner not in self._guards:
            return False
        return listens and namespace == home[0]

    def hold(self, namespace: object, address: ListenAddress, host: str, bound: str) -> None:
        """Note that a host serves an address, and where it has bound it."""
        self._holders.setdefault((namespace, address), {})[host] = bound

    def release(self, namespace: object, address: ListenAddress, host: str) -> None:
        """Note that a host no longer serves an address."""
        holders = self._holders.get((namespace, address))
        if holders is not None:
            holders.pop(host, None)
            if not holders:
                del self._holders[namespace, address]

    def holds(self, namespace: object, address: ListenAddress, host: str) -> bool:
        """Return whether that host serves an address."""
        return host in self._holders.get((namespace, address), ())

    def bound(self, namespace: object, address: ListenAddress, host: str) -> str:
        """Return where a host that serves an address has bound it."""
        return self._holders[namespace, address][host]

    def holder(self, namespace: object, address: ListenAddress, host: str) -> str:
        """Return a host other than `host` that serves an address; empty if none does."""
        holders = self._holders.get((namespace, address), ())
        return next((name for name in holders if name != host), "")

    def set_refused(self, namespace: object, address: ListenAddress, why: str) -> None:
        """Note why the owner of an address failed to listen there; empty if it has not failed."""
        if why:
            self._refusals[namespace, address] = why
        else:
            self._refusals.pop((namespace, address), None)

    def refusal(self, namespace: object, address: ListenAddress) -> str:
        """Return why the owner of an address failed to listen there; empty if it has not failed."""
        return self._refusals.get((namespace, address), "")
