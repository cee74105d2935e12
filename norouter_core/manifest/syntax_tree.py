"""A manifest's text as parts with their places: what is needed to change it in place.

Unlike PyYAML's node graph this is a tree: an alias is a part of its own, and no part reaches
further than its last character, so that comments and blank lines lie between parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

import yaml
from yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s+|$))*")


class NodeKind(Enum):
    SCALAR = auto()
    MAPPING = auto()
    LIST = auto()
    ALIAS = auto()


@dataclass(slots=True, eq=False)
class SyntaxNode:
    """One value or key. `start` to `end` (indices of characters) is all of it, its anchor and tag
    included; `body` is where these are over. An empty value has nothing in between."""

    kind: NodeKind
    start: int
    end: int
    body: int
    style: str = ""
    """Of a scalar: a quote, `|`, `>`, or empty for a plain one."""
    is_flow: bool = False
    """Of a mapping or a list: whether it is in brackets."""
    value: str = ""
    """Of a scalar its text, of an alias its name."""
    anchor: str = ""
    tag: str = ""
    pairs: list[tuple[SyntaxNode, SyntaxNode]] = field(default_factory=list)
    items: list[SyntaxNode] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return self.body == self.end

    @property
    def is_block(self) -> bool:
        return self.kind in (NodeKind.MAPPING, NodeKind.LIST) and not self.is_flow

    def walk(self) -> Iterator[SyntaxNode]:
        """This part and all within it, in the order of the text."""
        yield self
        for key, value in self.pairs:
            yield from key.walk()
            yield from value.walk()
        for item in self.items:
            yield from item.walk()


def read_parts(text: str) -> SyntaxNode | None:
    """The root of the one document in `text`, which the loader has accepted; None without any."""
    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, NodeEvent):
            return _part(event, events, text)
    return None


def _part(event: Event, events: Iterator[Event], text: str) -> SyntaxNode:
    start, end = _places(event)
    if isinstance(event, AliasEvent):
        return SyntaxNode(NodeKind.ALIAS, start, end, start, value=event.anchor or "")
    said = _PROPERTIES.match(text, start)
    body = said.end() if said and (event.anchor or event.tag) else start  # type: ignore[attr-defined]  # AliasEvent is the one without
    part = SyntaxNode(NodeKind.SCALAR, start, end, body, anchor=event.anchor or "")  # type: ignore[attr-defined]  # as above
    part.tag = event.tag or ""  # type: ignore[attr-defined]  # as above
    if isinstance(event, ScalarEvent):
        part.value, part.style = event.value, event.style or ""
        if part.style in ("|", ">"):
            part.end = start + len(text[start:end].rstrip())
    elif isinstance(event, MappingStartEvent):
        part.kind, part.is_flow = NodeKind.MAPPING, bool(event.flow_style)
        while not isinstance(event := next(events), MappingEndEvent):
            key = _part(event, events, text)
            part.pairs.append((key, _part(next(events), events, text)))
    elif isinstance(event, SequenceStartEvent):
        part.kind, part.is_flow = NodeKind.LIST, bool(event.flow_style)
        while not isinstance(event := next(events), SequenceEndEvent):
            part.items.append(_part(event, events, text))
    if part.kind is not NodeKind.SCALAR:
        children = part.items or [value for _, value in part.pairs]
        part.end = _places(event)[1] if part.is_flow or not children else children[-1].end
    part.body = min(part.body, part.end)
    return part


def _places(event: Event) -> tuple[int, int]:
    assert event.start_mark and event.end_mark  # as in every event of the parser
    return event.start_mark.index, event.end_mark.index
