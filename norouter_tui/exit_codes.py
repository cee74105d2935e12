"""How the program `norouter` ends, as a script sees it. `docs/events.md` tells the same."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit statuses of `norouter`; `EPILOG` is what `--help` says of them."""

    OK = 0
    """Ended as asked; a first SIGINT or SIGTERM during a run counts as asking."""
    MESH_FAILED = 1
    """No host can be brought up any more, or one failed for good during `--wait-ready`."""
    USAGE = 2
    """The command line or the manifest is wrong; nothing was started."""
    NOT_READY = 3
    """`--wait-ready S` passed without every host and port ready."""
    INTERNAL = 70
    """A fault of this program (`EX_SOFTWARE`); the traceback is in a file it names."""
    CANNOT_WRITE = 74
    """stdout or stderr cannot be written to (`EX_IOERR`), for a full disk, say."""
    CANNOT_RUN = 126
    """The command of `run -- CMD` is no program, or may not be run."""
    NO_COMMAND = 127
    """The command of `run -- CMD` was not found; nothing was started."""
    INTERRUPTED = 130
    """Interrupted before the work was done, or a second time while it stopped."""


EPILOG = (
    "Exit status: 0 ended as asked (SIGINT and SIGTERM included); 1 the mesh failed; "
    "2 wrong usage or manifest; 3 not ready in time; 70 a fault of this program; "
    "74 stdout cannot be written to; 130 interrupted before the work was done, or twice."
)
