"""The output of a command behind a shell, without the line that shows that the shell runs."""

from __future__ import annotations

import pytest

from norouter_core.links.execute import _MarkedOutput

SENT = b"motd\n0123\nout\n0123\n"


@pytest.mark.parametrize("at", range(len(SENT) + 1))
def test_the_line_is_found_wherever_the_output_is_split(at: int) -> None:
    passed, started = bytearray(), list[bool]()
    output = _MarkedOutput(
        lambda source, data: passed.extend(data), b"0123\n", lambda: started.append(True)
    )
    for part in (SENT[:at], SENT[at:]):
        output.receive("stdout", part)
    output.end()
    assert (bytes(passed), started) == (b"motd\nout\n0123\n", [True])


def test_without_the_line_all_is_passed_on() -> None:
    passed, started = bytearray(), list[bool]()
    output = _MarkedOutput(
        lambda source, data: passed.extend(data), b"0123\n", lambda: started.append(True)
    )
    for byte in b"Permission 0123 denied 012":
        output.receive("stdout", bytes([byte]))
    output.end()
    assert (bytes(passed), started) == (b"Permission 0123 denied 012", [])
