"""The files with the mesh's names on one host, written when it is ready and at each change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from norouter_core.engine.pacer import Pacer
from norouter_core.links.base import Link, OperationError
from norouter_core.model import Host
from norouter_core.names.files import FileWrite, MeshNames, NamesPlan, plan_files

_HOSTALIASES = "${HOSTALIASES}"
_MAX_ALIASES = 32 * 1024
"""Bytes copied from the user's own file of aliases."""
_UNDO_TIMEOUT = 2.0
"""Seconds in which the files of a host that ends must be restored."""


class NamesFiles:
    """Writes the files of one host, over one link after another.

    Each cause of failures to write is logged once; they do not affect the rest.

    Args:
        pacer: of all hosts, since a new name concerns every one of them.
        log: called with a level and a line about the host.
        on_settled: called when everything has been written or refused.
        etc_hosts: a path in place of `/etc/hosts`.
    """

    def __init__(
        self,
        pacer: Pacer,
        log: Callable[[str, str], None],
        on_settled: Callable[[], None],
        etc_hosts: str = "",
    ) -> None:
        self._pacer = pacer
        self._log = log
        self._on_settled = on_settled
        self._etc_hosts = etc_hosts
        self._wanted: tuple[MeshNames, Host] | None = None
        self._plan = NamesPlan()
        """What has been written to the host, or is being written."""
        self._reported: set[str] = set()
        self._changed = asyncio.Event()
        self.is_busy = False
        """Whether something has to be written."""

    def update(self, names: MeshNames, host: Host) -> None:
        """Set the names of the mesh and this host of it; `run` does the work.

        Equal names are the same object.
        """
        if self._wanted is not None and self._wanted[0] is names and self._wanted[1] == host:
            return
        self._wanted = (names, host)
        self.is_busy = True
        self._changed.set()

    async def run(self, link: Link) -> None:
        """Work until cancelled, which the loss of the link does."""
        self._plan = NamesPlan()
        try:
            await self._write_changes(link)
        finally:
            # The next link writes everything again.
            self.is_busy = True

    async def _write_changes(self, link: Link) -> None:
        self.is_busy = True
        aliases: str | None = None
        while True:
            self._changed.clear()
            if self._wanted is not None:
                names, host = self._wanted
                if aliases is None and not host.state_dir.disable:
                    aliases = await _read_hostaliases(link)
                await self._pacer.wait()
                before = self._plan
                # Set before it is done, so that `undo` finds what a cancelled write may have left.
                self._plan = plan_files(names, host, aliases or "", self._etc_hosts)
                for write in before.writes_for(self._plan):
                    await self._pacer.wait()
                    await self._write(link, host.name, write)
            self.is_busy = self._changed.is_set()
            if not self.is_busy:
                self._on_settled()
            await self._changed.wait()

    async def undo(self, link: Link) -> None:
        """Restore the files of others before an orderly end of the host."""
        done, self._plan = self._plan, NamesPlan()
        if self._wanted is None:
            return
        try:
            async with asyncio.timeout(_UNDO_TIMEOUT):
                for removal in done.removals:
                    await self._write(link, self._wanted[1].name, removal)
        except TimeoutError:
            self._log("warning", "the names in its hosts file were not removed in time")

    async def _write(self, link: Link, name: str, write: FileWrite) -> None:
        try:
            await link.write(write.path, write.text, write.mode, name)
        except (OperationError, ValueError) as error:
            if isinstance(error, OperationError) and error.code == "gone":
                return
            reason = str(error)
            # A full disk or a missing right concerns all files of a directory alike.
            cause = f"{os.path.dirname(write.path)}: {reason.rpartition(': ')[2]}"
            if cause not in self._reported:
                self._reported.add(cause)
                self._log("warning", f"cannot write {reason}; {_HINTS[write.mode]}")


_HINTS = {
    "replace": "set a writable directory, stateDir: {pathOnAgent: PATH}, or turn it off: "
    "stateDir: {disable: true}",
    "block": "log in to that host as a user who may write it (root), or turn it off: "
    "writeEtcHosts: false",
    "remove-block": "remove the lines of norouter by hand",
}


async def _read_hostaliases(link: Link) -> str:
    """Return the content of the user's own file of aliases on that host."""
    try:
        return await link.read(_HOSTALIASES, _MAX_ALIASES)
    except OperationError:
        return ""
