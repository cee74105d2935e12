"""Diagnosis of programs of this machine, which the tests run; none of them needs root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, HostProblem, ProblemKind, Stage


def diagnose_run(*argv: str) -> HostProblem:
    """Return the diagnosis of the command with `sh` appended, as the hub starts it."""
    argv = (*argv, "sh")
    try:
        ended = subprocess.run(
            argv, input=b"exit 3\n", capture_output=True, timeout=30, check=False
        )
    except OSError as error:
        return diagnose(Evidence(argv, Stage.SPAWN, os_error=error))
    lines = tuple(ended.stderr.decode(errors="replace").splitlines())
    return diagnose(Evidence(argv, Stage.SHELL, ended.returncode, None, ended.stdout, lines))


def skip_without(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")


def test_nothing_and_things_that_cannot_run(tmp_path: Path) -> None:
    assert diagnose_run("norouter-no-such-program", "exec").kind == ProblemKind.COMMAND_NOT_FOUND
    assert diagnose_run(str(tmp_path / "missing")).kind == ProblemKind.COMMAND_NOT_FOUND
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    assert diagnose_run(str(plain)).kind == ProblemKind.NOT_EXECUTABLE
    assert diagnose_run(str(tmp_path)).kind == ProblemKind.NOT_EXECUTABLE


def test_programs_that_start_others(tmp_path: Path) -> None:
    for starter in (["env", "A=b"], ["nice", "-n", "1"]):
        problem = diagnose_run(*starter, "norouter-no-such-program")
        assert problem.kind == ProblemKind.COMMAND_NOT_FOUND
        assert "`norouter-no-such-program`" in problem.message
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    assert diagnose_run("env", str(plain)).kind == ProblemKind.NOT_EXECUTABLE


def test_ssh_to_a_port_where_nobody_listens() -> None:
    skip_without("ssh")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        problem = diagnose_run("ssh", "-F", "none", "-p", str(port), "127.0.0.1")
    assert problem.kind == ProblemKind.UNREACHABLE
    assert f"cannot reach 127.0.0.1 on port {port}" in problem.message
    assert not problem.permanent


def test_a_namespace_that_is_missing() -> None:
    skip_without("nsenter")
    problem = diagnose_run("nsenter", "--net=/run/netns/norouter-no-such")
    assert problem.kind == ProblemKind.NO_SUCH_CONTAINER
    assert "/run/netns/norouter-no-such" in problem.message


def test_docker_without_a_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    skip_without("docker")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    problem = diagnose_run("docker", "exec", "-i", "web")
    assert problem.kind == ProblemKind.ENGINE_DOWN
    assert str(tmp_path) in problem.message


def test_kubectl_without_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    skip_without("kubectl")
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{bound.getsockname()[1]}"
        problem = diagnose_run("kubectl", "--server", server, "exec", "-i", "web", "--")
    assert problem.kind == ProblemKind.ENGINE_DOWN
    assert "refuses connections" in problem.message


def test_a_root_folder_without_a_shell(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("chroot needs root")
    problem = diagnose_run("chroot", str(tmp_path))
    assert problem.kind == ProblemKind.NO_SHELL
    assert diagnose_run("chroot", str(tmp_path / "missing")).kind == ProblemKind.NO_SUCH_CONTAINER
