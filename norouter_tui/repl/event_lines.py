"""What happens in a session, as lines, each problem once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import anyio

from norouter_core.commands.results import Failure
from norouter_core.engine.events import Event
from norouter_core.session.client import Client
from norouter_core.session.session import Session
from norouter_tui.output.printer import Printer
from norouter_tui.output.writers import PrintLine

_EVENT_TIMEOUT = 0.5
"""Seconds for the event of a problem to arrive that a command has failed with."""


class EventLines:
    """Prints the events of a session, and leaves out of failures what they have said.

    Args:
        client: The session.
        put: Takes the lines.
    """

    def __init__(self, client: Client, put: PrintLine) -> None:
        self._client = client
        self._printer = Printer(put, put, again="host restart {}", since=time.time())
        self._has_printed = anyio.Event()

    async def run(self, see: Callable[[Event], None] = lambda _: None) -> None:
        """Print events until the session ends; `see` gets each of them afterwards."""
        if isinstance(self._client, Session):
            self._printer.know(self._client.engine.status())
        async for event in self._client.events():
            self._printer.show(event)
            see(event)
            self._has_printed.set()
            self._has_printed = anyio.Event()

    async def shorten(self, failure: Failure) -> Failure:
        """Return the failure of a command without the problem of its host, if that is printed."""
        with anyio.move_on_after(_EVENT_TIMEOUT):
            while failure.host:
                problem = self._printer.problem_of(failure.host)
                if problem is not None and failure.message.endswith(problem.message):
                    message = failure.message.removesuffix(problem.message).rstrip(": ")
                    return replace(failure, message=message, hint="")
                await self._has_printed.wait()
        return failure
