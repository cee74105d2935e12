"""The shape of an exec command: which programs stand in which, at what they aim, what they do
with stdio, and how the command reads once its mistake is mended."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from norouter_core.exec_commands.programs import GRAMMARS, ProgramGrammar

_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"})
_AGENT_TAIL = ("agent", "--automated")
_NEVER_ASKS = re.compile(r"(?i)\s*(?:BatchMode|StrictHostKeyChecking|NumberOfPasswordPrompts)\b")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True, slots=True)
class CommandOption:
    """One option as read: `name` is `-t` or `--tty`, `at` the index of the word it stands in."""

    name: str
    value: str
    at: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One known program within the command, e.g. the `docker exec -i web` of
    `ssh build docker exec -i web`. `at` (its own word), `verb_at` and `end` (the word after its
    last) are indices into `Command.words`."""

    program: str
    grammar: ProgramGrammar
    at: int
    verb_at: int
    end: int
    target: str
    options: tuple[CommandOption, ...]

    def having(self, names: Sequence[str] | frozenset[str]) -> list[CommandOption]:
        """The options of these names; `--tty=false` counts as not given."""
        return [o for o in self.options if o.name in names and o.value != "false"]

    @property
    def makes_tty(self) -> bool:
        if self.grammar.no_tty:
            return not self.having(self.grammar.no_tty)
        return len(self.having(self.grammar.tty)) >= self.grammar.tty_times

    @property
    def lacks_stdin(self) -> bool:
        missing = bool(self.grammar.stdin) and not self.having(self.grammar.stdin)
        return missing or bool(self.having(self.grammar.deaf))


@dataclass(frozen=True, slots=True)
class ExecCommand:
    """An exec command taken apart: `run` as it was run, `words` without what was appended.

    `opaque` is True where a program is not known, so that anything may be hidden in it.
    """

    run: tuple[str, ...]
    words: tuple[str, ...]
    layers: tuple[Layer, ...]
    opaque: bool

    @classmethod
    def parse(cls, argv: Sequence[str]) -> ExecCommand:
        """Takes `argv` as it was run: with `sh` or `agent --automated` at its end."""
        words = list(_without_tail(argv))
        layers: list[Layer] = []
        at = 0
        while at < len(words) and (program := _name(words[at])) in GRAMMARS:
            layer, at = _read(words, at, program)
            layers.append(layer)
            if layer.grammar.joins:
                words[at:] = _split_again(words[at:])
        hidden = at < len(words) and _name(words[at]) not in _SHELLS | {"norouter"}
        return cls(tuple(argv), tuple(words), tuple(layers), opaque=hidden)

    @property
    def ends_in_norouter(self) -> bool:
        return bool(self.words) and _name(self.words[-1]) == "norouter"

    @property
    def shell_tail(self) -> tuple[str, ...]:
        """A shell with options at the command's end, such as `bash -l`: what is put after it is
        taken for the name of a script; also a shell that is the whole command. Empty where there is
        none, and for `sh -s` and `sh -c`, a wrapper that may run what follows."""
        at = self.layers[-1].end if self.layers else 0
        tail = self.words[at:]
        alone = len(self.words) == 1
        if not tail or (len(tail) < 2 and not alone) or _name(tail[0]) not in _SHELLS:
            return ()
        plain = all(
            word.startswith("--") or (word.startswith("-") and not set(word) & set("cs"))
            for word in tail[1:]
        )
        return tail if plain else ()

    def before_shell(self) -> str:
        """The command without its `shell_tail`."""
        return shlex.join(self.words[: len(self.words) - len(self.shell_tail)])

    def undashed(self) -> Layer | None:
        """A `kubectl exec` without the `--` that has to part the pod from what is run there."""
        for layer in self.layers:
            words = self.words[layer.at : layer.end]
            if layer.grammar.dashes and "exec" in words and "--" not in words:
                return layer
        return None

    def asking(self, layer: Layer) -> str:
        """The command up to the layer's target, without the options that forbid ssh to ask."""
        words: list[str | None] = list(self.words[: layer.end])
        for option in layer.having(("-o",)):
            if _NEVER_ASKS.match(option.value):
                words[option.at] = None
                if self.words[option.at] == "-o":
                    words[option.at + 1] = None
        return shlex.join(word for word in words if word is not None)

    def layer(self, programs: frozenset[str] = frozenset()) -> Layer | None:
        """The innermost layer of one of these programs; of any that aims at something if none."""
        fitting = [
            x for x in self.layers if (x.program in programs if programs else x.grammar.noun)
        ]
        return fitting[-1] if fitting else None

    def may_run(self, programs: frozenset[str]) -> bool:
        """Whether one of the programs is in this command, or may be."""
        return not programs or self.opaque or any(x.program in programs for x in self.layers)

    def base(self, layer: Layer) -> str:
        """The command up to and without the layer's verb: `ssh build sudo docker`."""
        end = layer.verb_at if layer.verb_at > layer.at else layer.at + 1
        kept = list(self.words[:end])
        if layer.grammar.noun == "pod":
            kept += self._namespace(layer, end)
        return shlex.join(kept)

    def _namespace(self, layer: Layer, end: int) -> Iterator[str]:
        for option in layer.having(("-n", "--namespace", "--context", "--kubeconfig")):
            if option.at >= end:
                yield from (option.name, option.value)

    def without_tty(self) -> tuple[str, str]:
        """What to change so that no terminal is made, and the command so changed.

        Both are empty where nothing in the words asks for a terminal.
        """
        drops = [o for layer in self.layers for o in layer.having(layer.grammar.tty)]
        adds = [x for x in self.layers if x.grammar.no_tty and x.makes_tty]
        phrases = list(dict.fromkeys(self._drop_phrase(o) for o in drops))
        phrases += [f"add `{x.grammar.no_tty[0]}`" for x in adds]
        return " and ".join(phrases), self.mended() if phrases else ""

    def with_stdin(self) -> tuple[str, str]:
        """What to change so that stdin is passed on, and the command so changed."""
        lacking = [x for x in self.layers if x.lacks_stdin]
        drops = [o for x in lacking for o in x.having(x.grammar.deaf)]
        phrases = list(dict.fromkeys(self._drop_phrase(o) for o in drops))
        for layer in lacking:
            if layer.grammar.stdin and not layer.having(layer.grammar.stdin):
                phrases.append(f"add `{layer.grammar.stdin[0]}`")
        return " and ".join(phrases), self.mended() if phrases else ""

    def mended(self) -> str:
        """The command with stdin passed on, no terminal made, and `--` where it is needed."""
        words: list[str | None] = list(self.words)
        for layer in self.layers:
            for option in layer.having(layer.grammar.tty | layer.grammar.deaf):
                words[option.at] = _without(words[option.at], option.name)
        undashed = self.undashed()
        for layer in reversed(self.layers):
            if layer is undashed:
                words.insert(layer.end, "--")
            for needed in (layer.grammar.no_tty, layer.grammar.stdin):
                if needed and not layer.having(needed):
                    words.insert(max(layer.verb_at, layer.at) + 1, needed[0])
        return shlex.join(w for w in words if w is not None)

    def _drop_phrase(self, option: CommandOption) -> str:
        word = self.words[option.at]
        letter = option.name.lstrip("-")
        whole = word.startswith("--") or set(word[1:]) == {letter}
        return f"drop `{word}`" if whole else f"drop `{letter}` from `{word}`"


def _without_tail(argv: Sequence[str]) -> Sequence[str]:
    if tuple(argv[-2:]) == _AGENT_TAIL:
        return argv[:-2]
    return argv[:-1] if argv and argv[-1] == "sh" else argv


def _name(word: str) -> str:
    return re.split(r"[/\\]", word)[-1].removesuffix(".exe")


def _split_again(words: list[str]) -> list[str]:
    try:
        return shlex.split(" ".join(words))
    except ValueError:
        return words


def _without(word: str | None, name: str) -> str | None:
    """The option word `-it` without `-t` is `-i`; without its only letter it is gone."""
    if word is None or word.startswith("--"):
        return None
    left = word[1:].replace(name[1:], "")
    return f"-{left}" if left else None


def _read(words: Sequence[str], at: int, program: str) -> tuple[Layer, int]:
    """Reads one program's words from `at`: its layer, and where the next program stands."""
    grammar = GRAMMARS[program]
    options: list[CommandOption] = []
    targets: list[str] = []
    verb_at, literal, index = at, False, at + 1
    while index < len(words):
        word = words[index]
        if word == "--" and not literal:
            literal = True
            index += 1
            if len(targets) >= grammar.targets:
                break
        elif word.startswith("-") and word != "-" and not literal:
            found, index = _options(words, index, grammar)
            options += found
        elif grammar.assignments and _ASSIGNMENT.match(word):
            index += 1
        elif not targets and word in grammar.switch:
            program = grammar.switch[word]
            grammar, verb_at, index = GRAMMARS[program], index + 1, index + 1
        elif not targets and word in grammar.verbs:
            verb_at, index = index, index + 1
        elif len(targets) < grammar.targets:
            targets.append(word)
            index += 1
            if len(targets) == grammar.targets and not grammar.interspersed:
                break
        else:
            break
    target = targets[0] if targets else _optional_target(grammar, options)
    return Layer(program, grammar, at, verb_at, index, target, tuple(options)), index


def _options(
    words: Sequence[str], at: int, grammar: ProgramGrammar
) -> tuple[list[CommandOption], int]:
    """The options in one word, which may be a cluster such as `-itu nobody`; where to go on."""
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else ""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if name in grammar.values and not equals:
            return [CommandOption(name, following, at)], at + 2
        return [CommandOption(name, value, at)], at + 1
    found: list[CommandOption] = []
    for place, letter in enumerate(word[1:], start=2):
        if f"-{letter}" in grammar.values:
            attached = word[place:]
            found.append(CommandOption(f"-{letter}", attached or following, at))
            return found, at + (1 if attached else 2)
        found.append(CommandOption(f"-{letter}", "", at))
    return found, at + 1


def _optional_target(grammar: ProgramGrammar, options: Sequence[CommandOption]) -> str:
    named = (o.value for name in grammar.target_options for o in options if o.name == name)
    return next((value for value in named if value), "")
