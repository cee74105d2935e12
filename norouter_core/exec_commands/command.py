"""The shape of an exec command: the programs in it, the targets they lead to, what they do with
stdio, how the command reads once a mistake is corrected, and what is appended to start an agent.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from norouter_core.exec_commands.programs import (
    GRAMMARS,
    LOCAL,
    REMOTE_OPTIONS,
    ProgramGrammar,
)
from norouter_core.model import AgentMode

ELEVATORS = frozenset({"sudo", "doas"})
SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"})
_SWITCHERS = frozenset({"su", "runuser"})
RUNNING_VERBS = frozenset({"exec", "run", "debug", "ssh", "shell", "enter"})
"""The verbs with which what is appended runs on the target."""
_POD_KINDS = frozenset({"", "pod", "pods", "po"})
_NOROUTER = "norouter"
_AGENT_TAIL = ("agent", "--automated")
_PYTHON = re.compile(r"(?:python|pypy)(?:\d+(?:\.\d+)*)?")
_INTERPRETER_TAIL = ("-I", "-S", "-m", "code", "-q")
"""Has a Python read code from its stdin line by line: no word that a shell would change."""
_COMMAND_TAIL = ("-c", "sh")
_NEVER_ASKS = re.compile(r"(?i)\s*(?:BatchMode|StrictHostKeyChecking|NumberOfPasswordPrompts)\b")
_QUOTING = re.compile(r"['\"\\]")
_WORD = re.compile(r"[^ \t\r\n]+")
_QUOTES = "'\"`‘’“”«»"  # noqa: RUF001  # those of other languages
_MAX_LAYERS = 16
"""Programs in one another; each `ssh` splits all words behind it once more."""
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True, slots=True)
class EngineContainer:
    """A container, and how its engine reaches it."""

    engine: tuple[str, ...]
    """The command up to the engine's verb, as in `sudo -n docker`."""
    name: str
    exec: tuple[str, ...]
    """The command that runs there what is appended to it."""
    user: str
    """Who runs it; empty for the user of the image."""
    reads_tar: bool
    """Whether the engine's `cp` takes a tar archive on its stdin."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to run, and which agent comes up behind it.

    With `AgentMode.NOROUTER` an installed agent answers `argv`, else a bare shell does.
    """

    argv: tuple[str, ...]
    mode: AgentMode
    python: str = ""
    """The only Python that may run the agent; empty for any."""
    interpreter: bool = False
    """Whether `argv` runs a Python, which gets the agent without a shell."""
    tentative: bool = False
    """Whether to wait only briefly for the installed agent, and to insist on a current one, since
    `norouter_core.exec_commands.fallback` has another plan."""
    container: EngineContainer | None = None
    """Where the native agent is copied to, because `argv` has found no shell there."""
    purpose: str = ""
    """What a plan does that follows one that failed, as in `copying the native agent`."""
    otherwise: StartPlan | None = None
    """The plan to follow if this one, and every other way, fails as well."""


def plan_start(argv: tuple[str, ...], mode: AgentMode, python: str = "") -> StartPlan:
    """Return how the agent comes up behind the exec command of a manifest.

    A bare `sh` is appended, unless the command ends in a shell, so nothing has to be quoted whether
    the command hands its arguments on or joins them with spaces. A command that ends in `norouter`
    gets `agent --automated` instead, and the plan is tentative. With `agent: python` or `native`
    the shell replaces that `norouter`. A `python` that is named implies `agent: python`.

    A command that ends in a Python, such as `docker exec -i web python3`, needs no shell.
    """
    argv = as_run(argv)
    if python and mode is AgentMode.AUTO:
        mode = AgentMode.PYTHON
    last = _last_program(argv)
    if mode is AgentMode.NOROUTER or (mode is AgentMode.AUTO and last == _NOROUTER):
        tentative = mode is AgentMode.AUTO
        return StartPlan((*argv, *_AGENT_TAIL), AgentMode.NOROUTER, tentative=tentative)
    if _PYTHON.fullmatch(last) and mode is not AgentMode.NATIVE and not python:
        return StartPlan((*argv, *_INTERPRETER_TAIL), mode, interpreter=True)
    if last == _NOROUTER or _PYTHON.fullmatch(last):
        argv, last = argv[:-1], ""
    if last in SHELLS and len(argv) > 1:
        return StartPlan(argv, mode, python)
    tail = _COMMAND_TAIL if _needs_command_option(argv) else ("sh",)
    return StartPlan((*argv, *tail), mode, python)


def as_run(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command with `env` for variables in front of it, and with the last word of a remote
    command in quotes (`ssh host 'docker exec -i web sh'`) as a word of its own.
    """
    argv = with_env(argv)
    head, _, last = argv[-1].rstrip().rpartition(" ") if argv else ("", "", "")
    is_value = len(argv) > 1 and argv[-2].startswith("-") and argv[-2] != "--"
    if head and not is_value and program_name(last) in SHELLS | {_NOROUTER}:
        layers = ExecCommand.parse(argv[:-1]).layers
        layer = layers[-1] if layers else None
        # Without a target so far, the last word is the target, not a remote command.
        if layer and layer.grammar.joins_words and (layer.target or not layer.grammar.targets):
            return (*argv[:-1], head, last)
    return argv


def with_env(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command with `env` in front, if they begin with `NAME=VALUE`."""
    return ("env", *words) if words and ASSIGNMENT.match(words[0]) else tuple(words)


def _needs_command_option(argv: tuple[str, ...]) -> bool:
    """Return whether a command ends in a program such as `su`, for which what follows it are
    arguments of a shell.
    """
    command = ExecCommand.parse(argv)
    layer = command.layers[-1] if command.layers else None
    if layer is None or not layer.grammar.shell_options or layer.end < len(command.words):
        return False
    return not layer.given(layer.grammar.shell_options)


def plan_shell_instead(plan: StartPlan) -> StartPlan:
    """Return a plan with a bare shell in place of its `norouter`, or of its Python."""
    tail = _INTERPRETER_TAIL if plan.interpreter else _AGENT_TAIL
    return plan_start(plan.argv[: -1 - len(tail)], AgentMode.AUTO)


def shell_argv(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the exec command of a manifest with a bare shell at its end."""
    return plan_start(argv, AgentMode.NATIVE).argv


def _last_program(argv: tuple[str, ...]) -> str:
    """Return the program that a command ends in; empty if its last word names a target, as for a
    container that is called `python`.
    """
    if not argv:
        return ""
    command = ExecCommand.parse((*argv, "sh"))  # It strips one `sh`, which may be a target.
    layer = command.layers[-1] if command.layers else None
    if layer is None or not layer.end == len(command.words) == len(argv):
        return program_name(argv[-1])
    # In `su dev -c sh` and `runuser -u dev sh`, the last word is a program nevertheless.
    return program_name(argv[-1]) if layer.given(layer.grammar.shell_options) else ""


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
    last) are indices into `Command.words`.
    """

    program: str
    grammar: ProgramGrammar
    at: int
    verb_at: int
    end: int
    target: str
    options: tuple[CommandOption, ...]

    def given(self, names: Sequence[str] | frozenset[str]) -> list[CommandOption]:
        """Return the options with these names; `--tty=false` counts as not given."""
        return [o for o in self.options if o.name in names and o.value != "false"]

    @property
    def makes_tty(self) -> bool:
        if self.grammar.no_tty_options:
            return not self.given(self.grammar.no_tty_options)
        return len(self.given(self.grammar.tty_options)) >= self.grammar.tty_count

    @property
    def lacks_stdin(self) -> bool:
        missing = bool(self.grammar.stdin_options) and not self.given(self.grammar.stdin_options)
        return missing or bool(self.given(self.grammar.no_stdin_options))


@dataclass(frozen=True, slots=True)
class ExecCommand:
    """An exec command in its parts: `argv` as it runs, `words` without what was appended.

    `opaque` is True if the command contains an unknown program, which may run anything.
    """

    argv: tuple[str, ...]
    words: tuple[str, ...]
    layers: tuple[Layer, ...]
    opaque: bool

    @classmethod
    def parse(cls, argv: Sequence[str]) -> ExecCommand:
        """Parse a command as it runs, with `sh` or `agent --automated` at its end."""
        words = list(_strip_tail(argv))
        layers: list[Layer] = []
        at = 0
        while at < len(words) and (program := program_name(words[at])) in GRAMMARS:
            if len(layers) == _MAX_LAYERS:
                break
            layer, at = _read_layer(words, at, program)
            layers.append(layer)
            if layer.grammar.joins_words:
                words[at:] = _split_again(words[at:])
        hidden = at < len(words) and program_name(words[at]) not in SHELLS | {_NOROUTER}
        return cls(tuple(argv), tuple(words), tuple(layers), opaque=hidden)

    @property
    def ends_in_norouter(self) -> bool:
        return bool(self.words) and program_name(self.words[-1]) == _NOROUTER

    @property
    def shell_tail(self) -> tuple[str, ...]:
        """A shell with options at the command's end, such as `bash -l`, which takes the word after
        it for the name of a script; also a shell that is the whole command. Empty without one, and
        for `sh -s` and `sh -c`, which may run what follows.
        """
        at = self.layers[-1].end if self.layers else 0
        tail = self.words[at:]
        alone = len(self.words) == 1
        if not tail or (len(tail) < 2 and not alone) or program_name(tail[0]) not in SHELLS:
            return ()
        plain = all(
            word.startswith("--") or (word.startswith("-") and not set(word) & set("cs"))
            for word in tail[1:]
        )
        return tail if plain else ()

    def before_shell(self) -> str:
        """Return the command without its `shell_tail`."""
        return shlex.join(self.words[: len(self.words) - len(self.shell_tail)])

    def layer_without_dashes(self) -> Layer | None:
        """Return a `kubectl exec` or `debug` that lacks the `--` before what runs in the pod."""
        for layer in self.layers:
            words = self.words[layer.at : layer.end]
            runs = self.words[layer.verb_at] in RUNNING_VERBS
            if layer.grammar.needs_dashes and runs and "--" not in words:
                return layer
        return None

    def program_not_found(self, lines: Sequence[str]) -> tuple[Layer, Layer] | None:
        """Return the layer with a remote shell, and that of the program that this shell has not
        found; None if no line names one. `lines` are of a command that ended with status 127.
        """
        for number, layer in enumerate(self.layers):
            remote = [x for x in self.layers[:number] if x.grammar.joins_words]
            # `bash: line 1: docker: command not found`, in the language of that host, or
            # `zsh:1: command not found: docker`
            parts = (part.strip(_QUOTES) for line in lines for part in _message_parts(line))
            if remote and self.words[layer.at] in parts:
                return remote[-1], layer
        return None

    def interactive_layers(self) -> list[Layer]:
        """Return the programs with a verb that starts a shell of its own, as `lxc shell` does."""
        return [x for x in self.layers if self.words[x.verb_at] in x.grammar.interactive]

    def misspelt_exec(self) -> tuple[str, str]:
        """Return what stands for `exec` in the innermost program's words, as `exce` in `docker exce
        -i web`, and the command with `exec`; both are empty without such a word.
        """
        layer = self.layers[-1] if self.layers else None
        if layer is None or "exec" not in layer.grammar.verbs:
            return "", ""
        verb = layer.target
        has_verb = self.words[layer.verb_at] in layer.grammar.verbs - {"container"}
        if has_verb or verb not in self.words[layer.at :]:
            return "", ""
        if not get_close_matches(verb, ("exec",), cutoff=0.7):
            return "", ""
        at = self.words.index(verb, layer.at)
        fixed = ExecCommand.parse((*self.words[:at], "exec", *self.words[at + 1 :]))
        return verb, fixed.corrected()

    @property
    def stays_here(self) -> bool:
        """Whether the command leads to a target on this machine, as `sudo docker exec -i web`."""
        return bool(self.layers) and not self.opaque and all(_stays(x) for x in self.layers)

    @property
    def adds_containers(self) -> bool:
        """Whether each start leaves another container behind, as `kubectl debug` does."""
        return any(self.words[layer.verb_at] == "debug" for layer in self.layers)

    def interactive(self, layer: Layer) -> str:
        """Return the command up to the layer's target, without what keeps ssh from prompting."""
        words: list[str | None] = list(self.words[: layer.end])
        for option in layer.given(("-o",)):
            if _NEVER_ASKS.match(option.value):
                words[option.at] = None
                if self.words[option.at] == "-o":
                    words[option.at + 1] = None
        return shlex.join(word for word in words if word is not None)

    def innermost(self, programs: frozenset[str] = frozenset()) -> Layer | None:
        """Return the innermost layer of these programs, or of any program that has a target."""
        fitting = [
            x for x in self.layers if (x.program in programs if programs else x.grammar.noun)
        ]
        return fitting[-1] if fitting else None

    def may_run(self, programs: frozenset[str]) -> bool:
        """Return whether one of the programs is in this command, or may be."""
        return not programs or self.opaque or any(x.program in programs for x in self.layers)

    def prefix(self, layer: Layer) -> str:
        """Return the command up to, and without, the layer's verb: `ssh build sudo docker`."""
        end = layer.verb_at if layer.verb_at > layer.at else layer.at + 1
        kept = list(self.words[:end])
        if layer.grammar.noun == "pod":
            kept += self._namespace(layer, end)
        return shlex.join(kept)

    def with_sudo(self, layer: Layer | None) -> str:
        """Return the command with `sudo -n` in front of the layer, or of the whole command without
        one; empty if sudo or doas is there.
        """
        at = layer.at if layer is not None else 0
        machine = [x for x in self.layers if x.at < at]
        while machine and machine[-1].program not in ELEVATORS | {"ssh"}:
            machine.pop()
        if machine and machine[-1].program in ELEVATORS:
            return ""
        return shlex.join((*self.words[:at], "sudo", "-n", *self.words[at:]))

    def beside(self, layer: Layer) -> str:
        """Return a command that leads to a new container in the network of the layer's target;
        empty if there is none.
        """
        template, kind = layer.grammar.beside, layer.target.rpartition("/")[0]
        if not template or self.words[layer.verb_at] != "exec" or kind not in _POD_KINDS:
            return ""
        target = shlex.quote(layer.target)
        containers = layer.given(("-c", "--container"))
        container = f" --target={shlex.quote(containers[-1].value)}" if containers else ""
        words = template.format(target=target, container=container)
        return f"{self.prefix(layer)} {words}"

    def _namespace(self, layer: Layer, end: int) -> Iterator[str]:
        for option in layer.given(("-n", "--namespace", "--context", "--kubeconfig")):
            if option.at >= end:
                yield from (option.name, option.value)

    def without_tty(self) -> str:
        """Return what to change to allocate no TTY, as in `remove -t: docker exec -i web`; empty
        if the command asks for no TTY.
        """
        drops = [o for layer in self.layers for o in layer.given(layer.grammar.tty_options)]
        adds = [x for x in self.layers if x.grammar.no_tty_options and x.makes_tty]
        phrases = list(dict.fromkeys(self._drop_phrase(o) for o in drops))
        phrases += [f"add `{x.grammar.no_tty_options[0]}`" for x in adds]
        return self._correction(phrases)

    def with_stdin(self) -> str:
        """Return what to change to pass stdin on; empty if the command does."""
        lacking = [x for x in self.layers if x.lacks_stdin]
        drops = [o for x in lacking for o in x.given(x.grammar.no_stdin_options)]
        phrases = list(dict.fromkeys(self._drop_phrase(o) for o in drops))
        phrases += [
            f"add `{layer.grammar.stdin_options[0]}`"
            for layer in lacking
            if layer.grammar.stdin_options and not layer.given(layer.grammar.stdin_options)
        ]
        return self._correction(phrases)

    def _correction(self, phrases: list[str]) -> str:
        return f"{' and '.join(phrases)}: {self.corrected()}" if phrases else ""

    def corrected(self) -> str:
        """Return the command with stdin passed on, without a TTY, and with `--` where needed."""
        words: list[str | None] = list(self.words)
        for layer in self.layers:
            for option in layer.given(layer.grammar.tty_options | layer.grammar.no_stdin_options):
                words[option.at] = _without_option(words[option.at], option.name)
        for layer in self.interactive_layers():
            words[layer.verb_at] = layer.grammar.interactive[self.words[layer.verb_at]]
        undashed = [*self.interactive_layers(), self.layer_without_dashes()]
        for layer in reversed(self.layers):
            if layer in undashed and "--" not in self.words[layer.at : layer.end]:
                words.insert(layer.end, "--")
            for needed in (layer.grammar.no_tty_options, layer.grammar.stdin_options):
                if needed and not layer.given(needed):
                    words.insert(max(layer.verb_at, layer.at) + 1, needed[0])
        return shlex.join(w for w in words if w is not None)

    def _drop_phrase(self, option: CommandOption) -> str:
        word = self.words[option.at]
        letter = option.name.lstrip("-")
        whole = word.startswith("--") or set(word[1:]) == {letter}
        return f"remove `{word}`" if whole else f"remove `{letter}` from `{word}`"


def _message_parts(line: str) -> list[str]:
    """Return what follows the name of the shell in one of its error messages."""
    return line.strip().split(": ")[1:][-2:]


def _stays(layer: Layer) -> bool:
    if not layer.grammar.noun:
        return layer.program in LOCAL
    # An instance of LXD may be on a server with a name, as in `lxc exec far:web`.
    is_remote = layer.given(REMOTE_OPTIONS) or ":" in layer.target
    return layer.program in LOCAL and not is_remote


def is_shell(word: str) -> bool:
    """Return whether a word names a shell."""
    return program_name(word) in SHELLS


def _strip_tail(argv: Sequence[str]) -> Sequence[str]:
    if tuple(argv[-2:]) == _AGENT_TAIL:
        return argv[:-2]
    if tuple(argv[-len(_INTERPRETER_TAIL) :]) == _INTERPRETER_TAIL:
        return argv[: -len(_INTERPRETER_TAIL)]
    if tuple(argv[-2:]) == _COMMAND_TAIL and any(program_name(x) in _SWITCHERS for x in argv):
        return argv[:-2]
    return argv[:-1] if argv and argv[-1] == "sh" else argv


def program_name(word: str) -> str:
    """Return the program that a word names, without its directory and `.exe`."""
    return re.split(r"[/\\]", word)[-1].removesuffix(".exe")


def _split_again(words: list[str]) -> list[str]:
    text = " ".join(words)
    if not _QUOTING.search(text):
        # `shlex` looks at each character, and each `ssh` in another makes it do that once more.
        return _WORD.findall(text)
    try:
        return shlex.split(text)
    except ValueError:
        return words


def _without_option(word: str | None, name: str) -> str | None:
    """Return the word `-it` without `-t` as `-i`; None if no letter is left."""
    if word is None or word.startswith("--"):
        return None
    left = word[1:].replace(name[1:], "")
    return f"-{left}" if left else None


def _read_layer(words: Sequence[str], at: int, program: str) -> tuple[Layer, int]:
    """Read one program from `at`; return its layer and the index of the next program."""
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
            found, index = _read_options(words, index, grammar)
            options += found
        elif _is_skipped(word, grammar):
            index += 1
        elif not targets and word in grammar.subprograms:
            program = grammar.subprograms[word]
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
    index = min(index, len(words))  # An option's value may be missing,
    verb_at = min(verb_at, len(words) - 1)  # and `docker compose` may be all there is.
    return Layer(program, grammar, at, verb_at, index, target, tuple(options)), index


def _is_skipped(word: str, grammar: ProgramGrammar) -> bool:
    """Return whether a word is neither an option nor a target: a variable, or the `-` of su."""
    is_variable = grammar.assignments and ASSIGNMENT.match(word)
    return bool(is_variable or (word == "-" and grammar.shell_options))


def _read_options(
    words: Sequence[str], at: int, grammar: ProgramGrammar
) -> tuple[list[CommandOption], int]:
    """Read the options in one word, which may be a cluster such as `-itu nobody`; return them and
    the index of the next word.
    """
    word = words[at]
    following = words[at + 1] if at + 1 < len(words) else ""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        if name in grammar.value_options and not equals:
            return [CommandOption(name, following, at)], at + 2
        return [CommandOption(name, value, at)], at + 1
    found: list[CommandOption] = []
    for place, letter in enumerate(word[1:], start=2):
        if f"-{letter}" in grammar.value_options:
            attached = word[place:]
            found.append(CommandOption(f"-{letter}", attached or following, at))
            return found, at + (1 if attached else 2)
        found.append(CommandOption(f"-{letter}", "", at))
    return found, at + 1


def _optional_target(grammar: ProgramGrammar, options: Sequence[CommandOption]) -> str:
    named = (o.value for name in grammar.target_options for o in options if o.name == name)
    return next((value for value in named if value), "")
