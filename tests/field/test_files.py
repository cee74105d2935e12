"""Files by rsync, over ssh and to its daemon, by sftp, and by passive FTP."""

from __future__ import annotations

import ftplib
import io
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field.field import WEB, Field
from tests.transports.netns import Namespace
from tests.transports.procs import run
from tests.transports.require import need_program

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

RSYNCD = """\
use chroot = no
pid file = {folder}/pid
[files]
path = {folder}/files
read only = no
uid = root
gid = root
"""

VSFTPD = """\
listen=YES
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
anon_root={folder}/ftp
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_umask=022
write_enable=YES
secure_chroot_dir={folder}/empty
pasv_enable=YES
pasv_min_port=30000
pasv_max_port=30003
pasv_address={vip}
connect_from_port_20=NO
seccomp_sandbox=NO
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of many sizes, and one that is larger than every window."""
    root = tmp_path_factory.mktemp("tree") / "tree"
    for number in range(40):
        path = root / f"folder{number % 10}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 997))
    (root / "large").write_bytes(os.urandom(4 << 20))
    return root


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def ssh(field: Field) -> Iterator[list[str]]:
    """The client's command; sshd listens on port 22 of `web`, as everywhere."""
    web = field.places["web"]
    assert isinstance(web, Namespace)
    with field.ssh.daemon(web, 22):
        yield field.ssh.client()


@pytest.fixture(scope="module")
def rsyncd(field: Field) -> Iterator[Path]:
    """The folder that rsync's daemon serves as `files`."""
    rsync = need_program("rsync", "rsync")
    folder = field.make_folder("rsyncd")
    (folder / "files").mkdir()
    config = folder / "conf"
    config.write_text(RSYNCD.format(folder=folder))
    argv = [rsync, "--daemon", "--no-detach", f"--config={config}", "--address=127.0.0.1"]
    with field.serving("web", argv, 873):
        yield folder / "files"


@pytest.mark.parametrize("at", ["local", "box"])
def test_rsync_to_its_daemon(
    field: Field, rsyncd: Path, tree: Path, tmp_path: Path, at: str
) -> None:
    url = f"rsync://{WEB}/files/{at}/"
    field.run(at, "rsync", "-a", f"{tree}/", url)
    assert contents(rsyncd / at) == contents(tree)
    # Only what differs crosses: the answers to many checksums.
    changed = bytearray((tree / "large").read_bytes())
    changed[2 << 20] ^= 1
    (rsyncd / at / "large").write_bytes(changed)
    field.run(at, "rsync", "-a", "--checksum", url, f"{tmp_path}/")
    assert contents(tmp_path) == contents(rsyncd / at)


def test_rsync_over_ssh(field: Field, ssh: list[str], tree: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    run("rsync", "-a", "-e", shlex.join(ssh), f"{tree}/", f"{WEB}:{there}/")
    field.run("db", "rsync", "-a", "-e", shlex.join(ssh), f"{WEB}:{there}/", f"{back}/")
    assert contents(back) == contents(tree)


def test_sftp(ssh: list[str], tree: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    sftp = ("sftp", *ssh[1:], "-b", "-", WEB)
    batch = f"put -r {tree} {there}\nget -r {there} {back}\nls {there}\n"
    assert "large" in run(*sftp, stdin=batch.encode())
    assert contents(back) == contents(tree)


def test_passive_ftp(field: Field, tree: Path) -> None:
    """Each transfer is a connection to one of the ports that the server names."""
    vsftpd = need_program("vsftpd", "vsftpd")
    folder = field.make_folder("vsftpd")
    (folder / "empty").mkdir()
    (folder / "ftp").mkdir()
    upload = folder / "ftp" / "upload"
    upload.mkdir()
    run("chown", "ftp:", str(upload))
    config = folder / "conf"
    config.write_text(VSFTPD.format(folder=folder, vip=WEB))
    data = (tree / "large").read_bytes()
    with field.serving("web", [vsftpd, str(config)], 21):
        with ftplib.FTP(WEB, timeout=30) as client:
            client.login()
            client.cwd("upload")
            client.storbinary("STOR large", io.BytesIO(data))
            for _ in range(8):
                assert client.nlst() == ["large"]
            received = io.BytesIO()
            client.retrbinary("RETR large", received.write)
        assert received.getvalue() == data
