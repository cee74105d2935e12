"""The native agent, sent to a host that needs no Python: a bare shell that can write one file.

The first line asks the shell what machine this is. The second is parsed whole before any of it
runs, so that no shell reads further: it creates a file, prints a marker, and only then gets the
program, of which it reads exactly so many bytes. Then it runs the program with a test word, in each
directory until one allows it, and becomes the program, which removes its file at once.
"""

from __future__ import annotations

import asyncio
import gzip
import secrets
from functools import cache
from pathlib import Path

from norouter_core.bootstrap.base import Bootstrap, Exchange, Progress, Stdio
from norouter_core.bootstrap.handshake import Hello, HelloSearch, MarkerSearch
from norouter_core.bootstrap.native_program import NoNativeAgent, Platform, native_program
from norouter_core.bootstrap.python_agent import marker
from norouter_core.exec_commands.problem import Stage
from norouter_core.timing import Timing

DIRECTORIES = (
    '"${XDG_RUNTIME_DIR:-/tmp}"',
    "/tmp",
    "/var/tmp",
    '"${HOME:-/tmp}"',
    ".",
    "/run",
    "/dev/shm",  # a directory of the host, where the file gets a random name
    "/dev",
)
"""Where the program may lie while it is started, as the shell's words, in order."""


class NativeAgent(Bootstrap):
    """Sends the native agent to a shell."""

    def __init__(
        self,
        argv: tuple[str, ...],
        timing: Timing,
        directories: tuple[str, ...] = DIRECTORIES,
    ) -> None:
        self.argv = argv
        self._timing = timing
        self._directories = directories

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self.argv, stdio, progress)
        nonce = secrets.token_hex(8)
        exchange.enter(Stage.SHELL)
        question = ask_line(nonce)
        await stdio.send(question)
        search = MarkerSearch(marker(nonce), question)
        await exchange.search(search, self._timing.shell)
        system, machine, unzips = _read_answer(search.noise)
        exchange.enter(Stage.NATIVE)
        try:
            platform = Platform.of(system, machine)
            program = await asyncio.to_thread(native_program, platform)
        except NoNativeAgent as error:
            raise exchange.failed(report=str(error)) from None
        data = await asyncio.to_thread(_packed if unzips else Path.read_bytes, program)
        nonce = secrets.token_hex(8)
        line = place_line(nonce, len(data), unzips, self._directories)
        await stdio.send(line)
        await exchange.search(MarkerSearch(marker(nonce), line), self._timing.shell)
        await stdio.send(data)
        first = await exchange.search(HelloSearch(marker(nonce)), self._timing.hello)
        return await exchange.read_hello(first, self._timing.hello)


def ask_line(nonce: str) -> bytes:
    """Return the line that has the shell print system, machine and `gunzip`, then the marker."""
    return (
        f"printf '\\n%s\\nNOROUTER:%s:go\\n' "
        f'"$(uname -s) $(uname -m) $(command -v gunzip)" {nonce}\n'
    ).encode()


def _read_answer(noise: bytes) -> tuple[str, str, bool]:
    lines = noise.decode("utf-8", "replace").splitlines() or [""]
    words = [*lines[-1].split(), "", ""]
    return words[0], words[1], words[2] != ""


@cache
def _packed(program: Path) -> bytes:
    return gzip.compress(program.read_bytes(), 9, mtime=0)


def place_line(nonce: str, size: int, unzips: bool, directories: tuple[str, ...]) -> bytes:
    """Return the line that receives `size` bytes and becomes the program.

    Only short POSIX options that busybox, toybox and the coreutils share; `dd` reads byte by byte,
    since a short read counts as a block.
    """
    unpack = "|gunzip " if unzips else ""
    line = (
        f"umask 077; set -- {' '.join(directories)}; f=; t=; "
        f'for d; do [ -d "$d" ] && (set -C; : >"$d/.norouter-{nonce}") 2>/dev/null && '
        f'{{ f=$d/.norouter-{nonce}; break; }}; t="$t|$d: cannot write"; done; '
        f"if [ \"$f\" ]; then printf '\\nNOROUTER:%s:go\\n' {nonce}; "
        f"{{ if command -v head >/dev/null 2>&1; then head -c {size}; "
        f'else dd bs=1 count={size} 2>/dev/null; fi; }} {unpack}>"$f"; '
        f"for d; do g=$d/.norouter-{nonce}; "
        f'[ "$g" = "$f" ] || cp "$f" "$g" 2>/dev/null || continue; '
        f'chmod 700 "$g" 2>/dev/null; "$g" t </dev/null >/dev/null 2>&1; r=$?; '
        f'if [ $r = 42 ]; then [ "$g" = "$f" ] || rm -f "$f"; '
        f'exec "$g" agent --automated --remove "$g"; fi; '
        f't="$t|$d: cannot execute (exit status $r)"; [ "$g" = "$f" ] || rm -f "$g"; done; '
        f'rm -f "$f"; fi; printf \'\\nNOROUTER:%s:none:%s\\n\' {nonce} "$t"; exit 3\n'
    )
    return line.encode()
