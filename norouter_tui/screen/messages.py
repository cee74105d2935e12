"""What the parts of the screen say to each other: wishes go up, what has happened comes down."""

from __future__ import annotations

from collections.abc import Sequence

from textual.message import Message

from norouter_core.engine.events import Event
from norouter_core.session.client import Snapshot


class RunCommand(Message):
    """A command line that a widget wants to be run.

    `typed`: by the user, letter by letter, who is to have it back if it is refused. `ask`: what is
    to be asked before; empty for nothing but what the command itself asks.
    """

    def __init__(self, line: str, *, typed: bool = False, ask: str = "") -> None:
        super().__init__()
        self.line = line
        self.typed = typed
        self.ask = ask


class SnapshotArrived(Message):
    """The newest snapshot; older ones that were not looked at yet are gone."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotArrived)


class EventsArrived(Message):
    """Events in order; `missed` tells how many came too fast before them."""

    def __init__(self, events: Sequence[Event], missed: int) -> None:
        super().__init__()
        self.events = events
        self.missed = missed


class EngineEnded(Message):
    """The session has ended: as asked, or by `fault`."""

    def __init__(self, fault: BaseException | None) -> None:
        super().__init__()
        self.fault = fault


class NothingSelected(Message):
    """There is nothing for a key to act on; `noun` says what is missing."""

    def __init__(self, noun: str) -> None:
        super().__init__()
        self.noun = noun


class TapStream(Message):
    """The bytes of a stream are to be looked at; `way` tells from where to where it leads."""

    def __init__(self, stream: int, way: str) -> None:
        super().__init__()
        self.stream = stream
        self.way = way
