"""What an agent says about itself in its first frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from norouter_core.sanitize import strip_line
from norouter_core.wire.messages import field

if TYPE_CHECKING:
    from norouter_core.wire.messages import Json

_MAX_FEATURES = 64


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
    def parse(cls, data: Json) -> Hello:
        """Return the hello that a message holds.

        Raises:
            RemoteProtocolError: code `json`, if a field is missing or has the wrong type.
        """
        texts = ("python", "implementation", "system", "machine", "hostname", "boot_id", "netns")
        listed = data.get("features")
        features = listed[:_MAX_FEATURES] if isinstance(listed, list) else []
        return cls(
            protocol=field(data, "protocol", int),
            features=frozenset(word for word in features if isinstance(word, str)),
            **{key: strip_line(field(data, key, str)) for key in texts},
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
