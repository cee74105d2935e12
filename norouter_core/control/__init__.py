"""A session's control socket, and the client for it (docs/control.md)."""

from norouter_core.control.probe import Engine, discover
from norouter_core.control.remote import ControlLost, RemoteClient
from norouter_core.control.server import CannotListen, ControlServer

__all__ = ["CannotListen", "ControlLost", "ControlServer", "Engine", "RemoteClient", "discover"]
