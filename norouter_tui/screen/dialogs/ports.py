"""The forms of ports: one that is published, and one that leads elsewhere or listens elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widgets import Input

from norouter_core.commands.argument_types import ArgumentType, convert
from norouter_core.commands.edits.forwards import key as forward_key
from norouter_core.commands.edits.forwards import key_text
from norouter_core.commands.results import Failure
from norouter_core.manifest.problems import ValidationError
from norouter_core.model import Forward, HostSpec, MeshSpec, format_address
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.command_builder import Said, Sentence, sentence
from norouter_tui.screen.dialogs.form import Form, FormField, Values

_TARGET_HINT = "what that host dials, HOST:PORT; 80 means 127.0.0.1:80"


def _spec(listen: str, target: str) -> str:
    """A port forward of the vocabulary: `53/udp` and `1.1.1.1:53` are `53:1.1.1.1:53/udp`."""
    port, slash, proto = listen.partition("/")
    return f"{port}:{target}{slash}{proto}"


def _blamed(key: str, listen: str, target: str) -> str:
    """A forward is one word of a line: which of its two fields is wrong."""
    if key != "listen" or not listen:
        return key
    try:
        convert(ArgumentType.FORWARD, _spec(listen, target))
    except ValidationError:
        return "target"
    return "listen"


class AddPort(Form):
    """Publishes a port.

    Args:
        host: the host that is meant; the first one that has a command when empty.
    """

    heading = "Publish a port"
    apply = "Publish"
    idle = "A port of a host becomes reachable, at its VIP, from every host."

    def __init__(self, backend: Backend, spec: MeshSpec, host: str = "") -> None:
        super().__init__(backend)
        self._spec = spec
        self._host = host or next((h.name for h in spec.hosts if h.cmd), "")
        self.first = "listen" if self._host else ""

    def fields(self) -> Sequence[FormField]:
        names = tuple(host.name for host in self._spec.hosts)
        hint = f"↑ ↓ {', '.join(names)}" if names else "there is no host yet"
        return (
            FormField("host", "Host", self._host, hint, required=True, choices=names),
            FormField(
                "listen", "Port", "", "at its VIP; 53/udp for UDP", ArgumentType.PORT, required=True
            ),
            FormField("target", "Leads to", "", _TARGET_HINT),
        )

    @on(Input.Changed)
    def _whole(self, event: Input.Changed) -> None:
        """A port forward that is typed or pasted as manifests have it goes to both fields."""
        row, target = self.row("listen"), self.row("target")
        listen, colon, rest = row.text.partition(":")
        if event.input is row.input and colon:
            leads, slash, proto = rest.partition("/")
            row.put(f"{listen}{slash}{proto}")
            target.put(leads)
            target.input.focus()

    def sentences(self, values: Values) -> Sequence[Sentence]:
        host, listen, target = values["host"], values["listen"], values["target"]
        # Where nothing is said, it leads to the same port.
        self.row("target").show_inferred(f"127.0.0.1:{listen.partition('/')[0]}" if listen else "")
        said = _spec(listen, target or listen.partition("/")[0])
        return (sentence("port add", Said(host, "host"), Said(said, "listen")),)

    def blame(self, key: str, failure: Failure) -> str:
        target = self.values["target"]
        return _blamed(key, self.values["listen"], target) if target else key


class EditPort(Form):
    """Lets a port lead elsewhere, or be reached at another number."""

    apply = "Apply"

    def __init__(self, backend: Backend, host: HostSpec, forward: Forward) -> None:
        super().__init__(backend)
        self._host = host.name
        self._forward = forward
        self._old = key_text(forward_key(forward))
        self.heading = f"Port {self._old} of {host.name}"

    def fields(self) -> Sequence[FormField]:
        forward = self._forward
        target = format_address((forward.host, forward.port))
        listen_hint = "at its VIP; 53/udp for UDP"
        return (
            FormField("target", "Leads to", target, _TARGET_HINT, required=True),
            FormField("listen", "Port", self._old, listen_hint, ArgumentType.PORT, required=True),
        )

    def sentences(self, values: Values) -> Sequence[Sentence]:
        listen, host = values["listen"], Said(self._host, "host")
        said = Said(_spec(listen, values["target"]), "listen")
        if listen == self._old:
            return (sentence("port retarget", host, said),)
        old = sentence("port rm", host, Said(self._old, "listen"))
        return old, sentence("port add", host, said)

    def blame(self, key: str, failure: Failure) -> str:
        return _blamed(key, self.values["listen"], self.values["target"])
