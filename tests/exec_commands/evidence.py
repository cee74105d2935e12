"""A corpus of real evidence: what exec commands print when they fail, and the kind of problem.

The files in `evidence_data` hold the output as it was printed, with paths shortened. All but
`elsewhere.yaml` were collected by running the programs.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from norouter_core.exec_commands.problem import Evidence, Stage

_DATA = Path(__file__).parent / "evidence_data"


@dataclass(frozen=True)
class RecordedFailure:
    """A start that failed; the message or the hint has to contain `says`."""

    title: str
    kind: str
    says: str
    instead: str | None
    """The command that the problem suggests; None if any will do."""
    evidence: Evidence


def _parse_entry(file: str, entry: dict[str, Any]) -> RecordedFailure:
    unknown = entry.keys() - {
        *("seen", "from", "command", "kind", "stage", "status", "errno", "stderr"),
        *("stdout", "echoed", "timed_out", "says", "instead"),
    }
    assert not unknown, (entry["seen"], unknown)
    number = entry.get("errno")
    evidence = Evidence(
        argv=tuple(shlex.split(entry["command"])),
        stage=Stage(entry.get("stage", "shell")),
        exit_status=entry.get("status"),
        os_error=OSError(number, os.strerror(number)) if number else None,
        stdout=entry.get("stdout", "").encode(),
        stderr=tuple(entry.get("stderr", ())),
        echoed=entry.get("echoed", False),
        timed_out=entry.get("timed_out"),
    )
    return RecordedFailure(
        f"{file}: {entry['seen']}",
        entry["kind"],
        entry.get("says", ""),
        entry.get("instead"),
        evidence,
    )


def _read_corpus() -> Iterator[RecordedFailure]:
    for path in sorted(_DATA.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield _parse_entry(path.stem, entry)


CORPUS = tuple(_read_corpus())
