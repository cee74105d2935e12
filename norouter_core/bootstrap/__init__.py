"""How an agent gets onto a host through a bare shell, and why it did not."""
