"""Text that a host sends, as bad as it can be and as long as it may be: no parser is quadratic.

Each input has the largest size that a host can send. A parser whose time grows with the square of
it needs minutes, a linear one a fraction of a second, so the bound need not be tight. It is a bound
on CPU time, so that a busy machine does not matter.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

import pytest

from norouter_core import sanitize
from norouter_core.agent.blocks import remove_blocks
from norouter_core.bootstrap.handshake import MAX_NOISE, Hello, MarkerSearch, NoPython
from norouter_core.commands.parser import MAX_LINE_WORDS, ParseError, parse
from norouter_core.dns.client import nameservers
from norouter_core.engine.streams import check_direct_row
from norouter_core.exec_commands import rules, templates
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.exec_commands.stderr_patterns import STDERR_PATTERNS
from norouter_core.links.agent_client import _parse_addresses
from norouter_core.names.files import MeshNames, hostaliases_text
from norouter_core.wire import messages
from norouter_core.wire.connection import HUB, Connection
from norouter_core.wire.errors import RemoteProtocolError
from norouter_core.wire.events import Broken
from norouter_core.wire.frames import json_frame
from norouter_core.wire.limits import MAX_AGENT_JSON, MAX_JSON

SECONDS = 4.0

NONCE = "0123456789abcdef"
MARKER = f"NOROUTER:{NONCE}:".encode()


@contextmanager
def cpu_time_is_bounded() -> Iterator[None]:
    begun = time.process_time()
    yield
    assert time.process_time() - begun < SECONDS


ATTACKS = [
    ("", "x: is "),
    ("", "x: is x, too ol"),
    ("", ": no module named "),
    ("", "a: "),
    ("", "a"),
    ("", "1"),
    ("", " "),
    ("", "/"),
    ("", ":/"),
    ("", '"a"'),
    (":", '"'),
    ("", "/sh: "),
    ("", "\x1b["),
    ("", "\x1b]"),
    ("\x1b[", "0"),
    ("\x1b[", " "),
    ("exec: ", '"'),
    ("exec: ", "\\"),
    ("exec: ", "/"),
    ("", 'exec: "sh'),
    ("", "exec: sh: "),
    ("", "exec: norouter: "),
    ("chroot: ", "/"),
    ("chroot: ", "/sh "),
    ("env: ", "_"),
    ("env: ", "a/"),
    ("env: ", "'a' "),
    ("nsenter: ", "/"),
    ("nsenter: ", "/proc/1"),
    ("nsenter: failed to execute ", "/"),
    ("sudo: ", "a"),
    ("sudo: a: ", "a"),
    ("error", "container "),
    ("error ", "container a "),
    ("", "container a in pod "),
    ("", "permission denied while trying to connect to "),
    ("", "cannot access containerd socket"),
    ("", 'cannot access containerd socket "a"'),
    ("", 'service "'),
    ("", 'context "'),
    ("", 'Load key "'),
    ("", "(NotFound): "),
    ("(NotFound): ", "s"),
    ("", "No such image: ."),
    ("", "Error: a"),
    ("", "Permission denied (a"),
    ("", "is not a "),
    ("Connection to ", "a"),
    ("ssh: connect to host ", "a"),
]
"""What a text begins with, and what fills the rest of it."""

each_attack = pytest.mark.parametrize(
    ("head", "unit"), ATTACKS, ids=[repr(head + unit) for head, unit in ATTACKS]
)


def fill(head: str, unit: str, size: int) -> str:
    return head + unit * ((size - len(head)) // len(unit))


def patterns_of(*modules: ModuleType) -> list[re.Pattern[str]]:
    found = [value for module in modules for value in vars(module).values()]
    return [value for value in found if isinstance(value, re.Pattern)]


PATTERNS = [
    *(re.compile(row.pattern) for row in STDERR_PATTERNS),
    *patterns_of(rules, templates, sanitize),
]


@each_attack
def test_every_pattern(head: str, unit: str) -> None:
    line = fill(head, unit, MAX_NOISE)
    assert len(PATTERNS) > 60
    with cpu_time_is_bounded():
        for pattern in PATTERNS:
            pattern.search(line)


@each_attack
def test_everything_that_is_known_of_a_failed_start(head: str, unit: str) -> None:
    line = fill(head, unit, MAX_NOISE)
    seen = {
        "report": {"report": line},
        "stdout": {"stdout": line.encode()},
        "stderr": {"stderr": (line[:2000],) * 40},
    }
    with cpu_time_is_bounded():
        for evidence in seen.values():
            command = ("env", "docker", "exec", "-i", "web", "sh")
            diagnose(Evidence(command, Stage.SHELL, exit_status=127, **evidence))  # type: ignore[arg-type]  # each key has its type


def test_noise_that_comes_byte_by_byte() -> None:
    search = MarkerSearch(MARKER, b"for p in python3 python3.14 python3.13; do :; done\n")
    noise = (MARKER[:-1] * (MAX_NOISE // len(MARKER)))[:MAX_NOISE]
    with cpu_time_is_bounded():
        for at in range(len(noise)):
            assert search.feed(noise[at : at + 1]) is None
        assert search.feed(MARKER) is None
        for _ in range(MAX_NOISE // 4):
            assert search.feed(b"x") is None


@pytest.mark.parametrize("unit", ["x: is ", "x|", "|", "\u4e16"])
def test_a_report_is_cut_before_anyone_reads_it(unit: str) -> None:
    said = MARKER + b"none:" + (unit * (250_000 // len(unit.encode()))).encode() + b"\n"
    found = MarkerSearch(MARKER, b"line").feed(said)
    assert isinstance(found, NoPython)
    lines = found.report.split("\n")
    assert len(lines) <= 20 and max(map(len, lines)) <= 500


def test_no_more_of_an_answer_is_taken_than_was_asked_for() -> None:
    assert len(_parse_addresses({"addresses": ["10.0.0.1"] * 60_000})) == 64
    features = [f"f{number}" for number in range(60_000)]
    texts = ("python", "implementation", "system", "machine", "hostname", "boot_id", "netns")
    said = {"protocol": 1, "features": features, **dict.fromkeys(texts, "x")}
    assert len(Hello.parse(said).features) == 64


def test_a_wrong_message_is_not_quoted_at_length() -> None:
    frame = json_frame(messages.encode({"type": "\x00" * 100_000, "body": {}}))
    (event,) = Connection(HUB).receive(memoryview(frame))
    assert isinstance(event, Broken) and len(str(event.error)) < 1000


BEGIN, END = "# <Added-by-NoRouter>\n", "# </Added-by-NoRouter>\n"

PARSERS: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "resolv.conf": (
        lambda said: nameservers(said, {"127.0.0.1"}),
        ["nameserver 127.0.0.1\n", "nameserver 10.0.0.1\n", "nameserver [\n", "nameserver ", "\n"],
    ),
    "aliases": (
        lambda said: hostaliases_text(MeshNames(), said),
        [BEGIN, END, BEGIN + END, BEGIN + "# (no file before this block)\n" + END, "a b\n", "\r"],
    ),
    "blocks": (
        lambda said: remove_blocks(said, lambda owner: owner == "x"),
        [BEGIN, BEGIN + "# (by x)\n# (no file before this block)\n" + END, BEGIN + END + "x\n"],
    ),
    "clean": (sanitize.strip_line, ["\x00", "\x1b[", "\x1b]", "\x1b[0", "\u200b"]),
    "clean lines": (sanitize.strip_lines, ["\x00", "\r", "\r\n", "\x1b[", "\x1b]", "\x1b[0 "]),
}


@pytest.mark.parametrize("parser", PARSERS)
def test_every_parser(parser: str) -> None:
    parse, units = PARSERS[parser]
    for unit in units:
        with cpu_time_is_bounded():
            parse(fill("", unit, MAX_JSON))


@pytest.mark.parametrize(
    "word", ["x ", "ssh ", "docker exec -it x ", "8080:80 ", "--json ", "a=b "]
)
@pytest.mark.parametrize("verb", ["", "host add ", "exec h ", "port add "])
def test_every_line_of_many_words(verb: str, word: str) -> None:
    for count in (MAX_LINE_WORDS // 4 - 2, 10 * MAX_LINE_WORDS):
        with cpu_time_is_bounded(), suppress(ParseError):
            parse(verb + word * count)


def test_a_resolv_conf_of_many_name_servers() -> None:
    lines = [f"nameserver 10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(45_000)]
    with cpu_time_is_bounded():
        assert nameservers("\n".join(lines)) == [(f"10.0.0.{n}", 53) for n in range(3)]
        excluded = {line.split()[1] for line in lines[:-1]}
        assert nameservers("\n".join(lines), excluded) == [(lines[-1].split()[1], 53)]


@pytest.mark.parametrize(
    "payload",
    [b"[],", b"{},", b'"",', b"1,", b'"\\ud800",', b"1", b"[", b'"', b"\\", b"1e9,"],
)
def test_every_json(payload: bytes) -> None:
    with cpu_time_is_bounded():
        for head in (b'{"a":[', b'{"a":', b'{"a":1.', b'{"a":"'):
            with suppress(RemoteProtocolError):
                messages.decode(head + payload * ((MAX_JSON - 16) // len(payload)) + b"1]}")


def test_rows_of_direct_streams() -> None:
    row = [1, 2, "\x1b[" * 10, 3, 4, 5, "open", ""]
    with cpu_time_is_bounded():
        for _ in range(MAX_AGENT_JSON // 50):
            check_direct_row(row)
