"""The head of a server's answer, repaired as clients repair it.

Old devices send heads that h11 rejects and every client takes. A proxy in between must not make a
difference (RFC 9112 section 5.1 even demands one of the repairs). Framing is not repaired: a head
that could be read in two ways stays an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(rb"\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_VERSION = re.compile(rb"http/(?=[0-9]\.[0-9])", re.IGNORECASE)
_NAME = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_START = b"HTTP/"
_HTTP2_SETTINGS = re.compile(rb"\0[\0-\xff]{2}\x04\0\0{4}")


def find_head(inbox: bytearray, searched: int) -> int | None:
    """Return the size of the head that `inbox` begins with; None until it is complete.

    The first `searched` bytes have been searched before.

    Raises:
        ValueError: what has come is not the beginning of an answer; the text says why.
    """
    start = bytes(inbox[: len(_START)])
    if not _START.startswith(start.upper()):
        if _HTTP2_SETTINGS.match(inbox):
            raise ValueError("it speaks HTTP/2, which needs a tunnel, as by curl --proxytunnel")
        raise ValueError(f"it begins with {start!r}")
    end = _END.search(inbox, max(0, searched - 2))
    return end.end() if end is not None else None


def repair(head: bytes) -> bytes:
    """Return a head without what h11 rejects though it does no harm.

    That is a lower-case version, a blank before a colon, a line without a name or with one that no
    field can have, and `Transfer-Encoding: identity`, which means no encoding.
    """
    first, *lines = _LINE_END.split(head)
    return b"\r\n".join((_VERSION.sub(_START, first, count=1), *_repaired(lines)))


def _repaired(lines: list[bytes]) -> Iterator[bytes]:
    is_dropped = False
    for line in lines:
        if not line or line[:1] in b" \t":
            # The end of the head, or a line that continues the one above.
            if not (line and is_dropped):
                yield line
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        is_identity = name.lower() == b"transfer-encoding" and _is_identity(value)
        is_dropped = not colon or not _NAME.fullmatch(name) or is_identity
        if not is_dropped:
            yield b":".join((name, value))


def _is_identity(value: bytes) -> bool:
    return value.strip(b" \t").lower() == b"identity"
