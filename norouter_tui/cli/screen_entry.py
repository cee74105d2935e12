"""The console script `norouter-tui`; the command is in `norouter_tui.cli.screen`."""

from __future__ import annotations

import sys

try:
    from norouter_tui.cli.entry import run_quietly
except KeyboardInterrupt:
    sys.exit(130)  # as `run_quietly` does once it is there


def main() -> int:
    """Run `norouter-tui` and return its exit status."""
    return run_quietly(_run)


def _run() -> int:
    from norouter_tui.cli.common import run_command
    from norouter_tui.cli.screen import command

    return run_command(command, "norouter-tui", sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
