"""Values as YAML text in the style of this project: what a person would have written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml
from yaml.nodes import ScalarNode, SequenceNode

from norouter_core.manifest.compose import TAG


class Quoted(str):
    """A text that is always quoted: YAML readers differ on `22:22:22` and its like."""


class FlowList(list[Quoted]):
    """A list of texts that stays on one line."""

    def __init__(self, texts: Iterable[str]) -> None:
        super().__init__(map(Quoted, texts))


def block(value: Any, indent: int = 2) -> str:
    """Return a value as lines, each entry of a mapping on its own."""
    return _dump(value, flow=False, indent=indent)


def inline(value: Any) -> str:
    """Return a value as text that may stand on a line, also within brackets."""
    return _dump([value], flow=True).rstrip("\n")[1:-1]


def double_quoted(text: str) -> str:
    """Return a text in double quotes, with everything escaped that is not printable."""
    return inline(Quoted(text))


def is_inline(value: Any) -> bool:
    """Return whether `block` writes a value on the line of its key."""
    return not value or isinstance(value, str | bool | FlowList)


def _dump(value: Any, flow: bool, indent: int = 2) -> str:
    return yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=2**31,
        indent=indent,
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        # Entries stand right of their key, as in every NoRouter example.
        super().increase_indent(flow, False)


def _represent_quoted(dumper: _Dumper, data: Quoted) -> ScalarNode:
    return dumper.represent_scalar(TAG + "str", str(data), style='"')


def _represent_flow_list(dumper: _Dumper, data: FlowList) -> SequenceNode:
    return dumper.represent_sequence(TAG + "seq", data, flow_style=True)


_Dumper.add_representer(Quoted, _represent_quoted)
_Dumper.add_representer(FlowList, _represent_flow_list)
