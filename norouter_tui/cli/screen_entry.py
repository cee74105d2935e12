"""The console script `norouter-tui`: as thin as can be; `norouter_tui.screen.program` does it."""

from __future__ import annotations

import sys

try:
    from norouter_tui.cli.interrupts import quietly
except KeyboardInterrupt:
    sys.exit(130)  # as `quietly` does, once it is there


def main() -> int:
    """Runs `norouter-tui` and returns its exit status."""
    return quietly(_run)


def _run() -> int:
    from norouter_tui.screen.program import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
