"""Texts that a person begins with."""

from __future__ import annotations

from importlib.resources import files


def example() -> str:
    """The commented example manifest, without problems or warnings."""
    return files(__package__).joinpath("example.yaml").read_text("utf-8")
