"""The two ends of a stream and how they meet.

Where two ends are joined, each calls the other: `send`, `end` and `reset` carry what happened
outside one end to the outside of the other; `room`, `wake` and `consumed` carry back-pressure the
other way. A TCP socket is an end, a stream of a link is an end; which two are joined makes no
difference to either. The hub joins, and so does an agent.

There are ends of bytes and ends of datagrams, and only two of a kind may be joined. Of datagrams
each `send` is one, whole; there is always room, since they may be dropped.
"""

from __future__ import annotations

from norouter_core.wire.codes import TCP, UDP
from norouter_core.wire.limits import MAX_DATAGRAM_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from norouter_core.wire.codes import Address

    class Observer(Protocol):
        """Told as an end changes; the cheap counters are read from the end instead."""

        def end_opened(self, end: End, peer: Address) -> None: ...
        def end_half_closed(self, end: End) -> None: ...
        def end_closed(self, end: End, code: str, reason: str) -> None: ...


class End:
    """One end of a stream. Sizes in bytes."""

    __slots__ = ("bytes_in", "observer", "peer")

    datagrams = False
    """Whether it is one of datagrams."""

    def __init__(self) -> None:
        self.peer: End | None = None
        self.observer: Observer | None = None
        self.bytes_in = 0
        """What came in at this end, from outside."""

    def start(self) -> None:
        """Begins to bring in what comes from outside; called once, after `join`."""

    def accept(self, peer: Address) -> None:
        """The stream now reaches `peer`; of interest to an end that was offered over a link."""

    def send(self, data: memoryview) -> None:
        """Takes all of `data`, which is valid during the call only, to the outside."""
        raise NotImplementedError

    def end(self) -> None:
        """Half-closes towards the outside, after what was sent."""
        raise NotImplementedError

    def reset(self, code: str, reason: str) -> None:
        """Ends both ways towards the outside, at once; nothing if it has ended."""
        raise NotImplementedError

    def room(self) -> int:
        """How much may be sent now. After an answer of 0 the end calls `peer.wake()` later."""
        raise NotImplementedError

    def wake(self) -> None:
        """The other end has room again."""
        raise NotImplementedError

    def consumed(self, size: int) -> None:
        """`size` bytes that this end brought in have left at the other end."""
        raise NotImplementedError


class DatagramEnd(End):
    """One end of a stream of datagrams, which knows no back-pressure."""

    __slots__ = ()

    datagrams = True

    def room(self) -> int:
        return MAX_DATAGRAM_SIZE

    def wake(self) -> None:
        """It never waits for room."""

    def consumed(self, size: int) -> None:
        """Nobody gives credit for datagrams."""


class NullEnd(End):
    """The far end of a stream that could not be made: it is joined to nothing."""

    __slots__ = ()

    def send(self, data: memoryview) -> None:
        """It takes nothing on."""

    def end(self) -> None:
        """It has ended."""

    def reset(self, code: str, reason: str) -> None:
        """It has ended."""

    def room(self) -> int:
        return 0

    def wake(self) -> None:
        """It brings nothing in."""

    def consumed(self, size: int) -> None:
        """It has brought nothing in."""


def protocol_of(end: End) -> str:
    """The `proto` (SPEC.md section 10) of the streams that an end may be part of."""
    return UDP if end.datagrams else TCP


def join(one: End, other: End) -> None:
    """Makes the two ends one stream, and starts both."""
    one.peer, other.peer = other, one
    one.start()
    other.start()


def rejoin(one: End, other: End) -> None:
    """Joins two ends that were joined to something else in between (a proxy's session that has
    read the request, say), and lets both go on."""
    one.peer, other.peer = other, one
    one.wake()
    other.wake()
