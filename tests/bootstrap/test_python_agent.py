"""The line that finds a Python, under real shells, and with Pythons that cannot be used."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from norouter_core.bootstrap.base import Bootstrap, StartFailed, Step
from norouter_core.bootstrap.python_agent import PythonAgent
from norouter_core.exec_commands.command import StartPlan
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, ProblemKind, Stage
from norouter_core.model import AgentMode
from norouter_core.timing import Timing
from tests.agent.agents import ROOT, agent, children, plain_path, python_on_path, shell_plan
from tests.bootstrap.conftest import pyenv
from tests.bootstrap.shells import SHELLS

pytestmark = pytest.mark.anyio


TIMING = Timing(shell=15, hello=15)


def python_agent(directory: Path, timing: Timing = TIMING, **variables: str) -> PythonAgent:
    """One that looks for Pythons in this directory only."""
    argv = shell_plan("/usr/bin:/bin", **variables).argv
    return PythonAgent(argv, timing, (str(directory),))


async def failure(start: StartPlan | Bootstrap) -> Evidence:
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(start, TIMING):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    return error.evidence


def behind(shell: str) -> tuple[str, ...]:
    """The words that start one of `SHELLS`."""
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not on this machine")
    return SHELLS[shell]


@pytest.mark.parametrize("shell", SHELLS)
async def test_every_shell_runs_the_line(shell: str, tmp_path: Path) -> None:
    path = plain_path(tmp_path / "bin")
    argv = ("env", f"PATH={path}", *behind(shell))
    async with agent(StartPlan(argv, AgentMode.PYTHON)) as host:
        assert host.link.hello.python == "{}.{}.{}".format(*sys.version_info)
        assert host.stderr == []


READS = 'read line; exec "$@"'
SLOW = 'while [ ! -e "$GO" ]; do sleep 0.05; done; exec "$@"'


@pytest.mark.parametrize("agent_mode", [AgentMode.PYTHON, AgentMode.AUTO])
async def test_a_start_up_file_that_reads_the_line_gets_another_one(
    tmp_path: Path, agent_mode: AgentMode
) -> None:
    words = ("sh", "-c", READS, "sh")
    plan = replace(shell_plan(plain_path(tmp_path / "bin"), *words), mode=agent_mode)
    async with agent(plan, replace(TIMING, silence=0.1)) as host:
        assert host.stderr == []


@pytest.mark.parametrize("shell", ["dash", "bash"])
async def test_a_shell_that_was_only_slow_skips_the_second_line(tmp_path: Path, shell: str) -> None:
    """A shell may leave the second line to the agent's Python, or have read it."""
    notes: list[str] = []
    go = tmp_path / "go"

    def progress(step: Step) -> None:
        if step.note:
            notes.append(step.note)
            asyncio.get_running_loop().call_later(0.05, go.touch)

    argv = ("env", f"PATH={plain_path(tmp_path / 'bin')}", f"GO={go}", "sh", "-c", SLOW, "sh")
    plan = StartPlan((*argv, *behind(shell)), AgentMode.PYTHON)
    async with agent(plan, replace(TIMING, silence=0.1), progress) as host:
        assert host.stderr == []
    assert len(notes) == 1 and "writing the line again" in notes[0]


async def test_what_asks_for_a_password_gets_no_second_line(tmp_path: Path) -> None:
    """It may count each line as a failed login."""
    asks = 'echo "Password:" >&2; read one; read two; echo "$two" >&2; exec "$@"'
    plan = shell_plan(plain_path(tmp_path / "bin"), "sh", "-c", asks, "sh")
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(plan, replace(TIMING, shell=0.6, silence=0.1)):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    assert error.evidence.timed_out and error.evidence.stderr == ("Password:",)


async def test_a_chatty_profile_is_skipped(tmp_path: Path) -> None:
    profile = 'echo hi; cat /etc/os-release /etc/passwd; exec "$@"'
    plan = shell_plan(plain_path(tmp_path / "bin"), "sh", "-c", profile, "_")
    async with agent(plan) as host:
        assert host.link.hello.protocol == 1


async def test_goes_on_from_old_pythons_to_a_good_one(tmp_path: Path) -> None:
    python_on_path(tmp_path / "bin", pyenv("2.7"))
    python_on_path(tmp_path / "bin", pyenv("3.6"), "python3.12")
    python_on_path(tmp_path / "bin", pyenv("3.7"), "python3.11")
    python_on_path(tmp_path / "bin", Path(os.path.realpath(sys.executable)), "python")
    async with agent(python_agent(tmp_path / "bin")) as host:
        assert host.link.hello.python == "{}.{}.{}".format(*sys.version_info)
        assert host.stderr == []


async def test_only_old_pythons_are_named(tmp_path: Path) -> None:
    for version, name in (("3.6", "python3"), ("3.7", "python3.14"), ("2.7", "python")):
        python_on_path(tmp_path / "bin", pyenv(version), name)
    evidence = await failure(python_agent(tmp_path / "bin"))
    assert evidence.report.splitlines() == [
        f"{tmp_path}/bin/python3: is Python 3.6, too old",
        f"{tmp_path}/bin/python3.14: is Python 3.7, too old",
        f"{tmp_path}/bin/python: does not know the option -I, as Python 2 (exit status 2)",
    ]
    assert (evidence.stage, evidence.exit_status) == (Stage.SHELL, 3)
    assert diagnose(evidence).kind == ProblemKind.PYTHON_TOO_OLD


async def test_no_python_at_all(tmp_path: Path) -> None:
    evidence = await failure(python_agent(tmp_path))
    assert evidence.report == "no python"
    problem = diagnose(evidence)
    assert problem.kind == ProblemKind.NO_PYTHON and problem.permanent


def _broken(directory: Path) -> None:
    """Things that are called like a Python."""
    directory.mkdir()
    scripts = {
        "python3": "echo 'pyenv: python3: command not found' >&2; exit 127",
        "python3.14": "echo I am not; exit 9",
        "python3.11": "kill -SEGV $$",
    }
    for name, text in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    (directory / "python3.13").mkdir()
    (directory / "python3.12").symlink_to(directory / "gone")
    (directory / "python3.10").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(57))
    (directory / "python3.10").chmod(0o755)
    (directory / "python3.9").write_text("")
    # The same file by another name is not tried again.
    (directory / "python3.8").symlink_to(directory / "python3")


@pytest.mark.parametrize("shell", SHELLS)
async def test_what_does_not_work_is_passed_over(shell: str, tmp_path: Path) -> None:
    directory = tmp_path / "bin"
    _broken(directory)
    argv = ("env", "PATH=/usr/bin:/bin", *behind(shell))
    evidence = await failure(PythonAgent(argv, TIMING, (str(directory),)))
    reports = dict(line.split(": ", 1) for line in evidence.report.splitlines())
    statuses = {
        name: int(reports.pop(f"{directory}/{name}").rpartition("exit status ")[2].rstrip(")"))
        for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
    }
    assert statuses == {
        "python3": 127,
        "python3.14": 9,
        "python3.13": 126,
        "python3.12": 127,
        "python3.11": 128 + signal.SIGSEGV,
    }
    # posh cannot tell that `python3.8` has been tried.
    reports.pop(f"{directory}/python3.8", None)
    # Shells differ in what they make of a file that is no program.
    assert sorted(reports) == [f"{directory}/python3.10", f"{directory}/python3.9"]
    assert evidence.stderr == ()
    (directory / "pypy3").symlink_to(os.path.realpath(sys.executable))
    async with agent(PythonAgent(argv, TIMING, (str(directory),))) as host:
        assert host.stderr == []


async def test_shims_come_last(tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    _broken(shims)
    (shims / "python3").write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\nexec {sys.executable} "$@"')
    good = python_on_path(tmp_path / "bin", Path(os.path.realpath(sys.executable)))
    directories = str(shims), f"{tmp_path}/bin"
    argv = shell_plan(good).argv
    async with agent(PythonAgent(argv, TIMING, directories)):
        assert not (tmp_path / "ran").exists()
    async with agent(PythonAgent(argv, TIMING, directories[:1])):
        assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_python_that_hangs_is_killed(shell: str, tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "python3").chmod(0o755)
    argv = ("env", "PATH=/usr/bin:/bin", *behind(shell))
    timing = replace(TIMING, probe=0.1)
    evidence = await failure(PythonAgent(argv, timing, (str(tmp_path),)))
    assert evidence.report.startswith(f"{tmp_path}/python3: did not answer within 0.1 s")
    assert children() == []


def _without_json(home: Path) -> Path:
    """This interpreter, with a standard library of its own, which lacks a module."""
    (home / "bin").mkdir(parents=True)
    shutil.copy(os.path.realpath(sys.executable), home / "bin" / "python3")
    original = Path(os.__file__).parent
    library = home / "lib" / original.name
    library.mkdir(parents=True)
    for entry in original.iterdir():
        if entry.name != "json":
            (library / entry.name).symlink_to(entry)
    return home / "bin" / "python3"


async def test_a_python_without_a_module_is_named(tmp_path: Path) -> None:
    python = _without_json(tmp_path / "home")
    evidence = await failure(python_agent(python.parent))
    assert evidence.report == f"{python}: no module named 'json'"
    problem = diagnose(evidence)
    assert problem.kind == ProblemKind.PYTHON_INCOMPLETE and "`json`" in problem.message
    python_on_path(python.parent, Path(os.path.realpath(sys.executable)), "python3.14")
    async with agent(python_agent(python.parent)) as host:
        assert host.link.hello.python == "{}.{}.{}".format(*sys.version_info)


async def test_one_python_only(tmp_path: Path) -> None:
    good = Path(os.path.realpath(sys.executable))
    python_on_path(tmp_path / "a b", good, "it's python")
    python_on_path(tmp_path / "bin", pyenv("3.8"), "mine")
    argv = shell_plan(f"{tmp_path}/bin:/usr/bin:/bin", HOME=str(tmp_path)).argv
    for python in ("~/a b/it's python", f"{tmp_path}/a b/it's python"):
        async with agent(PythonAgent(argv, TIMING, python=python)) as host:
            assert host.link.hello.python == "{}.{}.{}".format(*sys.version_info)
    async with agent(PythonAgent(argv, TIMING, python="mine")) as host:
        assert host.link.hello.python.startswith("3.8.")


async def test_a_python_that_does_not_do_is_named(tmp_path: Path) -> None:
    argv = shell_plan(f"{tmp_path}:/usr/bin:/bin").argv
    evidence = await failure(PythonAgent(argv, TIMING, python="/opt/none/python3"))
    problem = diagnose(evidence)
    assert problem.kind == ProblemKind.NO_PYTHON
    assert problem.message.startswith("/opt/none/python3 not found")
    evidence = await failure(PythonAgent(argv, TIMING, python=str(pyenv("3.7"))))
    problem = diagnose(evidence)
    assert problem.kind == ProblemKind.PYTHON_TOO_OLD and str(pyenv("3.7")) in problem.message


@pytest.mark.parametrize("text", ["/bin/x \u00b2", "/bin/x 4711", "", "|", "137", "x" * 5000])
async def test_a_report_may_be_anything(text: str) -> None:
    """As of a host that only pretends to run our line."""
    script = (
        "import os, re; line = os.read(0, 4096).decode(); "
        "nonce = re.search('norouter-agent ([0-9a-f]{16})', line).group(1); "
        "os.write(1, ('NOROUTER:%s:none:%s\\n' % (nonce, os.environ['REPORT'])).encode())"
    )
    plan = StartPlan(("env", f"REPORT={text}", sys.executable, "-c", script), AgentMode.PYTHON)
    evidence = await failure(plan)
    assert len(evidence.report) < 5000 and diagnose(evidence).message


PTY = {
    "pty": (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])"),
    # Its line editor takes only 1 KiB, and breaks what it returns.
    "busybox": (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", "busybox"),
    "script": ("script", "-qec", "sh", "/dev/null"),
}


@pytest.mark.parametrize("words", PTY.values(), ids=PTY)
async def test_a_terminal_is_known_by_its_echo(words: tuple[str, ...]) -> None:
    program = words[0 if words[0] == "script" else -1]
    if program in ("script", "busybox") and shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    argv = words if words[0] == "script" else (*words, "sh")
    evidence = await failure(StartPlan(argv, AgentMode.PYTHON))
    assert evidence.echoed and evidence.stage is Stage.SHELL
    assert diagnose(evidence).kind == ProblemKind.TTY


_ECHO_AND_GO = """
import os, re, time
line = os.read(0, 4096)
nonce = re.search(rb"norouter-agent ([0-9a-f]{16})", line).group(1)
os.write(1, line + b"NOROUTER:" + nonce + b":go\\n")
os.read(0, 1)
"""


async def test_an_echo_is_known_when_the_marker_comes_with_it() -> None:
    evidence = await failure(StartPlan((sys.executable, "-c", _ECHO_AND_GO), AgentMode.PYTHON))
    assert evidence.echoed


async def test_an_installed_agent_answers_too() -> None:
    code = "import sys; from norouter_core.agent.main import main; sys.exit(main(sys.argv[2:]))"
    words = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", code)
    async with agent(StartPlan((*words, "agent", "--automated"), AgentMode.NOROUTER)) as host:
        assert host.link.hello.protocol == 1


async def test_noise_without_end_is_given_up() -> None:
    evidence = await failure(
        StartPlan(("sh", "-c", "yes login banner; exec sh", "sh"), AgentMode.PYTHON)
    )
    assert evidence.noise
    assert diagnose(evidence).kind == ProblemKind.NOISE


async def test_a_command_that_keeps_silent_is_given_up() -> None:
    plan = StartPlan(("sleep", "60"), AgentMode.PYTHON)
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(plan, Timing(shell=0.3)):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    assert error.evidence.timed_out == 0.3 and error.evidence.exit_status is None
