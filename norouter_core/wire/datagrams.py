"""Datagrams that wait to go on: a bounded queue, which drops (SPEC.md section 10)."""

from __future__ import annotations

from collections import deque

from norouter_core.wire.limits import MAX_QUEUED_DATAGRAM_BYTES, MAX_QUEUED_DATAGRAMS


class DatagramQueue:
    """What one stream of datagrams waits to send, as whole frames; `size` is their bytes."""

    __slots__ = ("_frames", "size")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self.size = 0

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: bytes) -> None:
        """Appends a frame. The oldest are dropped for it where there are too many: who waits for
        those has waited longest, and may have asked again already."""
        frames = self._frames
        while frames and (
            len(frames) >= MAX_QUEUED_DATAGRAMS
            or self.size + len(frame) > MAX_QUEUED_DATAGRAM_BYTES
        ):
            self.pop()
        frames.append(frame)
        self.size += len(frame)

    def pop(self) -> bytes:
        """Takes the oldest; there must be one."""
        frame = self._frames.popleft()
        self.size -= len(frame)
        return frame

    def clear(self) -> None:
        self._frames.clear()
        self.size = 0
