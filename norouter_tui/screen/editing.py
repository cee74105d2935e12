"""The whole manifest in the user's editor, and back into the mesh once he agrees to the changes."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from norouter_core.commands.results import Question
from norouter_core.manifest import ManifestError, load_text, render
from norouter_core.model import MeshSpec
from norouter_tui.run import editor


@contextmanager
def draft(text: str) -> Iterator[Path]:
    """A file of the user's own that holds `text`, while the context lasts."""
    number, name = tempfile.mkstemp(prefix="norouter-", suffix=".yaml")
    path = Path(name)
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


def problems(text: str, spec: MeshSpec) -> str | None:
    """What is wrong with an edited manifest, a paragraph for each; None if it means what `spec`
    is, empty if it is another mesh and sound."""
    try:
        loaded = load_text(text, "manifest")
    except ManifestError as error:
        return "\n".join(map(render, error.problems))
    return None if loaded.spec == spec else ""


def question(before: str, after: str) -> Question:
    """Whether the edited manifest is to be made so, with what differs."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "a", "b", lineterm="")
    return Question("Make the mesh so?", "\n".join(lines))


def edited(path: Path) -> tuple[str, str]:
    """What the user makes of the file in his editor, and why there is nothing, else empty. Bytes
    that are no UTF-8 are told as problems by the loader."""
    try:
        editor.edit(path)
        return path.read_text("utf-8", "backslashreplace"), ""
    except (editor.EditorFailed, OSError) as error:
        return "", str(error)
