"""One stream's end on a link: its state, its two windows, and what it waits to send."""

from __future__ import annotations

from norouter_core.wire import states
from norouter_core.wire.backlog import Backlog, DatagramQueue
from norouter_core.wire.frames import DATA
from norouter_core.wire.windows import ReceiveWindow, SendWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Stream:
    """Made by `Connection`; `owner` belongs to whoever uses the stream.

    One of datagrams (SPEC.md section 10) has `datagrams`, windows of 0, and no `pending`.
    """

    __slots__ = (
        "datagrams",
        "deficit",
        "ending",
        "id",
        "owner",
        "pending",
        "queued",
        "receiving",
        "sending",
        "state",
        "wants_turn",
    )

    def __init__(
        self,
        number: int,
        state: str,
        receiving: ReceiveWindow,
        window: int,
        datagrams: DatagramQueue | None = None,
    ) -> None:
        self.id = number
        self.state = state
        self.receiving = receiving
        self.sending = SendWindow(window)
        self.pending = Backlog()
        """What was accepted for sending and not yet handed to the link."""
        self.datagrams = datagrams
        self.deficit = 0
        self.queued = False
        """Whether the stream stands in the outbox's ring, waiting for its turn."""
        self.wants_turn = False
        """Whether its owner waits to be called in its turn."""
        self.ending = False
        """EOF is due once `pending` is empty."""
        self.owner: Any = None

    @property
    def room(self) -> int:
        """How many more bytes may be sent now; what waits in the backlog is already counted."""
        if self.ending or not states.may_send(self.state, DATA):
            return 0
        return self.sending.available - self.pending.size

    @property
    def sendable(self) -> int:
        """How much of the backlog the window lets go; of datagrams, all."""
        if self.datagrams is not None:
            return self.datagrams.size
        return min(self.pending.size, self.sending.available)

    def take(self, most: int) -> memoryview:
        """The next at most `most` bytes of the backlog, debited from the window."""
        head = self.pending.pop(most)
        self.sending.available -= len(head)
        return head

    @property
    def waiting(self) -> int:
        """Bytes of the backlog, or of the frames of the datagrams, that wait to be sent."""
        return self.pending.size if self.datagrams is None else self.datagrams.size

    @property
    def closed(self) -> bool:
        return self.state == states.CLOSED
