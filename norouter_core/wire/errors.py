"""Breaches of the protocol (SPEC.md section 9)."""

from __future__ import annotations


class ProtocolError(Exception):
    """The root of this package's errors: `code` is a word of SPEC.md section 9."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class LocalProtocolError(ProtocolError):
    """This program tried to break the protocol: a bug, which ends the stream that it hit."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol, which ends the link and nothing else."""
