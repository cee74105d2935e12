"""A session's control socket, and the client for it (docs/control.md)."""

from norouter_core.control.discovery import RunningMesh, discover
from norouter_core.control.remote import ControlLost, RemoteClient
from norouter_core.control.server import ControlServer, ListenError

__all__ = ["ControlLost", "ControlServer", "ListenError", "RemoteClient", "RunningMesh", "discover"]
