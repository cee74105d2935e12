"""Exec commands as fields hold them."""

from __future__ import annotations

from norouter_core.exec_commands.pasted import adopted, is_exec_command
from norouter_core.model import split_cmd
from norouter_tui.screen.dialogs.command_builder import joined, split


def command_text(cmd: str | tuple[str, ...] | None) -> str:
    """A host's command as it is typed; empty for this machine."""
    return cmd if isinstance(cmd, str) else joined(split_cmd(cmd) or ())


def command_words(text: str) -> tuple[str, ...]:
    """The words of a command that was typed or pasted, as a host needs it: stdin passed on, no
    terminal, no `$` of a prompt in front."""
    words = split(text.removeprefix("$ "))
    return adopted(words) if is_exec_command(words) else words
