"""`python -m tests.chaos`: run a mesh under traffic and faults, and judge it. Needs root."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from tests.chaos.running import run

LOOPS = ("asyncio", "uvloop")


def parse(argv: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides faults and traffic (1)")
    parser.add_argument("--minutes", type=float, default=3.0, help="of faults, per loop (3)")
    parser.add_argument("--loop", choices=("both", *LOOPS), default="both", help="of the hub")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a clean run, too")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    options = parse(argv)
    if sys.platform != "linux" or os.geteuid() != 0:
        sys.stderr.write(
            "chaos: needs root on Linux: its hosts are network namespaces (sudo make chaos)\n"
        )
        return 2
    # Either signal ends the run in order, so that no namespace, mount or process stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    for loop in LOOPS if options.loop == "both" else (options.loop,):
        folder = Path(tempfile.mkdtemp(prefix="norouter-chaos-"))
        try:
            summary, violations = run(folder, options.seed, options.minutes, loop)
        except (pytest.skip.Exception, pytest.fail.Exception) as missing:
            sys.stderr.write(f"chaos: {missing}\n")
            return 2
        except KeyboardInterrupt:
            sys.stderr.write(f"chaos: interrupted; logs: {folder}\n")
            return 130
        for violation in violations:
            sys.stderr.write(_shown(violation))
        if violations:
            status = 1
            again = f"make chaos SEED={options.seed} MINUTES={options.minutes:g} LOOP={loop}"
            sys.stderr.write(f"chaos: violations; logs: {folder}; to run it again: {again}\n")
        elif not options.keep:
            shutil.rmtree(folder)
        sys.stdout.write(json.dumps(summary) + "\n")
        sys.stdout.flush()
    return status


def _shown(violation: dict[str, object]) -> str:
    before = violation["before"]
    assert isinstance(before, list)
    tail = "".join(f"    {line}\n" for line in before)
    return f"{violation['at']} s: {violation['kind']}: {violation['note']}\n{tail}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
