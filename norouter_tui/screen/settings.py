"""The user's settings, an optional file: theme, keys, and how often the screen is refreshed.

```toml
[screen]
theme = "norouter-light"
refresh = 0.4            # seconds
vi = true                # h j k l g G beside the arrows

[keys]
quit = "ctrl+q"          # names as the palette (Ctrl+P) shows them
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
from norouter_core.manifest.values import closest
from norouter_tui.screen.themes import DARK

REFRESH = 0.4
MIN_REFRESH, MAX_REFRESH = 0.1, 10.0
"""The shortest and the longest refresh interval, in seconds."""
_KEY = re.compile(r"(?:(?:ctrl|shift|alt|super)\+)*(?:[^\s,+]|[a-z][a-z0-9_]*)")
_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)")
_MAX_BYTES = 64 * 1024
_MAX_LINE = 1000
_MAX_PROBLEMS = 20
"""Each is looked up in the whole text."""

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
"""The keys of the bindings that also have vi letters, without the letters."""


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """The settings; `keys` are Textual keys by the id of the binding."""

    theme: str = DARK
    refresh: float = REFRESH
    vi: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def keymap(self) -> dict[str, str]:
        """Return the keys for `App.set_keymap`."""
        return {**({} if self.vi else WITHOUT_VI), **self.keys}


def settings_path() -> Path:
    """Return the path of the file, which need not exist."""
    return platformdirs.user_config_path("norouter") / "config.toml"


def load_settings(
    path: Path, themes: Collection[str], bindings: Collection[str]
) -> tuple[ScreenSettings, list[Problem]]:
    """Return the settings in a file, and its problems; a setting with a problem has no effect.

    Args:
        path: the file.
        themes: the names that `theme` accepts.
        bindings: the names that `[keys]` accepts.
    """
    try:
        text = path.read_bytes()[:_MAX_BYTES].decode()
    except FileNotFoundError:
        return ScreenSettings(), []
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the settings: {error}"
        return ScreenSettings(), [Problem(str(path), 0, 0, message, "fix or remove the file")]
    return read_settings(str(path), text, themes, bindings)


def read_settings(
    file: str, text: str, themes: Collection[str], bindings: Collection[str]
) -> tuple[ScreenSettings, list[Problem]]:
    """Return what `load_settings` does, from the text of a file."""
    reader = _Reader(file, text, themes, bindings)
    return reader.read(), reader.problems


class _Reader:
    """Reads the text of a settings file."""

    def __init__(
        self, file: str, text: str, themes: Collection[str], bindings: Collection[str]
    ) -> None:
        self._file = file
        self._text = text
        self._themes = themes
        self._bindings = bindings
        self.problems: list[Problem] = []

    def read(self) -> ScreenSettings:
        for number, written in enumerate(self._text.split("\n"), start=1):
            # tomllib takes quadratic time for a key of many parts.
            if len(written) > _MAX_LINE:
                advice = f"write at most {_MAX_LINE} characters"
                self.problems.append(Problem(self._file, number, 1, "the line is too long", advice))
                return ScreenSettings()
        try:
            table = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            message, hint = str(error), 'put strings in quotes: theme = "norouter-light"'
            position = _POSITION.search(message)
            line, column = (int(position[1]), int(position[2])) if position else (0, 0)
            message = _POSITION.sub("", message).strip()
            self.problems.append(Problem(self._file, line, column, message, hint))
            return ScreenSettings()
        except (ValueError, RecursionError) as error:
            # tomllib lets these through: for a number of 5000 digits, for deep brackets.
            why = str(error) if isinstance(error, ValueError) else "nested too deeply"
            advice = "the settings are two tables of plain values"
            self.problems.append(Problem(self._file, 0, 0, why, advice))
            return ScreenSettings()
        for name in table.keys() - {"screen", "keys"}:
            self._add_problem(name, f"unknown table [{name}]", "known tables: [screen] and [keys]")
        screen, keys = self._table(table, "screen"), self._table(table, "keys")
        for name in screen.keys() - {"theme", "refresh", "vi"}:
            self._add_problem(
                name, f"unknown setting {name} in [screen]", "known settings: theme, refresh and vi"
            )
        return ScreenSettings(
            theme=self._value(screen, "theme", DARK, self._theme_hint),
            refresh=float(self._value(screen, "refresh", REFRESH, self._interval_hint)),
            vi=self._value(screen, "vi", True, self._switch_hint),
            keys={name: key for name, key in keys.items() if self._is_binding(name, key)},
        )

    def _table(self, tables: Mapping[str, Any], name: str) -> dict[str, Any]:
        found = tables.get(name, {})
        if isinstance(found, dict):
            return found
        self._add_problem(name, f"{name} must be a table", f"write [{name}] on a line of its own")
        return {}

    def _value(
        self, table: Mapping[str, Any], name: str, default: Any, hint_for: Callable[[Any], str]
    ) -> Any:
        if name not in table:
            return default
        hint = hint_for(table[name])
        if not hint:
            return table[name]
        self._add_problem(name, f"invalid {name}: {table[name]!r}", hint)
        return default

    # These return an empty string for a valid value.

    def _theme_hint(self, value: Any) -> str:
        if value in self._themes:
            return ""
        guess = closest(str(value), self._themes)
        return f"did you mean {guess}?" if guess else f"themes: {', '.join(sorted(self._themes))}"

    def _interval_hint(self, value: Any) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and MIN_REFRESH <= value <= MAX_REFRESH:
            return ""
        return f"give seconds from {MIN_REFRESH} to {MAX_REFRESH:.0f}"

    def _switch_hint(self, value: Any) -> str:
        return "" if isinstance(value, bool) else "must be true or false"

    def _is_binding(self, name: str, key: Any) -> bool:
        if name not in self._bindings:
            guess = closest(name, self._bindings)
            hint = f"did you mean {guess}?" if guess else "the palette (Ctrl+P) lists the names"
            self._add_problem(name, f"unknown action {name} in [keys]", hint)
            return False
        if not isinstance(key, str) or not all(_KEY.fullmatch(k) for k in key.split(",")):
            hint = 'write "x", "ctrl+x", "f5" or "x,y"'
            self._add_problem(name, f"invalid key for {name}: {key!r}", hint)
            return False
        return True

    def _add_problem(self, name: str, message: str, hint: str) -> None:
        """Add a problem with the setting `name`, at the line where it is."""
        if len(self.problems) == _MAX_PROBLEMS:
            return
        # No `\s`, which matches line breaks: it would take quadratic time for blank lines.
        pattern = rf"^[ \t]*(?:\[[ \t]*)?[\"']?{re.escape(name)}\b"
        found = re.search(pattern, self._text, re.MULTILINE)
        line = self._text.count("\n", 0, found.start() + 1) + 1 if found else 0
        self.problems.append(Problem(self._file, line, 1 if found else 0, message, hint))
