"""What a client asks of a server: the first bytes of each exchange."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

from tests.servers import Peer

NAME_SIZE = 16
COUNT_SIZE = 8


@dataclass(frozen=True, slots=True)
class Request:
    """One exchange.

    Attributes:
        id: unique in a run; the seed of the content.
        target: the host whose server must answer.
        kind: `down` (the server sends), `up` (the client sends), or `echo`.
        size: how many bytes of content.
        cut_by: `client` or `server` if that side resets the stream instead of finishing.
        cut_after: the byte of content after which it does.
        early_end: the client half-closes right after the request.
    """

    id: str
    target: str
    kind: str
    size: int
    cut_by: str = ""
    cut_after: int = 0
    early_end: bool = False

    @property
    def answer_size(self) -> int:
        """How many bytes the server sends if nothing is cut."""
        return NAME_SIZE + (COUNT_SIZE if self.kind == "up" else self.size)

    def encode(self) -> bytes:
        text = json.dumps(asdict(self)).encode()
        return len(text).to_bytes(4, "big") + text

    @classmethod
    async def read(cls, peer: Peer, head: bytes) -> Self:
        """Read the rest of a request of which `head`, its first four bytes, is known.

        Raises:
            EOFError: the stream ended before.
        """
        size = int.from_bytes(head, "big")
        text = await peer.exactly(size)
        if len(text) < size:
            raise EOFError
        return cls(**json.loads(text))


def name_bytes(host: str) -> bytes:
    """Return what a server sends first, so that a misrouted stream shows."""
    return host.encode().ljust(NAME_SIZE)
