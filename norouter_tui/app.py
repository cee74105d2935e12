"""The console script `norouter-tui`: a mesh on a full screen."""

from __future__ import annotations

import sys

import anyio
import anyio.abc
import click
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Footer, Header, RichLog

from norouter_core.engine import Engine, Subscription
from norouter_core.engine.status import Status
from norouter_core.model import MeshSpec
from norouter_tui import __version__, stdio
from norouter_tui.check import load, sayer
from norouter_tui.crash import reporter
from norouter_tui.exitcodes import ExitCode
from norouter_tui.plaintext import clean, count, size
from norouter_tui.printer import Printer
from norouter_tui.signals import first_signal
from norouter_tui.tables import (
    HOST_COLUMNS,
    PORT_COLUMNS,
    STREAM_COLUMNS,
    Grid,
    host_rows,
    port_rows,
    stream_rows,
)

REFRESH = 1 / 3
"""Seconds between two looks at the engine's status."""


class MeshApp(App[None]):
    """Shows one mesh and lets its hosts be reconnected and its streams be killed.

    Args:
        spec: the mesh.
        name: what the title shows, a file's name.
    """

    CSS = """
    #hosts { height: 1fr; min-height: 5; border: round $primary; }
    #middle { height: 1fr; min-height: 5; }
    #streams, #ports { width: 1fr; height: 100%; border: round $primary; }
    #log { height: 1fr; min-height: 4; border: round $primary; }
    DataTable:focus, RichLog:focus { border: round $accent; }
    """
    BINDINGS = [
        Binding("q", "quit", "Quit"),
        Binding("r", "reconnect", "Reconnect host"),
        Binding("x", "kill_stream", "Kill stream"),
    ]

    def __init__(self, spec: MeshSpec, name: str = "") -> None:
        super().__init__()
        self.title = "norouter"
        self.sub_title = clean(name) or "empty mesh"
        self.fault: BaseException | None = None
        """What ended the app, if that was a fault of this program."""
        self._spec = spec
        self._engine: Engine | None = None
        self._leave = anyio.Event()

    def compose(self) -> ComposeResult:
        yield Header()
        yield Grid("Hosts", HOST_COLUMNS, id="hosts")
        with Horizontal(id="middle"):
            yield Grid("Streams", STREAM_COLUMNS, id="streams")
            yield Grid("Ports", PORT_COLUMNS, id="ports")
        log = RichLog(id="log", max_lines=2000, markup=False, highlight=False, wrap=True)
        log.border_title = "Log"
        yield log
        yield Footer()

    def on_mount(self) -> None:
        """Starts the engine in a worker of this app's loop, and the refreshes."""
        self.run_worker(self._run_mesh(), name="mesh", exit_on_error=False)
        self.set_interval(REFRESH, self._refresh_tables)

    async def _run_mesh(self) -> None:
        """The engine's whole life; the app ends when it has stopped in an orderly way."""
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._leave_on_signal)
                async with Engine() as engine:
                    self._engine = engine
                    tasks.start_soon(self._follow, engine.subscribe())
                    await engine.apply(self._spec)
                    await self._leave.wait()
                    self._engine = None
                tasks.cancel_scope.cancel()
        except Exception as error:
            self.fault = error
        self.exit(return_code=ExitCode.INTERNAL if self.fault else ExitCode.OK)

    async def _leave_on_signal(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        await first_signal(task_status=task_status)
        self._leave.set()

    async def _follow(self, events: Subscription) -> None:
        log = self.query_one(RichLog)

        def say(line: object) -> None:
            log.write(line)

        printer = Printer(say, say, debug=reporter.debug)
        with events:
            async for event in events:
                printer.show(event)

    def _refresh_tables(self) -> None:
        if self._engine is None:
            return
        status = self._engine.status()
        self.query_one("#hosts", Grid).show(host_rows(status))
        self.query_one("#streams", Grid).show(stream_rows(status))
        self.query_one("#ports", Grid).show(port_rows(status))
        self.query_one("#streams", Grid).border_subtitle = _totals(status)

    async def action_quit(self) -> None:
        """Stops the mesh in an orderly way; a second time ends at once."""
        if self._leave.is_set():
            self.exit(return_code=ExitCode.INTERRUPTED)
        self._leave.set()
        self.notify("Stopping the mesh. Press q again to end at once.")

    async def action_reconnect(self) -> None:
        """Starts the selected host's exec command anew."""
        name = self.query_one("#hosts", Grid).selected
        if self._engine is None or name is None:
            self.notify("There is no host to reconnect.", severity="warning")
            return
        self.notify(f"Reconnecting {clean(name)}.", markup=False)
        await self._engine.restart(name)

    async def action_kill_stream(self) -> None:
        """Resets the selected stream at both of its ends."""
        stream = self.query_one("#streams", Grid).selected
        if self._engine is None or stream is None:
            self.notify("There is no open stream to kill.", severity="warning")
        elif await self._engine.kill_stream(int(stream)):
            self.notify(f"Killed stream {stream}.")
        else:
            self.notify(f"Stream {stream} has ended already.", severity="warning")

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print a traceback with all local values over the user's terminal.
        self.fault = error
        self._leave.set()
        self.exit(return_code=ExitCode.INTERNAL)


def _totals(status: Status) -> str:
    opened = count(status.opened_total, "stream")
    return f"{len(status.streams)} open, {opened} so far, {size(status.bytes_total)}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("manifest", required=False)
@click.version_option(__version__, "-v", "--version", prog_name="norouter-tui")
@click.option("--debug", is_flag=True, help="Tell more, and show tracebacks.")
def command(manifest: str | None, debug: bool) -> int:
    """Show the mesh of MANIFEST on a full screen, and keep it up until you quit."""
    reporter.debug = debug
    # Textual reads keys from stdin and draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("norouter-tui needs a terminal; without one: norouter run FILE")
    spec, name = MeshSpec(), ""
    if manifest is not None:
        loaded = load(manifest, sayer(sys.stderr))
        if loaded is None:
            return ExitCode.USAGE
        spec, name = loaded.spec, loaded.name
    app = MeshApp(spec, name)
    app.run()
    if app.fault is not None:
        reporter.report(app.fault)
    return app.return_code or 0


def main() -> int:
    """Runs `norouter-tui` and returns its exit status."""
    stdio.install()
    reporter.install()
    try:
        return int(command.main(prog_name="norouter-tui", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        reporter.report(error)
        return ExitCode.INTERNAL


if __name__ == "__main__":
    sys.exit(main())
