"""The list of the keys that work, made from the active bindings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen, Screen

from norouter_tui.screen.widgets.cells import fit
from norouter_tui.screen.widgets.keybar import KeyBar
from norouter_tui.screen.widgets.lines import LineView, TextLine, TextView

_EVERYWHERE = "Everywhere"
_LIST = "In this list"


def key_lines(app: App[Any], screen: Screen[Any]) -> list[TextLine]:
    """Return a line for each action of `screen` and its keys, grouped by where they work."""
    groups: dict[str, dict[str, tuple[list[str], str]]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.description or binding.system:
            continue
        heading = _heading(active.node, app, screen)
        keys, _ = groups.setdefault(heading, {}).setdefault(
            binding.action, ([], binding.description)
        )
        keys.append(app.get_key_display(binding))
    return list(_numbered({heading: groups[heading] for heading in sorted(groups, key=_rank)}))


def _rank(heading: str) -> int:
    """Return the rank of a heading: special keys come first, those to move last."""
    return {_EVERYWHERE: 1, _LIST: 2}.get(heading, 0)


def _heading(node: object, app: App[Any], screen: Screen[Any]) -> str:
    if node is app or node is screen:
        return _EVERYWHERE
    if isinstance(node, LineView):
        return _LIST
    return getattr(node, "title", "") or "Here"


def _numbered(groups: dict[str, dict[str, tuple[list[str], str]]]) -> Iterable[TextLine]:
    texts: list[Text] = []
    for heading, actions in groups.items():
        texts += [Text("")] if texts else []
        texts.append(Text(f" {heading}", "heading"))
        for keys, about in actions.values():
            names = ", ".join(dict.fromkeys(keys))
            texts.append(Text.assemble((f"   {fit(names, 16)} ", "accent"), about))
    return (TextLine(number, text) for number, text in enumerate(texts))


class HelpScreen(ModalScreen[None]):
    """Shows the list of keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "close", "Close", key_display="esc", id="close"),
    ]

    def __init__(self, lines: list[TextLine]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog keys") as dialog:
            dialog.border_title = Content("Keys")
            yield TextView()
            yield KeyBar()

    def on_mount(self) -> None:
        view = self.query_one(TextView)
        view.show(self._lines)
        view.focus()

    def action_close(self) -> None:
        """Close the list."""
        self.dismiss()
