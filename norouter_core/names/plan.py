"""Which files the agent of each host is to write, and what is to be undone at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from norouter_core.model import DEFAULT_STATE_DIR, Host
from norouter_core.names import texts

ETC_HOSTS = "/etc/hosts"


@dataclass(frozen=True, slots=True)
class FileWrite:
    """One call of the agent's `write` verb; `path` may hold `~` and `${VAR}` of the host."""

    path: str
    text: str
    mode: str
    """`replace`, `block` or `remove-block`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one host is to have. Equal plans write equal files: nothing is to be done then."""

    writes: tuple[FileWrite, ...] = ()
    removals: tuple[FileWrite, ...] = ()
    """To be done at the end of the mesh, and when the host leaves it. The state dir stays: it is
    the user's to delete, and others may have it in `$HOSTALIASES`."""

    def leftovers(self, new: Plan) -> tuple[FileWrite, ...]:
        """What of this plan is to be undone as `new` takes its place."""
        kept = {write.path for write in new.writes}
        return tuple(removal for removal in self.removals if removal.path not in kept)

    def changes(self, new: Plan) -> tuple[FileWrite, ...]:
        """What is to be written as `new` takes this plan's place, on the same agent."""
        return tuple(write for write in new.writes if write not in self.writes)


def plan(hosts: Sequence[Host], host: Host, hostaliases: str = "") -> Plan:
    """What `host`, one of `hosts`, is to have.

    Args:
        hostaliases: the text of the file that `$HOSTALIASES` names on that host, if there is one.
    """
    writes: list[FileWrite] = []
    removals: list[FileWrite] = []
    if not host.state_dir.disable:
        folder = state_dir(host)
        files = {
            "hosts": texts.hosts_file(hosts),
            "hostaliases": texts.hostaliases_file(hosts, hostaliases),
            "README": texts.readme(host, folder),
        }
        writes += [FileWrite(f"{folder}/{name}", text, "replace") for name, text in files.items()]
    body = texts.hosts_lines(hosts) if host.write_etc_hosts else ""
    if body:
        writes.append(FileWrite(ETC_HOSTS, body, "block"))
        removals.append(FileWrite(ETC_HOSTS, "", "remove-block"))
    return Plan(tuple(writes), tuple(removals))


def state_dir(host: Host) -> str:
    """Where a host's names files go, without a final slash; `~` and `${VAR}` are the host's."""
    return (host.state_dir.path or DEFAULT_STATE_DIR).rstrip("/")
