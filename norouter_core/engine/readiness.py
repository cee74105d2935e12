"""When a mesh is ready, and why it never will be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from norouter_core.engine import events
from norouter_core.engine.status import HostState, ListenerStatus
from norouter_core.engine.supervisor import Supervisor
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.problem import HostProblem


class MeshFailed(NorouterError):
    """A host has failed permanently; `problems` has the reasons, by host name."""

    def __init__(self, problems: dict[str, HostProblem]) -> None:
        super().__init__(", ".join(f"{name}: {p.message}" for name, p in problems.items()))
        self.problems = problems


class PortsFailed(NorouterError):
    """Ports cannot be served on this machine, and waiting does not change that.

    `listeners` are those of this machine that have failed.
    """

    def __init__(self, listeners: Sequence[ListenerStatus]) -> None:
        super().__init__(", ".join(f"{each.listen}: {each.note}" for each in listeners))
        self.listeners = tuple(listeners)


class Readiness:
    """Follows the supervisors of a mesh, and publishes `Ready` each time that it becomes ready.

    Args:
        supervisors: Of all hosts, by name; changes as the mesh does.
        applying: Locked while a spec is being applied: the mesh is partly old and partly new then.
        publish: Takes the event.
    """

    def __init__(
        self,
        supervisors: Mapping[str, Supervisor],
        applying: asyncio.Lock,
        publish: Callable[[events.Event], None],
    ) -> None:
        self._supervisors = supervisors
        self._applying = applying
        self._publish = publish
        self._progress = asyncio.Event()
        self._check_scheduled = False
        self._was_ready = False

    def begin(self) -> None:
        """Begin again: the mesh is not ready with its new spec before that is checked."""
        self._was_ready = False

    def note_progress(self) -> None:
        """Note a change that somebody may wait for."""
        # Once an iteration of the loop, in which thousands of listeners may change.
        if not self._check_scheduled:
            self._check_scheduled = True
            asyncio.get_running_loop().call_soon(self._check)

    async def wait(self, hosts: Collection[str] | None) -> None:
        """Return when the mesh is ready; see `Engine.wait_ready`."""
        while not self._is_ready(hosts):
            self._raise_failures(hosts)
            self._progress.clear()
            await self._progress.wait()

    def _raise_failures(self, hosts: Collection[str] | None) -> None:
        active = self._active()
        failed = {
            s.host.name: s.problem
            for s in active
            if s.state is HostState.FAILED and s.problem and (hosts is None or s.host.name in hosts)
        }
        if failed:
            raise MeshFailed(failed)
        hopeless = [each for s in active for each in s.listeners.hopeless(hosts)]
        if hopeless:
            raise PortsFailed(hopeless)

    def _active(self) -> list[Supervisor]:
        """Return the hosts that the user has not stopped."""
        return [s for s in self._supervisors.values() if not s.paused]

    def _is_ready(self, hosts: Collection[str] | None = None) -> bool:
        if self._applying.locked():
            return False
        if hosts is None:
            return all(s.is_up and s.is_settled for s in self._active())
        return all(
            s.listeners.is_settled_for(hosts) if s.is_up else s.host.name not in hosts
            for s in self._active()
        )

    def _check(self) -> None:
        self._check_scheduled = False
        self._progress.set()
        wanted = self._active()
        is_ready = bool(wanted) and self._is_ready()
        if is_ready and not self._was_ready:
            listeners = sum(len(s.listeners) for s in wanted)
            self._publish(events.Ready(hosts=len(wanted), listeners=listeners))
        self._was_ready = is_ready
