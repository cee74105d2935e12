"""Where to save the mesh, and which manifest to open."""

from __future__ import annotations

import os
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.sanitize import escape
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.command_builder import split
from norouter_tui.screen.dialogs.form import FieldInput, FieldRow, FormField
from norouter_tui.screen.quoting import word
from norouter_tui.screen.widgets.keybar import KeyBar
from norouter_tui.screen.widgets.suggestions import Suggestions


class FileDialog(ModalScreen[str | None]):
    """Asks for a file; its result is the command line that was asked for.

    Args:
        verb: `save` or `load`.
        path: what stands there at first.
        own: the session's own file, which `save` replaces without a word; empty for none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", id="file-complete"),
        Binding("escape", "cancel", "Cancel", key_display="esc", id="file-cancel"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def __init__(self, backend: Backend, verb: str, path: str = "", own: str = "") -> None:
        super().__init__()
        self._backend = backend
        self._verb = verb
        self._path = path
        self._own = own
        self._good = True

    @property
    def _saves(self) -> bool:
        return self._verb == "save"

    def compose(self) -> ComposeResult:
        field = FormField("file", "File", self._path, kind=ArgumentType.FILE, required=True)
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
    def offers(self) -> Suggestions:
        return self.query_one(Suggestions)

    def on_mount(self) -> None:
        self.row.put(self._path)
        self.row.input.focus()
        self.row.input.select_all()
        self._look(self._path, listing=True)

    # -- what is typed ---------------------------------------------------------------------

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self._look(event.value, listing=not self.offers.is_taken(event.value))

    @work(exclusive=True, group="completion")
    async def _look(self, text: str, *, listing: bool) -> None:
        """Tells what would become of a file, and lists what else the path may be."""
        self._tell(text.strip())
        if listing:
            line = f"{self._verb} {word(text) if text else ''}"
            # Without a closing quote, which would end the word.
            line = line[:-1] if line.endswith("'") else line
            found = await self._backend.complete(line, len(line))
            start = len(self._verb) + 1
            texts = [(_plain(c.text), c.about) for c in found if c.start >= start]
            self.offers.show_suggestions(texts, "no such files" if text else "")

    def _tell(self, path: str) -> None:
        told, style, self._good = _saving(path, self._own) if self._saves else _loading(path)
        self.query_one(".effect", Static).update(Content.styled(told, style))

    @on(FieldInput.Stepped)
    def _walked(self, event: FieldInput.Stepped) -> None:
        event.stop()
        taken = self.offers.step(event.by)
        if taken is not None:
            self.row.put(taken)

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.row.put(self.offers.take(event.option_index))

    def action_complete(self) -> None:
        """Takes the next of what is offered; looks into a folder that was taken."""
        text = self.row.text
        if text.endswith("/") and self.offers.is_taken(text):
            self._look(text, listing=True)
            return
        taken = self.offers.step(1)
        if taken is not None:
            self.row.put(taken)

    # -- its end ---------------------------------------------------------------------------

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        path = self.row.text
        self._tell(path)
        if not self._good:
            return
        force = self._saves and not _same(path, self._own) and os.path.exists(_full(path))
        self.dismiss(f"{self._verb} {word(path)}{' --force' if force else ''}")

    def action_cancel(self) -> None:
        """Asks for nothing."""
        self.dismiss(None)


def _plain(text: str) -> str:
    """A completion without the quotes that it has in a line."""
    return (split(text) or (text,))[0]


def _full(path: str) -> str:
    return os.path.expanduser(path)


def _same(path: str, own: str) -> bool:
    return bool(own) and os.path.abspath(_full(path)) == os.path.abspath(own)


def _saving(path: str, own: str) -> tuple[str, str, bool]:
    """What saving there means, its style, and whether it can be."""
    full = _full(path)
    folder = os.path.dirname(full) or "."
    if not path:
        return "name a file, such as mesh.yaml", "$foreground-muted", False
    if os.path.isdir(full):
        return "this is a folder", "$text-error", False
    if not os.path.isdir(folder):
        return f"there is no folder {escape(folder)}", "$text-error", False
    if _same(path, own):
        return "its own file: comments, order and quoting stay", "$text-success", True
    if os.path.exists(full):
        return "! there is such a file: it will be replaced", "$text-warning", True
    return "a new file", "$text-success", True


def _loading(path: str) -> tuple[str, str, bool]:
    full = _full(path)
    if not path:
        return (
            "the mesh becomes that of the manifest; undo brings this one back",
            "$foreground-muted",
            False,
        )
    if os.path.isdir(full):
        return "a folder", "$foreground-muted", False
    if not os.path.exists(full):
        return "there is no such file", "$text-error", False
    return "what both meshes have stays up; undo brings this one back", "$text-success", True
