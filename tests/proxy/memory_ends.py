"""Ends in memory: what a proxy session is joined to in tests without sockets."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import TYPE_CHECKING, Any, ClassVar, cast

from norouter_core.agent.ends import End, join
from norouter_core.proxy.http import HttpSession
from norouter_core.proxy.session import ProxySettings
from norouter_core.proxy.socks import SocksSession

if TYPE_CHECKING:
    from norouter_core.agent.ends import Observer

Outcome = tuple[str, str] | None
"""How a dial ends: code and reason, or None for success."""


class Clock:
    """An event loop for tasks without I/O, whose time is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[asyncio.TimerHandle] = []
        self._soon: deque[asyncio.Handle] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop = cast(asyncio.AbstractEventLoop, self)
        self._running = False

    # -- what asyncio calls ----------------------------------------------------------------

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self._loop, context)
        self._soon.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._timers = [timer for timer in self._timers if not timer.cancelled()]
        self._timers.append(asyncio.TimerHandle(when, callback, args, self._loop, context))
        return self._timers[-1]

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._loop)

    def create_task(self, work: Coroutine[Any, Any, Any], **_: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        raise context["exception"]

    # -- what tests call -------------------------------------------------------------------

    @property
    def set_timers(self) -> int:
        """How many timers could still ring."""
        return sum(not timer.cancelled() for timer in self._timers)

    def run(self) -> None:
        """Run until nothing is left to do at this time; nothing if that is under way."""
        if self._running:
            return
        with self.running():
            while self._soon:
                handle = self._soon.popleft()
                if not handle.cancelled():
                    handle._run()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Be the running loop during the block."""
        self._running = True
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)
            self._running = False

    def advance(self, seconds: float) -> None:
        """Move the time on, and do what is due, in order."""
        self.run()
        end = self.now + seconds
        while due := [t for t in self._timers if not t.cancelled() and t.when() <= end]:
            timer = min(due, key=lambda t: t.when())
            self._timers.remove(timer)
            self.now = max(self.now, timer.when())
            self._soon.append(timer)
            self.run()
        self.now = end

    def close(self) -> None:
        """Cancel what a test has left in the middle."""
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            self.run()


class MemoryEnd(End):
    """An end whose outside is the test: `bring` sends what comes from there, `sent` is what went
    there. It holds its peer to the rules of an end."""

    def __init__(self, run: Callable[[], None] = lambda: None) -> None:
        """`run` lets the session act on what has come from outside."""
        super().__init__()
        self._run = run
        self.sent = bytearray()
        self.waiting = bytearray()
        """Taken from the peer, and not gone while `blocked`."""
        self.blocked = False
        self.brought = 0
        self.unconsumed = 0
        self.most_unconsumed = 0
        self.accepted: list[tuple[str, int]] = []
        self.ended = False
        self.was_reset: Outcome = None
        self.wakes = 0

    # -- the outside -----------------------------------------------------------------------

    def bring(self, data: bytes, piece: int = 1 << 30) -> None:
        """`data` comes in, in pieces; the buffer is used again at once, as a socket's is."""
        for at in range(0, len(data), piece):
            if self.was_reset:
                return
            buffer = bytearray(data[at : at + piece])
            self.brought += len(buffer)
            self.bytes_in += len(buffer)
            self.unconsumed += len(buffer)
            self.most_unconsumed = max(self.most_unconsumed, self.unconsumed)
            self._peer().send(memoryview(buffer))
            buffer[:] = b"\xee" * len(buffer)
            self._run()

    def bring_end(self) -> None:
        if not self.was_reset:
            self._peer().end()
            self._run()

    def bring_reset(self, code: str = "reset", reason: str = "Connection reset by peer") -> None:
        if not self.was_reset:
            self.was_reset = (code, reason)
            if self.observer:
                self.observer.end_closed(self, code, reason)
            self._peer().reset(code, reason)
            self._run()

    def unblock(self) -> None:
        self.blocked = False
        gone = len(self.waiting)
        self.sent += self.waiting
        self.waiting.clear()
        if gone:
            self._peer().consumed(gone)
        self._peer().wake()
        self._run()

    def take(self) -> bytes:
        """What was sent since the last call."""
        data = bytes(self.sent)
        self.sent.clear()
        return data

    # -- the peer --------------------------------------------------------------------------

    def accept(self, peer: tuple[str, int]) -> None:
        self.accepted.append(peer)

    def send(self, data: memoryview) -> None:
        assert not self.ended, "sent after the end"
        if self.was_reset:
            return
        if self.blocked:
            self.waiting += data
            return
        self.sent += data
        self._peer().consumed(len(data))

    def end(self) -> None:
        assert not self.ended, "ended twice"
        self.ended = True

    def reset(self, code: str, reason: str) -> None:
        if not self.was_reset:
            self.was_reset = (code, reason)
            if self.observer:
                self.observer.end_closed(self, code, reason)

    def room(self) -> int:
        return 0 if self.waiting or self.was_reset else 1 << 16

    def wake(self) -> None:
        self.wakes += 1

    def consumed(self, size: int) -> None:
        assert 0 < size <= self.unconsumed, "more was consumed than came"
        self.unconsumed -= size

    def _peer(self) -> End:
        assert self.peer is not None
        return self.peer


class MemoryDialer:
    """Hands out ends; `outcome` is how dials end, at once, or when the test says so."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        self.dialled: list[tuple[str, int]] = []
        self.ends: list[MemoryEnd] = []
        self.outcome: Outcome = None
        self.at_once = True

    def dial(self, other: End, host: str, port: int, observer: Observer) -> End:
        end = MemoryEnd(self._run)
        end.observer = observer
        join(other, end)
        self.dialled.append((host, port))
        self.ends.append(end)
        if self.at_once:
            self.settle()
        return end

    def settle(self) -> None:
        """The last dial ends, as `outcome` says."""
        end = self.ends[-1]
        if self.outcome is not None:
            end.bring_reset(*self.outcome)
        elif end.observer is not None:
            end.observer.end_opened(end, ("192.0.2.1", 80))
            self._run()

    @property
    def last(self) -> MemoryEnd:
        return self.ends[-1]


class Closed:
    """An observer of sessions: how they ended."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        raise AssertionError("a session is not dialled")

    def end_half_closed(self, end: End) -> None:
        raise AssertionError("a session half-closes by its ends")

    def end_closed(self, end: End, code: str, reason: str) -> None:
        self.codes.append(code)


class Bench:
    """One session between a client and a dialer, all in memory."""

    made: ClassVar[list[Bench]] = []
    """Those that the fixture `benches` closes after the test."""

    def __init__(self, kind: str = "http", **settings: Any) -> None:
        self.clock = Clock()
        self.client = MemoryEnd(self.clock.run)
        self.dialer = MemoryDialer(self.clock.run)
        self.closed = Closed()
        self.logged: list[str] = []
        self.settings = ProxySettings(
            self.clock.create_task,
            log=self.logged.append,
            **settings,
        )
        make = HttpSession if kind == "http" else SocksSession
        with self.clock.running():
            self.session = make(self.dialer, self.settings).start(self.client, self.closed)
        self.clock.run()
        self.made.append(self)

    @property
    def upstream(self) -> MemoryEnd:
        return self.dialer.last

    def ask(self, data: bytes, piece: int = 1 << 30) -> bytes:
        """Brings `data` from the client; what it is answered."""
        self.client.bring(data, piece)
        return self.client.take()

    def reply(self, data: bytes, piece: int = 1 << 30) -> bytes:
        """Brings `data` from the upstream; what the client gets."""
        self.upstream.bring(data, piece)
        return self.client.take()

    def close(self) -> None:
        self.clock.close()
        self.check_sound()

    def check_sound(self) -> None:
        """Nothing went wrong inside."""
        assert not [line for line in self.logged if "internal error" in line], self.logged


def status(answer: bytes) -> int:
    """The status of an HTTP answer."""
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer[9:12])


def body(answer: bytes) -> str:
    """What an answer of the proxy's own says."""
    head, _, text = answer.partition(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
    assert int(length.split()[1]) == len(text)
    return text.decode()


def joined_chunks(data: bytes) -> tuple[bytes, bytes]:
    """Body and trailer section of a chunked message."""
    body = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        if not size:
            return body, data.removesuffix(b"\r\n\r\n")
        assert data[size : size + 2] == b"\r\n"
        body += data[:size]
        data = data[size + 2 :]
