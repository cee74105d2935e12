"""The rows of the option table, as prompts use them."""

from __future__ import annotations

import pytest

from norouter_core.commands.argument_types import ArgumentType, choices, convert, to_text
from norouter_core.manifest.options import DEFAULT, OPTION_KEYS, TYPES
from norouter_core.model import DnsSpec, StateDir


@pytest.mark.parametrize("name", sorted(TYPES))
def test_fixed_texts_convert_and_return(name: str) -> None:
    kind = ArgumentType(name)
    assert choices(kind)[-1] == DEFAULT
    assert convert(kind, DEFAULT) is None
    assert [to_text(kind, convert(kind, text)) for text in choices(kind)] == list(choices(kind))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (ArgumentType.DNS, "5353", DnsSpec(port=5353)),
        (ArgumentType.DNS, "off", DnsSpec(disable=True)),
        (ArgumentType.DIRECTORY, "~/names", StateDir(path="~/names")),
        (ArgumentType.DIRECTORY, "off", StateDir(disable=True)),
        (ArgumentType.SWITCH, "on", True),
    ],
)
def test_texts_are_values(kind: ArgumentType, text: str, value: object) -> None:
    assert convert(kind, text) == value
    assert to_text(kind, value) == text


def test_every_option_with_a_flag_can_be_shown() -> None:
    assert all(row.help and row.metavar and row.label for row in OPTION_KEYS if row.flag)
