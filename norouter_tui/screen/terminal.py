"""The terminal driver: survives a terminal that goes away, and reads pastes as plain text.

This module is the only one that uses parts of Textual that are not documented: the name of the
driver for POSIX terminals, its `_file`, and the parser that it feeds. `pyproject.toml` pins Textual
to the major version they were checked with.
"""

from __future__ import annotations

import codecs
import os
import selectors
from collections.abc import Iterable
from typing import Any

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from norouter_tui.output import writers

_ESC = "\x1b"
_PASTE_START, _PASTE_END = f"{_ESC}[200~", f"{_ESC}[201~"
"""The marks that a terminal puts around a paste."""


class InputParser:
    """Turns what the terminal sends into Textual's events.

    Escape characters inside a paste become spaces first: Textual's parser would take up to 32
    characters after each of them for keys that were pressed.
    """

    def __init__(self, debug: bool = False) -> None:
        self._parser = XTermParser(debug)
        self._in_paste = False
        self._held = ""

    def feed(self, data: str) -> Iterable[Message]:
        """Return the events that `data` completes."""
        safe = self._without_pasted_escapes(data)
        return self._parser.feed(safe) if safe else ()

    def tick(self) -> Iterable[Message]:
        """Return the events that were waiting for more input and have waited long enough."""
        return self._parser.tick()

    def _without_pasted_escapes(self, data: str) -> str:
        rest, self._held = self._held + data, ""
        parts = []
        while rest:
            text, mark, rest = rest.partition(_PASTE_END if self._in_paste else _PASTE_START)
            if self._in_paste:
                if not mark:
                    text = self._hold_partial_mark(text)
                text = text.replace(_ESC, " ")
            parts += [text, mark]
            self._in_paste ^= bool(mark)
        return "".join(parts)

    def _hold_partial_mark(self, text: str) -> str:
        """Keep what may be the start of the end mark for the next read; return the rest."""
        at = text.rfind(_ESC)
        if at >= 0 and _PASTE_END.startswith(text[at:]):
            text, self._held = text[:at], text[at:]
        return text


class TerminalDriver(LinuxDriver):
    """Textual's driver for POSIX terminals, made robust.

    Once the terminal has gone, output is dropped. Textual's writer thread would end with the first
    write that fails, the app would wait for it forever, and a closed terminal would leave the
    program behind. Output and keys are UTF-8 whatever the locale is, and invalid bytes in the
    input are replaced.
    """

    def __init__(self, app: App[Any], **more: Any) -> None:
        super().__init__(app, **more)
        self._file = writers.drawing()

    def run_input_thread(self) -> None:
        """Read until the driver stops or the terminal has gone."""
        parser, decoder = InputParser(self._debug), codecs.getincrementaldecoder("utf-8")("replace")
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    try:
                        data = os.read(self.fileno, 1 << 12)
                    except OSError:
                        return
                    if not data:
                        return
                    if text := decoder.decode(data):
                        self._process(parser.feed(text))
                self._process(parser.tick())

    def _process(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
