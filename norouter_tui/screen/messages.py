"""Messages between the parts of the screen: requests go up, news comes down."""

from __future__ import annotations

from textual.message import Message

from norouter_core.commands.call import Call
from norouter_core.engine.events import Event
from norouter_core.session.client import Snapshot


class RunCall(Message):
    """A widget asks to run a command, after the question `ask` if there is one."""

    def __init__(self, call: Call, *, ask: str = "") -> None:
        super().__init__()
        self.call = call
        self.ask = ask


class RunLine(Message):
    """The user typed a command line."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self.line = line


class TapStream(Message):
    """A widget asks to show the bytes of a stream; `route` is from where to where it goes."""

    def __init__(self, stream: int, route: str) -> None:
        super().__init__()
        self.stream = stream
        self.route = route


class NothingSelected(Message):
    """A key has nothing to act on; `noun` says what is missing."""

    def __init__(self, noun: str) -> None:
        super().__init__()
        self.noun = noun


class SnapshotArrived(Message):
    """The latest snapshot; it replaces one that is still waiting."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, SnapshotArrived)


class EventsArrived(Message):
    """Events, in order; more may be added until they are taken."""

    def __init__(self, *events: Event) -> None:
        super().__init__()
        self.events = list(events)

    def take(self) -> list[Event]:
        """Return the events and leave none."""
        events, self.events = self.events, []
        return events


class MeshLost(Message):
    """The attached mesh has ended or does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class MeshFound(Message):
    """The screen is attached to the mesh again."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class MeshEnded(Message):
    """The mesh has ended, or the screen is detached; `error` is the cause if it was a bug."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.error = error
