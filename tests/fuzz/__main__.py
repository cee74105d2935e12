"""Search for inputs that break a parser: `make fuzz`, or python -m tests.fuzz --help.

Each target runs under atheris in a process of its own, then looks for inputs that take more than
linear time. What breaks one is written to its corpus, named after its hash, where the tests
replay it. Inputs that reach new code are kept in `.fuzz`, from one run to the next.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.growth import search
from tests.fuzz.registry import TARGETS

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".fuzz"
_GROWTH_SHARE = 10
"""The part of a target's time, 1/_GROWTH_SHARE, in which inputs are grown."""
_LIMITS = ("-timeout=20", "-rss_limit_mb=1024", "-max_len=4096", "-report_slow_units=20")
_PROGRESS = re.compile(r"^#(\d+)\s.*\bcov: (\d+) ft: (\d+)", re.MULTILINE)
_NATIVE = re.compile(r"^func (Fuzz\w+)\(", re.MULTILINE)


def native_targets() -> dict[str, Path]:
    """Return the packages of the native agent's targets, by their names."""
    return {
        f"native-{name}": file.parent
        for file in sorted((ROOT / "agent-go").rglob("*_test.go"))
        for name in _NATIVE.findall(file.read_text())
    }


def fuzz(name: str, seconds: float, seed: int) -> bool:
    """Fuzz a target for so long; return whether it withstood."""
    kept, found = KEPT / name, TARGETS[name].corpus
    kept.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    command = [
        *(sys.executable, "-m", "tests.fuzz.instrumented", name, str(kept), str(found)),
        *(*_LIMITS, f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}"),
        f"-artifact_prefix={found}/",
    ]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.STDOUT, stdout=subprocess.PIPE)
    log = done.stdout.decode("utf-8", "replace")
    runs, covered, features = (_PROGRESS.findall(log) or [("0", "0", "0")])[-1]
    print(f"{name}: {runs} runs in {seconds:.0f} s, {covered} edges, {features} features")
    if done.returncode:
        lines = [line for line in log.splitlines() if not line.startswith(("INFO", "#", "NEW"))]
        print("\n".join(lines)[-6000:])
        for each in sorted(set(found.iterdir()) - before):
            print(f"{name}: FOUND {each.relative_to(ROOT)}")
    return done.returncode == 0


def grow(name: str, seconds: float, seed: int) -> bool:
    """Look for inputs of a target that take more than linear time; return whether there is none."""
    target = TARGETS[name]
    slow = search(target, [target.corpus, KEPT / name], seconds, seed)
    for each in slow:
        print(f"{name}: GROWN {each}")
    return not slow


def fuzz_native(name: str, package: Path, seconds: float) -> bool:
    """Fuzz a target of the native agent; Go keeps what it finds in its testdata."""
    pattern = f"^{name.removeprefix('native-')}$"
    command = ["go", "test", "-run", "NONE", "-fuzz", pattern, "-fuzztime", f"{seconds:.0f}s", "."]
    began = time.monotonic()
    done = subprocess.run(command, cwd=package, capture_output=True, text=True)
    last = next((x for x in reversed(done.stdout.splitlines()) if x.startswith("fuzz: ")), "")
    print(f"{name}: {last or done.stdout[-2000:]} in {time.monotonic() - began:.0f} s")
    if done.returncode:
        print(done.stdout[-8000:] + done.stderr[-8000:])
    return done.returncode == 0


def main() -> int:
    native = native_targets() if shutil.which("go") else {}
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all without one")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--seed", type=int, help="chosen if there is none")
    given = parser.parse_args()
    names = given.targets or [*TARGETS, *native]
    if unknown := set(names) - set(TARGETS) - set(native):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; {', '.join(TARGETS)}")
    seed = given.seed or int.from_bytes(os.urandom(3), "big") + 1  # libFuzzer has no seed 0
    print(f"seed {seed}", flush=True)
    seconds = given.minutes * 60
    failed = []
    for name in names:
        if name in native:
            is_sound = fuzz_native(name, native[name], seconds)
        else:
            share = seconds / _GROWTH_SHARE
            # Both, even if the first fails.
            results = fuzz(name, seconds - share, seed), grow(name, share, seed)
            is_sound = all(results)
        failed += [] if is_sound else [name]
        sys.stdout.flush()
    print(f"{len(names)} targets, {len(failed)} failed {' '.join(failed)}".strip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
