"""Time limits that forgive a process that stood still."""

from __future__ import annotations

import asyncio
import time

import pytest

from norouter_core.countdown import Countdown

pytestmark = pytest.mark.anyio

STEP = 0.05


async def test_time_that_passes_counts() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with Countdown(3 * STEP, step=STEP):
            await asyncio.Event().wait()
    assert time.monotonic() - began >= 3 * STEP


@pytest.mark.parametrize("seconds", [STEP / 2, 2 * STEP])
async def test_time_in_which_the_process_stood_still_does_not(seconds: float) -> None:
    answer = asyncio.get_running_loop().create_future()
    async with Countdown(seconds, step=STEP):
        time.sleep(10 * STEP)  # the length of the pause is what is tested
        asyncio.get_running_loop().call_later(STEP / 5, answer.set_result, "here")
        assert await answer == "here"


async def test_a_limit_is_extended_once() -> None:
    with pytest.raises(TimeoutError):
        async with Countdown(STEP, step=STEP):
            while True:
                time.sleep(3 * STEP)  # as above
                await asyncio.sleep(0)


async def test_without_a_limit_it_waits_for_ever() -> None:
    async with Countdown(None, step=STEP):
        await asyncio.sleep(STEP)
