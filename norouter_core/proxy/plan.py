"""What a request asks the proxy to do: its target's form, checked (RFC 9112 section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import h11

from norouter_core.model import format_address
from norouter_core.proxy import headers
from norouter_core.proxy.answers import Refusal
from norouter_core.proxy.auth import Credentials
from norouter_core.proxy.target import TargetError, parse_authority

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)")
_REPEATABLE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
_CHALLENGE = (("Proxy-Authenticate", 'Basic realm="norouter", charset="UTF-8"'),)


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """Where a request goes, and as what. `kind` is `connect` or `http`."""

    request: h11.Request
    kind: str
    host: str
    port: int
    authority: bytes = b""
    """For Host: what the URI says, without a user."""
    target: bytes = b""
    """In origin-form, as it is sent on."""

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent once more when a kept connection turns out to be dead
        (RFC 9110 section 9.2.2)."""
        return self.request.method in _REPEATABLE and not headers.has_body(self.request)

    def forwarded(self) -> h11.Request:
        """The request as the upstream gets it."""
        fields = headers.for_upstream(self.request, self.authority)
        return h11.Request(method=self.request.method, target=self.target, headers=fields)

    def __str__(self) -> str:
        return f"{self.request.method.decode('ascii')} {format_address((self.host, self.port))}"


def plan(
    request: h11.Request, credentials: Credentials | None, address: tuple[str, int]
) -> RequestPlan:
    """What to do for a request that came to the proxy at `address`.

    Raises:
        EditError: 400, 407 or 501, or what the proxy answers as the last recipient.
    """
    made = _connect(request) if request.method == b"CONNECT" else _absolute(request, address)
    if credentials is not None:
        shown = headers.values(request.headers, b"proxy-authorization")
        if not credentials.match_basic(shown):
            wrong = "is wrong" if shown else "is needed"
            raise Refusal(407, f"a user and password for this proxy {wrong}", _CHALLENGE)
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
    return RequestPlan(request, "connect", host, port)


def _absolute(request: h11.Request, address: tuple[str, int]) -> RequestPlan:
    text = request.target.decode("ascii")
    match = _URI.fullmatch(text)
    if match is None:
        raise Refusal(400, _wrong_form(text, address))
    scheme, authority, rest = match.groups()
    if scheme.lower() == "https":
        raise Refusal(400, "an https:// address needs CONNECT, a tunnel with TLS inside")
    if scheme.lower() != "http":
        raise Refusal(400, f"{scheme}:// is not served, http:// is, and CONNECT")
    try:
        host, port = parse_authority(authority, 80)
    except TargetError as error:
        raise Refusal(400, f"{authority!r} {error}") from None
    if not rest and request.method == b"OPTIONS":
        rest = "*"
    elif not rest.startswith("/"):
        rest = "/" + rest
    return RequestPlan(
        request, "http", host, port, authority.removesuffix(":").encode(), rest.encode()
    )


def _wrong_form(text: str, address: tuple[str, int]) -> str:
    if not text.startswith("/") and text != "*":
        return f"{text!r} is not an address of the form http://HOST[:PORT]/PATH"
    where = format_address(address) if address[1] else "ADDRESS:PORT"
    return (
        "this is an HTTP proxy, not a web server: name it as the proxy of your client, "
        f"as in curl --proxy http://{where} http://HOST/ or http_proxy=http://{where}"
    )


def _check_hops(request: h11.Request) -> None:
    if b"0" not in headers.values(request.headers, b"max-forwards"):
        return
    if request.method == b"TRACE":
        raise Refusal(501, "TRACE ends here by its Max-Forwards, and the proxy does not serve it")
    raise Refusal(200, "OPTIONS ends here by its Max-Forwards: this is an HTTP proxy")
