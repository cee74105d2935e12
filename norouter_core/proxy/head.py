"""Request heads: found within a bound, and read strictly.

h11 repairs what RFC 9112 lets a recipient repair (bare LF, folded lines) and leaves it to its user
to refuse two framings in one request. Two readers in a row that repair differently are how requests
are smuggled, so a proxy repairs nothing.
"""

from __future__ import annotations

import re

import h11

from norouter_core.proxy.answers import Refusal

MAX_HEAD = 64 * 1024

_BARE_LF = re.compile(rb"(?<!\r)\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
_FOLD = re.compile(rb"\r\n[ \t]")
_STARTS = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]")
_HINTS = {
    b"\x16": "this is TLS; the proxy itself speaks plain HTTP (use http:// in the proxy's address)",
    b"\x04": "this is SOCKS; the SOCKS proxy listens elsewhere",
    b"\x05": "this is SOCKS; the SOCKS proxy listens elsewhere",
}


class HeadFinder:
    """Looks for the end of a head in what has come, at every byte once."""

    def __init__(self) -> None:
        self._searched = 0

    def find(self, inbox: bytearray) -> int | None:
        """The size of the head that `inbox` begins with; None until it is whole.

        Raises:
            EditError: 400 or 431; it is or will be no head that anyone should read.
        """
        first = bytes(inbox[:1])
        if first and not _STARTS.match(first):
            raise Refusal(400, _HINTS.get(first, "a request does not begin like this"))
        end = inbox.find(b"\r\n\r\n", max(0, self._searched - 3))
        size = end + 4 if end >= 0 else len(inbox)
        if _BARE_LF.search(inbox, self._searched, size):
            raise Refusal(400, "a line of the head ends in a bare LF")
        if size > MAX_HEAD:
            raise Refusal(431, f"the head of the request is over {MAX_HEAD // 1024} KiB")
        self._searched = len(inbox)
        return size if end >= 0 else None


def parse(head: bytes) -> tuple[h11.Connection, h11.Request]:
    """The request of a whole head, and the connection that reads its body and frames the answer.

    Raises:
        EditError: 400, 501 or 505.
    """
    for pattern, what in (
        (_BARE_CR, "has a bare CR"),
        (_FOLD, "has a folded line"),
        (re.compile(b"\0"), "has a NUL"),
    ):
        if pattern.search(head):
            raise Refusal(400, f"the head of the request {what}")
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    connection.receive_data(head)
    try:
        request = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Refusal(error.error_status_hint, f"malformed request: {error}") from None
    if not isinstance(request, h11.Request):
        raise Refusal(400, "malformed request")
    _check(request)
    return connection, request


def _check(request: h11.Request) -> None:
    if request.http_version not in (b"1.0", b"1.1"):
        version = request.http_version.decode("ascii")
        raise Refusal(505, f"HTTP/{version} is not spoken here, HTTP/1.1 is")
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            raise Refusal(400, "both Transfer-Encoding and Content-Length")
        if request.http_version == b"1.0":
            raise Refusal(400, "Transfer-Encoding in an HTTP/1.0 request")
