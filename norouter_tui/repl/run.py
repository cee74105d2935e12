"""`norouter repl`: a session of its own, at a terminal or by a script."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from norouter_core.manifest import ManifestError
from norouter_core.sanitize import escape
from norouter_core.session.autosave import Autosave
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import line_printer
from norouter_tui.repl.script import ScriptRun, lines_from, lines_in
from norouter_tui.run.documents import notes_of, open_document, problem_lines
from norouter_tui.run.process import run_async
from norouter_tui.run.session_host import FrontEnd, SessionHost


@dataclass(frozen=True, slots=True)
class ReplOptions:
    """What `norouter repl` was asked for.

    `commands` is the text of `-c`, `script` the file of `-f`; at most one is given. `file` is the
    manifest; one that does not exist yet is made by the first `save`.
    """

    file: str | None = None
    commands: str | None = None
    script: str | None = None
    vi: bool = False
    uvloop: bool = True


def run_repl(options: ReplOptions) -> int:
    """Runs the REPL, or the script, to its end; the exit status."""
    say = line_printer(sys.stderr)
    try:
        document = open_document(options.file)
        notes = tuple(notes_of(document))
        work = _work(options, notes)
    except ManifestError as error:
        for line in problem_lines(error.problems):
            say(line)
        return ExitCode.USAGE
    except OSError as error:
        say(Text(f"{escape(str(error.filename))}: {error.strerror}", style="bold red"))
        return ExitCode.USAGE
    host = SessionHost(document, work, say, autosave=Autosave())
    return run_async(host.run, uvloop=options.uvloop)


def _work(options: ReplOptions, notes: tuple[Text, ...]) -> FrontEnd:
    """
    Raises:
        OSError: the script cannot be read.
    """
    if options.commands is not None:
        return ScriptRun("-c", lines_in(options.commands), notes)
    if options.script is not None and options.script != "-":
        text = Path(options.script).read_text("utf-8", "backslashreplace")
        return ScriptRun(options.script, lines_in(text), notes)
    if options.script == "-" or not sys.stdin.isatty():
        return ScriptRun("<stdin>", lines_from(0), notes)
    from norouter_tui.repl.interactive import InteractiveRepl

    return InteractiveRepl(vi=options.vi, recovers=True, notes=notes)
