"""`norouter stop`: ends a mesh that runs elsewhere, in order."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

import anyio
import click

from norouter_core.control import RunningMesh
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.run.meshes import choose

PATIENCE = 15.0
"""Seconds for an orderly stop, before the exec commands are killed."""
_AT_ONCE = 5.0
"""Seconds for the end once they have been."""
_TICK = 0.05


def stop(wanted: str | None) -> int:
    """Stops the mesh that `wanted` names (see `engines.choose`), and returns when it has ended; 1
    where it stays.

    Raises:
        click.ClickException: there is none such, or several could be meant.
    """
    return _end(anyio.run(choose, wanted))


def _end(engine: RunningMesh) -> int:
    with _Process(engine.pid) as process:
        for patience in (PATIENCE, _AT_ONCE):
            try:
                process.terminate()
            except ProcessLookupError:
                break
            except PermissionError:
                click.echo(f"norouter: {engine.pid} belongs to another user", err=True)
                return ExitCode.MESH_FAILED
            if process.has_ended(patience):
                break
        else:
            click.echo(f"norouter: {engine.pid} does not end; try `kill -9`", err=True)
            return ExitCode.MESH_FAILED
    click.echo(f"stopped: {escape(engine.name)} (pid {engine.pid})")
    return ExitCode.OK


class _Process:
    """A process that is not a child; where the system can, held so that no later one with its
    number is taken for it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._fd = -1

    def __enter__(self) -> _Process:
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):
                self._fd = os.pidfd_open(self._pid)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def terminate(self) -> None:
        """
        Raises:
            ProcessLookupError: it is gone.
            PermissionError: it is another user's.
        """
        if self._fd >= 0:
            signal.pidfd_send_signal(self._fd, signal.SIGTERM)
        else:
            os.kill(self._pid, signal.SIGTERM)

    def has_ended(self, patience: float) -> bool:
        """Waits for its end, for at most that many seconds."""
        if self._fd >= 0:
            ended, _, _ = select.select([self._fd], [], [], patience)
            return self._fd in ended
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                os.kill(self._pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(_TICK)
        return False
