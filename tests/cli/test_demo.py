"""The demo, for real: on a pipe, on a terminal, with taken ports, and when a check fails."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from norouter_tui.demo.hosts import free_addresses
from tests.programs import Program, Start


def test_the_demo_passes_on_a_pipe_in_plain_lines_and_leaves_no_folder_behind(
    norouter: Program, tmp_path: Path
) -> None:
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join(x for x in os.environ["PATH"].split(os.pathsep) if x != here)
    env = {"TMPDIR": str(tmp_path), "PATH": path, "COLUMNS": "60"}
    done = norouter("demo", env=env)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "\x1b" not in done.stdout and "\u2026" not in done.stdout, "cells are whole"
    lines = done.stdout.splitlines()
    assert f"{Path(sys.executable).parent.name}/norouter check mesh.yaml" in done.stdout
    passed = [line for line in lines if line.startswith("ok ")]
    assert any(line.startswith(f"all {len(passed)} checks passed in ") for line in lines)
    for words in ("cedar's page", "came back by itself", "64.0 MiB pushed", "no process is left"):
        assert any(words in line for line in passed), words
    assert not list(tmp_path.glob("norouter-demo-*"))


def test_a_failed_check_is_told_and_ends_with_1(norouter: Program, tmp_path: Path) -> None:
    done = norouter("demo", env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "FAILED there is no sh on this machine" in done.stdout
    assert done.stderr == ""


def test_a_machine_that_refuses_is_no_fault_of_the_program(
    norouter: Program, tmp_path: Path
) -> None:
    code = "import tempfile; tempfile.tempdir = '/nowhere'; from norouter_tui.cli.entry import main"
    done = norouter("demo", program=["-c", f"{code}; import sys; sys.exit(main())"])
    assert done.returncode == 1
    assert "FAILED the system refused" in done.stdout and "/nowhere" in done.stdout
    assert done.stderr == ""


def test_an_interrupt_ends_the_demo_in_an_orderly_way(start: Start, tmp_path: Path) -> None:
    process = start("demo", env={"TMPDIR": str(tmp_path)})
    assert process.stdout is not None
    assert any(line.startswith("ok ") for line in process.stdout)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out.endswith("interrupted; everything has stopped\n")
    assert err == ""
    assert not list(tmp_path.glob("norouter-demo-*"))


def test_on_a_terminal_the_demo_shows_progress_and_colour(start: Start) -> None:
    leader, follower = pty.openpty()
    env = {"TERM": "xterm-256color"}
    process = start("demo", "--plain", stdout=follower, stderr=follower, env=env)
    os.close(follower)
    seen = b""
    while data := _read(leader):
        seen += data
    os.close(leader)
    assert process.wait(20) == 0
    text = seen.decode()
    assert "\x1b[1;32mok" in text
    assert re.search("pushing 64.0 MiB to birch", text)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""  # Linux answers EIO when the last process has closed the terminal


@pytest.mark.parametrize("taken", ["127.0.0.1", "0.0.0.0"])
def test_ports_that_are_taken_are_avoided(taken: str) -> None:
    with socket.socket() as busy:
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            busy.bind((taken, 8080))
        except OSError:
            pytest.skip("8080 is taken already, as this test would have it")
        busy.listen()
        vips, port = free_addresses(3)
        assert len(set(vips)) == 3
        with socket.socket() as probe:
            probe.bind((vips[0], port))
