"""The line that finds a Python, under real shells, and with Pythons that cannot be used."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from norouter_core.bootstrap.base import Bootstrap, StartFailed
from norouter_core.bootstrap.python_agent import PythonAgent
from norouter_core.exec_commands.command import StartPlan
from norouter_core.exec_commands.diagnosis import diagnose
from norouter_core.exec_commands.problem import Evidence, ProblemKind, Stage
from norouter_core.timing import Timing
from tests.agent.agents import ROOT, agent, plain_path, python_on_path, shell_plan

pytestmark = pytest.mark.anyio


def pyenv(version: str) -> Path:
    """An old interpreter, or a skip with the reason."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob(f"versions/{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} is on this machine")
    return found[-1]


TIMING = Timing(shell=15, hello=15)


def python_agent(path: str, pythons: tuple[str, ...], **variables: str) -> PythonAgent:
    """One that looks for these Pythons only."""
    return PythonAgent(shell_plan(path, **variables).argv, TIMING, pythons)


async def failure(start: StartPlan | Bootstrap) -> Evidence:
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(start, TIMING):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    return error.evidence


SHELLS = {
    "dash": ("dash",),
    "busybox": ("busybox", "sh"),
    "bash": ("bash", "--posix"),
    "ksh": ("ksh",),
    "mksh": ("mksh",),
    "zsh": ("zsh", "--emulate", "sh"),
}


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
async def test_every_shell_runs_the_line(shell: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not on this machine")
    path = plain_path(tmp_path / "bin")
    async with agent(StartPlan(("env", f"PATH={path}", *shell), installed=False)) as host:
        assert host.link.hello.python == "{}.{}.{}".format(*sys.version_info)
        assert host.stderr == []


async def test_a_chatty_profile_is_skipped(tmp_path: Path) -> None:
    profile = 'echo hi; cat /etc/os-release /etc/passwd; exec "$@"'
    plan = shell_plan(plain_path(tmp_path / "bin"), "sh", "-c", profile, "_")
    async with agent(plan) as host:
        assert host.link.hello.protocol == 1


async def test_goes_on_from_old_pythons_to_a_good_one(tmp_path: Path) -> None:
    python_on_path(tmp_path / "bin", pyenv("2.7"))
    python_on_path(tmp_path / "bin", pyenv("3.6"), "python3.12")
    path = python_on_path(tmp_path / "bin", Path(os.path.realpath(sys.executable)), "python")
    async with agent(shell_plan(path)) as host:
        # `python3` is 2.7, `python3.12` is 3.6; whichever comes next is a real one.
        assert tuple(map(int, host.link.hello.python.split("."))) >= (3, 8)


async def test_only_old_pythons_are_named(tmp_path: Path) -> None:
    python_on_path(tmp_path / "bin", pyenv("2.7"), "python")
    path = python_on_path(tmp_path / "bin", pyenv("3.6"))
    evidence = await failure(python_agent(path, ("python3", "python")))
    lines = evidence.report.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / "bin" / name) for name in ("python3", "python")
    ]
    assert "is Python 3.6." in lines[0] and "is Python 2.7." in lines[1]
    assert (evidence.stage, evidence.exit_status) == (Stage.SHELL, 3)
    assert diagnose(evidence).kind == ProblemKind.PYTHON_TOO_OLD


async def test_no_python_at_all(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    pythons = "python3", "/no/such/python3"
    evidence = await failure(python_agent(f"{tmp_path}/bin", pythons))
    assert evidence.report == "no python"
    problem = diagnose(evidence)
    assert problem.kind == ProblemKind.NO_PYTHON and problem.permanent


_WITHOUT_JSON = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "json":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Without())
"""


async def test_a_python_without_a_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_WITHOUT_JSON)
    path = plain_path(tmp_path / "bin")
    evidence = await failure(python_agent(path, ("python3",), PYTHONPATH=str(tmp_path)))
    assert evidence.report == f"{tmp_path}/bin/python3: no module named 'json'"
    problem = diagnose(evidence)
    assert problem.kind == ProblemKind.PYTHON_INCOMPLETE and "`json`" in problem.message


async def test_a_crippled_python_gives_way_to_a_whole_one(tmp_path: Path) -> None:
    only_old = _WITHOUT_JSON.replace('== "json"', '== "json" and sys.version_info < (3, 9)')
    (tmp_path / "sitecustomize.py").write_text(only_old)
    python_on_path(tmp_path / "bin", Path(os.path.realpath(sys.executable)), "python3.14")
    path = python_on_path(tmp_path / "bin", pyenv("3.8"))
    async with agent(shell_plan(path, PYTHONPATH=str(tmp_path))) as host:
        assert host.link.hello.python == "{}.{}.{}".format(*sys.version_info)


async def test_scripts_that_start_a_python_are_each_tried_once(tmp_path: Path) -> None:
    """Such as pyenv's: what runs is not the file that was found."""
    pythons = "python3", "python"
    (tmp_path / "bin").mkdir()
    for name in pythons:
        shim = tmp_path / "bin" / name
        shim.write_text(f'#!/bin/sh\nexec {pyenv("3.6")} "$@"\n')
        shim.chmod(0o755)
    evidence = await failure(python_agent(f"{tmp_path}/bin:/usr/bin:/bin", pythons))
    assert [line.split(": is Python 3.6.")[0] for line in evidence.report.splitlines()] == [
        str(tmp_path / "bin" / name) for name in pythons
    ]


async def test_something_that_only_calls_itself_python(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    impostor = tmp_path / "bin" / "python3"
    impostor.write_text("#!/bin/sh\necho I am not >&2\nexit 9\n")
    impostor.chmod(0o755)
    evidence = await failure(shell_plan(f"{tmp_path}/bin:/usr/bin:/bin"))
    assert evidence.exit_status == 9 and evidence.stderr == ("I am not",)


PTY = {
    "pty": (sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])"),
    "script": ("script", "-qec", "sh", "/dev/null"),
}


@pytest.mark.parametrize("words", PTY.values(), ids=PTY)
async def test_a_terminal_is_known_by_its_echo(words: tuple[str, ...]) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not on this machine")
    argv = words if words[0] == "script" else (*words, "sh")
    evidence = await failure(StartPlan(argv, installed=False))
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
    evidence = await failure(StartPlan((sys.executable, "-c", _ECHO_AND_GO), installed=False))
    assert evidence.echoed


async def test_an_installed_agent_answers_too() -> None:
    code = "import sys; from norouter_core.agent.main import main; sys.exit(main(sys.argv[2:]))"
    words = ("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", code)
    async with agent(StartPlan((*words, "agent", "--automated"), installed=True)) as host:
        assert host.link.hello.protocol == 1


async def test_noise_without_end_is_given_up() -> None:
    evidence = await failure(
        StartPlan(("sh", "-c", "yes login banner; exec sh", "sh"), installed=False)
    )
    assert evidence.noise
    assert diagnose(evidence).kind == ProblemKind.NOISE


async def test_a_command_that_keeps_silent_is_given_up() -> None:
    plan = StartPlan(("sleep", "60"), installed=False)
    with pytest.RaisesGroup(StartFailed) as failed:
        async with agent(plan, Timing(shell=0.3)):
            pass
    error = failed.value.exceptions[0]
    assert isinstance(error, StartFailed)
    assert error.evidence.timed_out == 0.3 and error.evidence.exit_status is None
