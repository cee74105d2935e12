"""A session's own end towards a client or a target: what has come, what is on its way."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from norouter_core.agent.ends import End, rejoin

if TYPE_CHECKING:
    from norouter_core.agent.loop import LoopLike, TimerLike

LIMIT = 256 * 1024
"""Bytes under way in one direction of a session. A sender that has a window instead of asking for
room (an end of a link) is bounded by that window: its credit waits until the bytes have gone on."""
_WORTHWHILE = 16 * 1024
"""Less room than this is not offered: many small reads would come of it."""
_MAX_MARKS = 64


class Owner(Protocol):
    """The session that a port belongs to."""

    def pump(self) -> None:
        """Something has changed: acts on it, now or when the call under way has ended."""
        ...

    def target_closed(self, code: str, reason: str) -> None:
        """The target's end has closed, after the session had stepped out."""
        ...


class Port(End):
    """Bytes from its peer wait in `inbox` until the owner takes them; what the owner writes goes
    to the peer as that has room.

    What was taken from one port is reported as consumed there when what became of it has left at
    another: `write` ties the two together.
    """

    __slots__ = (
        "_brought",
        "_discarding",
        "_gone",
        "_marks",
        "_outbox",
        "_starved",
        "_successor",
        "_unreported",
        "_want_end",
        "_written",
        "failure",
        "got_end",
        "inbox",
        "owner",
        "sent_end",
    )

    def __init__(self, owner: Owner) -> None:
        self._brought = 0
        self._successor: End | None = None
        super().__init__()
        self.owner = owner
        self.inbox = bytearray()
        self.got_end = False
        self.sent_end = False
        self.failure: tuple[str, str] | None = None
        """Code and reason of the reset, from either side, that ended the connection."""
        self._outbox = bytearray()
        self._written = 0
        self._gone = 0
        self._marks: deque[tuple[int, Port, int]] = deque()
        """`(offset, source, size)`: once `offset` bytes have gone, `size` that came at `source`
        have been consumed."""
        self._unreported = 0
        self._starved = False
        self._want_end = False
        self._discarding = False

    @property
    def bytes_in(self) -> int:
        """What the peer was sent, by the session and past it once it has stepped out."""
        later = self._successor.bytes_in if self._successor is not None else 0
        return self._brought + later

    @bytes_in.setter
    def bytes_in(self, value: int) -> None:
        self._brought = value

    # -- called by the peer; by way of a stale reference, also after the session stepped out ----

    def send(self, data: memoryview) -> None:
        if self._successor is not None:
            self._successor.send(data)
        elif self._discarding:
            self._of_peer().consumed(len(data))
        elif self.failure is None:
            self.inbox += data
            self._unreported += len(data)
            self.owner.pump()

    def end(self) -> None:
        if self._successor is not None:
            self._successor.end()
        elif not self.got_end:
            self.got_end = True
            self.owner.pump()

    def reset(self, code: str, reason: str) -> None:
        if self._successor is not None:
            self._successor.reset(code, reason)
        elif self.failure is None:
            self._fail(code, reason)
            self.owner.pump()

    def room(self) -> int:
        if self._successor is not None:
            return self._successor.room()
        room = self._room()
        self._starved = room == 0
        return room

    def wake(self) -> None:
        if self._successor is not None:
            self._successor.wake()
        else:
            self.owner.pump()

    def consumed(self, size: int) -> None:
        if self._successor is not None:
            self._successor.consumed(size)
        elif self.failure is None:
            self._gone += size
            self._release()
            self.owner.pump()

    # -- called by the session -----------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Bytes written that have not left yet."""
        return self._written - self._gone

    def take(self, most: int) -> bytes:
        """The next bytes that came, to be accounted for by `write` or `report`."""
        data = bytes(self.inbox[:most])
        del self.inbox[:most]
        return data

    def put_back(self, data: bytes) -> None:
        """Undoes the `take` of what was not for the taker."""
        self.inbox[:0] = data

    def write(self, data: bytes, source: Port | None = None, size: int = 0) -> None:
        """Queues `data`, which became of `size` bytes taken from `source`."""
        if self.failure is None:
            self._outbox += data
            self._written += len(data)
        if source is None or not size:
            return
        if not self.backlog:
            source.report(size)
        elif len(self._marks) >= _MAX_MARKS and self._marks[-1][1] is source:
            self._marks[-1] = (self._written, source, self._marks[-1][2] + size)
        else:
            self._marks.append((self._written, source, size))

    def report(self, size: int) -> None:
        """`size` bytes that were taken have gone on, or were for the session itself."""
        self._unreported -= size
        if size and self.failure is None:
            self._of_peer().consumed(size)

    def flush(self) -> None:
        """Sends as much as the peer has room for, and then the end, if that is due."""
        peer = self.peer
        if peer is None:
            return
        while self._outbox and self.failure is None:
            room = peer.room()
            if room <= 0:
                return
            piece = self._outbox[:room]
            del self._outbox[:room]
            self._brought += len(piece)
            peer.send(memoryview(piece))
        if self._want_end and not self.sent_end and self.failure is None:
            self.sent_end = True
            peer.end()

    def settle(self) -> None:
        """Wakes a peer that had found no room, if there is some now."""
        if self._starved and self._room() and self.failure is None and not self.got_end:
            self._starved = False
            self._of_peer().wake()

    def end_after(self) -> None:
        """Half-closes towards the peer, once everything has been sent."""
        self._want_end = True

    def kill(self, code: str, reason: str) -> None:
        """Resets the connection to the peer."""
        if self.failure is None:
            self._fail(code, reason)
            if self.peer is not None:
                self.peer.reset(code, reason)

    def discard(self) -> None:
        """Drops what has come and what will."""
        if not self._discarding:
            self._discarding = True
            waiting = len(self.inbox)
            self.inbox.clear()
            self.report(waiting)

    # -- within --------------------------------------------------------------------------------

    def _of_peer(self) -> End:
        assert self.peer is not None
        return self.peer

    def _room(self) -> int:
        room = LIMIT - self._unreported
        return room if room >= _WORTHWHILE else 0

    def _fail(self, code: str, reason: str) -> None:
        self.failure = (code, reason)
        self._outbox.clear()
        self._gone = self._written
        self._release()

    def _release(self) -> None:
        while self._marks and self._marks[0][0] <= self._gone:
            _, source, size = self._marks.popleft()
            source.report(size)

    def _succeed(self, successor: End) -> bytes:
        """Has `successor` take this port's place at its peer; what came and was not taken."""
        waiting = bytes(self.inbox)
        self.inbox.clear()
        self._successor = successor
        return waiting


class Upstream(Port):
    """A port towards a target, which also observes the dial."""

    __slots__ = ("_timer", "opened", "target", "used")

    def __init__(self, owner: Owner, target: tuple[str, int]) -> None:
        super().__init__(owner)
        self.target = target
        self.opened = False
        self.used = False
        """Whether it has served a request before."""
        self._timer: TimerLike | None = None

    def end_opened(self, end: End, peer: tuple[str, int]) -> None:
        self.opened = True
        self.owner.pump()

    def end_half_closed(self, end: End) -> None:
        """The port itself is told, by `end`."""

    def end_closed(self, end: End, code: str, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._successor is not None:
            self.owner.target_closed(code, reason)
        elif code != "closed":
            # Whoever kills a stream resets its ends, and tells nobody in between.
            self.reset(code, reason)

    def retire(self, loop: LoopLike, linger: float) -> None:
        """Closes a connection that is between two requests; a target that does not close its
        side in `linger` seconds is reset."""
        if self.failure is not None:
            return
        if not self.opened:
            self.kill("reset", "no longer wanted")
            return
        self.discard()
        self.end_after()
        self.flush()
        if not self.got_end and self.failure is None:
            self._timer = loop.call_later(linger, self.kill, "timeout", "it did not close")


def step_out(client: Port, target: Port) -> None:
    """Joins the peers of two ports whose own bytes have all left, and passes on what has come."""
    one, other = client.peer, target.peer
    assert one is not None and other is not None
    assert not client.backlog and not target.backlog
    early, late = client._succeed(other), target._succeed(one)
    # From here on the client is sent what comes at the other end, the bytes in `late` included.
    client._brought += len(late) - other.bytes_in
    # The peers first: the credit for what came early then goes to where it came from.
    one.peer, other.peer = other, one
    if early:
        other.send(memoryview(early))
    if late:
        one.send(memoryview(late))
    if client.got_end:
        other.end()
    if target.got_end:
        one.end()
    rejoin(one, other)
