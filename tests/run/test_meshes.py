"""`norouter stop`: real runs, in the background and not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from norouter_tui.run.meshes import _Process
from tests.programs import Program, Start, has_ended
from tests.run.test_child_command import mesh

pytestmark = pytest.mark.usefixtures("runtime")


def test_a_mesh_in_the_background_is_stopped_by_name(
    norouter: Program, tmp_path: Path, vip: str
) -> None:
    begun = norouter("run", mesh(tmp_path, vip), "--detach", "-q")
    assert begun.returncode == 0 and begun.stderr == ""
    process = psutil.Process(int(begun.stdout.split()[7].rstrip(",")))
    children = process.children(recursive=True)
    try:
        assert _offers(norouter, "norouter stop ", 2) == ["mesh"]
        assert _offers(norouter, f"norouter stop {str(process.pid)[0]}", 2) == [str(process.pid)]
        assert _offers(norouter, "norouter ctl host rm we", 4) == ["web-1"]
        done = norouter("stop", "MESH")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"stopped: mesh (pid {process.pid})\n"
        assert has_ended(process) and all(map(has_ended, children))
    finally:
        if process.is_running():
            process.kill()


def test_a_manifest_that_runs_already_is_not_started_again(
    norouter: Program, start: Start, tmp_path: Path, vip: str
) -> None:
    path = mesh(tmp_path, vip)
    first = start("run", path)
    assert first.stdout is not None
    assert any(line.startswith("ready: ") for line in first.stdout)
    known = f"already runs (pid {first.pid}): norouter attach {first.pid}, or norouter stop"
    for words in (("run",), ("run", "--detach"), ("repl", "-c", "hosts")):
        again = norouter(
            *words, os.path.relpath(path), *(("--", "true") if words == ("run",) else ())
        )
        assert (again.returncode, again.stdout) == (4, "")
        assert again.stderr == f"norouter: {os.path.relpath(path)} {known} {first.pid}\n"
    first.terminate()


def test_a_port_of_another_mesh_is_named_with_that_mesh(
    norouter: Program, start: Start, tmp_path: Path, vip: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first = start("run", mesh(tmp_path, vip))
    assert first.stdout is not None
    assert any(line.startswith("ready: ") for line in first.stdout)
    done = norouter("run", mesh(other, vip), "--", "true")
    assert done.returncode == 3
    assert f"by the mesh mesh (pid {first.pid}); norouter attach {first.pid}, or" in done.stderr
    first.terminate()


def test_an_empty_manifest_never_empties_a_running_mesh(
    norouter: Program, start: Start, tmp_path: Path, vip: str
) -> None:
    path = Path(mesh(tmp_path, vip))
    run = start("run", str(path))
    assert run.stdout is not None and run.stderr is not None
    assert any(line.startswith("ready: ") for line in run.stdout)
    for text in ("", "hosts: {}\n", "hosts: [\n"):
        path.write_text(text)
        run.send_signal(signal.SIGHUP)
        assert any("the mesh stays as it is" in line for line in run.stderr)
    loaded = norouter("ctl", "--mesh", str(run.pid), "--yes", "load", str(path))
    assert loaded.returncode == 1
    hosts = norouter("ctl", "--mesh", str(run.pid), "hosts").stdout
    assert "web-1" in hosts
    run.terminate()


def _offers(norouter: Program, words: str, cword: int) -> list[str]:
    """What bash would be offered in the place of word `cword`."""
    env = {
        "_NOROUTER_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(cword),
    }
    return [line.partition(",")[2] for line in norouter(env=env).stdout.splitlines()]


def test_of_several_one_must_be_named_and_a_manifest_is_a_name(
    norouter: Program, start: Start, tmp_path: Path, vip: str
) -> None:
    runs = []
    for number in (0, 10):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = mesh(folder, f"{vip.rpartition('.')[0]}.{number}")
        runs.append((start("run", path), path))
        assert any(line.startswith("ready: ") for line in runs[-1][0].stdout or ())
    done = norouter("stop")
    assert (
        done.returncode == 2 and "several meshes are running; choose one by its PID" in done.stderr
    )
    assert all(str(run.pid) in done.stderr for run, _ in runs)
    (_first, _), (second, manifest) = runs
    which = norouter("ctl", "hosts")
    assert which.returncode == 2 and "choose one with --mesh PID" in which.stderr
    assert norouter("ctl", "hosts", env={"NOROUTER_MESH": str(second.pid)}).returncode == 0
    assert norouter("ctl", "--mesh", manifest, "save").stderr == f"saved {manifest}\n"
    got = norouter("ctl", "--mesh", str(second.pid), "hosts", "--json")
    vips = [json.loads(line)["vip"] for line in got.stdout.splitlines()]
    assert [each.split(".")[2] for each in vips] == ["10", "10"]
    assert norouter("ctl", "--mesh", "none-such", "hosts").returncode == 1
    for run, path in runs:
        assert norouter("stop", path).returncode == 0
        assert run.wait(10) == 0


def test_nothing_else_is_stopped(norouter: Program) -> None:
    assert norouter("stop").returncode == 1
    with subprocess.Popen(["sleep", "60"]) as other:
        done = norouter("stop", str(other.pid))
        assert done.returncode == 1 and f"no mesh named {other.pid} is running" in done.stderr
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("portable", [False, True])
def test_an_end_is_waited_for(monkeypatch: pytest.MonkeyPatch, portable: bool) -> None:
    if portable:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    stubborn = f"{code}; signal.pause()"
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with _Process(child.pid) as process:
            process.terminate()
            assert not process.has_ended(0.2)
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert process.has_ended(5)
            with pytest.raises(ProcessLookupError):
                process.terminate()
