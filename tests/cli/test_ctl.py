"""`norouter ctl`, `ps` and `attach` on a real run, which holds a session."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from norouter_core.commands.results import Output, Table
from norouter_core.control import RemoteClient
from tests.commands.calls import call
from tests.programs import Program, Start

pytestmark = pytest.mark.usefixtures("runtime")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
    path = tmp_path / "mesh.yaml"
    path.write_text(
        "# kept\nhostTemplate: {dns: {disable: true}}\nhosts:\n"
        f"  hub: {{vip: {net}.1}}\n"
        f"  web: {{vip: {net}.2, cmd: env sh, ports: ['18080:127.0.0.1:9']}}\n"
    )
    return path


def _sockets(runtime: Path) -> list[Path]:
    """The control sockets; what ssh and sudo ask by is in a directory beside them."""
    return [path for path in (runtime / "norouter").glob("*") if path.is_socket()]


def _said(runtime: Path, line: str) -> list[dict[str, Any]]:
    """The rows of what a command says in the only mesh that runs, asked without a program."""
    (socket,) = _sockets(runtime)
    rows: list[dict[str, Any]] = []

    def hear(output: Output) -> None:
        if isinstance(output, Table):
            rows.extend(dict(row) for row in output.rows)

    async def ask() -> None:
        async with RemoteClient(socket) as client:
            outcome = await client.run(call(line), hear, confirmed=True)
            assert outcome.ok, outcome

    asyncio.run(ask())
    return rows


def _ports(runtime: Path) -> set[int]:
    return {int(row["listen"].rpartition(":")[2]) for row in _said(runtime, "ports")}


def _told(process: subprocess.Popen[str], words: str) -> list[str]:
    """Lines on stdout up to the first that holds `words`."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"no line with {words!r} in {lines}")


def _errors(process: subprocess.Popen[str], words: str) -> str:
    """The first line on stderr that holds `words`."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"no line with {words!r}")


def _ended(process: subprocess.Popen[str]) -> int:
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in out + err
    return process.returncode


def test_a_running_mesh_is_looked_at_edited_saved_and_ended(
    manifest: Path, norouter: Program, start: Start, tmp_path: Path, runtime: Path
) -> None:
    none = norouter("ctl", "hosts")
    assert none.returncode == 1 and "no mesh of yours is running" in none.stderr
    run = start("run", str(manifest))
    _told(run, "ready: 2 hosts")
    (row,) = map(json.loads, norouter("ps", "--json").stdout.splitlines())
    assert (row["pid"], row["name"], row["hosts"], row["ready"]) == (run.pid, "mesh", 2, 2)
    assert row["manifest"] == str(manifest)
    hosts = norouter("ctl", "hosts", "--json")
    assert [json.loads(line)["name"] for line in hosts.stdout.splitlines()] == ["hub", "web"]
    added = norouter("ctl", "host", "add", "db", "--wait", "--", "env", "sh")
    assert (added.returncode, added.stdout) == (0, "") and "db" in added.stderr
    ran = norouter("ctl", "exec", "db", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, "out\n", "err\n")

    wrong = norouter("ctl", "host", "ad", "x")
    assert wrong.returncode == 2 and "^" in wrong.stderr
    saved = norouter("ctl", "save", "saved.yaml", cwd=tmp_path)
    assert saved.returncode == 0, saved.stderr
    assert "# kept" in (tmp_path / "saved.yaml").read_text()
    assert "db" in (tmp_path / "saved.yaml").read_text()
    _is_interrupted(start, tmp_path)

    kept = norouter("ctl", "quit")
    assert kept.returncode == 1 and "ends the mesh of 3 hosts: go on?" in kept.stderr
    ended = norouter("ctl", "--yes", "--json", "quit")
    assert ended.returncode == 0 and json.loads(ended.stdout)["ended"]
    assert _ended(run) == 0
    assert os.listdir(runtime / "norouter") == []


def test_unsaved_work_is_found_again_with_the_commands_that_the_runs_print(
    manifest: Path, norouter: Program, start: Start, runtime: Path
) -> None:
    run = start("run", str(manifest))
    _told(run, "ready: 2 hosts")
    _said(runtime, "port add web 18081:9")
    run.terminate()
    assert f"kept: `norouter repl {manifest}` offers" in _errors(run, "unsaved changes")
    assert _ended(run) == 0

    run = start("run", str(manifest))
    assert f"run `norouter attach {manifest}`, then `recover`" in _errors(run, "unsaved changes")
    _told(run, "ready: 2 hosts")
    recovered = norouter("attach", str(manifest), "-c", "recover 1\nsave\nquit")
    assert recovered.returncode == 0, recovered.stderr
    assert "18081:localhost:9" in manifest.read_text()
    run.terminate()
    assert run.communicate(timeout=20)[1] == ""


def _is_interrupted(start: Start, tmp_path: Path) -> None:
    """An interrupt ends the command on the other side."""
    mark = tmp_path / "pid"
    ctl = start("ctl", "exec", "web", "--", "sh", "-c", f"echo $$ > {mark}; echo up; sleep 100")
    _told(ctl, "up")
    pid = int(mark.read_text())
    ctl.send_signal(signal.SIGINT)
    assert _ended(ctl) == 130
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "the command still runs"
        time.sleep(0.02)


def test_attach_leaves_the_mesh_as_it_is_and_the_end_of_unsaved_work_is_agreed_to(
    manifest: Path, norouter: Program, start: Start, runtime: Path
) -> None:
    run = start("run", str(manifest))
    _told(run, "ready: 2 hosts")
    got = norouter("attach", "-c", "host stop web; hosts --json; quit")
    assert got.returncode == 0, got.stderr
    states = {row["name"]: row["state"] for row in map(json.loads, got.stdout.splitlines())}
    assert states == {"hub": "ready", "web": "stopped"}
    piped = norouter("attach", "mesh", input="host start web\nwait web\nnonsense\n", stdin=None)
    assert piped.returncode == 1 and "<stdin>:3:1" in piped.stderr

    _said(runtime, "port add web 18081:127.0.0.1:9")
    asked = norouter("ctl", "quit")
    assert asked.returncode == 1 and "--yes" in asked.stderr
    assert "18081" in asked.stderr, "the diff is shown"
    assert norouter("ctl", "--yes", "quit").returncode == 0
    assert _ended(run) == 0


def test_a_manifest_is_loaded_again_while_it_runs(
    manifest: Path, start: Start, runtime: Path
) -> None:
    run = start("run", "--watch", str(manifest))
    _told(run, "ready: 2 hosts")
    text = manifest.read_text()
    manifest.write_text(text.replace("18080:", "18081:"))
    assert "loaded" in _errors(run, "loaded")
    manifest.write_text(text + "\nhosts: [")
    line = _errors(run, "mesh.yaml:")
    assert line.startswith(f"{manifest}:"), line
    _errors(run, "the mesh stays as it is")
    assert _ports(runtime) == {18081}
    manifest.write_text(text.replace("18080:", "18082:"))
    _errors(run, "loaded")
    # Edited live: what comes from the file is told of, and left.
    _said(runtime, "port add web 18090:127.0.0.1:9")
    manifest.write_text(text)
    _errors(run, "unsaved changes; not reloaded")
    run.send_signal(signal.SIGHUP)
    _errors(run, "loaded")
    assert _ports(runtime) == {18080}
    _said(runtime, "undo")
    assert _ports(runtime) == {18082, 18090}
    run.send_signal(signal.SIGTERM)
    assert _ended(run) == 0


def test_no_control_and_no_place_for_it(manifest: Path, start: Start, runtime: Path) -> None:
    run = start("run", "--no-control", str(manifest))
    _told(run, "ready: 2 hosts")
    assert not _sockets(runtime)
    run.send_signal(signal.SIGTERM)
    assert _ended(run) == 0
    shutil.rmtree(runtime / "norouter", ignore_errors=True)
    (runtime / "norouter").write_text("in the way")
    run = start("run", str(manifest))
    _told(run, "ready: 2 hosts")
    assert "no control socket" in _errors(run, "no control socket")
    run.send_signal(signal.SIGTERM)
    assert _ended(run) == 0
    # What ssh and sudo ask by was elsewhere, and is gone.
    assert sorted(os.listdir(runtime)) == ["norouter", f"norouter-{os.getuid()}"]
    assert os.listdir(runtime / f"norouter-{os.getuid()}") == []
