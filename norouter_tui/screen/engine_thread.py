"""The screen's own mesh: a session in a thread of its own, where drawing does not delay it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import anyio
import anyio.abc
from rich.text import Text

from norouter_core.commands.call import Call
from norouter_core.commands.results import Bytes, Completion, Emit, Failure, Outcome, Output
from norouter_core.engine.engine import Engine
from norouter_core.engine.events import Event, Log, Stopped
from norouter_core.mailbox import Mailbox
from norouter_core.prompts.prompt import Prompt
from norouter_core.session.autosave import Autosave
from norouter_core.session.client import INTERVAL, DocumentState, Preview, Rate, Snapshot, Summary
from norouter_core.session.document import Document
from norouter_core.session.session import Session
from norouter_tui.run.process import run_async
from norouter_tui.run.session_host import SessionHost
from norouter_tui.screen.lifecycle import Post
from norouter_tui.screen.messages import MeshEnded

T = TypeVar("T")

SWITCH_INTERVAL = 0.0005
"""Seconds until a thread that draws gives way to the engine. A transfer would wait for Python's
default of 5 ms at each of thousands of reads and writes a second."""
MAX_EVENTS = 2000
MAX_OUTPUTS = 500
MAX_BYTES = 256 * 1024
"""Limits for what waits for a slow screen; `MAX_OUTPUTS` and `MAX_BYTES` are for each command."""
OUTPUT_INTERVAL = 0.05
"""Seconds between deliveries of a command's output."""
_ENDED = Failure("the mesh has ended", hint="quit, and start norouter-tui again")


class EngineThread:
    """A `Client` and the `Lifecycle` of a session that it runs in a thread.

    The methods are for the event loop that calls `start`. What waits for that loop is bounded, so
    a screen that stands still (while an editor has the terminal, for example) costs nothing.
    """

    attached_to = ""

    def __init__(self, document: Document, *, autosave: Autosave | None) -> None:
        self._ready: Future[Session] = Future()
        front_end = _ScreenFrontEnd(self._ready)
        self._host = SessionHost(
            document, front_end, self._log, autosave=autosave, observe=self._observe
        )
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._lock = threading.Lock()
        self._is_leaving = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: _Channel[Event]
        self._app_loop: asyncio.AbstractEventLoop
        self._post: Post
        self.error: BaseException | None = None
        """What ended the thread, if that was a bug."""

    @property
    def has_kept_work(self) -> bool:
        """Return whether the session has left unsaved work for `recover`."""
        return self._host.has_kept_work

    @property
    def manifest(self) -> str:
        """Return the path of the session's manifest when it ended; empty for none."""
        return self._host.manifest

    # -- as a life cycle -------------------------------------------------------------------

    def start(self, post: Post) -> None:
        self._post, self._app_loop = post, asyncio.get_running_loop()
        self._events = _Channel(MAX_EVENTS)
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._thread.start()

    def leave(self) -> None:
        with self._lock:
            self._is_leaving = True
        self._call_soon(self._host.stop)

    def kill_now(self) -> None:
        self._call_soon(self._host.kill_commands)

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread; return whether it came within `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- as a client -----------------------------------------------------------------------

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """As `Client.run`. `emit` is called in the caller's event loop."""
        outputs = _Outputs(asyncio.get_running_loop(), emit)

        async def work(session: Session) -> Outcome:
            return await session.run(call, outputs.put, confirmed=confirmed)

        outcome = await self._in_thread(work, Outcome(failure=_ENDED))
        outputs.deliver()
        return outcome

    async def preview(self, calls: Sequence[Call]) -> Preview:
        return await self._in_thread(lambda s: s.preview(calls), Preview(failure=_ENDED))

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        return await self._in_thread(lambda s: s.apply(calls), Outcome(failure=_ENDED))

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        nothing: Sequence[Completion] = ()
        return await self._in_thread(lambda s: s.complete(text, cursor), nothing)

    async def summary(self) -> Summary:
        nothing = Summary(DocumentState(), 0, 0, 0, 0, Rate())
        return await self._in_thread(lambda s: s.summary(), nothing)

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        nothing: Sequence[tuple[str, str]] = ()
        return await self._in_thread(lambda s: s.find_hosts(), nothing)

    def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        """As `Client.snapshots`; a slow reader gets the latest."""
        return self._follow(lambda session: session.snapshots(interval))

    def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        """As `Client.questions`; a slow reader gets the latest."""
        return self._follow(lambda session: session.questions())

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        return await self._in_thread(lambda s: s.answer(number, text, remember=remember), False)

    async def _follow(self, values: Callable[[Session], AsyncIterator[T]]) -> AsyncIterator[T]:
        """Yield the latest of the values that a session yields in the engine's loop."""
        latest: _Channel[T] = _Channel(1)

        async def follow(session: Session) -> None:
            async for value in values(session):
                latest.put(value)

        async def follow_to_end() -> None:
            try:
                await self._in_thread(follow, None)
            finally:
                latest.close()

        following = asyncio.create_task(follow_to_end())
        try:
            async for value in latest.mailbox:
                yield value
        finally:
            following.cancel()

    async def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        """As `Client.events`, but from the start of the mesh, without streams, for one reader."""
        mailbox, missed = self._events.mailbox, 0
        async for event in mailbox:
            if mailbox.dropped > missed:
                text = f"{mailbox.dropped - missed} events came too fast to be shown"
                missed = mailbox.dropped
                yield Log(level="warning", host="", text=text)
            yield event

    async def _in_thread(self, work: Callable[[Session], Coroutine[Any, Any, T]], if_ended: T) -> T:
        """Return what `work` returns in the engine's loop, or `if_ended` if that has ended."""
        try:
            session = await asyncio.shield(asyncio.wrap_future(self._ready))
            coroutine = work(session)
            try:
                assert self._loop is not None
                future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            except (AssertionError, RuntimeError):
                coroutine.close()
                return if_ended
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # That of the engine's thread, as long as nobody has cancelled this task.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return if_ended

    def _call_soon(self, function: Callable[[], None]) -> None:
        with self._lock:
            loop = self._loop
        if loop is not None:
            # The loop may end in between.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(function)

    # -- in the thread ---------------------------------------------------------------------

    def _work(self) -> None:
        try:
            run_async(self._main, uvloop=True)
        except BaseException as error:
            self.error = error
        with self._lock:
            self._loop = None
        if not self._ready.done():
            self._ready.cancel()
        self._events.close()
        # The app may have gone, and its loop with it.
        with contextlib.suppress(RuntimeError):
            self._app_loop.call_soon_threadsafe(self._report_end)

    async def _main(self) -> int:
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._is_leaving:
                self._host.stop()
        return await self._host.run()

    async def _observe(
        self,
        engine: Engine,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        with engine.subscribe(streams=False) as events:
            task_status.started()
            async for event in events:
                self._events.put(event)
                if isinstance(event, Stopped):
                    break

    def _log(self, line: Text) -> None:
        self._events.put(Log(level="warning", host="", text=line.plain))

    def _report_end(self) -> None:
        self._post(MeshEnded(self.error))


class _ScreenFrontEnd:
    """The front end of the session, as its host sees it: the app works through the client."""

    keeps_work = True
    asks = True
    signals: tuple[signal.Signals, ...] = ()

    def __init__(self, ready: Future[Session]) -> None:
        self._ready = ready

    def on_signal(self, number: signal.Signals) -> int | None:
        return None

    async def run(self, session: Session) -> int:
        self._ready.set_result(session)
        await anyio.sleep_forever()
        raise AssertionError("not reached")


class _Channel(Generic[T]):
    """A mailbox in the event loop that creates it, filled from another thread.

    Values that come together wake the loop once.
    """

    def __init__(self, size: int) -> None:
        self.mailbox: Mailbox[T] = Mailbox(size)
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[T] = deque(maxlen=size)
        self._dropped = 0
        self._is_closed = False
        self._is_waking = False

    def put(self, value: T) -> None:
        with self._lock:
            self._dropped += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(value)
            is_waking, self._is_waking = self._is_waking, True
        if not is_waking:
            self._wake()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        # The app may have gone, and its loop with it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            values = list(self._waiting)
            self._waiting.clear()
            self._is_waking = False
            self.mailbox.dropped += self._dropped
            self._dropped = 0
        for value in values:
            self.mailbox.put(value)
        if self._is_closed:
            self.mailbox.close()


class _Outputs:
    """The outputs of one command, delivered from the engine's thread a few times a second.

    What waits is bounded: the last `MAX_BYTES` of each source of bytes, and the last `MAX_OUTPUTS`
    of everything else.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, emit: Emit) -> None:
        self._loop = loop
        self._emit = emit
        self._lock = threading.Lock()
        self._waiting: deque[Output] = deque(maxlen=MAX_OUTPUTS)
        self._bytes: dict[str, _Tail] = {}
        self._is_delivering = False

    def put(self, output: Output) -> None:
        """Take an output, in the engine's thread."""
        with self._lock:
            if isinstance(output, Bytes):
                self._bytes.setdefault(output.source, _Tail()).add(output)
            else:
                self._waiting.append(output)
            if self._is_delivering:
                return
            self._is_delivering = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.call_later, OUTPUT_INTERVAL, self.deliver)

    def deliver(self) -> None:
        """Emit what waits, in the app's loop."""
        with self._lock:
            waiting: list[Output] = list(self._waiting)
            for source, tail in self._bytes.items():
                waiting.append(Bytes(source, bytes(tail.data), tail.skipped))
            self._waiting.clear()
            self._bytes.clear()
            self._is_delivering = False
        for output in waiting:
            self._emit(output)


class _Tail:
    """The last bytes of a source, and how many were lost before them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.skipped = 0

    def add(self, output: Bytes) -> None:
        if output.skipped:
            self.skipped += len(self.data) + output.skipped
            self.data.clear()
        self.data += output.data[-MAX_BYTES:]
        self.skipped += max(0, len(output.data) - MAX_BYTES)
        if len(self.data) > MAX_BYTES:
            self.skipped += len(self.data) - MAX_BYTES
            del self.data[:-MAX_BYTES]
