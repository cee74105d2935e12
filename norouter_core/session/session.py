"""A mesh that is being built: the engine that runs it, its history, its file, its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakSet

import anyio

from norouter_core.commands.call import Call
from norouter_core.commands.edits import EDITS, Edit
from norouter_core.commands.edits.base import failure_of
from norouter_core.commands.results import Completion, Emit, Failure, Outcome, Question
from norouter_core.engine import Engine, MeshFailed, Subscription
from norouter_core.engine.events import Event, Log
from norouter_core.engine.status import HostState
from norouter_core.exec_commands.discovery import Discovery
from norouter_core.manifest.problems import ValidationError
from norouter_core.model import MeshSpec
from norouter_core.session.autosave import Autosave, AutosaveFailed
from norouter_core.session.client import INTERVAL, DocumentState, Preview, Snapshot, Summary
from norouter_core.session.completion import complete
from norouter_core.session.document import Document
from norouter_core.session.handlers import HANDLERS
from norouter_core.session.handlers.base import Request, difference, failed
from norouter_core.session.history import History, step_name
from norouter_core.session.snapshots import LatestSnapshot, Sampler

LOG_LINES = 2000
"""How many of the last lines of the log are kept."""

_SETTLING = 0.5
"""Seconds that the beginning of a session waits for this machine at most."""

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Session:
    """Runs commands on an engine; implements `norouter_core.session.client.Client`.

    An async context manager, within that of its engine. What changes the mesh runs one after the
    other, and to its end once it has begun; what only looks runs at once.

    Args:
        engine: runs already, and is changed by nobody else.
        document: the file, or what is to become one: see `norouter_core.commands.edits.new_mesh`.
        autosave: where unsaved work is kept; None keeps none.
    """

    def __init__(
        self, engine: Engine, document: Document, *, autosave: Autosave | None = None
    ) -> None:
        self.engine = engine
        self.document = document
        self.autosave = autosave
        self.history = History(document.spec)
        self.log: deque[Log] = deque(maxlen=LOG_LINES)
        self.discovery = Discovery()
        self.latest = LatestSnapshot(engine, self.document_state)
        self.keeps_work = True
        """Whether the end of the session leaves the unsaved work for `recover`."""
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
        self._tasks.start_soon(self._keep_log, self.subscribe(streams=False))
        self._tasks.start_soon(self.latest.run)
        try:
            await self.engine.apply(self.spec)
            await self._settle()
        except BaseException:
            await self._end()
            raise
        return self

    async def _settle(self) -> None:
        """Waits a moment for this machine, which needs no link: the first command finds it up."""
        here = [host.name for host in self.spec.hosts if host.cmd is None]
        with contextlib.suppress(TimeoutError, MeshFailed):
            async with asyncio.timeout(_SETTLING):
                await self.engine.wait_ready(here)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):
            # What has begun is made whole, and what has been made is kept.
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
            # It never began.
            work.close()
            done.cancel()
        for subscription in list(self._subscriptions):
            subscription.close()

    @property
    def spec(self) -> MeshSpec:
        """What holds now."""
        return self.history.spec

    # -- as a client -----------------------------------------------------------------------

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """Run a command. A change that has begun is completed, even if this is cancelled."""
        if self._ended.is_set():
            return failed("the session has ended")
        try:
            return await HANDLERS[call.verb.name](self, Request(call, emit, confirmed))
        except Exception as error:
            # A bug costs this command, not the session or what runs in it.
            _log.exception("a command failed: %s", step_name([call]))
            hint = "please report this, with the log"
            return Outcome(failure=Failure(f"internal error: {error!r}", hint=hint))

    async def preview(self, calls: Sequence[Call]) -> Preview:
        return preview(self.spec, calls, self.engine.cuts)

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        for call in calls:
            if call.verb.name not in EDITS:
                return Outcome(failure=_no_edit(call))
        if not calls:
            return Outcome()
        return await self.change(
            step_name(calls), lambda spec: apply_calls(spec, calls), confirmed=True
        )

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        return await complete(self, text, cursor)

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        return await self.discovery.hosts()

    async def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        sampler = Sampler(self.engine, self.document_state)
        while not self._ended.is_set():
            yield sampler.sample()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._ended.wait()

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
            path=self.document.path,
            unsaved=self.unsaved,
            undo=self.history.undo_name,
            redo=self.history.redo_name,
        )

    def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        return self._told(self.subscribe(streams=streams))

    async def _told(self, subscription: Subscription) -> AsyncIterator[Event]:
        try:
            async for event in subscription:
                yield event
        finally:
            self.unsubscribe(subscription)

    def subscribe(self, *, streams: bool = False) -> Subscription:
        """The engine's events from now on; ends with the session too."""
        subscription = self.engine.subscribe(streams=streams)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        subscription.close()

    # -- for the handlers ------------------------------------------------------------------

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
        ask: Callable[[], Question | None] | None = None,
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
        ask: Callable[[], Question | None] | None,
    ) -> Outcome:
        if ask is not None and not confirmed and (asked := ask()) is not None:
            return Outcome(question=asked)
        try:
            made = edit(self.spec)
        except ValidationError as error:
            return Outcome(failure=failure_of(error))
        question = None if confirmed else self._question(made.spec)
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
        question = None if confirmed else self._question(after, before)
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
        said = "; ".join(step.name for step in steps)
        message = await self.save_work(f"{'undone' if back else 'redone'}: {said}")
        return Outcome(message=message, changed=True)

    def _question(self, after: MeshSpec, before: MeshSpec | None = None) -> Question | None:
        """Return what to ask before `after` is applied; None if it cuts no stream."""
        cuts = self.engine.cuts(after)
        if not cuts:
            return None
        many = f"{len(cuts)} streams" if len(cuts) > 1 else "1 stream"
        diff = difference(self.document, before or self.spec, after)
        return Question(f"this cuts {many}: continue?", diff, cuts)

    async def run_exclusively(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs what changes the session: after what else does, and to its end, whatever becomes
        of who asked for it."""
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
        self._tasks.start_soon(run)
        return await asyncio.shield(done)

    async def save_work(self, message: str) -> str:
        """Keeps the unsaved work; `message`, and a warning where that is not possible any more."""
        before, self._warning = self._warning, await self.keep_work()
        return f"{message}; {self._warning}" if self._warning not in ("", before) else message

    async def keep_work(self) -> str:
        """Keeps what is unsaved, where no crash can lose it; a warning if that is not possible."""
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
        async for event in subscription:
            if isinstance(event, Log):
                self.log.append(event)


def preview(
    spec: MeshSpec, calls: Sequence[Call], cuts: Callable[[MeshSpec], tuple[int, ...]]
) -> Preview:
    """Return what calls would make of a spec.

    Args:
        cuts: Returns the streams that end when a spec is applied.
    """
    made = Edit(spec, "")
    messages: list[str] = []
    data: dict[str, Any] = {}
    for at, call in enumerate(calls):
        if call.verb.name not in EDITS:
            return Preview(failure=_no_edit(call), at=at)
        try:
            made = EDITS[call.verb.name](made.spec, call)
        except ValidationError as error:
            return Preview(failure=failure_of(error), at=at)
        messages.append(made.message)
        data |= made.data
    return Preview(tuple(messages), cuts(made.spec), made.spec != spec, data)


def apply_calls(spec: MeshSpec, calls: Sequence[Call]) -> Edit:
    """Return what calls, one after the other, make of a spec, as one edit.

    Raises:
        ValidationError: One of them is not possible.
    """
    edits: list[Edit] = []
    for call in calls:
        edits.append(EDITS[call.verb.name](edits[-1].spec if edits else spec, call))
    hosts = dict.fromkeys(host for edit in edits for host in edit.hosts)
    data = {key: value for edit in edits for key, value in edit.data.items()}
    return Edit(edits[-1].spec, "; ".join(edit.message for edit in edits), tuple(hosts), data)


def _no_edit(call: Call) -> Failure:
    return Failure(f"`{call.verb.name}` does not change the mesh")
