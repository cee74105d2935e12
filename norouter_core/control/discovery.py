"""Which meshes of this user are running: found by their sockets, and asked for a summary."""

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
from norouter_core.private_sockets import SUFFIX, not_private, socket_directories
from norouter_core.session.client import Summary

ANSWER_TIMEOUT = 1.0
"""Seconds for a mesh to answer."""
_NEW = 60.0
"""Seconds for which a socket without a listener can be one that is being made."""


@dataclass(frozen=True, slots=True)
class RunningMesh:
    """A running mesh. If it could not be asked, `trouble` says why and there is no `summary`."""

    pid: int
    name: str
    path: Path
    manifest: str = ""
    started: float = 0.0
    summary: Summary | None = None
    trouble: str = ""


async def discover(answer_timeout: float = ANSWER_TIMEOUT) -> list[RunningMesh]:
    """Return the meshes that this user runs, the oldest first."""
    await sweep()
    found = await asyncio.gather(*(_ask(path, pid, answer_timeout) for path, pid in _sockets()))
    return sorted((each for each in found if each), key=lambda each: (each.started, each.pid))


async def sweep() -> None:
    """Remove the sockets of meshes that have ended."""
    for path, pid in _sockets():
        if not _runs(pid) or _is_old(path):
            if await asyncio.to_thread(_is_deserted, path):
                with suppress(OSError):
                    path.unlink()


def _sockets() -> Iterator[tuple[Path, int]]:
    for directory in socket_directories():
        if not_private(directory):
            continue
        for path in sorted(directory.glob(f"*{SUFFIX}")):
            pid = path.name.removesuffix(SUFFIX).partition("-")[0]
            if pid.isdecimal() and len(pid) < 10:
                yield path, int(pid)


async def _ask(path: Path, pid: int, seconds: float) -> RunningMesh | None:
    name = path.name.removesuffix(SUFFIX).partition("-")[2] or "mesh"
    try:
        async with RemoteClient(path, seconds) as client, asyncio.timeout(seconds):
            hello: SessionHello = client.hello
            summary = await client.summary()
    except (ControlLost, TimeoutError) as error:
        if await asyncio.to_thread(_is_deserted, path):
            return None
        return RunningMesh(pid, name, path, trouble=str(error) or "it does not answer")
    manifest = summary.document.path or hello.manifest
    return RunningMesh(hello.pid, hello.name, path, manifest, hello.started, summary)


def _is_deserted(path: Path) -> bool:
    """Return whether nobody listens at a socket, or it is gone."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(ANSWER_TIMEOUT)
            sock.connect(os.fspath(path))
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except OSError:
        pass  # it may have no room for another client, or this process no descriptor
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
