"""The keys that work where the focus is, as many as fit."""

from __future__ import annotations

from collections.abc import Mapping

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

_LAST = "help"
"""The id of the binding that always keeps its place, at the right."""


class KeyBar(Widget):
    """Shows the active key bindings, with the user's own keys; a click presses the key.

    Args:
        labels: labels by the id of the binding, where the binding's own description will not do.
    """

    def __init__(self, labels: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._labels = labels or {}
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._on_bindings_updated)

    def _on_bindings_updated(self, screen: Screen[object]) -> None:
        self.refresh()

    def _visible_bindings(self) -> tuple[list[Binding], Binding | None]:
        found: dict[str, Binding] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled:
                found.setdefault(binding.action, binding)
        last = next((b for b in found.values() if b.id == _LAST), None)
        return [b for b in found.values() if b is not last], last

    def render(self) -> Content:
        width = self.size.width
        bindings, last = self._visible_bindings()
        self._places = []
        tail = self._words(last) if last is not None else []
        room = width - _cells(tail) - 1
        parts: list[tuple[str, str]] = []
        at = 0
        for binding in bindings:
            words = self._words(binding)
            if at + _cells(words) > room:
                break
            self._places.append((at, at + _cells(words), binding.key))
            parts += words
            at += _cells(words)
        if last is not None:
            start = width - _cells(tail)
            self._places.append((start, width, last.key))
            parts += [(" " * max(0, start - at), ""), *tail]
        return Content.assemble(*parts)

    def _words(self, binding: Binding) -> list[tuple[str, str]]:
        key = self.app.get_key_display(binding)
        label = self._labels.get(binding.id or "", binding.description)
        return [
            (f" {key}", "bold $footer-key-foreground"),
            (f" {label} ", "$foreground-muted"),
        ]

    def on_click(self, event: events.Click) -> None:
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)
                return


def _cells(words: list[tuple[str, str]]) -> int:
    return sum(len(text) for text, _ in words)
