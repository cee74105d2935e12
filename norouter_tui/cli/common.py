"""What the commands of both programs share: options, errors, exit statuses."""

from __future__ import annotations

import contextlib
import sys

import click

from norouter_tui.exit_codes import ExitCode
from norouter_tui.output import writers
from norouter_tui.run.crash import reporter

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

debug_option = click.option("--debug", is_flag=True, help="Show more details, and tracebacks.")
file_argument = click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line on stdout."
)
uvloop_option = click.option("--no-uvloop", is_flag=True, hidden=True)
vi_option = click.option(
    "--vi/--emacs",
    default=False,
    envvar="NOROUTER_VI",
    show_envvar=True,
    help="Key bindings of the line editor; F4 switches.",
)


def is_on_terminal() -> bool:
    """Return whether stdin, stdout and stderr are all terminals."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)


def run_command(command: click.Command, program: str, words: list[str]) -> int:
    """Run `program WORDS...` and return its exit status; errors become a line on stderr."""
    writers.install()
    reporter.install()
    try:
        # click returns what the command returned, or the status of an `Exit`.
        return int(command.main(words, prog_name=program, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        if (failed := writers.cannot_write(error)) is not None:
            return _cannot_write(program, failed)
        reporter.report(error)
        return ExitCode.INTERNAL


def _cannot_write(program: str, error: writers.CannotWrite) -> int:
    writers.give_up()
    with contextlib.suppress(OSError):
        click.echo(f"{program}: cannot write to {error.filename}: {error.strerror}", err=True)
    return ExitCode.CANNOT_WRITE
