"""Command lines that a form makes, each word with the field that it comes from."""

from __future__ import annotations

import shlex
from collections.abc import Container, Iterable
from dataclasses import dataclass

from norouter_core.commands.tokenizer import TokenError, tokenize
from norouter_core.exec_commands.pasted import is_exec_command, normalize
from norouter_core.model import split_cmd
from norouter_tui.screen.quoting import word


@dataclass(frozen=True, slots=True)
class Said:
    """One word of a line, and the key of its field; empty for the verb's own words."""

    text: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One command line."""

    words: tuple[Said, ...]

    @property
    def line(self) -> str:
        """As it is run."""
        return " ".join(self._texts())

    def redacted(self, secret: Container[str]) -> str:
        """The line without the values of some fields."""
        shown = zip(self.words, self._texts(), strict=True)
        return " ".join("***" if said.key in secret else text for said, text in shown)

    def key_at(self, column: int) -> str:
        """The field to blame for what is wrong at a 1-based column; empty for none of them."""
        end = 0
        for said, text in zip(self.words, self._texts(), strict=True):
            end += len(text) + 1
            if column <= end:
                return said.key
        return self.words[-1].key if self.words else ""

    def _texts(self) -> list[str]:
        """The words with the quotes that they need: of what follows `--` none is an option."""
        dashes = Said("--")
        at = self.words.index(dashes) if dashes in self.words else len(self.words)
        return [
            said.text if not said.key else shlex.quote(said.text) if i > at else word(said.text)
            for i, said in enumerate(self.words)
        ]


def sentence(verb: str, *words: Said | Iterable[Said]) -> Sentence:
    """A line of a verb and what follows it."""
    said = [Said(each) for each in verb.split()]
    for each in words:
        said += [each] if isinstance(each, Said) else each
    return Sentence(tuple(said))


def option(flag: str, text: str, key: str) -> tuple[Said, Said]:
    """`--flag TEXT`."""
    return Said(flag), Said(text, key)


def split(text: str) -> tuple[str, ...]:
    """The words of a field that holds several; in one piece where they cannot be told apart."""
    try:
        return tuple(word.text for word in tokenize(text))
    except TokenError:
        return (text,)


def joined(words: Iterable[str]) -> str:
    """Words as a field shows them."""
    return shlex.join(words)


def command_text(cmd: str | tuple[str, ...] | None) -> str:
    """A host's command as it is typed; empty for this machine."""
    return cmd if isinstance(cmd, str) else joined(split_cmd(cmd) or ())


def command_words(text: str) -> tuple[str, ...]:
    """The words of a command that was typed or pasted, as a host needs it: stdin passed on, no
    terminal, no `$` of a prompt in front."""
    words = split(text.removeprefix("$ "))
    return normalize(words) if is_exec_command(words) else words
