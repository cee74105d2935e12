"""An agent's report of its direct streams, checked: it comes from a stranger's machine."""

from __future__ import annotations

from typing import Any

from norouter_core.sanitize import strip_line
from norouter_core.wire.errors import RemoteProtocolError

_TYPES = (int, int, str, int, int, int, str, str)
_MOST = 2**63 - 1
"""Of numbers and bytes: what a face may print, add up and turn into a float."""
_STATES = frozenset({"opening", "open", "half-closed", "closed"})


def direct_rows(rows: list[Any]) -> list[list[Any]]:
    """The rows of SPEC.md section 3's `direct` event.

    Raises:
        RemoteProtocolError: code `json`, for a row of another form.
    """
    for row in rows:
        if not isinstance(row, list) or [type(item) for item in row] != list(_TYPES):
            raise RemoteProtocolError(
                "json", "a direct stream that is not reported as it should be"
            )
        counted = all(0 <= number <= _MOST for number in (row[0], row[4], row[5]))
        if row[6] not in _STATES or not counted or not 0 <= row[3] <= 65535:
            raise RemoteProtocolError(
                "json", f"a direct stream that cannot be, in state {strip_line(row[6])!r}"
            )
    return [[*row[:2], strip_line(row[2]), *row[3:7], strip_line(row[7])] for row in rows]
