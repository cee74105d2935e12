"""Which engines of this user's run: found by their sockets, asked whether they still live."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from norouter_core.control.remote import ControlLost, RemoteClient, SessionHello
from norouter_core.control.socket_paths import SUFFIX, folders, not_private
from norouter_core.session.client import Summary

_PATIENCE = 1.0
"""Seconds for an engine to answer."""
_NEW = 60.0
"""Seconds for which a socket that nobody listens at may be one that is being made."""


@dataclass(frozen=True, slots=True)
class RunningMesh:
    """One that runs. `trouble` says why it could not be asked; then `name` is the socket's own, and
    `summary` is missing."""

    pid: int
    name: str
    path: Path
    manifest: str = ""
    started: float = 0.0
    summary: Summary | None = None
    trouble: str = ""


async def discover() -> list[RunningMesh]:
    """The engines that this user runs, the oldest first."""
    await sweep()
    found = await asyncio.gather(*(_ask(path, pid) for path, pid in _sockets()))
    return sorted((each for each in found if each), key=lambda each: (each.started, each.pid))


async def sweep() -> None:
    """Takes away the sockets of engines that are no more."""
    for path, pid in _sockets():
        if not _runs(pid) or _is_old(path):
            if await asyncio.to_thread(_is_deserted, path):
                with suppress(OSError):
                    path.unlink()


def _sockets() -> Iterator[tuple[Path, int]]:
    for folder in folders():
        if not_private(folder):
            continue
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            pid = path.name.removesuffix(SUFFIX).partition("-")[0]
            if pid.isdecimal() and len(pid) < 10:
                yield path, int(pid)


async def _ask(path: Path, pid: int) -> RunningMesh | None:
    name = path.name.removesuffix(SUFFIX).partition("-")[2] or "mesh"
    try:
        async with RemoteClient(path, _PATIENCE) as client, asyncio.timeout(_PATIENCE):
            said: SessionHello = client.hello
            summary = await client.summary()
    except (ControlLost, TimeoutError) as error:
        if await asyncio.to_thread(_is_deserted, path):
            return None
        return RunningMesh(pid, name, path, trouble=str(error) or "it does not answer")
    manifest = summary.document.path or said.manifest
    return RunningMesh(said.pid, said.name, path, manifest, said.started, summary)


def _is_deserted(path: Path) -> bool:
    """Whether nobody listens at a socket, or it is gone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_PATIENCE)
        try:
            sock.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:
            return False  # it has no room for another client, say
    return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > _NEW
    except OSError:
        return False
