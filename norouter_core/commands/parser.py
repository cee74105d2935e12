"""A line to a call that has been checked, or to a `Failure` that says what is wrong and where."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from norouter_core.commands import filters
from norouter_core.commands.argument_types import ArgumentType, convert
from norouter_core.commands.registry import BY_WORDS, FIRST_WORDS, LONGEST
from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import TokenError, Word, tokenize
from norouter_core.commands.verb import Argument, Option, Verb
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.pasted import begins_with_program, is_exec_command
from norouter_core.manifest.problems import ValidationError
from norouter_core.manifest.values import closest
from norouter_core.sanitize import quote

HELP = BY_WORDS["help",]
_HOST_ADD = BY_WORDS["host", "add"]


class ParseError(NorouterError):
    """A line that is no call."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class ParsedValue:
    """One value as it was said; `column` is 1-based in the line."""

    value: Any
    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    """A verb with its values, by the names of its arguments and options.

    `pasted`: the line was an exec command alone.
    """

    verb: Verb
    values: Mapping[str, tuple[ParsedValue, ...]] = field(default_factory=dict)
    pasted: bool = False

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        """The one value of an argument or option; `default` where it was not said."""
        found = self.values.get(name)
        return found[0].value if found else default

    def all(self, name: str) -> tuple[Any, ...]:
        """Every value of an argument or option, in their order."""
        return tuple(one.value for one in self.values.get(name, ()))

    def column(self, name: str, number: int = 0) -> int:
        """Where a value stands in the line; 0 where it was not said."""
        found = self.values.get(name, ())
        return found[min(number, len(found) - 1)].column if found else 0


def parse(line: str) -> Call | None:
    """The call that a line is; None for a blank or a comment.

    Raises:
        ParseError: it is none. Nothing else, whatever the line may be.
    """
    try:
        words = tokenize(line)
    except TokenError as bad:
        raise ParseError(Failure(bad.message, bad.index + 1, bad.hint)) from None
    if not words:
        return None
    verb, taken = _verb(words)
    if verb is None:
        if is_exec_command([word.text for word in words]):
            said = tuple(ParsedValue(word.text, word.text, word.start + 1) for word in words)
            return Call(_HOST_ADD, {"cmd": said}, pasted=True)
        raise _unknown(words)
    return _Reading(verb, words[taken:], words[taken - 1].end).call()


def wants_json(line: str) -> bool:
    """Whether a line asks for its rows as JSON."""
    call = parse_or_none(line)
    return call is not None and "json" in call


def ends_session(line: str) -> bool:
    """Whether a line asks for the end of the session."""
    call = parse_or_none(line)
    return call is not None and call.verb.name == "quit"


def parse_or_none(line: str) -> Call | None:
    """As `parse` has it; None also for a line that is no call."""
    try:
        return parse(line)
    except ParseError:
        return None


def find_verb(words: Sequence[str]) -> tuple[Verb | None, int]:
    """The verb that words begin with, and how many of them are its own."""
    for count in range(min(LONGEST, len(words)), 0, -1):
        verb = BY_WORDS.get(tuple(words[:count]))
        if verb is not None:
            return verb, count
    return None, 0


def _verb(words: Sequence[Word]) -> tuple[Verb | None, int]:
    return find_verb([word.text for word in words[:LONGEST]])


def _unknown(words: Sequence[Word]) -> ParseError:
    first = words[0].text
    seconds = sorted(w[1] for w in BY_WORDS if w[0] == first and len(w) > 1)
    if seconds:
        if len(words) == 1:
            hint = f"say {first} with one of: {', '.join(seconds)}"
            return ParseError(Failure(f"{first} what?", words[0].end + 1, hint))
        second = words[1]
        near = closest(second.text, seconds)
        hint = f"did you mean {first} {near}?" if near else f"one of: {', '.join(seconds)}"
        message = f"there is no verb {quote(f'{first} {second.text}')}"
        return ParseError(Failure(message, second.start + 1, hint))
    if begins_with_program([word.text for word in words]):
        message = f"{quote(' '.join(word.text for word in words))} leads to no host"
        hint = "an exec command does, such as `docker exec -i NAME` or `ssh NAME`"
        return ParseError(Failure(message, words[0].start + 1, hint))
    if first == "$":
        hint = "leave out the `$`, which is a shell's prompt"
        return ParseError(Failure(f"there is no verb {quote(first)}", words[0].start + 1, hint))
    names = sorted(FIRST_WORDS)
    near_names = difflib.get_close_matches(first[:64].lower(), names, n=1)
    hint = f"did you mean {near_names[0]}?" if near_names else "`help` lists the verbs"
    return ParseError(Failure(f"there is no verb {quote(first)}", words[0].start + 1, hint))


class _Reading:
    """Takes the words after a verb apart."""

    def __init__(self, verb: Verb, words: Sequence[Word], end: int) -> None:
        self._verb = verb
        self._words = words
        self._end = end
        self._options = {option.flag: option for option in verb.all_options}
        self._said: dict[str, list[ParsedValue]] = {}
        self._places: list[Word] = []

    def call(self) -> Call:
        at = 0
        while at < len(self._words):
            word = self._words[at]
            if word.text == "--" and not word.quoted:
                self._command(self._words[at + 1 :], word)
                break
            if word.text in ("--help", "-h") and not word.quoted:
                name = tuple(ParsedValue(w, w, 1) for w in self._verb.words)
                return Call(HELP, {"verb": name})
            at = self._option(at) if _is_option(word) else self._place(at)
        self._arguments()
        return Call(self._verb, {name: tuple(said) for name, said in self._said.items()})

    def _place(self, at: int) -> int:
        self._places.append(self._words[at])
        return at + 1

    def _option(self, at: int) -> int:
        word = self._words[at]
        flag, equals, text = word.text.partition("=")
        option = self._options.get(flag)
        if option is None:
            near = closest(flag, self._options)
            hint = f"did you mean {near}?" if near else self._usage()
            raise self._wrong(word, f"{self._verb.name} has no option {quote(flag)}", hint)
        if option.name in self._said and not option.many:
            raise self._wrong(word, f"{flag} is said twice", "say it once")
        if option.type is None:
            if equals:
                raise self._wrong(word, f"{flag} takes no value", f"write {flag} alone")
            self._add(option, True, word)
            return at + 1
        if equals:
            offset = len(flag) + 1
            self._value(option, Word(text, word.index(offset), word.end, word.quoted))
            return at + 1
        if at + 1 == len(self._words) or self._words[at + 1].text == "--":
            raise self._wrong(word, f"{flag} needs a value: {option.about}", self._usage())
        self._value(option, self._words[at + 1])
        return at + 2

    def _arguments(self) -> None:
        left = list(self._places)
        for argument in self._verb.arguments:
            if argument.type is ArgumentType.CMD:
                if argument.name not in self._said and not argument.optional:
                    raise self._missing(argument)
            elif not left:
                if not argument.optional:
                    raise self._missing(argument)
            elif argument.many:
                self._many(argument, left)
                left = []
            else:
                self._value(argument, left.pop(0))
        if left:
            raise self._surplus(left[0])

    def _many(self, argument: Argument, words: Sequence[Word]) -> None:
        if argument.type is not ArgumentType.FILTER:
            for word in words:
                self._value(argument, word)
            return
        try:
            self._add(argument, filters.build(words), words[0])
        except TokenError as bad:
            raise ParseError(Failure(bad.message, bad.index + 1, bad.hint)) from None

    def _command(self, words: Sequence[Word], dashes: Word) -> None:
        argument = next((a for a in self._verb.arguments if a.type is ArgumentType.CMD), None)
        if argument is None:
            raise self._wrong(dashes, f"{self._verb.name} takes no command", self._usage())
        if not words or not words[0].text:
            raise self._wrong(dashes, "no command follows the `--`", "write one after it")
        for word in words:
            self._add(argument, word.text, word)

    def _value(self, of: Argument | Option, word: Word) -> None:
        assert of.type is not None
        try:
            found = convert(of.type, word.text)
        except ValidationError as refused:
            hint = refused.hint or f"{of.name}: {of.about}"
            raise self._wrong(word, refused.message, hint) from None
        self._add(of, found, word)

    def _add(self, of: Argument | Option, found: Any, word: Word) -> None:
        self._said.setdefault(of.name, []).append(ParsedValue(found, word.text, word.start + 1))

    def _surplus(self, word: Word) -> ParseError:
        hint = self._usage()
        if any(argument.type is ArgumentType.CMD for argument in self._verb.arguments):
            texts = [each.text for each in self._words]
            begins = (at for at in range(len(texts)) if is_exec_command(texts[at:]))
            first = next(begins, None)
            word = word if first is None else self._words[first]
            hint = f"write `--` in front of the command: -- {word.text} ..."
        return self._wrong(word, f"{quote(word.text)} is one word too many", hint)

    def _missing(self, argument: Argument) -> ParseError:
        what = "`--` and a command" if argument.type is ArgumentType.CMD else argument.name.upper()
        message = f"{self._verb.name} needs {what}: {argument.about}"
        end = self._words[-1].end if self._words else self._end
        return ParseError(Failure(message, end + 1, self._usage()))

    def _wrong(self, word: Word, message: str, hint: str) -> ParseError:
        return ParseError(Failure(message, word.start + 1, hint))

    def _usage(self) -> str:
        return f"usage: {self._verb.usage}"


def _is_option(word: Word) -> bool:
    return word.text.startswith("--") and len(word.text) > 2 and not word.quoted
