"""The engine's events."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from norouter_core.engine.status import HostStatus, ListenerStatus, StreamStatus
from norouter_core.prompts.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at` is in seconds since the epoch."""

    kind: ClassVar[str]
    at: float = field(default_factory=time.time)

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON values: `{"event": KIND, "at": SECONDS, ...its fields}`."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChanged(Event):
    kind = "host"
    host: HostStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRemoved(Event):
    kind = "host-removed"
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerChanged(Event):
    kind = "listener"
    listener: ListenerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRemoved(Event):
    kind = "listener-removed"
    on_host: str
    listen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOpened(Event):
    kind = "stream-opened"
    stream: StreamStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClosed(Event):
    kind = "stream-closed"
    stream: StreamStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Event):
    """One diagnostic line. `level` is debug, info, warning or error; `host` may be empty."""

    kind = "log"
    level: str
    host: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsked(Event):
    """An exec command asks the user something, such as a password."""

    kind = "question"
    question: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionEnded(Event):
    """A question has been answered, or its command has ended."""

    kind = "question-ended"
    number: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Event):
    """Every host is ready, and this machine serves every port; see `Engine.wait_ready`."""

    kind = "ready"
    hosts: int
    listeners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    kind = "stopped"
