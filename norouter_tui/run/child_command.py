"""`norouter run MANIFEST -- CMD`: a command that runs while the mesh is up."""

from __future__ import annotations

import os
import shutil
import signal

import anyio
import anyio.abc
from rich.text import Text

from norouter_core.engine import Engine
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.printer import Say
from norouter_tui.run.environment import host_aliases, variables

PATIENCE = 60.0
"""Seconds for the mesh to be ready, where nobody says otherwise."""
_GRACE = 5.0
"""Seconds for the command to end once it was asked to, because its mesh has failed."""
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_FROM_KEYS = ("SIGINT", "SIGQUIT")


class ChildCommand:
    """Runs once, with this process's stdin, stdout and stderr, in its process group.

    Args:
        argv: the command's words.
        manifest: the path of its mesh's manifest, or empty.
        diagnose: takes lines about it.
    """

    def __init__(self, argv: tuple[str, ...], manifest: str, diagnose: Say) -> None:
        self._argv = argv
        self._manifest = manifest
        self._diagnose = diagnose
        self._process: anyio.abc.Process | None = None
        known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        # The command inherits the signals that nohup, say, has made this process ignore.
        self.signals = tuple(x for x in known if signal.getsignal(x) is not signal.SIG_IGN)

    def on_signal(self, number: signal.Signals) -> int | None:
        """Pass a signal on to the command while it runs, or return the status to stop with."""
        if self._process is None or self._process.returncode is not None:
            return 128 + number
        self._forward(self._process, number)
        return None

    def _forward(self, process: anyio.abc.Process, number: signal.Signals) -> None:
        if number.name in _FROM_KEYS and _is_in_foreground():
            return  # the terminal has sent it to the command, too
        try:
            process.send_signal(number)
        except ProcessLookupError:
            pass  # it has just ended

    async def run(self, engine: Engine) -> int:
        """Runs the command on a mesh that is up, and returns how it ended, as a shell tells it:
        its status, or 128 and the number of the signal that ended it. Cancelling ends it."""
        hosts = list(engine.spec.effective())
        with host_aliases(hosts) as aliases:
            said = variables(hosts, engine.status(), self._manifest)
            env = {**os.environ, **aliases, **said}
            try:
                process = await anyio.open_process(
                    self._argv, stdin=None, stdout=None, stderr=None, env=env
                )
            except OSError as error:
                return self._failed(error)
            self._process = process
            try:
                status = await process.wait()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await _put_down(process)
                raise
        return status if status >= 0 else 128 - status

    def _failed(self, error: OSError) -> int:
        name = escape(self._argv[0])
        self._diagnose(Text(f"cannot run {name}: {error.strerror or error}", style="bold red"))
        is_missing = isinstance(error, FileNotFoundError)
        return ExitCode.NO_COMMAND if is_missing else ExitCode.CANNOT_RUN


def missing(argv: tuple[str, ...]) -> tuple[ExitCode, str]:
    """Why a command cannot be run, as far as that can be told before its mesh is up, with the
    status to end with; `OK` if nothing is known against it."""
    name = escape(argv[0])
    if shutil.which(argv[0]) is not None:
        return ExitCode.OK, ""
    if os.path.exists(argv[0]):
        return ExitCode.CANNOT_RUN, f"the command {name} is no program that can be run"
    return ExitCode.NO_COMMAND, f"the command {name} was not found"


async def _put_down(process: anyio.abc.Process) -> None:
    try:
        process.terminate()
        with anyio.move_on_after(_GRACE):
            await process.wait()
            return
        process.kill()
    except ProcessLookupError:
        pass
    await process.wait()


def _is_in_foreground() -> bool:
    """Whether keys typed at the terminal signal this process and the command alike."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
