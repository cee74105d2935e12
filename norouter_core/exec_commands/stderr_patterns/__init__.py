"""Tables of what known programs print when they fail, and what it means."""
