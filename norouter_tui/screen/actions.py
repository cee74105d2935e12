"""The actions of the keys by name, so that each is also in the palette and a `:` command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.markup import escape

from norouter_core.commands.registry import FIRST_WORDS, VERBS
from norouter_core.commands.results import Completion
from norouter_tui.screen.main_screen import MainScreen, main_screen
from norouter_tui.screen.views.base import View


@dataclass(frozen=True, slots=True)
class Action:
    """What a key does, and on which node. `keys` are the user's own, if configured."""

    name: str
    about: str
    keys: str
    node: DOMNode
    binding: Binding

    @property
    def view(self) -> View | None:
        """The tab that the action belongs to."""
        view = self.node if isinstance(self.node, View) else self.node.parent
        return view if isinstance(view, View) else None


KEYS_ONLY = frozenset(
    {"command", "palette", "interrupt", "up", "down", "page-up", "page-down", "first", "last"}
)
"""Bindings that make no sense as a command."""


def all_actions(app: App[Any]) -> list[Action]:
    """Return the actions of the app, the main screen and its tabs, each once."""
    found: dict[str, Action] = {}
    main = main_screen(app)
    views = list(main.query(View))
    nodes: list[DOMNode] = [main.hosts, main, app, *views, *(v.focus_target for v in views)]
    for node in nodes:
        for binding in _bindings(node):
            name = binding.id
            if name and binding.description and name not in KEYS_ONLY and name not in found:
                keys = _key_display(app, main, binding)
                found[name] = Action(name, binding.description, keys, node, binding)
    return list(found.values())


def _bindings(node: DOMNode) -> Iterator[Binding]:
    for kind in type(node).__mro__:
        yield from Binding.make_bindings(kind.__dict__.get("BINDINGS", ()))


def _key_display(app: App[Any], main: MainScreen, binding: Binding) -> str:
    key = main.keymap.get(binding.id or "", "").partition(",")[0]
    return app.get_key_display(binding.with_key(key, None) if key else binding)


async def run_action_line(app: App[Any], line: str) -> bool:
    """Run the action that `line` names, or `theme NAME`; return whether it is one."""
    first, _, rest = line.strip().partition(" ")
    if first in FIRST_WORDS:
        return False
    if first == "theme":
        choose_theme(app, rest.strip())
        return True
    action = next((action for action in all_actions(app) if action.name == line.strip()), None)
    if action is None:
        return False
    await perform(app, action)
    return True


async def perform(app: App[Any], action: Action) -> None:
    """Run an action, in the tab that it belongs to."""
    if action.view is not None and action.view.id is not None:
        main_screen(app).action_tab(action.view.id)
    await app.run_action(action.binding.action, action.node)


def choose_theme(app: App[Any], name: str) -> None:
    """Change the theme, or list the themes if there is none called `name`."""
    if name in app.available_themes:
        app.theme = name
        return
    names = ", ".join(sorted(app.available_themes))
    app.notify(f"Themes: {names}", title=f"No theme {name}" if name else "", markup=False)


def complete_action(app: App[Any], line: str) -> list[Completion]:
    """Return the actions and themes that complete `line`."""
    if line.startswith("theme "):
        names = sorted(app.available_themes)
        return [Completion(n, 6) for n in names if n.startswith(line[6:].lstrip())]
    mine = (action for action in all_actions(app) if action.name not in FIRST_WORDS)
    found = [Completion(action.name, 0, _label(action)) for action in mine]
    found.append(Completion("theme", 0, "change the colours"))
    return [completion for completion in found if line and completion.text.startswith(line)]


class ActionProvider(Provider):
    """Offers the actions and the verbs in the palette."""

    async def discover(self) -> Hits:
        """Offer everything before anything is typed."""
        for label, about, act in self._entries():
            yield DiscoveryHit(label, act, help=about)

    async def search(self, query: str) -> Hits:
        """Offer what matches the query."""
        matcher = self.matcher(query)
        for label, about, act in self._entries():
            score = matcher.match(label)
            if score > 0:
                yield Hit(score, matcher.highlight(label), act, help=about)

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        """Yield label, help text and effect: the keys first, then the verbs, which open the
        command line.
        """
        for action in all_actions(self.app):
            yield _label(action), _where(action), partial(perform, self.app, action)
        main = main_screen(self.app)
        for verb in VERBS:
            line = " ".join(verb.words)
            yield f":{line}", escape(verb.about), partial(main.action_command, f"{line} ")


def _label(action: Action) -> str:
    return f"{action.about} ({action.keys})"


def _where(action: Action) -> str:
    place = f"in the {action.view.title} tab" if action.view is not None else "everywhere"
    return escape(f":{action.name}, {place}")
