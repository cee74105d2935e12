"""What the pictures of dialogs show: each with what has been typed, and how things stand then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input

from norouter_core.commands.edits import new_mesh
from norouter_core.commands.results import Completion, Diff, Outcome, Question, Table
from norouter_core.engine.status import HostState, HostStatus
from norouter_core.model import HostSpec
from norouter_core.prompts.prompt import Prompt, PromptKind
from norouter_core.session.client import DocumentState, Rate, Snapshot
from norouter_tui.screen.app import NorouterApp
from norouter_tui.screen.dialogs.asking import AskDialog
from norouter_tui.screen.messages import SnapshotArrived
from tests.output.statuses import host
from tests.tui import snapshots
from tests.tui.app_driver import until
from tests.tui.canned_client import CannedClient

KNOWN = (
    ("docker exec -i web", "container nginx:1.27"),
    ("docker exec -i db", "container postgres:16"),
    ("podman exec -i cache", "container redis:7"),
    ("kubectl exec -i shop-7f9c -- ", "pod Running"),
    ("ssh bastion.example.com", "ssh host"),
)
FILES = tuple(Completion(name, 5) for name in ("mesh.yaml", "other.yaml", "manifests/"))
DIFF = """\
--- mesh.yaml
+++ mesh.yaml
@@ -5,6 +5,6 @@
   web:
     cmd: docker exec -i web
     vip: 127.0.42.101
-    ports: ["8080:127.0.0.1:80"]
+    ports: ["8080:127.0.0.1:80", "9100:127.0.0.1:9100"]
   db:
     cmd: ssh db.example.com"""
RECOVERY = {
    "number": 1,
    "age": 340.0,
    "path": "",
    "names": ["docker exec -i web", "port add web 8080:80", "route add web '*.internal'"],
}

Keys = tuple[str, ...]
SIZES = ((80, 24), (140, 45))


def answer(line: str, confirmed: bool) -> tuple[Outcome, list[Any]]:
    """What the other side says to lines that no form makes."""
    if line == "quit" and not confirmed:
        return Outcome(question=Question("the session has unsaved changes", DIFF)), []
    if line == "diff":
        return Outcome(), [Diff(DIFF)]
    if line == "recover":
        return Outcome(), [Table("recoveries", (), (RECOVERY,))]
    return Outcome(message=f"done: {line}"), []


async def play(pilot: Pilot[Any], keys: Keys, snapshot: Snapshot) -> None:
    """Shows a snapshot and presses keys."""
    app = pilot.app
    assert isinstance(app, NorouterApp)
    app.animation_level = "none"
    await pilot.pause()
    app.post_message(SnapshotArrived(snapshot))
    await pilot.pause()
    await press(pilot, keys)


async def press(pilot: Pilot[Any], keys: Keys) -> None:
    """Presses keys; one that begins with `=` is a text that is pasted."""
    for key in keys:
        if key.startswith("="):
            focused = pilot.app.focused
            if focused is not None:
                focused.post_message(Paste(key[1:]))
            await settled(pilot)
        else:
            await pilot.press(key)
            await settled(pilot)


async def settled(pilot: Pilot[Any]) -> None:
    """Lets what was begun end: completions, what lines would do."""
    await pilot.pause()
    while any(w.group in _WAITED and not w.is_finished for w in pilot.app.workers):
        await pilot.pause(0.005)
    await pilot.pause()


_WAITED = ("preview", "completion", "suggestions", "apply")


def coming(state: HostState, since: float, **more: Any) -> Snapshot:
    """The new host `shop`, some seconds after its start."""
    status: HostStatus = host(
        "shop",
        vip="127.0.42.105",
        command="docker exec -i shop",
        state=state,
        since=snapshots.NOW + since,
        round_trip=None,
        agent="Python 3.12.4, Linux x86_64" if state is HostState.READY else "",
        **more,
    )
    spec = snapshots.spec().with_host(HostSpec("shop", "127.0.42.105", "docker exec -i shop"))
    before = snapshots.snapshot(mesh=spec, of_hosts=(*snapshots.hosts(), status))
    return replace(before, at=snapshots.NOW + since + 0.3)


@dataclass(frozen=True)
class Scene:
    """`then` are snapshots that come once the keys were pressed."""

    name: str
    keys: Keys
    snapshot: Callable[[], Snapshot] = snapshots.snapshot
    then: tuple[Callable[[], Snapshot], ...] = ()
    cuts: tuple[int, ...] = ()
    opening: Any = None
    no_colour: bool = False
    asked: tuple[Prompt, ...] = ()
    sizes: tuple[tuple[int, int], ...] = SIZES

    def app(self) -> NorouterApp:
        client = CannedClient(answer)
        client.known_hosts, client.cuts = KNOWN, self.cuts
        client.completions = FILES
        client.asked = self.asked
        return NorouterApp(client, client, opening=self.opening)

    async def play(self, pilot: Pilot[Any]) -> None:
        """Leads the app into the state."""
        if self.asked:
            await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
            cast(AskDialog, pilot.app.screen)._open()
        await play(pilot, self.keys, self.snapshot())
        for each in self.then:
            pilot.app.post_message(SnapshotArrived(each()))
            await pilot.pause()
        await settled(pilot)
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()


def unsaved_new() -> Snapshot:
    """A mesh that has no file yet."""
    return snapshots.snapshot(document=DocumentState("", True, "port add web 9100", ""))


def first() -> Snapshot:
    """What a session without a manifest begins with."""
    here = replace(snapshots.hosts()[0], streams=0)
    nothing = snapshots.snapshot(mesh=new_mesh(), of_hosts=(here,), of_streams=(), of_listeners=())
    return replace(nothing, document=DocumentState(), hosts={}, total=Rate())


def starting() -> Snapshot:
    return coming(HostState.STARTING, 0.0)


def sending() -> Snapshot:
    return coming(HostState.BOOTSTRAPPING, 0.4, agent_received=1_310_720, agent_size=1_887_437)


def copying() -> Snapshot:
    """A container without a shell, while its engine copies the agent."""
    return coming(
        HostState.BOOTSTRAPPING,
        0.4,
        agent_copied=True,
        agent_received=1_310_720,
        agent_size=1_887_437,
    )


def not_copied() -> Snapshot:
    """The same, with a root file system that cannot be written."""
    problem = replace(
        snapshots.DENIED,
        message="`sh` not found in the container `shop`, and the native agent cannot be copied "
        "there: the root file system is read-only",
        hint="use a container with a shell, in the same network",
        stderr=(),
        permanent=True,
    )
    return coming(HostState.FAILED, 0.8, agent_copied=True, problem=problem)


def restarting() -> Snapshot:
    """The next start of the host."""
    return coming(HostState.STARTING, 5.0)


def ready() -> Snapshot:
    return coming(HostState.READY, 0.9)


def failed() -> Snapshot:
    problem = replace(
        snapshots.DENIED,
        message="docker: the container shop is not running",
        hint="start it: docker start shop",
        stderr=(
            "Error response from daemon: container",
            "4f1c is not running \\x1b[31m",
        ),
        permanent=True,
    )
    return coming(HostState.FAILED, 0.2, problem=problem)


def suggesting() -> Snapshot:
    command = "docker run -i --rm --network container:shop busybox"
    problem = replace(
        snapshots.DENIED,
        message="`sh` not found in the container `shop`",
        hint="norouter needs a POSIX `sh` there; a container with one, in the same network: "
        f"{command}",
        stderr=(),
        instead=command,
    )
    return coming(HostState.FAILED, 0.2, problem=problem)


PASSWORD = Prompt(1, "db", "me@bastion.example.com's password:", PromptKind.SECRET, refused=True)
HOST_KEY = Prompt(
    1,
    "db",
    "The authenticity of host 'db.example.com (10.1.2.3)' can't be established.\n"
    "ED25519 key fingerprint is SHA256:Nf3x0ZbAvIHqV1VFl7J7RrZJ0k6mQd4bQ2uZbS0rX1A.\n"
    "This key is not known by any other names.\n"
    "Are you sure you want to continue connecting (yes/no/[fingerprint])?",
    PromptKind.YES_NO,
)
ADDED: Keys = ("a", "=docker exec -it shop bash", "enter")
SCENES = (
    Scene("dialog-add-host", ("a",)),
    Scene("dialog-add-host-typed", ("a", "=docker exec -it shop")),
    Scene("dialog-add-host-wrong", ("a", "=docker exec -i shop", "tab", "=web")),
    Scene("dialog-connecting", ADDED, then=(starting, sending)),
    Scene("dialog-connecting-ready", ADDED, then=(starting, sending, ready)),
    Scene("dialog-connecting-failed", ADDED, then=(starting, failed), sizes=(*SIZES, (40, 10))),
    Scene("dialog-connecting-suggests", ADDED, then=(starting, suggesting)),
    Scene("dialog-connecting-copied", ADDED, then=(starting, copying, not_copied)),
    Scene("dialog-add-port", ("2", "a", "=8081", "tab", "=80")),
    Scene("dialog-port-cuts", ("2", "down", "e", "home", "ctrl+k", "=127.0.0.1:81"), cuts=(3, 4)),
    Scene("dialog-add-route", ("3", "a", "=*.corp.example 10.1.0.0/16")),
    Scene("dialog-edit-host", ("down", "e"), sizes=(*SIZES, (40, 10))),
    Scene("dialog-edit-host-wrong", ("down", "e", "tab", "end", "=9", "tab")),
    Scene("dialog-save-as", ("w", "home", "ctrl+k", "=other"), unsaved_new),
    Scene("dialog-asks", ("x", "y", "z", "ctrl+r"), asked=(PASSWORD,), sizes=(*SIZES, (40, 10))),
    Scene("dialog-asks-host-key", (), asked=(HOST_KEY,)),
    Scene("dialog-quit-unsaved", ("q",)),
    Scene("dialog-revert", ("ctrl+z",)),
    Scene("dialog-recovery", (), unsaved_new, opening="welcome"),
    Scene("dialog-welcome", ("l",), first, opening="welcome", sizes=(*SIZES, (40, 10))),
)
