"""What a violation of the protocol is (SPEC.md section 9)."""

from __future__ import annotations


class Violation(Exception):
    """The peer broke the protocol: `code` is a word of SPEC.md section 9, `reason` names the
    offence. It ends the link it came by, and nothing else."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code + ": " + reason)
        self.code = code
        self.reason = reason
