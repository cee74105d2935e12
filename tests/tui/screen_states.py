"""What the pictures show: an app with a fixed snapshot, and the keys that lead to a state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text
from textual.pilot import Pilot
from textual.widgets import Input

from norouter_core.commands.results import (
    Bytes,
    Column,
    Completion,
    Diff,
    Failure,
    Lines,
    Outcome,
    Output,
    Question,
    Table,
    Unit,
)
from norouter_core.model import MeshSpec
from norouter_core.session.client import DocumentState, Snapshot
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.messages import SnapshotArrived
from norouter_tui.screen.views.log import LogEntry, LogView
from tests.tui import snapshots
from tests.tui.canned_client import CannedClient

MANIFEST = """\
hosts:
  local:
    vip: 127.0.42.100
    http: {listen: "127.0.0.1:18080"}
  web:
    cmd: docker exec -i web           # the shop
    vip: 127.0.42.101
    ports: ["8080:127.0.0.1:80", "9100:127.0.0.1:9100"]
  db:
    cmd: ssh db.example.com
    vip: 127.0.42.102
"""
DIFF = """\
--- mesh.yaml
+++ mesh.yaml
@@ -5,6 +5,6 @@
   web:
     cmd: docker exec -i web           # the shop
     vip: 127.0.42.101
-    ports: ["8080:127.0.0.1:80"]
+    ports: ["8080:127.0.0.1:80", "9100:127.0.0.1:9100"]
   db:
     cmd: ssh db.example.com"""
COMPLETIONS = (
    Completion("host add", 0, "add a host, by the exec command that leads to it"),
    Completion("host rm", 0, "remove hosts, and the routes that lead through them"),
    Completion("host set", 0, "change a host: its command, VIP, aliases, options"),
    Completion("hosts", 0, "the hosts: state, VIP, round trip, traffic, command"),
)
REQUEST = b"GET /cart HTTP/1.1\r\nHost: web:8080\r\nAccept: */*\r\n\r\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 25\r\n\r\n"
    b"gr\xc3\xbc\xc3\x9fe \x1b[31m\x00\xff from the shop\n"
)


def answer(line: str, confirmed: bool) -> tuple[Outcome, Sequence[Output]]:
    """What the other side would say."""
    match line.split()[0]:
        case "export":
            return Outcome(), [Lines(MANIFEST)]
        case "diff":
            return Outcome(), [Diff(DIFF)]
        case "undo" if not confirmed:
            text = "2 streams will be cut"
            return Outcome(question=Question(text, DIFF, (3, 4))), []
        case "hosts":
            columns = Column("name", "Host"), Column("streams", "Streams", Unit.NUMBER)
            rows = {"name": "web", "streams": 3}, {"name": "bastion", "streams": 10}
            return Outcome(), [Table("hosts", columns, rows)]
        case "prot":
            return Outcome(failure=Failure("no verb `prot`", hint="did you mean port?")), []
        case "stream":
            sides = [Bytes("sent", REQUEST), Bytes("received", RESPONSE)]
            return Outcome(message="stream 1 has ended: closed"), sides
    return Outcome(message=f"done: {line}"), []


def many() -> Snapshot:
    """500 streams."""
    return snapshots.snapshot(of_streams=snapshots.streams(500))


def empty() -> Snapshot:
    """Nothing at all."""
    return snapshots.snapshot(
        of_hosts=(), of_streams=(), of_listeners=(), mesh=MeshSpec(), document=DocumentState()
    )


def later() -> Snapshot:
    """Three streams more than at first."""
    return snapshots.snapshot(of_streams=snapshots.streams(12))


LOG = (
    Text.assemble("host ", ("web", "bold"), " ", ("ready", "green"), ": 127.0.42.101, Python 3.11"),
    Text.assemble(
        "host ", ("db", "bold"), ": ", ("ssh: Permission denied (publickey)", "bold red")
    ),
    Text("  command: ssh db.example.com sh"),
    Text.assemble(("  hint: ", "bold"), "run it once by hand and see that it asks for nothing"),
    Text.assemble(("warning: ", "yellow"), ("web: ", "bold"), "\\x1b[2J an escape code"),
)


@dataclass(frozen=True)
class Scene:
    """`keys` are pressed one by one; a key that begins with `=` is a text to type."""

    name: str
    keys: tuple[str, ...] = ()
    snapshot: Callable[[], Snapshot] = snapshots.snapshot
    then: Callable[[], Snapshot] | None = None
    """A later snapshot, that comes after the keys."""
    theme: str = "norouter-dark"
    sizes: tuple[tuple[int, int], ...] = ((80, 24), (140, 45))
    no_colour: bool = False

    def app(self) -> NorouterApp:
        client = CannedClient(answer)
        client.completions = COMPLETIONS
        app = NorouterApp(client, client)
        app.theme = self.theme
        return app

    async def play(self, pilot: Pilot[Any]) -> None:
        """Leads the app into the state."""
        app = pilot.app
        assert isinstance(app, NorouterApp)
        app.animation_level = "none"
        await pilot.pause()
        for field in app.main.query(Input):
            field.cursor_blink = False
        app.main.query_one(LogView).add(LogEntry(snapshots.NOW, line) for line in LOG)
        app.post_message(SnapshotArrived(self.snapshot()))
        await pilot.pause()
        for key in self.keys:
            if key.startswith("="):
                await _type(pilot, key[1:])
            else:
                await pilot.press(key)
        while any(w.group in _WAITED and not w.is_finished for w in app.workers):
            await pilot.pause(0.01)
        if self.then is not None:
            app.post_message(SnapshotArrived(self.then()))
        await pilot.pause()


_WAITED = ("manifest", "completion", "tap")
"""Workers that fill what is shown."""


async def _type(pilot: Pilot[Any], text: str) -> None:
    from textual.events import Paste

    focused = pilot.app.focused
    assert focused is not None
    focused.post_message(Paste(text))
    await pilot.pause()


SCENES = (
    Scene("streams"),
    Scene("empty", snapshot=empty),
    Scene("500-streams", ("1", "K", "pagedown", "down"), many),
    Scene("filtered", ("1", "slash", "=host:bastion sent>10K")),
    Scene("filter-wrong", ("1", "slash", "=host:bastion byte>10K")),
    Scene("frozen", ("1", "f"), then=later),
    Scene("stream-detail", ("1", "down", "enter")),
    Scene("host-failing", ("down", "down", "enter")),
    Scene("ports", ("2", "down", "down", "enter")),
    Scene("routes", ("3",)),
    Scene("log", ("4",)),
    Scene("manifest-diff", ("5",)),
    Scene("command", ("colon", "=ho")),
    Scene("command-wrong", ("colon", "=prot add web 80", "enter")),
    Scene("output", ("colon", "=hosts", "enter")),
    Scene("question", ("u",)),
    Scene("keys", ("1", "question_mark")),
    Scene("copy", ("2", "down", "y")),
    Scene("tap", ("1", "t")),
    Scene("tap-hex", ("1", "t", "h")),
    Scene("light", ("1",), theme="norouter-light"),
    Scene("contrast", ("1",), theme="norouter-contrast"),
    Scene("no-colour", ("1",), no_colour=True),
    Scene("nord", ("1",), theme="nord"),
    Scene("small", ("1",), sizes=((40, 10),)),
    Scene("small-hosts", sizes=((40, 10),)),
    Scene("narrow", ("1",), sizes=((60, 30),)),
    Scene("very-wide", ("1",), sizes=((220, 30),)),
)
