"""What the commands of both programs share: options, errors, exit statuses."""

from __future__ import annotations

import contextlib

import click

from norouter_tui.exit_codes import ExitCode
from norouter_tui.output import writers
from norouter_tui.run.crash import reporter

debug_option = click.option("--debug", is_flag=True, help="Tell more, and show tracebacks.")
file_argument = click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
uvloop_option = click.option("--no-uvloop", is_flag=True, hidden=True)


def run_command(command: click.Command, program: str, words: list[str]) -> int:
    """Runs `program WORDS...`, which is `command`, and returns its exit status."""
    writers.install()
    reporter.install()
    try:
        # click hands back what the command returned, or the status of an `Exit`.
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
