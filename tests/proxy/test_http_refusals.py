"""What an HTTP proxy answers by itself."""

from __future__ import annotations

import base64

import pytest

from tests.proxy.memory_ends import Bench, body, status

GET = b"GET http://web.example/page HTTP/1.1\r\nHost: ignored\r\n\r\n"
CONNECT = b"CONNECT web.example:443 HTTP/1.1\r\nHost: web.example:443\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("refused", 502),
        ("unreachable", 502),
        ("name", 502),
        ("reset", 502),
        ("gone", 502),
        ("internal", 502),
        ("timeout", 504),
        ("not-allowed", 403),
        ("too-many", 503),
    ],
)
@pytest.mark.parametrize("request_", [GET, CONNECT])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_dial_that_fails_is_told(
    code: str, expected: int, request_: bytes, at_once: bool
) -> None:
    bench = Bench()
    bench.dialer.outcome = (code, "the agent's own words")
    bench.dialer.at_once = at_once
    got = bench.ask(request_)
    if not at_once:
        assert got == b""
        bench.dialer.settle()
        got = bench.client.take()
    assert status(got) == expected
    assert "web.example:" in body(got)
    assert "the agent's own words" in body(got)
    assert len(bench.logged) == 1
    assert bench.client.ended == (request_ is CONNECT)


def test_after_a_failed_dial_the_connection_lives_on() -> None:
    bench = Bench()
    bench.dialer.outcome = ("refused", "")
    assert status(bench.ask(GET)) == 502
    bench.dialer.outcome = None
    bench.ask(GET)
    assert bench.reply(OK).endswith(b"ok")


def test_the_words_of_others_are_cleaned() -> None:
    bench = Bench()
    bench.dialer.outcome = ("refused", "a\ud800\r\nInjected: 1\x1b[31m" + "x" * 5000)
    got = bench.ask(GET)
    text = body(got)
    assert "\x1b" not in text and "\r" not in text
    assert text.count("\n") == 1
    assert len(text) < 600
    assert "\n" not in bench.logged[0]


@pytest.mark.parametrize(
    ("head", "hint"),
    [
        (b"GET / HTTP/1.1\r\nHost: web\r\n\r\n", "curl --proxy http://127.0.42.1:8080"),
        (b"OPTIONS * HTTP/1.1\r\nHost: web\r\n\r\n", "not a web server"),
        (b"GET https://web/ HTTP/1.1\r\nHost: web\r\n\r\n", "CONNECT"),
        (b"GET ftp://web/ HTTP/1.1\r\nHost: web\r\n\r\n", "ftp:// is not supported"),
        (b"GET web/ HTTP/1.1\r\nHost: web\r\n\r\n", "http://HOST"),
        (b"GET http://user:pw@web/ HTTP/1.1\r\nHost: web\r\n\r\n", "user and password"),
        (b"GET http://web:0/ HTTP/1.1\r\nHost: web\r\n\r\n", "port"),
        (b"GET http://web:65536/ HTTP/1.1\r\nHost: web\r\n\r\n", "port"),
        (b"GET http://web:+80/ HTTP/1.1\r\nHost: web\r\n\r\n", "port"),
        (b"GET http://:80/ HTTP/1.1\r\nHost: web\r\n\r\n", "not a host name"),
        (b"GET http://a..b/ HTTP/1.1\r\nHost: web\r\n\r\n", "not a host name"),
        (b"GET http://a%20b/ HTTP/1.1\r\nHost: web\r\n\r\n", "not a host name"),
        (b"GET http://0x7f000001/ HTTP/1.1\r\nHost: web\r\n\r\n", "not an IPv4 address"),
        (b"GET http://[::1/ HTTP/1.1\r\nHost: web\r\n\r\n", "[IPV6]"),
        (b"GET http://[zz]/ HTTP/1.1\r\nHost: web\r\n\r\n", "not an IPv6 address"),
        (b"GET http://web/#x HTTP/1.1\r\nHost: web\r\n\r\n", "form http://HOST"),
        (b"CONNECT web HTTP/1.1\r\nHost: web\r\n\r\n", "no port"),
        (b"CONNECT http://web/ HTTP/1.1\r\nHost: web\r\n\r\n", "port"),
        (b"CONNECT /x HTTP/1.1\r\nHost: web\r\n\r\n", "not a host name"),
        (b"CONNECT ::1:443 HTTP/1.1\r\nHost: web\r\n\r\n", "brackets"),
        (b"CONNECT w:1 HTTP/1.1\r\nHost: w\r\nContent-Length: 1\r\n\r\n", "body"),
    ],
)
def test_a_target_that_cannot_be_is_told_how_to_ask(head: bytes, hint: str) -> None:
    bench = Bench(address=("127.0.42.1", 8080))
    got = bench.ask(head)
    assert status(got) == 400
    assert hint in body(got)
    assert bench.client.ended
    assert not bench.dialer.dialled


# -- users and passwords -------------------------------------------------------------------


def basic(user: str) -> bytes:
    return b"Basic " + base64.b64encode(user.encode())


def with_auth(value: bytes | None, line: bytes = b"GET http://web/ HTTP/1.1") -> bytes:
    field = b"" if value is None else b"Proxy-Authorization: " + value + b"\r\n"
    return line + b"\r\nHost: web\r\n" + field + b"\r\n"


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"Basic",
        b"Basic !!!",
        b"Bearer abc",
        basic("user:wrong"),
        basic("other:pass:word"),
        basic("user"),
        basic("user:pass"),
        basic("user:pass:word") + b"\r\nProxy-Authorization: " + basic("user:pass:word"),
    ],
)
@pytest.mark.parametrize("line", [b"GET http://web/ HTTP/1.1", b"CONNECT web:443 HTTP/1.1"])
def test_without_the_right_password_nothing_is_dialled(value: bytes | None, line: bytes) -> None:
    bench = Bench(auth="user:pass:word")
    got = bench.ask(with_auth(value, line))
    assert status(got) == 407
    assert b'Proxy-Authenticate: Basic realm="norouter"' in got
    assert not bench.dialer.dialled
    # The same connection may show the right one.
    assert not bench.client.ended
    bench.ask(with_auth(basic("user:pass:word"), line))
    assert bench.dialer.dialled


@pytest.mark.parametrize("scheme", [b"Basic ", b"basic ", b"BASIC   "])
def test_the_right_password_is_let_in_and_kept(scheme: bytes) -> None:
    bench = Bench(auth="us\u00e9r:pass:word")
    token = base64.b64encode("us\u00e9r:pass:word".encode())
    bench.ask(with_auth(scheme + token))
    assert bench.dialer.dialled == [("web", 80)]
    assert b"Authorization" not in bench.upstream.take()


def test_bytes_behind_a_refused_connect_are_not_read_as_a_request() -> None:
    bench = Bench(auth="user:pw")
    got = bench.ask(with_auth(None, b"CONNECT web:443 HTTP/1.1") + with_auth(basic("user:pw")))
    assert got.count(b"HTTP/1.1 ") == 1
    assert bench.client.ended
    assert not bench.dialer.dialled


def test_head_is_refused_without_a_body() -> None:
    bench = Bench(auth="user:pw")
    got = bench.ask(with_auth(None, b"HEAD http://web/ HTTP/1.1"))
    assert status(got) == 407
    assert got.endswith(b"\r\n\r\n")


def test_a_refused_request_with_a_body_closes() -> None:
    bench = Bench(auth="user:pw")
    got = bench.ask(b"POST http://web/ HTTP/1.1\r\nHost: web\r\nContent-Length: 50\r\n\r\nGET /")
    assert status(got) == 407
    assert bench.client.ended


@pytest.mark.parametrize(
    "field",
    [b"Origin: http://evil.example", b"Sec-Fetch-Mode: no-cors", b"User-Agent: Mozilla/5.0 (X11)"],
)
def test_a_web_page_gets_no_answer(field: bytes) -> None:
    bench = Bench()
    get = b"GET / HTTP/1.1\r\nHost: evil.example:18080\r\n%s\r\n\r\n"
    assert bench.ask(get % field) == b""
    assert bench.client.was_reset
    assert not bench.dialer.dialled
    # The same browser may use the proxy as a proxy.
    bench = Bench()
    bench.ask(get.replace(b"GET /", b"GET http://web.example/") % field)
    assert bench.dialer.dialled == [("web.example", 80)]
