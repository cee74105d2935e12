"""The mesh's names as files on one host: written when it is ready, and as the mesh changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from norouter_core.links.base import Link, OperationError
from norouter_core.model import Host
from norouter_core.names.files import FileWrite, NamesPlan, plan_files

_HOSTALIASES = "${HOSTALIASES}"
_MAX_ALIASES = 64 * 1024
"""Bytes of the user's own file of aliases that are taken over."""
_UNDO_TIMEOUT = 2.0
"""Seconds that a host which leaves has for its files to be put back."""


class NamesFiles:
    """Of one host, over one link after the other.

    A host that cannot be written to is none the worse for it: that is told once, and the rest is
    done.

    Args:
        log: takes a level and a line about the host.
        done: called when all that there is to write has been written, or refused.
        etc_hosts: a path in place of `/etc/hosts`.
    """

    def __init__(
        self, log: Callable[[str, str], None], on_settled: Callable[[], None], etc_hosts: str = ""
    ) -> None:
        self._log = log
        self._on_settled = on_settled
        self._etc_hosts = etc_hosts
        self._wanted: tuple[Sequence[Host], Host] | None = None
        self._plan = NamesPlan()
        """What the host that is up has, or is just getting."""
        self._reported: set[str] = set()
        self._changed = asyncio.Event()
        self.is_busy = False
        """Whether something is being written, or about to be."""

    def update(self, hosts: Sequence[Host], host: Host) -> None:
        """Sets what the mesh is, and who of it this is; the work is done by `run`."""
        if self._wanted == (hosts, host):
            return
        self._wanted = (hosts, host)
        self.is_busy = True
        self._changed.set()

    async def run(self, link: Link) -> None:
        """Works until cancelled. A lost link ends this by cancelling it."""
        self._plan = NamesPlan()
        try:
            await self._write_changes(link)
        finally:
            # The next link begins anew.
            self.is_busy = True

    async def _write_changes(self, link: Link) -> None:
        self.is_busy = True
        aliases: str | None = None
        while True:
            self._changed.clear()
            if self._wanted is not None:
                hosts, host = self._wanted
                if aliases is None and not host.state_dir.disable:
                    aliases = await _read_hostaliases(link)
                before = self._plan
                # Known before it is done: who is cancelled in the middle must be cleaned up after.
                self._plan = plan_files(hosts, host, aliases or "", self._etc_hosts)
                for write in before.writes_for(self._plan):
                    await self._write(link, host.name, write)
            self.is_busy = self._changed.is_set()
            if not self.is_busy:
                self._on_settled()
            await self._changed.wait()

    async def undo(self, link: Link) -> None:
        """Puts back what is others', before the host leaves in an orderly way."""
        done, self._plan = self._plan, NamesPlan()
        if self._wanted is None:
            return
        try:
            async with asyncio.timeout(_UNDO_TIMEOUT):
                for removal in done.removals:
                    await self._write(link, self._wanted[1].name, removal)
        except TimeoutError:
            self._log("warning", "the names in its hosts file were not taken away in time")

    async def _write(self, link: Link, name: str, write: FileWrite) -> None:
        try:
            await link.write(write.path, write.text, write.mode, name)
        except (OperationError, ValueError) as error:
            if isinstance(error, OperationError) and error.code == "gone":
                return
            reason = str(error)
            if reason not in self._reported:
                self._reported.add(reason)
                self._log("warning", f"cannot write {reason}; {_HINTS[write.mode]}")


_HINTS = {
    "replace": "name a folder of its own that can be written, stateDir: {pathOnAgent: PATH}, or "
    "do without: stateDir: {disable: true}",
    "block": "the command must reach that host as a user who may write it (root), or do without: "
    "writeEtcHosts: false",
    "remove-block": "take the lines that norouter has put there away by hand",
}


async def _read_hostaliases(link: Link) -> str:
    """What the user has in a file of aliases of his own, on that host."""
    try:
        return await link.read(_HOSTALIASES, _MAX_ALIASES)
    except OperationError:
        return ""
