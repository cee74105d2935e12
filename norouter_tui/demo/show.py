"""The output of the demo: a spinner, a bar and colours on a terminal, plain lines on a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TransferSpeedColumn as SpeedColumn
from rich.table import Table
from rich.text import Text

from norouter_core.engine.status import StreamStatus
from norouter_core.errors import NorouterError
from norouter_core.sanitize import escape
from norouter_tui.output.units import seconds, size
from norouter_tui.output.writers import make_console

_PIPE_WIDTH = 200
"""Columns of a table on a pipe."""


class CheckFailed(NorouterError):
    """A check of the demo failed; the arguments are lines for the user."""


class Show:
    """Prints each step when it ends, and on a terminal also while it runs."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or make_console()
        self.passed = 0

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self.console.print(Text(text, style=style), soft_wrap=True)

    @contextmanager
    def step(self, doing: str) -> Iterator[Callable[[str], None]]:
        """Show a step while it runs; call the yielded function with each result."""
        started = time.monotonic()

        def found(what: str) -> None:
            self.passed_in(what, time.monotonic() - started)

        live = self.console.status(Text(doing)) if self.console.is_terminal else nullcontext()
        with live:
            yield found

    @contextmanager
    def transfer(self, doing: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a transfer of `total` bytes; call the result, in any thread, with sizes."""
        if not self.console.is_terminal:
            yield _ignore
            return
        columns = (SpinnerColumn(), TextColumn(doing), BarColumn(), DownloadColumn(True))
        with Progress(*columns, SpeedColumn(), console=self.console, transient=True) as progress:
            task = progress.add_task(doing, total=total)
            yield lambda number: progress.update(task, advance=number)

    def passed_in(self, what: str, took: float) -> None:
        """Print a check that passed after `took` seconds."""
        self.passed += 1
        line = Text.assemble(("ok     ", "bold green"), escape(what), (f"  {seconds(took)}", "dim"))
        self.console.print(line, soft_wrap=True)

    def failed(self, failure: CheckFailed) -> None:
        """Print the check that ends the demo."""
        first, *rest = [escape(str(line)) for line in failure.args]
        self.console.print(Text.assemble(("FAILED ", "bold red"), first), soft_wrap=True)
        for line in rest:
            self.say(f"       {line}")

    def streams(self, streams: Iterable[StreamStatus]) -> None:
        """Print a table of all streams."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("stream", "listener", "way"):
            table.add_column(heading, no_wrap=True)
        for heading in ("sent", "received"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("end", no_wrap=True)
        for stream in streams:
            table.add_row(*map(Text, _cells(stream)))
        if not self.console.is_terminal:
            # A pipe has no width that could cut the cells, whatever COLUMNS says.
            self.console.width = _PIPE_WIDTH
        self.console.print(table)


def _cells(stream: StreamStatus) -> list[str]:
    way = "(direct)" if stream.direct else f"-> {stream.to_host}"
    cells = [str(stream.id), stream.listener, f"{stream.from_host} {way}"]
    return [escape(cell) for cell in cells] + [
        size(stream.bytes_sent),
        size(stream.bytes_received),
        escape(stream.reason or stream.state.value),
    ]


def _ignore(number: Any) -> None:
    """Do nothing: a pipe shows no progress."""
