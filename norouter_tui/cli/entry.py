"""The console script `norouter`: as thin as can be; the verbs are in `norouter_tui.cli.verbs`."""

from __future__ import annotations

import sys

try:
    from norouter_tui.cli.interrupts import quietly
except KeyboardInterrupt:
    sys.exit(130)  # as `quietly` does, once it is there


def main(argv: list[str] | None = None) -> int:
    """Runs `norouter` and returns its exit status (`norouter_tui.exit_codes.ExitCode`).

    Args:
        argv: the words after the program's name; those of this process when None.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["agent"] and "--automated" in words:
        # An agent starts on somebody's host for every link: nothing else is imported.
        from norouter_core.agent.main import main as agent

        return agent(["--automated"])
    return quietly(lambda: _dispatch(words))


def _dispatch(words: list[str]) -> int:
    from norouter_tui.cli.verbs import dispatch

    return dispatch(words)


if __name__ == "__main__":
    sys.exit(main())
