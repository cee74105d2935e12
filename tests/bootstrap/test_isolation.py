"""Nothing on a host but a Python's own library affects the agent."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from norouter_core.bootstrap.auto_agent import AutoAgent
from norouter_core.bootstrap.base import Bootstrap
from norouter_core.bootstrap.python_agent import InterpreterAgent, PythonAgent
from norouter_core.exec_commands.command import plan_start
from norouter_core.model import AgentMode
from tests.agent.agents import TIMING, agent
from tests.bootstrap.conftest import pyenv
from tests.bootstrap.shells import behind, host
from tests.native import native_agent
from tests.servers import echoing

pytestmark = pytest.mark.anyio

PYTHON = os.path.realpath(sys.executable)
SHADOWED = ("code", "encodings", "json", "os", "select", "signal", "socket", "types", "zlib")
VARIABLES = {
    "PYTHONBREAKPOINT": "nothing.at.all",
    "PYTHONDEVMODE": "1",
    "PYTHONHASHSEED": "abc",
    "PYTHONHOME": "/nowhere",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "x",
    "PYTHONMALLOC": "x",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONTRACEMALLOC": "x",
    "PYTHONUTF8": "x",
    "PYTHONVERBOSE": "1",
    "PYTHONWARNINGS": "error",
}


def _bootstrap(shell: bool, *words: str, python: str = PYTHON) -> Bootstrap:
    """Return a bootstrap of the Python agent, by a shell or by the Python itself."""
    command = ("env", *words)
    if shell:
        return PythonAgent((*command, "sh"), TIMING, python=python)
    return InterpreterAgent(plan_start((*command, python), AgentMode.PYTHON).argv, TIMING)


async def _serves(bootstrap: Bootstrap) -> None:
    async with agent(bootstrap) as far, echoing() as port:
        assert await far.link.resolve("localhost")
        async with far.dialled("127.0.0.1", port) as (client, _):
            assert await client.says(b"x" * 100_000)
        assert far.stderr == []


@pytest.mark.parametrize("shell", [True, False], ids=["shell", "interpreter"])
async def test_modules_of_the_application_are_not_imported(tmp_path: Path, shell: bool) -> None:
    for name in SHADOWED:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the application')")
    await _serves(_bootstrap(shell, "-C", str(tmp_path), f"PYTHONPATH={tmp_path}"))


@pytest.mark.parametrize("shell", [True, False], ids=["shell", "interpreter"])
async def test_variables_have_no_effect(shell: bool) -> None:
    variables = [f"{name}={value}" for name, value in VARIABLES.items()]
    await _serves(_bootstrap(shell, *variables))


@pytest.mark.parametrize("shell", [True, False], ids=["shell", "interpreter"])
async def test_a_virtual_environment_runs_nothing_of_its_own(tmp_path: Path, shell: bool) -> None:
    name = "python{}.{}".format(*sys.version_info)
    packages = tmp_path / "lib" / name / "site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").write_text(f"home = {Path(PYTHON).parent}\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).symlink_to(PYTHON)
    for file in ("sitecustomize.py", "usercustomize.py", "evil.pth"):
        (packages / file).write_text("import os; os.write(1, b'noise'); os._exit(7)\n")
    await _serves(_bootstrap(shell, python=f"{tmp_path}/bin/{name}"))


async def test_an_oldest_python_too(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit")
    await _serves(_bootstrap(True, "-C", str(tmp_path), python=str(pyenv("3.8"))))


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "mksh", "zsh"])
async def test_no_dev_null_is_needed(tmp_path: Path, shell: str) -> None:
    """As in a chroot with little in it."""
    pythons = tmp_path / "pythons"
    pythons.mkdir()
    (pythons / "python3").write_text("#!/bin/sh\necho noise; exit 83\n")
    (pythons / "python3").chmod(0o755)
    (pythons / "python").symlink_to(PYTHON)
    command = behind("mount -t tmpfs none /dev", host(tmp_path, shell, "head"))
    async with agent(PythonAgent(command, TIMING, (str(pythons),))) as far:
        assert far.link.hello.implementation == "CPython"
        assert await far.link.resolve("localhost")


async def test_nor_by_the_native_agent(tmp_path: Path) -> None:
    native_agent()
    command = behind("mount -t tmpfs none /dev", host(tmp_path, "dash", "head"))
    async with agent(AutoAgent(command, TIMING, (f"{tmp_path}/none",), (str(tmp_path),))) as far:
        assert far.link.hello.implementation == "Go"
        assert await far.link.resolve("localhost")
