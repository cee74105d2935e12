"""Numbers of bytes and lengths of time, as people write them."""

from __future__ import annotations

import re

from norouter_core.manifest.problems import ValidationError
from norouter_core.sanitize import quote

_AMOUNT = re.compile(r"([0-9]{1,24}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)")
_BYTES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SPANS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size(text: str) -> float:
    """Return the number of bytes in `500`, `1.5k`, `64KiB` or `1M`. Units are powers of 1024.

    Raises:
        ValidationError: The text is malformed.
    """
    found = _AMOUNT.fullmatch(text)
    unit = found[2].lower().removesuffix("b").removesuffix("i") if found else None
    if found is None or unit not in _BYTES:
        raise ValidationError(
            f"{quote(text)} is not a number of bytes", "write 500, 64K, 1.5M or 2G"
        )
    return float(found[1]) * 1024.0 ** _BYTES[unit]


def parse_span(text: str) -> float:
    """Return the seconds in `10`, `10s`, `1.5m`, `2h`, `1d` or `300ms`.

    Raises:
        ValidationError: The text is malformed.
    """
    found = _AMOUNT.fullmatch(text)
    unit = found[2].lower() if found else None
    if found is None or unit not in _SPANS:
        raise ValidationError(
            f"{quote(text)} is not a length of time", "write 300ms, 10s, 5m, 2h or 1d"
        )
    return float(found[1]) * _SPANS[unit]


def span_text(seconds: float) -> str:
    """Return a length of time as `parse_span` reads it."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
