"""`norouter run MANIFEST -- CMD`: a command that runs while the mesh is up."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread
from rich.text import Text

from norouter_core.engine.engine import Engine
from norouter_core.links.child_limits import with_original_limit
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.writers import PrintLine
from norouter_tui.run.environment import host_aliases, inside_variables, variables
from norouter_tui.shell.inside import Inside

READY_TIMEOUT = 60.0
"""Seconds for the mesh to be ready, unless --wait-ready gives others."""
_TERMINATE_TIMEOUT = 5.0
"""Seconds between SIGTERM and SIGKILL for a command whose mesh has failed."""
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_KEYBOARD_SIGNALS = ("SIGINT", "SIGQUIT")


class ChildCommand:
    """A command that runs once, with the stdio and in the process group of this process.

    Args:
        argv: the words of the command.
        manifest: the path of the manifest, or empty.
        diagnose: takes lines about the command.
        inside: the namespace in which the command runs; None for the machine's own.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        manifest: str,
        diagnose: PrintLine,
        inside: Inside | None = None,
    ) -> None:
        self._argv = argv
        self._manifest = manifest
        self._diagnose = diagnose
        self._inside = inside
        self._process: subprocess.Popen[bytes] | None = None
        known = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
        # The command inherits the signals that nohup, say, has made this process ignore.
        self.signals = tuple(x for x in known if signal.getsignal(x) is not signal.SIG_IGN)

    def on_signal(self, number: signal.Signals) -> int | None:
        """Pass a signal on to the command while it runs, or return the status to stop with."""
        if self._process is None or self._process.returncode is not None:
            return 128 + number
        self._forward(self._process, number)
        return None

    def _forward(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        if number.name in _KEYBOARD_SIGNALS and _is_in_foreground():
            return  # the terminal has sent it to the command as well
        try:
            process.send_signal(number)
        except ProcessLookupError:
            pass  # the command has just ended

    async def run(self, engine: Engine) -> int:
        """Run the command on a mesh that is up. Cancelling terminates it.

        Returns:
            The exit status as in a shell: 128 and the number of the signal that ended it, if any.
        """
        with self._environment(engine) as env:
            try:
                # Not through the loop: uvloop resets ignored signals in the children it starts.
                argv = self._argv if self._inside is None else self._inside.command(self._argv)
                argv = with_original_limit(argv)
                process = subprocess.Popen(argv, env=env)  # noqa: ASYNC220  # waits for exec
            except OSError as error:
                return self._report(error)
            self._process = process
            try:
                status = await _wait(process)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await _terminate(process)
                raise
        return status if status >= 0 else 128 - status

    @contextmanager
    def _environment(self, engine: Engine) -> Iterator[dict[str, str]]:
        hosts, status = list(engine.spec.effective()), engine.status()
        if self._inside is not None:
            yield {
                **self._inside.environment(hosts, os.environ),
                **inside_variables(hosts, self._manifest),
            }
            return
        with host_aliases(hosts) as aliases:
            yield {**os.environ, **aliases, **variables(hosts, status, self._manifest)}

    def _report(self, error: OSError) -> int:
        name = escape(self._argv[0])
        self._diagnose(Text(f"cannot run {name}: {error.strerror or error}", style="bold red"))
        is_missing = isinstance(error, FileNotFoundError)
        return ExitCode.NO_COMMAND if is_missing else ExitCode.CANNOT_RUN


def check_runnable(argv: tuple[str, ...]) -> tuple[ExitCode, str]:
    """Check a command before its mesh comes up.

    Returns:
        The exit status and the reason if it cannot run, else `OK` and an empty text.
    """
    name = escape(argv[0])
    if shutil.which(argv[0]) is not None:
        return ExitCode.OK, ""
    if os.path.exists(argv[0]):
        return ExitCode.CANNOT_RUN, f"{name} is not an executable file"
    return ExitCode.NO_COMMAND, f"command not found: {name}"


async def _wait(process: subprocess.Popen[bytes]) -> int:
    return await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


async def _terminate(process: subprocess.Popen[bytes]) -> None:
    try:
        process.terminate()
        with anyio.move_on_after(_TERMINATE_TIMEOUT):
            await _wait(process)
            return
        process.kill()
    except ProcessLookupError:
        pass
    await _wait(process)


def _is_in_foreground() -> bool:
    """Return whether the terminal signals this process and the command alike."""
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
