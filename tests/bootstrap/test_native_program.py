"""Where the program of the native agent comes from, for an installation without sources or Go."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from norouter_core.bootstrap.native_program import PLATFORMS, Platform, packed_name, this_platform
from tests.engine.meshes import plain_path, vip
from tests.native import native_agent

ROOT = Path(__file__).parents[2]

PLATFORM = f"""\
from norouter_core.bootstrap.native_program import *
platform = Platform({this_platform().system!r}, {this_platform().architecture!r})
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with the packages of a wheel, and nothing else of the checkout."""
    for package in ("norouter_core", "norouter_tui"):
        ignore = shutil.ignore_patterns("__pycache__", "agents")
        shutil.copytree(ROOT / package, tmp_path / "site" / package, ignore=ignore)
    return tmp_path / "site"


def _package(site: Path) -> None:
    """Add the agent of this machine, as `make wheel` does."""
    packed = gzip.compress(native_agent().read_bytes(), 1)
    agents = site / "norouter_core" / "bootstrap" / "agents"
    agents.mkdir()
    (agents / packed_name(this_platform())).write_bytes(packed)


def _run(
    site: Path, *words: str, home: Path | str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed `norouter`, without the virtual environment of the tests."""
    libraries = sysconfig.get_path("purelib")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": f"{site}:{libraries}",
        "NO_COLOR": "1",
        **variables,
    }
    python = os.path.realpath(sys.executable)
    return subprocess.run(
        [python, *words], env=env, cwd=site, capture_output=True, text=True, timeout=50, check=False
    )


def _mesh(folder: Path) -> str:
    mesh = folder / "mesh.yaml"
    mesh.write_text(
        f"hosts:\n  local: {{vip: {vip()}}}\n"
        f"  far: {{vip: {vip()}, agent: native, cmd: [env, 'PATH={plain_path()}']}}\n"
    )
    return str(mesh)


def test_an_installation_starts_the_agent_that_it_carries(site: Path, tmp_path: Path) -> None:
    _package(site)
    words = ("-m", "norouter_tui", "run", _mesh(tmp_path), "--headless", "--wait-ready", "30")
    done = _run(site, *words, "--", "echo", "it runs", home=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["it runs"]), done.stderr
    assert not (tmp_path / ".cache/norouter/native-agents").exists(), "it is sent as it is packed"


# A home of `~` is as good as none: what is expanded stays relative.
@pytest.mark.parametrize("home", ["home", "~"])
def test_an_agent_without_a_place_is_unpacked_for_one_run(
    site: Path, tmp_path: Path, home: str
) -> None:
    _package(site)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".cache").write_text("not a directory")
    home = home if home == "~" else str(tmp_path / home)
    done = _run(site, "-c", f"{PLATFORM}print(native_program(platform))", home=home)
    program = Path(done.stdout.strip())
    assert done.returncode == 0, done.stderr
    assert program.name == "norouter" and not program.exists()
    assert "norouter-agents-" in str(program)


def test_an_installation_without_agents_says_so(site: Path, tmp_path: Path) -> None:
    words = ("-m", "norouter_tui", "run", _mesh(tmp_path), "--headless", "--wait-ready", "30")
    done = _run(site, *words, home=tmp_path)
    assert done.returncode != 0
    assert "this installation of norouter carries no native agents" in done.stderr
    assert "install Python 3.8 or newer on the host" in done.stderr


def test_a_checkout_without_go_says_what_to_install(site: Path, tmp_path: Path) -> None:
    (site / "agent-go").mkdir()
    (site / "agent-go" / "go.mod").write_text("module agent")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "env").symlink_to(shutil.which("env") or "")
    words = ("-m", "norouter_tui", "run", _mesh(tmp_path), "--headless", "--wait-ready", "30")
    done = _run(site, *words, home=tmp_path, PATH=str(programs))
    assert done.returncode != 0
    message = f"this machine has no native agent for {this_platform()}, and no Go to build it"
    assert message in done.stderr
    assert "does not work" not in done.stderr
    assert "install Go on this machine (or run `make agents`)" in done.stderr


def test_the_platforms() -> None:
    assert len(PLATFORMS) == 15
    assert Platform.of("Linux", "armv7l") in PLATFORMS
    assert packed_name(Platform("windows", "amd64")) == "windows-amd64.gz"


def _add_go(site: Path, script: str) -> None:
    """Add the sources of the agent, and a stand-in for Go in a virtual environment."""
    sources = site / "agent-go"
    sources.mkdir()
    (sources / "go.mod").write_text("module agent")
    go = site / "bin" / "go"
    go.parent.mkdir()
    go.write_text(script)
    go.chmod(0o755)


IN_VENV = "import os, sys; sys.prefix = os.getcwd()\n"
"""Takes the directory `site` for the virtual environment."""

GO = """\
#!/bin/sh
mkdir -p "$GOCACHE" || exit
while [ "$1" != -o ]; do shift; done
head -c 2000000 /dev/urandom >"$2"
"""

PACK_IN_THREADS = """\
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
together = Barrier(16)

def pack(number):
    together.wait()
    return packed_program(platform)

with ThreadPoolExecutor(16) as threads:
    packed = set(map(id, list(threads.map(pack, range(16)))))
print(len(packed))
"""


def test_threads_that_need_the_same_program_pack_it_once(site: Path, tmp_path: Path) -> None:
    _add_go(site, GO)
    done = _run(site, "-c", IN_VENV + PLATFORM + PACK_IN_THREADS, home=tmp_path)
    assert (done.stdout, done.stderr) == ("1\n", "")
    names = [path.name for path in (site / "native-agents").rglob("norouter*")]
    assert sorted(names) == ["norouter", "norouter.gz"]


def test_a_start_says_once_that_go_builds_the_agent(site: Path, tmp_path: Path) -> None:
    copying = f'while [ "$1" != -o ]; do shift; done\ncp {native_agent()} "$2"\n'
    _add_go(site, f"#!/bin/sh\n{copying}")
    words = ("-m", "norouter_tui", "run", _mesh(tmp_path), "--headless", "--wait-ready", "30")
    path = f"{site / 'bin'}:{os.environ['PATH']}"
    line = f"building the native agent for {this_platform()}, once"
    for times in (1, 0):
        done = _run(site, *words, "--", "true", home=tmp_path, PATH=path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(line) == times, done.stderr


def test_what_go_keeps_is_in_the_directory_that_gets_the_program(
    site: Path, tmp_path: Path
) -> None:
    """As with a virtual environment of another user."""
    _add_go(site, GO)
    (site / "native-agents").write_text("not a directory")
    source = f"{IN_VENV}{PLATFORM}print(native_program(platform))"
    done = _run(site, "-c", source, home=tmp_path)
    assert done.returncode == 0, done.stderr
    cache = tmp_path / ".cache/norouter/native-agents"
    assert cache in Path(done.stdout.strip()).parents
    assert (cache / "go-build").is_dir()


REPORT = """\
try:
    native_program(platform)
except NoNativeAgent as error:
    print(error)
"""


def test_a_go_that_cannot_be_executed_is_named(site: Path, tmp_path: Path) -> None:
    _add_go(site, "#!/nowhere/sh\n")
    done = _run(site, "-c", IN_VENV + PLATFORM + REPORT, home=tmp_path)
    assert done.stdout.startswith(f"cannot run {site}/bin/go to build the native agent: "), done
    assert "No such file" in done.stdout


def test_a_full_disk_is_reported_and_keeps_no_part_of_the_program(
    site: Path, tmp_path: Path
) -> None:
    _package(site)
    # A limit for the size of a file is met as the end of a disk is, in the midst of a program.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    done = _run(site, "-c", limit + PLATFORM + REPORT, home=tmp_path)
    expected = "the native agent cannot be written to any directory: [Errno 27] File too large"
    assert done.stdout.startswith(expected), done
    kept = [path.name for path in (tmp_path / ".cache").rglob("*") if path.is_file()]
    assert kept == ["lock"]
