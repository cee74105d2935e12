"""Both agents answer as recorded (`replay.py`): the same frames, in the same order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from norouter_core.wire import frames, messages
from tests.agent.replay import EXCHANGES, RAW, Stage, decode, encode, from_hex, load, parse, show
from tests.native import native_agent

FILES = sorted(EXCHANGES.glob("*.json"))


@pytest.fixture(params=["python", "native"])
def program(request: pytest.FixtureRequest) -> Path:
    return Path(sys.executable) if request.param == "python" else native_agent()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_exchange(program: Path, path: Path, tmp_path: Path) -> None:
    steps = load(path)
    stage = Stage(program, tmp_path)
    try:
        for number, step in enumerate(steps):
            try:
                stage.play(step)
            except AssertionError as error:
                raise AssertionError(f"step {number}, {step}: {error}") from error
        if "ends" not in steps[-1]:
            _check_nothing_else_came(stage)
    finally:
        stage.close()


def _check_nothing_else_came(stage: Stage) -> None:
    asked = encode((frames.JSON, 0, messages.request(999, "echo", {})))
    answer = encode((frames.JSON, 0, messages.result(999, {})))
    stage.play({"who": "hub", "shows": [], "hex": asked.hex()})
    stage.play({"who": "agent", "hex": answer.hex()})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_an_exchange_shows_is_what_it_sends(path: Path) -> None:
    for step in load(path):
        if step["who"] in ("hub", "agent") and "ends" not in step and step["shows"] != RAW:
            data = from_hex(step["hex"])
            assert step["shows"] == [show(frame) for frame in decode(data)]
            assert b"".join(encode(parse(text)) for text in step["shows"]) == data
