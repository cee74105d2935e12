"""Small text files on a host: read, and written whole or as a marked block within a file that
others own."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager

from norouter_core.agent import blocks
from norouter_core.agent.process_identity import is_stale

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module or nothing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

BLOCK_BEGIN, BLOCK_END = blocks.BEGIN, blocks.END
BACKUP_SUFFIX = ".bak.norouter"
MODES = ("replace", "block", "remove-block")

_LOCK_ATTEMPTS, _LOCK_RETRY_DELAY = 25, 0.02
"""How often, and after how many seconds, a file that another agent has locked is tried."""

_OVERWRITE_ERRNOS = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)
"""Why a file may not be renamed onto and yet be written: it is a mount of its own, as a container's
/etc/hosts is, or its folder is not ours."""


def write(path: str, text: str, mode: str, owner: str = "") -> tuple[str, bool]:
    """Writes `text` to `path`; returns the path as expanded and whether anything changed.

    `~` and `${VAR}` are this machine's. `replace` makes the file, and its folder, hold exactly
    `text`. `block` puts `text` between the two marker lines in an existing file, keeping the rest
    and, when the block is the first, a copy beside it; `remove-block` takes it out again, and every
    byte is as it was before. Both take away, with the block of `owner`, those whose owner is dead
    or not told, and leave those of others.

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
        return path, _write_if_changed(path, _read(path), text)
    with _locked(path):
        old = _read(path)
        new = blocks.remove_blocks(old, lambda other: _is_removable(other, owner))
        if mode == "block":
            if old is not None and not blocks.has_block(old):
                _back_up(path, old)
            new = blocks.append_block(new, text, owner)
        return path, _write_if_changed(path, old, new)


def _is_removable(other: str, owner: str) -> bool:
    return other in ("", owner) or is_stale(other, owner)


def _write_if_changed(path: str, old: str | None, new: str | None) -> bool:
    if old == new:
        return False
    if new is None:
        os.unlink(path)
    else:
        _replace(path, new, like=path)
    return True


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Keeps other agents that share the file away, while it is read and written.

    For a moment only: anybody may lock a file that he can read, and must not stop us by it.
    """
    fd = None
    for _ in range(_LOCK_ATTEMPTS if fcntl is not None else 0):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                break
        except FileNotFoundError:
            break
        except OSError as error:
            if error.errno != errno.EWOULDBLOCK:
                break
        # Another holds it, or has put a new file in its place meanwhile.
        if fd is not None:
            os.close(fd)
            fd = None
        time.sleep(_LOCK_RETRY_DELAY)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def read(path: str, limit: int) -> tuple[str, str, bool]:
    """The path as expanded, the first `limit` bytes of that file as text, and whether it holds
    more. Never waits for anybody: a FIFO or a device is refused.

    Raises:
        FileNotFoundError: there is none, or a variable in its path is not set.
        OSError: it is no regular file, or cannot be read.
    """
    try:
        path = expand(path)
    except ValueError as error:
        raise FileNotFoundError(errno.ENOENT, str(error), path) from None
    # A FIFO would keep an `open` waiting for its writer.
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        data = b""
        while len(data) <= limit:
            piece = os.read(fd, limit + 1 - len(data))
            if not piece:
                break
            data += piece
    finally:
        os.close(fd)
    return path, data[:limit].decode("utf-8", "surrogateescape"), len(data) > limit


def is_foreign(path: str) -> bool:
    """Whether there is a file with something in it that is not of this program's making: its first
    line would say so. One that cannot be read is not written either, and `write` tells why.

    Raises:
        ValueError: as `expand`.
    """
    try:
        text = _read(expand(path)) or ""
    except OSError:
        return False
    return text != "" and "norouter" not in text.partition("\n")[0].lower()


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


def strip_blocks(text: str) -> str:
    """`text` as it was before any block was put into it."""
    return blocks.remove_blocks(text, lambda owner: True) or ""


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _back_up(path: str, text: str) -> None:
    """A copy beside the file, as it was before our block: written anew at every first block."""
    _replace(path + BACKUP_SUFFIX, text, like=path)


def _replace(path: str, text: str, like: str) -> None:
    replace(path, text.encode("utf-8", "surrogateescape"), like=like)


def replace(path: str, data: bytes, like: str, mode: int = 0o644) -> None:
    """Makes `path` hold `data`: atomically where the system lets us, else in place. A symbolic link
    stays one; permissions and owner are those of `like`, if that is there, else `mode` and ours.

    Raises:
        OSError: with the path and the reason; what was there is still there.
    """
    path = os.path.realpath(path)
    temporary = f"{path}.norouter-{os.urandom(6).hex()}"
    try:
        with open(temporary, "xb") as file:
            _copy_owner(file.fileno(), like, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if error.errno not in _OVERWRITE_ERRNOS or not os.path.exists(path):
            error.filename, error.filename2 = path, None  # nobody knows the temporary one
            raise
        _overwrite(path, data)


def _overwrite(path: str, data: bytes) -> None:
    """Never emptied first: whoever reads it meanwhile, or is left with it if this process is killed
    in the middle, finds what is common to the old text and the new one. That is all that a block
    at the end was put behind."""
    with open(path, "r+b", buffering=0) as file:
        old = file.read()
        try:
            _write_whole(file, data)
        except OSError:
            _write_whole(file, old)
            raise


def _write_whole(file: FileIO, data: bytes) -> None:
    file.seek(0)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    file.truncate()


def _copy_owner(fd: int, like: str, mode: int) -> None:
    try:
        status = os.stat(like)
    except OSError:
        os.fchmod(fd, mode)  # a new file
        return
    os.fchmod(fd, stat.S_IMODE(status.st_mode))
    try:
        os.fchown(fd, status.st_uid, status.st_gid)
    except PermissionError:
        pass  # not ours to give away: it stays with us
