"""Streams as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from norouter_core.engine.status import StreamState, StreamStatus

STREAM = StreamStatus(
    id=7,
    from_host="web",
    peer="127.0.0.1:40000",
    to_host="db",
    target="127.0.0.1:5432",
    listener="127.0.42.2:5432",
    state=StreamState.OPEN,
    opened=1000.0,
    bytes_forth=3 * 1024 * 1024,
    bytes_back=512,
    direct=False,
    reason="",
)


def stream(**said: Any) -> StreamStatus:
    return replace(STREAM, **said)
