"""Small text files on a host: read, written whole, or extended by a marked block."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time

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
"""How often, and after how many seconds, a lock that another agent holds is tried again."""

_O_NONBLOCK, _O_CLOEXEC, _O_NOFOLLOW = (
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW")
)
_READ_FLAGS = os.O_RDONLY | _O_NONBLOCK | _O_CLOEXEC
"""A blocking `open` of a FIFO would wait for its writer."""

_TEMPORARY = ".norouter-"
"""Between the name of a file and 12 random hexadecimal digits."""
_HEX = re.compile("[0-9a-f]{12}$")
_STALE_AFTER = 60.0
"""Seconds after which no writer still needs its temporary file."""

_OVERWRITE_ERRNOS = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)
"""Why a file may be writable though no other can be renamed to it: it is a mount of its own, as
/etc/hosts is in a container, or its directory is not ours."""


def write(path: str, text: str, mode: str, owner: str = "") -> tuple[str, bool]:
    """Write `text` to `path`; return the expanded path and whether anything changed.

    `~` and `${VAR}` are those of this machine. `replace` makes `text` the whole content, and
    creates the file and its directory; it refuses a symbolic link, which somebody else may have put
    there. `block` appends `text` between two marker lines and keeps the rest; before the first
    block it copies the file. `remove-block` restores every byte, and removes the copy once they are
    equal. Both remove the block of `owner` and those whose owner is dead or unknown, and keep all
    others.

    Raises:
        OSError: with the path and the reason.
        ValueError: the mode is unknown, or a variable is not set.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}")
    path = expand(path)
    if mode == "replace":
        directory = os.path.dirname(path)
        if directory:
            os.makedirs(directory, exist_ok=True)
        if os.path.islink(path):
            raise OSError(errno.ELOOP, "a symbolic link", path)
        return path, _write_if_changed(path, _read(path), text, follow=False)
    with _locked(path):
        old = _read(path)
        new = blocks.remove_blocks(old, lambda other: _is_removable(other, owner))
        if mode == "block":
            if old is not None and not blocks.has_block(old):
                _back_up(path, old)
            new = blocks.append_block(new, text, owner)
        changed = _write_if_changed(path, old, new)
        if changed and mode == "remove-block":
            _remove_backup(path, new)
        return path, changed


def _is_removable(other: str, owner: str) -> bool:
    return other in ("", owner) or is_stale(other, owner)


def _write_if_changed(path: str, old: str | None, new: str | None, *, follow: bool = True) -> bool:
    if old == new:
        return False
    if new is None:
        os.unlink(path)
    else:
        _replace(path, new, like=path, follow=follow)
    return True


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Lock out other agents that share the file while it is read and written.

    A file that cannot be locked is written all the same: any reader can lock it.
    """
    fd = lock(path)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def lock(path: str, *, shared: bool = False) -> int | None:
    """Lock a file or directory; return its descriptor, whose end is that of the lock.

    Return None if there is none, if it cannot be locked, and after half a second.
    """
    for _ in range(_LOCK_ATTEMPTS if fcntl is not None else 0):
        fd = None
        try:
            fd = os.open(path, _READ_FLAGS)
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
            hopeless = False
        except OSError as error:
            hopeless = error.errno != errno.EWOULDBLOCK
        if fd is not None:
            os.close(fd)
        if hopeless:
            return None
        # Another agent holds it, or has replaced the file meanwhile.
        time.sleep(_LOCK_RETRY_DELAY)
    return None


def make_exclusive(fd: int) -> bool:
    """Return whether nobody else holds the lock, which is then exclusive, and else given up."""
    try:
        # Given up first: of two that do this at once, each would see the lock of the other.
        fcntl.flock(fd, fcntl.LOCK_UN)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def read(path: str, limit: int) -> tuple[str, str, bool]:
    """Return the expanded path, the first `limit` bytes of that file, and whether there are more.

    This never blocks: a FIFO or a device is refused.

    Raises:
        FileNotFoundError: there is no such file, or a variable in its path is not set.
        OSError: it is not a regular file, or cannot be read.
    """
    try:
        path = expand(path)
    except ValueError as error:
        raise FileNotFoundError(errno.ENOENT, str(error), path) from None
    fd = _open_regular(path, _READ_FLAGS)
    try:
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
    """Return whether there is a file with content that norouter did not write.

    The first line of those that it writes names it. For a file that cannot be read this is False,
    and `write` raises the reason.

    Raises:
        ValueError: as in `expand`.
    """
    try:
        text = _read(expand(path)) or ""
    except OSError:
        return False
    return text != "" and "norouter" not in text.partition("\n")[0].lower()


def expand(path: str) -> str:
    """Return `path` with this machine's `~` and `${VAR}`.

    Raises:
        ValueError: an unknown user, a variable that is not set, or a NUL.
    """
    home = os.path.expanduser(path)
    expanded = os.path.expandvars(home)
    if home.startswith("~") or "${" in expanded or "\0" in expanded:
        raise ValueError(f"cannot expand {path!r} on this host")
    return expanded


def strip_blocks(text: str) -> str:
    """Return `text` as it was without blocks."""
    return blocks.remove_blocks(text, lambda owner: True) or ""


def _read(path: str) -> str | None:
    try:
        fd = _open_regular(path, _READ_FLAGS)
    except FileNotFoundError:
        return None
    with open(fd, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _open_regular(path: str, flags: int) -> int:
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return fd


def _back_up(path: str, text: str) -> None:
    """Copy a file as it was before our block; an older copy is replaced."""
    _replace(path + BACKUP_SUFFIX, text, like=path)


def _remove_backup(path: str, text: str | None) -> None:
    """Remove the copy of a file that has the same content again."""
    with contextlib.suppress(OSError):
        if text is not None and _read(path + BACKUP_SUFFIX) == text:
            os.unlink(path + BACKUP_SUFFIX)


def _replace(path: str, text: str, like: str, *, follow: bool = True) -> None:
    replace(path, text.encode("utf-8", "surrogateescape"), like=like, follow=follow)


def replace(path: str, data: bytes, like: str, mode: int = 0o644, *, follow: bool = True) -> None:
    """Make `data` the content of `path`, atomically if possible, else in place.

    A symbolic link stays one, or is replaced if `follow` is false. Permissions and owner are those
    of `like` if that exists, else `mode` and ours.

    Raises:
        OSError: with the path and the reason; the old content is still there.
    """
    if follow:
        path = os.path.realpath(path)
    _remove_stale_temporaries(path)
    temporary = f"{path}{_TEMPORARY}{os.urandom(6).hex()}"
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
            error.filename, error.filename2 = path, None  # not the temporary one
            raise
        _overwrite(path, data)


def _remove_stale_temporaries(path: str) -> None:
    """Remove what a process that was killed while it replaced `path` has left."""
    directory, name = os.path.split(path)
    try:
        names = os.listdir(directory or ".")
    except OSError:
        return
    for other in names:
        if other.startswith(name + _TEMPORARY) and _HEX.match(other, len(name + _TEMPORARY)):
            stale = os.path.join(directory, other)
            try:
                if time.time() - os.lstat(stale).st_mtime > _STALE_AFTER:
                    os.unlink(stale)
            except OSError:
                pass  # gone, or not ours


def _overwrite(path: str, data: bytes) -> None:
    """Overwrite a file without emptying it first.

    A reader, or an interruption, finds at least what the old and the new content have in common:
    everything before a block at the end.
    """
    fd = _open_regular(path, os.O_RDWR | _O_NOFOLLOW | _O_NONBLOCK | _O_CLOEXEC)
    with open(fd, "r+b", buffering=0) as file:
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
        pass  # we may not give it away, so it stays ours
