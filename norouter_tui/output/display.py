"""Show the outputs of a command as they come, for every front end that prints lines."""

from __future__ import annotations

import sys
from typing import Protocol

from rich.text import Text

from norouter_core.commands.call import Call
from norouter_core.commands.results import Bytes, Column, Outcome, Output, Table
from norouter_core.session.client import Client
from norouter_tui.output import writers
from norouter_tui.output.hexdump import ByteFormat, ByteText
from norouter_tui.output.rendering import json_lines, lines


class Sink(Protocol):
    """Where lines go."""

    @property
    def width(self) -> int | None:
        """Columns of a terminal; None for a pipe or a file."""
        ...

    def write(self, text: Text) -> None:
        """Write a part of a line, or a line with its newline."""
        ...

    def write_bytes(self, source: str, data: bytes) -> None:
        """Write bytes unchanged; called only if `width` is None."""
        ...


class StreamSink:
    """stdout and stderr, in colour on terminals that support it."""

    def __init__(self) -> None:
        self._paint = writers.painter(sys.stdout)

    @property
    def width(self) -> int | None:
        return writers.make_console(sys.stdout).width if sys.stdout.isatty() else None

    def write(self, text: Text) -> None:
        sys.stdout.write(self._paint(text))
        sys.stdout.flush()

    def write_bytes(self, source: str, data: bytes) -> None:
        stream = sys.stderr if source == "stderr" else sys.stdout
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()


class Display:
    """Shows outputs on a sink: call it with each, and `close` it when the command has ended.

    Args:
        as_json: one JSON object a line, see `norouter_tui.output.rendering.json_lines`.
        form: how tapped bytes are shown.
    """

    def __init__(
        self, sink: Sink, *, as_json: bool = False, form: ByteFormat = ByteFormat.AUTO
    ) -> None:
        self._sink = sink
        self._as_json = as_json
        self._bytes = ByteText(form)
        self._columns: tuple[Column, ...] = ()
        self._layout: list[int] = []

    def __call__(self, output: Output) -> None:
        if self._as_json:
            for line in json_lines(output):
                self._sink.write(Text(line + "\n"))
        elif isinstance(output, Bytes):
            self._show_bytes(output)
        else:
            self.close()
            for text in lines(output, self._sink.width, self._layout_of(output)):
                self._sink.write(text.append("\n"))

    def _layout_of(self, output: Output) -> list[int]:
        """Keep the layout while the columns stay the same, as in a log that is followed."""
        columns = output.columns if isinstance(output, Table) else ()
        if columns != self._columns:
            self._columns, self._layout = columns, []
        return self._layout

    def _show_bytes(self, output: Bytes) -> None:
        # The output of a command passes a pipe unchanged; a tap has two directions to mark.
        if self._sink.width is None and output.source in ("stdout", "stderr"):
            self._sink.write_bytes(output.source, output.data)
            return
        for part in self._bytes.feed(output.source, output.data):
            self._sink.write(part)

    def close(self) -> None:
        """End a line that bytes have left open."""
        for part in self._bytes.close():
            self._sink.write(part)


async def run_shown(client: Client, call: Call, sink: Sink, *, confirmed: bool = False) -> Outcome:
    """Run a command and show its outputs as they come. The caller shows how it ended."""
    display = Display(sink, as_json="json" in call, form=_form(call))
    try:
        return await client.run(call, display, confirmed=confirmed)
    finally:
        display.close()


def _form(call: Call) -> ByteFormat:
    """Return how a call asks for bytes to be shown."""
    if call.verb.name != "stream tap":
        return ByteFormat.AUTO
    return (
        ByteFormat.HEX if "hex" in call else ByteFormat.TEXT if "text" in call else ByteFormat.AUTO
    )
