"""How a command reaches the hub with its questions: the program to run, and a private socket."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import logging
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec

from norouter_core.exec_commands.asking import login_of_ssh
from norouter_core.private_sockets import (
    NoSocketDirectory,
    is_own,
    make_private,
    peer_uid,
    socket_directories,
)
from norouter_core.prompts import askpass
from norouter_core.prompts.broker import Asked, Prompts, StartPrompts

_PREFIX = "ask"
_MAX_PATH = 100
_MAX_QUESTION = 64 * 1024
"""Bytes of a question; ssh's longest are those about host keys, below 1 KiB."""
_MAX_CONNECTIONS = 1024
_NEEDS_NO_DISPLAY = (8, 4)
"""The OpenSSH that knows SSH_ASKPASS_REQUIRE."""
_NAMES_ACCOUNTS = (8, 5)
"""The OpenSSH that puts `(USER@HOST)` in front of every question that a server asks."""

_log = logging.getLogger(__name__)

_numbers = itertools.count(1)


class PromptServer:
    """Takes the questions of commands on a socket, from `open` to `close`."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts
        self._directory: Path | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._opening: asyncio.Task[None] | None = None
        self._needs_display = False
        self.trouble = ""
        """Why commands cannot ask; empty if they can."""

    async def environment(
        self, start: StartPrompts, *, forced: bool = True
    ) -> dict[str, str] | None:
        """Return the environment of a command that can ask; None for that of this process.

        Args:
            start: That of the command.
            forced: Whether ssh asks by this program even if it has a terminal.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)
        if self._directory is None:
            return None
        how = {"SSH_ASKPASS_REQUIRE": "force"} if forced else {}
        if self._needs_display or not forced:
            # Without SSH_ASKPASS_REQUIRE, ssh asks by a program only if there may be a screen.
            how["DISPLAY"] = os.environ.get("DISPLAY") or ":0"
        return {
            **os.environ,
            **how,
            "SSH_ASKPASS": str(self._directory / "ssh"),
            "SUDO_ASKPASS": str(self._directory / "sudo"),
            askpass.SOCKET: str(self._directory / "socket"),
            askpass.TOKEN: start.token,
        }

    async def close(self) -> None:
        """Take no more questions, and remove the files."""
        if self._opening is not None:
            await self._opening
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    async def _open(self) -> None:
        version = await asyncio.to_thread(_ssh_version)
        self._needs_display = version < _NEEDS_NO_DISPLAY
        self._prompts.shares = version >= _NAMES_ACCOUNTS
        if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
            self.trouble = "this system has no Unix sockets"
            return
        try:
            directory = await asyncio.to_thread(_make_directory, os.environ)
        except (NoSocketDirectory, OSError) as error:
            self.trouble = str(error)
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(os.fspath(directory / "socket"))
            sock.listen(128)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(lambda: _Connection(self), sock=sock)
        except BaseException as error:
            sock.close()
            shutil.rmtree(directory, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            self.trouble = str(error)
            return
        self._directory = directory

    # -- from the connections --------------------------------------------------------------

    @property
    def prompts(self) -> Prompts:
        return self._prompts

    def joined(self, connection: _Connection) -> bool:
        """Note a connection. Return False if there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= _MAX_CONNECTIONS

    def left(self, connection: _Connection) -> None:
        """Note the end of a connection."""
        self._connections.discard(connection)


class _Question(msgspec.Struct):
    token: str
    process: int
    kind: str
    text: str
    has_other: bool = False
    """Whether the user has a program for such questions."""


class _Failed(msgspec.Struct):
    failed: bool


class _Connection(asyncio.Protocol):
    """One question, from `askpass` to its answer or to the end of the program that asks."""

    def __init__(self, server: PromptServer) -> None:
        self._server = server
        self._transport: asyncio.Transport
        self._data = b""
        self._asked: Asked | None = None
        self._question: _Question | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = socket.socket(fileno=transport.get_extra_info("socket").fileno())
        try:
            own = is_own(peer_uid(sock), os.geteuid())
        finally:
            sock.detach()
        if not self._server.joined(self) or not own:
            self.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > _MAX_QUESTION:
            _log.warning("a question of more than %d bytes is refused", _MAX_QUESTION)
            self.abort()
        elif b"\n" in self._data:
            line, _, self._data = self._data.partition(b"\n")
            try:
                self._take(line)
            except msgspec.DecodeError as error:
                _log.warning("cannot read a question: %s", error)
                self.abort()

    def _take(self, line: bytes) -> None:
        prompts = self._server.prompts
        if self._question is not None:
            if msgspec.json.decode(line, type=_Failed).failed:
                self._note_unanswered(self._question)
            return
        found = self._question = msgspec.json.decode(line, type=_Question)
        login = _login_of(found.process)
        self._asked = prompts.ask(
            found.token, found.text, found.kind, found.process, self._reply, login
        )

    def _reply(self, answer: str | None, is_unattended: bool) -> None:
        assert self._question is not None
        value: dict[str, object] = {} if answer is None else {"answer": answer}
        if is_unattended and self._question.has_other:
            value = {"ask_other": True}
        elif is_unattended:
            self._note_unanswered(self._question)
        if not self._transport.is_closing():
            self._transport.write(json.dumps(value).encode() + b"\n")

    def _note_unanswered(self, question: _Question) -> None:
        self._server.prompts.note_unanswered(question.token, question.text)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.left(self)
        if self._asked is not None:
            self._server.prompts.withdraw(self._asked)

    def abort(self) -> None:
        self._transport.abort()


# -- the files ---------------------------------------------------------------------------------


def _make_directory(environment: Mapping[str, str]) -> Path:
    """Return a new directory with the programs that ssh and sudo run.

    Raises:
        NoSocketDirectory: There is no place for it.
        OSError: It cannot be made.
    """
    trouble = f"no directory for programs: {socket_directories()[-1]}"
    for parent in socket_directories():
        directory = parent / f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
        if len(os.fsencode(directory / "socket")) > _MAX_PATH:
            continue
        try:
            make_private(parent)
        except NoSocketDirectory as error:
            trouble = str(error)
            continue
        for old in _deserted(parent):
            shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        for name in ("ssh", "sudo"):
            _write_launcher(directory / name, environment.get(f"{name.upper()}_ASKPASS", ""))
        if os.access(directory / "ssh", os.X_OK):
            return directory
        shutil.rmtree(directory, ignore_errors=True)
        trouble = f"{parent} is mounted with noexec"
    raise NoSocketDirectory(trouble)


def _write_launcher(path: Path, other: str) -> None:
    command = shlex.join((sys.executable, "-I", "-S", askpass.__file__, other))
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', "utf-8", "surrogateescape")
    path.chmod(0o700)


def _deserted(parent: Path) -> Iterator[Path]:
    """Yield the directories of processes that were killed."""
    for directory in parent.glob(f"{_PREFIX}-*"):
        pid = directory.name.split("-")[1]
        if pid.isdecimal() and not _runs(int(pid)) and _is_deserted(directory / "socket"):
            yield directory


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _is_deserted(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        try:
            sock.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return True
        except OSError:
            pass
    return False


def _login_of(process: int) -> str:
    """Return where the ssh logs in that runs as a process; empty if this system does not tell.

    The command of the host does not show it: its names may be aliases of one machine's ports.
    """
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return ""
    return login_of_ssh(tuple(map(os.fsdecode, words)))


@functools.cache
def _ssh_version() -> tuple[int, int]:
    """Return the version of OpenSSH on this machine; (0, 0) for another ssh, or none."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(
            ("ssh", "-V"), capture_output=True, check=False, timeout=5, stdin=subprocess.DEVNULL
        )
        match = re.match(rb"OpenSSH_(?:for_Windows_)?(\d+)\.(\d+)", done.stderr)
        if match:
            return int(match[1]), int(match[2])
    return 0, 0
