"""The names files of a host: which ones its agent writes, and their texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from norouter_core.agent.files import BLOCK_BEGIN, BLOCK_END, strip_blocks
from norouter_core.model import DEFAULT_STATE_DIR, Host

ETC_HOSTS = "/etc/hosts"

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

_README = """\
norouter writes this directory for the host {name} of a mesh, again whenever the mesh changes.
Edits here are lost.

hosts        The names of the mesh and their addresses, in the format of /etc/hosts: for reading,
             and for programs that take such a file: dnsmasq --addn-hosts={directory}/hosts

hostaliases  The names without dots, for programs that use the system's resolver; no root needed:

                 export HOSTALIASES={directory}/hostaliases
                 curl http://NAME:PORT/

             The C library then looks up NAME as a.b.c.d.nip.io, a public DNS service that answers
             a.b.c.d. This needs DNS, and a resolver that passes answers in 127.0.0.0/8. The
             entries of the file that $HOSTALIASES named on this host follow the mesh's names.

Other ways to reach the mesh by name from this host:

{dns}  - the HTTP and SOCKS proxies, if the manifest sets http.listen or socks.listen
  - /etc/hosts, if the manifest sets writeEtcHosts: true

norouter removes these files when the mesh ends.
"""


@dataclass(frozen=True, slots=True)
class FileWrite:
    """One `write` operation of the agent; the host expands `~` and `${VAR}` in `path`."""

    path: str
    text: str
    mode: str
    """`replace`, `block` or `remove-block`."""


class MeshNames:
    """The names of a mesh, with the texts that its hosts share."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self.key = tuple((host.vip, host.name, host.aliases) for host in hosts)
        """What all of it depends on."""

    @cached_property
    def by_vip(self) -> Sequence[tuple[str, list[str]]]:
        """Every host's VIP and its names for files: its own first, then aliases.

        Invalid hostnames (a lookup would fail, or read an address), `localhost` (every machine has
        its own) and names that an earlier host already has are left out.
        """
        seen = {"localhost"}
        found = []
        for vip, own, aliases in self.key:
            names = []
            for name in (own, *aliases):
                if is_hostname(name) and name.lower() not in seen:
                    seen.add(name.lower())
                    names.append(name)
            if names:
                found.append((vip, names))
        return found

    @cached_property
    def lines(self) -> str:
        """A line for each host in the format of hosts(5), for the block in `/etc/hosts`.

        It is empty if no host has a valid name.
        """
        return "".join(f"{vip}\t{' '.join(names)}\n" for vip, names in self.by_vip)

    @cached_property
    def aliases(self) -> dict[str, str]:
        """A line of hostname(7) for each name without dots, by the name in lower case."""
        return {
            name.lower(): f"{name} {vip}.nip.io\n"
            for vip, names in self.by_vip
            for name in names
            if "." not in name
        }


@dataclass(frozen=True, slots=True)
class NamesPlan:
    """The files of one host. Equal plans write equal files."""

    writes: tuple[FileWrite, ...] = ()

    @property
    def removals(self) -> tuple[FileWrite, ...]:
        """The writes that undo the plan when the host leaves the mesh, or the mesh ends.

        The agent removes the files of the state directory itself, when it ends.
        """
        blocks = [write for write in self.writes if write.mode == "block"]
        return tuple(FileWrite(write.path, "", "remove-block") for write in blocks)

    def writes_for(self, new: NamesPlan) -> tuple[FileWrite, ...]:
        """Return the writes that replace this plan by `new`, on the same agent."""
        return tuple(write for write in new.writes if write not in self.writes)


def plan_files(
    names: MeshNames, host: Host, hostaliases: str = "", etc_hosts: str = ""
) -> NamesPlan:
    """Return the files of `host`, one of the mesh.

    If its `/etc/hosts` should not have the names, a block there is removed: its own, or one that a
    killed agent left.

    Args:
        hostaliases: The text of the file that `$HOSTALIASES` names on that host, if there is one.
        etc_hosts: A path instead of `ETC_HOSTS`.
    """
    writes: list[FileWrite] = []
    if not host.state_dir.disable:
        directory = state_dir(host)
        files = {
            "hosts": hosts_text(names),
            "hostaliases": hostaliases_text(names, hostaliases),
            "README": readme_text(host, directory),
        }
        writes += [
            FileWrite(f"{directory}/{file}", text, "replace") for file, text in files.items()
        ]
    body = names.lines if host.write_etc_hosts else ""
    mode = "block" if body else "remove-block"
    writes.append(FileWrite(etc_hosts or ETC_HOSTS, body, mode))
    return NamesPlan(tuple(writes))


def state_dir(host: Host) -> str:
    """Return a host's directory for names files, unexpanded and without a final slash."""
    return (host.state_dir.path or DEFAULT_STATE_DIR).rstrip("/")


def is_hostname(name: str) -> bool:
    """Return whether a name has labels of ASCII letters, digits, `-` and `_`.

    Labels have at most 63 characters each, 253 in all, and the last one is not a number.
    """
    labels = name.split(".")
    if len(name) > 253 or _NUMERIC.fullmatch(labels[-1]):
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def hosts_text(names: MeshNames) -> str:
    """Return the state directory's `hosts`."""
    return "# The names of the mesh, written by norouter\n" + names.lines


def hostaliases_text(names: MeshNames, existing: str = "") -> str:
    """Return the state directory's `hostaliases` (hostname(7)), for names without dots.

    Its lines are `NAME a.b.c.d.nip.io`. The lines of `existing`, the text of the file that
    `$HOSTALIASES` names on that host, follow. The mesh's lines win, since the first line of a name
    counts. `existing` may be this file, of an earlier run: the lines between the markers are
    dropped.
    """
    ours = names.aliases
    kept = []
    for line in strip_blocks(existing).split("\n"):
        words = line.split()
        # The C library stops reading at a line of one word without a newline, and a line for a name
        # of ours would never be reached.
        if len(words) >= 2 and words[0].lower() not in ours:
            kept.append(line.rstrip("\r") + "\n")
    return "".join([f"{BLOCK_BEGIN}\n", *ours.values(), f"{BLOCK_END}\n", *kept])


def readme_text(host: Host, directory: str) -> str:
    """Return the state directory's `README`, which explains these files.

    `directory` is the state directory as the host's own shell reads it.
    """
    port = host.dns_port
    dns = (
        ""
        if port is None
        else f"  - its DNS:                             dig -p {port} @{host.vip} NAME\n"
    )
    return _README.format(name=host.name, directory=directory, dns=dns)
