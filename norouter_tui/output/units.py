"""Numbers and times in readable units."""

from __future__ import annotations


def size(count: float) -> str:
    """Return a number of bytes with a unit: `0 B`, `812 B`, `1.5 KiB`, `64.0 MiB`."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} TiB"


def count(number: int, noun: str) -> str:
    """Return `1 host` or `3 hosts`, for nouns with a regular plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds(value: float) -> str:
    """Return a time span with a unit: `0.8 ms`, `1.5 s`, `60 s`, `35 min`, `7.5 h`, `12 d`."""
    if value < 0.01:
        return f"{value * 1e3:.1f} ms"
    if value < 0.9995:
        return f"{value * 1e3:.0f} ms"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    if value < 7200:
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.1f} h" if value < 172_800 else f"{value / 86_400:.0f} d"
