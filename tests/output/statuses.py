"""Status values as the engine would make them, for tests of what shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from norouter_core.engine.status import (
    HostState,
    HostStatus,
    ListenerState,
    ListenerStatus,
    StreamState,
    StreamStatus,
)
from norouter_core.exec_commands.problem import HostProblem

PROBLEM = HostProblem(
    kind="command-not-found",
    message="docker: command not found",
    hint="install docker, or give the full path",
    command="docker exec -i web sh",
    exit_status=127,
    stderr=("sh: docker: not found",),
    permanent=True,
)


def host(name: str = "web", **changes: Any) -> HostStatus:
    """A host that is ready, with changes."""
    ready = HostStatus(
        name=name,
        vip="127.0.42.101",
        command="docker exec -i web",
        state=HostState.READY,
        since=1.0,
        attempt=1,
        retry_in=None,
        round_trip=0.002,
        problem=None,
        agent="Python 3.11.2, Linux x86_64",
        bytes_in=0,
        bytes_out=0,
        streams=0,
    )
    return replace(ready, **changes)


def listener(on_host: str = "local", **changes: Any) -> ListenerStatus:
    """A listener that is bound, with changes."""
    bound = ListenerStatus(
        on_host=on_host,
        to_host="web",
        listen="127.0.42.101:8080",
        target="127.0.0.1:80",
        state=ListenerState.BOUND,
        bound="127.0.42.101:8080",
        note="",
    )
    return replace(bound, **changes)


def stream(**changes: Any) -> StreamStatus:
    """A stream that is open, with changes."""
    opened = StreamStatus(
        id=7,
        from_host="local",
        peer="127.0.0.1:40000",
        to_host="web",
        target="127.0.0.1:80",
        listener="127.0.42.101:8080",
        state=StreamState.OPEN,
        opened=1.0,
        bytes_sent=2048,
        bytes_received=0,
        direct=False,
        reason="",
    )
    return replace(opened, **changes)
