"""Asks on the screen what exec commands ask, one question at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from textual.app import App

from norouter_core.prompts.prompt import Prompt
from norouter_tui.run.questions import Reply
from norouter_tui.screen.dialogs.asking import AskDialog


class ScreenAsker:
    """A `norouter_tui.run.questions.Asker` with a dialog; to be used in a worker of the app."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._free = asyncio.Lock()

    async def ask(self, prompt: Prompt, withdrawn: anyio.Event) -> Reply:
        """Ask a question, and return the answer."""
        async with self._free:
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

    async def notify(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Show a notice until it is withdrawn, or the user hides it."""
        await self.ask(prompt, withdrawn)
