"""Which streams a change of the spec would cut."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from norouter_core.engine.publications import proxies, publications
from norouter_core.engine.streams import RelayedStream, ReportedStream
from norouter_core.model import Host


def cuts(
    streams: Iterable[RelayedStream | ReportedStream],
    before: Iterable[Host],
    after: Iterable[Host],
    beside: Collection[str] = (),
) -> Iterator[int]:
    """Yield the numbers of the streams that end if `after` replaces `before`.

    They are those of hosts that are removed or restarted, of ports that are removed or changed, and
    of clients that an agent of `beside`, the hosts in the hub's own network namespace, has accepted
    where from then on the users of clients are checked.
    """
    hosts = list(after)
    was, will = ({host.name: host for host in each} for each in (before, hosts))
    ending = {
        name for name, host in was.items() if name not in will or is_restarted(host, will[name])
    }
    unlistened = {
        name
        for name, host in will.items()
        if name in was and (not host.loopback or host.checks_users != was[name].checks_users)
    }
    checks = [any(host.checks_users for host in each.values()) for each in (was, will)]
    if checks == [False, True]:
        unlistened.update(beside)
    kept = frozenset((*publications(hosts).values(), *proxies(hosts)))
    for stream in streams:
        through = stream.publication
        if isinstance(stream, RelayedStream) and stream.through is not None:
            through = stream.through
        gone = stream.publication not in kept or through not in kept
        unserved = stream.direct and stream.from_host in unlistened
        if gone or unserved or not ending.isdisjoint((stream.from_host, stream.to_host)):
            yield stream.number


def is_restarted(host: Host, then: Host) -> bool:
    """Return whether the change of a host to `then` restarts it."""
    return (host.argv, host.agent) != (then.argv, then.agent)
