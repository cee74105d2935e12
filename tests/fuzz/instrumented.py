"""Run one target under atheris: python -m tests.fuzz.instrumented NAME LIBFUZZER-ARGUMENT..."""

from __future__ import annotations

import hashlib
import sys

import atheris

# What the parsers are made of guides the search as well.
with atheris.instrument_imports(include=["norouter_core", "norouter_tui", "yaml", "h11", "dns"]):
    from tests.fuzz.registry import TARGETS
    from tests.fuzz.targets import Target


def run(target: Target, data: bytes) -> None:
    """Check one input, and keep it if it breaks the target.

    libFuzzer does so as well, by the same name, but not at every moment of a run.
    """
    try:
        target.run(data)
    except BaseException:
        name = f"crash-{hashlib.sha1(data).hexdigest()}"
        (target.corpus / name).write_bytes(data)
        raise


if __name__ == "__main__":
    program, name, *arguments = sys.argv
    atheris.Setup([program, *arguments], lambda data: run(TARGETS[name], data))
    atheris.Fuzz()
