"""What waits to be sent: bytes, and datagrams."""

from __future__ import annotations

from collections import deque

from norouter_core.wire.limits import MAX_QUEUED_DATAGRAM_BYTES, MAX_QUEUED_DATAGRAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.wire.frames import Buffer

_SMALL = 16 * 1024
"""Pieces below this are gathered: one object each would weigh hundreds of times their bytes."""


class Backlog:
    """A queue of bytes; `size` is how many. Copies what it is given."""

    __slots__ = ("_pieces", "size")

    def __init__(self) -> None:
        self._pieces: deque[Buffer] = deque()
        self.size = 0

    def push(self, data: Buffer) -> None:
        """Appends a copy of `data`."""
        self.size += len(data)
        pieces = self._pieces
        if len(data) >= _SMALL:
            pieces.append(bytes(data))
        elif pieces and isinstance(pieces[-1], bytearray) and len(pieces[-1]) < 4 * _SMALL:
            pieces[-1] += data
        else:
            pieces.append(bytearray(data))

    def pop(self, most: int) -> memoryview:
        """Takes at most `most` bytes, not 0, off the front; there must be some."""
        head = memoryview(self._pieces.popleft())
        if len(head) > most:
            # A view, which `push` never appends to.
            self._pieces.appendleft(head[most:])
            head = head[:most]
        self.size -= len(head)
        return head

    def push_front(self, rest: memoryview) -> None:
        """Puts back what could not go on after all."""
        if rest:
            self.size += len(rest)
            self._pieces.appendleft(rest)

    def clear(self) -> None:
        self._pieces.clear()
        self.size = 0


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
