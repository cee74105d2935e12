"""`python -m norouter_tui` is `norouter`."""

from __future__ import annotations

import sys

from norouter_tui.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
