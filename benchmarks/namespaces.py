"""Network namespaces as hosts: real ones, without root where the system allows it.

A namespace lives as long as its holder, `python -m benchmarks.namespaces`, which brings its
loopback up and ends with its standard input: nothing stays behind, not even after `kill -9`. Many
namespaces have one holder, whose forked children share its memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from benchmarks.protocol import LoadError

_NEW_NETWORK = 0x40000000
"""CLONE_NEWNET."""
ROOT = Path(__file__).resolve().parent.parent


class Namespaces:
    """As many namespaces as there are `enters`: the words that run a command inside each."""

    def __init__(self, count: int) -> None:
        """Make them.

        Raises:
            LoadError: not possible here; the text says why.
        """
        for program in ("unshare", "nsenter"):
            if sys.platform != "linux" or not shutil.which(program):
                raise LoadError(f"no network namespaces here: `{program}` not found")
        as_root = os.geteuid() == 0
        holder = [sys.executable, "-m", "benchmarks.namespaces", str(count)]
        self._holder = subprocess.Popen(
            ["unshare", "-n" if as_root else "-rn", *holder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
        )
        assert self._holder.stdout and self._holder.stderr
        pids = [line.strip().decode() for line in self._holder.stdout]
        if len(pids) != count:
            said = self._holder.stderr.read().decode(errors="replace").strip()
            self.close()
            raise LoadError(f"no network namespaces here: {said or 'the holder ended'}")
        base = f"/proc/{self._holder.pid}/ns"
        user = () if as_root else (f"--user={base}/user", "--preserve-credentials")
        self.enters: list[tuple[str, ...]] = [
            ("nsenter", f"--net=/proc/{pid}/ns/net", *user, "--") for pid in pids
        ]

    def close(self) -> None:
        assert self._holder.stdin and self._holder.stdout and self._holder.stderr
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        self._holder.stderr.close()


class Namespace(Namespaces):
    """`enter` holds the words that run a command inside."""

    def __init__(self, name: str) -> None:
        """Make it.

        Raises:
            LoadError: not possible here; the text says why.
        """
        super().__init__(1)
        self.name = name
        (self.enter,) = self.enters


def _hold(count: int) -> None:
    """Print the process id of each namespace, and wait for the end of stdin."""
    libc = ctypes.CDLL(None, use_errno=True)
    for _ in range(count):
        up, is_up = os.pipe()
        if not (pid := os.fork()):
            os.close(up)
            os.close(1)
            if libc.unshare(_NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "unshare")
            _loopback_up()
            os.write(is_up, b"up")
            os.close(is_up)
            _wait_for_end()
            os._exit(0)
        os.close(is_up)
        if os.read(up, 2) == b"up":
            os.write(1, b"%d\n" % pid)
        os.close(up)
    os.close(1)
    _wait_for_end()


def _wait_for_end() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while os.read(0, 1):
            pass


def _loopback_up() -> None:
    import fcntl

    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", b"lo", 0)
        (_, flags) = struct.unpack("16sh14x", fcntl.ioctl(sock, get_flags, request))
        fcntl.ioctl(sock, set_flags, struct.pack("16sh14x", b"lo", flags | up))


if __name__ == "__main__":
    _hold(int(sys.argv[1]))
