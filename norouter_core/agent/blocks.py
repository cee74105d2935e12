"""Marked blocks in a text file that belongs to others.

Each block has an owner, who alone removes it. A block is appended to a text, and a note in it says
how it changed the end of that text, so that its removal restores every byte.
"""

from __future__ import annotations

from io import StringIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BEGIN = "# <Added-by-NoRouter>"
END = "# </Added-by-NoRouter>"

_NO_NEWLINE = "# (no newline before this block)"
_NO_FILE = "# (no file before this block)"
_BY, _BY_END = "# (by ", ")"


class _Block:
    """A block in a text: its owner (empty if it names none) and its note."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.owner = self.note = ""
        self._at = 1
        first = lines[1].strip()
        if first.startswith(_BY) and first.endswith(_BY_END):
            self.owner = first[len(_BY) : -len(_BY_END)]
            self._at = 2
        if lines[self._at].strip() in (_NO_NEWLINE, _NO_FILE):
            self.note = lines[self._at].strip()

    def inherit(self, note: str) -> None:
        """Take over the note of a removed block that was right before this one."""
        if not self.note:
            self.note = note
            self.lines.insert(self._at, f"{note}\n")


def remove_blocks(text: str | None, is_removable: Callable[[str], bool]) -> str | None:
    """Return `text` without the blocks for whose owner `is_removable` is true.

    Return None if the file was created for the block, or if `text` is None (no file). A first
    marker without a second one is not a block: what follows it is not ours to remove.
    """
    kept: list[str | _Block] = []
    note = ""
    for item in _parse(text or ""):
        if isinstance(item, str):
            # Lines were added after the block: what was before it is no longer the end.
            note = ""
        elif is_removable(item.owner):
            note = note or item.note
            continue
        elif note:
            item.inherit(note)
            note = ""
        kept.append(item)
    if text is None or (note == _NO_FILE and not kept):
        return None
    rest = "".join(x if isinstance(x, str) else "".join(x.lines) for x in kept)
    if note == _NO_NEWLINE and rest.endswith("\n"):
        rest = rest[:-1]
    return rest


def append_block(text: str | None, body: str, owner: str) -> str:
    """Return `text` (None: no file) with a block at its end."""
    note = ""
    if text is None:
        text, note = "", f"{_NO_FILE}\n"
    elif text and not text.endswith("\n"):
        text, note = f"{text}\n", f"{_NO_NEWLINE}\n"
    by = f"{_BY}{owner}{_BY_END}\n" if owner else ""
    return f"{text}{BEGIN}\n{by}{note}{body.rstrip()}\n{END}\n"


def has_block(text: str) -> bool:
    return any(isinstance(item, _Block) for item in _parse(text))


def _parse(text: str) -> list[str | _Block]:
    """Return the lines outside blocks and the blocks, in order."""
    found: list[str | _Block] = []
    block: list[str] = []
    for line in StringIO(text, newline="\n"):
        word = line.strip()
        if word == BEGIN:
            found += block
            block = [line]
        elif word == END and block:
            found.append(_Block([*block, line]))
            block = []
        elif block:
            block.append(line)
        else:
            found.append(line)
    return found + block
