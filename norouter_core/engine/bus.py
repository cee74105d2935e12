"""The engine's events to any number of readers, none of whom can slow it down."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from norouter_core.engine.events import Event, StreamClosed, StreamOpened


class Subscription:
    """An async iterator of events, for one reader; ends when the engine has stopped.

    At most `limit` events wait. When a reader is slower than that the oldest go, and `dropped`
    counts them: it then does well to look at `Engine.status()`.
    """

    def __init__(self, bus: Bus, limit: int, streams: bool) -> None:
        self.streams = streams
        self._bus = bus
        self._waiting: deque[Event] = deque(maxlen=limit)
        self._arrived = asyncio.Event()
        self._ended = False
        self.dropped = 0

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
        """Ends the iteration once what waits has been read."""
        self._bus.leave(self)
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    def put(self, event: Event) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(event)
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()


class Bus:
    """Hands each event to every subscription; never waits."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._ended = False

    def subscribe(self, limit: int, streams: bool) -> Subscription:
        subscription = Subscription(self, limit, streams)
        if self._ended:
            subscription.end()
        self._subscriptions.append(subscription)
        return subscription

    @property
    def tells_of_streams(self) -> bool:
        """Whether anybody wants to know of single streams."""
        return any(subscription.streams for subscription in self._subscriptions)

    def leave(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def publish(self, event: Event) -> None:
        of_stream = isinstance(event, StreamOpened | StreamClosed)
        for subscription in self._subscriptions:
            if subscription.streams or not of_stream:
                subscription.put(event)

    def end(self) -> None:
        self._ended = True
        for subscription in self._subscriptions:
            subscription.end()
