"""The form of a host: everything that can be changed of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from norouter_core.commands.argument_types import DEFAULT, OFF, ArgumentType, choices
from norouter_core.commands.results import Failure
from norouter_core.model import DnsSpec, HostOptions, HostSpec, ProxySpec, StateDir, format_address
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.command_builder import Said, Sentence, option, sentence, split
from norouter_tui.screen.dialogs.commands import command_text, command_words
from norouter_tui.screen.dialogs.fields import FormField
from norouter_tui.screen.dialogs.form import Form, Values

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
            FormField("name", "Name", host.name, kind=ArgumentType.NAME, needed=True),
            FormField("vip", "VIP", host.vip, kind=ArgumentType.VIP, needed=True),
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
                "loopback", "Loopback", _loopback(options), kind=ArgumentType.SWITCH, choices=switch
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
                kind=ArgumentType.FOLDER,
                choices=choices(ArgumentType.FOLDER),
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


def _loopback(options: HostOptions) -> str:
    disabled = options.loopback_disable
    return _switch(None if disabled is None else not disabled)


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
