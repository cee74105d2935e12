"""Fixtures that run the real program."""

from __future__ import annotations

from tests.programs import norouter, runtime, start, vip

__all__ = ["norouter", "runtime", "start", "vip"]
