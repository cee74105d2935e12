"""Streams as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from norouter_core.engine.status import StreamStatus
from tests.output import statuses

STREAM = statuses.stream(
    from_host="web",
    to_host="db",
    target="127.0.0.1:5432",
    listener="127.0.42.2:5432",
    opened=1000.0,
    bytes_sent=3 * 1024 * 1024,
    bytes_received=512,
)


def stream(**said: Any) -> StreamStatus:
    return replace(STREAM, **said)
