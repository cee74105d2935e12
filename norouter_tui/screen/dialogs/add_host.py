"""Adding a host: an exec command is typed, pasted or chosen, and the rest follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Input, OptionList

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.session.preview import Preview
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.command_builder import Said, Sentence, option, sentence, split
from norouter_tui.screen.dialogs.commands import command_words
from norouter_tui.screen.dialogs.fields import FieldRow, FormField
from norouter_tui.screen.dialogs.form import Form, Values
from norouter_tui.screen.dialogs.suggestions import Suggestions

_COMPLETED = "host add -- "
"""What stands before a command where it is completed."""
_MOST = 8
"""Lines of what is offered."""


class AddHost(Form):
    """Adds a host. What is left empty is inferred, and shown as it will be."""

    heading = "Add a host"
    apply = "Add"
    idle = "What you would type to get a shell there, or to run something."

    def __init__(self, backend: Backend, command: str = "") -> None:
        super().__init__(backend)
        self._command = command
        self._known: Sequence[tuple[str, str]] = ()

    def fields(self) -> Sequence[FormField]:
        example = "docker exec -i web   ssh db   kubectl exec -i pod --"
        return (
            FormField("cmd", "Command", self._command, example, many=True, needed=True),
            FormField("name", "Name", "", "what the mesh calls it", ArgumentType.NAME),
            FormField("vip", "VIP", "", "its address in the mesh", ArgumentType.VIP),
            FormField(
                "port",
                "Ports",
                "",
                "to publish, may be empty: 8080:80 5432",
                ArgumentType.FORWARD,
                many=True,
            ),
        )

    def compose_more(self) -> ComposeResult:
        yield Suggestions("looking for containers, pods and ssh hosts ...")

    @property
    def offers(self) -> Suggestions:
        return self.query_one(Suggestions)

    def on_mount(self) -> None:
        self._ask()

    def fit(self, room: int) -> None:
        below = room - 2 * len(self.rows) - 1
        self.offers.display = below >= 2
        self.offers.styles.height = max(1, min(_MOST, below))
        super().fit(room)

    @work(group="offers")
    async def _ask(self) -> None:
        """Asks what there is on this machine; the form is not held up by that."""
        self._known = await self.backend.hosts_to_add()
        await self._offer(self.values["cmd"])

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.input is self.rows[0].input and not self.offers.is_taking(event.value):
            self._complete(event.value)

    @work(exclusive=True, group="completion")
    async def _complete(self, text: str) -> None:
        await self._offer(text)

    async def _offer(self, text: str) -> None:
        """Known hosts that fit, or else what may come next in the command."""
        words = text.lower().split()
        found = [(c, a) for c, a in self._known if all(w in c.lower() for w in words)]
        if words and (not found or text.rstrip() in (c for c, _ in found)):
            before = len(_COMPLETED)
            line = f"{_COMPLETED}{text}"
            for completion in await self.backend.complete(line, len(line)):
                if completion.start >= before:
                    whole = text[: completion.start - before] + completion.text
                    found.append((whole, completion.about))
        nothing = "no containers, pods or ssh hosts found here" if not self._known else ""
        self.offers.offer(dict(found).items(), nothing)

    def walk(self, row: FieldRow, by: int) -> bool:
        if row.field.key != "cmd":
            return super().walk(row, by)
        taken = self.offers.walk(by)
        if taken is not None:
            row.put(taken)
        return taken is not None

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.rows[0].put(self.offers.take(event.option_index))

    # -- what it makes ---------------------------------------------------------------------

    def sentences(self, values: Values) -> Sequence[Sentence]:
        command = [Said(word, "cmd") for word in command_words(values["cmd"])]
        return (sentence("host add", self._options(values), Said("--"), command),)

    def _options(self, values: Values) -> Iterator[Said]:
        if values["name"]:
            yield Said(values["name"], "name")
        if values["vip"]:
            yield from option("--vip", values["vip"], "vip")
        for port in split(values["port"]):
            yield from option("--port", port, "port")

    def foreseen(self, foresight: Preview) -> None:
        for key, found in (("name", "host"), ("vip", "vip")):
            inferred = foresight.data.get(found) if self.values["cmd"] else None
            self.row(key).infer(str(inferred) if inferred else "")
