"""Verbs about single streams."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from norouter_core.commands import listing
from norouter_core.commands.results import Bytes, Outcome
from norouter_core.engine.tap import RECEIVED, SENT, TapError
from norouter_core.links.base import OperationError
from norouter_core.sanitize import strip_line
from norouter_core.session.handlers.base import Handler, Request, failed

if TYPE_CHECKING:
    from norouter_core.session.session import Session


async def kill(session: Session, request: Request) -> Outcome:
    numbers = request.call.all("stream")
    known = {stream.id for stream in session.engine.status().streams}
    for place, number in enumerate(numbers):
        if number not in known:
            return no_stream(number, place)
    silent = []
    for number in numbers:
        try:
            await session.engine.kill_stream(number)
        except OperationError as error:
            silent.append(f"stream {number} may still be open: {strip_line(error.reason)}")
    if silent:
        return failed("; ".join(silent), "`host restart` ends whatever is open on a host")
    return Outcome(message=f"killed {', '.join(map(str, numbers))}", data={"killed": [*numbers]})


async def show(session: Session, request: Request) -> Outcome:
    number = request.call.get("stream")
    found = [stream for stream in session.engine.status().streams if stream.id == number]
    if not found:
        return no_stream(number)
    request.emit(listing.one_stream(found[0], session.latest.get().streams.get(number)))
    return Outcome()


async def tap(session: Session, request: Request) -> Outcome:
    number = request.call.get("stream")
    total = {SENT: 0, RECEIVED: 0}

    def told(source: str, data: memoryview) -> None:
        total[source] += len(data)
        request.emit(Bytes(source, bytes(data)))

    if all(stream.id != number for stream in session.engine.status().streams):
        return no_stream(number)
    try:
        with session.engine.tap(number, told) as tapped:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(request.call.get("for")):
                    await tapped.wait_ended()
    except TapError as error:
        return failed(str(error), argument="stream")
    ended = f"stream {number} has ended: {tapped.reason}" if tapped.reason else ""
    return Outcome(message=ended, data={"sent": total[SENT], "received": total[RECEIVED]})


def no_stream(number: int, index: int = 0) -> Outcome:
    hint = "`streams` lists the open ones"
    return failed(f"there is no stream {number}", hint, "stream", index)


STREAMS: dict[str, Handler] = {"stream kill": kill, "stream show": show, "stream tap": tap}
