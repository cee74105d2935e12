"""The exit statuses of `norouter`; `docs/events.md` documents them for users."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses of `norouter`; `--help` prints `EPILOG`."""

    OK = 0
    """Ended as asked; a first SIGINT or SIGTERM during a run counts as asking."""
    MESH_FAILED = 1
    """No host can come up any more, or one failed for good during `--wait-ready`."""
    USAGE = 2
    """The command line or the manifest is wrong; nothing was started."""
    NOT_READY = 3
    """Some host or port was not ready within `--wait-ready SECONDS`, or never can be."""
    ALREADY_RUNS = 4
    """The mesh of this manifest is running already; nothing was started."""
    INTERNAL = 70
    """A bug in this program (`EX_SOFTWARE`); a message names the file with the traceback."""
    CANNOT_WRITE = 74
    """stdout or stderr cannot be written to (`EX_IOERR`): the disk is full, for example."""
    CANNOT_RUN = 126
    """The command of `run -- CMD` is not executable."""
    NO_COMMAND = 127
    """The command of `run -- CMD` was not found; nothing was started."""
    INTERRUPTED = 130
    """Interrupted before the work was done, or a second time during the stop."""


EPILOG = (
    "Exit status: 0 ended as asked (SIGINT and SIGTERM included); 1 the mesh failed; "
    "2 wrong usage or invalid manifest; 3 not ready in time; 4 the manifest already runs; "
    "70 internal error; "
    "74 cannot write to stdout; 130 interrupted before the work was done, or twice."
)
