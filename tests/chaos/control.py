"""A client of the control socket, as docs/control.md describes it."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HANG = 45.0
"""Seconds without an answer to a command: longer than `suspend-hub` and `wait` take."""


class Control:
    """One connection; its commands run one after the other."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(HANG)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self.hello = json.loads(self._lines.readline())
        self._number = 0

    def run(self, line: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Run a command without questions; return its outcome, and its outputs.

        Raises:
            OSError: the session has ended, or does not answer.
        """
        self._number += 1
        request = {"id": self._number, "run": line, "confirmed": True}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        outputs = []
        while answer := self._lines.readline():
            value = json.loads(answer)
            if value.get("id") != self._number:
                continue
            if "output" in value:
                outputs.append(value["output"])
            elif "outcome" in value:
                return value["outcome"], outputs
            elif "error" in value:
                return {"failure": value["error"]}, outputs
        raise ConnectionError("the control socket was closed")

    def rows(self, line: str) -> list[dict[str, Any]]:
        """Return the rows of the tables that a command prints."""
        return [
            row for output in self.run(line)[1] for row in output.get("table", {}).get("rows", [])
        ]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


Edited = Callable[[str, str, float], None]
"""Takes a command, how it failed (or nothing) and the seconds that it took."""


class Editor:
    """Runs commands in a thread of its own, so that a hub that stands still delays no fault."""

    def __init__(self, path: Path, on_edited: Edited) -> None:
        self._control = Control(path)
        self._on_edited = on_edited
        self._lines: queue.Queue[tuple[str, float] | None] = queue.Queue(1000)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, line: str, pick: float = 0.0) -> None:
        """Run a command soon; `pick` chooses the stream that STREAM in it stands for."""
        self._lines.put((line, pick))

    def finish(self) -> bool:
        """Run what is queued, and end; return whether that went well."""
        self._lines.put(None)
        self._thread.join(2 * HANG)
        self._control.close()
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (entry := self._lines.get()) is not None:
            line, pick = entry
            begun = time.monotonic()
            try:
                if "STREAM" in line:
                    rows = self._control.rows("streams --json")
                    number = rows[int(pick * len(rows))]["id"] if rows else 1
                    line = line.replace("STREAM", str(number))
                outcome, _ = self._control.run(line)
                failure = (outcome.get("failure") or {}).get("message", "")
            except OSError as error:
                failure = f"no answer: {error!r}"
            self._on_edited(line, failure, time.monotonic() - begun)
