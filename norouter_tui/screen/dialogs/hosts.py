"""Adding a host: an exec command is typed, pasted or chosen, and the rest follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import on, work
from textual.app import ComposeResult
from textual.widgets import Input, OptionList

from norouter_core.commands.argument_types import ArgumentType, choices
from norouter_core.commands.results import Failure
from norouter_core.manifest.options import DEFAULT, OFF
from norouter_core.model import DnsSpec, HostSpec, ProxySpec, StateDir, format_address
from norouter_core.session.client import Preview
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.command_builder import (
    Said,
    Sentence,
    command_text,
    command_words,
    option,
    sentence,
    split,
)
from norouter_tui.screen.dialogs.form import FieldRow, Form, FormField, Values
from norouter_tui.screen.widgets.suggestions import Suggestions

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
            FormField("cmd", "Command", self._command, example, many=True, required=True),
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
        if event.input is self.rows[0].input and not self.offers.is_taken(event.value):
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
        self.offers.show_suggestions(dict(found).items(), nothing)

    def walk(self, row: FieldRow, by: int) -> bool:
        if row.field.key != "cmd":
            return super().walk(row, by)
        taken = self.offers.step(by)
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
            self.row(key).show_inferred(str(inferred) if inferred else "")


_SWITCHED = ("loopback", "etc-hosts", "dns", "state-dir", "agent", "vip")
"""Fields whose key is that of an option of `host set`."""


class EditHost(Form):
    """Changes a host.

    Args:
        first: the field that has the keys at first.
    """

    apply = "Apply"
    dense = True

    def __init__(self, backend: Backend, host: HostSpec, first: str = "") -> None:
        super().__init__(backend)
        self.first = first
        self._host = host
        self.heading = f"Host {host.name}"
        self._before = {field.key: field.value for field in self.fields()}

    def fields(self) -> Sequence[FormField]:
        host, options = self._host, self._host.options
        switch, here = choices(ArgumentType.SWITCH), "none: it is this machine"
        return (
            FormField("name", "Name", host.name, kind=ArgumentType.NAME, required=True),
            FormField("vip", "VIP", host.vip, kind=ArgumentType.VIP, required=True),
            FormField("cmd", "Command", command_text(host.cmd), here, many=True),
            FormField(
                "alias", "Aliases", " ".join(host.aliases), kind=ArgumentType.NAME, many=True
            ),
            FormField(
                "agent",
                "Agent",
                options.agent or DEFAULT,
                kind=ArgumentType.AGENT,
                choices=choices(ArgumentType.AGENT),
            ),
            FormField(
                "loopback",
                "Loopback",
                _switch(options.loopback),
                kind=ArgumentType.SWITCH,
                choices=switch,
            ),
            FormField("http", "HTTP proxy", _address(options.http), kind=ArgumentType.ADDRESS),
            FormField(
                "http-auth", "  its login", _auth(options.http), kind=ArgumentType.AUTH, secret=True
            ),
            FormField("socks", "SOCKS proxy", _address(options.socks), kind=ArgumentType.ADDRESS),
            FormField(
                "socks-auth",
                "  its login",
                _auth(options.socks),
                kind=ArgumentType.AUTH,
                secret=True,
            ),
            FormField(
                "dns",
                "DNS",
                _dns(options.dns),
                kind=ArgumentType.DNS,
                choices=choices(ArgumentType.DNS),
            ),
            FormField(
                "etc-hosts",
                "/etc/hosts",
                _switch(options.write_etc_hosts),
                kind=ArgumentType.SWITCH,
                choices=switch,
            ),
            FormField(
                "state-dir",
                "Names files",
                _folder(options.state_dir),
                kind=ArgumentType.DIRECTORY,
                choices=choices(ArgumentType.DIRECTORY),
            ),
        )

    _HINTS = {
        "name": "what the mesh calls it; another one starts the host anew",
        "vip": "its address in the mesh, of 127.0.0.0/8",
        "cmd": "the exec command that leads there; empty for this machine",
        "alias": "other names of it, parted by spaces",
        "agent": "↑ ↓ how the agent gets there: auto, python, norouter",
        "loopback": "↑ ↓ whether the ports of the mesh are served on its own loopback",
        "http": "where it serves an HTTP proxy, IP:PORT, or off",
        "http-auth": "USER:PASSWORD that the HTTP proxy demands; empty for none",
        "socks": "where it serves a SOCKS proxy, IP:PORT, or off",
        "socks-auth": "USER:PASSWORD that the SOCKS proxy demands; empty for none",
        "dns": "the port of the DNS of the mesh at its VIP, or off",
        "etc-hosts": "↑ ↓ whether its /etc/hosts is given the names of the mesh",
        "state-dir": "its folder for the names files, or off",
    }

    def idle_text(self) -> str:
        return self._HINTS.get(self.current.field.key, "") if self.current else ""

    def on_descendant_focus(self) -> None:
        """Tells what the field means that has the keys now."""
        self.look_again()

    def sentences(self, values: Values) -> Sequence[Sentence]:
        return [*self._set(values), *self._proxies(values), *self._renamed(values)]

    def _changed_to(self, values: Values, key: str, empty: str = DEFAULT) -> str | None:
        """What a field has been changed to, `empty` where it was emptied; None if it was not."""
        now = values[key] or empty
        return None if now == (self._before[key] or empty) else now

    def _set(self, values: Values) -> Iterator[Sentence]:
        said: list[Said] = []
        for key in _SWITCHED:
            now = self._changed_to(values, key)
            if now is not None:
                said += option(f"--{key}", now, key)
        said += self._aliases(values)
        command = self._changed_to(values, "cmd", "")
        if command is not None:
            words = [Said(word, "cmd") for word in command_words(command)]
            said += [Said("--"), *words] if words else [Said("--here")]
        if said:
            yield sentence("host set", Said(self._host.name), said)

    def _aliases(self, values: Values) -> Iterator[Said]:
        before, now = self._host.aliases, split(values["alias"])
        for alias in before:
            if alias not in now:
                yield from option("--no-alias", alias, "alias")
        for alias in now:
            if alias not in before:
                yield from option("--alias", alias, "alias")

    def _proxies(self, values: Values) -> Iterator[Sentence]:
        for kind in ("http", "socks"):
            login = f"{kind}-auth"
            address = values[kind] or OFF
            changed = self._changed_to(values, kind, OFF) or self._changed_to(values, login, OFF)
            if changed is not None:
                auth = option("--auth", values[login], login) if values[login] else ()
                yield sentence(f"proxy {kind}", Said(self._host.name), Said(address, kind), auth)

    def _renamed(self, values: Values) -> Iterator[Sentence]:
        if values["name"] != self._host.name:
            new = Said(values["name"], "name")
            yield sentence("host rename", Said(self._host.name, "name"), new)

    def blame(self, key: str, failure: Failure) -> str:
        return key or "cmd"


def _switch(on: bool | None) -> str:
    return DEFAULT if on is None else "on" if on else OFF


def _address(proxy: ProxySpec | None) -> str:
    return OFF if proxy is None else format_address((proxy.listen_host, proxy.listen_port))


def _auth(proxy: ProxySpec | None) -> str:
    return proxy.auth or "" if proxy is not None else ""


def _dns(dns: DnsSpec | None) -> str:
    if dns is None:
        return DEFAULT
    return OFF if dns.disable else str(dns.port or DEFAULT)


def _folder(folder: StateDir | None) -> str:
    if folder is None:
        return DEFAULT
    return OFF if folder.disable else folder.path or DEFAULT
