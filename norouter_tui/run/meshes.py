"""The user's running meshes: listing, choosing and stopping them."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

import anyio
import click
from rich.text import Text

from norouter_core.commands.results import Column, Table, Unit
from norouter_core.control import ControlLost, RunningMesh, discover
from norouter_core.sanitize import escape
from norouter_tui.exit_codes import ExitCode
from norouter_tui.output.display import Display, StreamSink

STOP_TIMEOUT = 15.0
"""Seconds for an orderly stop before a second signal kills the exec commands."""
_KILL_TIMEOUT = 5.0
"""Seconds for the mesh to end after that."""
_POLL_INTERVAL = 0.05

_COLUMNS = (
    Column("pid", "PID", Unit.NUMBER),
    Column("name", "Name"),
    Column("age", "Age", Unit.SECONDS),
    Column("hosts", "Hosts", Unit.NUMBER),
    Column("ready", "Ready", Unit.NUMBER),
    Column("streams", "Streams", Unit.NUMBER),
    Column("manifest", "Manifest"),
)


def show_meshes(*, as_json: bool) -> int:
    """Print the running meshes on stdout (`norouter ps`)."""
    meshes = anyio.run(discover)
    table = Table("running meshes", _COLUMNS, tuple(map(_row, meshes)))
    Display(StreamSink(), as_json=as_json)(table)
    for mesh in meshes:
        if mesh.trouble:
            click.echo(f"norouter: {mesh.pid}: {escape(mesh.trouble)}", err=True)
    return ExitCode.OK


def _row(mesh: RunningMesh) -> dict[str, object]:
    summary = mesh.summary
    row: dict[str, object] = {
        "pid": mesh.pid,
        "name": mesh.name,
        "age": max(0.0, time.time() - mesh.started) if mesh.started else None,
        "started": mesh.started or None,
        "manifest": mesh.manifest,
        "socket": str(mesh.path),
        "answers": summary is not None,
    }
    if summary is not None:
        row["unsaved"] = summary.document.unsaved
        for key in ("hosts", "ready", "failed", "streams"):
            row[key] = getattr(summary, key)
    return row


async def choose(wanted: str | None, how: str = "by its PID") -> RunningMesh:
    """Return the running mesh with that name, manifest or process id; the only one for None.

    Args:
        how: how to name one, for the message if several run.

    Raises:
        click.ClickException: there is no such mesh, or there are several.
    """
    meshes = await discover()
    found = [mesh for mesh in meshes if wanted is None or is_named(mesh, wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise click.UsageError(
            f"several meshes are running; choose one {how}:\n{mesh_lines(found)}"
        )
    if wanted is None:
        raise click.ClickException("no mesh of yours is running; to start one: norouter run FILE")
    others = f"; running meshes:\n{mesh_lines(meshes)}" if meshes else ""
    raise click.ClickException(f"no mesh named {escape(wanted)} is running{others}")


def is_named(mesh: RunningMesh, wanted: str) -> bool:
    """Return whether `wanted` is the process id, the manifest or the name of a mesh."""
    if wanted.isdecimal() and mesh.pid == int(wanted):
        return True
    if mesh.manifest and _is_file_of(mesh, wanted):
        return True
    return wanted.casefold() == mesh.name.casefold()


def already_runs(file: str) -> Text | None:
    """Return what to tell the user if the mesh of a manifest runs already, else None."""
    meshes = [mesh for mesh in anyio.run(discover) if mesh.manifest and _is_file_of(mesh, file)]
    if not meshes:
        return None
    pid = meshes[0].pid
    text = f"norouter: {escape(file)} already runs (pid {pid}): "
    return Text(f"{text}norouter attach {pid}, or norouter stop {pid}", style="bold red")


def _is_file_of(mesh: RunningMesh, file: str) -> bool:
    return os.path.realpath(file) == os.path.realpath(mesh.manifest)


def mesh_lines(meshes: Sequence[RunningMesh]) -> str:
    """Return a line for each mesh."""
    return "\n".join(
        f"  {mesh.pid}  {escape(mesh.name)}  {escape(mesh.manifest)}".rstrip() for mesh in meshes
    )


def lost_line(mesh: RunningMesh, lost: ControlLost) -> Text:
    """Return the line for a mesh that cannot be reached, or no longer."""
    return Text(f"norouter: {escape(mesh.name)}: {escape(str(lost))}", style="bold red")


# -- stopping ------------------------------------------------------------------------------


def stop(wanted: str | None, *, timeout: float = STOP_TIMEOUT) -> int:
    """Stop the mesh that `wanted` names, see `choose`; return when it has ended.

    Returns:
        The exit status: `MESH_FAILED` if the mesh cannot be stopped.

    Raises:
        click.ClickException: there is no such mesh, or there are several.
    """
    mesh = anyio.run(choose, wanted)
    with _Process(mesh.pid) as process:
        for seconds in (timeout, _KILL_TIMEOUT):
            try:
                process.terminate()
            except ProcessLookupError:
                break
            except PermissionError:
                click.echo(f"norouter: process {mesh.pid} belongs to another user", err=True)
                return ExitCode.MESH_FAILED
            if process.has_ended(seconds):
                break
        else:
            text = f"norouter: process {mesh.pid} does not end; try `kill -9 {mesh.pid}`"
            click.echo(text, err=True)
            return ExitCode.MESH_FAILED
    click.echo(f"stopped: {escape(mesh.name)} (pid {mesh.pid})")
    return ExitCode.OK


class _Process:
    """A process that is not a child.

    Where the system has pidfds, a later process with the same number is not mistaken for it.
    """

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
        """Send SIGTERM.

        Raises:
            ProcessLookupError: the process has ended.
            PermissionError: it belongs to another user.
        """
        if self._fd >= 0:
            signal.pidfd_send_signal(self._fd, signal.SIGTERM)
        else:
            os.kill(self._pid, signal.SIGTERM)

    def has_ended(self, timeout: float) -> bool:
        """Wait for the end of the process; return whether it came in time."""
        if self._fd >= 0:
            ended, _, _ = select.select([self._fd], [], [], timeout)
            return self._fd in ended
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                os.kill(self._pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(_POLL_INTERVAL)
        return False
