"""What anything in the agent's process prints cannot come between two frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.agents import agent, plain_path, shell_plan
from tests.servers import echoing

pytestmark = pytest.mark.anyio

_CHATTY = """
import os, sys, threading, time

def chat():
    while True:
        os.write(1, b"stray write ")
        sys.stdout.write("stray print ")
        sys.stdout.flush()
        time.sleep(0.001)

if sys.argv[-1:] != ["-S"]:
    threading.Thread(target=chat, daemon=True).start()
"""

_READING = """
import sys
sys.stdin = None
"""


@pytest.mark.parametrize("round", range(3))
async def test_a_thread_that_prints_all_the_time(tmp_path: Path, round: int) -> None:
    (tmp_path / "sitecustomize.py").write_text(_CHATTY)
    plan = shell_plan(plain_path(tmp_path / "bin"), PYTHONPATH=str(tmp_path))
    async with agent(plan) as host, echoing() as port:
        assert await host.link.resolve("localhost")
        async with host.dialled("127.0.0.1", port) as (client, _):
            assert await client.says(b"z" * 500_000)
        assert not host.stdio.is_down
    # What was printed is not lost either: it is shown as the host's own words.
    assert "stray print" in " ".join(host.stderr)


async def test_a_process_without_a_python_stdin(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_READING)
    plan = shell_plan(plain_path(tmp_path / "bin"), PYTHONPATH=str(tmp_path))
    async with agent(plan) as host:
        assert await host.link.resolve("localhost")
