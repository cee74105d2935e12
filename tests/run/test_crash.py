"""A fault of the program: one line for a person, the traceback in a file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BREAKS = """
import sys
import norouter_tui.cli.check
def broken(file): raise KeyError("\\x1b[2Jboom")
norouter_tui.cli.check.check_file = broken
from norouter_tui.cli.entry import main
sys.exit(main(sys.argv[1:]))
"""
LOOP_BREAKS = """
import asyncio
from norouter_tui.output import writers as stdio
from norouter_tui.run.crash import reporter
from norouter_tui.run.process import run_async
stdio.install(); reporter.install()
async def broken(): raise RuntimeError("in a task")
async def main():
    task = asyncio.ensure_future(broken())
    await asyncio.wait([task])
    del task
run_async(main, uvloop=False)
"""


def _run(code: str, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env={"XDG_STATE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_fault_is_one_line_and_a_file(tmp_path: Path) -> None:
    done = _run(BREAKS, tmp_path, "check", "x.yaml")
    assert (done.returncode, done.stdout) == (70, "")
    assert len(done.stderr.splitlines()) == 1
    assert "KeyError" in done.stderr and "please report" in done.stderr
    assert "\x1b" not in done.stderr
    log = Path(re.findall(r"/\S+\.log", done.stderr)[0])
    assert log.is_relative_to(tmp_path)
    assert "Traceback" in log.read_text() and "in broken" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_debug_prints_the_traceback(tmp_path: Path) -> None:
    done = _run(BREAKS, tmp_path, "check", "--debug", "x.yaml")
    assert done.returncode == 70
    assert "in broken" in done.stderr
    assert not list(tmp_path.rglob("*.log"))


def test_a_fault_where_no_log_can_be_written_is_still_told(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    done = _run(BREAKS, blocker, "check", "x.yaml")
    assert done.returncode == 70
    assert "KeyError" in done.stderr and "Traceback" not in done.stderr


def test_a_task_that_nobody_awaits_does_not_print_a_traceback(tmp_path: Path) -> None:
    pytest.importorskip("norouter_core.engine")
    done = _run(LOOP_BREAKS, tmp_path)
    assert "RuntimeError: in a task" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
