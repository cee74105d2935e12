"""The client of a mesh in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any

from norouter_core.commands.call import Call
from norouter_core.commands.edits import EDITS, Edit, make_edit
from norouter_core.commands.edits.base import failure_of
from norouter_core.commands.results import Completion, Emit, Failure, Outcome, failed
from norouter_core.engine.bus import Subscription
from norouter_core.engine.events import Event
from norouter_core.manifest.problems import ValidationError
from norouter_core.model import MeshSpec
from norouter_core.prompts.prompt import Prompt
from norouter_core.session.client import INTERVAL, Preview, Snapshot
from norouter_core.session.completion import complete
from norouter_core.session.handlers import HANDLERS
from norouter_core.session.handlers.base import Request
from norouter_core.session.history import step_name
from norouter_core.session.snapshots import Sampler
from norouter_core.session.workspace import Workspace

_log = logging.getLogger(__name__)


class Session(Workspace):
    """A workspace as a `Client`: runs commands, and shows what happens.

    What changes the mesh runs one command after the other; what only looks runs at once.
    """

    async def run(self, call: Call, emit: Emit, *, confirmed: bool = False) -> Outcome:
        """Run a command. A change that has begun is completed, even if this is cancelled."""
        if self._ended.is_set():
            return failed("the session has ended")
        try:
            return await HANDLERS[call.verb.name](self, Request(call, emit, confirmed))
        except ValidationError as error:
            return Outcome(failure=failure_of(error))
        except Exception as error:
            # A bug costs this command, not the session or what runs in it.
            _log.exception("a command failed: %s", step_name([call]))
            hint = "please report this, with the log"
            return Outcome(failure=Failure(f"internal error: {error!r}", hint=hint))

    async def preview(self, calls: Sequence[Call]) -> Preview:
        return preview(self.spec, calls, self.engine.cuts, await self.addresses_in_use(*calls))

    async def apply(self, calls: Sequence[Call]) -> Outcome:
        for call in calls:
            if call.verb.name not in EDITS:
                return Outcome(failure=_no_edit(call))
        if not calls:
            return Outcome()
        if self._ended.is_set():
            return failed("the session has ended")
        in_use = await self.addresses_in_use(*calls)
        return await self.change(
            step_name(calls), lambda spec: apply_calls(spec, calls, in_use), confirmed=True
        )

    async def complete(self, text: str, cursor: int) -> Sequence[Completion]:
        return await complete(self, text, cursor)

    async def find_hosts(self) -> Sequence[tuple[str, str]]:
        return await self.discovery.hosts()

    async def snapshots(self, interval: float = INTERVAL) -> AsyncIterator[Snapshot]:
        sampler = Sampler(self.engine, self.document_state)
        while not self._ended.is_set():
            yield sampler.sample()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._ended.wait()

    def questions(self) -> AsyncIterator[tuple[Prompt, ...]]:
        return self.engine.questions.follow()

    async def answer(self, number: int, text: str | None, *, remember: bool = False) -> bool:
        prompts = self.engine.questions.prompts
        if text is None:
            return prompts.cancel(number)
        return prompts.answer(number, text, remember=remember)

    def events(self, *, streams: bool = False) -> AsyncIterator[Event]:
        return self._events(self.subscribe(streams=streams))

    async def _events(self, subscription: Subscription) -> AsyncIterator[Event]:
        try:
            async for event in subscription:
                yield event
        finally:
            self.unsubscribe(subscription)


def preview(
    spec: MeshSpec,
    calls: Sequence[Call],
    cuts: Callable[[MeshSpec], tuple[int, ...]],
    in_use: Collection[str] = (),
) -> Preview:
    """Return what calls would make of a spec.

    Args:
        cuts: Returns the streams that end when a spec is applied.
        in_use: See `make_edit`.
    """
    made = Edit(spec, "")
    messages: list[str] = []
    data: dict[str, Any] = {}
    for at, call in enumerate(calls):
        if call.verb.name not in EDITS:
            return Preview(failure=_no_edit(call), at=at)
        try:
            made = make_edit(made.spec, call, in_use)
        except ValidationError as error:
            return Preview(failure=failure_of(error), at=at)
        messages.append(made.message)
        data |= made.data
    return Preview(tuple(messages), cuts(made.spec), made.spec != spec, data)


def apply_calls(spec: MeshSpec, calls: Sequence[Call], in_use: Collection[str] = ()) -> Edit:
    """Return what calls, one after the other, make of a spec, as one edit.

    Args:
        in_use: See `make_edit`.

    Raises:
        ValidationError: One of them is not possible.
    """
    edits: list[Edit] = []
    for call in calls:
        edits.append(make_edit(edits[-1].spec if edits else spec, call, in_use))
    hosts = dict.fromkeys(host for edit in edits for host in edit.hosts)
    data = {key: value for edit in edits for key, value in edit.data.items()}
    return Edit(edits[-1].spec, "; ".join(edit.message for edit in edits), tuple(hosts), data)


def _no_edit(call: Call) -> Failure:
    return Failure(f"`{call.verb.name}` does not change the mesh")
