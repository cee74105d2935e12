"""What the app and the other side, where the mesh is, need of each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from norouter_core.commands.outcome import Completion, Emit, Outcome


class Screen(Protocol):
    """Who is told: the app. Called in its own loop."""

    def post_message(self, message: Any) -> bool: ...


class Backend(Protocol):
    """What the app needs of the other side."""

    def start(self, screen: Screen) -> None: ...

    def refresh_every(self, seconds: float) -> None:
        """How often snapshots are to come; called before `start`."""

    async def run(self, line: str, emit: Emit, *, confirmed: bool = False) -> Outcome: ...

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]: ...

    def leave(self) -> None: ...

    def kill_now(self) -> None: ...
