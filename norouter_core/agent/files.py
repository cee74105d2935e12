"""Writing small text files on a host: whole, or a marked block within a file that others own."""

from __future__ import annotations

import os
import stat

BLOCK_BEGIN = "# <Added-by-NoRouter>"
BLOCK_END = "# </Added-by-NoRouter>"
BACKUP_SUFFIX = ".bak.norouter"
MODES = ("replace", "block", "remove-block")

_NO_NEWLINE = "# (no newline before this block)"
"""First in a block that had to end the line before it: its removal restores every byte."""


def write(path: str, text: str, mode: str) -> tuple[str, bool]:
    """Writes `text` to `path`; returns the path as expanded and whether anything changed.

    `~` and `${VAR}` are this machine's. `replace` makes the file, and its folder, hold exactly
    `text`. `block` puts `text` between the two marker lines in an existing file, keeping the rest
    and, the first time, a copy beside it; `remove-block` takes that block out again.

    Raises:
        OSError: with the path and the reason.
        ValueError: an unknown mode, or a variable that is not set.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}")
    path = expand(path)
    if mode == "replace":
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        old = _read(path)
        new = text
    else:
        old = _read(path) or ""
        new = without_block(old)
        if mode == "block":
            new = _with_block(new, text)
            _back_up(path, old)
    if old == new:
        return path, False
    _replace(path, new)
    return path, True


def expand(path: str) -> str:
    """`path` with this machine's `~` and `${VAR}`.

    Raises:
        ValueError: a user that is not there, a variable that is not set, or a NUL.
    """
    home = os.path.expanduser(path)
    expanded = os.path.expandvars(home)
    if home.startswith("~") or "${" in expanded or "\0" in expanded:
        raise ValueError(f"cannot expand {path!r} on this host")
    return expanded


def without_block(text: str) -> str:
    """`text` less what stands between the markers, and less the markers.

    A first marker without a second is no block: what follows it is not ours to take away.
    """
    kept: list[str] = []
    block: list[str] = []
    for line in text.splitlines(True):
        word = line.strip()
        if word == BLOCK_BEGIN:
            kept += block
            block = [line]
        elif word == BLOCK_END and block:
            if block[1:] and block[1].strip() == _NO_NEWLINE and kept:
                kept[-1] = kept[-1][:-1]
            block = []
        else:
            (block or kept).append(line)
    return "".join(kept + block)


def _with_block(text: str, block: str) -> str:
    note = ""
    if text and not text.endswith("\n"):
        text, note = f"{text}\n", f"{_NO_NEWLINE}\n"
    return f"{text}{BLOCK_BEGIN}\n{note}{block.rstrip()}\n{BLOCK_END}\n"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _back_up(path: str, text: str) -> None:
    backup = path + BACKUP_SUFFIX
    if not os.path.exists(backup):
        _replace(backup, without_block(text))


def _replace(path: str, text: str) -> None:
    """Atomically where the system lets us: a container's /etc/hosts is a mount of its own, which
    cannot be renamed onto, and is then written in place. A symbolic link stays one."""
    path = os.path.realpath(path)
    data = text.encode("utf-8", "surrogateescape")
    temporary = f"{path}.norouter-{os.getpid()}"
    mode = 0o644
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        pass  # a new file
    try:
        with open(temporary, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if not os.path.exists(path):
            raise
        with open(path, "wb") as file:
            file.write(data)
