"""The terminal: what is drawn on it, what is typed and pasted into it."""

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
_PASTE, _PASTED = f"{_ESC}[200~", f"{_ESC}[201~"
"""What a terminal puts around a paste."""


class Input(XTermParser):
    """Textual's parser, but what is pasted is text from its first character to its last.

    Textual takes 32 characters after each escape character of a paste for keys that were pressed.
    """

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasting = False
        self._held = ""

    def feed(self, data: str) -> Iterable[Message]:
        """The events of what was read."""
        plain = self._plain(data)
        return super().feed(plain) if plain or not data else ()

    def _plain(self, data: str) -> str:
        """The same, with blanks for the escape characters of pastes."""
        rest, self._held = self._held + data, ""
        parts = []
        while rest:
            text, mark, rest = rest.partition(_PASTED if self._pasting else _PASTE)
            if self._pasting:
                if not mark:
                    text = self._hold(text)
                text = text.replace(_ESC, " ")
            parts += [text, mark]
            self._pasting ^= bool(mark)
        return "".join(parts)

    def _hold(self, text: str) -> str:
        """Keeps back what may be the begin of the mark of a paste's end; the text before it."""
        at = text.rfind(_ESC)
        if at >= 0 and _PASTED.startswith(text[at:]):
            text, self._held = text[:at], text[at:]
        return text


class Terminal(LinuxDriver):
    """Textual's own, but once the terminal has gone, what is drawn on it is dropped.

    Textual's thread that writes would end with the first write that fails, and the app would wait
    for that thread without end: a terminal that closes would leave the program behind. What is
    drawn is UTF-8, as are the keys that are read, whatever the locale says; bytes that are none end
    nothing.
    """

    def __init__(self, app: App[Any], **more: Any) -> None:
        super().__init__(app, **more)
        self._file = writers.drawing()

    def run_input_thread(self) -> None:
        """Reads until the driver is stopped, or the terminal has gone."""
        keys, decoder = Input(self._debug), codecs.getincrementaldecoder("utf-8")("replace")
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
                        self._tell(keys.feed(text))
                self._tell(keys.tick())

    def _tell(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
