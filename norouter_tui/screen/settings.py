"""The user's settings: colours, keys, how often the screen is refreshed. A file of his, optional.

```toml
[screen]
theme = "norouter-light"
refresh = 0.4            # seconds
vi = true                # h j k l g G beside the arrows

[keys]
quit = "ctrl+q"          # names as `?` and the palette show them
freeze = "f,space"
```
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from norouter_core.manifest import Problem
from norouter_core.manifest.nodes import closest
from norouter_tui.screen.themes import DARK

REFRESH = 0.4
FASTEST, SLOWEST = 0.1, 10.0
"""Seconds between two refreshes: what may be asked for."""
_KEY = re.compile(r"(?:(?:ctrl|shift|alt|super)\+)*(?:[^\s,+]|[a-z][a-z0-9_]*)")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_LARGEST = 64 * 1024

WITHOUT_VI = {
    "up": "up",
    "down": "down",
    "page-up": "pageup",
    "page-down": "pagedown",
    "first": "home",
    "last": "end",
    "go-hosts": "left",
    "go-tab": "right",
}
"""The bindings that have letters of vi, without these."""


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """What the user wants; `keys` are Textual keys by the name of the binding."""

    theme: str = DARK
    refresh: float = REFRESH
    vi: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def keymap(self) -> dict[str, str]:
        """For `App.set_keymap`."""
        return {**({} if self.vi else WITHOUT_VI), **self.keys}


def settings_path() -> Path:
    """Where the file is, if there is one."""
    return platformdirs.user_config_path("norouter") / "config.toml"


def load_settings(
    path: Path, themes: Collection[str], bindings: Collection[str]
) -> tuple[ScreenSettings, list[Problem]]:
    """The settings in a file, and what is wrong with it; what is wrong is left as it is by itself.

    Args:
        themes: the names that `theme` may have.
        bindings: the names that may stand in `[keys]`.
    """
    try:
        data = path.read_bytes()[:_LARGEST]
        reader = _Reader(str(path), data.decode(), themes, bindings)
    except FileNotFoundError:
        return ScreenSettings(), []
    except (OSError, UnicodeDecodeError) as error:
        told = f"the settings cannot be read: {error}"
        return ScreenSettings(), [Problem(str(path), 0, 0, told, "mend it, or move it away")]
    return reader.read(), reader.problems


class _Reader:
    """Reads one text."""

    def __init__(
        self, file: str, text: str, themes: Collection[str], bindings: Collection[str]
    ) -> None:
        self._file = file
        self._text = text
        self._themes = themes
        self._bindings = bindings
        self.problems: list[Problem] = []

    def read(self) -> ScreenSettings:
        try:
            said = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            message, hint = str(error), 'strings stand in quotes: theme = "norouter-light"'
            place = _PLACE.search(message)
            line, column = (int(place[1]), int(place[2])) if place else (0, 0)
            message = _PLACE.sub("", message).strip()
            self.problems.append(Problem(self._file, line, column, message, hint))
            return ScreenSettings()
        for name in said.keys() - {"screen", "keys"}:
            self._wrong(name, f"there is no table [{name}]", "there are [screen] and [keys]")
        screen, keys = self._table(said, "screen"), self._table(said, "keys")
        for name in screen.keys() - {"theme", "refresh", "vi"}:
            self._wrong(name, f"[screen] has no {name}", "it has theme, refresh and vi")
        return ScreenSettings(
            theme=self._value(screen, "theme", DARK, self._is_theme),
            refresh=float(self._value(screen, "refresh", REFRESH, self._is_interval)),
            vi=self._value(screen, "vi", True, self._is_switch),
            keys={name: key for name, key in keys.items() if self._is_binding(name, key)},
        )

    def _table(self, said: Mapping[str, Any], name: str) -> dict[str, Any]:
        found = said.get(name, {})
        if isinstance(found, dict):
            return found
        self._wrong(name, f"{name} is no table", f"write [{name}] on a line of its own")
        return {}

    def _value(
        self, table: Mapping[str, Any], name: str, otherwise: Any, sound: Callable[[Any], str]
    ) -> Any:
        if name not in table:
            return otherwise
        hint = sound(table[name])
        if not hint:
            return table[name]
        self._wrong(name, f"{name} cannot be {table[name]!r}", hint)
        return otherwise

    def _is_theme(self, value: Any) -> str:
        if value in self._themes:
            return ""
        guess = closest(str(value), self._themes)
        return f"did you mean {guess}?" if guess else f"themes: {', '.join(sorted(self._themes))}"

    def _is_interval(self, value: Any) -> str:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and FASTEST <= value <= SLOWEST:
            return ""
        return f"write seconds, from {FASTEST} to {SLOWEST:.0f}"

    def _is_switch(self, value: Any) -> str:
        return "" if isinstance(value, bool) else "write true or false"

    def _is_binding(self, name: str, key: Any) -> bool:
        if name not in self._bindings:
            guess = closest(name, self._bindings)
            hint = f"did you mean {guess}?" if guess else "the palette (ctrl+p) shows the names"
            self._wrong(name, f"no key is called {name}", hint)
            return False
        if not isinstance(key, str) or not all(_KEY.fullmatch(k) for k in key.split(",")):
            hint = 'write "x", "ctrl+x", "f5" or "x,y"'
            self._wrong(name, f"{name} cannot be {key!r}", hint)
            return False
        return True

    def _wrong(self, name: str, message: str, hint: str) -> None:
        """A problem with what stands under `name`, wherever that is."""
        pattern = rf"^\s*(?:\[\s*)?[\"']?{re.escape(name)}\b"
        found = re.search(pattern, self._text, re.MULTILINE)
        line = self._text.count("\n", 0, found.start() + 1) + 1 if found else 0
        self.problems.append(Problem(self._file, line, 1 if found else 0, message, hint))
