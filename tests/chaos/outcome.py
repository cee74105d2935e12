"""How an exchange can end, and how the traffic programs report it."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Protocol

FINE = frozenset({"ok", "cut"})
"""All bytes came, or the exchange was cut where its request says so."""
ABRUPT = frozenset({"refused", "reset", "lost"})
"""A fault may do this to an exchange. Without a fault it is a violation, and every other
outcome always is: foreign or lost bytes, an end in place of a reset, no end at all."""


class Report(Protocol):
    """Takes the outcome of an exchange."""

    def __call__(
        self, side: str, outcome: str, id: str, *, size: int = 0, note: str = ""
    ) -> None: ...


def print_report(side: str, outcome: str, id: str, *, size: int = 0, note: str = "") -> None:
    """Print an outcome as a line of JSON."""
    line: dict[str, Any] = {"side": side, "outcome": outcome, "id": id, "size": size, "note": note}
    sys.stdout.write(json.dumps({**line, "at": round(time.time(), 2)}) + "\n")
    sys.stdout.flush()


def is_timeout(error: OSError) -> bool:
    """Return whether a wait of this program ended, and not a connection of the kernel's."""
    return isinstance(error, TimeoutError) and error.errno is None
