"""Manifests as the front ends open them: with their problems, warnings and advice as lines."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.resources import files

from rich.text import Text

from norouter_core import manifest
from norouter_core.commands.edits.hosts import new_mesh
from norouter_core.exec_commands.lint import lint
from norouter_core.manifest import ManifestError, Problem
from norouter_core.manifest.load import DEFAULT_VIPS
from norouter_core.model import MeshSpec
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_core.session.document import Document
from norouter_tui.output.units import count, seconds
from norouter_tui.output.writers import PrintLine
from norouter_tui.run.local_ports import addresses_in_use

_LOCAL_HINT = (
    "a host without `cmd`, such as `local:`, is this machine; the mesh then listens here as well"
)


def example() -> str:
    """Return the commented example manifest, which has neither problems nor warnings."""
    return files(__package__).joinpath("example.yaml").read_text("utf-8")


def load_manifest(
    file: str, say: PrintLine, *, runs: bool = False, adds_local: bool = False
) -> manifest.Loaded | None:
    """Load a manifest ('-' is stdin) and print its problems and warnings.

    Args:
        runs: whether its mesh is to run here, so that its hosts get VIPs that are not in use.
        adds_local: whether this machine will be added as a host, so that its lack is no mistake.

    Returns:
        The manifest, with advice about the mesh among its warnings; None if it has problems.
    """
    try:
        loaded = manifest.load_file(file, _vip_choice() if runs else DEFAULT_VIPS)
    except ManifestError as error:
        lines = problem_lines(error.warnings, warnings=True) + problem_lines(error.problems)
        name = escape(error.problems[0].file)
        if len(error.problems) > 1 or error.problems[0].line:
            number = count(len(error.problems), "problem")
            lines.append(Text(f"{name}: {number}", style="bold"))
        for line in lines:
            say(line)
        return None
    loaded = replace(loaded, warnings=(*loaded.warnings, *_notes(loaded, adds_local)))
    for line in problem_lines(loaded.warnings, warnings=True):
        say(line)
    return loaded


def _notes(loaded: manifest.Loaded, adds_local: bool) -> tuple[Problem, ...]:
    return advise(loaded.spec, loaded.name, needs_local=not adds_local)


def open_document(file: str | None) -> Document:
    """Return the document of a manifest, or a new one if there is no such file or None is given.

    Raises:
        ManifestError: the file cannot be read, or is not a valid manifest.
    """
    if file is None:
        return Document.empty(new_mesh(addresses_in_use()))
    if os.path.lexists(file):
        return Document.load(file, _vip_choice())
    if not os.path.isdir(os.path.dirname(file) or "."):
        hint = "create the directory first"
        raise ManifestError((Problem(file, 0, 0, "no such file or directory", hint),))
    return Document(file, new_mesh(addresses_in_use()), None)


def _vip_choice() -> manifest.VipChoice:
    return manifest.VipChoice(in_use=addresses_in_use())


def notes_of(document: Document) -> list[Text]:
    """Return what the user should know of a manifest before anything is started."""
    name = document.path or "<stdin>"
    warnings = (*document.warnings, *advise(document.spec, name))
    notes = problem_lines(warnings, warnings=True)
    if document.path and not document.text:
        notes.append(Text(f"{escape(document.path)} does not exist yet; `save` creates it"))
    return notes


def kept_line(program: str, path: str) -> Text:
    """Return what to tell the user when a session leaves unsaved work.

    Args:
        program: the command that offers to restore it, for example `norouter repl`.
        path: the manifest of the work; empty for none.
    """
    command = _with_file(program, path)
    return Text(f"unsaved changes are kept: `{command}` offers to restore them")


def left_work_lines(path: str, *, control: bool) -> list[Text]:
    """Return lines about the unsaved work that earlier sessions on a manifest left.

    Args:
        path: the manifest; empty for none.
        control: whether its mesh, which starts now, will have a control socket.
    """
    autosave = Autosave()
    own = os.path.abspath(path) if path else None
    left = [recovery for recovery in autosave.recoverable() if recovery.path == own]
    lines = [Text(escape(line), style="yellow") for line in autosave.complaints]
    if left:
        ago = seconds(max(0.0, time.time() - left[0].when))
        if control:
            advice = f"to restore them, run `{_with_file('norouter attach', path)}`, then `recover`"
        else:
            advice = f"after this run, `{_with_file('norouter repl', path)}` offers to restore them"
        text = f"an earlier session left unsaved changes, the last one {ago} ago; {advice}"
        lines.append(Text(text, style="yellow"))
    return lines


def _with_file(command: str, path: str) -> str:
    return f"{command} {escape(shlex.quote(path))}" if path else command


def problem_lines(problems: Iterable[Problem], *, warnings: bool = False) -> list[Text]:
    """Return the lines that describe problems of a manifest, or warnings about it."""
    lines: list[Text] = []
    for problem in problems:
        if warnings:
            problem = replace(problem, message=f"warning: {problem.message}")
        first, *rest = manifest.render(problem).splitlines()
        lines.append(Text(escape(first), style="yellow" if warnings else "bold red"))
        lines += [Text(escape(line)) for line in rest]
    return lines


def advise(spec: MeshSpec, name: str, *, needs_local: bool = True) -> tuple[Problem, ...]:
    """Return warnings about what is valid in a mesh but most likely a mistake. Runs nothing.

    Args:
        name: of the manifest.
        needs_local: whether to warn that no host is this machine.
    """
    return tuple(_advise(spec, escape(name), needs_local))


def _advise(spec: MeshSpec, name: str, needs_local: bool) -> Iterator[Problem]:
    hosts = list(spec.effective())
    if needs_local and hosts and not any(host.is_local for host in hosts):
        message = "no host is this machine, so no port of the mesh listens here"
        yield Problem(name, 0, 0, message, _LOCAL_HINT)
    for host in hosts:
        for found in lint(host.argv, host.agent) if host.argv else ():
            message = f'host "{escape(host.name)}": {escape(found.message)}'
            yield Problem(name, 0, 0, message, escape(found.hint))
