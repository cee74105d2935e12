"""What the keys that open dialogs do, from the dialog to the command that runs in the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import BindingType

from norouter_core.commands.call import Call, build_call
from norouter_core.commands.results import Outcome, Question, Table
from norouter_core.engine.publications import Service
from norouter_core.model import HostSpec
from norouter_core.sanitize import escape
from norouter_core.session.client import Client, Snapshot
from norouter_tui.demo.live import is_demo, play
from norouter_tui.output.units import count
from norouter_tui.screen.command_runner import CommandRunner
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
from norouter_tui.screen.editing import edit_manifest
from norouter_tui.screen.lifecycle import Lifecycle
from norouter_tui.screen.main_screen import MainScreen, main_screen
from norouter_tui.screen.views.hosts import HostRow
from norouter_tui.screen.views.ports import PortRow
from norouter_tui.screen.views.routes import RouteRow
from norouter_tui.screen.widgets.cells import age

_NEW_FILE = "mesh.yaml"


class RecoverQuestion(Answers):
    """Offers the unsaved work of a session that crashed."""

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


class LeaveQuestion(Answers):
    """Asks whether the mesh of another process goes on without this screen."""

    BINDINGS: ClassVar[list[BindingType]] = answer_bindings(
        (Answer("d", "detach", "Detach"), Answer("s", "stop", "Stop the mesh"))
    )


class Flows:
    """Opens dialogs and runs what they ask for; its coroutines belong in workers of the app."""

    def __init__(
        self, app: App[Any], client: Client, lifecycle: Lifecycle, runner: CommandRunner
    ) -> None:
        self._app = app
        self._client = client
        self._lifecycle = lifecycle
        self._runner = runner

    @property
    def _main(self) -> MainScreen:
        return main_screen(self._app)

    @property
    def _snapshot(self) -> Snapshot | None:
        return self._main.snapshot

    async def _ask(self, form: Form) -> Outcome | None:
        """Show a form; return and report the outcome of what it did."""
        outcome: Outcome | None = await self._app.push_screen_wait(form)
        if outcome is not None:
            self._runner.report(outcome)
        return outcome

    def _warn(self, text: str) -> None:
        self._app.notify(text, severity="warning", markup=False)

    # -- entries ---------------------------------------------------------------------------

    async def add(self) -> None:
        """Add an entry to the focused list: a host, a port or a route."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        place = self._main.place
        if place == "ports":
            host = self._main.hosts.selected
            has_command = host is not None and bool(host.status.command)
            name = host.status.name if host is not None and has_command else ""
            await self._ask(AddPort(self._client, snapshot.spec, name))
        elif place == "routes":
            await self._ask(RouteForm(self._client, snapshot.spec))
        else:
            await self.add_host()

    async def add_host(self) -> None:
        """Add a host, and show how it starts."""
        outcome = await self._app.push_screen_wait(AddHost(self._client))
        if outcome is not None:
            self._main.log_lines([Text(escape(outcome.message))])
            await self._follow_start(str(outcome.data["host"]))

    async def _follow_start(self, name: str) -> None:
        """Show how a host starts, and do what the user wants next."""
        while self._snapshot is not None:
            self._main.hosts.go_to(name)
            match await self._app.push_screen_wait(Connecting(name, self._snapshot)):
                case "port":
                    await self._ask(AddPort(self._client, self._snapshot.spec, name))
                    return
                case "remove":
                    await self._runner.run(build_call("host rm", host=name))
                    return
                case "edit":
                    outcome = await self._edit_host(name, "cmd")
                    if outcome is not None:
                        name = str(outcome.data.get("host", name))
                case _:
                    return

    async def edit(self) -> None:
        """Change the entry under the cursor, or the whole manifest if there is no entry."""
        row, snapshot = self._main.chosen, self._snapshot
        if snapshot is None:
            return
        match row:
            case HostRow():
                await self._edit_host(row.status.name)
            case PortRow():
                await self._edit_port(row, snapshot)
            case RouteRow():
                await self._ask(RouteForm(self._client, snapshot.spec, row.number))
            case _:
                await edit_manifest(self._app, self._runner)

    async def _edit_host(self, name: str, first: str = "") -> Outcome | None:
        snapshot = self._snapshot
        host = snapshot.spec.host(name) if snapshot is not None else None
        if host is None:
            self._warn(f"Host {escape(name)} no longer exists.")
            return None
        return await self._ask(EditHost(self._client, host, first))

    async def _edit_port(self, row: PortRow, snapshot: Snapshot) -> None:
        host = snapshot.spec.host(row.one.to_host)
        if host is None:
            self._warn(f"Host {escape(row.one.to_host)} no longer exists.")
        elif row.one.service != Service.PORT:
            await self._ask(EditHost(self._client, host))
        else:
            await self._edit_forward(row, host)

    async def _edit_forward(self, row: PortRow, host: HostSpec) -> None:
        listen, _, proto = row.one.listen.rpartition(":")[2].partition("/")
        found = (
            f for f in host.options.ports if (str(f.listen), f.proto) == (listen, proto or "tcp")
        )
        forward = next(found, None)
        if forward is None:
            self._warn("This port comes from the template. To change it: `:template set`.")
            return
        await self._ask(EditPort(self._client, host, forward))

    # -- files -----------------------------------------------------------------------------

    async def save(self) -> None:
        """Save, and ask for a file if there is none yet."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.document.path:
            await self._runner.run(build_call("save"))
        else:
            await self.save_as()

    async def save_as(self) -> bool:
        """Ask for a file and save to it; return whether that succeeded."""
        own = self._snapshot.document.path if self._snapshot is not None else ""
        dialog = FileDialog(self._client, "save", own or _NEW_FILE, own)
        call = await self._app.push_screen_wait(dialog)
        if call is None:
            return False
        outcome = await self._runner.run(call)
        return outcome is not None and outcome.ok

    async def open(self) -> None:
        """Ask for a manifest and load it."""
        call = await self._app.push_screen_wait(FileDialog(self._client, "load"))
        if call is not None:
            await self._runner.run(call)

    async def revert(self) -> None:
        """Discard the unsaved changes, after showing them."""
        snapshot = self._snapshot
        if snapshot is None or not snapshot.document.unsaved:
            self._warn("There are no unsaved changes.")
            return
        diff = await self._runner.text_of("diff")
        where = escape(snapshot.document.path) or "the start of the session"
        text = f"Revert to {where}? This discards the changes below; undo restores them."
        if await self._runner.confirm(Question(text, diff)):
            await self._runner.run(build_call("revert"))

    # -- the end ---------------------------------------------------------------------------

    async def quit(self, call: Call, *, is_lost: bool = False) -> None:
        """End the session: ask about unsaved changes, and whether an attached mesh goes on.

        Args:
            call: the `quit` command.
            is_lost: the attached mesh does not run, so there is nothing to ask.
        """
        name = self._lifecycle.attached_to
        if name:
            text = f"{name} runs in another process, and goes on when you detach."
            ask = LeaveQuestion("Quit", text)
            answer = "detach" if is_lost else await self._app.push_screen_wait(ask)
            if answer == "detach":
                self._runner.leave()
            if answer != "stop":
                return
        outcome, _ = await self._runner.run_silently(call)
        if outcome.question is None:
            self._runner.report(outcome, call)
            return
        chosen = await self._resolve_unsaved(outcome.question)
        if chosen is not None:
            await self._runner.run_confirmed(chosen)

    async def _resolve_unsaved(self, question: Question) -> Call | None:
        """Ask what to do with unsaved changes; return the `quit` that does it, or None."""
        snapshot = self._snapshot
        if snapshot is not None and is_demo(snapshot.spec):
            return build_call("quit", discard=True)
        text = "There are unsaved changes."
        ask = UnsavedQuestion("Quit", text, diff_body(question.diff))
        match await self._app.push_screen_wait(ask):
            case "save":
                if snapshot is not None and snapshot.document.path:
                    return build_call("quit", save=True)
                return build_call("quit") if await self.save_as() else None
            case "keep":
                return build_call("quit")
            case "discard":
                return build_call("quit", discard=True)
        return None

    # -- the start -------------------------------------------------------------------------

    async def begin(self, *, welcome: bool) -> bool:
        """Offer what a crash has left, or welcome a user without a manifest.

        Returns True if the user wants the demo.
        """
        if await self._recover(own_file=not welcome) or not welcome:
            return False
        match await self._app.push_screen_wait(Welcome()):
            case "add":
                await self.add_host()
            case "demo":
                return True
            case "open":
                await self.open()
        return False

    async def _recover(self, *, own_file: bool) -> bool:
        """Offer unsaved work of an earlier session; return whether it was restored."""
        _, outputs = await self._runner.run_silently(build_call("recover"))
        rows = [row for each in outputs if isinstance(each, Table) for row in each.rows]
        snapshot = await self._main.first_snapshot()
        path = snapshot.document.path if own_file else ""
        own = _absolute(path)
        mine = next((row for row in rows if row["path"] == own), None)
        if mine is None:
            if rows:
                text = f"Unsaved work of {count(len(rows), 'session')}: `:recover` lists it."
                self._app.notify(text)
            return False
        number = str(mine["number"])
        match await self._app.push_screen_wait(_recover_question(mine)):
            case "recover":
                outcome = await self._runner.run(build_call("recover", number=number))
                return outcome is not None and outcome.ok
            case "drop":
                await self._runner.run(build_call("recover", number=number, drop=True))
        return False

    # -- the demo --------------------------------------------------------------------------

    async def demo(self) -> None:
        """Run the demo mesh for as long as the app runs."""
        try:
            await play(self._client.apply, self._demo_addresses)
        except OSError as error:
            text = f"The demo cannot run on this machine: {error}"
            self._app.notify(escape(text), severity="error", markup=False)

    async def _demo_addresses(self, names: Sequence[str]) -> dict[str, str]:
        """Return the addresses of the demo's hosts on this machine, once all are reachable."""
        while True:
            listeners = (await self._main.next_snapshot()).status.listeners
            found = {x.to_host: x.bound for x in listeners if x.service == Service.PORT and x.bound}
            if found.keys() >= set(names):
                return found


def _absolute(path: str) -> str:
    return os.path.abspath(path) if path else ""


def _recover_question(row: Mapping[str, Any]) -> RecoverQuestion:
    where = f" to {escape(row['path'])}" if row["path"] else ""
    text = f"A session ended {age(row['age'])} ago with unsaved changes{where}:"
    names = [Text(f"  {escape(name)}") for name in row["names"]]
    return RecoverQuestion("Unsaved work", text, names)
