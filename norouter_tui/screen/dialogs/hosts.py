"""The forms of hosts: one to add a host by its command, one to change everything about a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Input, OptionList

from norouter_core.commands.argument_types import ArgumentType, to_text
from norouter_core.exec_commands.pasted import is_exec_command, normalize
from norouter_core.manifest.options import DEFAULT, OFF, OPTION_KEYS
from norouter_core.model import HostSpec, ProxySpec, split_cmd
from norouter_core.session.client import Client, Preview
from norouter_tui.screen.dialogs.form import (
    FieldRow,
    Form,
    FormCall,
    FormField,
    Values,
    joined,
    split,
)
from norouter_tui.screen.widgets.suggestions import Suggestions

_PREFIX = "host add -- "
"""The start of the line in which a command is completed."""
_MAX_SUGGESTIONS = 8
"""The height of the suggestions."""


def _command_text(cmd: str | tuple[str, ...] | None) -> str:
    """Return a host's command as the user types it; empty for this machine."""
    return cmd if isinstance(cmd, str) else joined(split_cmd(cmd) or ())


def _command_words(text: str) -> tuple[str, ...]:
    """Return the words of a command that was typed or pasted, as a host needs them.

    That is without a prompt's `$`, with stdin attached, and without a terminal.
    """
    words = split(text.removeprefix("$ "))
    return normalize(words) if is_exec_command(words) else words


class AddHost(Form):
    """Adds a host. What is left empty is inferred, and shown."""

    heading = "Add a host"
    apply = "Add"
    idle = "The command you would type to get a shell there, or to run something."

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._known: Sequence[tuple[str, str]] = ()

    def fields(self) -> Sequence[FormField]:
        examples = "docker exec -i web   ssh db   kubectl exec -i pod --"
        field = FormField.from_verb
        return (
            field("host add", "cmd", "Command", "", examples, required=True),
            field("host add", "name", "Name", "", "its name in the mesh"),
            field("host add", "vip", "VIP", "", "its address in the mesh"),
            field("host add", "port", "Ports", "", "to publish, may be empty: 8080:80 5432"),
        )

    def compose_more(self) -> ComposeResult:
        yield Suggestions("looking for containers, pods and ssh hosts ...")

    @property
    def suggestions(self) -> Suggestions:
        return self.query_one(Suggestions)

    def on_mount(self) -> None:
        self._find_hosts()

    def fit(self, room: int) -> None:
        below = room - 2 * len(self.rows) - 1
        self.suggestions.display = below >= 2
        self.suggestions.styles.height = max(1, min(_MAX_SUGGESTIONS, below))
        super().fit(room)

    @work(group="suggestions")
    async def _find_hosts(self) -> None:
        """Look for hosts on this machine, in the background."""
        self._known = await self.client.find_hosts()
        await self._suggest(self.values["cmd"])

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if event.input is self.row("cmd").input and not self.suggestions.is_taken(event.value):
            self._complete(event.value)

    @work(exclusive=True, group="completion")
    async def _complete(self, text: str) -> None:
        await self._suggest(text)

    async def _suggest(self, text: str) -> None:
        """Suggest known hosts that match, or else completions of the command."""
        words = text.lower().split()
        found = [(c, a) for c, a in self._known if all(w in c.lower() for w in words)]
        if words and (not found or text.rstrip() in (c for c, _ in found)):
            before = len(_PREFIX)
            line = f"{_PREFIX}{text}"
            for completion in await self.client.complete(line, len(line)):
                if completion.start >= before:
                    whole = text[: completion.start - before] + completion.text
                    found.append((whole, completion.about))
        nothing = "no containers, pods or ssh hosts found here" if not self._known else ""
        self.suggestions.show_suggestions(dict(found).items(), nothing)

    def step_choice(self, row: FieldRow, by: int) -> bool:
        if row.field.key != "cmd":
            return super().step_choice(row, by)
        taken = self.suggestions.step(by)
        if taken is not None:
            row.put(taken)
        return taken is not None

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.row("cmd").put(self.suggestions.take(event.option_index))

    def calls(self, values: Values) -> Sequence[FormCall]:
        more = {"name": values["name"], "vip": values["vip"], "port": split(values["port"])}
        given = {name: value for name, value in more.items() if value}
        return (FormCall("host add", {**given, "cmd": _command_words(values["cmd"])}),)

    def show_preview(self, preview: Preview) -> None:
        for key, name in (("name", "host"), ("vip", "vip")):
            inferred = preview.data.get(name) if self.values["cmd"] else None
            self.row(key).show_inferred(str(inferred) if inferred else "")


_SET_OPTIONS = ("vip", *(row.flag for row in OPTION_KEYS if row.label and row.flag))
"""The options of `host set` that have a field of the same name."""


class EditHost(Form):
    """Changes a host.

    Args:
        client: runs the commands.
        host: the host.
        first: the key of the field to focus first.
    """

    dense = True

    def __init__(self, client: Client, host: HostSpec, first: str = "") -> None:
        super().__init__(client)
        self.first = first
        self._host = host
        self.heading = f"Host {host.name}"
        self._before = {field.key: field.value for field in self.fields()}

    def fields(self) -> Sequence[FormField]:
        host, field = self._host, FormField.from_verb
        return (
            field("host rename", "name", "Name", host.name,
                  "the name in the mesh; a new name restarts the host", required=True),
            field("host set", "vip", "VIP", host.vip,
                  "the address in the mesh, in 127.0.0.0/8", required=True),
            field("host set", "cmd", "Command", _command_text(host.cmd),
                  "the exec command that reaches the host; empty for this machine"),
            field("host set", "alias", "Aliases", " ".join(host.aliases),
                  "more names, separated by spaces"),
            *self._option_fields(),
        )  # fmt: skip

    def _option_fields(self) -> Iterator[FormField]:
        """Yield the fields of the manifest keys that have a label."""
        for row in OPTION_KEYS:
            if row.here_only and self._host.cmd is not None:
                continue
            value = getattr(self._host.options, row.field)
            if row.label and row.flag:
                text = row.type.to_text(value)
                yield FormField.from_verb("host set", row.flag, row.label, text)
            elif row.label:
                yield from self._proxy_fields(row.key, row.label, value)

    def _proxy_fields(
        self, kind: str, label: str, proxy: ProxySpec | None
    ) -> tuple[FormField, FormField]:
        verb, address = f"proxy {kind}", to_text(ArgumentType.ADDRESS, proxy)
        name = kind.upper()
        return (
            FormField.from_verb(
                verb, "address", label, address, f"where the {name} proxy listens, IP:PORT, or off",
                key=kind,
            ),
            FormField.from_verb(
                verb, "auth", "  its login", proxy.auth or "" if proxy is not None else "",
                f"USER:PASSWORD that the {name} proxy requires; empty for none", key=f"{kind}-auth",
            ),
        )  # fmt: skip

    def idle_text(self) -> str:
        return self.current.field.hint if self.current else ""

    def on_descendant_focus(self) -> None:
        """Explain the field that has the focus now."""
        self.refresh_preview()

    def calls(self, values: Values) -> Sequence[FormCall]:
        return [*self._set_host(values), *self._set_proxies(values), *self._rename(values)]

    def _new_value(self, values: Values, key: str, empty: str = DEFAULT) -> str | None:
        """Return the new value of a field, `empty` for an empty one; None if it is unchanged."""
        now = values[key] or empty
        return None if now == (self._before[key] or empty) else now

    def _set_host(self, values: Values) -> Iterator[FormCall]:
        changes: dict[str, object] = {
            key: now
            for key in _SET_OPTIONS
            if key in values and (now := self._new_value(values, key)) is not None
        }
        before, aliases = self._host.aliases, split(values["alias"])
        changes["no-alias"] = [alias for alias in before if alias not in aliases]
        changes["alias"] = [alias for alias in aliases if alias not in before]
        command = self._new_value(values, "cmd", "")
        if command is not None:
            words = _command_words(command) if command else ()
            changes.update({"cmd": words} if words else {"here": True})
        if any(changes.values()):
            fields = {"no-alias": "alias", "here": "cmd", "": "cmd"}
            yield FormCall("host set", {"host": self._host.name, **changes}, fields)

    def _set_proxies(self, values: Values) -> Iterator[FormCall]:
        for kind in ("http", "socks"):
            login = f"{kind}-auth"
            address = self._new_value(values, kind, OFF)
            if address is not None or self._new_value(values, login, "") is not None:
                proxy: ProxySpec | None = getattr(self._host.options, kind)
                given: dict[str, object] = {
                    "host": self._host.name,
                    "address": values[kind] or OFF,
                    "auth": values[login] or None,
                }
                if proxy is not None and values[kind] not in ("", OFF):
                    given["allow-from"] = list(proxy.allow_from)
                    given["open"] = bool(proxy.open)
                yield FormCall(f"proxy {kind}", given, {"address": kind, "auth": login})

    def _rename(self, values: Values) -> Iterator[FormCall]:
        if values["name"] != self._host.name:
            yield FormCall(
                "host rename",
                {"host": self._host.name, "name": values["name"]},
                {"host": "name"},
            )
