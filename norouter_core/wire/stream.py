"""One stream of a link: its state, its two windows and its unsent bytes."""

from __future__ import annotations

from norouter_core.wire import states
from norouter_core.wire.backlog import Backlog, DatagramQueue
from norouter_core.wire.frames import DATA
from norouter_core.wire.windows import ReceiveWindow, SendWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Stream:
    """One stream at one end; `owner` is for the user of `Connection`.

    A stream of datagrams (SPEC.md section 10) has `datagrams`, windows of 0 and an empty `pending`.
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
        "source",
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
        """The bytes that wait to be sent."""
        self.datagrams = datagrams
        self.deficit = 0
        self.queued = False
        """Whether the stream is in the outbox's ring."""
        self.wants_turn = False
        """Whether its owner waits for the stream's turn."""
        self.ending = False
        """EOF is due once `pending` is empty."""
        self.owner: Any = None
        self.source: object = None
        """The link on whose behalf the stream was opened, as in `Cause`."""

    @property
    def room(self) -> int:
        """How many bytes may be sent beside those that wait."""
        if self.ending or not states.may_send(self.state, DATA):
            return 0
        return self.sending.available - self.pending.size

    @property
    def sendable(self) -> int:
        """How many waiting bytes the window allows to send; for datagrams, all."""
        if self.datagrams is not None:
            return self.datagrams.size
        return min(self.pending.size, self.sending.available)

    def take(self, most: int) -> memoryview:
        """Remove the next bytes, at most `most`, and take them off the window."""
        head = self.pending.pop(most)
        self.sending.available -= len(head)
        return head

    @property
    def waiting(self) -> int:
        """How many bytes wait, headers of datagrams included."""
        return self.pending.size if self.datagrams is None else self.datagrams.size

    @property
    def closed(self) -> bool:
        return self.state == states.CLOSED
