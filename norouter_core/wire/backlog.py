"""What waits to be sent: bytes, and datagrams."""

from __future__ import annotations

from collections import deque

from norouter_core.wire.limits import MAX_QUEUED_DATAGRAM_BYTES, MAX_QUEUED_DATAGRAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.wire.frames import Buffer

_SMALL = 16 * 1024
"""Smaller pieces are merged: an object for each would take far more memory than its bytes."""


class Backlog:
    """A queue of bytes, which copies its input; `size` is the number of bytes."""

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: deque[Buffer] = deque()
        self.size = 0

    def push(self, data: Buffer) -> None:
        """Append a copy of `data`."""
        self.size += len(data)
        pieces = self._pieces
        if len(data) >= _SMALL:
            pieces.append(bytes(data))
        elif pieces and isinstance(pieces[-1], bytearray) and len(pieces[-1]) < 4 * _SMALL:
            pieces[-1] += data
        else:
            pieces.append(bytearray(data))

    def pop(self, most: int) -> memoryview:
        """Remove and return the first bytes, at most `most` of them; there must be some."""
        head = memoryview(self._pieces.popleft())
        if len(head) > most:
            # A view, which `push` never appends to.
            self._pieces.appendleft(head[most:])
            head = head[:most]
        self.size -= len(head)
        return head

    def push_front(self, rest: memoryview) -> None:
        """Put back bytes that could not be sent."""
        if rest:
            self.size += len(rest)
            self._pieces.appendleft(rest)

    def clear(self) -> None:
        self._pieces.clear()
        self.size = 0


class DatagramQueue:
    """The unsent datagrams of one stream, as whole frames (SPEC.md section 10).

    It is bounded, and drops the oldest frames; `size` is the number of bytes.
    """

    __slots__ = ("_frames", "size")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self.size = 0

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: bytes) -> None:
        """Append a frame; drop the oldest ones if there are too many.

        The receiver of the oldest has waited longest, and may have asked again by now.
        """
        frames = self._frames
        while frames and (
            len(frames) >= MAX_QUEUED_DATAGRAMS
            or self.size + len(frame) > MAX_QUEUED_DATAGRAM_BYTES
        ):
            self.pop()
        frames.append(frame)
        self.size += len(frame)

    def pop(self) -> bytes:
        """Remove and return the oldest frame; there must be one."""
        frame = self._frames.popleft()
        self.size -= len(frame)
        return frame

    def clear(self) -> None:
        self._frames.clear()
        self.size = 0
