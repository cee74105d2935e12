"""Which addresses of this machine are in use, and by which process.

Linux only (`/proc`); elsewhere nothing is known.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from norouter_core.control import RunningMesh, discover
from norouter_core.engine.status import ListenerStatus
from norouter_core.sanitize import escape

_PROC = Path("/proc")
_TABLES = {"tcp": ("tcp", "tcp6"), "udp": ("udp", "udp6")}
_LISTENING = {"tcp": "0A", "udp": "07"}
_ANY = ("0.0.0.0", "::")


class _Bound(NamedTuple):
    """A socket that listens, as `/proc/net` has it."""

    address: str
    port: int
    inode: str


def addresses_in_use() -> frozenset[str]:
    """Return the loopback addresses other than 127.0.0.1 at which a program listens."""
    found = {bound.address for proto in _TABLES for bound in _bound(proto)}
    return frozenset(
        address
        for address in found
        if address.startswith("127.") and address != "127.0.0.1" and IPv4Address(address)
    )


async def describe_holders(listeners: Sequence[ListenerStatus]) -> dict[str, str]:
    """Return who holds the addresses of these listeners, by `listen`, as far as that is known.

    If it is a mesh of the user, the text says how to attach to it and how to stop it.
    """
    pids = {each.listen: _holder(each.listen) for each in listeners}
    meshes = {mesh.pid: mesh for mesh in await discover()} if any(pids.values()) else {}
    return {
        listen: _describe(pid, next((meshes[p] for p in _lineage(pid) if p in meshes), None))
        for listen, pid in pids.items()
        if pid is not None
    }


def _lineage(pid: int) -> Iterator[int]:
    """Yield a process and those that have started it: an agent belongs to the mesh of its hub."""
    while pid > 1:
        yield pid
        try:
            status = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
        except OSError:
            return
        pid = int(status.rpartition(")")[2].split()[1])


def _describe(pid: int, mesh: RunningMesh | None) -> str:
    if mesh is not None:
        name, hub = escape(mesh.name), mesh.pid
        return f"the mesh {name} (pid {hub}); norouter attach {hub}, or norouter stop {hub}"
    try:
        name = (_PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        name = ""
    return f"{escape(name) or 'a process'} (pid {pid})"


def _holder(listen: str) -> int | None:
    """Return the process that listens at `IP:PORT[/udp]`; None if that cannot be seen."""
    text, _, proto = listen.partition("/")
    host, _, port = text.rpartition(":")
    wanted = (host.strip("[]"), *_ANY)
    inodes = {
        bound.inode
        for bound in _bound(proto or "tcp")
        if bound.port == int(port) and bound.address in wanted
    }
    return next(_owners(inodes), None) if inodes else None


def _owners(inodes: set[str]) -> Iterator[int]:
    """Yield the processes that have one of these sockets."""
    links = {f"socket:[{inode}]" for inode in inodes}
    for directory in _PROC.glob("[0-9]*/fd"):
        with suppress(OSError):  # it belongs to another user, or has ended
            if any(os.readlink(each) in links for each in directory.iterdir()):  # noqa: PTH115  # no path
                yield int(directory.parent.name)


def _bound(proto: str) -> Iterator[_Bound]:
    for table in _TABLES[proto]:
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == _LISTENING[proto]:
                address, _, port = local.partition(":")
                yield _Bound(_address(address), int(port, 16), inode)


def _address(text: str) -> str:
    """Return an address that the kernel prints as 32-bit words in the byte order of the host."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
