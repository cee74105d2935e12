"""`python -m tests.agent.record FILE...`: record what the Python agent sends in exchanges.

A step of the hub needs only `shows`. Whatever the agent sends until it is quiet becomes the next
step of the agent. Read the result against SPEC.md before it is committed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.agent.replay import RAW, Stage, Step, decode, encode, load, parse, show, to_hex

_QUIET = 0.6
"""Seconds without a frame after which no more are expected; reports take 0.25 s."""


def record(path: Path) -> None:
    """Rewrite an exchange with what the agent of this Python sends."""
    steps = [complete(step) for step in load(path)]
    with tempfile.TemporaryDirectory() as directory:
        stage = Stage(Path(sys.executable), Path(directory))
        try:
            for step in steps:
                if step["who"] != "agent" or "ends" in step:
                    stage.play(step)
                    continue
                while stage.receive(_QUIET):
                    pass
                heard = stage.take()
                step["shows"] = [show(frame) for frame in heard]
                step["hex"] = to_hex(b"".join(map(encode, heard)))
        finally:
            stage.close()
    path.write_text(json.dumps(steps, indent=1) + "\n")


def complete(step: Step) -> Step:
    """Return a step of the hub with the bytes of what it shows."""
    if step["who"] == "hub" and step["shows"] != RAW:
        data = b"".join(encode(parse(text)) for text in step["shows"])
        return {**step, "shows": [show(frame) for frame in decode(data)], "hex": to_hex(data)}
    return step


if __name__ == "__main__":
    for name in sys.argv[1:]:
        record(Path(name))
