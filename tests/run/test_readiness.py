"""Who else is told that a mesh is ready: a file, a service manager; and runs in the background."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from norouter_core.engine.engine import Engine
from norouter_tui.run.readiness import ForeignFile, Readiness
from tests.programs import Program, Start, await_end
from tests.run.test_child_command import GONE, SILENT, mesh


def test_a_ready_file_is_there_while_the_mesh_is(start: Start, tmp_path: Path, vip: str) -> None:
    file = tmp_path / "ready"
    process = start("run", mesh(tmp_path, vip), "--ready-file", str(file))
    assert process.stdout is not None
    assert any(line.startswith("ready: ") for line in process.stdout)
    _await(file.exists)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    read = f'. {file}; echo "$NOROUTER_PID $NOROUTER_VIP_WEB_1 $NOROUTER_HOSTS"'
    said = subprocess.run(["sh", "-c", read], capture_output=True, text=True, check=True).stdout
    assert said == f"{process.pid} {vip}.2 local web-1\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0 and not file.exists()


def _await(is_so: Callable[[], bool]) -> None:
    """Waits until it is so: the file is written right after the line was."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
def test_a_file_that_somebody_planted_meanwhile_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    file, victim = tmp_path / "ready", tmp_path / "victim"
    victim.write_text("precious")
    readiness = Readiness("", str(file))
    readiness.prepare()
    if kind == "link":
        file.symlink_to(victim)
    elif kind == "file":
        file.write_text("not ours")
    else:
        os.mkfifo(file)
    with pytest.raises(ForeignFile, match="did not write it"):
        readiness.ready(Engine())
    readiness.end()
    assert os.path.lexists(file) and victim.read_text() == "precious"
    assert not list(tmp_path.glob(".norouter-*"))


def test_a_ready_file_that_an_earlier_run_left_means_nothing(
    norouter: Program, tmp_path: Path, vip: str
) -> None:
    file = tmp_path / "ready"
    file.write_text("# written by norouter while its mesh is up\nexport NOROUTER_PID=1\n")
    done = norouter("run", mesh(tmp_path, vip, GONE), "--ready-file", str(file))
    assert done.returncode == 1 and not file.exists()


def test_a_ready_file_never_takes_the_place_of_another(
    norouter: Program, tmp_path: Path, vip: str
) -> None:
    path = mesh(tmp_path, vip)
    before = Path(path).read_text()
    done = norouter("run", path, "--ready-file", path)
    assert done.returncode == 2 and "norouter did not write it" in done.stderr
    assert Path(path).read_text() == before


def test_a_ready_file_that_cannot_be_written_starts_nothing(
    norouter: Program, tmp_path: Path, vip: str
) -> None:
    done = norouter("run", mesh(tmp_path, vip), "--ready-file", str(tmp_path / "no" / "file"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("no/file: No such file or directory\n")


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's alone")
def test_a_service_manager_may_listen_at_an_abstract_socket(
    monkeypatch: pytest.MonkeyPatch, vip: str
) -> None:
    name = f"norouter-{os.getpid()}-{vip}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        Readiness("").end()
        assert sock.recv(1000) == b"STOPPING=1"


def test_a_service_manager_is_told(start: Start, tmp_path: Path, vip: str) -> None:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name)
        sock.settimeout(20)
        process = start("run", mesh(tmp_path, vip), env={"NOTIFY_SOCKET": name})
        assert sock.recv(1000) == b"READY=1\nSTATUS=2 hosts ready"
        process.send_signal(signal.SIGTERM)
        assert sock.recv(1000) == b"STOPPING=1"
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_run_in_the_background(norouter: Program, tmp_path: Path, vip: str) -> None:
    file = tmp_path / "ready"
    done = norouter("run", mesh(tmp_path, vip), "--detach", "--ready-file", str(file))
    words = done.stdout.split()
    assert done.returncode == 0 and words[:6] == [
        "norouter",
        "is",
        "running",
        "in",
        "the",
        "background:",
    ]
    process = psutil.Process(int(words[7].rstrip(",")))
    try:
        log = Path(words[9])
        assert log.parent == tmp_path / "state" / "norouter" / "log"
        assert log.name.startswith("mesh-") and stat.S_IMODE(log.stat().st_mode) == 0o600
        assert "ready: 2 hosts" in done.stderr and "ready: 2 hosts" in log.read_text()
        assert f"export NOROUTER_PID={process.pid}\n" in file.read_text()
        assert process.terminal() is None and os.getsid(process.pid) != os.getsid(0)
        assert os.getsid(process.pid) != process.pid
        with socket.create_connection((f"{vip}.2", 18080)):
            pass
        process.terminate()
        await_end(process)
        assert log.read_text().endswith("stopped\n") and not file.exists()
    finally:
        if process.is_running():
            process.kill()


def test_a_run_in_the_background_as_json(norouter: Program, tmp_path: Path, vip: str) -> None:
    done = norouter("run", mesh(tmp_path, vip), "--detach", "--json")
    *events, last = map(json.loads, done.stdout.splitlines())
    process = psutil.Process(last["pid"])
    try:
        assert (done.returncode, done.stderr) == (0, "")
        assert "ready" in [each["event"] for each in events] and last["event"] == "detached"
        assert last["log"].endswith(".log") and os.path.exists(last["log"])
    finally:
        process.terminate()
        await_end(process)


@pytest.mark.parametrize(
    "words", [("mesh.yaml", "--detach", "--no-control"), ("-", "--watch", "--headless")]
)
def test_a_run_that_could_not_do_what_is_asked_is_refused(
    norouter: Program, words: tuple[str, ...]
) -> None:
    done = norouter("run", *words)
    assert (done.returncode, done.stdout) == (2, "") and "Usage: norouter run" in done.stderr


@pytest.mark.parametrize(
    ("cmd", "more", "status", "says"),
    [
        (GONE, (), 1, "not ready: web-1 failed for good"),
        (SILENT, ("--wait-ready", "0.5"), 3, "not ready within 500 ms"),
    ],
)
def test_a_mesh_that_does_not_come_up_stays_nowhere(
    norouter: Program,
    tmp_path: Path,
    vip: str,
    cmd: str,
    more: tuple[str, ...],
    status: int,
    says: str,
) -> None:
    path = mesh(tmp_path, vip, cmd)
    done = norouter("run", path, "--detach", *more)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr and "the run failed and has ended; the log is" in done.stderr
    assert not [p for p in psutil.process_iter(["cmdline"]) if path in (p.info["cmdline"] or ())]


def test_a_wrong_manifest_is_told_of_at_once(norouter: Program, tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("hosts: {a: {vip: nowhere}}")
    done = norouter("run", str(path), "--detach")
    assert done.returncode == 2 and "mesh.yaml:1:18" in done.stderr
    assert not (tmp_path / "state").exists()


def test_waiting_for_the_background_can_be_interrupted(
    start: Start, tmp_path: Path, vip: str
) -> None:
    path = mesh(tmp_path, vip, SILENT)
    process = start("run", path, "--detach")
    assert process.stderr is not None
    assert "host local ready" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert not [p for p in psutil.process_iter(["cmdline"]) if path in (p.info["cmdline"] or ())]
