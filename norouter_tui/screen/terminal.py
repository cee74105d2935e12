"""The terminal that is drawn on."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from norouter_tui import stdio


class Terminal(LinuxDriver):
    """Textual's own, but once the terminal has gone, what is drawn on it is dropped.

    Textual's thread that writes would end with the first write that fails, and the app would wait
    for that thread without end: a terminal that closes would leave the program behind. What is
    drawn is UTF-8, as are the keys that are read, whatever the locale says.
    """

    def __init__(self, app: App[Any], **more: Any) -> None:
        super().__init__(app, **more)
        self._file = stdio.drawing()
