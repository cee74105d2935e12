"""The open requests of all clients of a control socket."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio
from anyio.abc import TaskGroup

from norouter_core.commands.results import Bytes, Output
from norouter_core.control.codec import DecodeError, output_to_json, to_json
from norouter_core.control.requests import (
    CompleteRequest,
    EventsRequest,
    Id,
    Request,
    RunRequest,
    SummaryRequest,
)
from norouter_core.engine.events import Event
from norouter_core.engine.tap import RECEIVED, SENT
from norouter_core.session.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from norouter_core.control.connection import ClientConnection

MAX_REQUESTS = 32
"""Open at once, of one client."""

_PASSING = frozenset({SENT, RECEIVED})
"""The sources of a tap."""

_log = logging.getLogger(__name__)


class RequestRunner:
    """Runs requests as tasks of a group, each under its client's name for it."""

    def __init__(self, client: Client, tasks: TaskGroup, quits: Callable[[], None]) -> None:
        self._client = client
        self._tasks = tasks
        self._quits = quits
        self._open: dict[ClientConnection, dict[Id, anyio.CancelScope]] = {}

    def begin(self, connection: ClientConnection, request: Request) -> str:
        """Begins with a request; why not, or nothing."""
        scopes = self._open.setdefault(connection, {})
        if request.id in scopes:
            return f"a request of the id {request.id!r} is open already"
        if len(scopes) >= MAX_REQUESTS:
            return f"{MAX_REQUESTS} requests are open already"
        scope = scopes[request.id] = anyio.CancelScope()
        connection.begun()
        self._tasks.start_soon(self._answer, connection, request, scope)
        return ""

    def cancel(self, connection: ClientConnection, number: Id) -> None:
        """Ends a request, if it is open."""
        scope = self._open.get(connection, {}).get(number)
        if scope is not None:
            scope.cancel()

    def left(self, connection: ClientConnection) -> None:
        """Ends what a client has asked for that is gone."""
        for scope in self._open.pop(connection, {}).values():
            scope.cancel()

    async def _answer(
        self, connection: ClientConnection, request: Request, scope: anyio.CancelScope
    ) -> None:
        try:
            with scope:
                await self._act(connection, request)
            if scope.cancelled_caught:
                connection.put({"id": request.id, "cancelled": True})
        except DecodeError as error:
            connection.put_error(request.id, f"the answer cannot be sent: {error}")
        except Exception as error:
            # A fault of ours is this request's, and no other's.
            _log.exception("a request of a control client failed")
            connection.put_error(request.id, f"norouter itself failed: {error!r}")
        finally:
            self._open.get(connection, {}).pop(request.id, None)
            connection.ended()

    async def _act(self, connection: ClientConnection, request: Request) -> None:
        def put(key: str, value: Any) -> None:
            connection.put({"id": request.id, key: value})

        match request:
            case RunRequest():
                await self._run(connection, request, put)
            case CompleteRequest():
                found = await self._client.complete(request.line, request.cursor)
                put("completions", to_json(list(found)))
            case SummaryRequest():
                put("summary", to_json(await self._client.summary()))
            case EventsRequest():
                async with aclosing(_closable(self._client.events(streams=request.streams))) as all:
                    put("following", True)
                    async for event in all:
                        await connection.room()
                        put("event", event.to_json())
                put("end", True)

    async def _run(
        self, connection: ClientConnection, request: RunRequest, put: Callable[[str, Any], None]
    ) -> None:
        skipped: dict[str, int] = {}

        def emit(output: Output) -> None:
            if isinstance(output, Bytes) and output.source in _PASSING:
                lost = skipped.pop(output.source, 0) + output.skipped
                if not connection.has_room:
                    # Of a tap a slow client misses some; of what a command says it must not.
                    skipped[output.source] = lost + len(output.data)
                    return
                output = replace(output, skipped=lost)
            put("output", output_to_json(output))

        outcome = await self._client.run(request.line, emit, confirmed=request.confirmed)
        put("outcome", to_json(outcome))
        if outcome.ended:
            self._quits()


def _closable(events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
    """`Client.events` is an async generator in every client."""
    return cast("AsyncGenerator[Event, None]", events)
