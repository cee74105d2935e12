"""Blocks of several owners in one file: each takes away its own, and those of the dead."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from norouter_core.agent import files
from norouter_core.agent.blocks import BEGIN, END, append_block, has_block, remove_blocks
from norouter_core.agent.process_identity import block_owner, boot_id, is_stale
from tests.agent.agents import ROOT

ME = block_owner("web")
BEFORE = st.sampled_from(
    [
        None,
        "",
        "a\n",
        "a",
        "a\r\n\n",
        f"{BEGIN}\ncut off\n",
        f"{END}\n",
        f"{BEGIN}\nx\n{END}",
        "a\fb\rc",
    ]
)


@given(before=BEFORE, order=st.permutations(["one", "two", "three"]), after=st.booleans())
def test_whoever_goes_first_the_file_is_put_back(
    before: str | None, order: list[str], after: bool
) -> None:
    text = before
    for name in ("one", "two", "three"):
        text = append_block(text, f"10.0.0.1 {name}", name)
    for name in order:
        assert text is not None and f"10.0.0.1 {name}\n" in text
        text = remove_blocks(text, lambda other, name=name: other == name)  # type: ignore[misc]  # mypy: a default
        others = order[order.index(name) + 1 :]
        assert all(f"10.0.0.1 {other}\n" in (text or "") for other in others)
        assert f"10.0.0.1 {name}\n" not in (text or "")
        if after and others:
            # A block that is written again goes to the end.
            text = remove_blocks(text, lambda other: other == others[0])  # noqa: B023  # called at once
            text = append_block(text, f"10.0.0.1 {others[0]}", others[0])
    assert text == before


def test_lines_that_others_add_between_blocks_stay() -> None:
    text = append_block("a", "one", "one") + "b\n"
    text = append_block(text, "two", "two")
    assert (
        remove_blocks(text, lambda other: other == "two") == append_block("a", "one", "one") + "b\n"
    )
    assert remove_blocks(text, lambda other: True) == "a\nb\n"
    assert has_block(text) and not has_block("a\nb\n") and not has_block(f"{BEGIN}\nx\n")


# -- who is dead


def test_oneself_and_another_host_of_this_process_are_alive() -> None:
    assert not is_stale(ME, ME)
    assert not is_stale(block_owner("db"), ME)
    assert " " not in block_owner("a b").partition(" ")[0] and block_owner("a b").startswith("ab ")


def test_a_process_that_has_ended_is_dead() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        theirs = _of(child.pid)
        assert not is_stale(theirs, ME)
        # Its number, given to a process that was started later.
        name, _, process = theirs.rpartition(".")
        assert is_stale(f"{name}.{int(process) - 1}", ME)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert is_stale(theirs, ME)  # though nobody has reaped it yet
        child.wait()
        assert is_stale(theirs, ME)


def _of(pid: int) -> str:
    _name, _, process = ME.rpartition(" ")
    boot, namespace, _, _ = process.split(".")
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"db {boot}.{namespace}.{pid}.{started}"


@pytest.mark.parametrize(
    ("other", "dead"),
    [
        ("web {boot}.1.{pid}.1", True),  # the same host, in a restarted container
        ("db {boot}.1.{pid}.1", False),  # unknown
        ("db deadbeef.{ns}.{pid}.1", True),  # before the machine was booted
        ("db .{ns}.1.", False),
        ("db {boot}.{ns}.1.", False),
        ("db {boot}.{ns}.x.1", False),
        ("db {boot}.{ns}.99999999999999999999.1", False),
        ("db {boot}.{ns}.0.1", False),
        ("db {boot}.{ns}.-1.1", False),
        ("what another program wrote", False),
        ("", False),
    ],
)
def test_the_rest(other: str, dead: bool) -> None:
    process = ME.rpartition(" ")[2].split(".")
    filled = other.format(boot=process[0], ns=process[1], pid=os.getpid())
    assert process[0] == boot_id()[:8]
    assert is_stale(filled, ME) is dead


# -- in a file


def test_the_blocks_of_others_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost")
    dead = subprocess.run(
        [sys.executable, "-c", _WRITES, str(path)], cwd=ROOT, check=True, capture_output=True
    )
    assert dead.stderr == b"" and "10.0.0.9 stale\n" in path.read_text()
    files.write(str(path), "10.0.0.1 web\n", "block", ME)
    assert "stale" not in path.read_text()
    files.write(str(path), "10.0.0.2 db\n", "block", block_owner("db"))
    files.write(str(path), "", "remove-block", ME)
    assert "10.0.0.2 db" in path.read_text() and "10.0.0.1 web" not in path.read_text()
    files.write(str(path), "", "remove-block", block_owner("db"))
    assert path.read_text() == "127.0.0.1 localhost"


_WRITES = """
import sys
from norouter_core.agent import files
from norouter_core.agent.process_identity import block_owner
files.write(sys.argv[1], "10.0.0.9 stale", "block", block_owner("old"))
"""


def test_two_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    words = [sys.executable, "-c", _TWENTY, str(path)]
    children = [subprocess.Popen([*words, name], cwd=ROOT) for name in ("one", "two")]
    try:
        assert [child.wait(30) for child in children] == [0, 0]
    finally:
        for child in children:
            child.kill()
    assert path.read_text() == "127.0.0.1 localhost\n"


_TWENTY = """
import sys
from norouter_core.agent import files
from norouter_core.agent.process_identity import block_owner
path, name = sys.argv[1:]
for number in range(20):
    files.write(path, f"10.0.0.{number} {name}", "block", block_owner(name))
    assert f"10.0.0.{number} {name}" in open(path).read()
files.write(path, "", "remove-block", block_owner(name))
"""


def test_somebody_who_locks_the_file_stops_nobody(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        before = time.monotonic()
        assert files.write(str(path), "10.0.0.1 web", "block", ME)[1]
        assert time.monotonic() - before < 5
