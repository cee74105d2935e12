"""Unsaved work survives the session that made it, and is offered once that is dead."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.autosave import Autosave, AutosaveFailed
from tests.manifest.manifests import specs

SPEC = MeshSpec((HostSpec("web", "127.0.42.101", "docker exec -i web"),))
KEEP = """
import sys
from pathlib import Path
from norouter_core.model import HostSpec, MeshSpec
from norouter_core.session.autosave import Autosave
autosave = Autosave(Path(sys.argv[1]))
for n in range(3):
    autosave.keep(MeshSpec((HostSpec("web", f"127.0.42.{n + 1}"),)), "mesh.yaml", ["host add web"])
print("kept", flush=True)
sys.stdin.read()
"""


@contextmanager
def session(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has kept its work and waits."""
    command = [sys.executable, "-c", KEEP, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"kept\n"
        yield child
        child.kill()


def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    before = time.time()
    with session(tmp_path) as child:
        assert Autosave(tmp_path).recoverable() == []
        child.send_signal(signal.SIGKILL)
        child.wait()
        (found,) = Autosave(tmp_path).recoverable()
    assert found.spec == MeshSpec((HostSpec("web", "127.0.42.3"),))
    assert found.path == str(tmp_path / "mesh.yaml")
    assert found.names == ("host add web",)
    assert before <= found.when <= time.time()
    found.discard()
    assert Autosave(tmp_path).recoverable() == []
    assert list(tmp_path.iterdir()) == []


def test_work_that_is_not_taken_is_offered_again(tmp_path: Path) -> None:
    with session(tmp_path) as child:
        child.kill()
    assert Autosave(tmp_path).recoverable() == Autosave(tmp_path).recoverable() != []


def test_nothing_is_left_of_what_was_saved_or_given_up(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.clear()
    autosave.keep(SPEC, "")
    autosave.clear()
    assert list(tmp_path.iterdir()) == []
    autosave.keep(SPEC, "")
    assert len(list(tmp_path.glob("*.json"))) == 1
    autosave.clear()
    assert list(tmp_path.iterdir()) == []


def test_it_is_the_users_own(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "autosave"
    autosave = Autosave(folder)
    autosave.keep(SPEC, "")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert autosave.recoverable() == []
    autosave.clear()


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(specs())
def test_every_spec_comes_back_whole(tmp_path: Path, spec: MeshSpec) -> None:
    autosave = Autosave(tmp_path)
    autosave.keep(spec, "", ["a\x1b[31m", "é"])
    (file,) = tmp_path.glob("*.json")
    left = file.read_bytes()
    autosave.clear()
    file.write_bytes(left)
    (found,) = Autosave(tmp_path).recoverable()
    assert (found.spec, found.path, found.names) == (spec, "", ("a\x1b[31m", "é"))
    found.discard()


GOOD = {"format": 1, "when": 1.0, "path": "", "names": [], "manifest": "hosts:\n"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"[" * 100_000,
        json.dumps(GOOD)[:-9].encode(),
        json.dumps(GOOD | {"format": 2}).encode(),
        json.dumps(GOOD | {"when": 10**400}).encode(),
        json.dumps(GOOD | {"names": [1]}).encode(),
        json.dumps(GOOD | {"manifest": "hosts: {a: {vip: nowhere}}"}).encode(),
        json.dumps(GOOD | {"path": None}).encode(),
        b" " * (9 * 1024 * 1024),
    ],
    ids=range(11),
)
def test_what_cannot_be_read_is_told_and_set_aside(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "1-ab.json").write_bytes(data)
    (tmp_path / "2-cd.json").write_text(json.dumps(GOOD))
    autosave = Autosave(tmp_path)
    assert [found.file.name for found in autosave.recoverable()] == ["2-cd.json"]
    (line,) = autosave.complaints
    assert "1-ab.corrupt" in line and line.isprintable()
    assert (tmp_path / "1-ab.corrupt").read_bytes() == data
    assert len(autosave.recoverable()) == 1 and autosave.complaints == ()


@pytest.mark.skipif(os.name != "posix", reason="/dev/null is no folder of a file there")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    autosave = Autosave(tmp_path / "file" / "autosave")
    with pytest.raises(AutosaveFailed, match=r"cannot keep unsaved work in .*; save soon"):
        autosave.keep(SPEC, "")
    assert autosave.recoverable() == []
    autosave.clear()
