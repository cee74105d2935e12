"""The native agent, copied into a container that has no shell, by the container engine itself.

`docker cp` takes a tar archive on its stdin and needs nothing in the container, and `docker exec`
then runs the agent. Its file is of root in the root directory, the only one that every image has.
An agent of root removes the file at once; for any other user, a second exec as root does.
"""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from norouter_core.bootstrap.base import (
    Bootstrap,
    Completed,
    Exchange,
    Progress,
    Run,
    StartFailed,
    Stdio,
    Step,
    building,
)
from norouter_core.bootstrap.handshake import Hello, HelloSearch
from norouter_core.bootstrap.native_program import (
    PLATFORMS,
    NoNativeAgent,
    Platform,
    native_program,
    needs_build,
)
from norouter_core.countdown import Countdown
from norouter_core.exec_commands.command import EngineContainer
from norouter_core.exec_commands.problem import Evidence, Stage
from norouter_core.sanitize import strip_line
from norouter_core.timing import Timing

_left: dict[tuple[tuple[str, ...], str], set[str]] = {}
"""The copies that could not be removed, by engine and container: the next start removes them."""

_SLOWEST = 1000.0
"""Bytes a second of the slowest link to an engine."""
_ROOT = frozenset({"", "0", "root"})


class CopiedAgent(Bootstrap):
    """Copies the native agent into a container, and starts it there.

    `shell_argv` is the command that found no shell; a failure names it.
    """

    def __init__(
        self, shell_argv: tuple[str, ...], container: EngineContainer, timing: Timing
    ) -> None:
        self._shell_argv = shell_argv
        self._container = container
        self._timing = timing
        self._path = f"/.norouter-{secrets.token_hex(8)}"
        self.argv = (*container.exec, *_agent(self._path))
        self._run: Run | None = None
        """What removes the copy; None while there is none."""
        self._is_root = False
        self._progress: Progress | None = None

    async def prepare(self, run: Run, progress: Progress) -> None:
        """Copy the agent that fits the container's image."""
        self._progress = progress
        progress(Step(Stage.COPIED))
        container = await self._inspect(run, "container", self._container.name)
        state = str(container.get("State", {}).get("Status"))
        if state != "running":
            # It takes a copy in any state, but nothing there runs to remove it.
            raise self._failed(container_state=state)
        await self._remove_left(run)
        user = self._container.user or container.get("Config", {}).get("User", "")
        self._is_root = user.partition(":")[0] in _ROOT
        image = await self._inspect(run, "image", str(container.get("Image")))
        platform = Platform(str(image.get("Os")), str(image.get("Architecture")))
        if platform not in PLATFORMS:
            raise self._failed(report=f"there is no native agent for {platform}")
        if await asyncio.to_thread(needs_build, platform):
            progress(building(Stage.COPIED, platform))
        try:
            program = await asyncio.to_thread(native_program, platform)
        except NoNativeAgent as error:
            raise self._failed(no_program=str(error)) from None
        progress(Step(Stage.COPIED))
        self._run = run
        await self._copy(run, program, progress)

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self._shell_argv, stdio, progress)
        exchange.enter(Stage.COPIED)
        first = await exchange.search(HelloSearch(), self._timing.installed)
        found = await exchange.read_hello(first, self._timing.hello)
        if self._is_root:
            self._run = None
        await self.clean_up()
        return found

    async def clean_up(self) -> None:
        """Remove the copy, if it is still there: root runs it once more, without a hub."""
        if self._run is None:
            return
        if reason := await self._remove(self._run, self._path):
            _left.setdefault(self._left_key, set()).add(self._path)
            self._note(
                f"cannot remove {self._container.name}:{self._path}: {reason}; norouter removes it "
                "at the next start that finds the container running"
            )
        # Not before: if this is cancelled, the next call removes the copy.
        self._run = None

    @property
    def _left_key(self) -> tuple[tuple[str, ...], str]:
        return self._container.engine, self._container.name

    async def _remove_left(self, run: Run) -> None:
        """Remove the copies of earlier starts."""
        left = _left.get(self._left_key, set())
        for path in sorted(left):
            if reason := await self._remove(run, path):
                self._note(f"cannot remove {self._container.name}:{path}: {reason}")
            else:
                left.discard(path)
        if not left:
            _left.pop(self._left_key, None)

    async def _remove(self, run: Run, path: str) -> str:
        """Have a copy remove itself, as root; return why it cannot, empty if it is gone."""
        words = (*self._container.engine, "exec", "-i", "-u", "0", self._container.name)
        try:
            async with asyncio.timeout(self._timing.removal):
                removed = await run((*words, *_agent(path)), b"")
        except TimeoutError:
            return f"`{words[0]}` does not end within {self._timing.removal:g} s"
        output = removed.stdout.decode("utf-8", "replace") + "\n".join(removed.stderr)
        # It is gone if a start that was cancelled came so far, or the container is a new one.
        if removed.status == 0 or "no such file" in output.lower():
            return ""
        return strip_line(output[-200:]).strip() or f"exit status {removed.status}"

    def _note(self, text: str) -> None:
        if self._progress is not None:
            self._progress(Step(Stage.COPIED, note=text, level="warning"))

    async def _inspect(self, run: Run, kind: str, name: str) -> dict[str, Any]:
        done = await self._engine(run, kind, "inspect", name)
        try:
            found: dict[str, Any] = json.loads(done.stdout)[0]
        except (ValueError, LookupError):
            raise self._failed(report=f"`{kind} inspect` printed no JSON") from None
        return found

    async def _copy(self, run: Run, program: Path, progress: Progress) -> None:
        target = f"{self._container.name}:"
        if self._container.reads_tar:
            tar = await asyncio.to_thread(_tar, self._path, program)
            progress(Step(Stage.COPIED, 0, len(tar)))
            await self._engine(run, "cp", "-", f"{target}/", stdin=tar)
            progress(Step(Stage.COPIED, len(tar), len(tar)))
            return
        with tempfile.TemporaryDirectory() as directory:
            copy = f"{directory}/norouter"
            await asyncio.to_thread(shutil.copy, program, copy)
            await self._engine(run, "cp", copy, f"{target}{self._path}")

    async def _engine(self, run: Run, *words: str, stdin: bytes = b"") -> Completed:
        """Run a command of the engine.

        Raises:
            StartFailed: it fails, or does not end in time.
        """
        # The command buffers so much that only the end of all shows what has arrived.
        limit = self._timing.shell + len(stdin) / _SLOWEST
        try:
            async with Countdown(limit):
                done = await run((*self._container.engine, *words), stdin)
        except TimeoutError:
            raise self._failed(timed_out=limit) from None
        if done.status != 0:
            raise self._failed(exit_status=done.status, stderr=done.stderr)
        return done

    def _failed(self, **seen: Any) -> StartFailed:
        return StartFailed(Evidence(self._shell_argv, Stage.COPIED, **seen))


def _agent(path: str) -> tuple[str, ...]:
    """Return the words that run a copy, which removes its file."""
    return (path, "agent", "--automated", "--remove", path)


def _tar(path: str, program: Path) -> bytes:
    """Return a compressed archive with the program, which every user may execute."""
    packed, data = io.BytesIO(), program.read_bytes()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode = len(data), 0o755
        archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
