"""What hosts, agents and other programs send: DNS, handshakes, files, the control socket, text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import dns.flags
import dns.message
from dns.message import Message
from dns.rcode import Rcode

from norouter_core.agent.blocks import append_block, has_block, remove_blocks
from norouter_core.bootstrap.elf import elf_architecture
from norouter_core.bootstrap.handshake import (
    Found,
    Hello,
    HelloReader,
    HelloSearch,
    MarkerSearch,
    Search,
)
from norouter_core.commands.call import Call, CallError
from norouter_core.commands.results import Completion, Outcome
from norouter_core.control import codec, requests
from norouter_core.control.remote import SessionHello
from norouter_core.control.snapshots import SnapshotDecoder
from norouter_core.dns import message
from norouter_core.dns.client import nameservers
from norouter_core.model import Host
from norouter_core.names.files import MeshNames, hostaliases_text
from norouter_core.routing.match import Index, normal_name, parse_address
from norouter_core.sanitize import (
    MAX_LINE,
    escape,
    escape_all,
    quote,
    strip_line,
    strip_lines,
)
from norouter_core.session.client import Summary
from norouter_core.wire.errors import RemoteProtocolError
from norouter_tui.output.hexdump import ByteFormat, ByteText
from norouter_tui.screen.settings import read_settings
from tests.fuzz.targets import bytewise, outcome, target, text_of

_QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0"


@target(
    "dns-query",
    shapes=[
        (_QUERY, b"\x01a", b"\0\0\1\0\1"),
        (b"\0\1\1\0\0\1\0\0\0\0\0\1\0\0\1\0\1\0\0\x29\x10\0\0\0\0\0\xff\xff", b"\0\x0a\0\0", b""),
        (_QUERY + b"\0\0\1\0\1", b"\0", b""),
    ],
)
def check_query(data: bytes) -> None:
    query = message.read_query(data)
    if query is None:
        return
    if isinstance(query, bytes):
        _check_dns(query, data)
        assert len(query) <= max(message.OUR_UDP, len(data))
        return
    for transport in ("udp", "tcp"):
        for made in (
            message.reply(query, Rcode.NXDOMAIN, "x" * 300),
            message.negative(query, ours=True),
        ):
            answer = message.encode(made, query, transport)
            _check_dns(answer, data)
            assert transport == "tcp" or len(answer) <= 4096


def _check_dns(answer: bytes, query: bytes) -> None:
    assert answer[:2] == query[:2] and answer[2] & 0x80
    if not answer[2] & 0x78:  # dnspython reads an answer to an update as an update
        assert dns.message.from_wire(answer).flags & dns.flags.QR


@target(
    "dns-answer",
    shapes=[
        (
            b"\x00\x16"
            + _QUERY
            + b"\x01a\0\0\1\0\1"
            + b"\0\1\x81\0\0\1\0\0\0\0\0\0\x01a\0\0\1\0\1",
            b"x",
            b"",
        ),
    ],
)
def check_dns_answer(data: bytes) -> None:
    """Two bytes say how long the query is that follows; the rest answers it."""
    size = int.from_bytes(data[:2], "big")
    wire, response = data[2 : 2 + size], data[2 + size :]
    query = message.read_query(wire)
    if not isinstance(query, Message):
        return
    for transport in ("udp", "tcp"):
        relayed = message.relayed(response, wire, query, transport)
        if relayed is not None:
            assert relayed[:2] == wire[:2] and relayed[2] & 0x80
            assert len(relayed) <= max(len(response), 512)
            assert transport == "tcp" or len(relayed) <= 4096


_MARKER, _LINE = b"NR-3f", b"then emulate sh; fi; c=" + b"0123456789" * 100 + b"; exit 3\n"


@target(
    "handshake",
    shapes=[
        (b"\x00", b"NR-", b""),
        (b"\x00", _LINE[:40], b""),
        (b"\x00" + _LINE, b"x", b""),
        (b"\x00NR-3f", b"|", b"\n"),
        (b"\x00NR-3f", b"x", b""),
        (b"\x01", b'{"type":"event","body":{"type":"hello', b""),
        (b"\x02B\x0f\xff\xff\x00\x02\x00\x00", b"[", b""),
    ],
    max_growth=1 << 19,
)
def check_handshake(data: bytes) -> None:
    """The first byte chooses what is waited for."""
    kind, data = data[:1], data[1:]
    if kind == b"\x02":
        whole, pieces = [*map(_read_hello, ([data], bytewise(data)))]
        assert whole == pieces
        return
    make: Callable[[], Search] = (
        partial(MarkerSearch, _MARKER, _LINE) if kind == b"\x00" else partial(HelloSearch, _MARKER)
    )
    whole, pieces = _search(make(), [data]), _search(make(), bytewise(data))
    # Of a report and a hello in its line, the one that is complete first counts.
    assert whole == pieces or (_MARKER in data and b'"hello"' in data)


def _search(search: Search, pieces: list[bytes]) -> tuple[object, bytes, bool]:
    found: object = None
    for at, piece in enumerate(pieces):
        outcome = search.feed(piece)
        if isinstance(outcome, Found):
            found = Found(outcome.rest + b"".join(pieces[at + 1 :]))
        elif outcome is not None:
            found = outcome
        if outcome is not None:
            break
    return found, search.noise, search.echoed


def _read_hello(pieces: list[bytes]) -> object:
    reader = HelloReader()
    try:
        for at, piece in enumerate(pieces):
            found = reader.feed(piece)
            if found is not None:
                hello, rest = found
                _check_hello(hello)
                return str(hello), rest + b"".join(pieces[at + 1 :])
    except RemoteProtocolError as error:
        return str(error)
    return None


def _check_hello(hello: Hello) -> None:
    for text in (str(hello), hello.hostname, *hello.namespace):
        assert len(text) <= 4 * MAX_LINE and not set(text) & set("\x1b\n\r\u202e\ud800")


@target(
    "control",
    shapes=[
        (b"", b"\n", b""),
        (b"", b"{}\n", b""),
        (b"", b"x", b""),
        (b'{"id":1,"run":"', b"x ", b'"}\n'),
        (b'{"id":1,"run":"', b"'", b'"}\n'),
        (b'{"id":1,"complete":"', b"'", b'"}\n'),
        (b'{"id":1,"apply":[', b"0,", b"0]}\n"),
        (b'{"id":1,"apply":[{"verb":"host rm","values":{"host":[', b'"a",', b'"b"]}}]}\n'),
        (b"", b"[", b"\n"),
        (b'{"id":', b"9", b"}\n"),
        (b'{"event":"', b"x", b'"}\n'),
    ],
)
def check_control(data: bytes) -> None:
    whole, pieces = _lines([data]), _lines(bytewise(data))
    assert whole == pieces
    for line in whole[:20]:
        value = outcome(partial(codec.decode, line), codec.DecodeError)
        if not isinstance(value, str):
            _check_message(value)


def _lines(pieces: list[bytes]) -> list[bytes]:
    buffer, found = codec.LineBuffer(1 << 20), []
    for piece in pieces:
        buffer.feed(piece)
        while (line := buffer.next()) is not None:
            found.append(line)
    return found


def _check_message(value: codec.Json) -> None:
    number = requests.id_of(value)
    line = codec.encode({"id": number, "error": "x"})
    assert codec.decode(line.rstrip(b"\n"))["id"] == number
    asked = outcome(lambda: requests.parse_request(value), codec.DecodeError)
    if isinstance(asked, requests.RunRequest) and isinstance(asked.run, dict):
        call = outcome(lambda: Call.from_json(asked.run), CallError)
        if isinstance(call, Call):
            assert Call.from_json(call.to_json()) == call
    if isinstance(asked, requests.PreviewRequest):
        for each in asked.preview[:20]:
            outcome(partial(Call.from_json, each), CallError)
    for read in _READERS:
        outcome(partial(_check_value, read, value), codec.DecodeError)
    decoder = SnapshotDecoder()
    outcome(lambda: decoder.take_part(value), codec.DecodeError)
    outcome(lambda: decoder.decode(value), codec.DecodeError)


_READERS: tuple[Callable[[object], Any], ...] = (
    partial(codec.from_json, Outcome),
    partial(codec.from_json, Summary),
    partial(codec.from_json, SessionHello),
    partial(codec.from_json, tuple[Completion, ...]),
    codec.event_from_json,
)


def _check_value(read: Callable[[object], Any], value: codec.Json) -> None:
    found = read(value)
    if found is not None and not isinstance(found, tuple):
        again = codec.decode(
            codec.encode(
                found.to_json() if hasattr(found, "to_json") else codec.to_json(found)
            ).rstrip(b"\n")
        )
        assert read(again) == found
    outcome(lambda: codec.output_from_json(value), codec.DecodeError)


@target(
    "names-files",
    shapes=[
        (b"", b"# <Added-by-NoRouter>\n", b""),
        (b"", b"# <Added-by-NoRouter>\n# </Added-by-NoRouter>\n", b""),
        (b"", b"# </Added-by-NoRouter>\n", b""),
        (b"", b"a\n", b""),
        (b"", b"a b\n", b""),
        (b"", b"\r", b""),
        (b"", b" ", b""),
    ],
)
def check_names_files(data: bytes) -> None:
    text = text_of(data)
    with_block = append_block(text, "127.0.42.1\tweb\n", "owner of the fuzz")
    assert has_block(with_block) and len(with_block) <= len(text) + 300
    assert remove_blocks(with_block, lambda owner: owner == "owner of the fuzz") == text
    rest = remove_blocks(text, lambda owner: True)
    assert rest is None or (len(rest) <= len(text) and not has_block(rest))
    assert remove_blocks(text, lambda owner: False) == text
    host = Host("web", "127.0.42.1", None)
    aliases = hostaliases_text(MeshNames([host]), text)
    assert hostaliases_text(MeshNames([host]), aliases) == aliases
    assert len(aliases) <= 2 * len(text) + 300
    assert len(nameservers(text)) <= 3


@target(
    "text",
    shapes=[
        (b"", piece, end)
        for piece in (b"\x1b[", b"\x1b]", b"\x1b]0;", b"\x1b[0", b"\x1b[ ", b"\r", b"\xe2\x80\xae")
        for end in (b"", b"\x07")
    ],
)
def check_text(data: bytes) -> None:
    text = text_of(data)
    line, lines = strip_line(text), strip_lines(text)
    assert len(line) <= MAX_LINE and len(lines) <= len(text)
    assert not set(line) & set(map(chr, (*range(32), *range(127, 160), 0x202E, 0xD800)))
    assert not set(lines) & set("\x1b\r\x00\x9b")
    assert strip_line(line) == line and strip_lines(lines) == lines
    for shown in (escape(text), escape_all(text), quote(text)):
        assert "\x1b" not in shown and "\n" not in shown and len(shown) <= 12 * len(text) + 5
        shown.encode("utf-8")
    assert escape_all(text).isprintable() and len(quote(text)) < 1000
    name = normal_name(text)
    address = parse_address(text)
    assert address is None or parse_address(str(address)) == address
    Index([("*.example.com", 1), ("a*b*c", 2), ("10.0.0.0/8", 3)]).numbers(name, ())
    elf_architecture(data)
    for form in ByteFormat:
        tap = ByteText(form)
        seen = "".join(part.plain for part in (*tap.feed("sent", data), *tap.close()))
        assert not set(seen) & set(map(chr, (*range(9), *range(11, 32), 127, 0x9B, 0x202E)))
        assert seen.endswith("\n") or not data


@target(
    "settings",
    shapes=[
        (b"a=", b"[", b""),
        (b"a=", b"{a=", b""),
        (b"", b"[a]\n", b""),
        (b"[", b"a.", b"b]"),
        (b"", b"a.", b"b=1"),
        (b"", b"\n", b"a"),
        (b"[n]", b"\n", b"[-]"),
        (b"a=", b"9", b""),
        (b"a=1.", b"9", b""),
        (b'a="', b"\\u0000", b'"'),
        (b'a="""', b'"', b""),
        (b"[keys]\n", b"quit", b'="x"'),
        (b'[keys]\nquit="', b"ctrl+", b'x"'),
        (b'[keys]\nquit="', b"a", b'"'),
        (b'[keys]\nquit="', b"a,", b'b"'),
    ],
)
def check_settings(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    settings, problems = read_settings("config.toml", text, ("dark", "light"), ("quit", "freeze"))
    assert 0.1 <= settings.refresh <= 10 and settings.theme
    assert settings.keys.keys() <= {"quit", "freeze"}
    for problem in problems:
        assert problem.message.isprintable() and 0 <= problem.line <= text.count("\n") + 1
