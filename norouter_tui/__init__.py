"""The front ends of norouter-tui: command line, headless runs, REPL and screen."""

__version__ = "0.1.0.dev0"
