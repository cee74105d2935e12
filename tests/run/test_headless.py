"""`norouter run` with real hosts: agents bootstrapped through a real sh on this machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import jsonschema
import psutil
import pytest

from tests.output.event_schema import schema
from tests.programs import Start

GONE = "norouter-no-such-command -i web"


def _mesh(folder: Path, vip: str, *commands: str | None) -> str:
    """A manifest with a host `h0`, `h1` ... for each command; the first publishes a port."""
    lines = ["hosts:"]
    for number, command in enumerate(commands):
        lines += [f"  h{number}:", f"    vip: {vip}.{number + 1}"]
        lines += [f"    cmd: {json.dumps(command)}"] if command else []
    lines.insert(2 + bool(commands[0]) + 1, '    ports: ["18080:127.0.0.1:9"]')
    path = folder / "mesh.yaml"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def _until(pipe: IO[str] | None, words: str) -> list[str]:
    """Lines of a pipe up to the first that holds `words`."""
    assert pipe is not None
    lines = []
    for line in pipe:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(f"no line with {words!r} in {lines}")


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    return out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_mesh_comes_up_and_ends_as_asked(
    start: Start, tmp_path: Path, vip: str, number: signal.Signals
) -> None:
    mesh = _mesh(tmp_path, vip, "env A=1", None)
    process = start("run", mesh, "--headless", "--wait-ready", "20")
    lines = _until(process.stdout, "-> h0, 127.0.0.1:9")
    assert any(line.startswith(f"host h0 ready: {vip}.1, ") for line in lines)
    assert f"host h1 ready: {vip}.2" in " ".join(lines)
    assert "ready: 2 hosts, 1 port" in lines
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    out, err = _end(process)
    assert process.returncode == 0
    assert out.splitlines()[-1] == "stopped"
    assert err == ""
    assert not any(line.startswith("port ") for line in lines)
    assert not [child for child in children if child.is_running()]


def test_every_json_line_fits_the_schema(start: Start, tmp_path: Path, vip: str) -> None:
    process = start(_mesh(tmp_path, vip, "env", GONE), "--headless", "--json")
    assert process.stdout is not None
    events: list[dict[str, Any]] = []
    states: dict[str, str] = {}
    while states != {"h0": "ready", "h1": "failed"}:
        events.append(json.loads(process.stdout.readline()))
        if events[-1]["event"] == "host":
            states[events[-1]["host"]["name"]] = events[-1]["host"]["state"]
    process.send_signal(signal.SIGTERM)
    out, err = _end(process)
    events += [json.loads(line) for line in out.splitlines()]
    validator = jsonschema.Draft202012Validator(schema())
    for event in events:
        validator.validate(event)
    assert events[-1]["event"] == "stopped"
    assert process.returncode == 0
    assert "host h1: " in err and "hint: " in err


def test_wait_ready_ends_at_once_with_1_when_a_host_failed_for_good(
    start: Start, tmp_path: Path, vip: str
) -> None:
    process = start("run", _mesh(tmp_path, vip, "env", GONE), "--wait-ready", "40")
    _, err = _end(process)
    assert process.returncode == 1
    assert "norouter-no-such-command" in err
    assert "not ready: h1 failed for good" in err


def test_a_port_that_is_taken_keeps_the_mesh_from_being_ready_and_is_named(
    start: Start, tmp_path: Path, vip: str
) -> None:
    with socket.create_server((f"{vip}.1", 18080)):
        process = start("run", _mesh(tmp_path, vip, "env", None))
        out = _until(process.stdout, "(not reachable: no host listens: Address already in use)")
        process.send_signal(signal.SIGTERM)
        _, err = _end(process)
    assert any(line.startswith("up in part: ") for line in out)
    assert not any(line.startswith("ready: ") for line in out)
    assert f"port {vip}.1:18080 on h0 failed: Address already in use" in err
    assert "`ss -ltnp`" in err


def test_wait_ready_ends_soon_with_3_and_names_who_has_a_port(
    start: Start, tmp_path: Path, vip: str
) -> None:
    with socket.create_server((f"{vip}.1", 18080)):
        process = start("run", _mesh(tmp_path, vip, "env", None), "--wait-ready", "45")
        _, err = _end(process)
    assert process.returncode == 3
    assert "waiting does not change that" in err
    if sys.platform == "linux":
        assert f"Address already in use by {_own_name()} (pid {os.getpid()})" in err


def _own_name() -> str:
    return Path("/proc/self/comm").read_text().strip()


def test_the_run_ends_with_1_only_when_every_command_has_failed(
    start: Start, tmp_path: Path, vip: str
) -> None:
    process = start("run", _mesh(tmp_path, vip, None, GONE, GONE + "2"))
    _, err = _end(process)
    assert process.returncode == 1
    assert "every host with a command has failed for good" in err


def test_a_failed_host_leaves_the_rest_up(start: Start, tmp_path: Path, vip: str) -> None:
    process = start("run", _mesh(tmp_path, vip, "env", GONE))
    _until(process.stdout, "host h0 ready")
    _until(process.stderr, "h1 has failed for good")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _end(process)
    assert process.returncode == 0


def test_the_run_goes_on_when_the_reader_of_stdout_has_gone(
    start: Start, tmp_path: Path, vip: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    mesh = _mesh(tmp_path, vip, "env", GONE)
    process = start("run", mesh, stdout=writer)
    os.close(writer)
    _until(process.stderr, "h1 has failed for good")
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _end(process)
    assert process.returncode == 0


def test_a_second_signal_ends_a_slow_stop_at_once(start: Start, tmp_path: Path, vip: str) -> None:
    # It neither answers nor ends with its stdin, so that the orderly stop has to wait for it.
    process = start("run", _mesh(tmp_path, vip, "env", "tail -f /dev/null"))
    _until(process.stdout, "host h0 ready")
    tail = [p for p in psutil.Process(process.pid).children() if p.name() == "tail"]
    process.send_signal(signal.SIGINT)
    _until(process.stderr, "still stopping h1; press Ctrl-C")
    process.send_signal(signal.SIGINT)
    _, err = _end(process)
    assert process.returncode == 130
    assert "next try" not in err and "lost" not in err
    assert tail
    assert not psutil.wait_procs(tail, timeout=5)[1]


def test_a_reader_that_stalls_does_not_hold_up_the_mesh(
    start: Start, tmp_path: Path, vip: str
) -> None:
    reader, writer = os.pipe()
    filled = _fill(writer)
    process = start("run", _mesh(tmp_path, vip, "env", GONE), "--json", stdout=writer)
    os.close(writer)
    _until(process.stderr, "h1 has failed for good")
    process.send_signal(signal.SIGTERM)
    _end(process)
    assert process.returncode == 0
    assert len(os.read(reader, 1 << 20)) == filled
    os.close(reader)


def _fill(pipe: int) -> int:
    """Fills a pipe to the brim; how many bytes that took."""
    os.set_blocking(pipe, False)
    filled = 0
    try:
        while True:
            filled += os.write(pipe, b"\n" * 512)
    except BlockingIOError:
        os.set_blocking(pipe, True)
        return filled


def test_the_portable_event_loop_serves_too(start: Start, tmp_path: Path, vip: str) -> None:
    process = start("run", _mesh(tmp_path, vip, "env"), "--no-uvloop", "--debug")
    _until(process.stdout, "ready: 1 host, 1 port")
    process.send_signal(signal.SIGINT)
    _end(process)
    assert process.returncode == 0
