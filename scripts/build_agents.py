"""Build the native agent for every platform into `dist/agents`; `make agents` calls this.

Beside each program lies a compressed copy, for wheels. The file `sources` names the state of the
sources from which all of them were built.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from norouter_core.bootstrap.native_program import (
    BUILT,
    PLATFORMS,
    are_built,
    build,
    packed_name,
    sources_hash,
)


def main() -> None:
    if not are_built():
        (BUILT / "sources").unlink(missing_ok=True)
        for platform in PLATFORMS:
            program = BUILT / str(platform) / platform.program_name
            program.parent.mkdir(parents=True, exist_ok=True)
            build(platform, program, Path(sys.prefix) / "native-agents")
            packed = gzip.compress(program.read_bytes(), 9, mtime=0)
            (BUILT / packed_name(platform)).write_bytes(packed)
        (BUILT / "sources").write_text(sources_hash(), "ascii")
    for platform in PLATFORMS:
        packed = BUILT / packed_name(platform)
        size = (BUILT / str(platform) / platform.program_name).stat().st_size
        sys.stdout.write(f"{size:>10,}  {packed.stat().st_size:>10,} compressed  {platform}\n")
    total = sum((BUILT / packed_name(platform)).stat().st_size for platform in PLATFORMS)
    sys.stdout.write(f"{total:>22,} compressed  all platforms\n")


if __name__ == "__main__":
    main()
