"""Network namespaces as hosts: real ones, without root where the system allows it.

A namespace lives as long as its holder, `python -m benchmarks.namespaces`, which brings its
loopback up and ends with its standard input: nothing stays behind, not even after `kill -9`.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from benchmarks.protocol import LoadError

ROOT = Path(__file__).resolve().parent.parent


class Namespace:
    """`enter` holds the words that run a command inside."""

    def __init__(self, name: str) -> None:
        """Make it.

        Raises:
            LoadError: not possible here; the text says why.
        """
        for program in ("unshare", "nsenter"):
            if sys.platform != "linux" or not shutil.which(program):
                raise LoadError(f"no network namespaces here: `{program}` not found")
        self.name = name
        as_root = os.geteuid() == 0
        self._holder = subprocess.Popen(
            ["unshare", "-n" if as_root else "-rn", sys.executable, "-m", "benchmarks.namespaces"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        assert self._holder.stdout and self._holder.stderr
        if self._holder.stdout.readline() != b"up\n":
            said = self._holder.stderr.read().decode(errors="replace").strip()
            self.close()
            raise LoadError(f"no network namespaces here: {said or 'the holder ended'}")
        base = f"/proc/{self._holder.pid}/ns"
        user = () if as_root else (f"--user={base}/user", "--preserve-credentials")
        self.enter: tuple[str, ...] = ("nsenter", f"--net={base}/net", *user, "--")

    def close(self) -> None:
        assert self._holder.stdin and self._holder.stdout and self._holder.stderr
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        self._holder.stderr.close()


def _loopback_up() -> None:
    import fcntl

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        (_, flags) = struct.unpack("16sh14x", fcntl.ioctl(sock, get_flags, request))
        fcntl.ioctl(sock, set_flags, struct.pack("16sh14x", b"lo", flags | up))


if __name__ == "__main__":
    _loopback_up()
    print("up", flush=True)
    sys.stdin.read()
