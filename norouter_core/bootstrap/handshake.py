"""From the first bytes of an exec command to the first frame of a link, without I/O."""

from __future__ import annotations

from dataclasses import dataclass

from norouter_core.bootstrap.stage import marker

MAX_NOISE = 256 * 1024
"""Bytes that may come before the marker: more than any login banner."""
_KEPT_NOISE = 8 * 1024

_HELLO = b'{"type":"event","body":{"type":"hello"'
_HEADER = 8


@dataclass(frozen=True, slots=True)
class AgentReady:
    """The far side is there. `rest` is what came after it: the beginning of the link."""

    rest: bytes


@dataclass(frozen=True, slots=True)
class NoPython:
    """The host has no usable Python; `report` has one `PATH: REASON` per line."""

    report: str


class _Search:
    """Skips noise up to a bound; keeps the end of it for a person to read."""

    def __init__(self) -> None:
        self._seen = bytearray()
        self._count = 0

    @property
    def noise(self) -> bytes:
        return bytes(self._seen[-_KEPT_NOISE:])

    @property
    def too_noisy(self) -> bool:
        return self._count > MAX_NOISE

    def _add(self, data: bytes, keep: int) -> None:
        self._count += len(data)
        self._seen += data
        if len(self._seen) > 4 * keep:
            del self._seen[:-keep]


class MarkerSearch(_Search):
    """Waits for the marker of stage 0 or 1. `line` is what was written to the shell."""

    def __init__(self, nonce: str, line: bytes) -> None:
        super().__init__()
        self._marker = marker(nonce)
        self._line = line[:40]

    @property
    def echoed(self) -> bool:
        """True when our own line has come back: there is a terminal in the way."""
        return self._line in self._seen

    def feed(self, data: bytes) -> AgentReady | NoPython | None:
        """The outcome, once it is known."""
        self._add(data, MAX_NOISE)
        at = self._seen.find(self._marker)
        end = self._seen.find(b"\n", at) if at >= 0 else -1
        if end < 0:
            return None
        said = bytes(self._seen[at + len(self._marker) : end]).strip()
        rest = bytes(self._seen[end + 1 :])
        del self._seen[at:]
        if said == b"go":
            return AgentReady(rest)
        report = said.partition(b":")[2].decode("utf-8", "replace")
        return NoPython("\n".join(filter(None, report.split("|"))))


class HelloSearch(_Search):
    """Waits for the hello frame of an installed agent."""

    echoed = False

    def feed(self, data: bytes) -> AgentReady | None:
        """The outcome; its `rest` begins with the hello frame."""
        self._add(data, MAX_NOISE)
        at = self._seen.find(_HELLO)
        if at < _HEADER:
            return None
        rest = bytes(self._seen[at - _HEADER :])
        del self._seen[at - _HEADER :]
        return AgentReady(rest)
