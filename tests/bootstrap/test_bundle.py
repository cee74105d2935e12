"""The program that travels: made from the import graph, small, and at home on Python 3.8."""

from __future__ import annotations

import subprocess
import sys
import zlib

import pytest

from norouter_core.bootstrap import python_agent
from norouter_core.bootstrap.bundle import MAX_BYTES, bundle
from tests.servers import TIMEOUT
from tests.transports.pythons import Python, pythons

BUNDLE = bundle()


def test_what_travels_is_what_the_agent_imports() -> None:
    code = (
        "import sys; before = set(sys.modules); import norouter_core.agent.main\n"
        "print(*(name for name in set(sys.modules) - before if name.startswith('norouter_core')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(BUNDLE.modules) == sorted(done.stdout.split())


def test_every_module_comes_after_what_it_imports() -> None:
    order = BUNDLE.modules
    assert order.index("norouter_core") == 0
    assert order[-1] == "norouter_core.agent.main"
    assert order.index("norouter_core.agent.ends") < order.index("norouter_core.agent.tcp")
    assert order.index("norouter_core.wire.frames") < order.index("norouter_core.wire.connection")
    assert len(set(order)) == len(order)


def test_nothing_of_type_checking_travels() -> None:
    assert "typing" not in BUNDLE.stdlib
    assert "collections" in BUNDLE.stdlib
    assert not set(BUNDLE.stdlib) & {"asyncio", "anyio", "__future__", "norouter_core"}
    assert set(BUNDLE.stdlib) <= sys.stdlib_module_names


def test_small_enough_to_go_first_over_a_slow_link() -> None:
    assert len(BUNDLE.program) < MAX_BYTES


def test_a_third_party_import_is_refused() -> None:
    with pytest.raises(ImportError, match="not in the standard library"):
        bundle("norouter_core.links.process")


def test_line_numbers_are_those_of_the_sources() -> None:
    import norouter_core.agent.tcp as module

    names: dict[str, object] = {}
    source = zlib.decompress(BUNDLE.program).decode()
    head = source.split("ENTRY = ")[0]
    exec(head, names)
    modules: list[tuple[str, bool, str]] = names["MODULES"]  # type: ignore[assignment]  # what the head says
    sent = next(text for name, _, text in modules if name == module.__name__).splitlines()
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        ours = file.read().splitlines()
    assert len(sent) == len(ours)
    same = [number for number, line in enumerate(ours) if sent[number] == line]
    assert len(same) > len(ours) // 2
    assert not any(line.lstrip().startswith('"""') for line in sent)


@pytest.mark.parametrize("python", pythons(), ids=lambda python: python.label)
def test_runs_where_every_warning_is_an_error(python: Python) -> None:
    code = "import sys, zlib; p = zlib.decompress(sys.stdin.buffer.read())\n" + (
        "link = (9, 9)\n"
        "try: exec(compile(p, 'agent', 'exec'), {'__name__': '__main__', 'LINK': link})\n"
        "except OSError as e: assert e.errno == 9, e\n"
        "else: raise SystemExit('fd 9 was a link')\n"
    )
    done = subprocess.run(
        [python.path, "-I", "-W", "error", "-c", code],
        input=BUNDLE.program,
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_stage_0_is_one_line_that_a_terminal_takes() -> None:
    line = python_agent.stage0("f" * 16, BUNDLE, 10, python_agent.search_line())
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    # A terminal's line discipline takes 4095 bytes; the next belongs to another line.
    assert len(line) < 4096
    line.decode("ascii")
    assert python_agent.marker("f" * 16) not in line


def test_what_follows_the_marker_tells_its_length() -> None:
    sent = python_agent.payload(BUNDLE)
    assert sent[0] == 0 and int(sent[1:9], 16) == len(sent) - 9
    assert zlib.decompress(sent[9:]).startswith(b"MODULES = ")
