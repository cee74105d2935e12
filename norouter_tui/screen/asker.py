"""Asks on the screen what exec commands ask, one question at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import anyio
from textual.app import App
from textual.widgets import Input

from norouter_core.prompts.prompt import Prompt
from norouter_core.sanitize import escape
from norouter_tui.run.questions import TYPING_INTERVAL, TYPING_PAUSE, Reply
from norouter_tui.screen.dialogs.asking import AskDialog


class ScreenAsker:
    """A `norouter_tui.run.questions.Asker` with a dialog; to be used in a worker of the app.

    Args:
        last_key: Returns when the last key was pressed, on the monotonic clock.
    """

    def __init__(self, app: App[Any], last_key: Callable[[], float]) -> None:
        self._app = app
        self._last_key = last_key
        self._free = asyncio.Lock()

    async def ask(self, prompt: Prompt, withdrawn: anyio.Event) -> Reply:
        """Ask a question, and return the answer."""
        async with self._free:
            await self._wait_for_pause(prompt, withdrawn)
            if withdrawn.is_set():
                return Reply(None)
            dialog = AskDialog(prompt)
            async with anyio.create_task_group() as tasks:

                async def withdraw() -> None:
                    await withdrawn.wait()
                    dialog.withdraw()

                tasks.start_soon(withdraw)
                reply = await self._app.push_screen_wait(dialog)
                tasks.cancel_scope.cancel()
            return reply

    async def _wait_for_pause(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Wait until the user types nothing else, which would become a part of the answer."""
        is_announced = False
        while not withdrawn.is_set():
            is_busy = self._is_busy()
            if is_busy and not is_announced:
                is_announced = True
                text = f"{escape(prompt.host)} has a question, which waits until you finish typing."
                self._app.notify(text, markup=False, timeout=10)
            if not is_busy and time.monotonic() - self._last_key() >= TYPING_PAUSE:
                return
            await anyio.sleep(TYPING_INTERVAL)

    def _is_busy(self) -> bool:
        """Return whether a line that is not empty has the focus."""
        focused = self._app.focused
        return isinstance(focused, Input) and bool(focused.value)

    async def notify(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Show a notice until it is withdrawn, or the user hides it."""
        await self.ask(prompt, withdrawn)
