"""The syntax tree of a manifest's text, with the places of its nodes, for edits in place.

Unlike PyYAML's node graph this is a tree: an alias is a node of its own. No node reaches further
than its last character, so comments and blank lines lie between nodes.
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
    """One value or key.

    `start` to `end` (character indices) is all of it, with its anchor and tag, which end at `body`.
    An empty value has nothing between `body` and `end`.
    """

    kind: NodeKind
    start: int
    end: int
    body: int
    style: str = ""
    """For a scalar: a quote, `|`, `>`, or empty for a plain one."""
    is_flow: bool = False
    """For a mapping or a list: whether it is in brackets."""
    value: str = ""
    """The text of a scalar, or the name of an alias."""
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
        """Yield this node and all nodes within it, in the order of the text."""
        yield self
        for key, value in self.pairs:
            yield from key.walk()
            yield from value.walk()
        for item in self.items:
            yield from item.walk()


def parse_tree(text: str) -> SyntaxNode | None:
    """Return the root of the one document in `text`, which the loader accepts, or None."""
    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, NodeEvent):
            return _read_node(event, events, text)
    return None


def _read_node(event: Event, events: Iterator[Event], text: str) -> SyntaxNode:
    start, end = _span(event)
    if isinstance(event, AliasEvent):
        return SyntaxNode(NodeKind.ALIAS, start, end, start, value=event.anchor or "")
    properties = _PROPERTIES.match(text, start)
    body = properties.end() if properties and (event.anchor or event.tag) else start  # type: ignore[attr-defined]  # Only AliasEvent has none.
    node = SyntaxNode(NodeKind.SCALAR, start, end, body, anchor=event.anchor or "")  # type: ignore[attr-defined]  # As above.
    node.tag = event.tag or ""  # type: ignore[attr-defined]  # As above.
    if isinstance(event, ScalarEvent):
        node.value, node.style = event.value, event.style or ""
        if node.style in ("|", ">"):
            node.end = start + len(text[start:end].rstrip())
    elif isinstance(event, MappingStartEvent):
        node.kind, node.is_flow = NodeKind.MAPPING, bool(event.flow_style)
        while not isinstance(event := next(events), MappingEndEvent):
            key = _read_node(event, events, text)
            node.pairs.append((key, _read_node(next(events), events, text)))
    elif isinstance(event, SequenceStartEvent):
        node.kind, node.is_flow = NodeKind.LIST, bool(event.flow_style)
        while not isinstance(event := next(events), SequenceEndEvent):
            node.items.append(_read_node(event, events, text))
    if node.kind is not NodeKind.SCALAR:
        children = node.items or [value for _, value in node.pairs]
        node.end = _span(event)[1] if node.is_flow or not children else children[-1].end
    node.body = min(node.body, node.end)
    return node


def _span(event: Event) -> tuple[int, int]:
    assert event.start_mark and event.end_mark  # Every event of the parser has both.
    return event.start_mark.index, event.end_mark.index
