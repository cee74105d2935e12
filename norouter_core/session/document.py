"""The file of a session: what was loaded from it, and what saving writes."""

from __future__ import annotations

import codecs
import difflib
import os
from pathlib import Path

from norouter_core.agent.files import replace
from norouter_core.errors import NorouterError
from norouter_core.manifest import Loaded, ManifestError, Problem, VipChoice, dump, load_text
from norouter_core.manifest.load import DEFAULT_VIPS, STDIN, read_data
from norouter_core.manifest.problems import read_source
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
    """The file was not changed. `message` says why, `hint` what to do.

    With `can_force`, a forced save would work.
    """

    def __init__(self, message: str, hint: str, *, can_force: bool = False) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint
        self.can_force = can_force


class Document:
    """A manifest on disk, or one to be saved for the first time.

    Saving changes only the parts of the loaded text that differ from the spec: comments, order,
    quoting, anchors and all other lines stay (see `norouter_core.manifest.rewrite`). A new file
    starts with a line that tells editors the schema. A loaded file is left with or without that
    line, since it names a file of this machine.
    """

    def __init__(
        self,
        path: str,
        spec: MeshSpec,
        data: bytes | None,
        warnings: tuple[Problem, ...] = (),
    ) -> None:
        self.path = path
        """The path as given; empty if there is no file yet."""
        self.spec = spec
        """The mesh as loaded or saved last."""
        self.warnings = warnings
        """The warnings of loading it."""
        self._data = data

    @classmethod
    def empty(cls, spec: MeshSpec | None = None) -> Document:
        """Return a document without a file. `spec` counts as saved."""
        return cls("", spec or MeshSpec(), None)

    @classmethod
    def load(cls, path: str | os.PathLike[str], choice: VipChoice = DEFAULT_VIPS) -> Document:
        """Return the document of a file. `-` is standard input, and cannot be saved to.

        Args:
            choice: How hosts without a VIP get theirs.

        Raises:
            ManifestError: The file cannot be read, or is not a valid manifest.
        """
        data, name = read_data(path)
        loaded = load_text(data, name, choice)
        given = os.fspath(path)
        return cls("" if given == "-" else given, loaded.spec, data, loaded.warnings)

    @classmethod
    def of(cls, loaded: Loaded) -> Document:
        """Return the document of a loaded manifest. Standard input cannot be saved to."""
        path = "" if loaded.name == STDIN else loaded.name
        return cls(path, loaded.spec, loaded.data, loaded.warnings)

    @property
    def _choice(self) -> VipChoice:
        """What gives the hosts without a VIP in the file those that they have in the mesh."""
        return VipChoice({host.name: host.vip for host in self.spec.hosts})

    def is_current(self) -> bool:
        """Return whether the file is as it was loaded or saved last. False if it cannot be read."""
        try:
            return bool(self.path) and _bytes(self.path) == self._data
        except SaveFailed:
            return False

    @property
    def text(self) -> str:
        """The text of the file as loaded or saved last; empty without one."""
        return "" if self._data is None else read_source(self._data, self.path).text

    def render(self, spec: MeshSpec) -> str:
        """Return the text that saving `spec` would write."""
        if self._data is None:
            return modeline() + dump(spec)
        return rewrite(self.text, spec, self._choice)

    def diff(self, spec: MeshSpec) -> str:
        """Return what saving would change, as a unified diff; empty if nothing."""
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
        """Return whether `spec` differs from what was loaded or saved last."""
        return spec != self.spec

    def save(self, spec: MeshSpec, path: str | None = None, *, force: bool = False) -> str:
        """Write `spec`, and return the path, which is the document's from now on.

        The file appears whole or not at all. It keeps its permissions; a symbolic link stays one.

        Args:
            path: Where to write; with None, to the document's own path.
            force: Also replace a file that is not this document's, or that another program has
                changed since it was loaded.

        Raises:
            SaveFailed: Nothing was written.
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
            sound = load_text(text, "manifest", self._choice).spec == spec
        except ManifestError as error:
            raise SaveFailed(
                f"the saved mesh could not be loaded: {error.problems[0].message}",
                error.problems[0].hint,
            ) from None
        if not sound:
            raise SaveFailed("the saved mesh would differ", "this is a bug, please report it")
        for mark, codec in _BOMS:
            if self._data is not None and self._data.startswith(mark):
                return mark + text.encode(codec)
        return text.encode()


def _has_secret(host: object) -> bool:
    proxies = (getattr(host, "http", None), getattr(host, "socks", None))
    return any(proxy is not None and proxy.auth is not None for proxy in proxies)


def _in_the_way(target: str, own: bool) -> SaveFailed:
    if own:
        message = f"another program has changed {quote(target, 200)} since it was loaded"
        return SaveFailed(message, f"load it again, {_FORCE}", can_force=True)
    return SaveFailed(f"{quote(target, 200)} exists", _FORCE, can_force=True)


def _check_target(target: str) -> None:
    """Check that a target can be written to.

    Raises:
        SaveFailed: `target` cannot be written to.
    """
    name = quote(target, 200)
    if "\0" in target:
        raise SaveFailed(f"{name} is not a file name", "leave out the NUL")
    if os.path.islink(target) and not os.path.exists(target):
        raise SaveFailed(f"{name} is a broken link", "remove it, or name its target")
    if os.path.isdir(target) or target.endswith(os.sep):
        raise SaveFailed(f"{name} is a directory", "name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise SaveFailed(f"{name} is not a regular file", "name another")
    directory = os.path.dirname(target)
    if directory and not os.path.isdir(directory):
        raise SaveFailed(f"there is no directory {quote(directory, 200)}", "create it first")


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
    # A password in a manifest is not meant for every user of the machine.
    mode = 0o600 if secret else 0o666 & ~umask
    try:
        replace(path, data, like=path, mode=mode)
    except OSError as error:
        raise _failed(path, error) from None


def _failed(path: str, error: OSError) -> SaveFailed:
    return SaveFailed(
        f"cannot write {quote(path, 200)}: {error.strerror or error}", "save it elsewhere"
    )
