"""Fixtures that run the real program."""

from __future__ import annotations

from tests.programs import norouter, start

__all__ = ["norouter", "start"]
