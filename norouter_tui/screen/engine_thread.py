"""The engine in a thread of its own, where drawing does not delay it; the way there and back."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

import anyio
from rich.text import Text

from norouter_core.commands.results import Bytes, Completion, Emit, Failure, Outcome, Output
from norouter_core.engine import Engine, Subscription
from norouter_core.engine.events import Event, Log
from norouter_core.session.autosave import Autosave
from norouter_core.session.client import INTERVAL, Preview, Snapshot
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.run.process import run_async
from norouter_tui.run.session_host import controlled
from norouter_tui.screen.backend import Screen, parsed
from norouter_tui.screen.messages import EngineEnded, EventsArrived, SnapshotArrived

T = TypeVar("T")

SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that draws gives way to the engine. Python's own 5 ms would be
waited for at each of the thousands of reads and writes a second that a transfer takes."""
MOST_EVENTS = 2000
MOST_OUTPUTS = 500
MOST_BYTES = 256 * 1024
"""Of a command, that wait for a screen that is slower than they come."""
OUTPUT_INTERVAL = 0.05
"""Seconds between two looks at them."""
_GONE = Failure("the mesh has been stopped", hint="end this screen and start it again")


class EngineThread:
    """Runs an engine and its session in a thread, from `start` to `leave`; a `Backend`.

    What comes back is bounded and newest only: a screen that stands still (an editor has the
    terminal, say) costs the engine nothing.
    """

    def __init__(
        self, document: Document, *, autosave: Autosave | None, interval: float = INTERVAL
    ) -> None:
        self._document = document
        self._interval = interval
        self._autosave = autosave
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._ready: Future[Session] = Future()
        self._screen: Screen
        self._screen_loop: asyncio.AbstractEventLoop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._leaving: anyio.Event | None = None
        self._asked = False
        self._waiting = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._missed = 0
        self._flushing = False
        self.fault: BaseException | None = None
        """What ended the thread, if that was a fault."""
        self.kept = False
        """Whether the session has left unsaved work for the next one."""

    # -- for the app, in its loop ----------------------------------------------------------

    def refresh_every(self, seconds: float) -> None:
        """How often snapshots come, from `start` on."""
        self._interval = seconds

    def start(self, screen: Screen) -> None:
        """Starts the thread; `screen` is told from now on, in the loop that runs here."""
        self._screen, self._screen_loop = screen, asyncio.get_running_loop()
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._thread.start()

    async def run(self, line: str, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """As `Client.run`; `emit` is called in the caller's loop."""
        outlet = _Outlet(asyncio.get_running_loop(), emit)

        async def work(session: Session) -> Outcome:
            calls, failure = parsed([line])
            if not calls:
                return Outcome(failure=failure)
            return await session.run(calls[0], outlet.put, confirmed=confirmed)

        outcome = await self._there(work, Outcome(failure=_GONE))
        outlet.flush()
        return outcome

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]:
        """As `Client.complete`."""
        nothing: Sequence[Completion] = ()
        return await self._there(lambda session: session.complete(line, cursor), nothing)

    async def foresee(self, lines: Sequence[str]) -> Preview:
        """As `Backend.foresee`."""

        async def look(session: Session) -> Preview:
            calls, failure = parsed(lines)
            seen = await session.preview(calls)
            if failure is not None and seen.failure is None:
                return Preview(failure=failure, at=len(calls))
            return seen

        return await self._there(look, Preview(failure=_GONE))

    async def change(self, lines: Sequence[str]) -> Outcome:
        """As `Backend.change`."""

        async def work(session: Session) -> Outcome:
            calls, failure = parsed(lines)
            return Outcome(failure=failure) if failure else await session.apply(calls)

        return await self._there(work, Outcome(failure=_GONE))

    async def hosts_to_add(self) -> Sequence[tuple[str, str]]:
        """As `Backend.hosts_to_add`."""
        nothing: Sequence[tuple[str, str]] = ()
        return await self._there(lambda session: session.find_hosts(), nothing)

    async def _there(self, work: Callable[[Session], Coroutine[Any, Any, T]], otherwise: T) -> T:
        """What `work` gives in the engine's loop; `otherwise` where that has ended."""
        try:
            session = await asyncio.shield(asyncio.wrap_future(self._ready))
            assert self._loop is not None
            future = asyncio.run_coroutine_threadsafe(work(session), self._loop)
        except (RuntimeError, CancelledError):
            return otherwise
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return otherwise

    def leave(self) -> None:
        """Asks for the orderly stop; `Ended` is posted when that is done."""
        self._asked = True
        self._call(self._leave)

    def kill_now(self) -> None:
        """Ends the exec commands at once, instead of waiting for the orderly stop."""
        if self._engine is not None:
            self._call(self._engine.kill_now)

    def join(self, timeout: float) -> bool:
        """Waits for the end of the thread; whether it came within `patience` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _call(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            # The loop may end between the two.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(function)

    def _leave(self) -> None:
        if self._leaving is not None:
            self._leaving.set()

    # -- in the thread ---------------------------------------------------------------------

    def _work(self) -> None:
        try:
            run_async(self._main, uvloop=True)
        except BaseException as error:
            self.fault = error
        self._loop = None
        if not self._ready.done():
            self._ready.cancel()
        self._post(self._tell_end)

    async def _main(self) -> None:
        self._loop, self._leaving = asyncio.get_running_loop(), anyio.Event()
        if self._asked:
            return
        async with Engine() as engine, anyio.create_task_group() as tasks:
            self._engine = engine
            # Before the session has the mesh made: the first events are told as well.
            tasks.start_soon(self._follow_events, engine.subscribe(streams=False))
            async with Session(engine, self._document, autosave=self._autosave) as session:
                tasks.start_soon(self._follow_snapshots, session)
                async with controlled(session, self._leave, self._say):
                    self._ready.set_result(session)
                    try:
                        await self._leaving.wait()
                    finally:
                        keeps = self._autosave is not None and session.keeps_work
                        self.kept = keeps and session.unsaved
            tasks.cancel_scope.cancel()

    async def _follow_snapshots(self, session: Session) -> None:
        async for snapshot in session.snapshots(self._interval):
            with self._waiting:
                self._snapshot = snapshot
            self._wake()

    async def _follow_events(self, events: Subscription) -> None:
        with events:
            async for event in events:
                with self._waiting:
                    self._missed += len(self._events) == MOST_EVENTS
                    self._events.append(event)
                self._wake()

    def _say(self, line: Text) -> None:
        """A line about the session itself, for the log."""
        with self._waiting:
            self._events.append(Log(level="warning", host="", text=line.plain))
        self._wake()

    def _wake(self) -> None:
        with self._waiting:
            if self._flushing:
                return
            self._flushing = True
        self._post(self._flush)

    def _post(self, function: Callable[[], None]) -> None:
        # The app may have gone, and its loop with it.
        with contextlib.suppress(RuntimeError):
            self._screen_loop.call_soon_threadsafe(function)

    # -- back in the app's loop ------------------------------------------------------------

    def _flush(self) -> None:
        with self._waiting:
            snapshot, events, missed = self._snapshot, list(self._events), self._missed
            self._snapshot, self._missed, self._flushing = None, 0, False
            self._events.clear()
        if events:
            self._screen.post_message(EventsArrived(events, missed))
        if snapshot is not None:
            self._screen.post_message(SnapshotArrived(snapshot))

    def _tell_end(self) -> None:
        self._flush()
        self._screen.post_message(EngineEnded(self.fault))


class _Outlet:
    """The outputs of one command, from the engine's thread to a loop, a few times a second.

    What waits is bounded: of bytes the last `MOST_BYTES` of each source, of all else the last
    `MOST_OUTPUTS`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, emit: Emit) -> None:
        self._loop = loop
        self._emit = emit
        self._lock = threading.Lock()
        self._waiting: deque[Output] = deque(maxlen=MOST_OUTPUTS)
        self._bytes: dict[str, _Piece] = {}
        self._flushing = False

    def put(self, output: Output) -> None:
        """Takes an output, in the engine's thread."""
        with self._lock:
            if isinstance(output, Bytes):
                self._bytes.setdefault(output.source, _Piece()).add(output.data)
            else:
                self._waiting.append(output)
            if self._flushing:
                return
            self._flushing = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.call_later, OUTPUT_INTERVAL, self.flush)

    def flush(self) -> None:
        """Hands on what waits, in the loop."""
        with self._lock:
            waiting: list[Output] = list(self._waiting)
            for source, piece in self._bytes.items():
                waiting.append(Bytes(source, bytes(piece.data), piece.skipped))
            self._waiting.clear()
            self._bytes.clear()
            self._flushing = False
        for output in waiting:
            self._emit(output)


class _Piece:
    """The last bytes of a source, and how many are lost before them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.skipped = 0

    def add(self, data: bytes) -> None:
        self.data += data[-MOST_BYTES:]
        self.skipped += max(0, len(data) - MOST_BYTES)
        if len(self.data) > MOST_BYTES:
            self.skipped += len(self.data) - MOST_BYTES
            del self.data[:-MOST_BYTES]
