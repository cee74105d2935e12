"""Tasks that count for the link whose frame has caused them."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

from norouter_core.wire.outbox import Cause


class Attributed(Coroutine[Any, Any, None]):
    """A coroutine each of whose steps runs with the `source` that `cause` has now.

    So what the session of a proxy's client does, a while after the frame that began it, is held
    against the host of that client.
    """

    __slots__ = ("_cause", "_source", "_work")

    def __init__(self, work: Coroutine[Any, Any, None], cause: Cause) -> None:
        self._work = work
        self._cause = cause
        self._source = cause.source

    def send(self, value: Any) -> Any:
        cause = self._cause
        before, cause.source = cause.source, self._source
        try:
            return self._work.send(value)
        finally:
            cause.source = before

    def throw(self, *error: Any) -> Any:
        cause = self._cause
        before, cause.source = cause.source, self._source
        try:
            return self._work.throw(*error)
        finally:
            cause.source = before

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, None, None]:
        raise TypeError("run it as a task")
