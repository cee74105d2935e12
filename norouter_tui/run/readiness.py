"""Announce that a mesh is ready: by a file, and to a service manager."""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from norouter_core.engine.engine import Engine
from norouter_core.errors import NorouterError
from norouter_tui.output.units import count
from norouter_tui.run.environment import exports, variables

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_MARK = "# written by norouter while its mesh is up\n"


class ForeignFile(NorouterError):
    """The ready file would replace a file that norouter did not write."""


class Readiness:
    """Announces each time that the mesh is ready.

    Args:
        manifest: the path of the manifest, or empty.
        ready_file: the path of a file to write; empty for none.
    """

    def __init__(self, manifest: str, ready_file: str = "") -> None:
        self._manifest = manifest
        self._path = os.path.abspath(ready_file) if ready_file else ""
        self.settle: Callable[[], None] = lambda: None
        """Waits until all output so far has been written."""
        self.on_ready: Callable[[], None] | None = None
        """Called after the mesh has become ready and `settle` has returned."""
        # Removed, so that neither exec commands nor agents talk to the service manager.
        self._notify_socket = os.environ.pop("NOTIFY_SOCKET", "")

    def prepare(self) -> None:
        """Remove what an earlier run left. Call it before the mesh comes up.

        Raises:
            ForeignFile: norouter did not write the file at that path.
            OSError: the file cannot be read, or none can be written there.
        """
        if not self._path:
            return
        if self._check_path():
            Path(self._path).unlink()
        with tempfile.TemporaryFile(dir=os.path.dirname(self._path)):
            pass

    def _check_path(self) -> bool:
        """Return whether there is a file at the path.

        Raises:
            ForeignFile: norouter did not write it.
            OSError: it cannot be read.
        """
        if not os.path.lexists(self._path):
            return False
        if not _is_ours(self._path):
            raise ForeignFile(f"{self._path} exists, and norouter did not write it")
        return True

    def end(self) -> None:
        """Announce the end of the mesh, and remove the file."""
        self._notify("STOPPING=1")
        with suppress(OSError, ForeignFile):
            self.prepare()

    def ready(self, engine: Engine) -> None:
        """Announce that the mesh is ready.

        Raises:
            ForeignFile: there is a file at that path now that norouter did not write.
            OSError: the ready file cannot be written.
        """
        hosts = list(engine.spec.effective())
        self._notify(f"READY=1\nSTATUS={count(len(hosts), 'host')} ready")
        if self._path:
            lines = exports(variables(hosts, engine.status(), self._manifest))
            text = _MARK + "".join(f"{line}\n" for line in lines)
            data = text.encode("utf-8", "surrogateescape")
            self._check_path()
            _replace_name(self._path, data)
        if self.on_ready is not None:
            self.settle()
            self.on_ready()

    def _notify(self, state: str) -> None:
        """Send a state as sd_notify(3) does, without waiting for the service manager."""
        name = self._notify_socket
        if not name or not hasattr(socket, "AF_UNIX"):
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), f"\0{name[1:]}" if name.startswith("@") else name)


def _is_ours(path: str) -> bool:
    """Return whether norouter wrote the file of that very name; a symbolic link is not it."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            return False
        raise
    with open(fd, "rb") as file:
        is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return is_regular and file.read(len(_MARK)) == _MARK.encode()


def _replace_name(path: str, data: bytes) -> None:
    """Replace what is at a path, not what a link there leads to.

    The file is for this user alone: the variables may contain the password of a proxy.
    """
    number, name = tempfile.mkstemp(prefix=".norouter-", dir=os.path.dirname(path))
    try:
        with open(number, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
