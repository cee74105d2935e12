"""The forms of ports: one to publish a port, one to change its target or its number."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.widgets import Input

from norouter_core.commands.argument_types import ArgumentType, convert
from norouter_core.commands.edits.base import forward_key as forward_key
from norouter_core.commands.edits.base import forward_key_text
from norouter_core.commands.results import Failure
from norouter_core.manifest.problems import ValidationError
from norouter_core.model import Forward, HostSpec, MeshSpec, format_address
from norouter_core.session.client import Client
from norouter_tui.screen.dialogs.form import Form, FormCall, FormField, Values

_LISTEN_HINT = "at its VIP; 53/udp for UDP"
_TARGET_HINT = "what the host connects to, HOST:PORT; 80 means localhost:80"


def _forward_call(
    verb: str, host: str, listen: str, target: str, allow_from: Sequence[str] = ()
) -> FormCall:
    """Return the call of a verb with a forward, which comes from the fields `listen` and `target`.

    `53/udp` and `1.1.1.1:53` make `53:1.1.1.1:53/udp`.
    """
    port, slash, proto = listen.partition("/")
    forward = f"{port}:{target or port}{slash}{proto}"

    def blamed(failure: Failure) -> str:
        try:
            convert(ArgumentType.FORWARD, forward)
        except ValidationError:
            return "target" if target else "listen"  # the field has checked `listen` itself
        return "listen"

    given = {"host": host, "spec": forward, "allow-from": list(allow_from)}
    return FormCall(verb, given, {"spec": blamed})


class AddPort(Form):
    """Publishes a port.

    Args:
        client: runs the commands.
        spec: the mesh.
        host: the host to begin with; the first one with a command if empty.
    """

    heading = "Publish a port"
    apply = "Publish"
    idle = "Makes a port of a host reachable from every host, at the VIP of its host."

    def __init__(self, client: Client, spec: MeshSpec, host: str = "") -> None:
        super().__init__(client)
        self._spec = spec
        self._host = host or next((h.name for h in spec.hosts if h.cmd), "")
        self.first = "listen" if self._host else ""

    def fields(self) -> Sequence[FormField]:
        names = tuple(host.name for host in self._spec.hosts)
        hint = f"↑ ↓ {', '.join(names)}" if names else "there is no host yet"
        return (
            FormField.from_verb(
                "port add", "host", "Host", self._host, hint, required=True, offered=names
            ),
            FormField.from_verb(
                "port rm", "port", "Port", "", _LISTEN_HINT, key="listen", required=True
            ),
            FormField("target", "Target", "", _TARGET_HINT),
        )

    @on(Input.Changed)
    def _split_forward(self, event: Input.Changed) -> None:
        """Share a forward as in a manifest, such as `8080:127.0.0.1:80`, between the fields."""
        row, target = self.row("listen"), self.row("target")
        listen, colon, rest = row.text.partition(":")
        if event.input is row.input and colon:
            address, slash, proto = rest.partition("/")
            row.put(f"{listen}{slash}{proto}")
            target.put(address)
            target.input.focus()

    def calls(self, values: Values) -> Sequence[FormCall]:
        listen = values["listen"]
        self.row("target").show_inferred(f"localhost:{listen.partition('/')[0]}" if listen else "")
        return (_forward_call("port add", values["host"], listen, values["target"]),)


class EditPort(Form):
    """Changes the target of a port, or the port itself."""

    def __init__(self, client: Client, host: HostSpec, forward: Forward) -> None:
        super().__init__(client)
        self._host = host.name
        self._forward = forward
        self._old = forward_key_text(forward_key(forward))
        self.heading = f"Port {self._old} of {host.name}"

    def fields(self) -> Sequence[FormField]:
        target = format_address((self._forward.host, self._forward.port))
        return (
            FormField("target", "Target", target, _TARGET_HINT, required=True),
            FormField.from_verb(
                "port rm", "port", "Port", self._old, _LISTEN_HINT, key="listen", required=True
            ),
        )

    def calls(self, values: Values) -> Sequence[FormCall]:
        listen, target = values["listen"], values["target"]
        if listen == self._old:
            return (_forward_call("port retarget", self._host, listen, target),)
        old = FormCall("port rm", {"host": self._host, "port": self._old}, {"port": "listen"})
        allow_from = self._forward.allow_from
        return old, _forward_call("port add", self._host, listen, target, allow_from)
