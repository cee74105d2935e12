"""A mesh on a full screen: what `norouter-tui` shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import anyio
import anyio.abc
import click
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widgets import Footer, Header, HelpPanel, RichLog

from norouter_core.engine import Engine, Subscription
from norouter_core.engine.status import Status
from norouter_core.model import MeshSpec
from norouter_tui import __version__, stdio
from norouter_tui.check import load, sayer, warning_lines
from norouter_tui.crash import reporter
from norouter_tui.exitcodes import ExitCode
from norouter_tui.plaintext import clean, count, size
from norouter_tui.printer import Printer
from norouter_tui.question import Question
from norouter_tui.signals import watch_signals
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
        notes: lines for the log, before any event's.
    """

    CSS = """
    Grid { height: 1fr; min-height: 4; border: round $primary; }
    #log { height: 1fr; min-height: 4; border: round $primary; }
    DataTable:focus, RichLog:focus { border: round $accent; }
    """
    BINDINGS = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("r", "reconnect", "Reconnect host"),
        Binding("x", "kill_stream", "Kill stream"),
        Binding("question_mark", "help", "Keys", key_display="?"),
    ]

    def __init__(self, spec: MeshSpec, name: str = "", notes: Sequence[Text] = ()) -> None:
        super().__init__()
        self.title = "norouter"
        self.sub_title = clean(name) or "empty mesh"
        self.fault: BaseException | None = None
        """What ended the app, if that was a fault of this program."""
        self._spec = spec
        self._notes = [*notes, *([] if spec.hosts else map(Text, _EMPTY))]
        self._engine: Engine | None = None
        self._unstopped: Engine | None = None
        """The engine until it has stopped; `_engine` only until it begins to."""
        self._leave = anyio.Event()

    def compose(self) -> ComposeResult:
        yield Header()
        yield Grid("Hosts", HOST_COLUMNS, id="hosts")
        yield Grid("Ports", PORT_COLUMNS, id="ports")
        yield Grid("Streams", STREAM_COLUMNS, id="streams")
        log = RichLog(id="log", max_lines=2000, markup=False, highlight=False, wrap=True)
        log.border_title = "Log"
        yield log
        yield Footer()

    def on_mount(self) -> None:
        """Starts the engine in a worker of this app's loop, and the refreshes."""
        for note in self._notes:
            self.query_one(RichLog).write(note)
        self.run_worker(self._run_mesh(), name="mesh", exit_on_error=False)
        self.set_interval(REFRESH, self._refresh_tables)

    async def _run_mesh(self) -> None:
        """The engine's whole life; the app ends when it has stopped in an orderly way."""
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(watch_signals, self._leave.set, self._end_at_once)
                async with Engine() as engine:
                    self._engine = self._unstopped = engine
                    tasks.start_soon(self._follow, engine.subscribe())
                    await engine.apply(self._spec)
                    await self._leave.wait()
                    self._engine = None
                tasks.cancel_scope.cancel()
        except Exception as error:
            self.fault = error
        if self._exit:
            return  # the user did not wait
        self.exit(return_code=ExitCode.INTERNAL if self.fault else ExitCode.OK)

    def _end_at_once(self) -> None:
        if self._unstopped is not None:
            self._unstopped.kill_now()
        self.exit(return_code=ExitCode.INTERRUPTED)

    async def _follow(self, events: Subscription) -> None:
        log = self.query_one(RichLog)

        def say(line: object) -> None:
            log.write(line)

        printer = Printer(
            say, say, debug=reporter.debug, expected=len(self._spec.hosts), again="press r on it"
        )
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
            self._end_at_once()
            return
        self._leave.set()
        self.notify("Stopping the mesh. Press q again to end at once.")

    def action_help(self) -> None:
        """Shows the keys that work where the focus is, or hides them."""
        if self.screen.query(HelpPanel):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    async def action_reconnect(self) -> None:
        """Starts the selected host's exec command anew."""
        name = self.query_one("#hosts", Grid).selected
        if self._engine is None or name is None:
            self.notify("There is no host to reconnect.", severity="warning")
            return
        if not any(host.name == name and host.command for host in self._engine.status().hosts):
            text = f"{clean(name)} is this machine: it has no command to start anew."
            self.notify(text, severity="warning", markup=False)
            return
        self.notify(f"Reconnecting {clean(name)}.", markup=False)
        await self._engine.restart(name)

    async def action_kill_stream(self) -> None:
        """Asks, and resets the selected stream at both of its ends."""
        number = self.query_one("#streams", Grid).selected
        if self._engine is None or number is None:
            self.notify("There is no open stream to kill.", severity="warning")
            return
        streams = (x for x in self._engine.status().streams if str(x.id) == number)
        way = next((f", {clean(f'{x.from_host} -> {x.to_host} {x.target}')}" for x in streams), "")
        text = f"Kill stream {number}{way}?\nBoth of its ends are reset; it cannot be undone."

        async def answered(yes: bool | None) -> None:
            if yes:
                await self._kill(number)

        self.push_screen(Question(text), answered)

    async def _kill(self, number: str) -> None:
        if self._engine is not None and await self._engine.kill_stream(int(number)):
            self.notify(f"Killed stream {number}.")
        else:
            self.notify(f"Stream {number} has ended already.", severity="warning")

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print a traceback with all local values over the user's terminal.
        self.fault = error
        self._leave.set()
        self.exit(return_code=ExitCode.INTERNAL)


_EMPTY = (
    "This mesh is empty: it has no hosts. Name them in a manifest, a YAML file such as",
    "",
    "  hosts:",
    "    local:                      # this machine: it has no cmd",
    "    web:",
    "      cmd: docker exec -i web   # or: ssh web, kubectl exec -i POD --, ...",
    '      ports: ["8080:127.0.0.1:80"]',
    "",
    "and show it with: norouter-tui mesh.yaml   (q quits, ? shows the keys)",
)


def _totals(status: Status) -> str:
    opened = count(status.opened_total, "stream")
    return f"{len(status.streams)} open, {opened} so far, {size(status.bytes_total)}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("manifest", required=False)
@click.version_option(__version__, "-v", "--version", prog_name="norouter-tui")
@click.option("--debug", is_flag=True, help="Tell more, and show tracebacks.")
def command(manifest: str | None, debug: bool) -> int:
    """Show the mesh of MANIFEST on a full screen, and keep it up until you quit.

    A screen to look at: hosts, ports, streams and a log. q quits, r reconnects the selected host,
    x kills the selected stream, ? shows all keys. Without MANIFEST it is an empty mesh. To check
    a manifest or to run it without a screen: norouter check FILE, norouter run FILE.
    """
    reporter.debug = debug
    # Textual reads keys from stdin and draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("norouter-tui needs a terminal; without one: norouter run FILE")
    spec, name, notes = MeshSpec(), "", list[Text]()
    if manifest is not None:
        loaded = load(manifest, sayer(sys.stderr))
        if loaded is None:
            return ExitCode.USAGE
        spec, name, notes = loaded.spec, loaded.name, warning_lines(loaded)
    app = MeshApp(spec, name, notes)
    app.run()
    if app.fault is not None:
        reporter.report(app.fault)
    return app.return_code or 0


def run(words: list[str]) -> int:
    """Runs `norouter-tui WORDS...` and returns its exit status."""
    stdio.install()
    reporter.install()
    try:
        return int(command.main(words, prog_name="norouter-tui", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        reporter.report(error)
        return ExitCode.INTERNAL
