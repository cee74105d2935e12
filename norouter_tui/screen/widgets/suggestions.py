"""A list of suggestions below a form; up and down put one into the field."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from norouter_core.sanitize import escape
from norouter_tui.screen.widgets.cells import fit

_MAX_SHOWN = 200
_MAX_WIDTH = 44


class Suggestions(OptionList, can_focus=False):
    """Suggestions for a field. The height does not depend on their number.

    Args:
        waiting: the text to show until there are suggestions.
    """

    def __init__(self, waiting: str = "") -> None:
        super().__init__(classes="suggestions", compact=True)
        self._waiting = waiting
        self._texts: list[str] = []
        self._taken: str | None = None

    def on_mount(self) -> None:
        if not self._texts:
            self._show_note(self._waiting)

    def _show_note(self, text: str) -> None:
        self.clear_options()
        if text:
            self.add_option(Option(Content.styled(text, "$foreground-disabled"), disabled=True))

    def show_suggestions(self, found: Iterable[tuple[str, str]], nothing: str = "") -> None:
        """Replace the suggestions, pairs of a text and its description.

        `nothing` is shown if there are none.
        """
        offered = list(found)[:_MAX_SHOWN]
        self._texts = [text for text, _ in offered]
        self._taken = None
        if not offered:
            self._show_note(nothing)
            return
        wide = min(_MAX_WIDTH, max(len(text) for text in self._texts))
        self.clear_options()
        self.add_options(
            Option(Content.assemble(fit(escape(text), wide), "  ", (escape(about), "dim")))
            for text, about in offered
        )

    def is_taken(self, text: str) -> bool:
        """Return whether `text` is the suggestion that was taken last."""
        return text == self._taken

    def step(self, by: int) -> str | None:
        """Take the suggestion `by` steps on; return None if there are none."""
        if not self._texts:
            return None
        at = self.highlighted
        if at is None:
            at = -1 if by > 0 else 0
        return self.take((at + by) % len(self._texts))

    def take(self, index: int) -> str:
        """Take a suggestion and return its text."""
        self.highlighted = index
        self._taken = self._texts[index]
        return self._taken
