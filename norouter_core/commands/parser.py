"""Text to calls, for the edges that read text: the REPL and scripts, `ctl`, the `:` prompt."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.call import Call, CallError, checked_call
from norouter_core.commands.registry import BY_WORDS, FIRST_WORDS, MAX_WORDS
from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import TokenError, Word, join, tokenize
from norouter_core.commands.verb import Verb
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.pasted import begins_with_program, is_exec_command
from norouter_core.manifest.values import closest
from norouter_core.sanitize import quote

HELP = BY_WORDS["help",]
MAX_LINE_WORDS = 8192
"""The meaning of more would take the loop too long to find out."""
_HOST_ADD = BY_WORDS["host", "add"]
_SEARCHED = 32
"""Words of a line among which a command that lacks its `--` is looked for."""


class ParseError(NorouterError):
    """A text that is no call. `column` is 1-based."""

    def __init__(self, failure: Failure, column: int) -> None:
        super().__init__(failure.message)
        self.failure, self.column = failure, column


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A call with the text that it was, and where its values are in there."""

    call: Call
    text: str
    places: Mapping[str, tuple[Word, ...]] = field(default_factory=dict)

    def column_of(self, failure: Failure) -> int:
        """Return the 1-based column of what a failure blames; 0 if that is not in the text."""
        words = self.places.get(failure.argument, ())
        return words[min(failure.index, len(words) - 1)].start + 1 if words else 0


def parse(text: str) -> ParsedLine | None:
    """Return the call that a line is, or None for a blank line or a comment.

    Raises:
        ParseError: The line is no call. Nothing else is raised, whatever the line contains.
    """
    try:
        words = tokenize(text)
    except TokenError as error:
        raise ParseError(Failure(error.message, hint=error.hint), error.index + 1) from None
    if not words:
        return None
    if len(words) > MAX_LINE_WORDS:
        failure = Failure(f"the line has more than {MAX_LINE_WORDS} words")
        raise ParseError(failure, words[MAX_LINE_WORDS].start + 1)
    verb, taken = _verb(words)
    if verb is None:
        if is_exec_command([word.text for word in words]):
            call = Call(_HOST_ADD, {"cmd": tuple(word.text for word in words)}, pasted=True)
            return ParsedLine(call, text, {"cmd": words})
        raise _unknown(words)
    return _Reading(verb, words[taken:], words[taken - 1].end, text).parsed()


def find_verb(words: Sequence[str]) -> tuple[Verb | None, int]:
    """Return the verb that words begin with, and how many of them are its own."""
    for count in range(min(MAX_WORDS, len(words)), 0, -1):
        verb = BY_WORDS.get(tuple(words[:count]))
        if verb is not None:
            return verb, count
    return None, 0


def _verb(words: Sequence[Word]) -> tuple[Verb | None, int]:
    return find_verb([word.text for word in words[:MAX_WORDS]])


def _unknown(words: Sequence[Word]) -> ParseError:
    first = words[0].text
    seconds = sorted(w[1] for w in BY_WORDS if w[0] == first and len(w) > 1)
    if seconds:
        if len(words) == 1:
            hint = f"subcommands: {', '.join(seconds)}"
            return ParseError(Failure(f"{first}: missing subcommand", hint=hint), words[0].end + 1)
        second = words[1]
        near = closest(second.text, seconds)
        hint = f"did you mean {first} {near}?" if near else f"subcommands: {', '.join(seconds)}"
        message = f"unknown command {quote(f'{first} {second.text}')}"
        return ParseError(Failure(message, hint=hint), second.start + 1)
    if begins_with_program([word.text for word in words]):
        message = f"{quote(' '.join(word.text for word in words))} does not lead to a host"
        hint = "an exec command does, such as `docker exec -i NAME` or `ssh NAME`"
    elif first == "$":
        message = f"unknown command {quote(first)}"
        hint = "leave out the `$` of the shell's prompt"
    else:
        message = f"unknown command {quote(first)}"
        near_names = difflib.get_close_matches(first[:64].lower(), sorted(FIRST_WORDS), n=1)
        hint = "`help` lists the commands"
        if near_names:
            hint = f"did you mean {near_names[0]}?"
        elif len(words) > 1:
            command = join([word.text for word in words])
            hint += f"; to add an exec command as a host: host add -- {command}"
    return ParseError(Failure(message, hint=hint), words[0].start + 1)


class _Reading:
    """Sorts the words after a verb into its arguments and options."""

    def __init__(self, verb: Verb, words: Sequence[Word], end: int, text: str) -> None:
        self._verb = verb
        self._words = words
        self._end = words[-1].end if words else end
        self._text = text
        self._options = {option.flag: option for option in verb.all_options}
        self._found: dict[str, list[Word]] = {}
        self._positional: list[Word] = []

    def parsed(self) -> ParsedLine:
        at = 0
        while at < len(self._words):
            word = self._words[at]
            if word.text == "--" and not word.quoted:
                self._command(self._words[at + 1 :], word)
                break
            if word.text in ("--help", "-h") and not word.quoted:
                return ParsedLine(Call(HELP, {"verb": self._verb.words}), self._text)
            if _is_option(word):
                at = self._option(at)
            else:
                self._positional.append(word)
                at += 1
        self._arguments()
        return self._checked()

    def _checked(self) -> ParsedLine:
        flags = {option.name for option in self._options.values() if option.type is None}
        texts: dict[str, Sequence[str] | bool] = {
            name: True if name in flags else [word.text for word in words]
            for name, words in self._found.items()
        }
        try:
            call = checked_call(self._verb, texts)
        except CallError as error:
            failure = error.failure
            words = self._found.get(failure.argument)
            column = words[failure.index].index(error.offset) if words else self._end
            raise ParseError(failure, column + 1) from None
        return ParsedLine(call, self._text, {n: tuple(words) for n, words in self._found.items()})

    def _option(self, at: int) -> int:
        """Take the option at an index; return the index of what follows it."""
        word = self._words[at]
        flag, equals, text = word.text.partition("=")
        option = self._options.get(flag)
        if option is None:
            near = closest(flag, self._options)
            hint = f"did you mean {near}?" if near else self._usage()
            raise self._wrong(word, f"{self._verb.name} has no option {quote(flag)}", hint)
        if option.name in self._found and not option.many:
            raise self._wrong(word, f"{flag} is given twice", "give it once")
        value, after = word, at + 1
        if option.type is None:
            if equals:
                raise self._wrong(word, f"{flag} takes no value", f"write {flag} alone")
        elif equals:
            value = Word(text, word.index(len(flag) + 1), word.end, 0 if word.quoted else None)
        elif after == len(self._words) or _is_dashes(self._words[after]):
            raise self._wrong(word, f"{flag} needs a value: {option.about}", self._usage())
        else:
            value, after = self._words[after], at + 2
        self._found.setdefault(option.name, []).append(value)
        return after

    def _arguments(self) -> None:
        left = list(self._positional)
        for argument in self._verb.arguments:
            if left and argument.type is not ArgumentType.CMD:
                count = len(left) if argument.many else 1
                self._found[argument.name], left = left[:count], left[count:]
        if left:
            raise self._surplus(left[0])

    def _command(self, words: Sequence[Word], dashes: Word) -> None:
        argument = next((a for a in self._verb.arguments if a.type is ArgumentType.CMD), None)
        if argument is None:
            raise self._wrong(dashes, f"{self._verb.name} takes no command", self._usage())
        if not words or not words[0].text:
            raise self._wrong(dashes, "no command follows the `--`", "write one after it")
        self._found[argument.name] = list(words)

    def _surplus(self, word: Word) -> ParseError:
        hint = self._usage()
        if any(argument.type is ArgumentType.CMD for argument in self._verb.arguments):
            texts = [each.text for each in self._words[: 2 * _SEARCHED]]
            starts = range(min(_SEARCHED, len(texts)))
            begins = (at for at in starts if is_exec_command(texts[at : at + _SEARCHED]))
            first = next(begins, None)
            word = word if first is None else self._words[first]
            hint = f"write `--` before the command: -- {word.text} ..."
        return self._wrong(word, f"unexpected argument {quote(word.text)}", hint)

    def _wrong(self, word: Word, message: str, hint: str) -> ParseError:
        return ParseError(Failure(message, hint=hint), word.start + 1)

    def _usage(self) -> str:
        return f"usage: {self._verb.usage}"


def _is_dashes(word: Word) -> bool:
    return word.text == "--" and not word.quoted


def _is_option(word: Word) -> bool:
    """Return whether a word is `--NAME` or `--NAME=VALUE`, without quotes before the value."""
    flag = word.text.partition("=")[0]
    return (
        len(flag) > 2 and flag.startswith("--") and (word.plain is None or word.plain > len(flag))
    )
