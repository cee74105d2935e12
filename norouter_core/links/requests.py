"""What was asked of an agent and waits for its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from norouter_core.agent.operations import OperationError
from norouter_core.sanitize import strip_line
from norouter_core.wire import messages
from norouter_core.wire.errors import Violation

_Parsed = TypeVar("_Parsed")

MOST = 4096
"""Open at once on one link. An agent that answers nothing, and whose own clients make the hub ask,
must not have it remember ever more of them."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One that is open: who waits, and how its answer is to be read."""

    answer: asyncio.Future[Any]
    parse: Callable[[messages.Json], Any]


class Requests:
    """Those of one link that are open, by number."""

    def __init__(self) -> None:
        self._open: dict[int, _Request] = {}
        self._last = 0

    def begin(
        self, parse: Callable[[messages.Json], _Parsed]
    ) -> tuple[int, asyncio.Future[_Parsed]]:
        """The number of a new one, and its answer to wait for; `end` is to follow.

        `parse` looks at the answer as it comes: a malformed one is a violation of the link's, like
        any other frame's, and no trouble of who asked.

        Raises:
            OperationError: `too-many` are open.
        """
        if len(self._open) >= MOST:
            raise OperationError("too-many", f"{MOST} requests wait for the agent's answers")
        self._last += 1
        answer: asyncio.Future[_Parsed] = asyncio.get_running_loop().create_future()
        self._open[self._last] = _Request(answer, parse)
        return self._last, answer

    def end(self, number: int) -> None:
        """Nobody waits for it any more."""
        self._open.pop(number, None)

    def answered(self, body: messages.Json) -> None:
        """Takes a result; one that nobody waits for is ignored.

        Raises:
            Violation: it is malformed.
        """
        request = self._open.get(messages.field(body, "request_id", int))
        if request is None or request.answer.done():
            return
        error = body.get("error")
        if error is None:
            request.answer.set_result(request.parse(messages.field(body, "data", dict)))
        elif isinstance(error, dict):
            code, reason = (messages.field(error, key, str) for key in ("code", "reason"))
            request.answer.set_exception(OperationError(code, strip_line(reason)))
        else:
            raise Violation("json", "'error' is not an object")

    def lost(self, reason: str) -> None:
        """The link has ended: no answer comes."""
        for request in self._open.values():
            if not request.answer.done():
                request.answer.set_exception(OperationError("gone", f"the link was lost: {reason}"))
