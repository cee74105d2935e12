"""The texts of the names files, as pure functions of the mesh's hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from norouter_core.agent.files import BLOCK_BEGIN, BLOCK_END, without_block
from norouter_core.model import Host

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")

_README = """\
This folder is written by norouter, for the host {name} of a mesh. It is written anew whenever
the mesh changes: edits here are lost.

hosts        The names of the mesh and their addresses, in the form of /etc/hosts. For reading,
             and for programs that take such a file: dnsmasq --addn-hosts={folder}/hosts

hostaliases  The names without dots, for programs that use the system's resolver, without root:

                 export HOSTALIASES={folder}/hostaliases
                 curl http://NAME:PORT/

             The C library then looks up NAME as a.b.c.d.nip.io, a public DNS service that answers
             a.b.c.d. So this needs DNS, and a resolver that lets answers in 127.0.0.0/8 through.
             What was in the file that $HOSTALIASES named on this host stands below the mesh's
             names.

Other ways to reach the mesh by name from this host:

{dns}  - the HTTP and SOCKS proxies, where the manifest sets http.listen or socks.listen
  - /etc/hosts, where the manifest says writeEtcHosts: true

The names lead nowhere when the mesh has ended. This folder may be deleted then.
"""


def mesh_names(hosts: Iterable[Host]) -> Iterator[tuple[str, list[str]]]:
    """Every host's VIP and the names by which files may call it: its own first, then aliases.

    Left out are names that are no valid hostnames (the lookup would fail, or an address be read),
    `localhost`, which is every machine's own, and any name that an earlier host has already.
    """
    seen = {"localhost"}
    for host in hosts:
        names = []
        for name in (host.name, *host.aliases):
            if is_hostname(name) and name.lower() not in seen:
                seen.add(name.lower())
                names.append(name)
        if names:
            yield host.vip, names


def is_hostname(name: str) -> bool:
    """Labels of ASCII letters, digits, `-` and `_`, at most 63 characters each and 253 in all,
    the last one not a number."""
    labels = name.split(".")
    if len(name) > 253 or _NUMERIC.fullmatch(labels[-1]):
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def hosts_lines(hosts: Iterable[Host]) -> str:
    """One line per host in the form of hosts(5), each ended by a newline: the body of the block in
    `/etc/hosts`. Empty where no host has a name that may stand there."""
    return "".join(f"{vip}\t{' '.join(names)}\n" for vip, names in mesh_names(hosts))


def hosts_file(hosts: Iterable[Host]) -> str:
    """The state dir's `hosts`."""
    return "# The names of the mesh, written by norouter\n" + hosts_lines(hosts)


def hostaliases_file(hosts: Iterable[Host], existing: str = "") -> str:
    """The state dir's `hostaliases` (hostname(7)): `NAME a.b.c.d.nip.io`, for names without dots.

    `existing` is the text of the file that `$HOSTALIASES` names on that host; its lines follow
    the mesh's, which win since the first line for a name counts. It may be this very file, of an
    earlier run: what stands there between the markers is dropped.
    """
    ours = {
        name.lower(): f"{name} {vip}.nip.io\n"
        for vip, names in mesh_names(hosts)
        for name in names
        if "." not in name
    }
    kept = []
    for line in without_block(existing).split("\n"):
        words = line.split()
        # The C library stops reading at a line that is one word without a newline behind it, and
        # a line for a name of ours would never be reached.
        if len(words) >= 2 and words[0].lower() not in ours:
            kept.append(line.rstrip("\r") + "\n")
    return "".join([f"{BLOCK_BEGIN}\n", *ours.values(), f"{BLOCK_END}\n", *kept])


def readme(host: Host, folder: str) -> str:
    """The state dir's `README`: what these files are and how to use them. `folder` is the state
    dir as the host's own shell may read it."""
    port = host.dns_port
    dns = (
        ""
        if port is None
        else f"  - its DNS:                             dig -p {port} @{host.vip} NAME\n"
    )
    return _README.format(name=host.name, folder=folder, dns=dns)
