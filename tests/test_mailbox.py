"""A bounded queue of which the newest values matter most."""

from __future__ import annotations

import asyncio

import pytest

from norouter_core.mailbox import Mailbox


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_the_oldest_values_are_dropped_and_counted() -> None:
    mailbox = Mailbox[int](2)
    for number in range(5):
        mailbox.put(number)
    assert (len(mailbox), mailbox.dropped) == (2, 3)
    assert await anext(mailbox) == 3
    assert mailbox.take_all() == [4] and mailbox.take_all() == []


@pytest.mark.anyio
async def test_a_reader_waits_and_reads_what_is_left_at_the_end() -> None:
    mailbox = Mailbox[str](9)
    reading = asyncio.ensure_future(_all(mailbox))
    await asyncio.sleep(0)
    mailbox.put("a")
    await asyncio.sleep(0)
    mailbox.put("b")
    mailbox.close()
    assert await reading == ["a", "b"]
    assert not await mailbox.wait()


async def _all(mailbox: Mailbox[str]) -> list[str]:
    return [value async for value in mailbox]
