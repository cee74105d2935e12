"""Commands that change the mesh, its history and its file."""

from __future__ import annotations

import asyncio
import os
from functools import partial

from norouter_core.commands.call import Call
from norouter_core.commands.edits import EDITS, Edit, make_edit
from norouter_core.commands.results import Outcome, Question, failed
from norouter_core.manifest import ManifestError, VipChoice
from norouter_core.model import MeshSpec
from norouter_core.session import tables
from norouter_core.session.autosave import Recovery
from norouter_core.session.document import Document, SaveFailed
from norouter_core.session.handlers.base import Handler, Request, wait_if_asked
from norouter_core.session.history import step_name
from norouter_core.session.workspace import Workspace

_LOAD = "the session has unsaved changes: load over them?"
_RECOVER = "the session has unsaved changes: replace them with the recovered mesh?"
_QUIT = "the session has unsaved changes: quit anyway? (`save` writes them to a file)"


async def edit(session: Workspace, request: Request) -> Outcome:
    in_use = await session.addresses_in_use(request.call)
    outcome = await session.change(
        step_name([request.call]),
        lambda spec: make_edit(spec, request.call, in_use),
        confirmed=request.confirmed,
    )
    return await wait_if_asked(session, request, outcome)


async def _step(session: Workspace, request: Request, *, back: bool) -> Outcome:
    times = request.call.get("times", 1)
    outcome = await session.step(times, back=back, confirmed=request.confirmed)
    return await wait_if_asked(session, request, outcome)


async def save(session: Workspace, request: Request) -> Outcome:
    force = "force" in request.call
    return await session.run_exclusively(_save(session, request.call.get("file"), force))


async def _save(session: Workspace, path: str | None, force: bool) -> Outcome:
    try:
        saved = await asyncio.to_thread(session.document.save, session.spec, path, force=force)
    except SaveFailed as error:
        hint = f"{error.hint} (`save --force`)" if error.can_force else error.hint
        return failed(error.message, hint, "file")
    session.history.mark_saved()
    return Outcome(message=await session.save_work(f"saved {saved}"), data={"path": saved})


async def load(session: Workspace, request: Request) -> Outcome:
    if request.call.get("file") == "-":
        return failed("a session cannot read a manifest from its input", "name a file", "file")
    path = await asyncio.to_thread(os.path.expanduser, request.call.get("file"))
    try:
        choice = await _vip_choice(session, request.call)
        document = await asyncio.to_thread(Document.load, path, choice)
    except ManifestError as error:
        problem, more = error.problems[0], len(error.problems) - 1
        message = str(problem)
        if more:
            message += f" (and {more} more: `norouter check` lists them)"
        return failed(message, problem.hint, "file")

    if session.spec.hosts and not document.spec.hosts:
        hint = "to empty the mesh, run `host rm` for each host"
        return failed(f"{path} has no hosts; the mesh stays as it is", hint, "file")

    def adopt() -> None:
        session.document = document
        session.history.mark_saved()

    count = len(document.spec.hosts)
    message = f"loaded {path}: {count} host{'' if count == 1 else 's'}"
    hosts = tuple(host.name for host in document.spec.hosts)
    edit = Edit(document.spec, message, hosts)
    keep = "keep" in request.call
    outcome = await session.change(
        step_name([request.call]),
        lambda _: edit,
        confirmed=request.confirmed,
        then=_nothing if keep else adopt,
        ask=None if keep else partial(_ask, session, _LOAD),
    )
    return await wait_if_asked(session, request, outcome)


async def _vip_choice(session: Workspace, call: Call) -> VipChoice:
    """Return how a manifest that replaces the mesh gets its VIPs: hosts that stay keep theirs."""
    known = {host.name: host.vip for host in session.spec.hosts}
    return VipChoice(known, await session.addresses_in_use(call))


def _nothing() -> None:
    """Leave the session's file alone."""


async def _ask(session: Workspace, text: str) -> Question | None:
    """Return what to ask before the session's unsaved changes are replaced; None without any."""
    if not session.unsaved:
        return None
    return Question(text, await asyncio.to_thread(session.document.diff, session.spec))


async def revert(session: Workspace, request: Request) -> Outcome:
    saved = session.document.spec
    where = session.document.path or "the beginning"
    return await session.change(
        step_name([request.call]),
        lambda _: Edit(saved, f"back to {where}"),
        confirmed=request.confirmed,
        then=session.history.mark_saved,
    )


async def recover(session: Workspace, request: Request) -> Outcome:
    if session.autosave is None:
        return failed("unsaved work is not kept here", "use `save` to write the manifest")
    found = await asyncio.to_thread(session.autosave.recoverable)
    number = request.call.get("number")
    if number is None:
        request.emit(tables.recovery_table(found))
        return Outcome(message="; ".join(session.autosave.complaints))
    if number > len(found):
        return failed(f"there is no unsaved work {number}", "`recover` lists it", "number")
    recovery = found[number - 1]
    if "drop" in request.call:
        await asyncio.to_thread(recovery.discard)
        return Outcome(message=f"discarded the unsaved work {number}")
    return await _bring_back(session, request, recovery)


async def _bring_back(session: Workspace, request: Request, recovery: Recovery) -> Outcome:
    """Apply recovered work; the session gets its file too, and compares with its saved state."""
    document, warning = session.document, ""
    if recovery.path:
        try:
            choice = VipChoice({host.name: host.vip for host in recovery.spec.hosts})
            document = await asyncio.to_thread(Document.load, recovery.path, choice)
        except ManifestError as error:
            warning = f"; its file cannot be read, save it elsewhere: {error.problems[0]}"

    def adopt() -> None:
        session.document = document

    edit = Edit(recovery.spec, f"recovered {_size(recovery.spec)}{warning}")
    outcome = await session.change(
        step_name([request.call]),
        lambda _: edit,
        confirmed=request.confirmed,
        then=adopt,
        ask=partial(_ask, session, _RECOVER),
    )
    # If the work cannot be kept again, on a full disk say, that file is the only copy.
    if outcome.ok and not await session.run_exclusively(session.keep_work()):
        await asyncio.to_thread(recovery.discard)
    return outcome


def _size(spec: MeshSpec) -> str:
    return "1 host" if len(spec.hosts) == 1 else f"{len(spec.hosts)} hosts"


async def quit_session(session: Workspace, request: Request) -> Outcome:
    if "save" in request.call and "discard" in request.call:
        return failed("--save and --discard are mutually exclusive", "leave one of them out")
    if "save" in request.call and session.unsaved:
        outcome = await session.run_exclusively(_save(session, None, False))
        if not outcome.ok:
            return outcome
        return Outcome(message=outcome.message, ended=True)
    if not session.unsaved:
        return Outcome(ended=True)
    if "discard" in request.call:
        session.keeps_work = False
        return Outcome(message="discarded the unsaved changes", ended=True)
    if not request.confirmed:
        return Outcome(question=await _ask(session, _QUIT))
    if session.autosave is None or not session.keeps_work:
        return Outcome(message="the unsaved changes are lost", ended=True)
    warning = await session.run_exclusively(session.keep_work())
    kept = "the unsaved changes are kept: `recover` brings them back"
    return Outcome(message=warning or kept, ended=True)


CHANGES: dict[str, Handler] = {
    **dict.fromkeys(EDITS, edit),
    "undo": partial(_step, back=True),
    "redo": partial(_step, back=False),
    "save": save,
    "load": load,
    "revert": revert,
    "recover": recover,
    "quit": quit_session,
}
