"""The real program as a subprocess, where no mesh is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from norouter_tui import __version__
from tests.programs import Program, Start

GOOD = """\
hosts:
  local: {vip: 127.0.42.100}
  web:
    vip: 127.0.42.101
    cmd: docker exec -i web
    aliases: [www]
    ports: ["8080:127.0.0.1:80", "8081:[::1]:81"]
"""
BAD = "hosts:\n  a:\n    vip: 1.2.3\n    ports: [99999:x:1]\n"


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "mesh.yaml"
    path.write_text(GOOD)
    return str(path)


def test_version_is_told_by_both_flags(norouter: Program) -> None:
    for flag in ("--version", "-v"):
        done = norouter(flag)
        assert (done.returncode, done.stderr) == (0, "")
        assert __version__ in done.stdout


def test_help_documents_exit_statuses_and_names_the_full_screen(norouter: Program) -> None:
    done = norouter("run", "--help")
    text = " ".join(done.stdout.split())
    assert done.returncode == 0
    for words in (
        "1 the mesh failed",
        "2 wrong usage",
        "3 not ready",
        "74 cannot write to stdout",
        "norouter-tui FILE",
    ):
        assert words in text
    assert "uvloop" not in text


def test_no_words_at_all_show_the_help(norouter: Program) -> None:
    done = norouter()
    assert done.returncode == 0
    assert "check" in done.stdout and "demo" in done.stdout


def test_check_says_what_the_mesh_is(norouter: Program, good: str) -> None:
    done = norouter("check", good)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{good}: valid; 2 hosts, 2 ports",
        "  local  127.0.42.100     this machine",
        "  web    127.0.42.101     docker exec -i web, also www",
        "         127.0.42.101:8080 -> 127.0.0.1:80",
        "         127.0.42.101:8081 -> [::1]:81",
    ]


def test_check_tells_every_problem_of_stdin_with_place_caret_and_hint(norouter: Program) -> None:
    done = norouter("check", "-", input=BAD)
    assert (done.returncode, done.stderr) == (2, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("<stdin>:3:10: ")
    assert lines[1:3] == ["  3 |     vip: 1.2.3", "    |          ^"]
    assert lines[3].startswith("  hint: ")
    assert any(line.startswith("<stdin>:4:13: ") for line in lines)
    assert lines[-1] == "<stdin>: 2 problems"


def test_a_warning_is_called_one_and_is_no_failure(norouter: Program) -> None:
    done = norouter("check", "-", input="hosts: {a: {vip: 127.0.42.9, bogus: 1}}\n")
    assert done.returncode == 0
    assert ": warning: " in done.stdout and "bogus" in done.stdout
    assert "valid" not in done.stdout
    assert "<stdin>: no errors, 1 warning; 1 host, 0 ports" in done.stdout


def test_commands_that_cannot_work_and_a_mesh_without_this_machine_are_warned_of(
    norouter: Program,
) -> None:
    done = norouter("check", "-", input="hosts: {web: {cmd: docker exec -t web}}\n")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("<stdin>: warning: no host is this machine")
    assert lines[2].startswith('<stdin>: warning: host "web": the command does not pass stdin')
    assert lines[3] == "  hint: add `-i`: docker exec -i web"
    assert lines[4].startswith('<stdin>: warning: host "web": the command allocates a TTY')
    assert "<stdin>: no errors, 3 warnings; 1 host, 0 ports" in lines


@pytest.mark.parametrize("text", ["host: {web: {cmd: x}}\n", "", "hosts: {}\n"])
def test_a_mesh_without_hosts_is_not_run(norouter: Program, text: str) -> None:
    done = norouter("run", "-", input=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "under `hosts:`" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("<stdin>: no hosts to bring up")


@pytest.mark.parametrize("module", ["entry", "screen_entry"])
def test_an_interrupt_while_imports_last_is_quiet(norouter: Program, module: str) -> None:
    code = f"""
import builtins, os, signal, sys
real = builtins.__import__
def interrupted(name, *rest):
    if name == "click":
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest)
builtins.__import__ = interrupted
from norouter_tui.cli.{module} import main
sys.exit(main())
"""
    done = norouter("check", "x.yaml", program=["-c", code])
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("word", ["run", "manager", "m", None])
def test_a_bad_manifest_ends_every_way_to_run_it_with_2(
    norouter: Program, tmp_path: Path, word: str | None
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = norouter(*([word] if word else []), str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}:3:10: " in done.stderr


def test_a_missing_manifest_and_bad_usage_end_with_2(norouter: Program, good: str) -> None:
    for words in (
        ["check", "/nowhere/mesh.yaml"],
        ["run"],
        ["run", good, "--wait-ready", "0"],
        ["run", good, "--bogus"],
        ["--bogus"],
    ):
        done = norouter(*words)
        assert done.returncode == 2, words
        assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_manifest_is_one_problem_that_is_not_counted(norouter: Program) -> None:
    done = norouter("run", "nosuch.yaml")
    problem, hint = done.stderr.splitlines()
    assert (done.returncode, hint) == (2, "  hint: check the path")
    assert problem == "nosuch.yaml: cannot read the manifest: No such file or directory"


def test_a_misspelt_verb_is_not_taken_for_a_file(norouter: Program) -> None:
    done = norouter("chekc", "mesh.yaml")
    assert done.returncode == 2
    assert "Did you mean 'check'?" in done.stderr


def test_hostile_text_of_a_manifest_does_not_reach_the_terminal(norouter: Program) -> None:
    done = norouter("check", "-", input='hosts: {a: {vip: "\\e]0;owned\\a", cmd: "\\e[2J"}}\n')
    assert done.returncode == 2
    assert "\x1b" not in done.stdout and "\x07" not in done.stdout


def test_the_agent_verb_needs_its_flag(norouter: Program) -> None:
    done = norouter("agent")
    assert (done.returncode, done.stdout) == (2, "")
    assert "norouter run FILE" in done.stderr


def test_an_installed_agent_speaks_first_ends_on_eof_and_imports_little(
    start: Start, tmp_path: Path
) -> None:
    log = tmp_path / "imports"
    with open(log, "w") as imports:
        process = start(
            *("agent", "--automated"),
            text=False,
            stdin=subprocess.PIPE,
            stderr=imports,
            env={"PYTHONPROFILEIMPORTTIME": "1"},
        )
    assert process.stdin is not None and process.stdout is not None
    first: bytes = process.stdout.read(8)  # type: ignore[assignment]  # a binary pipe
    process.stdin.close()
    assert process.wait(20) == 0
    assert first[:1] == b"\x42" and first[4:6] == b"\x00\x02"
    imported = {line.rpartition("|")[2].strip() for line in log.read_text().splitlines()}
    assert "norouter_core.agent.main" in imported
    assert not imported & {"click", "rich", "yaml", "anyio", "asyncio", "textual"}


@pytest.mark.parametrize("words", [["--help"], ["check", "GOOD"], ["check", "/nowhere"]])
def test_a_reader_that_has_gone_changes_nothing_but_the_output(
    norouter: Program, good: str, words: list[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [good if word == "GOOD" else word for word in words]
    done = norouter(*words, stdout=writer)
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == (2 if "/nowhere" in words else 0)


def test_closed_standard_streams_are_survived(start: Start, good: str) -> None:
    def close() -> None:
        os.close(1)
        os.close(2)

    process = start("check", good, stdout=None, stderr=None, preexec_fn=close)
    assert process.wait(20) == 0


@pytest.mark.parametrize("words", [["check", "GOOD"], ["--help"], ["demo"]])
def test_a_full_disk_is_no_fault_of_the_program(
    norouter: Program, good: str, words: list[str]
) -> None:
    words = [good if word == "GOOD" else word for word in words]
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        done = norouter(*words, stdout=full)
    assert done.returncode == 74
    assert done.stderr == "norouter: cannot write to stdout: No space left on device\n"
