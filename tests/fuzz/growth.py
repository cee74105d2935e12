"""Whether the time that a check takes is linear in the size of its input."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.targets import Shape, Target

_LEAST_SECONDS = 0.05
"""A shorter time says nothing of how it grows."""
_MAX_RATIO = 3.0
"""Of the times for twice the size; 2 is linear, 4 quadratic."""


def grown(shape: Shape, size: int) -> bytes:
    """Return an input of about `size` bytes."""
    before, piece, after = shape
    return before + piece * max(1, size // len(piece)) + after


def count_work(target: Target, data: bytes) -> int:
    """Return how many lines of Python a check executes, for a test that cannot go by the clock."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        target.run(data)
    finally:
        sys.settrace(before)
    return count


def seconds_for(target: Target, data: bytes) -> float:
    """Return the processor time of a check, the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        target.run(data)
        best = min(best, time.process_time() - began)
        if best > 1:
            break
    return best


def is_slow(target: Target, shape: Shape) -> str:
    """Return how the time grows with a shape if that is more than linear; empty if it is not."""
    size = 1024
    took = [seconds_for(target, grown(shape, size))]
    while size < target.max_growth:
        size *= 2
        took.append(seconds_for(target, grown(shape, size)))
        if took[-1] > _LEAST_SECONDS and len(took) > 2:
            # Two steps in a row: a cache that overflows makes one.
            if took[-1] > _MAX_RATIO**2 * took[-3]:
                times = ", ".join(f"{each * 1000:.1f}" for each in took)
                return f"{shape!r}: {times} ms for 1 KiB to {size // 1024} KiB"
        if took[-1] > 5:
            break
    return ""


def search(target: Target, folders: Sequence[Path], seconds: float, seed: int) -> list[str]:
    """Return shapes that take more than linear time, or break the target: its own, then random ones
    made of what is in the folders.
    """
    until = time.monotonic() + seconds
    slow: list[str] = []
    files = [file for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]
    for number, shape in enumerate(chain(target.shapes, _shapes(random.Random(seed), files))):
        if number >= len(target.shapes) and (time.monotonic() > until or len(slow) > 3):
            break
        try:
            found = is_slow(target, shape)
        except Exception as error:
            found = f"{shape!r}: {error!r}"
        if found:
            slow.append(found)
    return slow


def _shapes(chance: random.Random, files: Sequence[Path]) -> Iterator[Shape]:
    """Yield inputs in which a piece repeats, without an end."""
    contents = [data for file in files if (data := file.read_bytes())]
    while contents:
        data = chance.choice(contents)
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.choice((1, 1, 2, 3, 5, 8, 16, 64)))
        yield data[:start], data[start:end], data[end:]
