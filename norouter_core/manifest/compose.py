"""YAML text to a node graph, with bounds on depth and size and readable parser errors."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml
from yaml.composer import ComposerError
from yaml.error import Mark, MarkedYAMLError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from norouter_core.errors import NorouterError
from norouter_core.manifest.problems import MAX_BYTES, Report
from norouter_core.sanitize import escape_all, quote

MAX_DEPTH = 32
"""The depth to which values may nest, aliases followed; a manifest needs six levels."""

MAX_VALUES = 100_000
"""The number of values (keys too) in a manifest with its aliases written out; the parser takes
about ten seconds for that many."""

MAX_CHARACTERS = 2 * MAX_BYTES
"""The total length of its texts with its aliases written out; only aliases get there."""

TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = frozenset(
    TAG + name
    for name in (
        *("str", "int", "float", "bool", "null", "timestamp", "binary", "merge", "value"),
        *("map", "seq", "set", "omap", "pairs"),
    )
)

_QUOTE = 'quote the value, for example "*.example.com"'
_HINTS = (
    (r"an? (alias|anchor)|undefined alias", f"a leading * or & has a meaning in YAML: {_QUOTE}"),
    (r"cannot start any token", f"YAML reserves this character: {_QUOTE}"),
    (r"mapping values are not allowed", "quote a value that contains `: `, or fix the indentation"),
    (r"could not find expected ':'", "write `key: value`, with a space after the colon"),
    (r"expected ',' or '[]}]'", "close the bracket, and quote entries that contain [ ] { } or ,"),
    (
        r"expected <block end>",
        "fix the indentation: the keys of a mapping start in the same column",
    ),
    (r"unexpected end of stream", "the quote that opens here is never closed"),
    (r"unknown escape character", "use single quotes, or write the backslash twice"),
    (r"chr\(\)", r"no character has a code above \U0010FFFF"),
)

_COLONLESS = re.compile(r" *[A-Za-z_][\w.-]*(?: [^#:]*)?$")
_KEYED = re.compile(r" *(?:- )?[\w.-]+: +[^\s#]")


class _Measure(NamedTuple):
    """The size of a node, itself included, each alias counted as if it were written out."""

    values: int
    characters: int
    height: int


class _TooLarge(NorouterError):
    """The text exceeds a bound at `index`."""

    def __init__(self, index: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.index, self.message, self.hint = index, message, hint


class _Composer(yaml.SafeLoader):
    """Composes nodes and constructs nothing.

    Measures are summed up as each node is completed. An alias adds those of its anchor without
    being expanded, so a bomb is rejected before anything walks it.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.foreign: list[Node] = []
        self._depth = 0
        self._measures: dict[int, _Measure] = {}

    def fetch_flow_collection_start(self, TokenClass: type) -> None:  # noqa: N803  # of PyYAML
        # The scanner reads ahead over more brackets than could ever be composed, and that takes
        # quadratic time.
        _check_depth(self.flow_level + 1, self.index)
        super().fetch_flow_collection_start(TokenClass)

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # of PyYAML
        at = event.start_mark.index
        is_alias = isinstance(event, AliasEvent)
        self._depth += 1
        _check_depth(self._depth, at)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if not is_alias:
            self._measures[id(node)] = self._measure(node)
            # Also without aliases: a long list ends here, not after minutes of parsing.
            _check_size(_Measure(len(self._measures), 0, 0), at)
            if node.tag not in _KNOWN_TAGS:
                self.foreign.append(node)
        elif id(node) not in self._measures:
            message = f"the anchor {quote(str(event.anchor))} contains an alias of itself"
            raise _TooLarge(at, message, "write the value out where it is needed")
        measure = self._measures[id(node)]
        _check_depth(self._depth + measure.height, at)
        _check_size(measure, at)
        return node

    def _measure(self, node: Node) -> _Measure:
        """Return the measure of a node whose children are all measured."""
        if isinstance(node, MappingNode):
            parts = [self._measures[id(part)] for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            parts = [self._measures[id(part)] for part in node.value]
        else:
            return _Measure(1, len(node.value), 1)
        return _Measure(
            1 + sum(part.values for part in parts),
            sum(part.characters for part in parts),
            1 + max((part.height for part in parts), default=0),
        )


def _check_depth(depth: int, at: int) -> None:
    if depth > MAX_DEPTH:
        message = f"nested deeper than {MAX_DEPTH} levels"
        raise _TooLarge(at, message, "a manifest needs six levels; close some brackets")


def _check_size(measure: _Measure, at: int) -> None:
    hint = "split the mesh, or use fewer aliases; hostTemplate holds what all hosts share"
    if measure.values > MAX_VALUES:
        message = f"more than {MAX_VALUES} values, aliases written out"
        raise _TooLarge(at, message, hint)
    if measure.characters > MAX_CHARACTERS:
        message = f"more than {MAX_CHARACTERS // 1024} KiB of text, aliases written out"
        raise _TooLarge(at, message, hint)


def compose(report: Report) -> Node | None:
    """Return the root node of the one document in the report's source, or None for an empty one.

    It is also None if there are errors; those are in the report. Every node has a standard tag of
    YAML 1.1, and walking the graph is bounded by `MAX_VALUES`.
    """
    composer = _Composer(report.source.text)
    try:
        root = composer.get_single_node()
    except _TooLarge as error:
        report.error_at(error.index, error.message, error.hint)
        return None
    except MarkedYAMLError as error:
        _report_syntax(report, error)
        return None
    except Exception as error:
        # The parser lets stray errors through: ValueError for "\U00110000" or a %YAML
        # directive of 5000 digits, for example. A manifest must never crash its reader.
        message = f"not YAML: {escape_all(str(error)[:200]) or type(error).__name__}"
        report.error_at(composer.get_mark().index, message, _hint(str(error)))
        return None
    finally:
        composer.dispose()
    for node in composer.foreign:
        message = f"the tag {quote(_short(node.tag))} is not allowed: a manifest is plain data"
        report.error(node, message, "remove the tag")
    return None if composer.foreign else root


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(TAG) if tag.startswith(TAG) else tag


def _report_syntax(report: Report, error: MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    at = mark.index if mark else 0
    if _report_tabs(report, at):
        return
    if isinstance(error, ComposerError) and "single document" in (error.context or ""):
        message = "a second document starts here, but a manifest is one document"
        report.error_at(at, message, "keep one manifest per file: remove this `---`")
        return
    found = re.match("found duplicate anchor '(.*)'", error.context or "")
    if found and error.context_mark:
        first = report.source.place_text(error.context_mark.index)
        message = f"duplicate anchor {quote(found[1])}, first at {first}"
        report.error_at(at, message, "rename one of the two")
        return
    if _report_colon(report, error):
        return
    problem, context = error.problem or "syntax error", error.context or ""
    if "unexpected end of stream" in problem and error.context_mark:
        at = error.context_mark.index
    message = (
        f"not YAML: {escape_all(problem[:200])}{_context(report, context, error.context_mark)}"
    )
    report.error_at(at, message, _hint(f"{context} {problem}"))


def _report_colon(report: Report, error: MarkedYAMLError) -> bool:
    """Report an error at a line without its colon, and return whether there is one.

    The parser takes such a line for the beginning of a text, and fails at the next one.
    """
    if error.problem_mark is None:
        return False
    if "could not find expected ':'" in (error.problem or "") and error.context_mark:
        number = error.context_mark.line
    elif re.search("mapping values are not|expected '<document start>'", error.problem or ""):
        number = report.source.line_above(error.problem_mark.line)
    else:
        return False
    line = report.source.line(number) if number >= 0 else ""
    if not _COLONLESS.match(line) or _continues(report, number, line):
        return False
    key, _, value = line.strip().partition(" ")
    at = report.source.index_of_line(number) + len(line) - len(line.lstrip())
    wanted = f"{key}: {value.strip()}" if value else f"{key}:"
    report.error_at(at, f"not YAML: no colon after {quote(key)}", f"write `{wanted}`")
    return True


def _continues(report: Report, number: int, line: str) -> bool:
    """Return whether a line continues the value of the line above it, which has its colon."""
    above = report.source.line(max(report.source.line_above(number), 0))
    indents = [len(text) - len(text.lstrip()) for text in (above, line)]
    return bool(_KEYED.match(above)) and indents[0] < indents[1]


def _context(report: Report, context: str, mark: Mark | None) -> str:
    if not context:
        return ""
    starts = f" that starts at {report.source.place_text(mark.index)}" if mark else ""
    return f" ({escape_all(context)}{starts})"


def _hint(text: str) -> str:
    return next((hint for pattern, hint in _HINTS if re.search(pattern, text)), "")


def _report_tabs(report: Report, at: int) -> bool:
    """Report every line that a tab indents, if a tab caused the error at `at`."""
    source = report.source
    number, column = source.place(at)
    line = source.line(number - 1)
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    is_tab = source.text[at : at + 1] == "\t"
    if not is_tab and "\t" not in indent:
        return False
    tabs = {found.end() - 1 for found in re.finditer(r"(?m)^ *\t", source.text)}
    tabs.add(at if is_tab else at - column + 1 + indent.index("\t"))
    for index in sorted(tabs):
        message = "a tab: YAML allows no tabs for indentation or between values"
        report.error_at(index, message, "use spaces instead")
    return True


def is_plain(node: Node, kind: str) -> bool:
    """Return whether a node has the standard tag of a kind (`str`, `map`, ...) and its shape."""
    shape = {"map": MappingNode, "seq": SequenceNode}.get(kind, ScalarNode)
    return node.tag == TAG + kind and isinstance(node, shape)
