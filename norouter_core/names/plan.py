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
class NamesPlan:
    """What one host is to have. Equal plans write equal files: nothing is to be done then."""

    writes: tuple[FileWrite, ...] = ()

    @property
    def removals(self) -> tuple[FileWrite, ...]:
        """To be done when the host leaves the mesh, and at its end. The state dir stays: it is the
        user's to delete, and others may have it in `$HOSTALIASES`."""
        blocks = [write for write in self.writes if write.mode == "block"]
        return tuple(FileWrite(write.path, "", "remove-block") for write in blocks)

    def changes(self, new: NamesPlan) -> tuple[FileWrite, ...]:
        """What is to be written as `new` takes this plan's place, on the same agent."""
        return tuple(write for write in new.writes if write not in self.writes)


def plan(
    hosts: Sequence[Host], host: Host, hostaliases: str = "", etc_hosts: str = ""
) -> NamesPlan:
    """What `host`, one of `hosts`, is to have.

    Where it is not to have the names in `/etc/hosts`, a block there is removed: its own of a moment
    ago, or one that an agent left that was killed.

    Args:
        hostaliases: the text of the file that `$HOSTALIASES` names on that host, if there is one.
        etc_hosts: a path in place of `ETC_HOSTS`.
    """
    writes: list[FileWrite] = []
    if not host.state_dir.disable:
        folder = state_dir(host)
        files = {
            "hosts": texts.hosts_file(hosts),
            "hostaliases": texts.hostaliases_file(hosts, hostaliases),
            "README": texts.readme(host, folder),
        }
        writes += [FileWrite(f"{folder}/{name}", text, "replace") for name, text in files.items()]
    body = texts.hosts_lines(hosts) if host.write_etc_hosts else ""
    mode = "block" if body else "remove-block"
    writes.append(FileWrite(etc_hosts or ETC_HOSTS, body, mode))
    return NamesPlan(tuple(writes))


def state_dir(host: Host) -> str:
    """Where a host's names files go, without a final slash; `~` and `${VAR}` are the host's."""
    return (host.state_dir.path or DEFAULT_STATE_DIR).rstrip("/")
