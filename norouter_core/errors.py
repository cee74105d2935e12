"""The root of norouter's exceptions, except those of the agent and the wire, which travel."""

from __future__ import annotations


class NorouterError(Exception):
    """A failure that norouter expects and reports; any other exception that escapes is a bug."""
