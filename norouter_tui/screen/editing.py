"""The whole manifest in the user's editor, and into the mesh once the user agrees."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from textual.app import App

from norouter_core.commands.call import build_call
from norouter_core.commands.results import Question
from norouter_core.manifest import ManifestError, load_text, render
from norouter_core.model import MeshSpec
from norouter_tui.run import editor
from norouter_tui.screen.command_runner import CommandRunner
from norouter_tui.screen.main_screen import main_screen
from norouter_tui.screen.widgets.cells import escape_line


async def edit_manifest(app: App[Any], runner: CommandRunner) -> None:
    """Open the manifest in the user's editor, show the difference, and apply it."""
    snapshot = main_screen(app).snapshot
    if snapshot is None:
        return
    before = await runner.text_of("export")
    with _temporary_file(before + "\n") as path:
        while True:
            # An exception in here would keep Textual from taking the terminal back.
            with app.suspend():
                after, error = _edit(path)
            if error:
                app.notify(escape_line(error), severity="error", markup=False, timeout=8)
                return
            problems = _problems(after, snapshot.spec)
            if problems is None:
                app.notify("Nothing was changed.")
                return
            if not problems:
                break
            if not await runner.confirm(Question(f"{problems}\n\nEdit it again?")):
                return
        if await runner.confirm(Question("Apply these changes to the mesh?", _diff(before, after))):
            await runner.run(build_call("load", file=str(path), keep=True))


@contextmanager
def _temporary_file(text: str) -> Iterator[Path]:
    number, name = tempfile.mkstemp(prefix="norouter-", suffix=".yaml")
    path = Path(name)
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


def _edit(path: Path) -> tuple[str, str]:
    """Return the text that the user leaves in the file, and why there is none.

    Invalid UTF-8 becomes backslash escapes, which the loader reports as a problem.
    """
    try:
        editor.edit(path)
        return path.read_text("utf-8", "backslashreplace"), ""
    except (editor.EditorFailed, OSError) as error:
        return "", str(error)


def _problems(text: str, spec: MeshSpec) -> str | None:
    """Return the problems of an edited manifest; None if it means the same as `spec`."""
    try:
        loaded = load_text(text, "manifest")
    except ManifestError as error:
        return "\n".join(map(render, error.problems))
    return None if loaded.spec == spec else ""


def _diff(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), "a", "b", lineterm="")
    return "\n".join(lines)
