"""Build the native agent for every platform into `dist/agents`; `make agents` calls this."""

from __future__ import annotations

import sys
from pathlib import Path

from norouter_core.bootstrap.native_program import PLATFORMS, build

DIST = Path(__file__).parents[1] / "dist" / "agents"


def main() -> None:
    for platform in PLATFORMS:
        program = DIST / str(platform) / platform.program_name
        program.parent.mkdir(parents=True, exist_ok=True)
        build(platform, program)
        sys.stdout.write(f"{program.stat().st_size:>10,}  {program.relative_to(DIST.parents[1])}\n")


if __name__ == "__main__":
    main()
