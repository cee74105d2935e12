"""The faces of norouter-tui: command line, headless printer and Textual app."""

__version__ = "0.1.0.dev0"
