"""`ssh -L` to an sshd of our own: its keys, its configuration, a high port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from benchmarks.loads import first_connection
from benchmarks.paths import Forwarder, free_port, running
from benchmarks.processes import Ends, descendants, end
from benchmarks.protocol import Address, LoadError, Proxy
from benchmarks.workers import ClientProcess

GCM = "aes128-gcm@openssh.com"

_SSHD_LIMIT = 5.0
"""Seconds until sshd has to listen."""

_SSHD_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 100:30:200
"""


def find_sshd() -> str | None:
    """Return the path of sshd, which must be absolute for it to start; None without one."""
    found = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
    return os.path.realpath(found) if found and shutil.which("ssh") else None


class Sshd:
    """A running sshd and the files of both sides; `close` ends it and removes them."""

    def __init__(self, program: str) -> None:
        """Start it.

        Raises:
            LoadError: keys could not be made, or sshd could not be started.
        """
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self.port = free_port()
        try:
            self._make_files()
            self._make_privilege_folder()
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                stderr=self._stack.enter_context(open(self.folder / "sshd.log", "wb")),
            )
        except (OSError, subprocess.CalledProcessError) as fault:
            self._stack.close()
            raise LoadError(f"sshd cannot be set up: {fault}") from fault
        self._stack.callback(end, self._process)
        try:
            first_connection(("127.0.0.1", self.port), _SSHD_LIMIT)
        except LoadError:
            said = (self.folder / "sshd.log").read_text(errors="replace").strip()
            self._stack.close()
            raise LoadError(f"sshd does not listen; it said: {said or 'nothing'}") from None

    def _make_files(self) -> None:
        for key in ("host_key", "user_key"):
            path = str(self.folder / key)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        host_key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        config = _SSHD_CONFIG.format(port=self.port, folder=self.folder)
        (self.folder / "sshd_config").write_text(config)

    def _make_privilege_folder(self) -> None:
        # Root's sshd insists on it; the package's own service would make it at boot.
        folder = Path("/run/sshd")
        if os.geteuid() == 0 and not folder.exists():
            folder.mkdir(mode=0o755)
            self._stack.callback(_remove_if_empty, folder)

    def client_argv(self, listen: int, target: Address, cipher: str | None) -> list[str]:
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "ExitOnForwardFailure": "yes",
            "ControlMaster": "no",
            "Compression": "no",
        }
        if cipher:
            options["Ciphers"] = cipher
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        forward = f"127.0.0.1:{listen}:{target[0]}:{target[1]}"
        where = ["-i", str(self.folder / "user_key"), "-p", str(self.port)]
        user = f"{getpass.getuser()}@127.0.0.1"
        return ["ssh", "-F", "none", "-N", "-L", forward, *words, *where, user]

    def sessions(self) -> Ends:
        return Ends(far=descendants(self._process.pid))

    def close(self) -> None:
        self._stack.close()


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


class SshForward:
    """One `ssh -L`."""

    def __init__(
        self, sshd: Sshd, process: subprocess.Popen[bytes], port: int, first_byte: float
    ) -> None:
        self._process = psutil.Process(process.pid)
        self._sshd = sshd
        self.address: Address = ("127.0.0.1", port)
        self.first_byte = first_byte
        self.proxies: Mapping[str, tuple[Proxy, ...]] = {}

    def ends(self) -> Ends:
        return Ends(near=[self._process], far=self._sshd.sessions().far)


@contextlib.contextmanager
def ssh_forward(
    program: str, client: ClientProcess, target: Address, cipher: str | None
) -> Iterator[Forwarder]:
    """`ssh -L` to `target` with `cipher` (None: ssh's own choice), through an sshd of its own,
    so that the sessions of two ciphers are not counted together.
    """
    with contextlib.closing(Sshd(program)) as sshd:
        port = free_port()
        argv = sshd.client_argv(port, target, cipher)
        with running(argv, "ssh -L", client, ("127.0.0.1", port)) as (process, first_byte):
            yield SshForward(sshd, process, port, first_byte)
