"""The words that frames carry: why a stream was reset, and which protocol it speaks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Address = tuple[str, int]
    """A host, by name or as an IP literal, and a port."""

RESET_CODES = frozenset(
    (
        "refused",
        "unreachable",
        "timeout",
        "name",
        "reset",
        "not-allowed",
        "gone",
        "killed",
        "unpublished",
        "too-many",
        "internal",
        "idle",
    )
)
"""Why a stream ended (SPEC.md section 4)."""

NOT_READING = "the host is behind in reading what was sent to it"
"""The reason for `too-many` when control frames pile up."""

TCP = "tcp"
UDP = "udp"
PROTOCOLS = (TCP, UDP)
"""Values of `proto`: a stream of bytes and one of datagrams (SPEC.md section 10)."""
