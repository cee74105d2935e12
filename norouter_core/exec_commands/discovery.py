"""What there is to be joined on this machine: containers, pods, instances, hosts of ssh.

Asked lazily, of programs that are installed, each with a time-out, and remembered for a while; of
each program one process at a time at most.
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

from norouter_core.sanitize import strip_line

Word = tuple[str, str]

PATIENCE = 1.5
"""Seconds that a program has to answer."""
FRESH = 10.0
"""Seconds for which an answer, also that there is none, counts."""
MOST_BYTES = 256 * 1024
"""How much of an answer is read."""
MOST_NAMES = 500


@dataclass(frozen=True, slots=True)
class ContainerEngine:
    """A program with things in it. `prefix` leads to one of them, once its name is put after it,
    and `suffix` then; `ask` lists the names, one a line, with a tab and a few words behind."""

    program: str
    prefix: tuple[str, ...]
    ask: tuple[str, ...]
    noun: str
    suffix: tuple[str, ...] = ()


_FORMAT = "{{.Names}}\t{{.Image}}"
_PODS = "custom-columns=NAME:.metadata.name,STATE:.status.phase"

ENGINES = (
    ContainerEngine("docker", ("exec", "-i"), ("ps", "--format", _FORMAT), "container"),
    ContainerEngine("podman", ("exec", "-i"), ("ps", "--format", _FORMAT), "container"),
    ContainerEngine("nerdctl", ("exec", "-i"), ("ps", "--format", _FORMAT), "container"),
    ContainerEngine("lxc", ("exec",), ("list", "--format", "csv", "-c", "n"), "instance", ("--",)),
    ContainerEngine(
        "incus", ("exec",), ("list", "--format", "csv", "-c", "n"), "instance", ("--",)
    ),
    ContainerEngine(
        "kubectl", ("exec", "-i"), ("get", "pods", "--no-headers", "-o", _PODS), "pod", ("--",)
    ),
)


@dataclass(slots=True)
class _Answer:
    names: tuple[Word, ...] = ()
    until: float = 0.0
    question: asyncio.Future[tuple[Word, ...]] | None = None

    def take(self, question: asyncio.Future[tuple[Word, ...]]) -> None:
        self.question = None
        self.names = () if question.cancelled() or question.exception() else question.result()
        self.until = time.monotonic() + FRESH


class Discovery:
    """What is there, as words to complete an exec command with."""

    def __init__(self, ssh_config: Path | None = None) -> None:
        self._answers = {engine.program: _Answer() for engine in ENGINES}
        self._ssh_config = ssh_config or Path("~/.ssh/config").expanduser()

    async def commands(self, words: Sequence[str], prefix: str) -> list[Word]:
        """What an exec command may go on with, after `words`: programs that are installed, the
        words that lead into one, the names of what is in it."""
        plain = _without_sudo(words)
        if not plain:
            return [
                (program, f"a {noun}")
                for program, noun in (*((e.program, e.noun) for e in ENGINES), ("ssh", "host"))
                if shutil.which(program)
            ]
        if plain[0] == "ssh":
            if plain[-1].startswith("-") and len(plain) > 1 and plain[-1] in _SSH_VALUES:
                return []
            return await asyncio.to_thread(lambda: list(ssh_hosts(self._ssh_config)))
        for engine in ENGINES:
            if plain[0] == engine.program:
                return await self._within(engine, plain[1:])
        return []

    async def hosts(self) -> list[tuple[str, str]]:
        """Every exec command that could be a host now, with a few words on it; engines are asked
        all at once."""
        engines = [engine for engine in ENGINES if shutil.which(engine.program)]
        answers = await asyncio.gather(*map(self.names, engines))
        found = [
            (shlex.join((e.program, *e.prefix, name, *e.suffix)), f"{e.noun} {told}".strip())
            for e, names in zip(engines, answers, strict=True)
            for name, told in names
        ]
        if shutil.which("ssh"):
            hosts = await asyncio.to_thread(lambda: list(ssh_hosts(self._ssh_config)))
            found += [(shlex.join(("ssh", name)), told) for name, told in hosts]
        return found

    async def _within(self, engine: ContainerEngine, words: Sequence[str]) -> list[Word]:
        if not words:
            return [(engine.prefix[0], f"run something in a {engine.noun}")]
        if "exec" in words and not _aimed(words):
            names = list(await self.names(engine))
            options = [(o, "pass stdin on") for o in engine.prefix[1:] if o not in words]
            return [*options, *names]
        if "exec" in words and engine.suffix and "--" not in words:
            return [("--", "what is run there follows")]
        return []

    async def names(self, engine: ContainerEngine) -> tuple[Word, ...]:
        """What is in an engine; empty where it does not answer in time. Who gives up asking leaves
        the question as it is: the next one gets its answer."""
        answer = self._answers[engine.program]
        if answer.question is None and time.monotonic() >= answer.until:
            answer.question = asyncio.ensure_future(asyncio.to_thread(_ask, engine))
            answer.question.add_done_callback(answer.take)
        if answer.question is not None:
            await asyncio.wait([answer.question])
        return answer.names

    async def close(self) -> None:
        """Returns when no program is asked any more; takes `PATIENCE` at most."""
        asked = [a.question for a in self._answers.values() if a.question is not None]
        if asked:
            await asyncio.wait(asked)


def _ask(engine: ContainerEngine) -> tuple[Word, ...]:
    """Runs in a thread, since asyncio's `Process.wait` waits for ever where a pipe that is full is
    not read to its end."""
    program = shutil.which(engine.program)
    if program is None:
        return ()
    try:
        process = subprocess.Popen(
            (program, *engine.ask),
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
            data = _read(pipe.fileno(), time.monotonic() + PATIENCE)
        finally:
            _kill(process)
    return tuple(_names(data.decode("utf-8", "replace")))


def _read(pipe: int, until: float) -> bytes:
    """What comes until the end, the time, or `MOST_BYTES`."""
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(data) < MOST_BYTES and selector.select(max(0.0, until - time.monotonic())):
            more = os.read(pipe, 65536)
            if not more:
                break
            data += more
    return bytes(data)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a program, and what it has started."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)


def _names(text: str) -> Iterator[Word]:
    for line in text.splitlines()[:MOST_NAMES]:
        name, _, told = line.strip().replace("\t", " ").partition(" ")
        if name and name.isprintable():
            yield name.partition(",")[0], strip_line(told.strip())


def _aimed(words: Sequence[str]) -> bool:
    """Whether the words after `exec` name their container already."""
    after = words[list(words).index("exec") + 1 :]
    skip = False
    for word in after:
        if skip:
            skip = False
        elif word in _VALUES:
            skip = True
        elif not word.startswith("-"):
            return True
    return skip


_VALUES = frozenset(
    {"-u", "--user", "-w", "--workdir", "-e", "--env", "-n", "--namespace", "-c", "--container"}
)
_SSH_VALUES = frozenset({"-p", "-i", "-l", "-o", "-F", "-J", "-b", "-c"})


def _without_sudo(words: Sequence[str]) -> Sequence[str]:
    at = 0
    while at < len(words) and (words[at] in ("sudo", "doas") or (at and words[at][:1] == "-")):
        at += 1
    return words[at:]


def ssh_hosts(config: Path, depth: int = 0) -> Iterator[Word]:
    """The hosts that an ssh configuration names, and those of the files that it includes; patterns
    are left out (ssh_config(5))."""
    try:
        with open(config, encoding="utf-8", errors="replace") as file:
            lines = file.read(MOST_BYTES).splitlines()
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
                    yield name, "host of ssh"
        elif key.lower() == "include" and depth < 16:
            for pattern in words:
                # Relative ones begin in ~/.ssh, whatever file they stand in.
                place = os.path.join(Path("~/.ssh").expanduser(), os.path.expanduser(pattern))
                for path in sorted(glob.glob(place))[:100]:
                    yield from ssh_hosts(Path(path), depth + 1)
