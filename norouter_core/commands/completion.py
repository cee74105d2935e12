"""What can be at the cursor: the types of argument expected there, and their fixed words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from norouter_core.commands.argument_types import ArgumentType, choices
from norouter_core.commands.filters import FIELDS
from norouter_core.commands.parser import find_verb
from norouter_core.commands.registry import BY_WORDS
from norouter_core.commands.tokenizer import Tail, tail
from norouter_core.commands.verb import Argument, Option, Verb

Word = tuple[str, str]
"""A word to offer, and a short description."""


@dataclass(frozen=True, slots=True)
class CompletionContext:
    """What is expected at the cursor.

    `words` are offered as they are; a session adds what it has of `kinds`. `host` is the host that
    the line names, for its ports. `command` has the words of an exec command before the cursor, or
    is None.
    """

    tail: Tail
    words: tuple[Word, ...] = ()
    kinds: tuple[ArgumentType, ...] = ()
    host: str = ""
    command: tuple[str, ...] | None = None
    given: frozenset[str] = frozenset()
    """Words that the line already contains."""


def completion_context(line: str, cursor: int) -> CompletionContext:
    """Analyze a line up to the cursor. Never raises."""
    end = tail(line, cursor)
    if end.comment:
        return CompletionContext(end)
    texts = [word.text for word in end.words]
    verb, taken = find_verb(texts)
    longer = _longer(texts)
    if verb is None:
        if texts and not longer:
            return CompletionContext(end, command=tuple(texts))
        return CompletionContext(end, longer, command=() if not texts else None)
    rest = texts[taken:]
    found = _within(verb, rest, end)
    if longer and not rest:
        return CompletionContext(
            end, (*longer, *found.words), found.kinds, found.host, found.command
        )
    return found


def _longer(texts: Sequence[str]) -> tuple[Word, ...]:
    """Return the next words of the verbs that begin with some words."""
    count = len(texts)
    found: dict[str, str] = {}
    for words, verb in BY_WORDS.items():
        if len(words) > count and list(words[:count]) == list(texts):
            more = len(words) > count + 1
            found.setdefault(words[count], "..." if more else verb.summary)
    return tuple(sorted(found.items()))


def _within(verb: Verb, rest: Sequence[str], end: Tail) -> CompletionContext:
    if "--" in rest:
        at = rest.index("--")
        takes = any(a.type is ArgumentType.CMD for a in verb.arguments)
        exec_command = takes and verb.words[0] == "host"
        return CompletionContext(end, command=tuple(rest[at + 1 :]) if exec_command else None)
    options = {option.flag: option for option in verb.all_options}
    flag, equals, _ = end.prefix.partition("=")
    if equals and flag in options:
        return _of(end, options[flag], "", offset=len(flag) + 1)
    if rest and (before := options.get(rest[-1])) is not None and before.type is not None:
        return _of(end, before, "")
    places = _places(rest, options)
    if end.prefix.startswith("-"):
        return CompletionContext(end, _flags(verb, rest))
    places_left = [a for a in verb.arguments if a.type is not ArgumentType.CMD]
    argument = _at(places_left, len(places))
    if argument is None:
        return CompletionContext(end, _flags(verb, rest))
    host = places[0] if places and places_left[0].type is ArgumentType.HOST else ""
    found = _of(end, argument, host, given=frozenset(places))
    if not end.prefix and (argument.optional or (argument.many and len(places) > 0)):
        return CompletionContext(found.tail, (*found.words, *_flags(verb, rest)), found.kinds, host)
    return found


def _at(arguments: Sequence[Argument], count: int) -> Argument | None:
    if count < len(arguments):
        return arguments[count]
    return arguments[-1] if arguments and arguments[-1].many else None


def _places(rest: Sequence[str], options: dict[str, Option]) -> list[str]:
    """Return the words that are neither options nor their values."""
    found, skip = [], False
    for text in rest:
        if skip:
            skip = False
        elif text in options:
            skip = options[text].type is not None
        elif not text.startswith("--"):
            found.append(text)
    return found


def _flags(verb: Verb, rest: Sequence[str]) -> tuple[Word, ...]:
    flags = [(o.flag, o.about) for o in verb.all_options if o.many or o.flag not in rest]
    if any(argument.type is ArgumentType.CMD for argument in verb.arguments):
        flags.append(("--", "the command follows"))
    return tuple(flags)


_NOTHING: frozenset[str] = frozenset()


def _of(
    end: Tail,
    what: Argument | Option,
    host: str,
    offset: int = 0,
    given: frozenset[str] = _NOTHING,
) -> CompletionContext:
    kind = what.type
    assert kind is not None
    if offset:
        end = Tail(end.words, end.prefix[offset:], end.start + offset)
    words = tuple((word, what.about) for word in choices(kind))
    if kind is ArgumentType.FILTER:
        words = _filter_words(end.prefix)
    elif kind is ArgumentType.VERB:
        words = _longer([word.text for word in end.words[1:]])
    return CompletionContext(end, words, (kind,), host, given=given)


def _filter_words(prefix: str) -> tuple[Word, ...]:
    name, colon, _ = prefix.lstrip("!").partition(":")
    bang = "!" if prefix.startswith("!") else ""
    field = FIELDS.get(name)
    if colon and field is not None:
        return tuple((f"{bang}{name}:{word}", "") for word in field.words)
    return tuple((f"{bang}{n}{':' if f.texts else '>'}", f.about) for n, f in FIELDS.items())
