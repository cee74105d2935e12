"""Judges a run: counts the outcomes, and keeps each violation with the events before it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter, deque
from typing import Any, TextIO

from tests.chaos.outcome import ABRUPT, FINE

FAULTS = "faults"
"""The only phase in which a stream may be cut or refused."""
_SHOWN = 5
"""How many violations of a kind are shown; all are counted."""
_TAIL = 12
_SLOW = 12.0
"""Seconds that a command may take."""

_INTERNAL = re.compile(
    r"Traceback|internal error|never retrieved|never awaited|was destroyed|AssertionError"
    r"|breaks the protocol|protocol error|not the agent's protocol"
)


class Verdict:
    """What has been seen of a run so far. Its methods may be called from any thread.

    Args:
        journal: a file that gets everything, one JSON object per line.
    """

    def __init__(self, journal: TextIO) -> None:
        self._journal, self._lock = journal, threading.Lock()
        self._begun = time.time()
        self._tail: deque[str] = deque(maxlen=_TAIL)
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self.violations: list[dict[str, Any]] = []
        self.kinds: Counter[str] = Counter()

    def note(self, kind: str, **what: Any) -> None:
        """Write an entry to the journal."""
        line = json.dumps({"at": round(time.time() - self._begun, 2), "kind": kind, **what})
        with self._lock:
            self._journal.write(line + "\n")
            if kind not in ("outcome", "violation"):
                self._tail.append(line[:300])

    def violate(self, kind: str, note: str) -> None:
        """Record a violation, with the last faults and log lines before it."""
        self.note("violation", violation=kind, note=note)
        with self._lock:
            self.kinds[kind] += 1
            if self.kinds[kind] <= _SHOWN:
                at = round(time.time() - self._begun, 2)
                found = {
                    "kind": kind,
                    "at": at,
                    "note": note[:500],
                    "before": list(self._tail) if self.kinds[kind] == 1 else [],
                }
                self.violations.append(found)

    # --- what is judged

    def take_outcome(self, line: str) -> None:
        """Judge a line of a traffic program."""
        if not line.startswith("{"):
            return
        report = json.loads(line)
        side, outcome, phase = report["side"], report["outcome"], report["id"].partition(".")[0]
        with self._lock:
            self.counts[f"{phase} {side} {outcome}"] += 1
            self.bytes += report["size"] if outcome == "ok" and side == "client" else 0
        if outcome in FINE:
            return
        self.note("outcome", **{key: report[key] for key in ("side", "outcome", "id", "note")})
        if outcome not in ABRUPT or phase != FAULTS:
            when = "" if phase == FAULTS else " without a fault"
            self.violate(f"{side} {outcome}{when}", f"{report['id']}: {report['note']}")

    def take_event(self, event: dict[str, Any]) -> None:
        """Judge an event of the hub."""
        if event["event"] == "log":
            self.note("log", level=event["level"], host=event["host"], text=event["text"])
            self.take_text("log", event["text"])
        elif event["event"] == "host":
            host = event["host"]
            problem = (host["problem"] or {}).get("message", "")
            self.note("host", name=host["name"], state=host["state"], problem=problem)
            self.take_text("problem", problem)
        elif event["event"] == "missed":
            self.note("missed", count=event["count"])

    def take_edit(self, line: str, failure: str, seconds: float) -> None:
        """Judge a command: it may fail, but not by a fault of norouter's, and not slowly."""
        self.note("edited", line=line[:200], failure=failure[:200], seconds=round(seconds, 2))
        with self._lock:
            self.counts["edits failed" if failure else "edits done"] += 1
        if "no answer" in failure:
            self.violate("command hangs", f"{line}: {failure}")
        elif seconds > _SLOW:
            self.violate("command slow", f"{line}: {seconds:.1f} s")
        self.take_text("command", failure)

    def take_text(self, source: str, text: str) -> None:
        """Judge what norouter prints."""
        for line in text.splitlines():
            if _INTERNAL.search(line):
                self.violate(f"internal error in {source}", line)

    def summary(self) -> dict[str, Any]:
        """Return the counts and the violations."""
        return {
            "verified_mib": round(self.bytes / (1 << 20)),
            "counts": dict(sorted(self.counts.items())),
            "violations": dict(self.kinds),
        }
