"""The `:` line: the shared vocabulary, completed as it is typed, with history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from norouter_core.commands.results import Completion, Failure
from norouter_tui.screen.history import History
from norouter_tui.screen.messages import RunCommand
from norouter_tui.screen.widgets.cells import fit, tidy
from norouter_tui.screen.widgets.filterbar import LONGEST

Complete = Callable[[str, int], Awaitable[Sequence[Completion]]]

_MOST = 200
"""Completions that are offered at once."""


class CommandInput(Input):
    """The field itself: up and down walk through history, tab through what may stand there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "history(-1)", "Before", show=False, id="history-before"),
        Binding("down", "history(1)", "After", show=False, id="history-after"),
        Binding("tab", "complete(1)", "Complete", priority=True, id="complete"),
        # Before the next key is looked at: what is typed ahead is for whoever has the keys then.
        Binding("enter", "send", "Run", show=False, priority=True, id="send"),
        Binding("shift+tab", "complete(-1)", "Complete", show=False, id="complete-back"),
    ]

    class Walked(Message):
        """Through history or completions, by some steps."""

        def __init__(self, what: str, by: int) -> None:
            super().__init__()
            self.what = what
            self.by = by

    async def action_send(self) -> None:
        """Hands the line over, once the keys that came before are in it."""
        typed = asyncio.Event()
        self.call_later(typed.set)
        await typed.wait()
        for above in self.ancestors:
            if isinstance(above, CommandLine):
                above.send()

    def action_history(self, by: int) -> None:
        """Goes to another line of history."""
        self.post_message(self.Walked("history", by))

    def action_complete(self, by: int) -> None:
        """Takes the next completion."""
        self.post_message(self.Walked("completion", by))


class CommandLine(Vertical):
    """Hidden until opened; posts `Run` with what was typed.

    Args:
        complete: what may stand at a place of a line.
        history: of such lines.
        leave: gives the keys back to where they were.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", key_display="esc", id="command-close"),
    ]

    def __init__(
        self, complete: Complete, history: History, leave: Callable[[], None], **more: Any
    ) -> None:
        super().__init__(**more)
        self._leave = leave
        self._complete = complete
        self._history = history
        self._found: tuple[Completion, ...] = ()
        self._base = ""
        self._taken = -1
        self._writing = ""
        """What this widget itself has put into the field: no new completions for that."""

    def compose(self) -> ComposeResult:
        yield OptionList(id="completions", compact=True)
        yield Static("", classes="wrong")
        with Horizontal(classes="line"):
            yield Label(":", classes="sigil")
            yield CommandInput(max_length=LONGEST, compact=True, select_on_focus=False)

    @property
    def field(self) -> CommandInput:
        return self.query_one(CommandInput)

    def open(self, text: str = "") -> None:
        """Shows the line with some text in it and gives it the keys."""
        self._show(text)
        self._wrong("")
        self._look_up(text, len(text))

    def _show(self, text: str) -> None:
        # All of it now and nothing later: the next key may be there already.
        self.styles.display = "block"
        self._history.rewind()
        self._put(text)
        self.screen.set_focus(self.field)

    def refused(self, line: str, failure: Failure) -> None:
        """Gives a line that was not done back to be mended, with the cursor at the place."""
        self._show(line)
        if failure.column:
            self.field.cursor_position = failure.column - 1
        hint = f"\n{failure.hint}" if failure.hint else ""
        caret = f"{' ' * failure.column}▾ " if failure.column else ""
        self._offer(())
        self._wrong(f"{caret}{failure.message}{hint}")

    def action_close(self) -> None:
        """Hides the line."""
        self._leave()
        self.styles.display = "none"
        self._offer(())

    def _wrong(self, text: str) -> None:
        lines = map(tidy, text.splitlines())
        self.query_one(".wrong", Static).update(Content("\n".join(lines)))
        self.set_class(bool(text), "-wrong")

    # -- what is typed ---------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._writing:
            self._writing = ""
            self._wrong("")
            self._look_up(event.value, self.field.cursor_position)

    def send(self) -> None:
        """Hides the line, and wants it to be run."""
        line = self.field.value.strip()
        self.action_close()
        if line:
            self._history.add(line)
            self.post_message(RunCommand(line, typed=True))

    @work(exclusive=True, group="completion")
    async def _look_up(self, line: str, cursor: int) -> None:
        found = await self._complete(line, cursor)
        if self.field.value == line:
            self._base = line
            self._offer(found)

    def _offer(self, found: Sequence[Completion]) -> None:
        self._found = tuple(found[:_MOST])
        self._taken = -1
        view = self.query_one("#completions", OptionList)
        view.clear_options()
        wide = min(32, max((len(x.text) for x in self._found), default=0))
        for completion in self._found:
            text = fit(tidy(completion.text), wide)
            view.add_option(Option(Content.assemble(text, "  ", (tidy(completion.about), "dim"))))
        self.set_class(bool(self._found), "-offering")

    @on(CommandInput.Walked)
    def _walked(self, event: CommandInput.Walked) -> None:
        event.stop()
        if event.what == "history":
            line = self._history.step(event.by, self.field.value)
            if line is not None:
                self._put(line)
                self._offer(())
        elif self._found:
            self._take((self._taken + event.by) % len(self._found))

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(event.option_index)
        self.field.focus()

    def _take(self, index: int) -> None:
        self._taken = index
        completion = self._found[index]
        rest = self._base[self.field.cursor_position :] if self._taken < 0 else ""
        self._put(self._base[: completion.start] + completion.text + rest)
        self.query_one("#completions", OptionList).highlighted = index
        if len(self._found) == 1:
            self._put(self.field.value + " ")
            self._look_up(self.field.value, len(self.field.value))

    def _put(self, text: str) -> None:
        self._writing = text
        self.field.value = text
        self.field.cursor_position = len(text)
