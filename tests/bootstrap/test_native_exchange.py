"""What a shell answers about its machine, and to blocks of the agent, however the bytes are cut."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.bootstrap.base import Exchange, StartFailed, Step
from norouter_core.bootstrap.elf import elf_architecture
from norouter_core.bootstrap.native_agent import Answer
from norouter_core.bootstrap.native_program import NoNativeAgent
from norouter_core.timing import TimeLimits

MARKER = b"NOROUTER:0123456789abcdef:"
GO = b"\n" + MARKER + b"go\n"
DATA = bytes(range(256)) * 200


class CuttingHost:
    """Takes whole blocks, and answers each one in pieces that end at the `cuts`."""

    def __init__(self, cuts: list[int], last: bytes, blocks: int = 1 << 30) -> None:
        self.received = b""
        self.limits = TimeLimits()
        self.stderr: list[str] = []
        self._cuts = cuts
        self._last = last
        self._blocks = blocks
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def send(self, data: bytes) -> None:
        assert self._answers.empty(), "a byte came before the answer to the block before"
        length, _, block = data.partition(b"\n")
        assert len(block) == int(length)
        self.received += block
        self._blocks -= 1
        done = len(self.received) == len(DATA) or not self._blocks
        answer = (b"" if done and not self._blocks else GO) + (self._last if done else b"")
        ends = [0, *(at for at in self._cuts if at < len(answer)), len(answer)]
        for begin, end in pairwise(ends):
            if end > begin:
                self._answers.put_nowait(answer[begin:end])

    async def receive(self) -> bytes:
        return await self._answers.get()


def deliver(host: CuttingHost) -> tuple[bytes, list[Step]]:
    """Send `DATA`; return what came after the last answer, and the steps."""
    steps: list[Step] = []

    async def exchange() -> bytes:
        made = Exchange(("x",), host, steps.append)
        rest = await made.send_in_blocks(DATA, MARKER, limit=30)
        while len(rest) < len(b"hello"):
            rest += await host.receive()
        return rest

    return asyncio.run(exchange()), steps


def test_every_block_is_answered_at_every_split() -> None:
    for at in range(1, len(GO) + 5):
        host = CuttingHost([at], b"hello")
        rest, steps = deliver(host)
        assert (rest, host.received) == (b"hello", DATA)
        assert [step.received for step in steps] == [0, 8_192, 40_960, len(DATA)]


@given(st.lists(st.integers(1, 60), unique=True).map(sorted))
def test_every_block_is_answered_in_any_pieces(cuts: list[int]) -> None:
    host = CuttingHost(cuts, b"hello")
    assert deliver(host)[0] == b"hello" and host.received == DATA


def test_a_host_that_cannot_go_on_says_why_at_every_split() -> None:
    answer = b"\n" + MARKER + b"none:|/tmp: no room|/run: Read-only\n"
    for at in range(1, len(answer)):
        with pytest.raises(StartFailed) as failed:
            deliver(CuttingHost([at], answer, blocks=2))
        evidence = failed.value.evidence
        assert evidence.report == "/tmp: no room\n/run: Read-only"
        assert (evidence.received, evidence.size) == (8_192, len(DATA))


# --- machines


def elf(bits: int, order: str, machine: int) -> bytes:
    """The first 20 bytes of a program."""
    number = machine.to_bytes(2, "little" if order == "<" else "big")
    return b"\x7fELF" + bytes([bits // 32, 1 if order == "<" else 2, 1, 0]) + b"\0" * 10 + number


MACHINES = [
    ("x86_64", elf(64, "<", 62), "linux-amd64"),
    ("x86_64", elf(32, "<", 3), "linux-386"),
    ("x86_64", elf(32, "<", 62), "linux-amd64"),
    ("aarch64", elf(64, "<", 183), "linux-arm64"),
    ("aarch64", elf(32, "<", 40), "linux-arm"),
    ("armv7l", elf(32, "<", 40), "linux-arm"),
    ("riscv64", elf(64, "<", 243), "linux-riscv64"),
    ("ppc64le", elf(64, "<", 21), "linux-ppc64le"),
    ("s390x", elf(64, ">", 22), "linux-s390x"),
    ("i686", b"", "linux-386"),
    ("", elf(64, "<", 62), "linux-amd64"),
]


@pytest.mark.parametrize(("machine", "header", "wanted"), MACHINES)
def test_the_header_of_the_shell_decides(machine: str, header: bytes, wanted: str) -> None:
    assert str(Answer("Linux", machine, header, True).platform) == wanted


@pytest.mark.parametrize(
    ("system", "machine", "header"),
    [
        ("Linux", "mips", elf(32, ">", 8)),
        ("Linux", "armv6l", elf(32, "<", 40)),
        ("Linux", "ppc64", elf(64, ">", 21)),
        ("Linux", "mips64", b""),
        ("SunOS", "i86pc", b""),
        ("OpenBSD", "arm64", b""),
    ],
)
def test_no_agent_is_built_for_it(system: str, machine: str, header: bytes) -> None:
    with pytest.raises(NoNativeAgent, match=f"no native agent for {system} on {machine}"):
        assert Answer(system, machine, header, True).platform


@given(st.binary(max_size=30))
def test_any_header_is_read(header: bytes) -> None:
    elf_architecture(b"\x7fELF" + header)


@given(st.binary(max_size=300))
def test_any_answer_is_read(noise: bytes) -> None:
    Answer.parse(noise)


@pytest.mark.parametrize("noise", [b"", b"Welcome\r\nto web-1 | the web\n", b"\x7fELF?\n"])
def test_an_answer_follows_a_banner(noise: bytes) -> None:
    header = elf(64, "<", 10)  # 10 is a newline
    answer = Answer.parse(noise + header + b"\nLinux|x86_64|/bin/gunzip\n")
    assert answer == Answer("Linux", "x86_64", header, True)
    assert Answer.parse(noise + b"\nLinux|x86_64|\n").unpacks is False
