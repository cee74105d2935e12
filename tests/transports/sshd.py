"""A real sshd: as a daemon on a loopback port, or one per namespace without any port.

Keys and configuration files are the test's own; nothing of the user's ssh is read.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.transports.machine import MOUNT, Machine
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
Subsystem sftp internal-sftp
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

# Who logs in may not read the test's folder, so that the key is read by root.
CHROOTED = """\
ChrootDirectory {mount}
AuthorizedKeysCommand /bin/cat {folder}/user_key.pub
AuthorizedKeysCommandUser root
"""

TO_MACHINE = """\
Host {name}
  ProxyCommand {entering} {sshd} -i -f {folder}/sshd_config_chrooted
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

    def to_port(self, port: int, address: str = "127.0.0.1") -> list[str]:
        """ssh to the daemon on `port` of `address`."""
        return self.client("-p", str(port), address)

    def name_machine(self, machine: Machine, name: str) -> None:
        """Have `ssh NAME` lead to an sshd of this machine, which listens nowhere."""
        entering = " ".join(machine.beside())
        told = TO_MACHINE.format(name=name, entering=entering, sshd=self.sshd, folder=self.folder)
        with (self.folder / "ssh_config").open("a") as config:
            config.write(told)

    def shim(self, folder: Path) -> None:
        """Write a program `ssh` into `folder`: ssh with this configuration."""
        path = folder / "ssh"
        words = shlex.join([need_program("ssh", "openssh-client"), *self.client()[1:]])
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        path.chmod(0o755)

    @contextmanager
    def daemon(
        self, namespace: Namespace, port: int, address: str = "127.0.0.1"
    ) -> Iterator[Background]:
        """Run an sshd that listens on `port` of the namespace, at `address` and 127.0.0.1."""
        config = str(self.folder / "sshd_config")
        listen = [] if address == "127.0.0.1" else ["-o", f"ListenAddress={address}"]
        argv = [self.sshd, "-D", "-e", "-f", config, "-p", str(port), *listen]
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
    chrooted = (SERVER + CHROOTED).format(**values, mount=MOUNT)
    (folder / "sshd_config_chrooted").write_text(chrooted)
    (folder / "ssh_config").write_text(CLIENT.format(**values))
    return Ssh(folder, sshd)
