"""The dialog that asks for a file: where to save the mesh, which manifest to open."""

from __future__ import annotations

import os
import shlex
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from norouter_core.commands.call import Call, build_call
from norouter_core.sanitize import escape
from norouter_core.session.client import Client
from norouter_tui.screen.dialogs.form import FieldInput, FieldRow, FormField, split
from norouter_tui.screen.widgets.keybar import KeyBar
from norouter_tui.screen.widgets.suggestions import Suggestions


class FileDialog(ModalScreen[Call | None]):
    """Asks for a file; the result is the call that saves or loads it.

    Args:
        client: completes paths.
        verb: `save` or `load`.
        path: the path to begin with.
        own: the session's own file, which `save` replaces without a warning; empty for none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", id="file-complete"),
        Binding("escape", "cancel", "Cancel", key_display="esc", id="file-cancel"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def __init__(self, client: Client, verb: str, path: str = "", own: str = "") -> None:
        super().__init__()
        self._client = client
        self._verb = verb
        self._path = path
        self._own = own
        self._is_possible = True

    @property
    def _saves(self) -> bool:
        return self._verb == "save"

    def compose(self) -> ComposeResult:
        field = FormField.from_verb(self._verb, "file", "File", self._path, required=True)
        with Vertical(classes="dialog form") as dialog:
            dialog.border_title = "Save the mesh as" if self._saves else "Open a manifest"
            yield FieldRow(field, dense=True)
            yield Static(classes="effect file")
            yield Suggestions()
            yield KeyBar({"form-apply": "Save" if self._saves else "Open"})

    @property
    def row(self) -> FieldRow:
        return self.query_one(FieldRow)

    @property
    def suggestions(self) -> Suggestions:
        return self.query_one(Suggestions)

    def on_mount(self) -> None:
        self.row.put(self._path)
        self.row.input.focus()
        self.row.input.select_all()
        self._refresh(self._path, listing=True)

    # -- input -----------------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._refresh(event.value, listing=not self.suggestions.is_taken(event.value))

    @work(exclusive=True, group="completion")
    async def _refresh(self, text: str, *, listing: bool) -> None:
        """Describe what would happen, and suggest paths."""
        self._show_effect(text.strip())
        if listing:
            line = f"{self._verb} {shlex.quote(text) if text else ''}"
            # Without the closing quote, which would end the word.
            line = line[:-1] if line.endswith("'") else line
            found = await self._client.complete(line, len(line))
            start = len(self._verb) + 1
            texts = [(_unquoted(c.text), c.about) for c in found if c.start >= start]
            self.suggestions.show_suggestions(texts, "no matching files" if text else "")

    def _show_effect(self, path: str) -> None:
        described = _describe_save(path, self._own) if self._saves else _describe_load(path)
        text, style, self._is_possible = described
        self.query_one(".effect", Static).update(Content.styled(text, style))

    @on(FieldInput.Stepped)
    def _walked(self, event: FieldInput.Stepped) -> None:
        event.stop()
        taken = self.suggestions.step(event.by)
        if taken is not None:
            self.row.put(taken)

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.row.put(self.suggestions.take(event.option_index))

    def action_complete(self) -> None:
        """Take the next suggestion; look into a directory that was taken."""
        text = self.row.text
        if text.endswith("/") and self.suggestions.is_taken(text):
            self._refresh(text, listing=True)
            return
        taken = self.suggestions.step(1)
        if taken is not None:
            self.row.put(taken)

    # -- the end ---------------------------------------------------------------------------

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = self.row.text
        self._show_effect(path)
        if not self._is_possible:
            return
        force = self._saves and not _is_same(path, self._own) and os.path.exists(_expand(path))
        self.dismiss(build_call(self._verb, file=path, **({"force": True} if force else {})))

    def action_cancel(self) -> None:
        """Close the dialog."""
        self.dismiss(None)


def _unquoted(text: str) -> str:
    """Return a completion without the quotes that it has in a line."""
    return (split(text) or (text,))[0]


def _expand(path: str) -> str:
    return os.path.expanduser(path)


def _is_same(path: str, own: str) -> bool:
    return bool(own) and os.path.abspath(_expand(path)) == os.path.abspath(own)


def _describe_save(path: str, own: str) -> tuple[str, str, bool]:
    """Return what saving to a path means, its style, and whether it is possible."""
    full = _expand(path)
    directory = os.path.dirname(full) or "."
    if not path:
        return "enter a file name, such as mesh.yaml", "$foreground-muted", False
    if os.path.isdir(full):
        return "this is a directory", "$text-error", False
    if not os.path.isdir(directory):
        return f"there is no directory {escape(directory)}", "$text-error", False
    if _is_same(path, own):
        text = "the file of this mesh: its comments, order and quoting stay"
        return text, "$text-success", True
    if os.path.exists(full):
        return "! this file exists: saving replaces it", "$text-warning", True
    return "a new file", "$text-success", True


def _describe_load(path: str) -> tuple[str, str, bool]:
    full = _expand(path)
    if not path:
        text = "replaces the mesh by that of the manifest; undo restores this one"
        return text, "$foreground-muted", False
    if os.path.isdir(full):
        return "a directory", "$foreground-muted", False
    if not os.path.exists(full):
        return "there is no such file", "$text-error", False
    text = "what both meshes have in common stays up; undo restores this mesh"
    return text, "$text-success", True
