"""The lines between the chunks of an answer, ended as h11 demands."""

from __future__ import annotations

import re

_SIZE = re.compile(rb"[0-9A-Fa-f]{1,20}")
_MAX_START = 21
"""So much of a line is kept: the digits of a size, or an end that should be empty."""


class ChunkLines:
    """Ends lines between chunks in CR LF if a server ends them in LF alone, as clients allow.

    Everything else stays as it is, errors included, for h11 to judge. Nothing is held back.
    """

    def __init__(self) -> None:
        self.repaired = False
        """Whether a line ended in LF alone, so that others may see other chunks."""
        self._left = 0
        """How much of the chunk is still to come."""
        self._start = b""
        """The beginning of the line that is coming."""
        self._has_return = False
        """Whether what has come of that line ends in CR."""
        self._after_chunk = False
        self._is_over = False
        """Whether the rest is no chunk: trailers, or what h11 rejects."""

    def feed(self, data: bytes) -> bytes:
        """Return the next bytes with their lines repaired."""
        out: list[bytes] = []
        at = 0
        while at < len(data):
            if self._is_over:
                out.append(data[at:])
                break
            if self._left:
                out.append(data[at : at + self._left])
                at += len(out[-1])
                self._left -= len(out[-1])
                continue
            end = data.find(b"\n", at)
            part = data[at : None if end < 0 else end]
            self._add(part)
            out.append(part)
            if end < 0:
                break
            out.append(self._end_line())
            at = end + 1
        return b"".join(out)

    def _add(self, part: bytes) -> None:
        """Note more of a line."""
        self._start = (self._start + part[:_MAX_START])[:_MAX_START]
        if part:
            self._has_return = part.endswith(b"\r")

    def _end_line(self) -> bytes:
        """Return the end of the line, and note what follows it."""
        start, had_return = self._start, self._has_return
        self._start, self._has_return = b"", False
        self.repaired = self.repaired or not had_return
        if self._after_chunk:
            self._after_chunk = False
            self._is_over = start not in (b"", b"\r")
        else:
            size = _SIZE.match(start)
            self._left = int(size[0], 16) if size else 0
            self._after_chunk = self._left > 0
            self._is_over = not self._left
        return b"\n" if had_return else b"\r\n"
