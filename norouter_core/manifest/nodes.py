"""Typed readings of YAML nodes: texts, flags, lists and mappings, with their places kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from norouter_core.manifest.compose import TAG, is_plain
from norouter_core.manifest.problems import Report, ValidationError
from norouter_core.manifest.values import closest, fold
from norouter_core.sanitize import escape_all, quote

T = TypeVar("T")

_NOUNS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a boolean",
    "null": "null",
    "timestamp": "a date",
    "binary": "binary data",
    "merge": "a merge key",
    "value": "a default value",
    "map": "a mapping",
    "seq": "a list",
}
_ACCESS_KEYS = {
    "allowFrom": "set it on a port, a proxy or a route",
    "onlyUser": "set it on the host without cmd",
    "auth": "set it on http or socks",
}
"""The keys that limit access, which must not be ignored, and where they belong."""
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """One key of a mapping with its value."""

    key: Node
    value: Node


Entries = dict[str, MappingEntry]


def is_null(node: Node) -> bool:
    return is_plain(node, "null")


def read_text(node: Node, report: Report, what: str) -> str | None:
    """Return the text of a scalar, or None with an error reported.

    Numbers, booleans and dates are rejected rather than turned back into text: what YAML makes
    of `22:22:22` or `no` is seldom what was meant, and quotes make it clear.
    """
    if not is_plain(node, "str"):
        report.error(node, f"{what} must be text, not {_describe(node)}", _text_hint(node))
        return None
    text: str = node.value
    if "\0" in text:
        report.error(node, f"{what} contains a NUL character: {quote(text)}", "remove it")
        return None
    if any("\ud800" <= ch <= "\udfff" for ch in text):
        report.error(node, f"{what} contains half a surrogate pair: {quote(text)}", "remove it")
        return None
    return text


def read_parsed(
    node: Node,
    report: Report,
    what: str,
    parse: Callable[[str], T],
    read: Callable[[Node, Report, str], str | None] = read_text,
) -> T | None:
    """Return what `parse` makes of a node's text, or None with its error reported."""
    text = read(node, report, what)
    if text is None:
        return None
    try:
        return parse(text)
    except ValidationError as error:
        report.invalid(node, error, what)
        return None


def read_flag(node: Node, report: Report, what: str) -> bool | None:
    """Return a boolean, or None with an error reported."""
    flag = _FLAGS.get(node.value.lower()) if is_plain(node, "bool") else None
    if flag is None:
        hint = "write true or false, without quotes"
        report.error(node, f"{what} must be true or false, not {_describe(node)}", hint)
    return flag


def read_number(node: Node, report: Report, what: str) -> str | None:
    """Return the digits of a whole number, quoted or not, or None with an error reported."""
    if is_plain(node, "int") or is_plain(node, "str"):
        return str(node.value)
    report.error(node, f"{what} must be a whole number, not {_describe(node)}")
    return None


def read_items(node: Node, report: Report, what: str) -> list[Node]:
    """Return the entries of a list; none with an error reported if it is not a list."""
    if is_plain(node, "seq"):
        return list(node.value)
    hint = "write one entry per line, each after `- `"
    if is_plain(node, "str") and len(node.value) < 60:
        hint = f"write it as a list: [{quote(node.value)}]"
    report.error(node, f"{what} must be a list, not {_describe(node)}", hint)
    return []


def read_mapping(node: Node, report: Report, what: str) -> Entries | None:
    """Return the entries of a mapping, with merge keys (`<<`) applied.

    The mapping's own keys win over merged ones, and an earlier merge over a later one. The result
    is None, with an error reported, if the node is not a mapping.
    """
    if not is_plain(node, "map"):
        message = f"{what} must be a mapping, not {_describe(node)}"
        report.error(node, message, _mapping_hint(node))
        return None
    merged: Entries = {}
    own: Entries = {}
    merge: Node | None = None
    for key, value in node.value:
        if is_plain(key, "merge"):
            if merge is not None:
                _report_twice(report, "<<", key, merge)
                continue
            merge = key
            for source in _merge_sources(value, report):
                for name, field in (
                    read_mapping(source, report, "a mapping that << merges") or {}
                ).items():
                    merged.setdefault(name, field)
        else:
            _add_key(own, MappingEntry(key, value), report, what)
    return {**merged, **own}


def _add_key(table: Entries, field: MappingEntry, report: Report, what: str) -> None:
    name = read_text(field.key, report, f"a key of {what}")
    if name is None:
        return
    if name in table:
        _report_twice(report, name, field.key, table[name].key)
    else:
        table[name] = field


def _report_twice(report: Report, name: str, second: Node, first: Node) -> None:
    message = f"duplicate key {quote(name)}, first at {report.place(first)}"
    report.error(second, message, "remove one of them; YAML would silently keep the last")


def _merge_sources(node: Node, report: Report) -> Iterator[Node]:
    """Yield the mappings that a `<<` merges, the one that wins first."""
    if isinstance(node, SequenceNode) and is_plain(node, "seq"):
        yield from node.value
    elif isinstance(node, MappingNode):
        yield node
    else:
        hint = "write `<<: *anchor`, or a list of such aliases"
        report.error(node, f"<< merges only mappings, not {_describe(node)}", hint)


def known_entries(table: Entries, known: Iterable[str], report: Report, what: str) -> Entries:
    """Return the entries with a known key and a value that is not null; warn of unknown keys.

    A key that limits access is never ignored: it is an error if it is null, misspelled or in the
    wrong place.
    """
    names = tuple(known)
    for name, field in table.items():
        if name in names:
            if name in _ACCESS_KEYS and is_null(field.value):
                report.error(field.key, f"{name} of {what} has no value", _text_hint(field.value))
        elif not report.is_full and (meant := _misspelled_access_key(name, names)):
            hint = f"did you mean {meant}?" if meant in names else _ACCESS_KEYS[meant]
            report.error(field.key, f"unknown key {quote(name)} in {what}", hint)
        else:
            message = f"unknown key {quote(name)} in {what} is ignored"
            report.warn(field.key, message, partial(_did_you_mean, name, names))
    return {k: f for k, f in table.items() if k in names and not is_null(f.value)}


def _misspelled_access_key(name: str, names: tuple[str, ...]) -> str:
    """Return the access key that an unknown key of a mapping probably means, or an empty string.

    Args:
        names: The known keys of the mapping.
    """
    if name.startswith("x-"):
        return ""
    name = name[:64].rpartition(".")[2]
    guess = closest(name, _ACCESS_KEYS)
    if not guess or guess.lower() == fold(name):
        return guess
    # What resembles the name of a key that has no place here is more likely something else.
    if (guess == "auth" and guess not in names) or not any(key in names for key in _ACCESS_KEYS):
        return ""
    return guess if closest(name, (*names, guess)) == guess else ""


def _did_you_mean(name: str, names: tuple[str, ...]) -> str:
    outer, dot, inner = name[:64].partition(".")
    if dot and outer in names:
        return f"write `{outer}:` and, indented below it, `{escape_all(inner)}:`"
    guess = closest(name, names)
    return f"did you mean {guess}?" if guess else f"known keys: {', '.join(names)}"


def _describe(node: Node) -> str:
    """Return what a node is, with its text if it is a scalar."""
    kind = node.tag.removeprefix(TAG)
    noun = _NOUNS.get(kind, f"a !!{kind}")
    if not isinstance(node, ScalarNode) or kind == "null":
        return noun
    if kind in ("int", "float") and ":" in node.value:
        noun = "a number in base 60"
    return f"{noun}: {quote(node.value)}"


def _mapping_hint(node: Node) -> str:
    key, _, value = node.value.partition(" ") if is_plain(node, "str") else ("", "", "")
    if value and len(node.value) < 60 and key.isidentifier():
        return f"a key ends with a colon: write `{key}: {escape_all(value)}`"
    return "indent its keys below it, one `key: value` per line"


def _text_hint(node: Node) -> str:
    if is_null(node):
        return "give it a value, or remove it"
    if isinstance(node, ScalarNode):
        return f"quote it: {quote(node.value)}" if len(node.value) < 60 else "quote it"
    if isinstance(node, MappingNode):
        pairs = node.value
        if len(pairs) == 1 and all(isinstance(part, ScalarNode) for part in pairs[0]):
            key, value = (part.value[:40] for part in pairs[0])
            return f"leave no space after its colon: {quote(f'{key}:{value}', 90)}"
        return "leave no space after its colons, or quote it as one text"
    return "write one text, without brackets or dashes"
