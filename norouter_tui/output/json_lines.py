"""Events as JSON lines; `events.schema.json` beside this file says what a line may hold."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from norouter_core.engine.events import Event


class JsonLines:
    """Writes each event as one line of ASCII JSON: hostile text cannot reach a terminal raw.

    Args:
        write: takes a line without its newline; False if it had to drop it.
    """

    def __init__(self, write: Callable[[str], bool]) -> None:
        self._write = write
        self._owed = 0

    def show(self, event: Event) -> None:
        """Writes one event, after a `missed` line where events before it were lost."""
        if self._owed and self._write(self._missed_line()):
            self._owed = 0
        if self._owed or not self._write(encode(event.to_json())):
            self._owed += 1

    def missed(self, number: int) -> None:
        """Notes that `number` events before the next one were lost."""
        self._owed += number

    def _missed_line(self) -> str:
        return encode({"event": "missed", "at": time.time(), "count": self._owed})


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one line."""
    text = resources.files(__package__).joinpath("events.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def encode(values: Mapping[str, Any]) -> str:
    """A line of ASCII JSON."""
    # JSON leaves DEL as it is, the one control character that ASCII output would still hold.
    line = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return line.replace("\x7f", "\\u007f")
