"""How others are told that a mesh is ready: a file, a service manager."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from norouter_core.agent.files import replace
from norouter_core.engine import Engine
from norouter_core.errors import NorouterError
from norouter_tui.output.units import count
from norouter_tui.run.environment import exports, variables

_MARK = "# written by norouter while its mesh is up\n"


class NotOurs(NorouterError):
    """The ready file would take the place of another file."""


class Readiness:
    """Tells, each time when the mesh is ready, whoever wants to know.

    Args:
        manifest: the path of the mesh's manifest, or empty.
        ready_file: where a file is to appear; empty for none.
    """

    def __init__(self, manifest: str, ready_file: str = "") -> None:
        self._manifest = manifest
        self._path = os.path.abspath(ready_file) if ready_file else ""
        self.settle: Callable[[], None] = lambda: None
        """Sees to it that all that was told so far has been written."""
        self.call: Callable[[], None] | None = None
        """Called when the mesh is ready, and all of that is settled."""
        # Taken away, so that neither exec commands nor agents speak to the service manager.
        self._notify = os.environ.pop("NOTIFY_SOCKET", "")

    def prepare(self) -> None:
        """To be called before the mesh is brought up: what an earlier run left is taken away.

        Raises:
            NotOurs: a file that norouter did not write is where the ready file is to be.
            OSError: that place cannot be looked at.
        """
        if not self._path or not os.path.lexists(self._path):
            return
        if not os.path.isfile(self._path) or not _is_ours(Path(self._path)):
            raise NotOurs(f"{self._path} is there already, and is no ready file of norouter's")
        os.unlink(self._path)

    def over(self) -> None:
        """The mesh is about to be taken down, or has been."""
        self._tell("STOPPING=1")
        with suppress(OSError, NotOurs):
            self.prepare()

    def ready(self, engine: Engine) -> None:
        """The mesh is ready.

        Raises:
            OSError: the ready file cannot be written.
        """
        hosts = list(engine.spec.effective())
        self._tell(f"READY=1\nSTATUS={count(len(hosts), 'host')} ready")
        if self._path:
            lines = exports(variables(hosts, engine.status(), self._manifest))
            text = _MARK + "".join(f"{line}\n" for line in lines)
            data = text.encode("utf-8", "surrogateescape")
            # A proxy's password may be among the variables.
            replace(self._path, data, like="", mode=0o600)
        if self.call is not None:
            self.settle()
            self.call()

    def _tell(self, state: str) -> None:
        """sd_notify(3). Nobody is waited for, and a service manager that is gone harms nothing."""
        if not self._notify or not hasattr(socket, "AF_UNIX"):
            return
        name = self._notify
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), f"\0{name[1:]}" if name.startswith("@") else name)


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_MARK)) == _MARK.encode()
