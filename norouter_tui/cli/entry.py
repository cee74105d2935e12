"""The console script `norouter`.

It imports nothing but the smallest parts of the standard library: the commands are in
`norouter_tui.cli.main`, and an agent needs none of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

_INTERRUPTED = 130
"""As in `norouter_tui.exit_codes`, which would have to be imported."""


def main(argv: list[str] | None = None) -> int:
    """Run `norouter` and return its exit status (`norouter_tui.exit_codes.ExitCode`).

    Args:
        argv: the words after the program's name; those of this process when None.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["agent"] and "--automated" in words:
        # An agent starts for every link on a host that may be slow: nothing else is imported.
        from norouter_core.agent.main import main as agent

        return agent(["--automated"])
    return run_quietly(lambda: _dispatch(words))


def run_quietly(main: Callable[[], int]) -> int:
    """Return what `main` returns, or 130 if SIGINT arrives while it still imports modules.

    Until the event loop of a run takes SIGINT over, it ends the process at once: there is nothing
    to clean up yet, and an exception could surface in the middle of an import, or in a callback
    that prints it.
    """
    try:
        # Where SIGINT is ignored (`nohup`, a shell's background job) it stays so.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, lambda number, frame: os._exit(_INTERRUPTED))
        return main()
    except KeyboardInterrupt:
        return _INTERRUPTED


def _dispatch(words: list[str]) -> int:
    from norouter_tui.cli.main import dispatch

    return dispatch(words)


if __name__ == "__main__":
    sys.exit(main())
