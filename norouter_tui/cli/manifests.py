"""The commands of `norouter` about manifests, which start nothing."""

from __future__ import annotations

import click

from norouter_tui.cli.common import debug_option, file_argument
from norouter_tui.exit_codes import EPILOG


@click.command(epilog=EPILOG, short_help="Check a manifest and describe its mesh.")
@file_argument
@debug_option
def check(file: str, debug: bool) -> int:
    """Check the manifest FILE ('-' is stdin) and describe its mesh. Starts nothing.

    Exits with 0 if the manifest is valid, even if there are warnings, and with 2 otherwise.
    """
    from norouter_tui.cli.check import check_file

    return check_file(file)


@click.command("show-example", short_help="Print an example manifest.")
@debug_option
def show_example(debug: bool) -> None:
    """Print a commented example manifest. Also available as show-ex."""
    from norouter_tui.run.documents import example

    click.echo(example(), nl=False)


@click.command(short_help="Print the JSON Schema of manifests.")
@click.option("--path", is_flag=True, help="Print the path of the schema file instead.")
@click.option("--modeline", is_flag=True, help="Print the comment for editors instead.")
@debug_option
def schema(path: bool, modeline: bool, debug: bool) -> None:
    """Print the JSON Schema (draft 2020-12) of a manifest.

    Editors with yaml-language-server complete and check a manifest that contains, on a line of its
    own, the comment that --modeline prints. The comment names a file on this machine.
    """
    from norouter_core.manifest import schema as schemas

    place = schemas.schema_path()
    if not path and not modeline:
        click.echo(schemas.schema_text(), nl=False)
    elif place is None:
        raise click.ClickException(
            "the schema is inside an archive; save the output of `norouter schema` to a file"
        )
    else:
        click.echo(schemas.modeline() if modeline else f"{place}\n", nl=False)
