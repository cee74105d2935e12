"""The order in which a link sends (SPEC.md section 6): control first, then streams in turn."""

from __future__ import annotations

from collections import deque

from norouter_core.wire import frames
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import (
    MAX_CONTROL_BACKLOG,
    MAX_CONTROL_SHARE,
    MAX_DATA,
    MAX_LINK_DATAGRAM_BYTES,
    QUANTUM,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from norouter_core.wire.frames import Buffer
    from norouter_core.wire.stream import Stream

# Enough for one big write or a few dozen small frames; less than most systems' IOV_MAX.
_BATCH_BYTES = 256 * 1024
_BATCH_BUFFERS = 256


class Cause:
    """The link whose frame a loop is handling.

    `source` is the `source` of that link's outbox, and None between frames. All links of a loop
    share one `Cause`, so that a link can tell the frames that its own peer has caused from those
    that the peer of another link has caused.
    """

    __slots__ = ("source",)

    def __init__(self) -> None:
        self.source: object = None


class Outbox:
    """The sending half of a connection.

    `writing` holds, in order, what the descriptor gets next; it cannot change. A stream is in the
    ring while it has something to send or its owner waits for its turn (`wait_turn`). So owners
    that keep their bytes elsewhere take turns with streams whose bytes wait here.
    """

    __slots__ = (
        "_caused",
        "_control",
        "_control_size",
        "_datagram_size",
        "_ring",
        "cause",
        "source",
        "writing",
    )

    def __init__(self) -> None:
        self.cause = Cause()
        self.source: object = object()
        """Identifies this link in `cause`."""
        self._caused: dict[object, int] = {}
        self.writing: deque[Buffer] = deque()
        self._control: deque[bytes] = deque()
        self._control_size = 0
        self._datagram_size = 0
        self._ring: deque[Stream] = deque()

    @property
    def clear(self) -> bool:
        """Whether no frame is being written and no control frame waits."""
        return not (self.writing or self._control)

    @property
    def only_control(self) -> bool:
        """Whether whole control frames wait, and nothing else."""
        return bool(self._control) and not (self.writing or self._ring)

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not (self.writing or self._control or self._ring)

    def check_backlog(self) -> None:
        """Check how many unsent control frames the peer has caused.

        Raises:
            RemoteProtocolError: code `backlog`: too many; the peer causes frames and reads none.
        """
        size = self._caused.get(self.source, 0)
        if size > MAX_CONTROL_BACKLOG:
            raise RemoteProtocolError("backlog", f"{size} bytes of control frames unread")

    @property
    def full(self) -> bool:
        """Whether the peer is too far behind for new requests and streams."""
        return self._control_size > MAX_CONTROL_BACKLOG

    @property
    def crowded(self) -> bool:
        """Whether the link whose frame is being handled may open no stream over this one."""
        return self.full or self._caused.get(self.cause.source, 0) > MAX_CONTROL_SHARE

    @property
    def contended(self) -> bool:
        """Whether a stream is in the ring."""
        return bool(self._ring)

    def put_control(self, frame: bytes) -> None:
        """Queue a whole frame before all DATA.

        There is no limit here, since the caller may be handling another link. The owner of this
        link's descriptor calls `check_backlog` before it writes.
        """
        source = self.cause.source
        self._caused[source] = self._caused.get(source, 0) + len(frame)
        self._control_size += len(frame)
        self._control.append(frame)

    def put_early_data(self, frame: bytes) -> bool:
        """Queue a whole frame of DATA behind the control frames that wait, if only those wait.

        Return False if it has to take its turn. So the first bytes of a stream go with its OPEN.
        """
        if not self.only_control or self._control_size + len(frame) > QUANTUM:
            return False
        self._control_size += len(frame)
        self._control.append(frame)
        return True

    def put_datagram(self, stream: Stream, frame: bytes) -> None:
        """Queue a whole DATAGRAM for its stream's turn, or drop it or an older one."""
        queue = stream.datagrams
        assert queue is not None
        if self._datagram_size + len(frame) > MAX_LINK_DATAGRAM_BYTES:
            return
        self._datagram_size -= queue.size
        queue.push(frame)
        self._datagram_size += queue.size
        self.enqueue(stream)

    def enqueue(self, stream: Stream) -> None:
        """Put a stream at the end of the ring, unless it is in it."""
        if not stream.queued:
            stream.queued = True
            stream.deficit = 0
            self._ring.append(stream)

    def wait_turn(self, stream: Stream) -> None:
        """Have the stream's owner called in its turn, once its queue is empty."""
        stream.wants_turn = True
        self.enqueue(stream)

    def forget(self, stream: Stream) -> None:
        """Drop what a stream has not sent."""
        # It leaves the ring in its turn. To search the ring now would cost too much if many
        # streams end together.
        stream.pending.clear()
        if stream.datagrams is not None:
            self._datagram_size -= stream.datagrams.size
            stream.datagrams.clear()
        stream.wants_turn = False

    def fill(self, sent: list[tuple[Stream, int]]) -> Stream | None:
        """Move the next frames into `writing`, and add the bytes taken from each stream to `sent`.

        If it is the turn of a stream that has nothing queued here, `writing` stays empty and the
        stream is returned: the caller has its owner send now.
        """
        writing = self.writing
        left: dict[Stream, int] = {}
        size = self._control_size
        if self._control:
            writing.append(b"".join(self._control))
            self._control.clear()
            self._control_size = 0
            self._caused.clear()
        if not self._ring:
            return None
        while self._ring and size < _BATCH_BYTES and len(writing) < _BATCH_BUFFERS:
            stream = self._ring[0]
            if not stream.sendable:
                if writing:
                    break
                self._leave(stream)
                if stream.wants_turn:
                    stream.wants_turn = False
                    return stream
                continue
            taken = self._turn(stream)
            # A batch may hold several turns of a stream; its owner gets their sum.
            left[stream] = left.get(stream, 0) + taken
            size += taken
        sent.extend(left.items())
        return None

    def _turn(self, stream: Stream) -> int:
        alone = len(self._ring) == 1
        stream.deficit += MAX_DATA if alone else QUANTUM
        size = 0
        while stream.deficit > 0 and stream.sendable:
            taken = self._put_next(stream)
            stream.deficit -= taken
            size += taken
        if stream.sendable or stream.wants_turn:
            self._ring.rotate(-1)
        else:
            self._leave(stream)
        return size

    def _put_next(self, stream: Stream) -> int:
        if stream.datagrams is not None:
            frame = stream.datagrams.pop()
            self._datagram_size -= len(frame)
            self.writing.append(frame)
            return len(frame)
        piece = stream.take(min(stream.deficit, stream.sending.available, MAX_DATA))
        self.writing.append(frames.data_header(stream.id, len(piece)))
        self.writing.append(piece)
        return len(piece)

    def _leave(self, stream: Stream) -> None:
        self._ring.popleft()
        stream.queued = False

    def written(self, size: int) -> None:
        """Remove the first `size` bytes of `writing`."""
        writing = self.writing
        while size:
            head = writing[0]
            if size < len(head):
                writing[0] = memoryview(head)[size:]
                return
            size -= len(head)
            writing.popleft()
