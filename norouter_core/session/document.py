"""The file of a session: what was loaded from it, what would be written to it, and writing it."""

from __future__ import annotations

import codecs
import difflib
import os
from pathlib import Path

from norouter_core.agent.files import replace
from norouter_core.errors import NorouterError
from norouter_core.manifest import Loaded, ManifestError, Problem, dump, load_text
from norouter_core.manifest.load import STDIN, read_data
from norouter_core.manifest.report import read_source
from norouter_core.manifest.schema import modeline
from norouter_core.manifest.write import rewrite
from norouter_core.model import MeshSpec
from norouter_core.sanitize import quote

_FORCE = "save it under another name, or force the save"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class SaveFailed(NorouterError):
    """The file was not written; what was there is still there. `message` says why, `hint` what to
    do. `force` would help where `can_force`."""

    def __init__(self, message: str, hint: str, *, can_force: bool = False) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint
        self.can_force = can_force


class Document:
    """A manifest on disk, or one that is still to be saved.

    What is written is the text that was loaded with nothing changed but what the spec says
    otherwise: comments, order, quoting, anchors and every other line stay (see
    `norouter_core.manifest.write`). A file that is newly made begins with the line that leads
    editors to the schema; one that was loaded gets it neither added nor taken away, because it
    names a file of this machine.
    """

    def __init__(
        self,
        path: str,
        spec: MeshSpec,
        data: bytes | None,
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        self.path = path
        """As it was given; empty if there is no file yet."""
        self.spec = spec
        """As saved."""
        self.warnings = warnings
        """Of loading."""
        self._data = data

    @classmethod
    def empty(cls, spec: MeshSpec | None = None) -> Document:
        """One without a file. `spec` is what a session begins with that has nothing to save."""
        return cls("", spec or MeshSpec(), None)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Document:
        """The document of a file; `-` is standard input, which is no place to save to.

        Raises:
            ManifestError: the file cannot be read, or is no valid manifest.
        """
        data, name = read_data(path)
        loaded = load_text(data, name)
        given = os.fspath(path)
        return cls("" if given == "-" else given, loaded.spec, data, loaded.warnings)

    @classmethod
    def of(cls, loaded: Loaded) -> Document:
        """The document of a manifest that was loaded already; standard input is no place to save
        to."""
        path = "" if loaded.name == STDIN else loaded.name
        return cls(path, loaded.spec, loaded.data, loaded.warnings)

    def is_current(self) -> bool:
        """Whether the file holds what was loaded from it, or saved to it, last. A file that cannot
        be read does not."""
        try:
            return bool(self.path) and _bytes(self.path) == self._data
        except SaveFailed:
            return False

    @property
    def text(self) -> str:
        """What the file holds, as far as this document knows; empty without one."""
        return "" if self._data is None else read_source(self._data, self.path).text

    def render(self, spec: MeshSpec) -> str:
        """What would be written for `spec`."""
        if self._data is None:
            return modeline() + dump(spec)
        return rewrite(self.text, spec)

    def diff(self, spec: MeshSpec) -> str:
        """What saving would change, as a unified diff without a final newline; empty if nothing."""
        if self._data is not None and not self.unsaved(spec):
            return ""
        name = self.path or "manifest"
        before, after = self.text.splitlines(), self.render(spec).splitlines()
        old = name if self._data is not None else "/dev/null"
        return "\n".join(difflib.unified_diff(before, after, old, name, lineterm=""))

    def diff_between(self, before: MeshSpec, after: MeshSpec) -> str:
        """Return the unified diff between what would be written for two specs."""
        now, then = (self.render(spec).splitlines() for spec in (before, after))
        return "\n".join(difflib.unified_diff(now, then, "now", "then", lineterm=""))

    def unsaved(self, spec: MeshSpec) -> bool:
        """Whether `spec` means something else than what was loaded or saved last."""
        return spec != self.spec

    def save(self, spec: MeshSpec, path: str | None = None, *, force: bool = False) -> str:
        """Writes `spec`; returns the path, which is the document's from now on.

        The file appears whole or not at all. Its permissions stay, and a symbolic link stays one.

        Args:
            path: where to; the document's own place when None.
            force: also over what another program has written there since it was loaded, and over
                a file that is not this document's.

        Raises:
            SaveFailed: nothing was written.
        """
        target = os.path.expanduser(path or self.path)
        if not target:
            raise SaveFailed("the session has no file yet", "name one: save mesh.yaml")
        _check_target(target)
        own = bool(self.path) and _same(target, self.path)
        there = _bytes(target)
        if there is not None and not force and not (own and there == self._data):
            raise _in_the_way(target, own)
        data = self._encode(spec)
        if there != data:
            _write(target, data, secret=any(map(_has_secret, spec.effective())))
        self.path, self.spec, self._data = target, spec, data
        return target

    def _encode(self, spec: MeshSpec) -> bytes:
        text = self.render(spec) if self.unsaved(spec) or self._data is None else self.text
        try:
            sound = load_text(text, "manifest").spec == spec
        except ManifestError as error:
            raise SaveFailed(
                f"this mesh would not be read back: {error.problems[0].message}",
                error.problems[0].hint,
            ) from None
        if not sound:
            raise SaveFailed(
                "this mesh would be read back as another one", "please report this to the project"
            )
        for mark, codec in _BOMS:
            if self._data is not None and self._data.startswith(mark):
                return mark + text.encode(codec)
        return text.encode()


def _has_secret(host: object) -> bool:
    proxies = (getattr(host, "http", None), getattr(host, "socks", None))
    return any(proxy is not None and proxy.auth is not None for proxy in proxies)


def _in_the_way(target: str, own: bool) -> SaveFailed:
    if own:
        message = f"{quote(target, 200)} was changed by another program since it was loaded"
        return SaveFailed(message, f"load it again, {_FORCE}", can_force=True)
    return SaveFailed(f"{quote(target, 200)} is there already", _FORCE, can_force=True)


def _check_target(target: str) -> None:
    """
    Raises:
        SaveFailed: `target` is nothing that could be written to.
    """
    name = quote(target, 200)
    if "\0" in target:
        raise SaveFailed(f"{name} is no file name", "leave the NUL out")
    if os.path.islink(target) and not os.path.exists(target):
        raise SaveFailed(f"{name} is a link that leads nowhere", "remove it, or name its target")
    if os.path.isdir(target) or target.endswith(os.sep):
        raise SaveFailed(f"{name} is a folder", "name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise SaveFailed(f"{name} is no regular file", "name another one")
    folder = os.path.dirname(target)
    if folder and not os.path.isdir(folder):
        raise SaveFailed(f"there is no folder {quote(folder, 200)}", "make it first")


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _bytes(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from None


def _write(path: str, data: bytes, *, secret: bool) -> None:
    umask = os.umask(0o077)
    os.umask(umask)
    # Who puts a password into a manifest does not mean it for every user of the machine.
    mode = 0o600 if secret else 0o666 & ~umask
    try:
        replace(path, data, like=path, mode=mode)
    except OSError as error:
        raise _failed(path, error) from None


def _failed(path: str, error: OSError) -> SaveFailed:
    return SaveFailed(
        f"cannot write {quote(path, 200)}: {error.strerror or error}", "save it elsewhere"
    )
