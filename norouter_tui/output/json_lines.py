"""Events as JSON lines; `events.schema.json` describes a line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from norouter_core.engine.events import Event


class JsonLines:
    """Writes each event as a line of ASCII JSON, in which hostile text is harmless.

    Args:
        write: takes a line without its newline; False if it had to drop it.
    """

    def __init__(self, write: Callable[[str], bool]) -> None:
        self._write = write
        self._missed = 0

    def show(self, event: Event) -> None:
        """Write an event, after a `missed` line if events before it were lost."""
        if self._missed and self._write(self._missed_line()):
            self._missed = 0
        if self._missed or not self._write(encode(event.to_json())):
            self._missed += 1

    def missed(self, number: int) -> None:
        """Count `number` events that were lost before the next one."""
        self._missed += number

    def _missed_line(self) -> str:
        return encode({"event": "missed", "at": time.time(), "count": self._missed})


def encode(values: Mapping[str, Any]) -> str:
    """Return a line of ASCII JSON."""
    # JSON does not escape DEL, the only control character left in ASCII output.
    line = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return line.replace("\x7f", "\\u007f")
