"""Which hosts are up in one network namespace, and which of them listens where."""

from __future__ import annotations

from collections.abc import Collection

from norouter_core.engine.publications import ListenAddress


class Neighbours:
    """The hosts that are up, by network namespace, and the places that they hold.

    In a namespace the host whose VIP it is listens, so that it serves itself without the hub; of
    the others whichever is first, which each finds out by trying. What an agent says of its
    namespace decides nothing but whether a taken address is called shared, and costs a host that
    lies about it nothing but clients of its own.
    """

    def __init__(self) -> None:
        self._homes: dict[str, tuple[object, bool]] = {}
        """The namespace of each host that is up, and whether it listens for ports there."""
        self._members: dict[object, set[str]] = {}
        self._holders: dict[tuple[object, ListenAddress], set[str]] = {}
        self._refused: set[tuple[object, ListenAddress]] = set()

    def update(self, host: str, namespace: object | None, listens: bool) -> Collection[str]:
        """Note where a host is up (None: nowhere) and whether it listens for ports there.

        Return the other hosts for which this makes a difference.
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
        """Whether another host listens for its own VIP in the namespace of `host`."""
        home, other = self._homes.get(host), self._homes.get(owner)
        if owner == host or home is None or other is None:
            return False
        namespace, listens = other
        return listens and namespace == home[0]

    def hold(self, namespace: object, place: ListenAddress, host: str) -> None:
        """Note that a host listens at a place."""
        self._holders.setdefault((namespace, place), set()).add(host)

    def release(self, namespace: object, place: ListenAddress, host: str) -> None:
        """Note that a host listens at a place no longer."""
        holders = self._holders.get((namespace, place))
        if holders is not None:
            holders.discard(host)
            if not holders:
                del self._holders[namespace, place]

    def holds(self, namespace: object, place: ListenAddress, host: str) -> bool:
        """Whether that host listens at a place."""
        return host in self._holders.get((namespace, place), ())

    def holder(self, namespace: object, place: ListenAddress, host: str) -> str:
        """Return another host than `host` that listens at a place; empty if none does."""
        holders = self._holders.get((namespace, place), ())
        return next((name for name in holders if name != host), "")

    def set_refused(self, namespace: object, place: ListenAddress, refused: bool) -> None:
        """Note whether a place at its own VIP has been refused to a host."""
        (self._refused.add if refused else self._refused.discard)((namespace, place))

    def is_refused(self, namespace: object, place: ListenAddress) -> bool:
        """Whether the host whose VIP it is cannot listen there."""
        return (namespace, place) in self._refused
