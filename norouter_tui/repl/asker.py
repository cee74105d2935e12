"""Asks in the REPL what exec commands ask: above the command that is being typed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from prompt_toolkit.application import Application, get_app_or_none, in_terminal
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.shortcuts import PromptSession
from rich.text import Text

from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_tui.repl.terminal import Terminal
from norouter_tui.run.questions import REACTION_TIME, Reply, question_text


class ReplAsker:
    """A `norouter_tui.run.questions.Asker` on the terminal of the REPL.

    Args:
        terminal: Where the REPL writes.
        note: Shows a line above the prompt.
    """

    def __init__(self, terminal: Terminal, note: Callable[[Text], None]) -> None:
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
        async with self._free, self._screen():
            if withdrawn.is_set():
                return Reply(None)
            return await self._ask(prompt, withdrawn)

    def withdraw(self) -> None:
        """End the question that is shown."""
        if self._app is not None and self._app.is_running and not self._app.is_done:
            self._app.exit(exception=EOFError)

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
        is_too_soon = Condition(lambda: time.monotonic() - self._shown_at < REACTION_TIME)

        @keys.add(Keys.Any, filter=is_too_soon, eager=True)
        @keys.add("enter", filter=is_too_soon, eager=True)
        def ignore(event: KeyPressEvent) -> None:
            """Ignore what was typed for another prompt."""

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
