"""A manifest's text, changed so that it says another spec, and in nothing else.

The text is cut and filled in at the places where its parts are, instead of being dumped from a
document model: whatever is not changed stays byte by byte, whatever a library would make of
its quoting, widths, indentation and comments.

What is inherited (by `<<` or an alias) is changed where it is said as long as that is enough; who
should keep what was changed there says it himself from then on.
"""

from __future__ import annotations

from yaml import YAMLError

from norouter_core.manifest.dump import block, dump, tree
from norouter_core.manifest.editing import Editor, spelt_out
from norouter_core.manifest.load import load_text
from norouter_core.manifest.problems import ManifestError
from norouter_core.manifest.syntax_tree import read_parts
from norouter_core.manifest.text_edits import EditConflict
from norouter_core.model import MeshSpec

_PASSES = 8
"""What is said once for many takes a pass for the one place, and some for the others."""


def rewrite(text: str, spec: MeshSpec) -> str:
    """The text of a valid manifest, with the changes that make it say `spec`, a valid one too.

    Where that takes more than it can (a host moved above the one that holds its anchor) aliases are
    spelt out first. A text that even then cannot be changed in place (it is most unusual YAML) is
    written anew, below the comments with which it began.
    """
    for prepared in (str, _spelt_out):
        try:
            return in_place(prepared(text), spec)
        except (ManifestError, EditConflict, YAMLError):
            continue
    return _afresh(text, spec)


def _spelt_out(text: str) -> str:
    root = read_parts(text)
    return spelt_out(text, root) if root else text


def in_place(text: str, spec: MeshSpec) -> str:
    """`rewrite` without its way out.

    Raises:
        ManifestError, CannotSplice, YAMLError: this text cannot be changed in place.
    """
    for _ in range(_PASSES):
        have = load_text(text, "manifest").spec
        if have == spec:
            return text
        text = _nearer(text, have, spec)
    raise EditConflict


def _nearer(text: str, have: MeshSpec, want: MeshSpec) -> str:
    """`text`, which says `have`, one pass on the way to `want`."""
    root = read_parts(text)
    if root is None or root.is_empty:
        end = "" if not text or text.endswith(("\n", "\r")) else "\n"
        return text + end + block(tree(want))
    editor = Editor(text, root)
    editor.edit(root, tree(have), tree(want))
    if not editor.has_changes:
        editor.reorder(root, [host.name for host in want.hosts])
    return editor.made()


def _afresh(text: str, spec: MeshSpec) -> str:
    head = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        head.append(line)
    return "".join(head) + dump(spec)
