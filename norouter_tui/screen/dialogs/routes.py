"""The forms of routes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from norouter_core.commands.argument_types import ArgumentType
from norouter_core.model import MeshSpec, Route
from norouter_tui.screen.backend import Backend
from norouter_tui.screen.dialogs.command_builder import (
    Said,
    Sentence,
    joined,
    option,
    sentence,
    split,
)
from norouter_tui.screen.dialogs.form import Form, FormField, Values


class RouteForm(Form):
    """A new route, or the one of a number.

    Args:
        number: counts from 1; None for a new one.
    """

    idle = "Names and networks that the proxies and the DNS of the mesh reach through a host."

    def __init__(self, backend: Backend, spec: MeshSpec, number: int | None = None) -> None:
        super().__init__(backend)
        self._spec = spec
        self._number = number
        self._route = Route("", ()) if number is None else spec.routes[number - 1]
        self.heading = "Add a route" if number is None else f"Route {number}"
        self.apply = "Add" if number is None else "Apply"

    def fields(self) -> Sequence[FormField]:
        names = tuple(host.name for host in self._spec.hosts)
        route, last = self._route, len(self._spec.routes) + (self._number is None)
        via = route.via or next((h.name for h in self._spec.hosts if h.cmd), "")
        return (
            FormField(
                "to",
                "To",
                joined(route.to),
                "names and networks: *.corp.example 10.0.0.0/8",
                ArgumentType.TARGET,
                many=True,
                required=True,
            ),
            FormField(
                "via", "Through", via, f"↑ ↓ {', '.join(names)}", required=True, choices=names
            ),
            FormField(
                "not",
                "But not to",
                joined(route.not_to),
                "what is left out of it; may be empty",
                ArgumentType.TARGET,
                many=True,
            ),
            FormField(
                "at",
                "Number",
                str(self._number or last),
                "the one with the higher number wins",
                ArgumentType.ROUTE,
                required=True,
            ),
        )

    def sentences(self, values: Values) -> Sequence[Sentence]:
        targets = [Said(target, "to") for target in split(values["to"])]
        said = sentence("route add", Said(values["via"], "via"), targets, self._rest(values))
        if self._number is None:
            return (said,)
        return sentence("route rm", Said(str(self._number))), said

    def _rest(self, values: Values) -> Iterator[Said]:
        for target in split(values["not"]):
            yield from option("--not", target, "not")
        yield from option("--at", values["at"], "at")
