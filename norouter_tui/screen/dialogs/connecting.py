"""The dialog that shows how a host starts, step by step, and what to do if it fails."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from norouter_core.commands.call import build_call
from norouter_core.engine.status import HostState, HostStatus
from norouter_core.exec_commands.command import plan_start
from norouter_core.model import AgentMode
from norouter_core.sanitize import escape
from norouter_core.session.client import Snapshot
from norouter_tui.output.units import seconds, size
from norouter_tui.screen.messages import RunCall
from norouter_tui.screen.widgets.cells import fit, to_content, wrap
from norouter_tui.screen.widgets.keybar import KeyBar

_LABEL = 44
_SPINNER = "◐◓◑◒"
_STDERR = 5
"""The number of lines of stderr that are shown."""
_WIDTH = 66


@dataclass(slots=True)
class Progress:
    """How far a host has come."""

    installed: bool = False
    """Whether the command starts an installed agent instead of a shell."""
    copied: bool = False
    """Whether there is no shell, so that the container's engine copies the agent."""
    status: HostStatus | None = None
    began: float = 0.0
    answered: float | None = None
    ended: float | None = None

    def take(self, status: HostStatus) -> None:
        """Take the current state of the host."""
        self.status = status
        if status.state is HostState.STARTING and status.since != self.began:
            self.began, self.answered, self.ended = status.since, None, None
            self.copied = False
        elif status.state is HostState.BOOTSTRAPPING:
            self.installed = False  # an agent is sent in place of the installed one
            self.began = self.began or status.since
            self.answered = status.since
        elif status.state is not HostState.STARTING:
            self.began = self.began or status.since
            self.ended = status.since
        if status.agent_copied:
            self.copied = True
            self.answered = self.answered or status.since

    @property
    def is_ready(self) -> bool:
        return self.status is not None and self.status.state is HostState.READY

    @property
    def failed(self) -> bool:
        """Return whether the last start failed, for good or until the next attempt."""
        status = self.status
        return status is not None and status.problem is not None and not self.is_ready

    @property
    def instead(self) -> str:
        """The command to use instead of one that failed; empty if there is none."""
        problem = self.status.problem if self.status is not None else None
        return problem.instead if problem is not None else ""

    def steps(self) -> list[tuple[str, float | None]]:
        """Return the steps, each with the seconds from the start until it was done, or None."""
        began = 0.0 if self.status is not None else None
        answered = None if self.answered is None else self.answered - self.began
        ready = None
        if self.is_ready and self.ended is not None:
            ready = max(0.0, self.ended - self.began)
            answered = ready if answered is None else answered
        agent = escape(self.status.agent) if self.status is not None and self.is_ready else ""
        last = (f"ready: {agent}" if agent else "ready", ready)
        if self.installed:
            return [("start the command", began), ("reach norouter on the host", ready), last]
        send = (self._sending(), ready)
        if self.copied:
            return [("start the command", began), ("look for a shell: none", answered), send, last]
        return [
            ("start the command", began),
            ("reach a shell", answered),
            ("choose an agent", answered),
            send,
            last,
        ]

    def _sending(self) -> str:
        """Return the label of the step that brings the agent to the host."""
        send = "copy" if self.copied else "send"
        if self.status is None or not self.status.agent_size:
            return f"{send} and start the agent"
        received, whole = self.status.agent_received, self.status.agent_size
        if received < whole:
            return f"{send} the agent: {size(received)} of {size(whole)}"
        return "start the agent"

    @property
    def share(self) -> float:
        """The share of the steps that is done; an agent that is being sent counts in part."""
        steps = self.steps()
        done = float(sum(at is not None for _, at in steps))
        if self.status is not None and self.status.agent_size:
            done += self.status.agent_received / self.status.agent_size
        return min(1.0, done / len(steps))

    def elapsed(self, now: float) -> float:
        """Return the seconds since the start, or until the end of the attempt."""
        end = now if self.ended is None else self.ended
        return max(0.0, end - self.began) if self.began else 0.0


class Connecting(ModalScreen[str]):
    """Shows how a host starts; the host does not depend on it.

    The result is what to do next: `edit`, `remove`, `port` or an empty string.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll(-1)", "Up", show=False, id="connecting-up"),
        Binding("down", "scroll(1)", "Down", show=False, id="connecting-down"),
        Binding("r", "retry", "Retry", id="connecting-retry"),
        Binding("u", "use", "Use this command", id="connecting-use"),
        Binding("e", "edit", "Edit", id="connecting-edit"),
        Binding("d", "remove", "Remove", id="connecting-remove"),
        Binding("k,enter,escape", "keep", "Keep anyway", key_display="k", id="connecting-keep"),
        Binding("enter,escape", "close", "Close", key_display="enter", id="connecting-close"),
        Binding("p", "port", "Publish a port", id="connecting-port"),
        Binding("escape,enter", "leave", "In the background", key_display="esc",
                id="connecting-leave"),
    ]  # fmt: skip
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-tall")]

    def __init__(self, host: str, snapshot: Snapshot) -> None:
        super().__init__()
        self.host = host
        self._progress = Progress(_is_installed(snapshot, host))
        self._now = snapshot.at

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog connecting") as dialog:
            dialog.border_title = Content(escape(self.host))
            with VerticalScroll(classes="steps", can_focus=False):
                yield Static(classes="progress")
            yield KeyBar()

    def on_mount(self) -> None:
        self._draw()

    def on_resize(self) -> None:
        short = self.size.height < 17
        room = int(self.size.height * 0.9) - (3 if short else 6)
        self.query_one(".steps").styles.max_height = max(2, room)
        self._draw()

    # -- news ------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the state of the host."""
        self._now = snapshot.at
        found = next((h for h in snapshot.status.hosts if h.name == self.host), None)
        if found is not None:
            self._progress.take(found)
            self._draw()

    def show_host(self, status: HostStatus) -> None:
        """Show a change of a host, which may be over before the next snapshot."""
        if status.name == self.host:
            self._progress.take(status)
            self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies to the state of the host."""
        progress = self._progress
        if action == "use":
            return progress.failed and bool(progress.instead)
        if action in ("retry", "edit", "remove", "keep"):
            return progress.failed
        if action in ("close", "port"):
            return progress.is_ready
        return not (progress.failed or progress.is_ready) if action == "leave" else True

    def _draw(self) -> None:
        width = min(_WIDTH, max(16, self.size.width * 96 // 100 - 8))
        lines = list(_lines(self._progress, self._now, width, short=self.size.height < 17))
        self.query_one(".progress", Static).update(to_content(lines))
        self.refresh_bindings()

    # -- actions ---------------------------------------------------------------------------

    def action_scroll(self, by: int) -> None:
        """Scroll the steps."""
        self.query_one(".steps").scroll_relative(y=by, animate=False, force=True)

    def action_retry(self) -> None:
        """Start the host again."""
        self.post_message(RunCall(build_call("host restart", host=self.host)))

    def action_use(self) -> None:
        """Change the host to the command that the hint suggests, which starts it again."""
        words = shlex.split(self._progress.instead)
        self.post_message(RunCall(build_call("host set", host=self.host, cmd=words)))

    def action_edit(self) -> None:
        """Close the dialog to change the host."""
        self.dismiss("edit")

    def action_remove(self) -> None:
        """Close the dialog to remove the host."""
        self.dismiss("remove")

    def action_port(self) -> None:
        """Close the dialog to publish a port."""
        self.dismiss("port")

    def action_close(self) -> None:
        """Close the dialog; the host goes on."""
        self.dismiss("")

    action_keep = action_leave = action_close


def _is_installed(snapshot: Snapshot, name: str) -> bool:
    host = next((h for h in snapshot.spec.effective() if h.name == name), None)
    if host is None:
        return False
    return plan_start(host.argv or ("sh",), host.agent, host.python).mode is AgentMode.NOROUTER


def _lines(progress: Progress, now: float, width: int, *, short: bool) -> Iterator[Text]:
    """Yield what to show; on a short screen, only the cause of a failure."""
    status = progress.status
    if status is None:
        yield Text("The mesh is about to start this host.", "dim")
        return
    yield Text.assemble((fit(escape(status.command) or "this machine", width).rstrip(), "bold"))
    if short and progress.failed:
        yield from _failure(status, width)
        return
    yield Text(status.vip, "dim")
    yield Text("")
    steps = progress.steps()
    yield from _steps(steps, progress, now, width)
    yield Text("")
    wide = _wide(width) + 2
    full = int(wide * progress.share)
    took = _took(progress.elapsed(now))
    style = "bad" if progress.failed else "good" if progress.is_ready else "spark"
    yield Text.assemble(("━" * full, style), ("─" * (wide - full), "faint"), f" {took:>7}")
    if progress.failed:
        yield Text("")
        yield from _failure(status, width)


def _steps(
    steps: Sequence[tuple[str, float | None]], progress: Progress, now: float, width: int
) -> Iterator[Text]:
    wide = _wide(width)
    current = next((i for i, (_, at) in enumerate(steps) if at is None), None)
    for i, (label, at) in enumerate(steps):
        text = fit(label, wide)
        if at is not None:
            yield Text.assemble(("✓ ", "good"), text, (f" {_took(at):>7}", "muted"))
        elif i != current:
            yield Text.assemble(("· ", "faint"), (text, "faint"))
        elif progress.failed:
            yield Text.assemble(("✗ ", "bad"), (text, "bad"))
        else:
            elapsed = progress.elapsed(now)
            spin = _SPINNER[int(elapsed * 4) % len(_SPINNER)]
            yield Text.assemble((f"{spin} ", "busy"), text, (f" {_took(elapsed):>7}", "busy"))


def _wide(width: int) -> int:
    """Return the cells for the name of a step."""
    return max(8, min(_LABEL, width - 10))


def _took(time: float) -> str:
    return f"{time:.1f} s"


def _failure(status: HostStatus, width: int) -> Iterator[Text]:
    """Yield the cause, the command's stderr, and what to do."""
    problem = status.problem
    assert problem is not None
    yield from wrap(Text(escape(problem.message), "bad"), width)
    stderr = [line for line in problem.stderr if line.strip() not in problem.message]
    for line in stderr[-_STDERR:]:
        yield Text(fit(f"  {escape(line)}", width).rstrip(), "muted")
    if problem.hint:
        yield from wrap(Text(f"→ {escape(problem.hint)}", "accent"), width)
    if status.retry_in is not None:
        again = f"Attempt {status.attempt + 1} in {seconds(max(0.0, status.retry_in))}"
        yield Text(again, "busy")
