"""A bounded queue for values of which the newest matter most: events, snapshots, lines."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """An async iterator of what is put in, for one reader in one event loop.

    When it is full, the oldest value is dropped, and `dropped` counts it. `put` never waits. After
    `close`, the iteration ends once everything left has been read.
    """

    def __init__(self, size: int) -> None:
        self._values: deque[T] = deque(maxlen=size)
        self._changed = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._values)

    def put(self, value: T) -> None:
        self.dropped += len(self._values) == self._values.maxlen
        self._values.append(value)
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def take_all(self) -> list[T]:
        """Return what waits, oldest first, and leave the mailbox empty."""
        values = list(self._values)
        self._values.clear()
        return values

    async def wait(self) -> bool:
        """Wait for a value. Return False if none will come any more."""
        while not self._values and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        return bool(self._values)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if not await self.wait():
            raise StopAsyncIteration
        return self._values.popleft()
