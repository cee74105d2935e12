"""From the first bytes of an exec command to the agent's hello, without I/O."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from norouter_core.sanitize import strip_line
from norouter_core.wire import frames, messages
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.limits import HEADER, MAX_AGENT_JSON

MAX_NOISE = 256 * 1024
"""The number of bytes that may precede a marker: more than any login banner."""
ACK = b"."
"""The first stage's answer to each block of an agent that it has received."""
_KEPT_NOISE = 8 * 1024
_MAX_REPORT = 4 * 1024
"""The bytes of a report that are read, in at most `_MAX_REPORT_LINES` lines of `_MAX_REPORT_LINE`
characters: more than the first stage writes."""
_MAX_REPORT_LINES = 20
_MAX_REPORT_LINE = 500

_ECHOED_PART = 600
"""The bytes of the line that no error message quotes."""

_MAX_FEATURES = 64
_HELLO = b'{"type":"event","body":{"type":"hello"'


@dataclass(frozen=True, slots=True)
class Found:
    """What a search looked for has come; `rest` begins after the marker, or with the hello."""

    rest: bytes


@dataclass(frozen=True, slots=True)
class NoPython:
    """The host has no usable Python; `report` holds one `PATH: REASON` per line."""

    report: str


class Search(ABC):
    """Skips noise up to a bound, and keeps the end of it to show to the user."""

    def __init__(self) -> None:
        self._seen = bytearray()
        self._count = 0
        self._marker_at = self._echo_at = -1
        self.echoed = False
        """Whether the line that was sent has come back: a TTY is in between."""

    @property
    def noise(self) -> bytes:
        """The last bytes of the noise."""
        return bytes(self._seen[-_KEPT_NOISE:])

    @property
    def has_input(self) -> bool:
        """Whether anything has come."""
        return self._count > 0

    @property
    def too_noisy(self) -> bool:
        """Whether more noise has come than any login prints."""
        return self._count > MAX_NOISE

    @abstractmethod
    def feed(self, data: bytes) -> Found | NoPython | None:
        """Take the next bytes and return the outcome, once it is known."""

    def _add(self, data: bytes) -> None:
        self._count += len(data)
        self._seen += data
        if len(self._seen) > 4 * MAX_NOISE:
            surplus = len(self._seen) - MAX_NOISE
            del self._seen[:surplus]
            self._marker_at = max(-1, self._marker_at - surplus)
            self._echo_at = max(-1, self._echo_at - surplus)

    def _find(self, wanted: bytes, new: int, first: int = 0) -> int:
        """Return where `wanted` begins, not before `first`, or -1, if the last `new` bytes complete
        it.

        A host that sends byte by byte must not have everything searched for each byte.
        """
        return self._seen.find(wanted, max(first, len(self._seen) - new - len(wanted) + 1))


class MarkerSearch(Search):
    """Waits for `marker`; `line` is what was written to the shell."""

    def __init__(self, marker: bytes, line: bytes) -> None:
        super().__init__()
        self._marker = marker
        # An error message may quote the beginning of the line, but a TTY returns all of it, or, in
        # busybox, as much as its editor takes.
        self._begins, self._ends = line[:40], line.rstrip()[-40:]
        self._part = _without_breaks(line)[:_ECHOED_PART]

    def feed(self, data: bytes) -> Found | NoPython | None:
        self._add(data)
        if self._marker_at < 0:
            self._marker_at = self._find(self._marker, len(data))
        at = self._marker_at
        if self._echo_at < 0:
            self._echo_at = self._find(self._begins, len(data))
        echo = self._echo_at
        if echo >= 0 and (at < 0 or echo < at) and not self.echoed:
            self.echoed = self._find(self._ends, len(data)) >= echo or self._is_part_echoed()
        if at < 0:
            return None
        end = self._seen.find(b"\n", max(at, len(self._seen) - len(data)))
        if end < 0:
            return None
        verdict = bytes(self._seen[at + len(self._marker) : end]).strip()
        rest = bytes(self._seen[end + 1 :])
        del self._seen[at:]
        if verdict == b"go":
            return Found(rest)
        report = verdict.partition(b":")[2][:_MAX_REPORT].decode("utf-8", "replace")
        lines = [line[:_MAX_REPORT_LINE] for line in report.split("|") if line]
        return NoPython("\n".join(lines[:_MAX_REPORT_LINES]))

    def _is_part_echoed(self) -> bool:
        if len(self._part) < _ECHOED_PART:
            return False
        received = self._seen[self._echo_at : self._echo_at + 2 * _ECHOED_PART]
        return _without_breaks(received).startswith(self._part)


def _without_breaks(text: bytes | bytearray) -> bytes:
    """Return a text without what a terminal's line editor adds where a line is full."""
    return bytes(text).translate(None, b" \r\n")


class HelloSearch(Search):
    """Waits for the hello frame of an agent, which may follow a login banner.

    Instead of it, a shell may print the marker with a report of why there is no agent.
    """

    def __init__(self, marker: bytes = b"") -> None:
        super().__init__()
        self._refusal = MarkerSearch(marker, marker) if marker else None

    def feed(self, data: bytes) -> Found | NoPython | None:
        self._add(data)
        if self._refusal is not None and (refused := self._refusal.feed(data)) is not None:
            self._seen = self._refusal._seen  # without the report, which is for norouter alone
            return refused
        at = self._find(_HELLO, len(data), HEADER)
        if at < 0:
            return None
        rest = bytes(self._seen[at - HEADER :])
        del self._seen[at - HEADER :]
        return Found(rest)


@dataclass(frozen=True, slots=True)
class Hello:
    """What an agent says about itself (SPEC.md section 2)."""

    protocol: int
    python: str
    implementation: str
    system: str
    machine: str
    hostname: str
    boot_id: str
    netns: str
    features: frozenset[str] = frozenset()
    """What the hub may ask of the agent."""

    @classmethod
    def parse(cls, data: messages.Json) -> Hello:
        """Return the hello that a message holds.

        Raises:
            RemoteProtocolError: code `json`, if a field is missing or has the wrong type.
        """
        texts = ("python", "implementation", "system", "machine", "hostname", "boot_id", "netns")
        listed = data.get("features")
        features = listed[:_MAX_FEATURES] if isinstance(listed, list) else []
        return cls(
            protocol=messages.field(data, "protocol", int),
            features=frozenset(word for word in features if isinstance(word, str)),
            **{key: strip_line(messages.field(data, key, str)) for key in texts},
        )

    @property
    def namespace(self) -> tuple[str, str]:
        """Equal for two agents in one network namespace. Where the system does not reveal its
        namespace, equal for two agents with the same host name.
        """
        known = bool(self.boot_id and self.netns)
        return (self.boot_id, self.netns) if known else ("", self.hostname)

    def __str__(self) -> str:
        python = "Python" if self.implementation == "CPython" else self.implementation
        return f"{python} {self.python}, {self.system} {self.machine}"


class HelloReader:
    """Takes the hello frame off the beginning of a link."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> tuple[Hello, bytes] | None:
        """Take the next bytes; return the hello and what followed it, once the frame is whole.

        Raises:
            RemoteProtocolError: the link does not begin with a hello.
        """
        self._data += data
        # The decoder checks magic, type and length before the rest has come.
        list(frames.Decoder(MAX_AGENT_JSON).feed(memoryview(bytes(self._data[:HEADER]))))
        if len(self._data) < HEADER:
            return None
        if self._data[4:6] != frames.JSON.to_bytes(2, "big"):
            raise RemoteProtocolError("stream", "a stream before the hello")
        size = 4 + int.from_bytes(self._data[1:4], "big")
        if len(self._data) < size:
            return None
        message = messages.decode_agent(self._data[HEADER:size])
        body = messages.field(message, "body", dict)
        if message.get("type") != "event" or body.get("type") != "hello":
            raise RemoteProtocolError("json", "the first message is not a hello")
        return Hello.parse(messages.field(body, "data", dict)), bytes(self._data[size:])
