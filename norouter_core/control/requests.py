"""What a client of a control socket can ask for, and how it is answered (docs/control.md)."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from norouter_core.commands.call import Call, CallError
from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Bytes, Failure, Outcome, Output
from norouter_core.control.codec import (
    DecodeError,
    Json,
    SnapshotEncoder,
    output_to_json,
    to_json,
)
from norouter_core.engine.tap import RECEIVED, SENT
from norouter_core.session.client import INTERVAL, Client

Id = int | str
T = TypeVar("T")

MAX_REQUESTS = 32
"""How many requests of one client can be open at once."""
MAX_CALLS = 1000
"""How many calls one request can preview or apply."""
_MAX_ID = 100
_MAX_NUMBER = 2**53
"""What every JSON reader holds exactly."""
_MIN_INTERVAL = 0.05
_SHARE = 4
"""Snapshots are made less often if that takes more than 1/_SHARE of the time."""

_TAPPED = frozenset({SENT, RECEIVED})
"""The sources of a tap."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    id: Id
    command: Json
    """A call, or `{"line": ...}`."""
    confirmed: bool


@dataclass(frozen=True, slots=True)
class CallsRequest:
    """Calls to preview, or to apply as one change."""

    id: Id
    calls: Sequence[object]
    apply: bool


@dataclass(frozen=True, slots=True)
class CompleteRequest:
    id: Id
    text: str
    cursor: int


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    id: Id


@dataclass(frozen=True, slots=True)
class FindHostsRequest:
    id: Id


@dataclass(frozen=True, slots=True)
class SnapshotsRequest:
    id: Id
    interval: float


@dataclass(frozen=True, slots=True)
class EventsRequest:
    id: Id
    streams: bool


@dataclass(frozen=True, slots=True)
class CancelRequest:
    id: Id
    """Of the request to be ended."""


Request = (
    RunRequest
    | CallsRequest
    | CompleteRequest
    | SummaryRequest
    | FindHostsRequest
    | SnapshotsRequest
    | EventsRequest
)
_KINDS = (
    *("run", "preview", "apply", "complete", "summary", "find_hosts", "snapshots", "events"),
    "cancel",
)


def parse_request(value: Json) -> Request | CancelRequest:
    """Raises:
    DecodeError: It is not a request.
    """
    kinds = [kind for kind in _KINDS if kind in value]
    if len(kinds) != 1:
        raise DecodeError(f"a request has one of {', '.join(_KINDS)}; this one has {len(kinds)}")
    if kinds == ["cancel"]:
        return CancelRequest(_id(value.get("cancel")))
    number = _id(value.get("id"))
    match kinds[0]:
        case "run":
            return RunRequest(number, _typed(dict, value, "run"), _flag(value, "confirmed"))
        case "preview" | "apply":
            calls = _typed(list, value, kinds[0])
            if len(calls) > MAX_CALLS:
                raise DecodeError(f"more than {MAX_CALLS} calls")
            return CallsRequest(number, calls, kinds[0] == "apply")
        case "complete":
            text = _typed(str, value, "complete")
            return CompleteRequest(number, text, _cursor(value.get("cursor", len(text)), len(text)))
        case "summary":
            return SummaryRequest(number)
        case "find_hosts":
            return FindHostsRequest(number)
        case "snapshots":
            return SnapshotsRequest(number, _interval(value.get("interval", INTERVAL)))
        case _:
            return EventsRequest(number, _flag(value, "streams"))


def id_of(value: Json) -> Id | None:
    """Return the id of what may not be a request, to answer it by."""
    try:
        return _id(value.get("id"))
    except DecodeError:
        return None


def _id(value: object) -> Id:
    if type(value) is int and abs(value) <= _MAX_NUMBER:
        return value
    if isinstance(value, str) and len(value) <= _MAX_ID:
        return value
    raise DecodeError("an id is a whole number, or a text of at most 100 characters")


def _typed(kind: type[T], value: Json, key: str) -> T:
    found = value[key]
    if not isinstance(found, kind):
        what = "text" if kind is str else "an object" if kind is dict else "a list"
        raise DecodeError(f"'{key}' is not {what}")
    return found


def _flag(value: Json, key: str) -> bool:
    flag = value.get(key, False)
    if not isinstance(flag, bool):
        raise DecodeError(f"'{key}' is neither true nor false")
    return flag


def _cursor(value: object, length: int) -> int:
    if type(value) is not int or not 0 <= value <= length:
        raise DecodeError("'cursor' is not a place in the text")
    return value


def _interval(value: object) -> float:
    if type(value) not in (int, float) or not _MIN_INTERVAL <= cast(float, value) <= 3600:
        raise DecodeError(f"'interval' is not a number of seconds from {_MIN_INTERVAL:g} to 3600")
    return cast(float, value)


class Connection(Protocol):
    """What answers need of a client's connection."""

    def put(self, value: Any) -> None: ...

    def put_error(self, number: Id | None, message: str) -> None: ...

    def request_begun(self) -> None: ...

    def request_ended(self) -> None: ...

    @property
    def has_room(self) -> bool: ...

    async def room(self) -> None: ...


class RequestRunner:
    """Runs the requests of all clients as tasks of a group."""

    def __init__(self, client: Client, tasks: TaskGroup, on_quit: Callable[[], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._on_quit = on_quit
        self._open: dict[Connection, dict[Id, anyio.CancelScope]] = {}

    def begin(self, connection: Connection, request: Request) -> str:
        """Begin a request. Return why that is not possible; empty if it is."""
        scopes = self._open.setdefault(connection, {})
        if request.id in scopes:
            return f"a request with the id {request.id!r} is open"
        if len(scopes) >= MAX_REQUESTS:
            return f"{MAX_REQUESTS} requests are open"
        scope = scopes[request.id] = anyio.CancelScope()
        connection.request_begun()
        self._tasks.start_soon(self._answer, connection, request, scope)
        return ""

    def cancel(self, connection: Connection, number: Id) -> None:
        """End a request, if it is open."""
        scope = self._open.get(connection, {}).get(number)
        if scope is not None:
            scope.cancel()

    def left(self, connection: Connection) -> None:
        """End the requests of a client that has gone."""
        for scope in self._open.pop(connection, {}).values():
            scope.cancel()

    async def _answer(
        self, connection: Connection, request: Request, scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                await self._act(connection, request)
            if scope.cancelled_caught:
                connection.put({"id": request.id, "cancelled": True})
        except DecodeError as error:
            connection.put_error(request.id, f"the answer cannot be sent: {error}")
        except Exception as error:
            # A bug costs this request, and no other.
            _log.exception("a request of a control client failed")
            connection.put_error(request.id, f"internal error: {error!r}")
        finally:
            self._open.get(connection, {}).pop(request.id, None)
            connection.request_ended()

    async def _act(self, connection: Connection, request: Request) -> None:
        def put(key: str, value: Any) -> None:
            connection.put({"id": request.id, key: value})

        match request:
            case RunRequest():
                await self._run(connection, request, put)
            case CallsRequest():
                await self._preview_or_apply(request, put)
            case CompleteRequest():
                found = await self._client.complete(request.text, request.cursor)
                put("completions", to_json(list(found)))
            case SummaryRequest():
                put("summary", to_json(await self._client.summary()))
            case FindHostsRequest():
                put("hosts", [list(each) for each in await self._client.find_hosts()])
            case SnapshotsRequest():
                await self._follow_snapshots(connection, request, put)
            case EventsRequest():
                async with aclosing(
                    _closable(self._client.events(streams=request.streams))
                ) as events:
                    put("following", True)
                    async for event in events:
                        await connection.room()
                        put("event", event.to_json())
                put("end", True)

    async def _run(
        self, connection: Connection, request: RunRequest, put: Callable[[str, Any], None]
    ) -> None:
        skipped: dict[str, int] = {}

        def emit(output: Output) -> None:
            if isinstance(output, Bytes) and output.source in _TAPPED:
                lost = skipped.pop(output.source, 0) + output.skipped
                if not connection.has_room:
                    # A slow client misses some of a tap, but nothing that a command wrote.
                    skipped[output.source] = lost + len(output.data)
                    return
                output = replace(output, skipped=lost)
            put("output", output_to_json(output))

        parsed: ParsedLine | None = None
        call: Call | None = None
        column = 0
        try:
            if "line" in request.command:
                parsed = parse(_typed(str, request.command, "line"))
                call = parsed.call if parsed else None
            else:
                call = Call.from_json(request.command)
        except ParseError as error:
            outcome, column = Outcome(failure=error.failure), error.column
        except CallError as error:
            outcome = Outcome(failure=error.failure)
        else:
            outcome = Outcome()
            if call is not None:
                outcome = await self._client.run(call, emit, confirmed=request.confirmed)
        put("outcome", _outcome_to_json(outcome, parsed, column))
        if outcome.ended:
            self._on_quit()

    async def _preview_or_apply(
        self, request: CallsRequest, put: Callable[[str, Any], None]
    ) -> None:
        calls: list[Call] = []
        failure: Failure | None = None
        try:
            calls = [Call.from_json(each) for each in request.calls]
        except CallError as error:
            failure = error.failure
        if request.apply:
            failed = Outcome(failure=failure)
            put("outcome", to_json(failed if failure else await self._client.apply(calls)))
        else:
            seen = await self._client.preview(calls)
            if failure is not None and seen.failure is None:
                seen = replace(seen, failure=failure, changes=False, cuts=(), at=len(calls))
            put("preview", to_json(seen))

    async def _follow_snapshots(
        self, connection: Connection, request: SnapshotsRequest, put: Callable[[str, Any], None]
    ) -> None:
        encoder = SnapshotEncoder()
        async with aclosing(_closable(self._client.snapshots(request.interval))) as snapshots:
            put("following", True)
            async for snapshot in snapshots:
                started = time.monotonic()
                put("snapshot", encoder.encode(snapshot))
                # The engine works in the same loop: snapshots of a large mesh come less often.
                busy = time.monotonic() - started
                await anyio.sleep(max(0.0, _SHARE * busy - request.interval))
                await connection.room()
        put("end", True)


def _outcome_to_json(outcome: Outcome, parsed: ParsedLine | None, column: int) -> Json:
    """Return an outcome as JSON; the failure of a typed line has its column as well."""
    value: Json = to_json(outcome)
    if outcome.failure is not None and parsed is not None:
        column = parsed.column_of(outcome.failure)
    if column:
        value["failure"]["column"] = column
    return value


def _closable(values: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """What follows events or snapshots is an async generator in every client."""
    return cast("AsyncGenerator[T, None]", values)
