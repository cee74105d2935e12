"""A mesh that is being built: the engine that runs it, its history, its file and its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakSet

import anyio

from norouter_core.commands.call import Call
from norouter_core.commands.edits import Edit
from norouter_core.commands.edits.base import failure_of
from norouter_core.commands.results import Outcome, Question, failed
from norouter_core.engine.bus import EventTypes, Subscription
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Event, HostChanged, Log
from norouter_core.engine.readiness import MeshFailed, PortsFailed
from norouter_core.engine.status import HostState
from norouter_core.exec_commands.discovery import Discovery
from norouter_core.manifest.problems import ValidationError
from norouter_core.model import MeshSpec
from norouter_core.session.autosave import Autosave, AutosaveFailed
from norouter_core.session.client import DocumentState, Summary
from norouter_core.session.document import Document
from norouter_core.session.history import History
from norouter_core.session.snapshots import LatestSnapshot

LOG_LINES = 2000
"""How many lines of the log are kept."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionTiming:
    """How long a session waits, in seconds.

    `settle` is for this machine at the start, `wait` for hosts unless `--timeout` is given.
    `port_grace` is for ports: they are retried for ever, so a wait ends if nothing else is missing.
    """

    settle: float = 0.5
    wait: float = 60.0
    port_grace: float = 3.0
    ping_interval: float = 1.0


class Workspace:
    """The state of a session, and the ways to change it.

    An async context manager, inside that of its engine. Changes run one after the other, and to
    their end once they have begun.

    Args:
        engine: A running engine that nobody else changes.
        document: The file, or what is to become one: see `norouter_core.commands.edits.new_mesh`.
        autosave: Keeps unsaved work; with None, nothing is kept.
        find_in_use: Returns the addresses of this machine that others use.
    """

    def __init__(
        self,
        engine: Engine,
        document: Document,
        *,
        autosave: Autosave | None = None,
        timing: SessionTiming | None = None,
        find_in_use: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self.engine = engine
        self.document = document
        self.autosave = autosave
        self.timing = timing or SessionTiming()
        self.history = History(document.spec)
        self.log: deque[Log] = deque(maxlen=LOG_LINES)
        self._find_in_use = find_in_use
        self.discovery = Discovery()
        self.latest = LatestSnapshot(engine, self.document_state)
        self.keeps_work = True
        """Whether the session leaves its unsaved work to `recover` when it ends."""
        self._changing = asyncio.Lock()
        self._pending: dict[asyncio.Future[Any], Coroutine[Any, Any, Any]] = {}
        self._ended = asyncio.Event()
        self._warning = ""
        """Why unsaved work could not be kept after the last change."""
        self._tasks: anyio.abc.TaskGroup
        self._subscriptions: WeakSet[Subscription] = WeakSet()

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._keep_log, self.subscribe(only=(Log, HostChanged)))
        self._tasks.start_soon(self.latest.run)
        try:
            await self.engine.apply(self.spec)
            await self._settle()
        except BaseException:
            await self._end()
            raise
        return self

    async def _settle(self) -> None:
        """Wait a moment for this machine, so that the first command finds it ready."""
        here = [host.name for host in self.spec.hosts if host.cmd is None]
        with contextlib.suppress(TimeoutError, MeshFailed, PortsFailed):
            async with asyncio.timeout(self.timing.settle):
                await self.engine.wait_ready(here)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            # A change that has begun is completed, and its work kept.
            async with self._changing:
                if self.autosave is not None and not self.keeps_work:
                    self.autosave.clear()
            await self.discovery.close()
        await self._end()

    async def _end(self) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        self._ended.set()
        for done, work in self._pending.items():
            work.close()
            done.cancel()
        for subscription in list(self._subscriptions):
            subscription.close()

    @property
    def spec(self) -> MeshSpec:
        """The current mesh."""
        return self.history.spec

    # -- its state ------------------------------------------------------------------------

    async def summary(self) -> Summary:
        now = self.latest.get()
        status = self.engine.status()
        states = [host.state for host in status.hosts]
        return Summary(
            document=self.document_state(),
            hosts=len(states),
            ready=states.count(HostState.READY),
            failed=states.count(HostState.FAILED),
            streams=len(status.streams),
            rate=now.total,
        )

    def document_state(self) -> DocumentState:
        return DocumentState(
            # Absolute, since a client may run in another directory.
            path=os.path.abspath(path) if (path := self.document.path) else "",
            unsaved=self.unsaved,
            undo=self.history.undo_name,
            redo=self.history.redo_name,
        )

    def subscribe(self, *, streams: bool = False, only: EventTypes = Event) -> Subscription:
        """Return the engine's events from now on; they end with the session as well.

        Args:
            streams: include those of single streams.
            only: leave out events of other classes.
        """
        subscription = self.engine.subscribe(streams=streams, only=only)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        subscription.close()

    async def addresses_in_use(self, *calls: Call) -> Collection[str]:
        """Return the addresses of this machine that are in use, if one of the calls needs them."""
        if any(call.verb.name in ("host add", "load") and "vip" not in call for call in calls):
            return await asyncio.to_thread(self._find_in_use)
        return ()

    # -- changes ---------------------------------------------------------------------------

    @property
    def unsaved(self) -> bool:
        return self.document.unsaved(self.spec)

    async def change(
        self,
        name: str,
        edit: Callable[[MeshSpec], Edit],
        *,
        confirmed: bool,
        then: Callable[[], None] | None = None,
        ask: Callable[[], Awaitable[Question | None]] | None = None,
    ) -> Outcome:
        """Apply an edit of the spec, if it is possible and the user agreed to what it cuts.

        Args:
            name: What the history calls it.
            then: Called once it is applied, before anything else can change.
            ask: What else to ask about, in the state that the edit would change.
        """
        return await self.run_exclusively(self._change(name, edit, confirmed, then, ask))

    async def _change(
        self,
        name: str,
        edit: Callable[[MeshSpec], Edit],
        confirmed: bool,
        then: Callable[[], None] | None,
        ask: Callable[[], Awaitable[Question | None]] | None,
    ) -> Outcome:
        if ask is not None and not confirmed and (asked := await ask()) is not None:
            return Outcome(question=asked)
        try:
            made = edit(self.spec)
        except ValidationError as error:
            return Outcome(failure=failure_of(error))
        question = None if confirmed else await self._question(made.spec)
        if question is not None:
            return Outcome(question=question)
        changed = made.spec != self.spec
        await self.engine.apply(made.spec)
        self.history.push(name, made.spec)
        if then is not None:
            then()
        message = made.message if changed or then is not None else "nothing to change"
        return Outcome(
            message=await self.save_work(message),
            changed=changed,
            data={**made.data, "hosts": list(made.hosts)} if made.hosts else made.data,
        )

    async def step(self, times: int, *, back: bool, confirmed: bool) -> Outcome:
        """Undo the last changes, or redo what was undone."""
        return await self.run_exclusively(self._step(times, back, confirmed))

    async def _step(self, times: int, back: bool, confirmed: bool) -> Outcome:
        move, other = self.history.undo, self.history.redo
        if not back:
            move, other = other, move
        before = self.spec
        steps = [step for step in (move() for _ in range(min(times, 10_000))) if step is not None]
        if not steps:
            return failed("nothing to undo" if back else "nothing to redo")
        after = self.spec
        question = None if confirmed else await self._question(after, before)
        if question is not None:
            for _ in steps:
                other()
            return Outcome(question=question)
        try:
            await self.engine.apply(after)
        except BaseException:
            for _ in steps:
                other()
            raise
        names = "; ".join(steps)
        message = await self.save_work(f"{'undone' if back else 'redone'}: {names}")
        return Outcome(message=message, changed=True)

    async def _question(self, after: MeshSpec, before: MeshSpec | None = None) -> Question | None:
        """Return what to ask before `after` is applied; None if it cuts no stream."""
        cuts = self.engine.cuts(after)
        if not cuts:
            return None
        many = f"{len(cuts)} streams" if len(cuts) > 1 else "1 stream"
        diff = await asyncio.to_thread(self.document.diff_between, before or self.spec, after)
        return Question(f"this cuts {many}: continue?", diff, cuts)

    async def run_exclusively(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a change after those before it, and to its end, even if the caller is cancelled."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def run() -> None:
            try:
                async with self._changing:
                    result = await work
            except Exception as error:
                if not done.done():
                    done.set_exception(error)
            except BaseException:
                done.cancel()
                raise
            else:
                if not done.done():
                    done.set_result(result)
            finally:
                work.close()
                del self._pending[done]

        self._pending[done] = work
        try:
            self._tasks.start_soon(run)
        except RuntimeError:
            # The session has just ended.
            work.close()
            del self._pending[done]
            raise
        return await asyncio.shield(done)

    async def save_work(self, message: str) -> str:
        """Keep the unsaved work. Return `message`, with a warning if that just stopped working."""
        before, self._warning = self._warning, await self.keep_work()
        return f"{message}; {self._warning}" if self._warning not in ("", before) else message

    async def keep_work(self) -> str:
        """Keep the unsaved work where no crash can lose it. Return a warning if that fails."""
        if self.autosave is None:
            return ""
        try:
            if self.unsaved:
                state = (self.spec, self.document.path, self.history.names)
                await asyncio.to_thread(self.autosave.keep, *state)
            else:
                self.autosave.clear()
        except AutosaveFailed as failed:
            return str(failed)
        return ""

    async def _keep_log(self, subscription: Subscription) -> None:
        lines = LogLines()
        async for event in subscription:
            if (line := lines.read(event)) is not None:
                self.log.append(line)


_LEVELS = {
    HostState.READY: "info",
    HostState.STOPPED: "info",
    HostState.LOST: "warning",
    HostState.BACKING_OFF: "warning",
    HostState.FAILED: "error",
}
"""The states of hosts that the log has, and their levels."""


class LogLines:
    """Turns events into the lines of the log.

    They include the changes of state of hosts, except of this machine, which never changes.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def read(self, event: Event) -> Log | None:
        """Return the line for an event, None if there is none."""
        if isinstance(event, Log):
            return event
        if not isinstance(event, HostChanged) or event.host.state not in _LEVELS:
            return None
        host = event.host
        if not host.command:
            return None
        if self._since.get(host.name) == host.since:
            return None
        self._since[host.name] = host.since
        reason = "" if host.problem is None else f": {host.problem.message}"
        text = host.state.value + ("" if host.state is HostState.READY else reason)
        return Log(at=event.at, level=_LEVELS[host.state], host=host.name, text=text)
