"""Verbs that map the spec to another, and the history of that."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from norouter_core.commands.edits import EDITS
from norouter_core.commands.results import Outcome
from norouter_core.session.handlers.base import Handler, Request, waited
from norouter_core.session.history import step_name

if TYPE_CHECKING:
    from norouter_core.session.session import Session


async def edit(session: Session, request: Request) -> Outcome:
    make = EDITS[request.call.verb.name]
    outcome = await session.change(
        step_name([request.call]),
        lambda spec: make(spec, request.call),
        confirmed=request.confirmed,
    )
    return await waited(session, request, outcome)


async def _step(session: Session, request: Request, *, back: bool) -> Outcome:
    times = request.call.get("times", 1)
    outcome = await session.step(times, back=back, confirmed=request.confirmed)
    return await waited(session, request, outcome)


EDITING: dict[str, Handler] = {
    **dict.fromkeys(EDITS, edit),
    "undo": partial(_step, back=True),
    "redo": partial(_step, back=False),
}
