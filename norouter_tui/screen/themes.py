"""Three themes in addition to Textual's own, and the names of the styles of drawn lines."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

DARK: Final = "norouter-dark"
LIGHT: Final = "norouter-light"
CONTRAST: Final = "norouter-contrast"

THEMES = (
    Theme(
        name=DARK,
        primary="#7aa2f7",
        secondary="#5f7ea8",
        accent="#7dcfff",
        success="#8fce7f",
        warning="#e2b86b",
        error="#f2788a",
        foreground="#c8d0e0",
        background="#12151c",
        surface="#181c25",
        panel="#212733",
        variables={
            "border": "#7aa2f7",
            "border-blurred": "#333b4c",
            "block-cursor-background": "#2b3a5c",
            "block-cursor-foreground": "#e6ecf8",
            "block-cursor-text-style": "none",
            "block-cursor-blurred-background": "#1d2330",
            "footer-key-foreground": "#7dcfff",
            "input-selection-background": "#7aa2f7 35%",
        },
    ),
    Theme(
        name=LIGHT,
        primary="#2f5fc4",
        secondary="#5872a3",
        accent="#0b6e99",
        success="#2c7a34",
        warning="#8f5a00",
        error="#b3243c",
        foreground="#232a36",
        background="#f7f8fa",
        surface="#eff1f5",
        panel="#e2e6ee",
        dark=False,
        variables={
            "border": "#2f5fc4",
            "border-blurred": "#c3cad8",
            "block-cursor-background": "#cddcfb",
            "block-cursor-foreground": "#101828",
            "block-cursor-text-style": "none",
            "block-cursor-blurred-background": "#e8ecf4",
            "footer-key-foreground": "#0b6e99",
            "input-selection-background": "#2f5fc4 25%",
        },
    ),
    Theme(
        name=CONTRAST,
        primary="#ffffff",
        secondary="#ffffff",
        accent="#00ffff",
        success="#00ff5f",
        warning="#ffff00",
        error="#ff6a6a",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1c1c1c",
        variables={
            "border": "#00ffff",
            "border-blurred": "#9a9a9a",
            "block-cursor-background": "#0032a0",
            "block-cursor-foreground": "#ffffff",
            "block-cursor-text-style": "bold",
            "block-cursor-blurred-background": "#3a3a3a",
            "foreground-muted": "#d0d0d0",
            "foreground-disabled": "#b0b0b0",
            "footer-key-foreground": "#00ffff",
        },
    ),
)
"""In the order they are listed; the first is the default."""

STYLES = frozenset(
    {
        "line--text",
        "line--strong",
        "line--muted",
        "line--faint",
        "line--accent",
        "line--good",
        "line--busy",
        "line--bad",
        "line--spark",
        "line--heading",
        "line--cursor",
        "line--cursor-blurred",
    }
)
"""Component classes of everything that is drawn line by line; `style.tcss` styles them."""
