"""The limit of open descriptors of child processes: the one that this process started with."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from norouter_core.agent.descriptors import original_limit

_SCRIPT = 'ulimit -S -n "$0" && exec "$@"'


def with_original_limit(argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command that runs `argv` with the soft limit of before `raise_limit`.

    A shell sets it and then becomes the command. Code between fork and exec could do so, too, but
    makes the start of a process slow, and unsafe beside threads.
    """
    limit, shell = original_limit(), shutil.which("sh")
    # What cannot be found is run as it is, so that the system reports why.
    if limit is None or shell is None or shutil.which(argv[0]) is None:
        return tuple(argv)
    return (shell, "-c", _SCRIPT, str(limit), *argv)
