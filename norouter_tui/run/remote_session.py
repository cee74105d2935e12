"""A session in another process, as a client at hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence

from norouter_core.commands.parser import Call, parse_or_none
from norouter_core.commands.results import Completion, Emit, Outcome
from norouter_core.commands.tokenizer import join, tokenize
from norouter_core.control import ControlLost
from norouter_core.engine.events import Event
from norouter_core.session.client import Client, DocumentState, Rate, Summary
from norouter_core.session.completion import complete_file

_WITH_FILE = frozenset({"save", "load"})


def from_here(line: str) -> str:
    """The line with the file it names as an absolute path: the other process may stand in another
    folder."""
    call = parse_or_none(line)
    if call is None or call.verb.name not in _WITH_FILE or call.get("file", "-") == "-":
        return line
    return _with_file(line, call, os.path.abspath(os.path.expanduser(call.get("file"))))


def _with_file(line: str, call: Call, path: str) -> str:
    start = call.column("file") - 1
    for word in tokenize(line):
        if word.start == start:
            return line[:start] + join([path]) + line[word.end :]
    return line


class RemoteSession:
    """A client whose paths are those of this process, and which does not raise when the other has
    ended: `events` end then, and commands fail.

    Args:
        remote: the session.
        stays: `quit` leaves the session alone, which runs on without this face.
    """

    def __init__(self, remote: Client, *, stays: bool = False) -> None:
        self._remote = remote
        self._stays = stays
        self._last = Summary(DocumentState(), 0, 0, 0, 0, Rate())

    async def run(self, line: str, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """As `Client.run` has it."""
        if self._stays and (call := _quitting(line)) is not None:
            if "save" in call:
                saved = await self._remote.run("save", emit, confirmed=confirmed)
                if not saved.ok:
                    return saved
            return Outcome(message="the mesh runs on; to end it: norouter stop", ended=True)
        return await self._remote.run(from_here(line), emit, confirmed=confirmed)

    async def complete(self, line: str, cursor: int) -> Sequence[Completion]:
        """As `Client.complete` has it; files are those of this process, as in `run`."""
        files = await asyncio.to_thread(complete_file, line, cursor)
        if files is not None:
            return files
        try:
            return await self._remote.complete(line, cursor)
        except ControlLost:
            return ()

    async def summary(self) -> Summary:
        """As `Client.summary` has it; the last one, where there will be none any more."""
        try:
            self._last = await self._remote.summary()
        except ControlLost:
            pass  # `events` tell it
        return self._last

    def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        return self._remote.events(streams=streams)


def _quitting(line: str) -> Call | None:
    call = parse_or_none(line)
    return call if call is not None and call.verb.name == "quit" else None
