"""Everything that a key does, by its name: so each is an entry of the palette and a `:` command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.markup import escape

from norouter_core.commands.registry import FIRST_WORDS, VERBS
from norouter_core.commands.results import Completion
from norouter_tui.screen.views.base import View

if TYPE_CHECKING:
    from norouter_tui.screen.app import NorouterApp


@dataclass(frozen=True, slots=True)
class Action:
    """What one key does, and where. `keys` are those of the live key map."""

    name: str
    about: str
    keys: str
    node: DOMNode
    binding: Binding


UNSAID = frozenset(
    {"command", "palette", "interrupt", "up", "down", "page-up", "page-down", "first", "last"}
)
"""Bindings that make no sense as a command."""


def every(app: NorouterApp) -> list[Action]:
    """All deeds of the main screen and its tabs, each once."""
    found: dict[str, Action] = {}
    main = app.main
    views = list(main.query(View))
    nodes: list[DOMNode] = [main.hosts, main, app, *views, *(v.focus_target for v in views)]
    for node in nodes:
        for _, binding in node._bindings:
            name = binding.id
            if name and binding.description and name not in UNSAID and name not in found:
                keys = app.get_key_display(binding)
                found[name] = Action(name, binding.description, keys, node, binding)
    return list(found.values())


async def do(app: NorouterApp, line: str) -> bool:
    """Does what `line` names, if it is a deed's name or `theme NAME`; whether it was one."""
    first, _, rest = line.strip().partition(" ")
    if first in FIRST_WORDS:
        return False
    if first == "theme":
        choose_theme(app, rest.strip())
        return True
    deed = next((deed for deed in every(app) if deed.name == line.strip()), None)
    if deed is None:
        return False
    await perform(app, deed)
    return True


async def perform(app: NorouterApp, deed: Action) -> None:
    """Does it, in the tab where it belongs."""
    view = deed.node if isinstance(deed.node, View) else deed.node.parent
    if isinstance(view, View) and view.id is not None:
        app.main.action_tab(view.id)
    await app.run_action(deed.binding.action, deed.node)


def choose_theme(app: NorouterApp, name: str) -> None:
    """Changes the theme; lists them where there is none of that name."""
    if name in app.available_themes:
        app.theme = name
        return
    names = ", ".join(sorted(app.available_themes))
    app.notify(f"Themes: {names}", title=f"No theme {name}" if name else "", markup=False)


def completions(app: NorouterApp, line: str) -> list[Completion]:
    """Deeds and themes that `line` may become."""
    if line.startswith("theme "):
        names = sorted(app.available_themes)
        return [Completion(n, 6) for n in names if n.startswith(line[6:].lstrip())]
    mine = (deed for deed in every(app) if deed.name not in FIRST_WORDS)
    found = [Completion(deed.name, 0, f"{deed.about} ({deed.keys})") for deed in mine]
    found.append(Completion("theme", 0, "change the colours"))
    return [completion for completion in found if line and completion.text.startswith(line)]


class ActionProvider(Provider):
    """The palette's entries: what the keys do."""

    async def discover(self) -> Hits:
        """What is offered before anything is typed."""
        for shown, about, act in self._entries():
            yield DiscoveryHit(shown, act, help=about)

    async def search(self, query: str) -> Hits:
        """What matches."""
        matcher = self.matcher(query)
        for shown, about, act in self._entries():
            score = matcher.match(shown)
            if score > 0:
                yield Hit(score, matcher.highlight(shown), act, help=about)

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """What is shown, a line about it, what it does: the keys first, then the verbs, which open
        the command line."""
        app: NorouterApp = self.app  # type: ignore[assignment]  # it is no other app's
        for deed in every(app):
            yield _shown(deed), _where(deed), partial(perform, app, deed)
        for verb in VERBS:
            line = " ".join(verb.words)
            yield f":{line}", escape(verb.about), partial(app.main.action_command, f"{line} ")


def _shown(deed: Action) -> str:
    return f"{deed.about} ({deed.keys})"


def _where(deed: Action) -> str:
    view = deed.node if isinstance(deed.node, View) else deed.node.parent
    place = f"in the tab {view.title}" if isinstance(view, View) else "everywhere"
    return escape(f":{deed.name}, {place}")
