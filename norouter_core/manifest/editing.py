"""One pass over a manifest's parts: what must be cut, put and replaced for it to say more of what
is wanted. Values are those of `dump.tree`, as the text says them now and as they are wanted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from norouter_core.manifest.dump import block, inline, is_inline, quoting
from norouter_core.manifest.syntax_tree import NodeKind, SyntaxNode
from norouter_core.manifest.text_edits import EditConflict, TextEdits

_DASH = re.compile(r" *-[ ]+")
_ENTRY = re.compile(r" *")

Cell = tuple[int, int]
"""From where to where an entry or an item reaches."""


class Editor:
    """Collects the changes of one pass over `text`, whose parts are `root`."""

    def __init__(self, text: str, root: SyntaxNode) -> None:
        self._text = text
        self._root = root
        self._direct = TextEdits(text)
        # Where something inherited is in the way: done only when nothing else is left to do, since
        # a change at the place that is inherited from may be all that is needed.
        self._override = TextEdits(text)
        self._step = _step(root, self._direct)

    @property
    def has_changes(self) -> bool:
        return bool(self._direct or self._override)

    def made(self) -> str:
        """The text with the changes of this pass.

        Raises:
            EditConflict: there is nothing that could be done.
        """
        chosen = self._direct or self._override
        if not chosen:
            raise EditConflict
        _keep_anchors(self._root, chosen)
        return chosen.made()

    def edit(self, part: SyntaxNode, have: Any, want: Any, key: SyntaxNode | None = None) -> None:
        """Changes `part`, the value of `key`, which says `have`, to say `want`."""
        if have == want:
            return
        if part.kind is NodeKind.ALIAS:
            self._override.put(part.start, part.end, inline(want))
        elif isinstance(have, dict) and isinstance(want, dict) and part.pairs:
            self._mapping(part, have, want)
        elif isinstance(have, list) and isinstance(want, list) and part.items:
            self._list(part, have, want)
        else:
            self._replace(part, want, key)

    # Mappings

    def _mapping(self, part: SyntaxNode, have: Mapping[str, Any], want: Mapping[str, Any]) -> None:
        own = {key.value: (key, value) for key, value in part.pairs}
        renamed = _renamed(have, want)
        for old, new in renamed.items():
            if old in own:
                self._replace(own[old][0], new)
                own[new] = own.pop(old)
        have = {renamed.get(name, name): value for name, value in have.items()}
        gone = [name for name in have if name not in want]
        for name, value in want.items():
            if name in own:
                self.edit(own[name][1], have.get(name), value, own[name][0])
        places = [next((k for k, v in own.items() if v[0] is key), "") for key, _ in part.pairs]
        self._remove(part, [at for at, name in enumerate(places) if name in gone])
        if any(name not in own for name in gone):
            self._drop_merge(part, places)
        self._add_entries(part, places, have, want)

    def _add_entries(
        self, part: SyntaxNode, places: list[str], have: Mapping[str, Any], want: Mapping[str, Any]
    ) -> None:
        before = -1
        for name, value in want.items():
            if name in places:
                before = places.index(name)
            elif name not in have:
                self._insert(self._direct, part, before, {name: value})
            elif have[name] != value:
                self._insert(self._override, part, before, {name: value})

    def _drop_merge(self, part: SyntaxNode, places: list[str]) -> None:
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

    # Entries of mappings and items of lists alike

    def _remove(
        self, part: SyntaxNode, places: list[int], splices: TextEdits | None = None
    ) -> None:
        splices = splices or self._direct
        cells = _cells(part)
        for first, last in _runs(places):
            if not part.is_flow:
                self._remove_lines(splices, part, cells, first, last)
            elif last + 1 < len(cells):
                splices.put(cells[first][0], cells[last + 1][0], "")
            else:
                splices.put(cells[first - 1][1] if first else cells[0][0], cells[last][1], "")

    def _remove_lines(
        self, splices: TextEdits, part: SyntaxNode, cells: list[Cell], first: int, last: int
    ) -> None:
        if self._begins_line(part, cells[first][0]):
            start, _ = self._lines(part, cells[first])
            splices.cut_lines(start, self._lines(part, cells[last])[1])
        elif last + 1 < len(cells):
            splices.put(cells[first][0], cells[last + 1][0], "")  # what a dash stands before
        else:
            raise EditConflict

    def _insert(self, splices: TextEdits, part: SyntaxNode, before: int, value: Any) -> None:
        """Puts an entry, or an item, behind that at the place `before` (-1: in front)."""
        cells = _cells(part)
        if part.is_flow:
            text = inline(value)[1:-1]
            if before >= 0:
                splices.put(cells[before][1], cells[before][1], f", {text}")
            else:
                splices.put(cells[0][0], cells[0][0], f"{text}, ")
            return
        before = max(before, -1 if self._begins_line(part, cells[0][0]) else 0)
        start, end = self._lines(part, cells[max(before, 0)])
        column = self._column(part)
        lines = "\n".join(" " * column + line for line in block(value, self._step).splitlines())
        if before >= 0:
            splices.put_lines(end, lines)
        else:
            splices.put_lines_above(start, lines)

    def _column(self, part: SyntaxNode) -> int:
        """Where the entries of a block begin, dashes included."""
        if part.kind is NodeKind.MAPPING:
            return self._direct.indent(part.pairs[0][0].start)
        line = self._direct.line(part.items[0].start)
        return len(line) - len(line.lstrip(" "))

    def _begins_line(self, part: SyntaxNode, start: int) -> bool:
        said = self._text[self._direct.line_start(start) : start]
        return bool((_ENTRY if part.kind is NodeKind.MAPPING else _DASH).fullmatch(said))

    def _lines(self, part: SyntaxNode, cell: Cell) -> Cell:
        """From the first of its comments to the end of its last line."""
        column = self._column(part)
        return self._direct.leads(cell[0], column), self._direct.trails(cell[1], column)

    # Values

    def _replace(self, part: SyntaxNode, want: Any, key: SyntaxNode | None = None) -> None:
        is_empty = part.is_flow and not part.pairs and not part.items and not part.anchor
        if key is not None and (part.is_empty or is_empty):
            self._fill(part, want, key)
        elif part.is_block:
            self._replace_block(part, want, key)
        else:
            self._direct.put(part.body, part.end, _in_style(part, want))

    def _fill(self, part: SyntaxNode, want: Any, key: SyntaxNode) -> None:
        """Gives a key without a value, or with empty brackets, one."""
        end = self._direct.line_end(part.end)
        rest = self._text[part.end : end].strip()
        own_line = _ENTRY.fullmatch(self._text[self._direct.line_start(key.start) : key.start])
        if own_line and not is_inline(want) and (not rest or rest.startswith("#")):
            column = self._direct.indent(key.start) + self._step
            lines = block(want, self._step).splitlines()
            self._direct.put(len(self._text[: part.body].rstrip(" ")), part.end, "")
            self._direct.put_lines(end, "\n".join(" " * column + line for line in lines))
        elif part.is_empty:
            colon = "" if self._text[: part.start].rstrip().endswith(":") or part.anchor else ":"
            self._direct.put(part.end, part.end, f"{colon} {inline(want)}")
        else:
            self._direct.put(part.body, part.end, inline(want))

    def _replace_block(self, part: SyntaxNode, want: Any, key: SyntaxNode | None) -> None:
        """Takes the lines below a key away, and says it on the key's own line."""
        if key is None or part.anchor or part.tag:
            raise EditConflict
        colon = self._text.index(":", key.end) + 1
        first = self._direct.line_end(colon)
        if first > part.start:
            raise EditConflict
        self._direct.put(colon, colon, f" {inline(want)}")
        self._direct.put(first, part.end, "")

    def reorder(self, root: SyntaxNode, names: Sequence[str]) -> None:
        """Moves the hosts, each with its comments, into the order of `names`.

        Raises:
            EditConflict: they are not all in one place.
        """
        hosts = next((value for key, value in root.pairs if key.value == "hosts"), root)
        places = {key.value: at for at, (key, _) in enumerate(hosts.pairs)}
        if hosts is root or sorted(places) != sorted(names):
            raise EditConflict
        cells = _cells(hosts)
        if not hosts.is_flow:
            if not all(self._begins_line(hosts, start) for start, _ in cells):
                raise EditConflict
            cells = [self._lines(hosts, cell) for cell in cells]
        for (start, end), name in zip(cells, names, strict=True):
            source = cells[places[name]]
            self._direct.put(start, end, self._text[source[0] : source[1]])


def _step(root: SyntaxNode, splices: TextEdits) -> int:
    """How far this text indents the entries of a mapping below its key."""
    for key, value in root.pairs:
        if value.kind is NodeKind.MAPPING and not value.is_flow and value.pairs:
            step = splices.indent(value.pairs[0][0].start) - splices.indent(key.start)
            return step if 2 <= step <= 8 else 2
    return 2


def _cells(part: SyntaxNode) -> list[Cell]:
    if part.kind is NodeKind.MAPPING:
        return [(key.start, value.end) for key, value in part.pairs]
    return [(item.start, item.end) for item in part.items]


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring numbers of an ascending list, as first and last."""
    first = None
    for at in places:
        first = at if first is None else first
        if at + 1 not in places:
            yield first, at
            first = None


def _renamed(have: Mapping[str, Any], want: Mapping[str, Any]) -> dict[str, str]:
    """Hosts that have a new name: known by their VIP. Nothing else has entries with one."""
    gone = {v["vip"]: name for name, v in have.items() if name not in want and _has_vip(v)}
    new = {v["vip"]: name for name, v in want.items() if name not in have and _has_vip(v)}
    return {gone[vip]: new[vip] for vip in gone if vip in new}


def _has_vip(value: Any) -> bool:
    return isinstance(value, dict) and "vip" in value


def _in_style(part: SyntaxNode, want: Any) -> str:
    """A value as text, a scalar's in the quotes that it had."""
    if not isinstance(want, str):
        return inline(want)
    if part.kind is not NodeKind.SCALAR or part.style not in ("", "'") or not want.isprintable():
        return quoting(want)
    if part.style == "'":
        return "'" + want.replace("'", "''") + "'"
    # A plain text also stands for itself within brackets, unless it holds one of these.
    is_plain = block(str(want)).splitlines()[0] == want and not set(want) & set(",[]{}")
    return want if is_plain and not want.endswith(":") else quoting(want)


def _keep_anchors(root: SyntaxNode, splices: TextEdits) -> None:
    """Where an anchor goes whose aliases stay, the first of these gets what it held.

    Raises:
        EditConflict: what it held cannot be said there.
    """
    held = _anchors(root)
    lost = {name for name, part in held.items() if splices.covers(part.start)}
    for part in root.walk() if lost else ():
        if part.kind is NodeKind.ALIAS and part.value in lost and not splices.covers(part.start):
            lost.remove(part.value)
            literal = _literal(held[part.value], splices.text, held)
            splices.put(part.start, part.end, f"&{part.value} {literal}")


def spelt_out(text: str, root: SyntaxNode) -> str:
    """`text` with what each alias stands for in its place.

    Raises:
        EditConflict: that cannot be said there.
    """
    splices = TextEdits(text)
    held = _anchors(root)
    for part in root.walk():
        if part.kind is NodeKind.ALIAS:
            splices.put(part.start, part.end, _literal(part, text, held))
    return splices.made()


def _anchors(root: SyntaxNode) -> dict[str, SyntaxNode]:
    return {part.anchor: part for part in root.walk() if part.anchor}


def _literal(part: SyntaxNode, text: str, held: Mapping[str, SyntaxNode]) -> str:
    """A part as text that may stand on a line; `held` is what the anchors hold."""
    if part.kind is NodeKind.ALIAS:
        return _literal(held[part.value], text, held)
    if part.tag and part.kind is not NodeKind.SCALAR:
        raise EditConflict
    if part.kind is NodeKind.LIST:
        return "[" + ", ".join(_literal(item, text, held) for item in part.items) + "]"
    if part.kind is NodeKind.MAPPING:
        pairs = [[_literal(each, text, held) for each in pair] for pair in part.pairs]
        return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    raw = text[part.body : part.end]
    if part.style or part.tag or any(ch in "\r\n,[]{}#:" for ch in raw):
        return quoting(part.value)
    return raw or "null"
