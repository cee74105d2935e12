"""A short list over the screen, one of whose lines is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from norouter_tui.screen.widgets.cells import tidy
from norouter_tui.screen.widgets.keybar import KeyBar


class Choose(ModalScreen[int | None]):
    """Its result is the index of the line, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "cancel", "Close", key_display="esc", id="choose-cancel"),
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._heading = title
        self._choices = lines

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._heading)
            options = (Option(Content(tidy(line))) for line in self._choices)
            yield OptionList(*options, compact=True)
            yield KeyBar()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)

    def action_cancel(self) -> None:
        """Chooses nothing."""
        self.dismiss(None)
