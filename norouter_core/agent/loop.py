"""A small event loop with the few methods of asyncio's loops that this package uses.

`TcpEnd`, `Mux` and the rest run on the hub's asyncio loop and on this one, through `LoopLike`.
asyncio itself would cost an agent 10 MiB of memory and 60 ms at its start.
"""

from __future__ import annotations

import os
import selectors
import sys
import time
from collections import deque
from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class TimerLike(Protocol):
        def cancel(self) -> None: ...

    class LoopLike(Protocol):
        """What asyncio's loops and `Loop` have in common."""

        def time(self) -> float: ...
        def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any: ...
        def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> Any: ...
        def call_exception_handler(self, context: dict[str, Any]) -> None: ...
        def call_later(
            self, delay: float, callback: Callable[..., Any], *args: Any
        ) -> TimerLike: ...
        def add_reader(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None: ...
        def remove_reader(self, fd: Any) -> bool: ...
        def add_writer(self, fd: Any, callback: Callable[..., Any], *args: Any) -> None: ...
        def remove_writer(self, fd: Any) -> bool: ...


class Timer:
    """A callback that is due at `when`, by the loop's clock."""

    __slots__ = ("args", "callback", "when")

    def __init__(self, when: float, callback: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.when = when
        self.callback: Callable[..., Any] | None = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None

    def __lt__(self, other: Timer) -> bool:
        return self.when < other.when


class Loop:
    """Calls back when descriptors are ready and when timers are due, in one thread."""

    def __init__(self) -> None:
        self.time = time.monotonic
        self._selector = selectors.DefaultSelector()
        # fd -> [reader, writer]. Removal empties a slot, so that an event which the selector has
        # reported already calls nothing.
        self._slots: dict[int, list[tuple[Callable[..., Any], tuple[Any, ...]] | None]] = {}
        self._ready: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._timers: list[Timer] = []
        self._running = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self.add_reader(self._wake_read, self._drain_wake)

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> None:
        self._ready.append((callback, args))

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any) -> None:
        self._ready.append((callback, args))
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            pass  # a full pipe wakes the loop as well

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an error that a callback has survived."""
        import traceback  # large, and rarely needed

        error = context["exception"]
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        sys.stderr.write(f"norouter agent: internal error: {context['message']}\n{''.join(lines)}")

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Timer:
        timer = Timer(self.time() + delay, callback, args)
        heappush(self._timers, timer)
        return timer

    def add_reader(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        self._set(fd, 0, (callback, args))

    def remove_reader(self, fd: int) -> bool:
        return self._set(fd, 0, None)

    def add_writer(self, fd: int, callback: Callable[..., Any], *args: Any) -> None:
        self._set(fd, 1, (callback, args))

    def remove_writer(self, fd: int) -> bool:
        return self._set(fd, 1, None)

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        """Run until `stop`, or until a callback raises: an agent in an unknown state must end."""
        self._running = True
        while self._running:
            for key, mask in self._selector.select(self._select_timeout()):
                slots = key.data
                if mask & selectors.EVENT_READ and slots[0]:
                    callback, args = slots[0]
                    callback(*args)
                if mask & selectors.EVENT_WRITE and slots[1]:
                    callback, args = slots[1]
                    callback(*args)
            self._run_timers()
            for _ in range(len(self._ready)):
                callback, args = self._ready.popleft()
                callback(*args)

    def close(self) -> None:
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _set(
        self, fd: int, which: int, call: tuple[Callable[..., Any], tuple[Any, ...]] | None
    ) -> bool:
        slots = self._slots.get(fd)
        if slots is None:
            if call is None:
                return False
            slots = self._slots[fd] = [None, None]
        had = slots[which] is not None
        slots[which] = call
        if had == (call is not None):
            return had
        mask = selectors.EVENT_READ if slots[0] else 0
        mask |= selectors.EVENT_WRITE if slots[1] else 0
        if not mask:
            del self._slots[fd]
            self._selector.unregister(fd)
        elif slots[1 - which] is None:
            self._selector.register(fd, mask, slots)
        else:
            self._selector.modify(fd, mask, slots)
        return had

    def _select_timeout(self) -> float | None:
        if self._ready:
            return 0.0
        while self._timers and self._timers[0].callback is None:
            heappop(self._timers)
        if not self._timers:
            return None
        return max(0.0, self._timers[0].when - self.time())

    def _run_timers(self) -> None:
        now = self.time()
        while self._timers and self._timers[0].when <= now:
            timer = heappop(self._timers)
            if timer.callback is not None:
                timer.callback(*timer.args)

    def _drain_wake(self) -> None:
        os.read(self._wake_read, 4096)
