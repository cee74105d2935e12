"""Small text: addresses as people write them, strangers' words made safe to show."""

from __future__ import annotations

import re

_LIMIT = 500

# Escape sequences, control characters, and what reorders or hides text.
_UNPRINTABLE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, with its end
    r"|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]"
)


def clean(text: str) -> str:
    """One line of a stranger's text, at most 500 characters, without anything that a terminal
    would act on."""
    return _UNPRINTABLE.sub("", text)[:_LIMIT]


def address_text(address: tuple[str, int]) -> str:
    """`HOST:PORT`, with an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
