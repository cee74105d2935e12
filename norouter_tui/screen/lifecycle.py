"""How the mesh on the screen starts and ends: what the app needs besides a `Client`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from textual.message import Message

Post = Callable[[Message], Any]
"""Posts a message to the app: `MeshLost`, `MeshFound`, `MeshEnded`."""


class Lifecycle(Protocol):
    """A mesh of the screen's own (`EngineThread`), or one in another process (`Attachment`)."""

    @property
    def attached_to(self) -> str:
        """The name of the mesh if it runs in another process, and goes on without the screen."""
        ...

    def start(self, post: Post) -> None:
        """Start the mesh, or attach to it. Called once, in the app's event loop."""
        ...

    def leave(self) -> None:
        """Begin to stop the own mesh in order, or detach; `MeshEnded` follows."""
        ...

    def kill_now(self) -> None:
        """Kill the exec commands of the own mesh instead of waiting for the orderly stop."""
        ...
