"""The bytes of a stream: unique to its seed, so that a wrong, lost or foreign byte shows."""

from __future__ import annotations

import random

BLOCK = 1 << 16


class Content:
    """An endless sequence of bytes that follows from `seed`."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._number = 0
        self._rest = b""

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        parts = []
        while size:
            if not self._rest:
                self._rest = random.Random(f"{self._seed}:{self._number}").randbytes(BLOCK)
                self._number += 1
            part, self._rest = self._rest[:size], self._rest[size:]
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def matches(self, data: bytes) -> bool:
        """Return whether `data` is what comes next, and go past it."""
        return self.take(len(data)) == data
