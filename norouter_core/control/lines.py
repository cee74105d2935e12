"""JSON lines on a stream socket, bounded: what both sides of a control socket share."""

from __future__ import annotations

import json
from typing import Any

from norouter_core.control.codec import DecodeError, Json
from norouter_core.errors import NorouterError

MAX_LINE = 1 << 20
"""Bytes of a request's line, its newline included."""
MAX_ANSWER = 16 << 20
"""Bytes of a line of the server's: a table of 16,000 streams has some five million."""


class LineTooLong(NorouterError, ValueError):
    """A line over the limit: where the next one begins is not known."""


class LineBuffer:
    """Bytes in, lines out."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> None:
        self._data += data

    def next(self) -> bytes | None:
        """The next whole line without its newline; None until one has come.

        Raises:
            LineTooLong: it has more bytes than the limit.
        """
        at = self._data.find(b"\n", self._searched)
        if (len(self._data) if at < 0 else at + 1) > self._limit:
            raise LineTooLong(f"a line of more than {self._limit} bytes")
        if at < 0:
            self._searched = len(self._data)
            return None
        line = bytes(self._data[:at])
        del self._data[: at + 1]
        self._searched = 0
        return line


def encode(value: Any) -> bytes:
    """One line: ASCII alone, so that no terminal and no log is troubled by what a stranger named
    something."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Json:
    """The object that a line holds.

    Raises:
        DecodeError: it holds none.
    """
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError is a ValueError, and so is a number of too many digits.
        raise DecodeError(f"not JSON: {str(error) or 'nested too deeply'}"[:200]) from None
    if not isinstance(value, dict):
        raise DecodeError("not a JSON object")
    return value
