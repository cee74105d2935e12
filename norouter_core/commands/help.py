"""Help, made from the registry: for the terminal, and as a page of documentation."""

from __future__ import annotations

from collections.abc import Sequence

from norouter_core.commands.parser import find_verb
from norouter_core.commands.registry import BY_WORDS, FIRST_WORDS, GROUPS, VERBS
from norouter_core.commands.results import Failure
from norouter_core.commands.verb import Argument, Option, Verb
from norouter_core.manifest.values import closest
from norouter_core.sanitize import quote

_INTRO = """\
An exec command alone adds the host that it leads to: docker exec -i web.
`;` parts commands, `#` begins a comment, quotes are those of sh.
`help VERB` tells more; --json gives the rows of a listing to a program."""

_WIDTH = 79
"""Columns that help takes; who has less sees longer lines wrapped."""

_MARKDOWN_INTRO = """\
# Commands

The words by which a mesh is built, the same in the REPL, the `:` line of the full screen,
`norouter ctl` and scripts. Made from the registry by `norouter repl -c 'help --markdown'`.

- A command is one line. `;` parts commands, `#` begins a comment; quotes and backslashes mean what
  they mean in `sh`, and nothing is expanded.
- An exec command alone (`docker exec -i web`, `ssh db`, `sudo podman exec -i c`) is a `host add`:
  name and VIP are inferred, stdin is attached and a terminal taken off where that is needed.
- A change that would cut streams is shown as a diff first, where somebody can be asked.
- Options stand anywhere before `--`; what follows `--` is the command of a host.
"""


def about(words: Sequence[str]) -> str | None:
    """The help of all verbs (for no words), of one, or of those that begin so; None where there
    is none."""
    if not words:
        return overview()
    words = tuple(word.casefold() for word in words)
    verb, taken = find_verb(words)
    if verb is not None and taken == len(words):
        return verb_help(verb)
    begun = [verb for verb in VERBS if verb.words[: len(words)] == words]
    return _lines(begun) if begun else None


def unknown(words: Sequence[str]) -> Failure:
    near = closest(" ".join(words), [" ".join(w) for w in BY_WORDS] + sorted(FIRST_WORDS))
    hint = f"did you mean help {near}?" if near else "`help` lists the commands"
    return Failure(f"unknown command {quote(' '.join(words))}", "verb", hint=hint)


def overview() -> str:
    """Every verb in one line, under headings."""
    parts = [f"{title}\n{_lines(verbs)}" for title, verbs in GROUPS]
    return "\n\n".join([*parts, _INTRO])


def _lines(verbs: Sequence[Verb]) -> str:
    width = max(len(verb.name) for verb in VERBS)
    return "\n".join(f"  {verb.name:<{width}}  {verb.summary}" for verb in verbs)


def verb_help(verb: Verb) -> str:
    """One verb in full."""
    parts = [_usage(verb), f"{verb.summary[:1].upper()}{verb.summary[1:]}."]
    if verb.about:
        parts.append(verb.about)
    rows = [(_placed(argument), argument.about) for argument in verb.arguments]
    rows += [(_flagged(option), option.about) for option in verb.all_options]
    if rows:
        width = max(len(name) for name, _ in rows)
        parts.append("\n".join(f"  {name:<{width}}  {told}" for name, told in rows))
    if verb.aliases:
        parts.append(f"also: {', '.join(' '.join(words) for words in verb.aliases)}")
    if verb.examples:
        shown = [f"  {example(text)}" for text in verb.examples]
        parts.append("\n".join(["examples:", *shown]))
    return "\n\n".join(parts)


def _usage(verb: Verb) -> str:
    lines = [f"usage: {verb.name}"]
    for part in verb.usage_parts:
        if len(lines[-1]) + 1 + len(part) > _WIDTH:
            lines.append(" " * len("usage:"))
        lines[-1] += f" {part}"
    return "\n".join(lines)


def example(text: str, folder: str = "/tmp") -> str:
    """An example as it can be typed."""
    return text.replace("{folder}", folder)


def markdown() -> str:
    """The reference of all verbs."""
    parts = [_MARKDOWN_INTRO]
    for title, verbs in GROUPS:
        parts.append(f"## {title}\n")
        parts += [_section(verb) for verb in verbs]
    return "\n".join(parts)


def _section(verb: Verb) -> str:
    lines = [f"### `{verb.name}`", "", f"{verb.summary[:1].upper()}{verb.summary[1:]}.", ""]
    lines += ["```", verb.usage, "```", ""]
    if verb.about:
        lines += ["```", verb.about, "```", ""] if "  " in verb.about else [verb.about, ""]
    rows = [(_placed(argument), argument.about) for argument in verb.arguments]
    rows += [(_flagged(option), option.about) for option in verb.all_options]
    lines += [f"- `{name}`: {told}" for name, told in rows]
    if rows:
        lines.append("")
    if verb.aliases:
        also = ", ".join(f"`{' '.join(words)}`" for words in verb.aliases)
        lines += [f"Also: {also}.", ""]
    if verb.examples:
        lines += ["Examples:", "", "```", *map(example, verb.examples), "```", ""]
    return "\n".join(lines)


def _placed(argument: Argument) -> str:
    return argument.shown.strip("[]")


def _flagged(option: Option) -> str:
    return option.shown.strip("[].") if option.many else option.shown[1:-1]
