"""The prompt: its keys, completion and toolbar, and questions that one key answers."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from anyio import Lock
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style
from rich.cells import cell_len

from norouter_core.control import ControlLost
from norouter_core.sanitize import escape
from norouter_core.session.client import Client, Summary
from norouter_tui.output.units import count, size

PROMPT = "norouter> "

_STYLE = Style.from_dict(
    {
        "prompt": "bold",
        "bottom-toolbar": "noreverse bg:ansibrightblack ansiwhite",
        "bottom-toolbar unsaved": "ansiyellow bold",
        "bottom-toolbar ready": "ansigreen",
        "bottom-toolbar waiting": "ansiyellow",
        "bottom-toolbar failed": "ansired bold",
        "bottom-toolbar mode": "bold",
    }
)


def make_prompt(
    client: Client,
    history: History,
    toolbar: Callable[[], StyleAndTextTuples],
    *,
    vi: bool = False,
) -> PromptSession[str]:
    """Return the prompt for commands.

    It raises KeyboardInterrupt for Ctrl-C and EOFError for Ctrl-D. Pasted text can have several
    lines.
    """
    return PromptSession(
        [("class:prompt", PROMPT)],
        completer=ClientCompleter(client),
        complete_while_typing=False,
        complete_style=CompleteStyle.COLUMN,
        auto_suggest=AutoSuggestFromHistory(),
        history=history,
        search_ignore_case=True,
        bottom_toolbar=toolbar,
        editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
        key_bindings=_keys(),
        prompt_continuation=_continuation,
        style=_STYLE,
        enable_open_in_editor=True,
    )


def _continuation(width: int, number: int, wraps: int) -> str:
    """Return what precedes further lines of a pasted text.

    Nothing precedes a wrapped line, so that it can be copied as it is.
    """
    return "" if wraps else "." * (width - 1) + " "


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("f4")
    def switch(event: KeyPressEvent) -> None:
        """Switch between emacs and vi."""
        vi = event.app.editing_mode == EditingMode.VI
        event.app.editing_mode = EditingMode.EMACS if vi else EditingMode.VI

    @keys.add(Keys.BracketedPaste)
    def paste(event: KeyPressEvent) -> None:
        """Put pasted text at the prompt; Return runs it."""
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(text.removesuffix("\n"))

    return keys


async def ask(reading: Lock, question: str, answers: Mapping[str, str], default: str) -> str:
    """Ask for one key, and return it.

    Args:
        reading: That of the terminal.
        answers: The word to echo for each key, a lower-case letter.
        default: The key that Return, Escape, Ctrl-C and Ctrl-D stand for.
    """
    keys = KeyBindings()

    def take(key: str) -> Callable[[KeyPressEvent], None]:
        def answer(event: KeyPressEvent) -> None:
            event.current_buffer.text = answers[key]
            event.app.exit(result=key)

        return answer

    for key in answers:
        keys.add(key)(take(key))
        keys.add(key.upper())(take(key))
    for name in ("enter", "c-c", "c-d"):
        keys.add(name)(take(default))
    keys.add("escape", eager=True)(take(default))

    @keys.add(Keys.Any)
    def ignore(event: KeyPressEvent) -> None:
        """Ignore any other key."""

    session: PromptSession[str] = PromptSession(key_bindings=keys, enable_history_search=False)
    async with reading:
        return await session.prompt_async(
            f"{question} ", set_exception_handler=False, handle_sigint=False
        )


async def ask_file(reading: Lock, question: str, default: str) -> str:
    """Ask for the name of a file. Return an empty string if the user cancels."""
    session: PromptSession[str] = PromptSession(completer=PathCompleter(expanduser=True))
    try:
        async with reading:
            text = await session.prompt_async(
                f"{question} ", default=default, set_exception_handler=False, handle_sigint=False
            )
    except (EOFError, KeyboardInterrupt):
        return ""
    return text.strip()


class ClientCompleter(Completer):
    """Completes with what the session knows, without blocking the prompt."""

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


_BETWEEN = " | "


def toolbar(summary: Summary | None, width: int, mode: str = "") -> StyleAndTextTuples:
    """Return the toolbar as styled fragments that fit into `width` columns.

    Args:
        mode: That of the line editor, if it has modes.
    """
    parts = [("class:mode", mode)] if mode else []
    parts += _parts(summary) if summary is not None else []
    shown: StyleAndTextTuples = []
    left = width - 1
    for style, text in parts:
        between = _BETWEEN if shown else " "
        left -= cell_len(between) + cell_len(text)
        if left < 0:
            break
        shown += [("", between), (style, text)]
    return shown


def _parts(summary: Summary) -> list[tuple[str, str]]:
    document = summary.document
    name = escape(os.path.basename(document.path)) if document.path else "no file"
    parts = [("class:unsaved", f"{name}, unsaved") if document.unsaved else ("", name)]
    all_ready = summary.ready == summary.hosts
    hosts = f"{summary.ready}/{count(summary.hosts, 'host')} ready"
    parts.append(("class:ready" if all_ready else "class:waiting", hosts))
    if summary.failed:
        parts.append(("class:failed", f"{summary.failed} failed"))
    parts.append(("", count(summary.streams, "stream")))
    rate = summary.rate
    parts.append(("", f"sent {size(rate.sent)}/s received {size(rate.received)}/s"))
    if document.undo:
        parts.append(("", f"undo: {escape(document.undo)}"))
    return parts
