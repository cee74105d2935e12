"""Writing files that may be others': whole or not at all, and put back to the byte."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from norouter_core.agent import files
from norouter_core.agent.files import BACKUP_SUFFIX, BLOCK_BEGIN, BLOCK_END
from tests.agent.agents import ROOT

HOSTS = "127.0.0.1 localhost\n::1 localhost\n"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text(HOSTS)
    return path


def test_replace_makes_folders_and_is_idempotent(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "hosts"
    assert files.write(str(path), "one\n", "replace") == (str(path), True)
    before = path.stat().st_mtime_ns
    assert files.write(str(path), "one\n", "replace") == (str(path), False)
    assert path.stat().st_mtime_ns == before
    assert files.write(str(path), "", "replace") == (str(path), True)
    assert path.read_bytes() == b""
    assert os.listdir(path.parent) == ["hosts"]


def test_replace_is_atomic(hosts: Path) -> None:
    """Who has the old file open keeps it whole: it is a new file that takes its place."""
    with hosts.open() as old:
        files.write(str(hosts), "new\n", "replace")
        assert old.read() == HOSTS
    assert hosts.read_text() == "new\n"


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_permissions_are_kept(hosts: Path, mode: int) -> None:
    hosts.chmod(mode)
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    assert hosts.stat().st_mode & 0o777 == mode


def test_a_block_and_its_removal(hosts: Path) -> None:
    text = "127.0.42.100 web\n"
    block = f"{BLOCK_BEGIN}\n127.0.42.100 web\n{BLOCK_END}\n"
    assert files.write(str(hosts), text, "block") == (str(hosts), True)
    assert hosts.read_text() == HOSTS + block
    assert files.write(str(hosts), text, "block") == (str(hosts), False)
    assert files.write(str(hosts), "127.0.42.101 db\n", "block")[1]
    assert hosts.read_text() == HOSTS + block.replace("100 web", "101 db")
    assert files.write(str(hosts), "", "remove-block") == (str(hosts), True)
    assert hosts.read_text() == HOSTS
    assert files.write(str(hosts), "", "remove-block") == (str(hosts), False)


def test_the_backup_is_what_was_there_before_us(hosts: Path) -> None:
    backup = Path(f"{hosts}{BACKUP_SUFFIX}")
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    assert backup.read_text() == HOSTS
    files.write(str(hosts), "10.0.0.2 web\n", "block")
    assert backup.read_text() == HOSTS, "our own block was copied"
    hosts.write_text("written by somebody\n")
    files.write(str(hosts), "10.0.0.3 web\n", "block")
    assert backup.read_text() == "written by somebody\n"


def test_the_backup_goes_once_the_file_is_restored(hosts: Path) -> None:
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    with hosts.open("a") as file:
        file.write("10.0.0.9 later\n")
    files.write(str(hosts), "", "remove-block")
    assert hosts.read_text() == HOSTS + "10.0.0.9 later\n"
    assert Path(f"{hosts}{BACKUP_SUFFIX}").read_text() == HOSTS
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    files.write(str(hosts), "", "remove-block")
    assert os.listdir(hosts.parent) == ["hosts"]


def test_what_is_appended_after_our_block_stays_a_line(hosts: Path) -> None:
    hosts.write_bytes(b"127.0.0.1 localhost")
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    with hosts.open("ab") as file:
        file.write(b"10.0.0.9 later\n")
    files.write(str(hosts), "10.0.0.2 web\n", "block")
    files.write(str(hosts), "", "remove-block")
    assert hosts.read_bytes() == b"127.0.0.1 localhost\n10.0.0.9 later\n"


def test_a_file_that_was_not_there_is_taken_away_again(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    files.write(str(path), "10.0.0.1 web\n", "block")
    files.write(str(path), "10.0.0.2 web\n", "block")
    assert "10.0.0.2" in path.read_text()
    files.write(str(path), "", "remove-block")
    assert not path.exists()


def test_mode_is_kept_by_file_and_backup(hosts: Path) -> None:
    hosts.chmod(0o600)
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    backup = Path(f"{hosts}{BACKUP_SUFFIX}")
    assert [path.stat().st_mode & 0o777 for path in (hosts, backup)] == [0o600, 0o600]


def test_a_write_that_fails_leaves_the_file_as_it_was(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(str(hosts), "10.0.0.1 web\n", "block")
    assert hosts.read_text() == HOSTS
    assert [path.name for path in hosts.parent.iterdir()] == [hosts.name]


def test_what_others_write_meanwhile_stays(hosts: Path) -> None:
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    with hosts.open("a") as file:
        file.write("10.9.9.9 theirs\n")
    files.write(str(hosts), "10.0.0.2 web\n", "block")
    assert "10.9.9.9 theirs\n" in hosts.read_text()
    files.write(str(hosts), "", "remove-block")
    assert hosts.read_text() == HOSTS + "10.9.9.9 theirs\n"


LINES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(["\n", "\r\n", "\r", "\x0c", BLOCK_BEGIN, BLOCK_END, f"{BLOCK_BEGIN}\n"]),
    ),
    max_size=12,
)


@given(lines=LINES, block=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example(lines=["no newline at the end"], block="10.0.0.1 web")
@example(lines=[f"{BLOCK_BEGIN}\n", "an end that someone cut off\n"], block="10.0.0.1 web\n")
@example(lines=[f"{BLOCK_END}\n", "x"], block="")
def test_a_file_is_put_back_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], block: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-hosts"
    # A block that stands there already is ours to take away.
    text = files.strip_blocks("".join(lines))
    data = text.encode()
    path.write_bytes(data)
    inner = block.replace(BLOCK_END, "").replace(BLOCK_BEGIN, "")
    files.write(str(path), inner, "block")
    assert files.write(str(path), inner, "block")[1] is False
    files.write(str(path), "", "remove-block")
    assert path.read_bytes() == data


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_survive(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "binary-hosts"
    path.write_bytes(data)
    files.write(str(path), "10.0.0.1 web\n", "block")
    files.write(str(path), "", "remove-block")
    assert path.read_bytes() == data


def test_a_symbolic_link_is_followed(tmp_path: Path, hosts: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(hosts)
    files.write(str(link), "10.0.0.1 web\n", "block")
    assert link.is_symlink()
    assert "10.0.0.1 web\n" in hosts.read_text()
    files.write(str(link), "", "remove-block")
    assert link.is_symlink() and hosts.read_text() == HOSTS


def test_a_symbolic_link_is_never_replaced(tmp_path: Path, hosts: Path) -> None:
    """Somebody else may have put it into a directory that others may write."""
    for target in (hosts, tmp_path / "made"):
        link = tmp_path / f"link-{target.name}"
        link.symlink_to(target)
        with pytest.raises(OSError, match="a symbolic link"):
            files.write(str(link), "# norouter\n", "replace")
    assert hosts.read_text() == HOSTS and not (tmp_path / "made").exists()


def test_a_link_that_is_put_there_meanwhile_is_replaced_itself(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "made")
    files.replace(str(link), b"new\n", like=str(link), follow=False)
    assert not link.is_symlink() and link.read_text() == "new\n"
    assert not (tmp_path / "made").exists()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("mode", files.MODES)
def test_write_waits_for_nobody(tmp_path: Path, mode: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="not a regular file"):
        files.write(str(fifo), "x\n", mode)
    assert not files.is_foreign(str(fifo))


def test_what_a_killed_writer_has_left_is_removed(tmp_path: Path, hosts: Path) -> None:
    stale, recent, other = (
        hosts.with_name(f"hosts.norouter-{suffix}")
        for suffix in ("0123456789ab", "ba9876543210", "0123456789abc")
    )
    for path in (stale, recent, other):
        path.write_text("half")
    for path in (stale, other):
        os.utime(path, (1, 1))
    files.write(str(hosts), "10.0.0.1 web\n", "block")
    assert not stale.exists() and recent.exists() and other.exists()


def test_home_and_variables_are_this_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WHERE", "there")
    monkeypatch.delenv("NOWHERE", raising=False)
    path, changed = files.write("~/${WHERE}/hosts", "x\n", "replace")
    assert changed and path == str(tmp_path / "home" / "there" / "hosts")
    for wrong in ("${NOWHERE}/hosts", "a\0b", "~no-such-user-here/hosts"):
        with pytest.raises(ValueError, match="cannot expand"):
            files.write(wrong, "x\n", "replace")
    with pytest.raises(ValueError, match="unknown mode"):
        files.write(str(tmp_path / "x"), "x\n", "append")


# Root may write everywhere, so these run as someone else.
_AS_NOBODY = """
import os, sys
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
from norouter_core.agent import files
try:
    print(files.write(*sys.argv[1:])[1])
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A hosts file that anyone may write, in a folder that only its owner may."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hosts"
        path.write_text(HOSTS)
        path.chmod(0o666)
        Path(folder).chmod(0o755 if os.getuid() == 0 else 0o555)
        yield path
        Path(folder).chmod(0o755)


def as_nobody(path: Path, text: str, mode: str) -> str:
    system = Path("/usr/bin/python3")
    python = system if system.exists() else Path(sys.executable)
    words = [str(python), "-W", "error", "-c", _AS_NOBODY, str(path), text, mode]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and "norouter_core" not in done.stderr.rpartition("File ")[2]:
        pytest.skip("another user cannot run this checkout")
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_file_that_cannot_be_renamed_onto_is_written_in_place(shared: Path) -> None:
    """Such as a container's /etc/hosts, which is a mount of its own."""
    inode = shared.stat().st_ino
    assert as_nobody(shared, "new\n", "replace") == "True"
    assert (shared.read_text(), shared.stat().st_ino) == ("new\n", inode)
    assert os.listdir(shared.parent) == ["hosts"]


def test_what_is_written_in_place_is_never_lost(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full half way through, where nothing can be renamed onto the file."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)

    def is_a_mount(*_: str) -> None:
        # A kernel's own limit: the rest of the block has no room.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(HOSTS) + 40, usual[1]))
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "replace", is_a_mount)
    try:
        with pytest.raises(OSError, match="too large"):
            files.replace(str(hosts), (HOSTS + "10.0.0.1 web\n" * 100).encode(), str(hosts))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert hosts.read_text() == HOSTS


def test_readers_see_no_empty_file_while_it_is_written_in_place(
    hosts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_a_mount(*_: str) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "replace", is_a_mount)
    done = threading.Event()
    seen = set()

    def read() -> None:
        while not done.is_set():
            seen.add(hosts.read_text()[: len(HOSTS)])

    with ThreadPoolExecutor(1) as reading:
        reader = reading.submit(read)
        for number in range(60):
            text = HOSTS + "10.0.0.1 web\n" * (number % 2)
            files.replace(str(hosts), text.encode(), str(hosts))
        done.set()
        reader.result()
    assert seen == {HOSTS}


def test_a_file_that_may_not_be_written_is_left_alone(shared: Path) -> None:
    shared.chmod(0o444)
    assert as_nobody(shared, "new\n", "replace") == "PermissionError"
    assert shared.read_text() == HOSTS
    assert os.listdir(shared.parent) == ["hosts"]


def test_no_block_is_written_without_a_backup(shared: Path) -> None:
    assert as_nobody(shared, "10.0.0.1 web\n", "block") == "PermissionError"
    assert shared.read_text() == HOSTS


def test_read_takes_the_beginning_of_a_file(hosts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", str(hosts.parent))
    assert files.read("${FOLDER}/hosts", 1000) == (str(hosts), HOSTS, False)
    assert files.read(str(hosts), len(HOSTS)) == (str(hosts), HOSTS, False)
    assert files.read(str(hosts), 9) == (str(hosts), HOSTS[:9], True)
    hosts.write_bytes(b"\xff\0")
    assert files.read(str(hosts), 9)[1] == "\udcff\0"
    link = hosts.parent / "link"
    link.symlink_to(hosts)
    assert files.read(str(link), 9)[1] == "\udcff\0"


@pytest.mark.parametrize("path", ["/no/such/file", "${NO_SUCH_VARIABLE}", "~nobody-there/x", ""])
def test_read_tells_that_there_is_no_file(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        files.read(path, 10)


@pytest.mark.timeout(10)
def test_read_waits_for_nobody(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            files.read(str(path), 10)
    before = len(os.listdir("/dev/fd"))
    for _ in range(10):
        with pytest.raises(OSError, match="not a regular file"):
            files.read(str(fifo), 10)
    assert len(os.listdir("/dev/fd")) == before


_MANY_TIMES = """
import sys
from norouter_core.agent import files
from norouter_core.agent.process_identity import block_owner
path, name = sys.argv[1:]
for number in range(15):
    files.write(path, f"10.0.0.1 {name} {number}", "block", block_owner(name))
    assert f"{name} {number}\\n" in open(path).read(), "it was lost"
    files.write(path, "", "remove-block", block_owner(name))
    assert f"(by {name} " not in open(path).read(), "it came back"
"""


@pytest.mark.parametrize("text", [HOSTS, HOSTS[:-1], ""])
def test_many_agents_at_one_file_lose_nothing_of_each_others(hosts: Path, text: str) -> None:
    hosts.write_text(text)
    agents = [
        subprocess.Popen(
            [sys.executable, "-c", _MANY_TIMES, str(hosts), f"web{number}"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    errors = [agent.communicate()[1] for agent in agents]
    assert errors == [b""] * 4
    assert hosts.read_text() == text
