"""The `:` line, with completion and history."""

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
from norouter_tui.run.history import LineHistory
from norouter_tui.screen.messages import RunLine
from norouter_tui.screen.widgets.cells import escape_line, fit
from norouter_tui.screen.widgets.filterbar import MAX_INPUT

Complete = Callable[[str, int], Awaitable[Sequence[Completion]]]

_MAX_COMPLETIONS = 200
"""The number of completions shown."""


class CommandInput(Input):
    """The input: up and down step through the history, tab through the completions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "history(-1)", "Previous", show=False, id="history-before"),
        Binding("down", "history(1)", "Next", show=False, id="history-after"),
        Binding("tab", "complete(1)", "Complete", priority=True, id="complete"),
        # With priority, before the next key: keys typed ahead are for what has the focus then.
        Binding("enter", "send", "Run", show=False, priority=True, id="send"),
        Binding("shift+tab", "complete(-1)", "Complete", show=False, id="complete-back"),
    ]

    class Stepped(Message):
        """The user stepped through the history or the completions."""

        def __init__(self, what: str, by: int) -> None:
            super().__init__()
            self.what = what
            self.by = by

    async def action_send(self) -> None:
        """Submit the line, once the earlier keys are in it."""
        typed = asyncio.Event()
        self.call_later(typed.set)
        await typed.wait()
        for above in self.ancestors:
            if isinstance(above, CommandLine):
                above.send()

    def action_history(self, by: int) -> None:
        """Step through the history."""
        self.post_message(self.Stepped("history", by))

    def action_complete(self, by: int) -> None:
        """Step through the completions."""
        self.post_message(self.Stepped("completion", by))


class CommandLine(Vertical):
    """Hidden until opened; posts `RunLine` with the line that was typed.

    Args:
        complete: returns the completions at a place in a line.
        history: the earlier lines.
        leave: gives the focus back.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", key_display="esc", id="command-close"),
    ]

    def __init__(
        self, complete: Complete, history: LineHistory, leave: Callable[[], None], **more: Any
    ) -> None:
        super().__init__(**more)
        self._leave = leave
        self._complete = complete
        self._history = history
        self._completions: tuple[Completion, ...] = ()
        self._base = ""
        self._taken = -1
        self._writing = ""
        """What the widget itself put into the input: that looks up no completions."""

    def compose(self) -> ComposeResult:
        yield OptionList(id="completions", compact=True)
        yield Static("", classes="wrong")
        with Horizontal(classes="line"):
            yield Label(":", classes="sigil")
            yield CommandInput(max_length=MAX_INPUT, compact=True, select_on_focus=False)

    @property
    def field(self) -> CommandInput:
        return self.query_one(CommandInput)

    def open(self, text: str = "") -> None:
        """Show the line with some text, and focus it."""
        self._show(text)
        self._show_error("")
        self._look_up(text, len(text))

    def _show(self, text: str) -> None:
        # All at once: the next key may already be waiting.
        self.styles.display = "block"
        self._history.rewind()
        self._put(text)
        self.screen.set_focus(self.field)

    def show_failure(self, line: str, failure: Failure, column: int) -> None:
        """Give back a line that failed, with the cursor at a 1-based column (0 for none)."""
        self._show(line)
        if column:
            self.field.cursor_position = column - 1
        hint = f"\n{failure.hint}" if failure.hint else ""
        caret = f"{' ' * column}▾ " if column else ""
        self._offer(())
        self._show_error(f"{caret}{failure.message}{hint}")

    def action_close(self) -> None:
        """Hide the line."""
        self._leave()
        self.styles.display = "none"
        self._offer(())

    def _show_error(self, text: str) -> None:
        lines = map(escape_line, text.splitlines())
        self.query_one(".wrong", Static).update(Content("\n".join(lines)))
        self.set_class(bool(text), "-wrong")

    # -- what is typed ---------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._writing:
            self._writing = ""
            self._show_error("")
            self._look_up(event.value, self.field.cursor_position)

    def send(self) -> None:
        """Hide the line and post it."""
        line = self.field.value.strip()
        self.action_close()
        if line:
            self._history.add(line)
            self.post_message(RunLine(line))

    @work(exclusive=True, group="completion")
    async def _look_up(self, line: str, cursor: int) -> None:
        found = await self._complete(line, cursor)
        if self.field.value == line:
            self._base = line
            self._offer(found)

    def _offer(self, found: Sequence[Completion]) -> None:
        self._completions = tuple(found[:_MAX_COMPLETIONS])
        self._taken = -1
        view = self.query_one("#completions", OptionList)
        view.clear_options()
        wide = min(32, max((len(x.text) for x in self._completions), default=0))
        for completion in self._completions:
            text = fit(escape_line(completion.text), wide)
            view.add_option(
                Option(Content.assemble(text, "  ", (escape_line(completion.about), "dim")))
            )
        self.set_class(bool(self._completions), "-offering")

    @on(CommandInput.Stepped)
    def _stepped(self, event: CommandInput.Stepped) -> None:
        event.stop()
        if event.what == "history":
            line = self._history.step(event.by, self.field.value)
            if line is not None:
                self._put(line)
                self._offer(())
        elif self._completions:
            self._take((self._taken + event.by) % len(self._completions))

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(event.option_index)
        self.field.focus()

    def _take(self, index: int) -> None:
        self._taken = index
        completion = self._completions[index]
        rest = self._base[self.field.cursor_position :] if self._taken < 0 else ""
        self._put(self._base[: completion.start] + completion.text + rest)
        self.query_one("#completions", OptionList).highlighted = index
        if len(self._completions) == 1:
            self._put(self.field.value + " ")
            self._look_up(self.field.value, len(self.field.value))

    def _put(self, text: str) -> None:
        self._writing = text
        self.field.value = text
        self.field.cursor_position = len(text)
