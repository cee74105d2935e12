"""The proxies: heads of HTTP, whole exchanges, SOCKS handshakes."""

from __future__ import annotations

import re
from collections.abc import Callable

import h11

from norouter_core.proxy import answer_head, request
from norouter_core.proxy.request import Refusal
from tests.fuzz.targets import Shape, target
from tests.proxy.memory_ends import Bench, MemoryEnd

_HERE = ("127.0.0.1", 18080)
_GET = b"GET http://web/ HTTP/1.1\r\n"


def _find(find: Callable[[bytearray, int], int | None], data: bytes, piece: int) -> str:
    """Return what a search for the end of a head finds, however the bytes come in."""
    inbox, searched = bytearray(), 0
    for at in range(0, len(data), piece):
        inbox += data[at : at + piece]
        try:
            size = find(inbox, searched)
        except (Refusal, ValueError) as error:
            return f"{type(error).__name__}"
        if size is not None:
            return str(size)
        searched = len(inbox)
    return "incomplete"


_HEADS: list[Shape] = [
    (_GET, b"A: b\r\n", b"\r\n"),
    (_GET, b"Connection: a\r\n", b"\r\n"),
    (_GET + b"Connection: ", b"a,", b"\r\n\r\n"),
    (_GET + b"A: ", b"a", b"\r\n\r\n"),
    (_GET + b"A: ", b" ", b"\r\n\r\n"),
    (_GET + b"A: ", b"\t ", b"x\r\n\r\n"),
    (_GET, b"A", b": b\r\n\r\n"),
    (_GET + b"Content-Length: ", b"1", b"\r\n\r\n"),
    (_GET + b"Content-Length: ", b"1,", b"1\r\n\r\n"),
    (_GET + b"Content-Length: 1", b"\r\nContent-Length: 1", b"\r\n\r\n"),
    (_GET + b"Transfer-Encoding: ", b"chunked,", b"\r\n\r\n"),
    (b"GET http://", b"a.", b"/ HTTP/1.1\r\n\r\n"),
    (b"GET http://", b"a@", b"/ HTTP/1.1\r\n\r\n"),
    (b"GET http://[", b":", b"]/ HTTP/1.1\r\n\r\n"),
    (b"GET http://a/", b"\xff", b" HTTP/1.1\r\n\r\n"),
    (b"", b"A", b"://a/ HTTP/1.1\r\n\r\n"),
    (b"", b"\r\n", b""),
    (b"GET ", b" ", b""),
    (_GET + b"Proxy-Authorization: Basic ", b"AAAA", b"\r\n\r\n"),
]


@target("http-request", shapes=_HEADS, max_growth=1 << 15)
def check_request(data: bytes) -> None:
    found = _find(request.find_head, data, len(data) or 1)
    assert found == _find(request.find_head, data, 1)
    if not found.isdecimal():
        return
    head = data[: int(found)]
    try:
        _, asked = request.parse(head)
        plan = request.plan_request(asked, None, _HERE)
    except Refusal as refusal:
        _check_answer(refusal.answer(close=True, head_only=False))
        return
    assert plan.host and 0 < plan.port < 65536
    if asked.method == b"CONNECT":
        return
    sent = h11.Connection(h11.CLIENT).send(plan.forwarded())
    assert sent is not None and sent.count(b"\r\n\r\n") == 1 and sent.endswith(b"\r\n\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0|\n[ \t]", sent)
    assert len(sent) <= 3 * len(head) + 500
    # Read once more, it has the same framing.
    _, again = request.parse(sent)
    assert again.method == asked.method and again.target == plan.target
    assert _framing(again) == _framing(asked)


def _framing(head: h11.Request) -> tuple[set[bytes], bool]:
    lengths = {value for name, value in head.headers if name == b"content-length"}
    return lengths, any(name == b"transfer-encoding" for name, _ in head.headers)


def _check_answer(data: bytes) -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(data)
    answer, body, end = client.next_event(), client.next_event(), client.next_event()
    assert isinstance(answer, h11.Response)
    assert isinstance(body, h11.Data) and isinstance(end, h11.EndOfMessage)
    assert bytes(body.data).decode().rstrip("\n").isprintable()
    assert len(data) < 2000 and not client.trailing_data[0]


_OK = b"HTTP/1.1 200 OK\r\n"


@target(
    "http-answer",
    shapes=[
        (_OK, b"A: b\r\n", b"\r\n"),
        (_OK, b"A\r\n", b"\r\n"),
        (_OK, b" a\r\n", b"\r\n"),
        (_OK, b"Transfer-Encoding: identity\r\n", b"\r\n"),
        (_OK + b"A", b" ", b": b\r\n\r\n"),
        (_OK + b"A: ", b"\r", b"\r\n\r\n"),
        (_OK, b"\r", b""),
        (b"", b"HTTP/", b""),
        (b"HTTP/1.1 200 ", b"\n ", b""),
    ],
)
def check_answer_head(data: bytes) -> None:
    found = _find(answer_head.find_head, data, len(data) or 1)
    assert found == _find(answer_head.find_head, data, 1)
    if not found.isdecimal():
        return
    head = data[: int(found)]
    repaired = answer_head.repair(head)
    assert answer_head.repair(repaired) == repaired
    assert len(repaired) <= 2 * len(head)


_Heard = tuple[list[tuple[str, int]], list[bytes], list[list[bytes]]]


@target(
    "http-exchange",
    shapes=[
        (b"\x00\x30" + _GET + b"Host: web\r\n\r\n" + b" " * 11, b"x", b""),
        (b"\x00\x26" + _GET + b"Host: web\r\n\r\n" + _OK, b"A: b\r\n", b"\r\n"),
        (b"\x00\x26" + _GET + b"Host: web\r\n\r\n" + _OK + b"A: ", b"x", b""),
        (
            b"\x00\x26" + _GET + b"Host: web\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            _OK + b"Content-Length: 0\r\n\r\n",
        ),
        (
            b"\x00\x26" + _GET + b"Host: web\r\n\r\n" + _OK + b"Transfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
            b"0\r\n\r\n",
        ),
        (b"\xff\xff", b"\r\n", b""),
        (b"\xff\xff", _GET + b"Host: web\r\n\r\n", b""),
        (b"\xff\xff", b"CONNECT a", b""),
        (
            b"\xff\xffPOST http://web/ HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
            b"0\r\n\r\n",
        ),
        (
            b"\xff\xffPOST http://web/ HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"0",
            b"\r\n\r\n",
        ),
        (
            b"\xff\xffPOST http://web/ HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n",
            b"A: b\r\n",
            b"\r\n",
        ),
    ],
)
def check_exchange(data: bytes) -> None:
    """Two bytes say how long the requests are that follow; the rest answers them."""
    size = int.from_bytes(data[:2], "big")
    asked, answer = data[2 : 2 + size], data[2 + size :]
    whole, pieces = (_heard("http", asked, answer, piece) for piece in (1 << 20, 1))
    # What comes from a server before it was asked is no answer, so time matters to the second one.
    if len(whole[0]) == len(pieces[0]) == 1 and asked.count(b"HTTP/1") == 1:
        assert whole[:2] == pieces[:2]
        # A malformed request is cut off where that shows.
        assert whole == pieces or whole[1][-1].startswith(b"HTTP/1.1 400")


@target(
    "socks",
    shapes=[
        (b"\x00", b"\x05", b""),
        (b"\x00\x04\x01\x00\x50\x00\x00\x00\x01", b"a", b""),
        (b"\x00\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", b"x", b""),
    ],
)
def check_socks(data: bytes) -> None:
    """The first byte says whether the proxy wants a password."""
    auth = "a:b" if data[:1] and data[0] % 2 else None
    whole, pieces = (_heard("socks", data[1:], b"", piece, auth) for piece in (1 << 20, 1))
    assert whole == pieces


def _heard(kind: str, asked: bytes, answer: bytes, piece: int, auth: str | None = None) -> _Heard:
    """Return what both sides of a proxy have heard in the end, without the framing of bodies."""
    bench = Bench(kind, auth=auth)
    try:
        bench.client.bring(asked, piece)
        if bench.dialer.ends:
            bench.upstream.bring(answer, piece)
            if not bench.upstream.was_reset:
                bench.upstream.bring_end()
        client = bytes(bench.client.sent)
        upstreams = [bytes(end.sent) for end in bench.dialer.ends]
        _check_ends(bench)
        return (
            bench.dialer.dialled,
            _without_framing(client),
            list(map(_without_framing, upstreams)),
        )
    finally:
        bench.close()
        Bench.made.remove(bench)


def _check_ends(bench: Bench) -> None:
    """Let time pass: all comes to an end, unless it is a tunnel that others end."""
    is_tunnel = bench.client.peer is not bench.session
    for end in (bench.client, *bench.dialer.ends):
        if isinstance(end, MemoryEnd) and end.peer is not None and not end.was_reset:
            end.unblock()
    for _ in range(4):
        bench.clock.advance(2000)
        for end in bench.dialer.ends:
            if end.peer is not None and not end.was_reset and not is_tunnel:
                end.bring_reset()
        bench.clock.run()
    assert is_tunnel or bench.client.ended or bench.client.was_reset
    assert not bench.clock.set_timers


def _without_framing(sent: bytes) -> list[bytes]:
    """Return the messages that were sent, chunks joined, and of our own answers only the status.

    How a body is cut into chunks, and what a refusal quotes, depends on how the bytes came in.
    """
    found = []
    while sent:
        head, _, sent = sent.partition(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: ([0-9]+)", head)
        if b"X-Content-Type-Options: nosniff" in head:
            found.append(head.partition(b"\r\n")[0])
            sent = sent[int(length[1]) :] if length else sent
        elif b"\r\nTransfer-Encoding: chunked" in head:
            body, sent = _joined_chunks(sent)
            found += head, body
        elif length:
            size = int(length[1])
            found += head, sent[:size]
            sent = sent[size:]
        else:
            found.append(head)
    return found


def _joined_chunks(sent: bytes) -> tuple[bytes, bytes]:
    """Return the body that chunks make with its trailers, and what follows them."""
    body = b""
    while chunk := re.match(rb"([0-9a-f]+)\r\n", sent):
        size, sent = int(chunk[1], 16), sent[chunk.end() :]
        if not size:
            trailers, _, sent = (b"\r\n" + sent).partition(b"\r\n\r\n")
            return body + trailers, sent
        body, sent = body + sent[:size], sent[size + 2 :]
    return body, sent
