"""Completion at the prompt: the session's own, asked for without holding the prompt up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from norouter_core.control import ControlLost
from norouter_core.sanitize import escape
from norouter_core.session.client import Client


class ClientCompleter(Completer):
    """What the session says may stand at the cursor, each with a few words about it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        return ()  # the session can be asked asynchronously only

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        line, cursor = document.current_line, document.cursor_position_col
        if line.lstrip().startswith("!"):
            return
        try:
            completions = await self._client.complete(line, cursor)
        except ControlLost:
            return
        for found in completions:
            yield Completion(
                escape(found.text),
                start_position=min(0, found.start - cursor),
                display_meta=escape(found.about),
            )
