"""What a link sends next (SPEC.md section 6): control first, then streams in turn."""

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
    """Whose frame a loop is handling: `source` is that of the link's outbox, None between frames.

    All links of a loop share one, so that the frames that one link's peer causes on another link
    can be told from those that the other link's own peer causes.
    """

    __slots__ = ("source",)

    def __init__(self) -> None:
        self.source: object = None


class Outbox:
    """The sending half of a connection.

    What is on its way to the descriptor lies in `writing`, in order, and cannot change. A stream
    stands in the ring while it has something to send, or when its owner wants to be called to
    send (`wait_turn`): so sources that can hold their bytes elsewhere take turns with those
    whose bytes wait here.
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
        """Stands for this link in `cause`."""
        self._caused: dict[object, int] = {}
        self.writing: deque[Buffer] = deque()
        self._control: deque[bytes] = deque()
        self._control_size = 0
        self._datagram_size = 0
        self._ring: deque[Stream] = deque()

    @property
    def clear(self) -> bool:
        """True when no frame is on its way or has to go first."""
        return not (self.writing or self._control)

    @property
    def only_control(self) -> bool:
        """True when whole control frames wait, and nothing else."""
        return bool(self._control) and not (self.writing or self._ring)

    @property
    def idle(self) -> bool:
        """True when nothing waits at all."""
        return not (self.writing or self._control or self._ring)

    def check_backlog(self) -> None:
        """Raises:
        RemoteProtocolError: code `backlog`, when the peer causes control frames and reads none.
        """
        size = self._caused.get(self.source, 0)
        if size > MAX_CONTROL_BACKLOG:
            raise RemoteProtocolError("backlog", f"{size} bytes of control frames unread")

    @property
    def full(self) -> bool:
        """True when the peer is too far behind to be asked for anything new."""
        return self._control_size > MAX_CONTROL_BACKLOG

    @property
    def crowded(self) -> bool:
        """True when no stream may be opened for the link whose frame is being handled."""
        return self.full or self._caused.get(self.cause.source, 0) > MAX_CONTROL_SHARE

    @property
    def contended(self) -> bool:
        """True while a stream stands in the ring."""
        return bool(self._ring)

    def put_control(self, frame: bytes) -> None:
        """Queues a whole frame ahead of all DATA.

        It never refuses: the caller may be in the middle of another link's work. The owner of
        this link's descriptor asks `check_backlog` before it writes.
        """
        source = self.cause.source
        self._caused[source] = self._caused.get(source, 0) + len(frame)
        self._control_size += len(frame)
        self._control.append(frame)

    def put_datagram(self, stream: Stream, frame: bytes) -> None:
        """Queues a whole DATAGRAM in its stream's turn; bounded, so one may be dropped for it, or
        it itself."""
        queue = stream.datagrams
        assert queue is not None
        if self._datagram_size + len(frame) > MAX_LINK_DATAGRAM_BYTES:
            return
        self._datagram_size -= queue.size
        queue.push(frame)
        self._datagram_size += queue.size
        self.enqueue(stream)

    def enqueue(self, stream: Stream) -> None:
        """Puts a stream at the end of the ring, unless it stands there already."""
        if not stream.queued:
            stream.queued = True
            stream.deficit = 0
            self._ring.append(stream)

    def wait_turn(self, stream: Stream) -> None:
        """Has the stream's owner called in its turn, after what is queued of it."""
        stream.wants_turn = True
        self.enqueue(stream)

    def forget(self, stream: Stream) -> None:
        """Drops what a stream still waited to send."""
        # It stays in the ring until its turn, which it then passes: taking it out would cost a
        # walk through the ring for each of many streams that end together.
        stream.pending.clear()
        if stream.datagrams is not None:
            self._datagram_size -= stream.datagrams.size
            stream.datagrams.clear()
        stream.wants_turn = False

    def fill(self, sent: list[tuple[Stream, int]]) -> Stream | None:
        """Move the next frames into `writing`; add to `sent` how much left each stream's backlog.

        Returns the stream whose owner is to be called to send now, if it is the turn of one that
        has nothing queued here; `writing` is empty then.
        """
        writing = self.writing
        left: dict[Stream, int] = {}
        size = self._control_size
        writing.extend(self._control)
        self._control.clear()
        self._control_size = 0
        self._caused.clear()
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
            # A batch may hold several turns of a stream; its owner hears of their sum, once.
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
        """Takes `size` bytes off the front of `writing`."""
        writing = self.writing
        while size:
            head = writing[0]
            if size < len(head):
                writing[0] = memoryview(head)[size:]
                return
            size -= len(head)
            writing.popleft()
