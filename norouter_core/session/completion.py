"""Completion in a session: the grammar says what is expected, the session knows what exists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.commands.completion import CompletionContext, Word, completion_context
from norouter_core.commands.edits.base import forward_key, forward_key_text
from norouter_core.commands.results import Completion
from norouter_core.commands.tokenizer import quote_word
from norouter_core.manifest.values import allocate_vip
from norouter_core.sanitize import strip_line

if TYPE_CHECKING:  # `norouter ctl` need not load an engine
    from norouter_core.session.workspace import Workspace

MAX_COMPLETIONS = 200


async def complete(session: Workspace, line: str, cursor: int) -> list[Completion]:
    """Return what can be at the cursor and begins with what is there already.

    Container engines and other programs have 1.5 seconds to answer.
    """
    wanted = completion_context(line, cursor)
    words: list[Word] = list(wanted.words)
    for kind in wanted.kinds:
        words += _known(session, kind, wanted)
    if wanted.command is not None:
        words += await session.discovery.commands(wanted.command)
    return list(_completions(wanted, words))


def complete_file(line: str, cursor: int) -> list[Completion] | None:
    """Return the files that can be at the cursor; None if no file is expected there."""
    wanted = completion_context(line, cursor)
    if ArgumentType.FILE not in wanted.kinds:
        return None
    return list(_completions(wanted, (*wanted.words, *files(wanted.tail.prefix))))


def _completions(wanted: CompletionContext, words: Iterable[Word]) -> Iterator[Completion]:
    seen: set[str] = set()
    prefix = wanted.tail.prefix
    for text, about in words:
        if text in seen or text in wanted.given or not text.startswith(prefix):
            continue
        if not text.isprintable():
            continue
        seen.add(text)
        yield Completion(quote_word(text), wanted.tail.start, strip_line(about))
        if len(seen) == MAX_COMPLETIONS:
            return


def _known(session: Workspace, kind: ArgumentType, wanted: CompletionContext) -> list[Word]:
    match kind:
        case ArgumentType.HOST | ArgumentType.PEER:
            return list(_hosts(session))
        case ArgumentType.PORT:
            return list(_ports(session, wanted.host))
        case ArgumentType.STREAM:
            return [
                (str(s.id), f"{s.from_host} -> {s.to_host} {s.target}")
                for s in session.engine.status().streams
            ]
        case ArgumentType.ROUTE:
            routes = enumerate(session.spec.routes, 1)
            return [(str(n), f"{', '.join(r.to)} via {r.via}") for n, r in routes]
        case ArgumentType.VIP:
            return list(_free_vip(session))
        case ArgumentType.FILE:
            return list(files(wanted.tail.prefix))
        case ArgumentType.FILTER:
            return list(_filter_hosts(session, wanted.tail.prefix))
    return []


def _hosts(session: Workspace) -> Iterator[Word]:
    for host in session.spec.hosts:
        yield host.name, host.vip
        for alias in host.aliases:
            yield alias, f"alias of {host.name}"


def _ports(session: Workspace, name: str) -> Iterator[Word]:
    host = session.spec.host(name) if name else None
    for forward in host.options.ports if host is not None else ():
        yield forward_key_text(forward_key(forward)), str(forward)


def _free_vip(session: Workspace) -> Iterator[Word]:
    try:
        yield allocate_vip([host.vip for host in session.spec.hosts]), "free"
    except ValueError:
        return


def _filter_hosts(session: Workspace, prefix: str) -> Iterator[Word]:
    name, colon, _ = prefix.lstrip("!").partition(":")
    if colon and name in ("host", "from", "to"):
        bang = "!" if prefix.startswith("!") else ""
        for host in session.spec.hosts:
            yield f"{bang}{name}:{host.name}", host.vip


def files(prefix: str) -> Iterator[Word]:
    """Yield the files and directories that a path can continue with, manifests first."""
    directory, _, begun = prefix.rpartition("/")
    place = os.path.expanduser(f"{directory}/") if "/" in prefix else "."
    found: list[tuple[bool, str, str]] = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if not entry.name.startswith(begun) or (entry.name[0] == "." and not begun):
                    continue
                name = f"{directory}/{entry.name}" if "/" in prefix else entry.name
                is_directory = entry.is_dir()
                manifest = entry.name.endswith((".yaml", ".yml")) or is_directory
                found.append((not manifest, f"{name}/" if is_directory else name, ""))
                if len(found) >= 10 * MAX_COMPLETIONS:
                    break
    except OSError:
        return
    for _, name, about in sorted(found):
        yield name, about
