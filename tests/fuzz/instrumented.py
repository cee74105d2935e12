"""Run one target under atheris: python -m tests.fuzz.instrumented NAME LIBFUZZER-ARGUMENT..."""

from __future__ import annotations

import sys

import atheris

# What the parsers are made of guides the search as well.
with atheris.instrument_imports(include=["norouter_core", "norouter_tui", "yaml", "h11", "dns"]):
    from tests.fuzz.registry import TARGETS

if __name__ == "__main__":
    program, name, *arguments = sys.argv
    # Deep recursion of a check must fail as in a program, not in the frames of libFuzzer.
    atheris.Setup([program, *arguments], TARGETS[name].run)
    atheris.Fuzz()
