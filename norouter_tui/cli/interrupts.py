"""Ctrl-C while the program is still being imported: it ends, and says nothing.

Nothing is imported here but the standard library's smallest parts: this comes first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

INTERRUPTED = 130
"""As `norouter_tui.exit_codes`, which would have to be imported."""


def quietly(main: Callable[[], int]) -> int:
    """What `main` returns, imports and all; 130 where SIGINT comes.

    Until somebody else takes SIGINT over (the event loop of a run does), it ends the process at
    once: there is nothing yet to be put in order, and an exception could end up in the middle
    of an import, or in a callback that prints it.
    """
    try:
        # Where SIGINT is ignored (`nohup`, a shell's background job) it stays so.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
