"""Options and arguments that many verbs of `norouter` share."""

from __future__ import annotations

import click

debug_option = click.option("--debug", is_flag=True, help="Tell more, and show tracebacks.")
file_argument = click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
uvloop_option = click.option("--no-uvloop", is_flag=True, hidden=True)
