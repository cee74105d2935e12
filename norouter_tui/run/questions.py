"""Passes on what exec commands ask, and asks it at the terminal of a run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

import anyio

from norouter_core.control import ControlLost
from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.sanitize import escape

if sys.platform != "win32":
    import termios

_FOREGROUND_INTERVAL = 0.5
"""Seconds between two checks whether a run in the background has come to the foreground."""

REACTION_TIME = 0.4
"""Seconds in which keys were typed before anybody could have read a question that appeared."""

TYPING_PAUSE = 1.5
"""Seconds without a key after which the user is not typing something else any more."""

TYPING_INTERVAL = 0.05
"""Seconds between two checks whether the user is still typing."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the user answers; `text` is None for a user who does not want to."""

    text: str | None
    remember: bool = False


class Asker(Protocol):
    """Asks the user."""

    async def ask(self, prompt: Prompt, withdrawn: anyio.Event) -> Reply | None:
        """Ask a question, and return the answer; any answer once it has been withdrawn.

        Return None if there is nobody to ask any more.
        """
        ...

    async def notify(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Show a notice."""
        ...


class Answerable(Protocol):
    """Where questions come from; a part of `Client`."""

    def questions(self) -> AsyncIterator[tuple[Prompt, ...]]: ...

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool: ...


async def answer_questions(client: Answerable, asker: Asker) -> None:
    """Have the user answer what commands ask, until the session ends or the user has gone."""
    waiting: dict[int, anyio.Event] = {}

    async def ask(prompt: Prompt) -> None:
        withdrawn = waiting[prompt.number]
        if prompt.kind is PromptKind.NOTICE:
            await asker.notify(prompt, withdrawn)
            return
        reply = await asker.ask(prompt, withdrawn)
        if reply is None:
            tasks.cancel_scope.cancel()
        elif not withdrawn.is_set():
            with contextlib.suppress(ControlLost):
                await client.answer(prompt.number, reply.text, remember=reply.remember)

    async with anyio.create_task_group() as tasks:
        with contextlib.suppress(ControlLost):
            # Closed at once, since there is somebody to ask until then.
            questions = cast("AsyncGenerator[tuple[Prompt, ...], None]", client.questions())
            async with aclosing(questions):
                async for prompts in questions:
                    now = {prompt.number: prompt for prompt in prompts}
                    for number in [number for number in waiting if number not in now]:
                        waiting.pop(number).set()
                    for number, prompt in now.items():
                        if number not in waiting:
                            waiting[number] = anyio.Event()
                            tasks.start_soon(ask, prompt)
        for withdrawn in waiting.values():
            withdrawn.set()


def question_text(prompt: Prompt) -> str:
    """Return a question with the name of its host, safe to print."""
    again = " again" if prompt.refused else ""
    lines = [escape(line) for line in prompt.text.splitlines()]
    between = "\n" if len(lines) > 1 else " "
    answers = " [yes/no]" if prompt.kind is PromptKind.CONFIRM else ""
    return f"{escape(prompt.host)} asks{again}:{between}" + "\n".join(lines) + answers


class TerminalAsker:
    """Asks at the terminal of this process, even if its stdin is a pipe.

    Args:
        fd: The terminal; closed at the end of `open_terminal`.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._free = asyncio.Lock()
        self._reading = anyio.CancelScope()

    async def ask(self, prompt: Prompt, withdrawn: anyio.Event) -> Reply | None:
        """Ask a question, and return the answer; None if the terminal has gone."""
        async with self._free, anyio.create_task_group() as tasks:

            async def give_up() -> None:
                await withdrawn.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(give_up)
            tasks.start_soon(self._ask_again_when_continued)
            try:
                return await self._ask(prompt)
            except (OSError, termios.error):
                return None  # It has hung up, or its session has ended.
            finally:
                tasks.cancel_scope.cancel()
        await self._write(b"\n(no longer asked)\n")
        return Reply(None)

    async def _ask(self, prompt: Prompt) -> Reply:
        is_secret = prompt.kind is PromptKind.SECRET
        while True:
            text = await self._read_line(question_text(prompt), echo=not is_secret)
            if text is None or prompt.accepts(text):
                break
        if not text or not is_secret:
            return Reply(text)
        answer = await self._read_line("remember it until norouter ends? [y/N]", echo=True)
        return Reply(text, (answer or "").lower() in ("y", "yes"))

    async def notify(self, prompt: Prompt, withdrawn: anyio.Event) -> None:
        """Show a notice."""
        await self._write(question_text(prompt).encode() + b"\n")

    async def _ask_again_when_continued(self) -> None:
        """Begin each question again after Ctrl-Z and `fg`: the shell has switched on the echo."""
        with anyio.open_signal_receiver(signal.SIGCONT) as signals:
            async for _ in signals:
                self._reading.cancel()

    async def _read_line(self, question: str, *, echo: bool) -> str | None:
        """Return the next line that is typed; None at the end of the input (Ctrl-D).

        Raises:
            OSError: The terminal has gone.
            termios.error: The same.
        """
        line: bytes | None = None
        while line is None:
            # No event says that a shell has put this process into the foreground.
            while not _is_in_foreground(self._fd):  # noqa: ASYNC110  # as said above
                await anyio.sleep(_FOREGROUND_INTERVAL)
            with anyio.CancelScope() as self._reading:
                line = await self._read_reply(question, echo)
        return line.decode("utf-8", "surrogateescape").rstrip("\r\n") if line else None

    async def _read_reply(self, question: str, echo: bool) -> bytes:
        """Print a question and return the line that is typed; nothing at the end of the input."""
        with _echo(self._fd, echo):
            await self._write(question.encode() + b" ")
            line = b""
            while not line.endswith(b"\n"):
                await anyio.wait_readable(self._fd)
                with contextlib.suppress(BlockingIOError):
                    data = os.read(self._fd, 4096)
                    if not data:
                        os.tcgetpgrp(self._fd)  # fails if this was no Ctrl-D
                        line = b""
                        break
                    line += data
            if not (echo and line):
                await self._write(b"\n")
        return line

    async def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while data:
                await anyio.wait_writable(self._fd)
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(self._fd, data) :]


@contextmanager
def _echo(fd: int, on: bool) -> Iterator[None]:
    """Switch the echo of a terminal for the block, and discard what was typed before it."""
    before = termios.tcgetattr(fd)
    now = list(before)
    now[3] = now[3] | termios.ECHO if on else now[3] & ~termios.ECHO
    now[3] |= termios.ICANON | termios.ISIG
    try:
        termios.tcsetattr(fd, termios.TCSAFLUSH, now)
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):
            # From the background, it would stop this process, and the terminal is the shell's.
            if _is_in_foreground(fd):
                termios.tcsetattr(fd, termios.TCSANOW, before)


@contextmanager
def open_terminal() -> Iterator[TerminalAsker | None]:
    """Open the terminal of this process; None if it has none, or runs in the background."""
    fd = None if sys.platform == "win32" else _open_terminal()
    if fd is None:
        yield None
        return
    asker = None
    try:
        with contextlib.suppress(OSError):
            asker = TerminalAsker(fd) if _is_in_foreground(fd) else None
        yield asker
    finally:
        os.close(fd)


def _open_terminal() -> int | None:
    names = ["/dev/tty"]
    for fd in (0, 1, 2):
        with contextlib.suppress(OSError):
            if os.isatty(fd):
                names.insert(0, os.ttyname(fd))  # kqueue cannot watch /dev/tty
    for name in names:
        with contextlib.suppress(OSError):
            return os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    return None


def _is_in_foreground(fd: int) -> bool:
    """Return whether this process may use its terminal now.

    Raises:
        OSError: The terminal is not that of this process, or no longer.
    """
    return os.tcgetpgrp(fd) == os.getpgrp()
