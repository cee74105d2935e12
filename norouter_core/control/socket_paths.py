"""Where control sockets lie: a folder of the user's own that nobody else can enter."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import warnings
from pathlib import Path

import platformdirs

from norouter_core.errors import NorouterError

_LONGEST = 100
"""Bytes of a socket's path: `sun_path` has 104 on macOS and the BSDs, 108 on Linux."""
_NAME = 40
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH

SUFFIX = ".sock"


class NoSocketDirectory(NorouterError):
    """There is no folder for a control socket; the message tells why, and what to do."""


def folders() -> list[Path]:
    """The folders in which sockets of this user's may lie, the usual one first."""
    return list(dict.fromkeys((*_usual(), _short())))


def _usual() -> list[Path]:
    with warnings.catch_warnings():
        # That XDG_RUNTIME_DIR is not set, as without a login, is no trouble of the user's.
        warnings.simplefilter("ignore")
        try:
            return [Path(platformdirs.user_runtime_dir("norouter", appauthor=False))]
        except OSError:
            return []  # what is there in its place is not the user's


def _short() -> Path:
    """Where there is no other, or its path is too long for a socket."""
    return Path(tempfile.gettempdir()) / f"norouter-{os.geteuid()}"


def socket_path(name: str) -> Path:
    """A path for the socket of this process, whose mesh is called `name`; its folder is there.

    Raises:
        NoSocketDirectory: no folder is both safe and of a path short enough.
    """
    short = _UNSAFE.sub("_", name)[:_NAME].strip("._") or "mesh"
    for folder in folders():
        for file in (f"{os.getpid()}-{short}{SUFFIX}", f"{os.getpid()}{SUFFIX}"):
            path = folder / file
            if len(os.fsencode(path)) <= _LONGEST:
                make_private(folder)
                return path
    raise NoSocketDirectory(
        f"the path of {folders()[-1]} is too long for a socket: set XDG_RUNTIME_DIR or TMPDIR to a "
        "shorter one"
    )


def make_private(folder: Path) -> None:
    """Makes a folder that its owner alone can enter, or sees to it that it is one.

    Raises:
        NoSocketDirectory: it cannot be made, or somebody else could get at what is in it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            if status.st_mode & _OTHERS:
                folder.chmod(0o700)
    except OSError as error:
        raise NoSocketDirectory(f"{error.filename or folder}: {error.strerror}") from None
    trouble = not_private(folder)
    if trouble:
        raise NoSocketDirectory(
            f"{trouble}: remove it, or set XDG_RUNTIME_DIR to a folder of your own"
        )


def not_private(folder: Path) -> str:
    """Why somebody else could get at what is in a folder; empty if nobody can.

    Raises nothing: a folder that cannot be looked at is not private.
    """
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return f"{folder} is no folder"
        if status.st_uid != os.geteuid():
            return f"{folder} belongs to another user"
        if status.st_mode & _OTHERS:
            return f"{folder} is open to other users"
        return _above(folder.resolve())
    except OSError as error:
        return f"{folder}: {error.strerror}"


def _above(folder: Path) -> str:
    """Whoever can rename a folder further up can put another in its place."""
    for parent in folder.parents:
        status = parent.stat()
        if status.st_uid not in (0, os.geteuid()):
            return f"{parent} belongs to another user"
        if status.st_mode & _WRITABLE and not status.st_mode & stat.S_ISVTX:
            return f"{parent} can be changed by other users"
    return ""
