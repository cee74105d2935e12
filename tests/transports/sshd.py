"""A real sshd: as a daemon on a loopback port, or one per namespace without any port.

Keys and configuration files are the test's own; nothing of the user's ssh is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.netns import NETNS, PREFIX, Namespace
from tests.transports.procs import Background, run
from tests.transports.require import need_program, need_root

SERVER = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
ListenAddress 127.0.0.1
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100:30:200
"""

CLIENT = """\
Host *
  User root
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
Host {prefix}*
  ProxyCommand nsenter --net={netns}/%h {sshd} -i -f {folder}/sshd_config
"""


@dataclass(frozen=True, slots=True)
class Ssh:
    """Keys and configuration of one client and of all its servers."""

    folder: Path
    sshd: str

    def client(self, *words: str) -> list[str]:
        """An ssh command with this configuration."""
        return ["ssh", "-F", str(self.folder / "ssh_config"), *words]

    def to_namespace(self, namespace: Namespace) -> list[str]:
        """ssh to an sshd that lives in the namespace and listens nowhere (ProxyCommand)."""
        return self.client(namespace.name)

    def to_port(self, port: int) -> list[str]:
        """ssh to the daemon on 127.0.0.1:`port`."""
        return self.client("-p", str(port), "127.0.0.1")

    @contextmanager
    def daemon(self, namespace: Namespace, port: int) -> Iterator[Background]:
        """An sshd that listens on 127.0.0.1:`port` of the namespace."""
        argv = [self.sshd, "-D", "-e", "-f", str(self.folder / "sshd_config"), "-p", str(port)]
        log = self.folder / f"sshd-{port}.log"
        with Background(namespace.enter(*argv), stderr=log, merge_stderr=True) as daemon:
            daemon.wait_line("Server listening", 10)
            yield daemon


def make_ssh(folder: Path) -> Ssh:
    """Write keys and configuration files into `folder`."""
    need_root()
    need_program("ssh", "openssh-client")
    sshd = need_program("sshd", "openssh-server")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for key in ("host_key", "user_key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
    kind, public, *_ = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"* {kind} {public}\n")
    values = {"folder": folder, "sshd": sshd, "netns": NETNS, "prefix": PREFIX}
    (folder / "sshd_config").write_text(SERVER.format(**values))
    (folder / "ssh_config").write_text(CLIENT.format(**values))
    return Ssh(folder, sshd)
