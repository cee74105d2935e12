"""The form of a route."""

from __future__ import annotations

from collections.abc import Sequence

from norouter_core.model import MeshSpec, Route
from norouter_core.session.client import Client
from norouter_tui.screen.dialogs.form import Form, FormCall, FormField, Values, joined, split


class RouteForm(Form):
    """Adds a route or changes one.

    Args:
        client: runs the commands.
        spec: the mesh.
        number: the route to change, counted from 1; None for a new one.
    """

    idle = "Names and networks that the proxies and the DNS of the mesh reach through a host."

    def __init__(self, client: Client, spec: MeshSpec, number: int | None = None) -> None:
        super().__init__(client)
        self._spec = spec
        self._number = number
        self._route = Route("", ()) if number is None else spec.routes[number - 1]
        self.heading = "Add a route" if number is None else f"Route {number}"
        self.apply = "Add" if number is None else "Apply"

    def fields(self) -> Sequence[FormField]:
        names = tuple(host.name for host in self._spec.hosts)
        route, last = self._route, len(self._spec.routes) + (self._number is None)
        via = route.via or next((h.name for h in self._spec.hosts if h.cmd), "")
        example = "names and networks: *.corp.example 10.0.0.0/8"
        choices = f"↑ ↓ {', '.join(names)}"
        number = str(self._number or last)
        field = FormField.from_verb
        return (
            field("route add", "target", "To", joined(route.to), example, required=True),
            field("route add", "via", "Through", via, choices, required=True, offered=names),
            field("route add", "not", "Except", joined(route.not_to), "may be empty"),
            field("route add", "at", "Number", number, "higher numbers win", required=True),
        )

    def calls(self, values: Values) -> Sequence[FormCall]:
        add = FormCall(
            "route add",
            {
                "via": values["via"],
                "target": split(values["target"]),
                "not": split(values["not"]),
                "at": values["at"],
                "allow-from": list(self._route.allow_from),
            },
        )
        if self._number is None:
            return (add,)
        return FormCall("route rm", {"number": str(self._number)}), add
