"""In-place edits of a manifest's text, so that its values become the wanted ones.

Values are trees of `write.to_tree`: the current ones, as the text has them, and the wanted ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from norouter_core.errors import NorouterError
from norouter_core.manifest.syntax_tree import NodeKind, SyntaxNode, parse_tree
from norouter_core.manifest.yaml_text import block, double_quoted, inline, is_inline

_BREAK = re.compile(r"\r\n|[\r\n]")
_DASH = re.compile(r" *-[ ]+")
_INDENT = re.compile(r" *")

Span = tuple[int, int]
"""The start and end of an entry or an item."""


class EditConflict(NorouterError):
    """A change that cannot be made in place."""


class TextEdits:
    """Replacements in a text, collected and then applied at once.

    Insertions at the same place keep their order.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._edits: list[tuple[int, int, str]] = []
        found = _BREAK.search(text)
        self.newline = found[0] if found else "\n"

    def __bool__(self) -> bool:
        return bool(self._edits)

    def replace(self, start: int, end: int, new: str) -> None:
        self._edits.append((start, end, new))

    def covers(self, at: int) -> bool:
        """Return whether the character at `at` is replaced."""
        return any(start <= at < end for start, end, _ in self._edits)

    def apply(self) -> str:
        """Return the edited text.

        Raises:
            EditConflict: Two replacements overlap.
        """
        pieces: list[str] = []
        done = 0
        for start, end, new in sorted(self._edits, key=lambda each: each[:2]):
            if start < done:
                raise EditConflict
            pieces += self.text[done:start], new
            done = end
        return "".join(pieces) + self.text[done:]

    # The surroundings of a place

    def line_start(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        """Return the index of the line break, or of the end of the text."""
        found = _BREAK.search(self.text, at)
        return found.start() if found else len(self.text)

    def next_line(self, at: int) -> int:
        """Return the start of the line after that of `at`; the text's length after the last one."""
        found = _BREAK.search(self.text, at)
        return found.end() if found else len(self.text)

    def line(self, at: int) -> str:
        """Return the line of `at`, without its break."""
        return self.text[self.line_start(at) : self.line_end(at)]

    def indent(self, at: int) -> int:
        """Return the column of `at`, from 0."""
        return at - self.line_start(at)

    def start_with_comments(self, at: int, column: int) -> int:
        """Return the start of the comments directly above the line of `at`, in `column`.

        Comments at the very top of a text are about all of it and belong to nothing below.
        """
        start = here = self.line_start(at)
        while here:
            here = self.line_start(self._above(here))
            if not _is_comment(self.line(here), column):
                return start
            start = here
        return self.line_start(at)

    def end_with_comments(self, at: int, column: int) -> int:
        """Return the end of the last line of an entry that ends at `at` and starts in `column`.

        Comments below it that are indented further belong to it.
        """
        end = self.line_end(at)
        while (start := self.next_line(end)) > end:
            line = self.text[start : self.line_end(start)]
            if not _is_comment(line) or len(line) - len(line.lstrip()) <= column:
                break
            end = self.line_end(start)
        return end

    def delete_lines(self, start: int, end: int) -> None:
        """Delete the lines from the one that begins at `start` to the one that ends at `end`.

        If two blank lines would meet then, the upper one goes too.
        """
        after = self.next_line(end)
        is_blank_below = after == len(self.text) or not self.line(after).strip()
        if start and is_blank_below and not self.line(self._above(start)).strip():
            start = self.line_start(self._above(start))
        if start == 0:
            self.replace(0, after, "")
            return
        # With the break above, not the one below, so that lines can still be inserted at `end`.
        self.replace(self._above(start), end, "")

    def _above(self, start: int) -> int:
        """Return the end of the line above the one that begins at `start`."""
        return start - (2 if self.text[start - 2 : start] == "\r\n" else 1)

    def insert_below(self, at: int, lines: str) -> None:
        """Insert lines below the line that ends at `at`."""
        self.replace(at, at, self.newline + self.newline.join(lines.splitlines()))

    def insert_above(self, at: int, lines: str) -> None:
        """Insert lines above the line that begins at `at`."""
        if at:
            self.insert_below(self._above(at), lines)
        else:
            self.replace(0, 0, self.newline.join(lines.splitlines()) + self.newline)


def _is_comment(line: str, column: int | None = None) -> bool:
    bare = line.lstrip(" ")
    return bare.startswith("#") and column in (None, len(line) - len(bare))


class Editor:
    """Collects the edits of one pass over `text`, whose syntax tree is `root`."""

    def __init__(self, text: str, root: SyntaxNode) -> None:
        self._text = text
        self._root = root
        self._direct = TextEdits(text)
        # Edits that override inherited values. Applied only if there are no direct ones, since a
        # direct edit of the inherited value may be all that is needed.
        self._override = TextEdits(text)
        self._step = _step(root, self._direct)

    @property
    def has_changes(self) -> bool:
        return bool(self._direct or self._override)

    def apply(self) -> str:
        """Return the text with the edits of this pass.

        Raises:
            EditConflict: There is nothing to do, or edits overlap.
        """
        chosen = self._direct or self._override
        if not chosen:
            raise EditConflict
        _keep_anchors(self._root, chosen)
        return chosen.apply()

    def edit(self, part: SyntaxNode, have: Any, want: Any, key: SyntaxNode | None = None) -> None:
        """Change `part`, the value of `key`, from `have` to `want`."""
        if have == want:
            return
        if part.kind is NodeKind.ALIAS:
            self._override.replace(part.start, part.end, inline(want))
        elif isinstance(have, dict) and isinstance(want, dict) and part.pairs:
            self._mapping(part, have, want)
        elif isinstance(have, list) and isinstance(want, list) and part.items:
            self._list(part, have, want)
        else:
            self._replace(part, want, key)

    # Mappings

    def _mapping(self, part: SyntaxNode, have: Mapping[str, Any], want: Mapping[str, Any]) -> None:
        own = {key.value: (key, value) for key, value in part.pairs}
        renamed = _find_renames(have, want)
        for old, new in renamed.items():
            if old in own:
                self._replace(own[old][0], new)
                own[new] = own.pop(old)
        have = {renamed.get(name, name): value for name, value in have.items()}
        gone = [name for name in have if name not in want]
        for name, value in want.items():
            if name in own:
                self.edit(own[name][1], have.get(name), value, own[name][0])
        names = [next((k for k, v in own.items() if v[0] is key), "") for key, _ in part.pairs]
        self._remove(part, [at for at, name in enumerate(names) if name in gone])
        if any(name not in own for name in gone):
            self._remove_merge(part)
        self._add_entries(part, names, have, want)

    def _add_entries(
        self, part: SyntaxNode, names: list[str], have: Mapping[str, Any], want: Mapping[str, Any]
    ) -> None:
        before = -1
        for name, value in want.items():
            if name in names:
                before = names.index(name)
            elif name not in have:
                self._insert(self._direct, part, before, {name: value})
            elif have[name] != value:
                self._insert(self._override, part, before, {name: value})

    def _remove_merge(self, part: SyntaxNode) -> None:
        for at, (key, _) in enumerate(part.pairs):
            if key.value == "<<" and not key.style:
                self._remove(part, [at], self._override)

    # Lists

    def _list(self, part: SyntaxNode, have: Sequence[Any], want: Sequence[Any]) -> None:
        if len(have) != len(part.items):
            raise EditConflict
        old, new = ([json.dumps(value, sort_keys=True) for value in side] for side in (have, want))
        for _, i, last, j, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            both = min(last - i, end - j)
            for n in range(both):
                self.edit(part.items[i + n], have[i + n], want[j + n])
            self._remove(part, list(range(i + both, last)))
            for value in want[j + both : end]:
                self._insert(self._direct, part, i + both - 1, [value])

    # Entries of mappings and items of lists

    def _remove(self, part: SyntaxNode, places: list[int], edits: TextEdits | None = None) -> None:
        edits = edits or self._direct
        spans = _spans(part)
        for first, last in _runs(places):
            if not part.is_flow:
                self._remove_lines(edits, part, spans, first, last)
            elif last + 1 < len(spans):
                edits.replace(spans[first][0], spans[last + 1][0], "")
            else:
                edits.replace(spans[first - 1][1] if first else spans[0][0], spans[last][1], "")

    def _remove_lines(
        self, edits: TextEdits, part: SyntaxNode, spans: list[Span], first: int, last: int
    ) -> None:
        if self._begins_line(part, spans[first][0]):
            start, _ = self._lines(part, spans[first])
            edits.delete_lines(start, self._lines(part, spans[last])[1])
        elif last + 1 < len(spans):
            edits.replace(spans[first][0], spans[last + 1][0], "")  # The item begins behind a dash.
        else:
            raise EditConflict

    def _insert(self, edits: TextEdits, part: SyntaxNode, before: int, value: Any) -> None:
        """Insert an entry or item behind the one at index `before` (-1: at the front)."""
        spans = _spans(part)
        if part.is_flow:
            text = inline(value)[1:-1]
            if before >= 0:
                edits.replace(spans[before][1], spans[before][1], f", {text}")
            else:
                edits.replace(spans[0][0], spans[0][0], f"{text}, ")
            return
        before = max(before, -1 if self._begins_line(part, spans[0][0]) else 0)
        start, end = self._lines(part, spans[max(before, 0)])
        column = self._column(part)
        lines = "\n".join(" " * column + line for line in block(value, self._step).splitlines())
        if before >= 0:
            edits.insert_below(end, lines)
        else:
            edits.insert_above(start, lines)

    def _column(self, part: SyntaxNode) -> int:
        """Return the column in which the entries of a block begin, dashes included."""
        if part.kind is NodeKind.MAPPING:
            return self._direct.indent(part.pairs[0][0].start)
        line = self._direct.line(part.items[0].start)
        return len(line) - len(line.lstrip(" "))

    def _begins_line(self, part: SyntaxNode, start: int) -> bool:
        before = self._text[self._direct.line_start(start) : start]
        return bool((_INDENT if part.kind is NodeKind.MAPPING else _DASH).fullmatch(before))

    def _lines(self, part: SyntaxNode, span: Span) -> Span:
        """Return the span from the first of its comments to the end of its last line."""
        column = self._column(part)
        return self._direct.start_with_comments(span[0], column), self._direct.end_with_comments(
            span[1], column
        )

    # Values

    def _replace(self, part: SyntaxNode, want: Any, key: SyntaxNode | None = None) -> None:
        is_empty = part.is_flow and not part.pairs and not part.items and not part.anchor
        if key is not None and (part.is_empty or is_empty):
            self._fill(part, want, key)
        elif part.is_block:
            self._replace_block(part, want, key)
        else:
            self._direct.replace(part.body, part.end, _in_style(part, want))

    def _fill(self, part: SyntaxNode, want: Any, key: SyntaxNode) -> None:
        """Give a value to a key without one, or with empty brackets."""
        end = self._direct.line_end(part.end)
        rest = self._text[part.end : end].strip()
        own_line = _INDENT.fullmatch(self._text[self._direct.line_start(key.start) : key.start])
        if own_line and not is_inline(want) and (not rest or rest.startswith("#")):
            column = self._direct.indent(key.start) + self._step
            lines = block(want, self._step).splitlines()
            self._direct.replace(len(self._text[: part.body].rstrip(" ")), part.end, "")
            self._direct.insert_below(end, "\n".join(" " * column + line for line in lines))
        elif part.is_empty:
            colon = "" if self._text[: part.start].rstrip().endswith(":") or part.anchor else ":"
            self._direct.replace(part.end, part.end, f"{colon} {inline(want)}")
        else:
            self._direct.replace(part.body, part.end, inline(want))

    def _replace_block(self, part: SyntaxNode, want: Any, key: SyntaxNode | None) -> None:
        """Delete the lines below a key, and put the value on the line of the key."""
        if key is None or part.anchor or part.tag:
            raise EditConflict
        colon = self._text.index(":", key.end) + 1
        first = self._direct.line_end(colon)
        if first > part.start:
            raise EditConflict
        self._direct.replace(colon, colon, f" {inline(want)}")
        self._direct.replace(first, part.end, "")

    def reorder(self, root: SyntaxNode, names: Sequence[str]) -> None:
        """Move the hosts, each with its comments, into the order of `names`.

        Raises:
            EditConflict: They are not all in one place.
        """
        hosts = next((value for key, value in root.pairs if key.value == "hosts"), root)
        places = {key.value: at for at, (key, _) in enumerate(hosts.pairs)}
        if hosts is root or sorted(places) != sorted(names):
            raise EditConflict
        spans = _spans(hosts)
        if not hosts.is_flow:
            if not all(self._begins_line(hosts, start) for start, _ in spans):
                raise EditConflict
            spans = [self._lines(hosts, span) for span in spans]
        for (start, end), name in zip(spans, names, strict=True):
            source = spans[places[name]]
            self._direct.replace(start, end, self._text[source[0] : source[1]])


def _step(root: SyntaxNode, edits: TextEdits) -> int:
    """Return how far this text indents the entries of a mapping below its key."""
    for key, value in root.pairs:
        if value.kind is NodeKind.MAPPING and not value.is_flow and value.pairs:
            step = edits.indent(value.pairs[0][0].start) - edits.indent(key.start)
            return step if 2 <= step <= 8 else 2
    return 2


def _spans(part: SyntaxNode) -> list[Span]:
    if part.kind is NodeKind.MAPPING:
        return [(key.start, value.end) for key, value in part.pairs]
    return [(item.start, item.end) for item in part.items]


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of consecutive numbers in an ascending list, as first and last."""
    first = None
    for at in places:
        first = at if first is None else first
        if at + 1 not in places:
            yield first, at
            first = None


def _find_renames(have: Mapping[str, Any], want: Mapping[str, Any]) -> dict[str, str]:
    """Return the hosts with a new name, known by their VIP, which nothing else has."""
    gone = {v["vip"]: name for name, v in have.items() if name not in want and _has_vip(v)}
    new = {v["vip"]: name for name, v in want.items() if name not in have and _has_vip(v)}
    return {gone[vip]: new[vip] for vip in gone if vip in new}


def _has_vip(value: Any) -> bool:
    return isinstance(value, dict) and "vip" in value


def _in_style(part: SyntaxNode, want: Any) -> str:
    """Return a value as text; a scalar keeps the quotes that it had."""
    if not isinstance(want, str):
        return inline(want)
    if part.kind is not NodeKind.SCALAR or part.style not in ("", "'") or not want.isprintable():
        return double_quoted(want)
    if part.style == "'":
        return "'" + want.replace("'", "''") + "'"
    # A plain text needs no quotes within brackets either, unless it contains one of these.
    is_plain = block(str(want)).splitlines()[0] == want and not set(want) & set(",[]{}")
    return want if is_plain and not want.endswith(":") else double_quoted(want)


def _keep_anchors(root: SyntaxNode, edits: TextEdits) -> None:
    """Move the value of an anchor that is deleted to the first alias of it that stays.

    Raises:
        EditConflict: The value cannot be written there.
    """
    anchors = _anchors(root)
    lost = {name for name, part in anchors.items() if edits.covers(part.start)}
    for part in root.walk() if lost else ():
        if part.kind is NodeKind.ALIAS and part.value in lost and not edits.covers(part.start):
            lost.remove(part.value)
            literal = _literal(anchors[part.value], edits.text, anchors)
            edits.replace(part.start, part.end, f"&{part.value} {literal}")


def spell_out(text: str) -> str:
    """Return `text` with each alias replaced by its value.

    Raises:
        EditConflict: A value cannot be written there.
    """
    root = parse_tree(text)
    if root is None:
        return text
    edits = TextEdits(text)
    anchors = _anchors(root)
    for part in root.walk():
        if part.kind is NodeKind.ALIAS:
            edits.replace(part.start, part.end, _literal(part, text, anchors))
    return edits.apply()


def _anchors(root: SyntaxNode) -> dict[str, SyntaxNode]:
    return {part.anchor: part for part in root.walk() if part.anchor}


def _literal(part: SyntaxNode, text: str, anchors: Mapping[str, SyntaxNode]) -> str:
    """Return a part as text that may stand on a line, given the values of all anchors."""
    if part.kind is NodeKind.ALIAS:
        return _literal(anchors[part.value], text, anchors)
    if part.tag and part.kind is not NodeKind.SCALAR:
        raise EditConflict
    if part.kind is NodeKind.LIST:
        return "[" + ", ".join(_literal(item, text, anchors) for item in part.items) + "]"
    if part.kind is NodeKind.MAPPING:
        pairs = [[_literal(each, text, anchors) for each in pair] for pair in part.pairs]
        return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    raw = text[part.body : part.end]
    if part.style or part.tag or any(ch in "\r\n,[]{}#:" for ch in raw):
        return double_quoted(part.value)
    return raw or "null"
