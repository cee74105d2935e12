"""What a field could be, in a list below the form; up and down put it into the field."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from norouter_core.sanitize import escape
from norouter_tui.screen.widgets.cells import fit

_MOST = 200
_WIDEST = 44


class Suggestions(OptionList, can_focus=False):
    """Keeps its height, whatever it holds.

    Args:
        waiting: what stands there before anything was offered.
    """

    def __init__(self, waiting: str = "") -> None:
        super().__init__(classes="offers", compact=True)
        self._waiting = waiting
        self._texts: list[str] = []
        self._taken: str | None = None

    def on_mount(self) -> None:
        if not self._texts:
            self._say(self._waiting)

    def _say(self, text: str) -> None:
        self.clear_options()
        if text:
            self.add_option(Option(Content.styled(text, "$foreground-disabled"), disabled=True))

    def offer(self, found: Iterable[tuple[str, str]], nothing: str = "") -> None:
        """Makes these what is offered, each with a few words on it; `nothing` is said where it is
        empty."""
        offered = list(found)[:_MOST]
        self._texts = [text for text, _ in offered]
        self._taken = None
        if not offered:
            self._say(nothing)
            return
        wide = min(_WIDEST, max(len(text) for text in self._texts))
        self.clear_options()
        self.add_options(
            Option(Content.assemble(fit(escape(text), wide), "  ", (escape(about), "dim")))
            for text, about in offered
        )

    def is_taking(self, text: str) -> bool:
        """Whether a field holds `text` because it was taken from here."""
        return text == self._taken

    def walk(self, by: int) -> str | None:
        """Goes to the next one; None where there is none."""
        if not self._texts:
            return None
        at = self.highlighted
        if at is None:
            at = -1 if by > 0 else 0
        return self.take((at + by) % len(self._texts))

    def take(self, index: int) -> str:
        """Goes to one of them."""
        self.highlighted = index
        self._taken = self._texts[index]
        return self._taken
