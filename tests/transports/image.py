"""Root file systems made of Debian's own packages: no registry, no container engine.

They are kept in `$NOROUTER_TEST_CACHE` (or the user's cache folder) and built where missing:
two seconds and 50 MB each. A folder appears under its name only when it is whole.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import tempfile
from pathlib import Path

from tests.transports.procs import run
from tests.transports.require import need, need_program, need_root

RECIPE = 3
"""Part of the cache's name; raise it when what follows changes."""

BUSYBOX = ("busybox-static",)
MINIMAL = (
    *BUSYBOX,
    *("libc6", "libgcc-s1", "libssl3", "zlib1g", "libexpat1"),
    *("libpython3.11-minimal", "python3.11-minimal", "python3-minimal"),
)
PYTHON = (
    *MINIMAL,
    *("libpython3.11-stdlib", "python3.11", "libffi8", "libuuid1", "libbz2-1.0", "liblzma5"),
    *("libsqlite3-0", "libreadline8", "libtinfo6", "libncursesw6", "libc-bin"),
)
SLIM = (
    *("libc6", "libgcc-s1", "libcrypt1", "libselinux1", "libpcre2-8-0", "libacl1", "libattr1"),
    *("libgmp10", "zlib1g", "dash", "coreutils", "gzip"),
)
PERL = (*SLIM, "perl-base")
LUA = (*SLIM, "lua5.4", "libreadline8", "libtinfo6")
IMAGES = {
    "busybox": BUSYBOX,
    "minimal": MINIMAL,
    "python": PYTHON,
    "perl": PERL,
    "lua": LUA,
}
"""Hosts with nothing but busybox, with a Python that lacks half its library, and with a whole one;
Debian's slim image, and one with an interpreter of another language, as of `node`."""

FOLDERS = (
    "bin",
    "dev",
    "etc",
    "proc",
    "root",
    "run",
    "sbin",
    "sys",
    "tmp",
    "usr/bin",
    "usr/local/bin",
    "home/user",
)
FILES = {
    "passwd": """\
root:x:0:0:root:/root:/bin/sh
sshd:x:74:74::/run/sshd:/bin/false
some-user:x:1000:1000::/home/user:/bin/sh
alice:x:1000:1000::/home/user:/bin/sh
app:x:1000:1000::/home/user:/bin/sh
""",
    "group": "root:x:0:\nusers:x:1000:\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    # What runs where the first process must be an init.
    "inittab": "::sysinit:/bin/ip link set lo up\n::respawn:/bin/sleep 1000000\n",
}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}


_HOME = Path.home()
"""The user's, as it is before the tests have one of their own."""


def cache() -> Path:
    """Where images are kept between runs."""
    named = os.environ.get("NOROUTER_TEST_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or _HOME / ".cache")
    return (Path(named) if named else home / "norouter-tests").absolute()


def image(name: str) -> Path:
    """The root folder of the image of that name (see `IMAGES`), built now if need be."""
    need_root()
    need_program("apt-get", "apt")
    need_program("dpkg-deb", "dpkg")
    release = platform.freedesktop_os_release()
    need(release.get("VERSION_ID") == "12", "images are made of Debian 12's packages")
    root = cache() / f"{name}-{platform.machine()}-{RECIPE}"
    if not root.is_dir():
        _build(root, IMAGES[name])
    return root


def _build(root: Path, packages: tuple[str, ...]) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="building-") as work:
        made = Path(work) / "root"
        _unpack(Path(work), made, packages)
        _furnish(made)
        try:
            made.rename(root)
        except OSError:
            # Another test process was quicker; its image is as good.
            if not root.is_dir():
                raise


def _unpack(work: Path, made: Path, packages: tuple[str, ...]) -> None:
    debs = work / "debs"
    debs.mkdir()
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages]
    run("sh", "-c", 'cd "$0" && exec "$@"', str(debs), *command, timeout=120)
    for deb in sorted(debs.iterdir()):
        run("dpkg-deb", "-x", str(deb), str(made))


def _furnish(made: Path) -> None:
    for folder in FOLDERS:
        (made / folder).mkdir(parents=True, exist_ok=True)
    (made / "tmp").chmod(0o1777)
    for name, (major, minor) in DEVICES.items():
        os.mknod(made / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        (made / "dev" / name).chmod(0o666)
    for name, text in FILES.items():
        (made / "etc" / name).write_text(text)
    os.chown(made / "home/user", 1000, 1000)
    busybox = made / "bin/busybox"
    if busybox.exists():
        (made / "sbin/init").symlink_to("../bin/busybox")
        for applet in run(str(busybox), "--list").split():
            link = made / "bin" / applet
            if not link.exists():
                link.symlink_to("busybox")
    if not (made / "bin/sh").exists():
        (made / "bin/sh").symlink_to("dash")
    for waste in (
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/lib/python3/dist-packages",
    ):
        shutil.rmtree(made / waste, ignore_errors=True)
