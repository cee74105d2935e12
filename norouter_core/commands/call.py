"""A command as a value: a verb and its checked arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from norouter_core.commands.argument_types import ArgumentType, convert, to_text
from norouter_core.commands.filters import Filter, FilterError, build_filter
from norouter_core.commands.registry import BY_WORDS
from norouter_core.commands.results import Failure
from norouter_core.commands.tokenizer import quote_word
from norouter_core.commands.verb import Argument, Option, Verb
from norouter_core.errors import NorouterError
from norouter_core.manifest.problems import ValidationError
from norouter_core.sanitize import quote

Json = dict[str, Any]

_HIDDEN = "***"


class CallError(NorouterError):
    """Values that make no call. `failure` says which one is wrong, and `offset` where in it."""

    def __init__(self, failure: Failure, offset: int = 0) -> None:
        super().__init__(failure.message)
        self.failure, self.offset = failure, offset


@dataclass(frozen=True, slots=True)
class Call:
    """A verb with its converted values, by the names of its arguments and options.

    A flag has the value True. With `pasted`, the text was an exec command alone, without
    `host add` in front.
    """

    verb: Verb
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    pasted: bool = False

    @classmethod
    def build(
        cls, verb: str, values: Mapping[str, object] | None = None, /, **more: object
    ) -> Call:
        """Return the call of a verb, from texts or values.

        Each value is a text, a value such as `convert` returns, or a sequence of those. None, False
        and empty sequences are left out. In keywords, `_` stands for the `-` of a name.

        Raises:
            CallError: A value breaks the rule of its argument, one is missing, or one is unknown.
        """
        found = BY_WORDS.get(tuple(verb.split()))
        if found is None:
            raise CallError(Failure(f"unknown command {quote(verb)}"))
        given = dict(values or {})
        given.update((name.replace("_", "-"), value) for name, value in more.items())
        return checked_call(
            found, {name: _texts(found, name, each) for name, each in given.items()}
        )

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of an argument or option, or `default` if it was not given."""
        found = self.values.get(name)
        return found[0] if found else default

    def all(self, name: str) -> tuple[Any, ...]:
        """Return every value of an argument or option, in order."""
        return self.values.get(name, ())

    def replace(self, name: str, *values: Any) -> Call:
        """Return this call with other values of one argument or option."""
        return replace(self, values={**self.values, name: values})

    def words(self, *, redact: bool = False) -> tuple[str, ...]:
        """Return the canonical words: verb, arguments, options, `--` and a command.

        Args:
            redact: Hide the values of type `AUTH`.
        """
        return tuple(text for text, _ in self._words(redact))

    def line(self, *, redact: bool = False) -> str:
        """Return the canonical line. Unless redacted, it parses to an equal call."""
        return " ".join(
            _quote_value(text) if value else quote_word(text) for text, value in self._words(redact)
        )

    def _words(self, redact: bool) -> Iterable[tuple[str, bool]]:
        """Yield each word, and whether it is a value that must not be mistaken for an option."""
        command = next((a for a in self.verb.arguments if a.type is ArgumentType.CMD), None)
        if not self.pasted:
            yield from ((word, False) for word in self.verb.words)
        for argument in self.verb.arguments:
            if argument is not command:
                yield from ((text, True) for text in self._texts(argument, redact))
        for option in self.verb.all_options:
            if option.type is None:
                yield from [(option.flag, False)] if option.name in self.values else []
            for text in self._texts(option, redact) if option.type is not None else ():
                yield option.flag, False
                yield text, True
        if command is not None and command.name in self.values:
            if not self.pasted:
                yield "--", False
            yield from ((text, False) for text in self.values[command.name])

    def _texts(self, of: Argument | Option, redact: bool) -> Sequence[str]:
        return [
            _HIDDEN if redact and of.type is ArgumentType.AUTH else text
            for value in self.all(of.name)
            for text in _value_texts(of, value)
        ]

    def to_json(self) -> Json:
        """Return `{"verb": "host add", "values": {"name": ["web"], "wait": true}}`."""
        values: Json = {}
        for each in self.verb.parameters:
            if each.name in self.values:
                flag = isinstance(each, Option) and each.type is None
                values[each.name] = True if flag else list(self._texts(each, redact=False))
        pasted = {"pasted": True} if self.pasted else {}
        return {"verb": self.verb.name, "values": values, **pasted}

    @classmethod
    def from_json(cls, value: object) -> Call:
        """Return the call that `to_json` wrote.

        Raises:
            CallError: The value is not a call.
        """
        verb = value.get("verb") if isinstance(value, dict) else None
        values = value.get("values", {}) if isinstance(value, dict) else None
        if not isinstance(verb, str) or not isinstance(values, dict):
            raise CallError(Failure("a call needs a 'verb' and an object of 'values'"))
        found = BY_WORDS.get(tuple(verb.split()))
        texts: dict[str, object] = {}
        for name, each in values.items():
            parameter = found.parameter(name) if found is not None else None
            is_flag = parameter is not None and parameter.type is None
            texts[name] = (
                [_from_json_value(name, one, is_flag) for one in each]
                if isinstance(each, list)
                else _from_json_value(name, each, is_flag)
            )
        call = cls.build(verb, texts)
        pasted = isinstance(value, dict) and value.get("pasted") is True
        if pasted and (call.verb.words != ("host", "add") or set(call.values) != {"cmd"}):
            raise CallError(Failure("only an exec command alone can be pasted"))
        return replace(call, pasted=pasted)


def _from_json_value(name: str, value: object, is_flag: bool) -> object:
    """Return a JSON value as a text, which the rule of its argument then checks, or a flag."""
    if isinstance(value, bool) and is_flag:
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise CallError(Failure("a value must be a string or a number", name))
    text = str(value)
    if bad := unusable_character(text):
        raise CallError(Failure(f"the value contains {bad}", name))
    return text


build_call: Callable[..., Call] = Call.build


def checked_call(verb: Verb, texts: Mapping[str, Sequence[str] | bool]) -> Call:
    """Return the call of a verb, from the texts of its values.

    Raises:
        CallError: As `Call.build`.
    """
    known = {each.name: each for each in verb.parameters}
    for name in texts:
        if name not in known:
            raise CallError(Failure(f"{verb.name} has no argument {quote(name)}", name))
    values: dict[str, tuple[Any, ...]] = {}
    for name, of in known.items():
        given = texts.get(name, ())
        if given:
            values[name] = _converted(verb, of, given)
        elif isinstance(of, Argument) and not of.optional:
            raise CallError(missing_argument(verb, of))
    return Call(verb, values)


def missing_argument(verb: Verb, argument: Argument) -> Failure:
    """Return the failure for an argument that was not given."""
    what = "a command after `--`" if argument.type is ArgumentType.CMD else argument.name.upper()
    message = f"{verb.name}: missing {what}"
    return Failure(message, argument.name, hint=f"usage: {verb.usage}")


def unusable_character(text: str) -> str:
    """Return what no word can contain and `text` does; empty if there is nothing."""
    if "\0" in text:
        return "a NUL character"
    return "half a surrogate pair" if any("\ud800" <= char <= "\udfff" for char in text) else ""


def _converted(verb: Verb, of: Argument | Option, texts: Sequence[str] | bool) -> tuple[Any, ...]:
    if of.type is None or isinstance(texts, bool):
        if of.type is None and texts is True:
            return (True,)
        message = f"--{of.name} takes no value" if of.type is None else f"{of.name} needs a value"
        raise CallError(Failure(message, of.name))
    if of.type is ArgumentType.FILTER:
        try:
            return (build_filter(texts),)
        except FilterError as error:
            failure = Failure(error.message, of.name, error.term, error.hint)
            raise CallError(failure, error.offset) from None
    if len(texts) > 1 and not of.many and of.type is not ArgumentType.CMD:
        raise CallError(Failure(f"{verb.name} takes one {of.name}", of.name, 1))
    if of.type is ArgumentType.CMD and not texts[0]:
        raise CallError(Failure("the command is empty", of.name))
    return tuple(_value(of, index, text) for index, text in enumerate(texts))


def _value(of: Argument | Option, index: int, text: str) -> Any:
    assert of.type is not None
    try:
        return convert(of.type, text)
    except ValidationError as error:
        hint = error.hint or f"{of.name}: {of.about}"
        raise CallError(Failure(error.message, of.name, index, hint)) from None


def _texts(verb: Verb, name: str, value: object) -> Sequence[str] | bool:
    """Return the texts of the values given for a name; True for a flag."""
    if value is None or value is False:
        return ()
    of = verb.parameter(name)
    if value is True:
        return ("on",) if of is not None and of.type is ArgumentType.SWITCH else True
    many = value if isinstance(value, list | tuple) else (value,)
    return [text for each in many for text in _value_texts(of, each)]


def _value_texts(of: Argument | Option | None, value: Any) -> Sequence[str]:
    if isinstance(value, Filter):
        return value.terms
    if isinstance(value, str) or of is None or of.type is None:
        return (str(value),)
    return (to_text(of.type, value),)


def _quote_value(text: str) -> str:
    """Return a value as a word that is no option: a quoted word never is one."""
    word = quote_word(text)
    return f"'{text}'" if word == text and (text.startswith("--") or text == "-h") else word
