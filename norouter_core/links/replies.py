"""What an agent answers to the verbs, as it is to be read: it comes from a stranger's machine.

Each raises `Violation` with code `json` for an answer of another form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from norouter_core.sanitize import strip_line
from norouter_core.wire import messages
from norouter_core.wire.errors import Violation

if TYPE_CHECKING:
    from norouter_core.wire.messages import Json


def bound(data: Json) -> tuple[str, int, bool]:
    """Of `listen`: host, port, and whether they are a fallback."""
    host, port = messages.address([data.get("host"), data.get("port")])
    return strip_line(host), port, data.get("fallback") is True


def addresses(data: Json) -> list[str]:
    """Of `resolve`."""
    found = messages.field(data, "addresses", list)
    if not all(isinstance(address, str) for address in found):
        raise Violation("json", "an address that is not text")
    return [strip_line(address) for address in found]


def text(data: Json) -> str:
    """Of `read`."""
    found: str = messages.field(data, "text", str)
    return found


def stream(data: Json) -> int:
    """Of `splice`: the number of a direct stream."""
    found: int = messages.field(data, "stream", int)
    return found
