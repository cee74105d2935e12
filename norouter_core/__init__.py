"""The engine of norouter-tui, free of any user interface."""
