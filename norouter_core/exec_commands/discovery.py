"""What this machine could join: containers, pods, instances and hosts of ssh.

Installed programs are asked when an exec command is completed, each within a time limit.
Answers are remembered for a while, and only one process of each program runs at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from norouter_core.exec_commands.command import ExecCommand, Layer
from norouter_core.exec_commands.programs import GRAMMARS
from norouter_core.sanitize import strip_line

Word = tuple[str, str]
"""A word to complete with, and a few words about it."""

MAX_BYTES = 256 * 1024
"""How much of an answer is read."""
MAX_NAMES = 500

_PROGRAMS = {name: grammar for name, grammar in GRAMMARS.items() if grammar.names}
_NOUNS = {**{name: grammar.noun for name, grammar in _PROGRAMS.items()}, "ssh": "host"}


@dataclass(slots=True)
class _Answer:
    names: tuple[Word, ...] = ()
    expires: float = 0.0
    pending: asyncio.Future[tuple[Word, ...]] | None = None


class Discovery:
    """Finds what an exec command could lead to.

    A program has `timeout` seconds to answer; its answer, even an empty one, counts for `lifetime`
    seconds.
    """

    def __init__(
        self, ssh_config: Path | None = None, timeout: float = 1.5, lifetime: float = 10.0
    ) -> None:
        self._answers = {program: _Answer() for program in _PROGRAMS}
        self._ssh_config = ssh_config or Path("~/.ssh/config").expanduser()
        self._timeout = timeout
        self._lifetime = lifetime

    async def commands(self, words: Sequence[str]) -> list[Word]:
        """Return what may follow the words of an exec command: programs that are installed, the
        arguments that lead into one, the names of its targets.
        """
        command = ExecCommand.parse((*words, "sh"))
        layer = command.layers[-1] if command.layers else None
        end = layer.end if layer else 0
        leads_away = any(each.grammar.noun for each in command.layers[:-1])
        if end < len(command.words) or leads_away or (layer and _awaits_value(layer, len(words))):
            return []
        if layer is None or not (layer.grammar.noun or layer.grammar.targets):
            return [(name, f"a {noun}") for name, noun in _NOUNS.items() if shutil.which(name)]
        if layer.program == "ssh":
            return [] if layer.target else await self._ssh_hosts()
        if layer.program in _PROGRAMS:
            return await self._into(layer, command.words[layer.at : layer.end])
        return []

    async def _into(self, layer: Layer, words: Sequence[str]) -> list[Word]:
        grammar = layer.grammar
        if layer.verb_at == layer.at:
            return [("exec", f"run something in a {grammar.noun}")]
        if words[layer.verb_at - layer.at] != "exec":
            return []
        if layer.target:
            wants_dashes = grammar.interspersed and "--" not in words
            return [("--", "what runs there follows")] if wants_dashes else []
        missing = grammar.stdin_options[:1] if layer.lacks_stdin else ()
        options = [(option, "pass stdin on") for option in missing]
        return [*options, *await self.names(layer.program)]

    async def hosts(self) -> list[tuple[str, str]]:
        """Return every exec command that could be a host now, with a few words about it."""
        programs = [program for program in _PROGRAMS if shutil.which(program)]
        answers = await asyncio.gather(*map(self.names, programs))
        found = [
            (shlex.join(_lead_into(program, name)), f"{_NOUNS[program]} {about}".strip())
            for program, names in zip(programs, answers, strict=True)
            for name, about in names
        ]
        if shutil.which("ssh"):
            found += [(shlex.join(("ssh", name)), about) for name, about in await self._ssh_hosts()]
        return found

    async def names(self, program: str) -> tuple[Word, ...]:
        """Return the targets of a program; none if it does not answer in time.

        A caller that is cancelled leaves the question pending; the next caller gets its answer.
        """
        answer = self._answers[program]
        if answer.pending is None and time.monotonic() >= answer.expires:
            answer.pending = asyncio.ensure_future(
                asyncio.to_thread(_ask, program, _PROGRAMS[program].names, self._timeout)
            )
            answer.pending.add_done_callback(lambda done: self._take(answer, done))
        if answer.pending is not None:
            await asyncio.wait([answer.pending])
        return answer.names

    def _take(self, answer: _Answer, done: asyncio.Future[tuple[Word, ...]]) -> None:
        answer.pending = None
        answer.names = () if done.cancelled() or done.exception() else done.result()
        answer.expires = time.monotonic() + self._lifetime

    async def _ssh_hosts(self) -> list[Word]:
        return await asyncio.to_thread(lambda: list(ssh_hosts(self._ssh_config)))

    async def close(self) -> None:
        """Return when no program is being asked, which takes at most the timeout."""
        pending = [a.pending for a in self._answers.values() if a.pending is not None]
        if pending:
            await asyncio.wait(pending)


def _awaits_value(layer: Layer, count: int) -> bool:
    """Return whether the last of `count` words is an option whose value comes next."""
    last = layer.options[-1] if layer.options else None
    return (
        last is not None
        and last.at == count - 1
        and last.name in layer.grammar.value_options
        and not last.value
    )


def _lead_into(program: str, target: str) -> tuple[str, ...]:
    grammar = _PROGRAMS[program]
    dashes = ("--",) if grammar.interspersed else ()
    return (program, "exec", *grammar.stdin_options[:1], target, *dashes)


def _ask(program: str, arguments: tuple[str, ...], timeout: float) -> tuple[Word, ...]:
    """Ask a program, in a thread.

    asyncio's `Process.wait` waits for ever if a full pipe is not read to its end.
    """
    path = shutil.which(program)
    if path is None:
        return ()
    try:
        process = subprocess.Popen(
            (path, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return ()
    assert process.stdout is not None
    with process.stdout as pipe:
        try:
            data = _read(pipe.fileno(), time.monotonic() + timeout)
        finally:
            _kill(process, timeout)
    return tuple(_names(data.decode("utf-8", "replace")))


def _read(pipe: int, until: float) -> bytes:
    """Read until the end, the time `until`, or `MAX_BYTES`."""
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(data) < MAX_BYTES and selector.select(max(0.0, until - time.monotonic())):
            more = os.read(pipe, 65536)
            if not more:
                break
            data += more
    return bytes(data)


def _kill(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Kill a program and the processes that it has started."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout)


def _names(text: str) -> Iterator[Word]:
    for line in text.splitlines()[:MAX_NAMES]:
        name, _, about = line.strip().replace("\t", " ").partition(" ")
        if name and name.isprintable():
            yield name.partition(",")[0], strip_line(about.strip())


def ssh_hosts(config: Path, depth: int = 0) -> Iterator[Word]:
    """Yield the hosts that an ssh configuration and its included files name, except patterns
    (ssh_config(5)).
    """
    try:
        with open(config, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except OSError:
        return
    seen: set[str] = set()
    for line in lines:
        key, _, value = line.strip().replace("=", " ", 1).partition(" ")
        try:
            words = shlex.split(value, comments=True)
        except ValueError:
            continue
        if key.lower() == "host":
            for name in words:
                if not set(name) & set("*?!") and name not in seen and name.isprintable():
                    seen.add(name)
                    yield name, "ssh host"
        elif key.lower() == "include" and depth < 16:
            for pattern in words:
                # Relative paths begin in ~/.ssh, whichever file they are in.
                full = os.path.join(Path("~/.ssh").expanduser(), os.path.expanduser(pattern))
                for path in sorted(glob.glob(full))[:100]:
                    yield from ssh_hosts(Path(path), depth + 1)
