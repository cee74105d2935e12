"""What anything in the agent's process prints cannot come between two frames."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from norouter_core.exec_commands.command import StartPlan
from tests.agent.agents import agent, shell_plan
from tests.servers import echoing

pytestmark = pytest.mark.anyio

# Isolated as it is, the agent's Python runs nothing before the agent. These programs do: a script
# that is called like a Python, and starts one with them.
_PYTHON = """#!/bin/sh
exec {python} -c '
import os, sys
sys.argv = sys.argv[:1] + sys.argv[5:]
{before}
exec(os.environ["NOROUTER_STAGE1"])
' "$@"
"""

_CHATTY = """
import threading, time

def chat():
    while True:
        os.write(1, b"stray write ")
        sys.stdout.write("stray print ")
        sys.stdout.flush()
        time.sleep(0.001)

threading.Thread(target=chat, daemon=True).start()
"""


def _python(directory: Path, before: str) -> StartPlan:
    directory.mkdir()
    python = os.path.realpath(sys.executable)
    (directory / "python3").write_text(_PYTHON.format(python=python, before=before))
    (directory / "python3").chmod(0o755)
    return shell_plan(f"{directory}:/usr/bin:/bin")


@pytest.mark.parametrize("round", range(3))
async def test_a_thread_that_prints_all_the_time(tmp_path: Path, round: int) -> None:
    async with agent(_python(tmp_path / "bin", _CHATTY)) as host, echoing() as port:
        assert await host.link.resolve("localhost")
        async with host.dialled("127.0.0.1", port) as (client, _):
            assert await client.says(b"z" * 500_000)
        assert not host.stdio.is_down
    # What was printed is not lost either: it is shown as the host's own words.
    assert "stray print" in " ".join(host.stderr)


async def test_a_process_without_a_python_stdin(tmp_path: Path) -> None:
    async with agent(_python(tmp_path / "bin", "sys.stdin = None")) as host:
        assert await host.link.resolve("localhost")
