"""The page of documentation that is made from the registry."""

from __future__ import annotations

from pathlib import Path

from norouter_core.commands.help import help_text, markdown, unknown

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_page_is_what_the_registry_says() -> None:
    message = "docs/commands.md is made by: norouter repl -c 'help --markdown' > docs/commands.md"
    assert PAGE.read_text("utf-8") == markdown(), message


def test_lines_fit_a_terminal() -> None:
    overview = help_text(())
    assert overview is not None
    assert max(map(len, overview.splitlines())) <= 79


def test_a_wrong_verb_is_guessed() -> None:
    assert help_text(("prot", "add")) is None
    assert unknown(("prot", "add")).hint == "did you mean help port add?"
