"""The prompt: its keys, its looks, and questions with one key for an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import PathCompleter
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import CompleteStyle, PromptSession
from prompt_toolkit.styles import Style

from norouter_core.session.client import Client
from norouter_tui.repl.completer import ClientCompleter

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
    """The prompt at which commands are typed. It raises KeyboardInterrupt for Ctrl-C, EOFError
    for Ctrl-D; what is pasted may hold several lines."""
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
    """What stands in front of the further lines of a pasted text; nothing where a line is wrapped,
    so that it can be copied as it is."""
    return "" if wraps else "." * (width - 1) + " "


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("f4")
    def switch(event: KeyPressEvent) -> None:
        """Between emacs and vi."""
        vi = event.app.editing_mode == EditingMode.VI
        event.app.editing_mode = EditingMode.EMACS if vi else EditingMode.VI

    @keys.add(Keys.BracketedPaste)
    def paste(event: KeyPressEvent) -> None:
        """What is pasted stands at the prompt, to be looked at, until RETURN runs it."""
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(text.removesuffix("\n"))

    return keys


async def ask(question: str, answers: Mapping[str, str], default: str) -> str:
    """Asks for one key.

    Args:
        answers: what each key, a small letter, stands for; the words are echoed.
        default: the key that RETURN, Escape, Ctrl-C and Ctrl-D stand for.

    Returns: the key.
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
        """Any other key is no answer."""

    session: PromptSession[str] = PromptSession(key_bindings=keys, enable_history_search=False)
    return await session.prompt_async(
        f"{question} ", set_exception_handler=False, handle_sigint=False
    )


async def ask_file(question: str, default: str) -> str:
    """Asks for the name of a file; empty where the user thought better of it."""
    session: PromptSession[str] = PromptSession(completer=PathCompleter(expanduser=True))
    try:
        text = await session.prompt_async(
            f"{question} ", default=default, set_exception_handler=False, handle_sigint=False
        )
    except (EOFError, KeyboardInterrupt):
        return ""
    return text.strip()
