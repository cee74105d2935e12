"""The root of norouter's exceptions, except those of the agent, the wire and the program
that makes namespaces: these import the standard library only.
"""

from __future__ import annotations


class NorouterError(Exception):
    """A failure that norouter expects and reports; any other exception that escapes is a bug."""
