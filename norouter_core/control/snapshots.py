"""Snapshots as messages of a control socket: of thousands of listeners and streams, the changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from norouter_core.control.codec import DecodeError, Json, from_json, to_json
from norouter_core.engine.status import HostStatus, ListenerStatus, Status, StreamStatus
from norouter_core.model import MeshSpec
from norouter_core.session.client import DocumentState, Snapshot
from norouter_core.session.snapshots import MeshRates

V = TypeVar("V")

_MAX_ITEMS = 4000
"""Listeners and streams in one message, which stays far below the limit of a line."""


def _listener_key(listener: ListenerStatus) -> Hashable:
    return listener.on_host, listener.listen


def _stream_key(stream: StreamStatus) -> Hashable:
    return stream.id


class _Changes(Generic[V]):
    """Finds what has changed in a sequence since the last time."""

    def __init__(self, key: Callable[[V], Hashable]) -> None:
        self._key = key
        self._last: Sequence[V] = ()

    def find(self, values: Sequence[V]) -> tuple[bool, list[Hashable], list[V]]:
        """Return whether to discard everything, the keys that are gone, and the values to set."""
        last, self._last = self._last, values
        key = self._key
        if len(values) == len(last):
            pairs = [(old, new) for old, new in zip(last, values, strict=True) if old is not new]
            if all(key(old) == key(new) for old, new in pairs):
                return False, [], [new for old, new in pairs if old != new]
        before = {key(value): value for value in last}
        now = {key(value): value for value in values}
        gone = [each for each in before if each not in now]
        kept = [each for each in before if each in now]
        if list(now)[: len(kept)] != kept:
            return True, [], list(values)
        return False, gone, [value for each, value in now.items() if before.get(each) != value]


class SnapshotEncoder:
    """Turns the snapshots that one client follows into JSON.

    Of listeners and streams it sends what has changed, and the spec if it is another one than
    before. Rates are not sent: they follow from the counters.
    """

    def __init__(self) -> None:
        self._spec: MeshSpec | None = None
        self._listeners = _Changes(_listener_key)
        self._streams = _Changes(_stream_key)

    def encode(self, snapshot: Snapshot) -> Iterator[tuple[str, Json]]:
        """Yield messages: any number of `part`, then one `snapshot`."""
        status = snapshot.status
        rest: Json = {}
        found = (
            ("listeners", self._listeners.find(status.listeners)),
            ("streams", self._streams.find(status.streams)),
        )
        for name, (reset, gone, values) in found:
            changes = {"reset": reset, "gone": to_json(gone), "set": values}
            while len(changes["set"]) > _MAX_ITEMS:
                changes["set"], left = changes["set"][:_MAX_ITEMS], changes["set"][_MAX_ITEMS:]
                yield "part", {name: {**changes, "set": to_json(changes["set"])}}
                changes = {"reset": False, "gone": [], "set": left}
            rest[name] = {**changes, "set": to_json(changes["set"])}
        value: Json = {
            "at": snapshot.at,
            "hosts": to_json(status.hosts),
            "opened_total": status.opened_total,
            "bytes_total": status.bytes_total,
            "document": to_json(snapshot.document),
            "traffic": list(snapshot.traffic),
            **rest,
        }
        if snapshot.spec != self._spec:
            self._spec = snapshot.spec
            value["spec"] = to_json(snapshot.spec)
        yield "snapshot", value


class SnapshotDecoder:
    """The reverse of `SnapshotEncoder`, for the snapshots of one subscription."""

    def __init__(self) -> None:
        self._spec: MeshSpec | None = None
        self._listeners: dict[Hashable, ListenerStatus] = {}
        self._streams: dict[Hashable, StreamStatus] = {}
        self._rates = MeshRates()
        self._at = 0.0

    def take_part(self, value: object) -> None:
        """Take what comes before a snapshot.

        Raises:
            DecodeError: It is malformed.
        """
        self._take(from_json(_PartData, value))

    def decode(self, value: object) -> Snapshot:
        """Return a snapshot.

        Raises:
            DecodeError: It is malformed.
        """
        found = from_json(_SnapshotData, value)
        self._spec = found.spec or self._spec
        if self._spec is None:
            raise DecodeError("a snapshot without its spec")
        self._take(found)
        status = Status(
            hosts=found.hosts,
            listeners=tuple(self._listeners.values()),
            streams=tuple(self._streams.values()),
            opened_total=found.opened_total,
            bytes_total=found.bytes_total,
        )
        self._rates.update(status, found.traffic, found.at - self._at)
        self._at = found.at
        return Snapshot(
            at=found.at,
            status=status,
            spec=self._spec,
            document=found.document,
            traffic=found.traffic,
            hosts=self._rates.hosts,
            streams=self._rates.streams,
            total=self._rates.total,
        )

    def _take(self, found: _PartData | _SnapshotData) -> None:
        if found.listeners is not None:
            _apply(self._listeners, found.listeners, _listener_key)
        if found.streams is not None:
            _apply(self._streams, found.streams, _stream_key)


@dataclass(frozen=True, slots=True)
class _ListenerChanges:
    set: tuple[ListenerStatus, ...] = ()
    gone: tuple[tuple[str, str], ...] = ()
    reset: bool = False


@dataclass(frozen=True, slots=True)
class _StreamChanges:
    set: tuple[StreamStatus, ...] = ()
    gone: tuple[int, ...] = ()
    reset: bool = False


@dataclass(frozen=True, slots=True)
class _PartData:
    listeners: _ListenerChanges | None = None
    streams: _StreamChanges | None = None


@dataclass(frozen=True, slots=True)
class _SnapshotData:
    at: float
    hosts: tuple[HostStatus, ...]
    opened_total: int
    bytes_total: int
    document: DocumentState
    traffic: tuple[int, int]
    listeners: _ListenerChanges | None = None
    streams: _StreamChanges | None = None
    spec: MeshSpec | None = None


def _apply(known: dict[Hashable, Any], changes: Any, key: Callable[[Any], Hashable]) -> None:
    if changes.reset:
        known.clear()
    for each in changes.gone:
        known.pop(each, None)
    for value in changes.set:
        known[key(value)] = value
