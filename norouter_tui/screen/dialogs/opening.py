"""What the keys that open dialogs do, from the key to the command that is run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.binding import BindingType

from norouter_core.commands.results import Outcome, Output, Question, Table
from norouter_core.engine.publications import Service
from norouter_core.model import HostSpec
from norouter_core.sanitize import escape
from norouter_core.session.client import Snapshot
from norouter_tui.demo.live import is_demo, play
from norouter_tui.output.units import count
from norouter_tui.screen.dialogs.connecting import Connecting
from norouter_tui.screen.dialogs.files import FileDialog
from norouter_tui.screen.dialogs.form import Form
from norouter_tui.screen.dialogs.hosts import AddHost, EditHost
from norouter_tui.screen.dialogs.ports import AddPort, EditPort
from norouter_tui.screen.dialogs.questions import (
    Answer,
    Answers,
    Welcome,
    answer_bindings,
    diff_body,
)
from norouter_tui.screen.dialogs.routes import RouteForm
from norouter_tui.screen.quoting import word
from norouter_tui.screen.views.hosts import HostRow
from norouter_tui.screen.views.ports import PortRow
from norouter_tui.screen.views.routes import RouteRow
from norouter_tui.screen.widgets.cells import age

if TYPE_CHECKING:
    from norouter_tui.screen.app import NorouterApp

_NEW_FILE = "mesh.yaml"


class RecoverQuestion(Answers):
    """Offers unsaved work of a session that crashed."""

    BINDINGS: ClassVar[list[BindingType]] = answer_bindings(
        (
            Answer("r", "recover", "Recover"),
            Answer("l", "later", "Keep for later"),
            Answer("d", "drop", "Delete"),
        ),
        cancel="Later",
    )


class UnsavedQuestion(Answers):
    """Asks what to do with unsaved changes when the session ends."""

    BINDINGS: ClassVar[list[BindingType]] = answer_bindings(
        (
            Answer("s", "save", "Save"),
            Answer("k", "keep", "Keep for later"),
            Answer("d", "discard", "Discard"),
        )
    )


class Dialogs:
    """Opens them for the app; each of its coroutines belongs into a worker of the app's."""

    def __init__(self, app: NorouterApp) -> None:
        self._app = app

    @property
    def _snapshot(self) -> Snapshot | None:
        return self._app.last_snapshot

    async def _ask(self, form: Form) -> Outcome | None:
        """What became of a form, once it is told."""
        outcome: Outcome | None = await self._app.push_screen_wait(form)
        if outcome is not None:
            self._app.runner.report("", outcome)
        return outcome

    def _nothing(self, text: str) -> None:
        self._app.notify(text, severity="warning", markup=False)

    # -- entries ---------------------------------------------------------------------------

    async def add(self) -> None:
        """Adds an entry of what has the keys: a host, a port, a route."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        place = self._app.main.place
        if place == "ports":
            host = self._app.main.hosts.selected
            has_command = host is not None and bool(host.status.command)
            name = host.status.name if host is not None and has_command else ""
            await self._ask(AddPort(self._app.backend, snapshot.spec, name))
        elif place == "routes":
            await self._ask(RouteForm(self._app.backend, snapshot.spec))
        else:
            await self.add_host()

    async def add_host(self) -> None:
        """Adds a host, and shows how it comes up."""
        outcome = await self._app.push_screen_wait(AddHost(self._app.backend))
        if outcome is not None:
            self._app.log_lines([Text(escape(outcome.message))])
            await self._follow(str(outcome.data["host"]))

    async def _follow(self, name: str) -> None:
        """Shows how a host comes up, and does what is wanted next."""
        while self._snapshot is not None:
            match await self._app.push_screen_wait(Connecting(name, self._snapshot)):
                case "port":
                    await self._ask(AddPort(self._app.backend, self._snapshot.spec, name))
                    return
                case "remove":
                    await self._app.runner.run(f"host rm {word(name)}")
                    return
                case "edit":
                    outcome = await self._edit_host(name, "cmd")
                    if outcome is not None:
                        name = str(outcome.data.get("host", name))
                case _:
                    return

    async def edit(self) -> None:
        """Changes the entry under the cursor; where there are none, the manifest as a whole."""
        row, snapshot = self._app.main.chosen, self._snapshot
        if snapshot is None:
            return
        match row:
            case HostRow():
                await self._edit_host(row.status.name)
            case PortRow():
                await self._edit_port(row, snapshot)
            case RouteRow():
                await self._ask(RouteForm(self._app.backend, snapshot.spec, row.number))
            case _:
                await self._app.runner.edit()

    async def _edit_host(self, name: str, first: str = "") -> Outcome | None:
        snapshot = self._snapshot
        host = snapshot.spec.host(name) if snapshot is not None else None
        if host is None:
            self._nothing(f"There is no host {escape(name)} any more.")
            return None
        return await self._ask(EditHost(self._app.backend, host, first))

    async def _edit_port(self, row: PortRow, snapshot: Snapshot) -> None:
        host = snapshot.spec.host(row.one.to_host)
        if host is None:
            self._nothing("Its host is gone.")
        elif row.one.service != Service.PORT:
            await self._ask(EditHost(self._app.backend, host))
        else:
            await self._edit_forward(row, host)

    async def _edit_forward(self, row: PortRow, host: HostSpec) -> None:
        listen, _, proto = row.one.listen.rpartition(":")[2].partition("/")
        found = (
            f for f in host.options.ports if (str(f.listen), f.proto) == (listen, proto or "tcp")
        )
        forward = next(found, None)
        if forward is None:
            self._nothing("It is the template's: `:template set` changes that.")
            return
        await self._ask(EditPort(self._app.backend, host, forward))

    # -- files -----------------------------------------------------------------------------

    async def save(self) -> None:
        """Saves, and asks where to if that is not known yet."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.document.path:
            await self._app.runner.run("save")
        else:
            await self.save_as()

    async def save_as(self) -> bool:
        """Saves to a file that is asked for; whether that was done."""
        own = self._snapshot.document.path if self._snapshot is not None else ""
        dialog = FileDialog(self._app.backend, "save", own or _NEW_FILE, own)
        line = await self._app.push_screen_wait(dialog)
        if not line:
            return False
        outcome = await self._app.runner.run(line)
        return outcome is not None and outcome.ok

    async def open(self) -> None:
        """Makes the mesh that of a manifest that is asked for."""
        line = await self._app.push_screen_wait(FileDialog(self._app.backend, "load"))
        if line:
            await self._app.runner.run(line)

    async def revert(self) -> None:
        """Takes back what is not saved, once the user has seen what that is."""
        snapshot = self._snapshot
        if snapshot is None or not snapshot.document.unsaved:
            self._nothing("Nothing is unsaved.")
            return
        diff = await self._app.runner.text_of("diff")
        where = escape(snapshot.document.path) or "the beginning"
        question = Question(f"Back to {where}? This is taken back, and undo brings it again:", diff)
        if await self._app.runner.confirm(question):
            await self._app.runner.run("revert")

    # -- the end ---------------------------------------------------------------------------

    async def leaving(self, question: Question) -> str:
        """What to do of unsaved changes at the end; the line that ends the session, or nothing."""
        snapshot = self._snapshot
        if snapshot is not None and is_demo(snapshot.spec):
            return "quit --discard"
        details = diff_body(question.diff)
        text = "The session has changes that are not saved."
        ask = UnsavedQuestion("Quit", text, details)
        match await self._app.push_screen_wait(ask):
            case "save":
                path = snapshot.document.path if snapshot is not None else ""
                if path:
                    return "quit --save"
                return "quit" if await self.save_as() else ""
            case "keep":
                return "quit"
            case "discard":
                return "quit --discard"
        return ""

    # -- the beginning ---------------------------------------------------------------------

    async def begin(self, first: bool) -> None:
        """Offers what a crash has left; welcomes who has no manifest (`first`)."""
        if await self._recovered(first) or not first:
            return
        match await self._app.push_screen_wait(Welcome()):
            case "add":
                await self.add_host()
            case "demo":
                self._app.start_demo()
            case "open":
                await self.open()

    async def _recovered(self, first: bool) -> bool:
        """Whether the user has taken unsaved work back."""
        rows: list[Mapping[str, Any]] = []

        def take(output: Output) -> None:
            if isinstance(output, Table):
                rows.extend(output.rows)

        await self._app.backend.run("recover", take)
        snapshot = await self._app.first_snapshot()
        own = "" if first else _absolute(snapshot.document.path)
        mine = next((row for row in rows if row["path"] == own), None)
        if mine is None:
            if rows:
                self._app.notify(
                    f"unsaved work of {count(len(rows), 'session')}: :recover lists it"
                )
            return False
        match await self._app.push_screen_wait(_recovery(mine)):
            case "recover":
                outcome = await self._app.runner.run(f"recover {mine['number']}")
                return outcome is not None and outcome.ok
            case "drop":
                await self._app.runner.run(f"recover {mine['number']} --drop")
        return False

    # -- the demo --------------------------------------------------------------------------

    async def demo(self) -> None:
        """Plays the demo mesh for as long as the app runs."""
        try:
            await play(self._app.backend.change, self._demo_addresses)
        except OSError as error:
            text = f"this machine refused something that the demo needs: {error}"
            self._app.notify(escape(text), severity="error", markup=False)

    async def _demo_addresses(self, names: Sequence[str]) -> dict[str, str]:
        """Where the hosts of the demo are reached from here, once all of them are."""
        while True:
            snapshot = self._snapshot
            listeners = snapshot.status.listeners if snapshot is not None else ()
            found = {x.to_host: x.bound for x in listeners if x.service == Service.PORT and x.bound}
            if found.keys() >= set(names):
                return found
            await asyncio.sleep(0.2)


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _recovery(row: Mapping[str, Any]) -> RecoverQuestion:
    where = f" to {escape(row['path'])}" if row["path"] else ""
    text = f"A session ended {age(row['age'])} ago with unsaved changes{where}:"
    names = [Text(f"  {escape(name)}") for name in row["names"]]
    return RecoverQuestion("Unsaved work", text, names)
