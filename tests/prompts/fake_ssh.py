"""A stand-in for ssh that asks as OpenSSH does, by the program in SSH_ASKPASS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from norouter_core.model import HostSpec
from tests.engine.meshes import plain_path, relayed

# As in readpass.c and sshconnect2.c: without an answer, an empty password is sent. The program is a
# child of this very process, as it is of ssh.
_SCRIPT = """\
#!/bin/sh
PATH={path}
ask() {{ SSH_ASKPASS_PROMPT=$2 exec "$SSH_ASKPASS" "$1"; }}
[ "$SSH_ASKPASS_REQUIRE" = force ] || exit 99
for question in {before}; do
  case $question in
    key) said=$(ask "The authenticity of host 'web (10.0.0.1)' can't be established.
ED25519 key fingerprint is SHA256:abc.
Are you sure you want to continue connecting (yes/no/[fingerprint])? ")
      [ "$said" = yes ] || {{ echo 'Host key verification failed.' >&2; exit 255; }};;
    touch) (ask 'Confirm user presence for key ED25519-SK SHA256:abc' none) & notice=$!
      while [ ! -e {log}.touched ]; do sleep 0.01; done; kill $notice; wait $notice;;
    latin-1) (ask "$(printf '(me@jump) Contrase\\361a: ')") >/dev/null;;
    confirm) (ask 'Allow use of key id_ed25519?' confirm) || exit 255;;
  esac
done
for try in 1 2 3; do
  said=$(ask "{prompt}")
  echo "$said" >>{log}
  case $said in {password}) exec sh;; esac
done
echo '{account}: Permission denied (publickey,password).' >&2
exit 255
"""


@dataclass(frozen=True, slots=True)
class FakeSsh:
    """An `ssh` to an account, and a log of the passwords that it has sent."""

    path: Path
    log: Path
    account: str

    @classmethod
    def make(
        cls,
        folder: Path,
        *before: str,
        account: str = "me@jump",
        password: str = "right",
        prompt: str = "",
    ) -> FakeSsh:
        """Make a program that asks the questions `before`, and then for a password."""
        folder.mkdir(exist_ok=True)
        path, log = folder / "ssh", folder / "log"
        text = _SCRIPT.format(
            path=plain_path(),
            before=" ".join(before),
            log=log,
            password=password,
            account=account,
            prompt=prompt or f"{account}'s password: ",
        )
        path.write_text(text)
        path.chmod(0o755)
        return cls(path, log, account)

    def host(self, name: str) -> HostSpec:
        return relayed(name, cmd=(str(self.path), name))

    @property
    def sent(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []
