"""What an HTTP client asks the proxy to do: its request, read strictly, or the reason to refuse it.

h11 repairs what RFC 9112 lets a recipient repair (bare LF, folded lines), and leaves it to its user
to refuse two framings in one request. Requests are smuggled where two readers in a row repair
differently, so a proxy repairs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from norouter_core.errors import NorouterError
from norouter_core.model import format_address
from norouter_core.proxy import headers
from norouter_core.proxy.session import Credentials
from norouter_core.proxy.target import TargetError, parse_authority
from norouter_core.sanitize import strip_line

if TYPE_CHECKING:
    from norouter_core.wire.codes import Address

MAX_HEAD = 64 * 1024
MAX_FIELDS = 500
"""In a head: h11 takes some microseconds for each, in one turn of the loop."""
MAX_INCOMPLETE = 8 * 1024
"""Bytes of the line of a chunk, or of trailers; a head is complete when h11 gets it."""

_BARE_LF = re.compile(rb"(?<!\r)\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
_FOLD = re.compile(rb"\r\n[ \t]")
_STARTS = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]")
_HINTS = {
    b"\x16": "this is TLS; the proxy itself speaks plain HTTP (use http:// in the proxy's address)",
    b"\x04": "this is SOCKS; the SOCKS proxy listens on another port",
    b"\x05": "this is SOCKS; the SOCKS proxy listens on another port",
}
_REPR = re.compile(r"(?:bytearray\()?b(['\"])(.*)\1\)?")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)")
_REPEATABLE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
_CHALLENGE = (("Proxy-Authenticate", 'Basic realm="norouter", charset="UTF-8"'),)

_STATUS = {"timeout": 504, "not-allowed": 403, "too-many": 503}
"""By the code of a failed dial; 502, bad gateway, for all others."""

_MEANING = {
    "refused": "the connection was refused: nothing listens there",
    "unreachable": "the host that dialled has no route to it",
    "timeout": "it did not answer in time",
    "name": "the name could not be resolved",
    "reset": "the connection was reset",
    "not-allowed": "it must not be reached from here",
    "gone": "the host that would reach it is down",
    "killed": "the user killed the connection",
    "unpublished": "the port is no longer published",
    "too-many": "too many connections are open",
}


class Refusal(NorouterError):
    """A request that the proxy answers itself."""

    def __init__(self, status: int, text: str, fields: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.body_read = False
        """Whether all of the request has been read."""
        self.is_silent = False
        """Whether the client gets no answer, only the end of its connection."""
        self.is_wrong_login = False
        self._fields = fields

    def answer(self, *, close: bool, head_only: bool) -> bytes:
        """Return the whole answer; `close` announces that the connection ends after it."""
        # A reason may come from an agent, with anything in it that JSON can spell.
        body = f"norouter: {strip_line(self.text)}\n".encode("utf-8", "replace")
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"Content-Length: {len(body)}",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in self._fields),
        ]
        if close:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
        return head if head_only else head + body


def dial_failed(code: str, reason: str, host: str, port: int) -> Refusal:
    """Return the answer for a target that could not be reached, or was lost before it answered;
    `code` is one of SPEC.md section 4.
    """
    meaning = _MEANING.get(code, "the connection failed")
    detail = f" ({reason})" if reason else ""
    return Refusal(
        _STATUS.get(code, 502), f"cannot reach {format_address((host, port))}: {meaning}{detail}"
    )


def find_head(inbox: bytearray, searched: int) -> int | None:
    """Return the size of the head that `inbox` begins with; None until it is complete.

    The first `searched` bytes have been searched before, and are not again.

    Raises:
        Refusal: 400 or 431; it is not, or will not be, a valid head.
    """
    first = bytes(inbox[:1])
    if first and not _STARTS.match(first):
        raise Refusal(400, _HINTS.get(first, "a request does not begin like this"))
    end = inbox.find(b"\r\n\r\n", max(0, searched - 3))
    size = end + 4 if end >= 0 else len(inbox)
    if _BARE_LF.search(inbox, searched, size):
        raise Refusal(400, "a line of the head ends in a bare LF")
    if size > MAX_HEAD:
        raise Refusal(431, f"the head of the request is over {MAX_HEAD // 1024} KiB")
    return size if end >= 0 else None


def parse(head: bytes) -> tuple[h11.Connection, h11.Request]:
    """Return the request of a complete head, and the connection that reads its body and frames the
    answer.

    Raises:
        Refusal: 400, 501 or 505.
    """
    if head.count(b"\n") > MAX_FIELDS:
        raise Refusal(431, f"the head of the request has more than {MAX_FIELDS} fields")
    for pattern, what in (
        (_BARE_CR, "has a bare CR"),
        (_FOLD, "has a folded line"),
        (re.compile(b"\0"), "has a NUL"),
    ):
        if pattern.search(head):
            raise Refusal(400, f"the head of the request {what}")
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_INCOMPLETE)
    connection.receive_data(_with_ascii_target(head))
    try:
        request = connection.next_event()
    except h11.RemoteProtocolError as error:
        text = f"malformed request: {plain_text(error)}"
        raise Refusal(error.error_status_hint, text) from None
    if not isinstance(request, h11.Request):
        raise Refusal(400, "malformed request")
    _check(request)
    return connection, request


def _with_ascii_target(head: bytes) -> bytes:
    """Return a head whose first line has its bytes beyond ASCII percent-encoded.

    curl, shells and scripts send an URL as it was typed, and servers take it.
    """
    line, end, rest = head.partition(b"\r\n")
    if line.isascii():
        return head
    return b"".join(b"%%%02X" % x if x > 0x7F else bytes((x,)) for x in line) + end + rest


def plain_text(error: h11.ProtocolError) -> str:
    """Return the text of an error of h11's without the repr of a Python object."""
    return _REPR.sub(lambda found: found[2], str(error))


def _check(request: h11.Request) -> None:
    if request.http_version not in (b"1.0", b"1.1"):
        version = request.http_version.decode("ascii")
        raise Refusal(505, f"HTTP/{version} is not supported; use HTTP/1.1")
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            raise Refusal(400, "both Transfer-Encoding and Content-Length")
        if request.http_version == b"1.0":
            raise Refusal(400, "Transfer-Encoding in an HTTP/1.0 request")


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """Where a request goes, and in which form."""

    request: h11.Request
    host: str
    port: int
    authority: bytes = b""
    """For Host: that of the URI, without a user."""
    target: bytes = b""
    """In origin-form, as it is forwarded."""

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when a kept connection turns out to be dead (RFC 9110
        section 9.2.2).
        """
        return self.request.method in _REPEATABLE and not headers.has_body(self.request)

    def forwarded(self) -> h11.Request:
        """Return the request as the upstream gets it."""
        fields = headers.for_upstream(self.request, self.authority)
        return h11.Request(method=self.request.method, target=self.target, headers=fields)

    def __str__(self) -> str:
        return f"{self.request.method.decode('ascii')} {format_address((self.host, self.port))}"


def plan_request(
    request: h11.Request, credentials: Credentials | None, address: Address
) -> RequestPlan:
    """Return what to do for a request that came to the proxy at `address`.

    Raises:
        Refusal: 400, 407 or 501, or what the proxy answers as the last recipient.
    """
    made = _connect(request) if request.method == b"CONNECT" else _absolute(request, address)
    if credentials is not None:
        shown = headers.values(request.headers, b"proxy-authorization")
        if not credentials.match_basic(shown):
            wrong = "are wrong" if shown else "are missing"
            refusal = Refusal(407, f"the user and password for this proxy {wrong}", _CHALLENGE)
            refusal.is_wrong_login = bool(shown)
            raise refusal
    if request.method in (b"OPTIONS", b"TRACE"):
        _check_hops(request)
    return made


def _connect(request: h11.Request) -> RequestPlan:
    text = request.target.decode("ascii")
    if headers.has_body(request):
        raise Refusal(400, "CONNECT with a body")
    try:
        host, port = parse_authority(text, None)
    except TargetError as error:
        raise Refusal(400, f"the target of CONNECT, {text!r}, {error}") from None
    return RequestPlan(request, host, port)


def _absolute(request: h11.Request, address: Address) -> RequestPlan:
    text = request.target.decode("ascii")
    match = _URI.fullmatch(text)
    if match is None:
        refusal = Refusal(400, _wrong_form(text, address))
        refusal.is_silent = _is_of_web_page(request)
        raise refusal
    scheme, authority, rest = match.groups()
    if scheme.lower() in ("https", "wss"):
        raise Refusal(400, f"{scheme.lower()}:// needs CONNECT, which tunnels TLS")
    if scheme.lower() not in ("http", "ws"):
        raise Refusal(400, f"{scheme}:// is not supported; use http:// or CONNECT")
    try:
        host, port = parse_authority(authority, 80)
    except TargetError as error:
        # Without the user, whose password the log must not show.
        raise Refusal(400, f"{authority.rpartition('@')[2]!r} {error}") from None
    if not rest and request.method == b"OPTIONS":
        rest = "*"
    elif not rest.startswith("/"):
        rest = "/" + rest
    return RequestPlan(request, host, port, authority.removesuffix(":").encode(), rest.encode())


def _is_of_web_page(request: h11.Request) -> bool:
    """Return whether a browser has sent a request that was not meant for a proxy.

    A page may have made it do so, and could read an answer if its name leads here by now.
    """
    agents = headers.values(request.headers, b"user-agent")
    names = {name for name, _ in request.headers}
    return (
        any(agent.startswith(b"Mozilla/") for agent in agents)
        or b"origin" in names
        or any(name.startswith(b"sec-") for name in names)
    )


def _wrong_form(text: str, address: Address) -> str:
    if not text.startswith("/") and text != "*":
        return f"{text!r} is not an address of the form http://HOST[:PORT]/PATH"
    where = format_address(address) if address[1] else "ADDRESS:PORT"
    return (
        "this is an HTTP proxy, not a web server: set it as the proxy of your client, "
        f"as in curl --proxy http://{where} http://HOST/ or http_proxy=http://{where}"
    )


def _check_hops(request: h11.Request) -> None:
    if b"0" not in headers.values(request.headers, b"max-forwards"):
        return
    if request.method == b"TRACE":
        raise Refusal(501, "TRACE ends here by its Max-Forwards, and the proxy does not support it")
    raise Refusal(200, "OPTIONS ends here by its Max-Forwards: this is an HTTP proxy")
