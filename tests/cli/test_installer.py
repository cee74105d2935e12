"""The installer for real: under several shells, with and without Python, and a mesh by what it
installs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from norouter_core.bootstrap.native_program import Platform, native_program, this_platform
from norouter_tui import __version__
from norouter_tui.installer import installer, launcher, windows_installer
from tests.native import native_agent
from tests.programs import Program, Start

SHELLS = [["dash"], ["busybox", "sh"], ["bash"], ["mksh"], ["sh"]]


TOOLS = ["cat", "chmod", "cmp", "cp", "mkdir", "mv", "rm", "sha256sum", "uname"]
UNPACKING = ["base64", "gunzip", "gzip"]


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment with a home of its own and a PATH that leads to Python and a few tools."""
    folder = tmp_path / "few programs"
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    for tool in (*TOOLS, *UNPACKING):
        (folder / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool} here"))
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home"), "PATH": str(folder)}


def _sh(
    env: dict[str, str], script: str, shell: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    words = shell or ["sh"]
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"no {words[0]} here")
    return subprocess.run(
        [program, *words[1:]], input=script, env=env, text=True, capture_output=True, timeout=30
    )


def _installed(env: dict[str, str]) -> Path:
    return Path(env["HOME"], "bin", "norouter")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_sh_installs_it_twice_alike(bare: dict[str, str], shell: list[str]) -> None:
    first = _sh(bare, installer([]), shell)
    path = _installed(bare)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith(f"norouter {__version__}: installed the agent as {path}\n")
    assert f"  cmd: docker exec -i NAME {path}\n" in first.stdout
    assert path.read_text() == launcher()
    before = path.stat()
    again = _sh(bare, installer([]), shell)
    assert again.stdout.startswith(f"norouter {__version__} is installed already: {path}\n")
    assert path.stat().st_ino == before.st_ino and before.st_mode & 0o777 == 0o755
    assert os.listdir(path.parent) == ["norouter"]


def test_another_file_is_kept_and_no_backup_overwritten(bare: dict[str, str]) -> None:
    path = _installed(bare)
    path.parent.mkdir()
    path.write_text("mine")
    done = _sh(bare, installer([]))
    assert f"what was there is kept as {path}.bak\n" in done.stdout
    path.unlink()
    path.symlink_to("nowhere")
    done = _sh(bare, installer([]))
    assert f"what was there is kept as {path}.bak.2\n" in done.stdout
    assert Path(f"{path}.bak").read_text() == "mine"
    assert os.readlink(f"{path}.bak.2") == "nowhere"
    assert path.read_text() == launcher()
    assert sorted(os.listdir(path.parent)) == ["norouter", "norouter.bak", "norouter.bak.2"]


def test_what_cannot_be_written_is_told_and_leaves_nothing(bare: dict[str, str]) -> None:
    Path(bare["HOME"], "bin").write_text("a file")
    done = _sh(bare, installer([]))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"norouter: nothing was installed: {bare['HOME']}/bin")
    Path(bare["HOME"], "bin").unlink()
    _installed(bare).mkdir(parents=True)
    done = _sh(bare, installer([]))
    assert done.returncode == 1 and done.stderr.endswith("Is a directory\n")
    assert os.listdir(Path(bare["HOME"], "bin")) == ["norouter"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_directory_that_takes_no_files_is_reported(
    bare: dict[str, str], shell: list[str]
) -> None:
    """Even root cannot create a file in /proc."""
    Path(bare["HOME"], "bin").symlink_to("/proc")
    done = _sh(bare, installer([]), shell)
    assert done.returncode == 1
    assert re.fullmatch(
        r"norouter: nothing was installed: .*/bin/\.norouter-\d+: cannot write this file\n",
        done.stderr,
    )


def _without_python(env: dict[str, str], script: str) -> str:
    """Take Python off the PATH, and its absolute places out of the script."""
    Path(env["PATH"], "python3").unlink()
    for place in ("/usr/local/bin/python3", "/usr/bin/python3", "/usr/libexec/platform-python"):
        script = script.replace(f" {place}", "")
    return script


def test_a_host_without_python_is_told_so(bare: dict[str, str]) -> None:
    done = _sh(bare, _without_python(bare, installer([])))
    assert done.returncode == 3 and not _installed(bare).exists()
    assert "no Python >= 3.8, and this script no native agent for Linux" in done.stderr
    assert os.listdir(_installed(bare).parent) == []


@pytest.fixture
def native() -> str:
    """The script with the native agent of this machine."""
    native_agent()
    return installer([this_platform()])


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_host_without_python_gets_the_native_agent(
    bare: dict[str, str], native: str, shell: list[str]
) -> None:
    done = _sh(bare, _without_python(bare, native), shell)
    path = _installed(bare)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"norouter {__version__}: installed the agent as {path}\n")
    assert "It is a native program." in done.stdout
    assert path.read_bytes() == native_program(this_platform()).read_bytes()
    assert path.stat().st_mode & 0o777 == 0o755 and os.listdir(path.parent) == ["norouter"]
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    assert (version.returncode, version.stdout) == (0, f"norouter {__version__} (agent)\n")


def test_a_program_that_was_damaged_or_does_not_run_is_not_installed(
    bare: dict[str, str], native: str
) -> None:
    script = _without_python(bare, native)
    at = script.index("unpack <<'END_OF_AGENT'") + 20_000
    damaged = script[:at] + ("A" if script[at] != "A" else "B") + script[at + 1 :]
    hashed = re.sub(r"( agent=linux_\w+ sum=)", r"\g<1>0", script)
    unfit = script.replace('"$partial" t', '"$partial" x')
    for text, why in (
        (damaged, "the program is damaged"),
        (hashed, "the program is damaged"),
        (unfit, "the program does not run from"),
    ):
        done = _sh(bare, text)
        assert done.returncode == 1 and f"nothing was installed: {why}" in done.stderr
        assert os.listdir(_installed(bare).parent) == []


@pytest.mark.slow
def test_the_script_for_windows_holds_the_program() -> None:
    """PowerShell itself does not run here."""
    windows = Platform("windows", "amd64")
    native_agent()
    *lines, last = windows_installer(windows).splitlines()
    packed = "".join(re.findall(r"Append\('(.*)'\)", "\n".join(lines)))
    program = gzip.decompress(base64.b64decode(packed))
    assert program == native_program(windows).read_bytes()
    assert last.startswith("& { ") and hashlib.sha256(program).hexdigest() in last
    assert f"norouter {__version__}" in last and "@" not in last
    assert "norouter.Append" not in last and last.isascii()


def test_platforms_that_do_not_fit(norouter: Program) -> None:
    done = norouter("show-installer", "--platform", "amiga-m68k")
    assert done.returncode == 2 and "known are linux-amd64," in done.stderr
    done = norouter("show-installer", "--platform", "windows-amd64", "--platform", "linux-amd64")
    assert done.returncode == 2 and "includes one agent" in done.stderr


def test_a_script_that_arrived_in_part_installs_nothing(bare: dict[str, str]) -> None:
    script = installer([])
    whole = script.rindex("install_norouter\n")
    for cut in (whole, whole - 3, script.index("END_OF_AGENT") + 40, len(script) // 2, 700):
        _sh(bare, script[:cut], ["dash"])
        assert not _installed(bare).exists(), cut


def test_people_who_call_it_are_told_what_it_is(bare: dict[str, str]) -> None:
    _sh(bare, installer([]))
    path = str(_installed(bare))
    for words in ([], ["run", "x.yaml"]):
        done = subprocess.run([path, *words], env=bare, text=True, capture_output=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"norouter {__version__}: this is the agent alone")
        assert done.stderr.count("\n") == 1
    done = subprocess.run([path, "--version"], env=bare, text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (0, f"norouter {__version__} (agent)\n")
    done = subprocess.run([path, "agent"], env=bare, text=True, capture_output=True)
    assert done.returncode == 2 and "`norouter run MANIFEST`" in done.stderr


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"by an installed agent"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("shell", SHELLS[:2], ids=" ".join)
def test_a_mesh_by_the_installed_agent_serves_a_page(
    bare: dict[str, str], start: Start, tmp_path: Path, shell: list[str]
) -> None:
    _sh(bare, installer([]), shell)
    if shell != ["dash"]:
        text = _installed(bare).read_text()
        program = " ".join([shutil.which(shell[0]) or "", *shell[1:]])
        _installed(bare).write_text(text.replace("#!/bin/sh", f"#!{program}", 1))
    net = f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        mesh = tmp_path / "mesh.yaml"
        mesh.write_text(
            f"hosts:\n  local: {{vip: {net}.1}}\n  far:\n    vip: {net}.2\n"
            f"    cmd: [env, {_installed(bare)}]\n"
            f'    ports: ["18080:127.0.0.1:{server.server_port}"]\n'
        )
        process = start("run", str(mesh), "--wait-ready", "20")
        assert process.stdout is not None
        assert any(line == "ready: 2 hosts, 1 port\n" for line in process.stdout)
        with urllib.request.urlopen(f"http://{net}.2:18080/", timeout=10) as answer:
            assert answer.read() == b"by an installed agent"
        agents = psutil.Process(process.pid).children(recursive=True)
        assert any(str(_installed(bare)) in agent.cmdline() for agent in agents)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert not [agent for agent in agents if agent.is_running()]
        server.shutdown()
