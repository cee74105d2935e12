"""What a proxy says for itself: answers that tell what failed, as plain text."""

from __future__ import annotations

from http import HTTPStatus

from norouter_core.errors import NorouterError
from norouter_core.model import format_address
from norouter_core.sanitize import strip_line

Fields = tuple[tuple[str, str], ...]

_STATUS = {"timeout": 504, "not-allowed": 403, "too-many": 503}
"""Where the code of a failed dial is not plainly a bad gateway."""

_MEANING = {
    "refused": "the connection was refused: nothing listens there",
    "unreachable": "there is no way to it from the host that dialled",
    "timeout": "it did not answer in time",
    "name": "the name could not be resolved",
    "reset": "the connection was reset",
    "not-allowed": "it may not be reached from here",
    "gone": "the host it is reached through is gone",
    "killed": "the connection was killed by hand",
    "unpublished": "the port was taken away",
    "too-many": "too many connections are open",
}


class Refusal(NorouterError):
    """A request that is answered by the proxy itself."""

    def __init__(self, status: int, text: str, fields: Fields = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.fields = fields


def dial_failed(code: str, reason: str, host: str, port: int) -> Refusal:
    """What a client is told when its target could not be reached, or was lost before it
    answered; `code` is one of SPEC.md section 4."""
    meaning = _MEANING.get(code, "the connection failed")
    detail = f" ({reason})" if reason else ""
    return Refusal(
        _STATUS.get(code, 502), f"cannot reach {format_address((host, port))}: {meaning}{detail}"
    )


def answer(refusal: Refusal, *, close: bool, head_only: bool = False) -> bytes:
    """The whole answer. `close` announces that the connection ends after it; `head_only` is for
    an answer to HEAD."""
    # A reason may come from an agent, with anything in it that JSON can spell.
    body = f"norouter: {strip_line(refusal.text)}\n".encode("utf-8", "replace")
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        *(f"{name}: {value}" for name, value in refusal.fields),
    ]
    if close:
        lines.append("Connection: close")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
    return head if head_only else head + body
