"""What a client of a control socket can ask for, and how it is answered (docs/control.md)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol, TypeVar, cast

import anyio
import anyio.lowlevel
import msgspec
from anyio.abc import TaskGroup
from msgspec import Meta

from norouter_core.commands.call import Call, CallError
from norouter_core.commands.parser import ParsedLine, ParseError, parse
from norouter_core.commands.results import Bytes, Failure, Outcome, Output
from norouter_core.control.codec import (
    DecodeError,
    Json,
    from_json,
    output_to_json,
    to_json,
)
from norouter_core.control.snapshots import SnapshotEncoder
from norouter_core.engine.tap import RECEIVED, SENT
from norouter_core.session.client import INTERVAL, Client, Summary

T = TypeVar("T")

MAX_REQUESTS = 32
"""How many requests of one client can be open at once."""
MAX_CALLS = 1000
"""How many calls one request can preview or apply."""
_MAX_NUMBER = 2**53
"""What every JSON reader holds exactly."""

Id = Annotated[int, Meta(ge=-_MAX_NUMBER, le=_MAX_NUMBER)] | Annotated[str, Meta(max_length=100)]
Calls = Annotated[list[object], Meta(max_length=MAX_CALLS)]

_SHARE = 4
"""Snapshots are made less often if that takes more than 1/_SHARE of the time."""

_TAPPED = frozenset({SENT, RECEIVED})
"""The sources of a tap."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRequest:
    id: Id
    run: Json | str
    """A call, or a line as a person types it."""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    id: Id
    preview: Calls


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """Calls to apply as one change."""

    id: Id
    apply: Calls


@dataclass(frozen=True, slots=True)
class CompleteRequest:
    id: Id
    complete: str
    cursor: Annotated[int, Meta(ge=0)] | None = None
    """None is the end of the text."""

    def __post_init__(self) -> None:
        if self.cursor is not None and self.cursor > len(self.complete):
            raise ValueError("the cursor is not in the text")


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    id: Id


@dataclass(frozen=True, slots=True)
class FindHostsRequest:
    id: Id


@dataclass(frozen=True, slots=True)
class SnapshotsRequest:
    id: Id
    interval: Annotated[float, Meta(ge=0.05, le=3600)] = INTERVAL


@dataclass(frozen=True, slots=True)
class QuestionsRequest:
    id: Id


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    id: Id
    answer: int
    """The number of the question."""
    text: str | None = field(default=None, repr=False)
    remember: bool = False


@dataclass(frozen=True, slots=True)
class EventsRequest:
    id: Id
    streams: bool = False


@dataclass(frozen=True, slots=True)
class CancelRequest:
    cancel: Id
    """The id of the request to be ended."""


Request = (
    RunRequest
    | PreviewRequest
    | ApplyRequest
    | CompleteRequest
    | SummaryRequest
    | FindHostsRequest
    | SnapshotsRequest
    | EventsRequest
    | QuestionsRequest
    | AnswerRequest
)
_KINDS: dict[str, type[Request | CancelRequest]] = {
    "run": RunRequest,
    "preview": PreviewRequest,
    "apply": ApplyRequest,
    "complete": CompleteRequest,
    "summary": SummaryRequest,
    "find_hosts": FindHostsRequest,
    "snapshots": SnapshotsRequest,
    "events": EventsRequest,
    "questions": QuestionsRequest,
    "answer": AnswerRequest,
    "cancel": CancelRequest,
}


def parse_request(value: Json) -> Request | CancelRequest:
    """Return the request that a value is.

    Raises:
        DecodeError: It is not a request.
    """
    kinds = [kind for key, kind in _KINDS.items() if key in value]
    if len(kinds) != 1:
        raise DecodeError(f"a request has one of {', '.join(_KINDS)}; this one has {len(kinds)}")
    return from_json(kinds[0], value)


def id_of(value: Json) -> Id | None:
    """Return the id of what may not be a request, to answer it by."""
    try:
        return cast("Id", msgspec.convert(value.get("id"), Id))
    except msgspec.ValidationError:
        return None


class Connection(Protocol):
    """What answers need of a client's connection."""

    def put(self, value: Any) -> None: ...

    def put_error(self, number: Id | None, message: str) -> None: ...

    def request_ended(self) -> None: ...

    @property
    def has_room(self) -> bool: ...

    async def room(self) -> None: ...


class RequestRunner:
    """Runs the requests of one client as tasks of a group."""

    def __init__(
        self,
        connection: Connection,
        client: Client,
        tasks: TaskGroup,
        on_quit: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._client = client
        self._tasks = tasks
        self._on_quit = on_quit
        self._open: dict[Id, anyio.CancelScope] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a request is open."""
        return bool(self._open)

    def begin(self, request: Request) -> str:
        """Begin a request. Return why that is not possible; empty if it is."""
        if request.id in self._open:
            return f"a request with the id {request.id!r} is open"
        if len(self._open) >= MAX_REQUESTS:
            return f"{MAX_REQUESTS} requests are open"
        self._open[request.id] = anyio.CancelScope()
        self._tasks.start_soon(self._answer, request, self._open[request.id])
        return ""

    def cancel(self, number: Id) -> None:
        """End a request, if it is open."""
        if number in self._open:
            self._open[number].cancel()

    def cancel_all(self) -> None:
        """End all requests."""
        for scope in self._open.values():
            scope.cancel()

    async def _answer(self, request: Request, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._act(request)
            if scope.cancelled_caught:
                self._connection.put({"id": request.id, "cancelled": True})
        except DecodeError as error:
            self._connection.put_error(request.id, f"the answer cannot be sent: {error}")
        except Exception as error:
            # A bug costs this request, and no other.
            _log.exception("a request of a control client failed")
            self._connection.put_error(request.id, f"internal error: {error!r}")
        finally:
            del self._open[request.id]
            self._connection.request_ended()

    async def _act(self, request: Request) -> None:
        def put(key: str, value: Any) -> None:
            self._connection.put({"id": request.id, key: value})

        match request:
            case RunRequest():
                await self._run(request, put)
            case PreviewRequest():
                await self._preview(request, put)
            case ApplyRequest():
                put("outcome", to_json(await self._apply(request)))
            case CompleteRequest(complete=text, cursor=cursor):
                at = len(text) if cursor is None else cursor
                put("completions", to_json(await self._client.complete(text, at)))
            case SummaryRequest():
                put("summary", to_json(_with_absolute_path(await self._client.summary())))
            case FindHostsRequest():
                put("hosts", await self._client.find_hosts())
            case SnapshotsRequest():
                await self._follow_snapshots(request, put)
            case AnswerRequest(answer=number, text=text, remember=remember):
                put("answered", await self._client.answer(number, text, remember=remember))
            case QuestionsRequest():
                async with aclosing(_closable(self._client.questions())) as questions:
                    put("following", True)
                    async for each in questions:
                        await self._connection.room()
                        put("questions", to_json(each))
                put("end", True)
            case EventsRequest():
                async with aclosing(
                    _closable(self._client.events(streams=request.streams))
                ) as events:
                    put("following", True)
                    async for event in events:
                        await self._connection.room()
                        put("event", event.to_json())
                put("end", True)

    async def _run(self, request: RunRequest, put: Callable[[str, Any], None]) -> None:
        skipped: dict[str, int] = {}

        def emit(output: Output) -> None:
            if isinstance(output, Bytes) and output.source in _TAPPED:
                lost = skipped.pop(output.source, 0) + output.skipped
                if not self._connection.has_room:
                    # A slow client misses some of a tap, but nothing that a command wrote.
                    skipped[output.source] = lost + len(output.data)
                    return
                output = replace(output, skipped=lost)
            put("output", output_to_json(output))

        parsed: ParsedLine | None = None
        call: Call | None = None
        column = 0
        try:
            if isinstance(request.run, str):
                parsed = parse(request.run)
                call = parsed.call if parsed else None
            else:
                call = Call.from_json(request.run)
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

    async def _preview(self, request: PreviewRequest, put: Callable[[str, Any], None]) -> None:
        calls, failure = _read_calls(request.preview)
        seen = await self._client.preview(calls)
        if failure is not None and seen.failure is None:
            seen = replace(seen, failure=failure, changes=False, cuts=(), at=len(calls))
        put("preview", to_json(seen))

    async def _apply(self, request: ApplyRequest) -> Outcome:
        calls, failure = _read_calls(request.apply)
        return Outcome(failure=failure) if failure else await self._client.apply(calls)

    async def _follow_snapshots(
        self, request: SnapshotsRequest, put: Callable[[str, Any], None]
    ) -> None:
        encoder = SnapshotEncoder()
        async with aclosing(_closable(self._client.snapshots(request.interval))) as snapshots:
            put("following", True)
            async for snapshot in snapshots:
                started = time.monotonic()
                waited = 0.0
                for key, value in encoder.encode(snapshot):
                    put(key, value)
                    # Other work of the loop comes in between, and a slow client reads.
                    paused = time.monotonic()
                    await anyio.lowlevel.checkpoint()
                    await self._connection.room()
                    waited += time.monotonic() - paused
                # The engine works in the same loop: snapshots of a large mesh come less often.
                busy = time.monotonic() - started - waited
                await anyio.sleep(max(0.0, _SHARE * busy - request.interval))
        put("end", True)


def _read_calls(values: Sequence[object]) -> tuple[list[Call], Failure | None]:
    """Return the calls up to the first value that is none, and what is wrong with that one."""
    calls: list[Call] = []
    for each in values:
        try:
            calls.append(Call.from_json(each))
        except CallError as error:
            return calls, error.failure
    return calls, None


def _outcome_to_json(outcome: Outcome, parsed: ParsedLine | None, column: int) -> Json:
    """Return an outcome as JSON; the failure of a typed line has its column as well."""
    value: Json = to_json(outcome)
    if outcome.failure is not None and parsed is not None:
        column = parsed.column_of(outcome.failure)
    if column:
        value["failure"]["column"] = column
    return value


def _with_absolute_path(summary: Summary) -> Summary:
    """Return a summary whose path means the same file to a client in another directory."""
    path = summary.document.path
    absolute = os.path.abspath(path) if path else ""
    return replace(summary, document=replace(summary.document, path=absolute))


def _closable(values: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Return `values` as the async generator that they are in every client."""
    return cast("AsyncGenerator[T, None]", values)
