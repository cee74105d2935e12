"""Asks in the REPL what exec commands ask: above the command that is being typed."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from prompt_toolkit.application import Application, get_app_or_none, in_terminal
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyProcessor
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import PromptSession
from rich.text import Text

from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.sanitize import escape
from norouter_tui.repl.terminal import Terminal
from norouter_tui.run.questions import (
    REACTION_TIME,
    TYPING_INTERVAL,
    TYPING_PAUSE,
    Reply,
    question_text,
)


class ReplAsker:
    """A `norouter_tui.run.questions.Asker` on the terminal of the REPL.

    Args:
        terminal: Where the REPL writes.
        note: Shows a line above the prompt.
        commands: The application of the prompt for commands.
    """

    def __init__(
        self, terminal: Terminal, note: Callable[[Text], None], commands: Application[str]
    ) -> None:
        self._commands = commands
        self._last_key = -math.inf
        commands.key_processor.before_key_press += self._note_key
        self._terminal = terminal
        self._note = note
        self._free = anyio.Lock()
        self._app: Application[str] | None = None

    async def notify(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Show a notice."""
        for line in question_text(prompt).splitlines():
            self._note(Text(line, style="bold"))

    async def ask(self, prompt: Prompt, withdrawn: anyio.Event) -> Reply:
        """Ask a question, and return the answer."""
        async with self._free:
            await self._wait_for_pause(prompt, withdrawn)
            async with self._screen():
                if withdrawn.is_set():
                    return Reply(None)
                return await self._ask(prompt, withdrawn)

    def withdraw(self) -> None:
        """End the question that is shown."""
        if self._app is not None and self._app.is_running and not self._app.is_done:
            self._app.exit(exception=EOFError)

    async def _wait_for_pause(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Wait until the user types nothing else, which would become a part of the answer."""
        is_announced = False
        while not withdrawn.is_set():
            is_busy = self._is_busy()
            if is_busy and not is_announced:
                is_announced = True
                text = f"{escape(prompt.host)} has a question, which waits until the line is empty"
                self._note(Text(text, style="bold"))
            if not is_busy and time.monotonic() - self._last_key >= TYPING_PAUSE:
                return
            await anyio.sleep(TYPING_INTERVAL)

    def _is_busy(self) -> bool:
        """Return whether a line is being typed, or another question is open."""
        app = get_app_or_none()
        if app is None or not app.is_running:
            return False
        return app is not self._commands or bool(app.current_buffer.text)

    def _note_key(self, _: KeyProcessor) -> None:
        self._last_key = time.monotonic()

    @asynccontextmanager
    async def _screen(self) -> AsyncIterator[None]:
        """Interrupt the prompt that is shown; without one, keep others from starting."""
        app = get_app_or_none()
        if app is not None and app.is_running:
            async with in_terminal():
                yield
        else:
            async with self._terminal.reading:
                yield

    async def _ask(self, prompt: Prompt, withdrawn: anyio.Event) -> Reply:
        is_secret = prompt.kind is PromptKind.SECRET
        question = _Question(prompt)
        self._app = question.session.app
        text: str | None = None
        async with anyio.create_task_group() as tasks:

            async def end() -> None:
                await withdrawn.wait()
                self.withdraw()

            tasks.start_soon(end)
            try:
                text = await question.read()
            except (EOFError, KeyboardInterrupt):
                if withdrawn.is_set():
                    self._terminal.say(Text("no longer asked", style="dim"))
            finally:
                self._app = None
                tasks.cancel_scope.cancel()
        return Reply(text, is_secret and question.remember)


class _Question:
    """A question as a prompt."""

    def __init__(self, prompt: Prompt) -> None:
        self.remember = False
        self._prompt = prompt
        self._shown_at = time.monotonic()
        self._ignored_at = -math.inf
        *before, self._last = question_text(prompt).splitlines()
        self._before = before
        self._is_secret = prompt.kind is PromptKind.SECRET
        self.session: PromptSession[str] = PromptSession(
            is_password=self._is_secret,
            key_bindings=self._keys(),
            bottom_toolbar=self._toolbar if self._is_secret else None,
            enable_history_search=False,
        )

    async def read(self) -> str:
        """Return what the user types; EOFError and KeyboardInterrupt stand for no answer."""
        text = "\n".join([*self._before, f"{self._last} "])
        return await self.session.prompt_async(
            text, set_exception_handler=False, handle_sigint=False
        )

    def _toolbar(self) -> str:
        state = "yes" if self.remember else "no"
        return f" remember until norouter ends: {state} (Ctrl-R)   give up: Ctrl-C"

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @Condition
        def is_too_soon() -> bool:
            now = time.monotonic()
            is_just_shown = now - self._shown_at < REACTION_TIME
            return is_just_shown or now - self._ignored_at < TYPING_PAUSE

        @keys.add(Keys.Any, filter=is_too_soon, eager=True)
        @keys.add("enter", filter=is_too_soon, eager=True)
        def ignore(event: KeyPressEvent) -> None:
            """Ignore what was typed for another prompt, up to a pause."""
            self._ignored_at = time.monotonic()

        def is_incomplete() -> bool:
            return not self._prompt.accepts(self.session.default_buffer.text)

        @keys.add("enter", filter=Condition(is_incomplete), eager=True)
        def wait(event: KeyPressEvent) -> None:
            """Send no answer that the question does not take, such as an empty one."""

        if self._is_secret:

            @keys.add("c-r")
            def toggle(event: KeyPressEvent) -> None:
                """Remember the answer, or not."""
                self.remember = not self.remember

        return keys
