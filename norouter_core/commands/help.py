"""Help, generated from the registry: for the terminal, and as a page of documentation."""

from __future__ import annotations

from collections.abc import Sequence

from norouter_core.commands.parser import find_verb
from norouter_core.commands.registry import BY_WORDS, FIRST_WORDS, GROUPS, VERBS
from norouter_core.commands.results import Failure
from norouter_core.commands.verb import Argument, Option, Verb
from norouter_core.manifest.values import closest
from norouter_core.sanitize import quote

_INTRO = """\
An exec command alone adds the host that it reaches: docker exec -i web.
`;` separates commands, `#` starts a comment, quotes work as in sh.
`help COMMAND` explains a command; --json prints tables for programs."""

_WIDTH = 79
"""The width of help; on a narrower terminal, lines wrap."""

_MARKDOWN_INTRO = """\
# Commands

The commands that build a mesh are the same in the REPL, at the `:` prompt of the screen, in
`norouter ctl` and in scripts. `norouter repl -c 'help --markdown'` generates this page.

- A command is one line. `;` separates commands and `#` starts a comment. Quotes and backslashes
  work as in `sh`; nothing is expanded.
- An exec command alone (`docker exec -i web`, `ssh db`, `sudo podman exec -i c`) is a `host add`.
  norouter chooses the name and the VIP, attaches stdin and drops a terminal if necessary.
- Before a change cuts streams, norouter shows it as a diff and asks, if it can.
- Options can be anywhere before `--`. What follows `--` is the command of a host.
"""


def help_text(words: Sequence[str]) -> str | None:
    """Return the help of all verbs (for no words), of one, or of those that begin with the words.

    None if there is no such verb.
    """
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
    """Return one line for every verb, under headings."""
    parts = [f"{title}\n{_lines(verbs)}" for title, verbs in GROUPS]
    return "\n\n".join([*parts, _INTRO])


def _lines(verbs: Sequence[Verb]) -> str:
    width = max(len(verb.name) for verb in VERBS)
    return "\n".join(f"  {verb.name:<{width}}  {verb.summary}" for verb in verbs)


def verb_help(verb: Verb) -> str:
    """Return the full help of a verb."""
    parts = [_usage(verb), f"{verb.summary[:1].upper()}{verb.summary[1:]}."]
    if verb.about:
        parts.append(verb.about)
    rows = [(_argument_name(argument), argument.about) for argument in verb.arguments]
    rows += [(_option_name(option), option.about) for option in verb.all_options]
    if rows:
        width = max(len(name) for name, _ in rows)
        parts.append("\n".join(f"  {name:<{width}}  {about}" for name, about in rows))
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


def example(text: str, directory: str = "/tmp") -> str:
    """Return an example as it can be typed."""
    return text.replace("{directory}", directory)


def markdown() -> str:
    """Return the reference of all verbs."""
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
    rows = [(_argument_name(argument), argument.about) for argument in verb.arguments]
    rows += [(_option_name(option), option.about) for option in verb.all_options]
    lines += [f"- `{name}`: {about}" for name, about in rows]
    if rows:
        lines.append("")
    if verb.aliases:
        also = ", ".join(f"`{' '.join(words)}`" for words in verb.aliases)
        lines += [f"Also: {also}.", ""]
    if verb.examples:
        lines += ["Examples:", "", "```", *map(example, verb.examples), "```", ""]
    return "\n".join(lines)


def _argument_name(argument: Argument) -> str:
    return argument.shown.strip("[]")


def _option_name(option: Option) -> str:
    return option.shown.strip("[].") if option.many else option.shown[1:-1]
