"""The two ends of a stream, and how they are joined.

Two joined ends call each other. `send`, `end` and `reset` carry what happened outside one end to
the outside of the other; `room`, `wake` and `consumed` carry back-pressure in the opposite
direction. A TCP socket is an end, and so is a stream of a link; which two are joined makes no
difference to either. Hub and agents join ends.

There are ends of bytes and ends of datagrams; only two of the same kind may be joined. With
datagrams each `send` is one whole datagram. There is always room, since datagrams may be dropped.
"""

from __future__ import annotations

from norouter_core.wire.codes import TCP, UDP
from norouter_core.wire.limits import MAX_DATAGRAM_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from norouter_core.wire.codes import Address

    class Observer(Protocol):
        """Called when an end changes state; counters are read from the end instead."""

        def end_opened(self, end: End, peer: Address) -> None: ...
        def end_half_closed(self, end: End) -> None: ...
        def end_closed(self, end: End, code: str, reason: str) -> None: ...


class End:
    """One end of a stream. Sizes in bytes."""

    __slots__ = ("bytes_in", "observer", "peer")

    datagrams = False
    """Whether it is an end of datagrams."""

    def __init__(self) -> None:
        self.peer: End | None = None
        self.observer: Observer | None = None
        self.bytes_in = 0
        """Bytes that came in at this end, from outside."""

    def start(self) -> None:
        """Begin to receive from outside; called once, after `join`."""

    def accept(self, peer: Address) -> None:
        """Note that the stream now reaches `peer`; an end that a link offered answers with it."""

    def send(self, data: memoryview) -> None:
        """Take all of `data` to the outside; it is valid during the call only."""
        raise NotImplementedError

    def end(self) -> None:
        """Half-close towards the outside, after what was sent."""
        raise NotImplementedError

    def reset(self, code: str, reason: str) -> None:
        """End both directions towards the outside at once, unless it has ended."""
        raise NotImplementedError

    def room(self) -> int:
        """Return how much may be sent now; after 0, the end calls `peer.wake()` later."""
        raise NotImplementedError

    def wake(self) -> None:
        """Note that the other end has room again."""
        raise NotImplementedError

    def consumed(self, size: int) -> None:
        """Note that `size` bytes which this end received have left at the other end."""
        raise NotImplementedError


class DatagramEnd(End):
    """One end of a stream of datagrams, which has no back-pressure."""

    __slots__ = ()

    datagrams = True

    def room(self) -> int:
        return MAX_DATAGRAM_SIZE

    def wake(self) -> None:
        """Do nothing: it never waits for room."""

    def consumed(self, size: int) -> None:
        """Do nothing: datagrams need no credit."""


class NullEnd(End):
    """The far end of a stream that could not be opened; it is joined to nothing."""

    __slots__ = ()

    def send(self, data: memoryview) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def reset(self, code: str, reason: str) -> None:
        """Do nothing."""

    def room(self) -> int:
        return 0

    def wake(self) -> None:
        """Do nothing."""

    def consumed(self, size: int) -> None:
        """Do nothing."""


def protocol_of(end: End) -> str:
    """Return the `proto` (SPEC.md section 10) of an end's stream."""
    return UDP if end.datagrams else TCP


def join(one: End, other: End) -> None:
    """Join two ends to one stream, and start both."""
    one.peer, other.peer = other, one
    one.start()
    other.start()


def rejoin(one: End, other: End) -> None:
    """Join two ends that were joined to something between them, and let both go on.

    That is, for example, a proxy's session that has read the request.
    """
    one.peer, other.peer = other, one
    one.wake()
    other.wake()
