"""The document that a face opens: of a manifest, or of what is to become one."""

from __future__ import annotations

import os

from rich.text import Text

from norouter_core.commands.edits.hosts import new_mesh
from norouter_core.manifest import ManifestError, Problem
from norouter_core.sanitize import escape
from norouter_core.session.document import Document
from norouter_tui.cli.check import problem_lines
from norouter_tui.output.advice import advise


def open_document(file: str | None) -> Document:
    """The document of a manifest; a new one where there is no such file, or None was given.

    Raises:
        ManifestError: the file cannot be read, or is no valid manifest.
    """
    if file is None:
        return Document.empty(new_mesh())
    if os.path.lexists(file):
        return Document.load(file)
    if not os.path.isdir(os.path.dirname(file) or "."):
        hint = "make its folder first"
        raise ManifestError((Problem(file, 0, 0, "there is no such file, nor its folder", hint),))
    return Document(file, new_mesh(), None)


def notes_of(document: Document) -> list[Text]:
    """What is to be known of a manifest before anything is started."""
    name = document.path or "<stdin>"
    warnings = (*document.warnings, *advise(document.spec, name))
    notes = problem_lines(warnings, warnings=True)
    if document.path and not document.text:
        notes.append(Text(f"{escape(document.path)} is new: `save` makes it"))
    return notes
