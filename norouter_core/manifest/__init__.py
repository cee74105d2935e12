"""Part of norouter-tui."""
