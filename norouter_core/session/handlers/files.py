"""Verbs about the session's file, its unsaved work, its end."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from norouter_core.commands.edits import Edit
from norouter_core.commands.results import Column, Outcome, Question, Table, Unit
from norouter_core.manifest import ManifestError
from norouter_core.model import MeshSpec
from norouter_core.session.autosave import Recovery
from norouter_core.session.document import Document, SaveFailed
from norouter_core.session.handlers.base import Handler, Request, failed, waited
from norouter_core.session.history import step_name

if TYPE_CHECKING:
    from norouter_core.session.session import Session

_RECOVERIES = (
    Column("number", "#", Unit.NUMBER),
    Column("age", "Age", Unit.SECONDS),
    Column("path", "File"),
    Column("hosts", "Hosts"),
    Column("commands", "Commands"),
)


async def save(session: Session, request: Request) -> Outcome:
    force = "force" in request.call
    return await session.run_exclusively(_save(session, request, request.call.get("file"), force))


async def _save(session: Session, request: Request, path: str | None, force: bool) -> Outcome:
    try:
        saved = await asyncio.to_thread(session.document.save, session.spec, path, force=force)
    except SaveFailed as error:
        hint = f"{error.hint} (`save --force`)" if error.can_force else error.hint
        return failed(error.message, hint, "file")
    session.history.mark_saved()
    return Outcome(message=await session.save_work(f"saved {saved}"), data={"path": saved})


async def load(session: Session, request: Request) -> Outcome:
    if request.call.get("file") == "-":
        return failed("a session reads no manifest from its input", "name a file", "file")
    keep = "keep" in request.call
    path = await asyncio.to_thread(os.path.expanduser, request.call.get("file"))
    try:
        document = await asyncio.to_thread(Document.load, path)
    except ManifestError as error:
        problem, more = error.problems[0], len(error.problems) - 1
        told = f"{problem} (and {more} more: `norouter check` lists them)" if more else str(problem)
        return failed(told, problem.hint, "file")

    def adopt() -> None:
        session.document = document
        session.history.mark_saved()

    count = len(document.spec.hosts)
    message = f"loaded {path}: {count} host{'' if count == 1 else 's'}"
    hosts = tuple(host.name for host in document.spec.hosts)
    edit = Edit(document.spec, message, hosts)
    then, ask = (_nothing, None) if keep else (adopt, partial(_ask, session, _LOAD))
    outcome = await session.change(
        step_name([request.call]),
        lambda _: edit,
        confirmed=request.confirmed,
        then=then,
        ask=ask,
    )
    return await waited(session, request, outcome)


def _nothing() -> None:
    """What is done after a change that leaves the session's file alone."""


_LOAD = "the session has unsaved changes: load over them?"
_RECOVER = "the session has unsaved changes: put the recovered mesh in their place?"


def _ask(session: Session, text: str) -> Question | None:
    """What to ask before the session's unsaved changes make way."""
    return Question(text, _unsaved(session)) if session.unsaved else None


def _unsaved(session: Session) -> str:
    return session.document.diff(session.spec)


async def revert(session: Session, request: Request) -> Outcome:
    saved = session.document.spec
    where = session.document.path or "the beginning"
    return await session.change(
        step_name([request.call]),
        lambda _: Edit(saved, f"back to {where}"),
        confirmed=request.confirmed,
        then=session.history.mark_saved,
    )


async def recover(session: Session, request: Request) -> Outcome:
    if session.autosave is None:
        return failed("no unsaved work is kept here", "`save` writes the manifest")
    found = await asyncio.to_thread(session.autosave.recoverable)
    number = request.call.get("number")
    if number is None:
        request.emit(_recoveries(found))
        told = "; ".join(session.autosave.complaints)
        return Outcome(message=told)
    if number > len(found):
        hint = "`recover` lists what there is"
        return failed(f"there is no unsaved work {number}", hint, "number")
    recovery = found[number - 1]
    if "drop" in request.call:
        await asyncio.to_thread(recovery.discard)
        return Outcome(message=f"forgot the unsaved work {number}")
    return await _bring_back(session, request, recovery)


async def _bring_back(session: Session, request: Request, recovery: Recovery) -> Outcome:
    """Makes the mesh that of the work, and the session that of its file, whose saved state is then
    what there is to compare with."""
    document, warning = session.document, ""
    if recovery.path:
        try:
            document = await asyncio.to_thread(Document.load, recovery.path)
        except ManifestError as error:
            warning = f"; its file cannot be read, save it elsewhere: {error.problems[0]}"

    def adopt() -> None:
        session.document = document

    message = f"recovered {_size(recovery.spec)}{warning}"
    edit, ask = Edit(recovery.spec, message), partial(_ask, session, _RECOVER)
    outcome = await session.change(
        step_name([request.call]),
        lambda _: edit,
        confirmed=request.confirmed,
        then=adopt,
        ask=ask,
    )
    # Where the disk is full, say, that file is the only one that holds the work.
    if outcome.ok and not await session.run_exclusively(session.keep_work()):
        await asyncio.to_thread(recovery.discard)
    return outcome


def _recoveries(found: list[Recovery]) -> Table:
    now = time.time()
    rows = (
        {
            "number": number,
            "age": max(0.0, now - recovery.when),
            "when": recovery.when,
            "path": recovery.path,
            "hosts": ", ".join(host.name for host in recovery.spec.hosts),
            "commands": "; ".join(recovery.names[-3:]),
            "names": list(recovery.names),
        }
        for number, recovery in enumerate(found, 1)
    )
    return Table("unsaved work", _RECOVERIES, tuple(rows))


def _size(spec: MeshSpec) -> str:
    return "1 host" if len(spec.hosts) == 1 else f"{len(spec.hosts)} hosts"


async def quit_session(session: Session, request: Request) -> Outcome:
    if "save" in request.call and "discard" in request.call:
        return failed("--save and --discard are mutually exclusive", "leave one of them out")
    if "save" in request.call and session.unsaved:
        outcome = await session.run_exclusively(_save(session, request, None, False))
        if not outcome.ok:
            return outcome
        return Outcome(message=outcome.message, ended=True)
    if not session.unsaved:
        return Outcome(ended=True)
    if "discard" in request.call:
        session.keeps_work = False
        return Outcome(message="the unsaved changes are given up", ended=True)
    if not request.confirmed:
        text = "the session has unsaved changes: end it all the same? (`save` keeps them in a file)"
        return Outcome(question=Question(text, _unsaved(session)))
    if session.autosave is None or not session.keeps_work:
        return Outcome(message="the unsaved changes are gone", ended=True)
    warning = await session.run_exclusively(session.keep_work())
    kept = "the unsaved changes are kept: `recover` brings them back"
    return Outcome(message=warning or kept, ended=True)


FILES: dict[str, Handler] = {
    "save": save,
    "load": load,
    "revert": revert,
    "recover": recover,
    "quit": quit_session,
}
