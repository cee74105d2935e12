"""Distributes the engine's events to any number of readers; none can slow it down."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from types import TracebackType
from typing import Self

from norouter_core.engine.events import (
    Event,
    HostChanged,
    HostRemoved,
    ListenerChanged,
    ListenerRemoved,
    Ready,
    StreamClosed,
    StreamOpened,
)

_MAX_BURST = 0.01
"""Seconds for which a reader gets events before the rest of the loop runs."""


class EventQueue:
    """The events that wait for one reader, in order.

    If more than `limit` wait, it omits those that a later one makes obsolete: earlier states of a
    host, a listener or the mesh. So even a slow reader gets every final state, and thousands of
    listeners may change at once. Of all other events it keeps the last `limit`; `dropped` counts
    the rest.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._recent: deque[Event] = deque()
        self._by_subject: OrderedDict[Hashable, Event] = OrderedDict()
        """The older events, by subject."""
        self._unkeyed = 0
        """The number of events without a subject, in both."""
        self._unkeyed_older: deque[Hashable] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._recent) + len(self._by_subject)

    def put(self, event: Event) -> None:
        self._recent.append(event)
        self._unkeyed += _subject(event) is None
        if len(self._recent) > self._limit:
            self._move_to_older(self._recent.popleft())

    def _move_to_older(self, event: Event) -> None:
        subject = _subject(event)
        if subject is None:
            subject = object()
            self._unkeyed_older.append(subject)
        self._by_subject[subject] = event
        self._by_subject.move_to_end(subject)
        if self._unkeyed > self._limit and self._unkeyed_older:
            del self._by_subject[self._unkeyed_older.popleft()]
            self._unkeyed -= 1
            self.dropped += 1

    def take(self) -> Event:
        """Remove and return the next event; there must be one."""
        older = bool(self._by_subject)
        event = self._by_subject.popitem(last=False)[1] if older else self._recent.popleft()
        if _subject(event) is None:
            self._unkeyed -= 1
            if older:
                self._unkeyed_older.popleft()
        return event

    def take_all(self) -> Iterator[Event]:
        while self:
            yield self.take()


def _subject(event: Event) -> Hashable | None:
    """Return what an event is the state of; a later event of the same subject replaces it."""
    match event:
        case ListenerChanged(listener=listener):
            return listener.on_host, listener.listen
        case ListenerRemoved(on_host=on_host, listen=listen):
            return on_host, listen
        case HostChanged(host=host):
            return host.name
        case HostRemoved(name=name):
            return name
        case Ready():
            return Ready
    return None


EventTypes = type[Event] | tuple[type[Event], ...]
"""Classes of events to choose."""


class Subscription:
    """An async iterator of events for one reader, which ends when the engine has stopped.

    `EventQueue` limits the events that wait; `dropped` counts those that a slow reader has missed.
    """

    def __init__(self, bus: Bus, limit: int, streams: bool, only: EventTypes) -> None:
        self.streams = streams
        self.only = only
        self._bus = bus
        self._backlog = EventQueue(limit)
        self._yield_at = 0.0
        self._arrived = asyncio.Event()
        self._ended = False

    @property
    def dropped(self) -> int:
        """The number of events lost."""
        return self._backlog.dropped

    @property
    def waiting(self) -> int:
        """The number of events that wait."""
        return len(self._backlog)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration after the events that wait."""
        self._bus.unsubscribe(self)
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._backlog and time.monotonic() >= self._yield_at:
            await asyncio.sleep(0)
            self._yield_at = time.monotonic() + _MAX_BURST
        while not self._backlog:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
            self._yield_at = time.monotonic() + _MAX_BURST
        return self._backlog.take()

    def drain(self) -> list[Event]:
        """Return all events that wait."""
        return list(self._backlog.take_all())

    def put(self, event: Event) -> None:
        self._backlog.put(event)
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()


class Bus:
    """Passes each event to every subscription, without blocking."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self.wants_streams = False
        """Whether any subscription includes single streams."""
        self._ended = False

    def subscribe(self, limit: int, streams: bool, only: EventTypes = Event) -> Subscription:
        subscription = Subscription(self, limit, streams, only)
        if self._ended:
            subscription.end()
        self._subscriptions.append(subscription)
        self._note_readers()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._note_readers()

    def _note_readers(self) -> None:
        self.wants_streams = any(subscription.streams for subscription in self._subscriptions)

    def publish(self, event: Event) -> None:
        of_stream = isinstance(event, StreamOpened | StreamClosed)
        for subscription in self._subscriptions:
            wanted = subscription.streams or not of_stream
            if wanted and isinstance(event, subscription.only):
                subscription.put(event)

    def end(self) -> None:
        self._ended = True
        for subscription in self._subscriptions:
            subscription.end()
