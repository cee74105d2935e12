"""`norouter show-installer`: a shell script that contains the agent.

It has three layers, each a template beside this file: `install.sh.txt` finds a Python and runs
`install.py.txt`, which writes `~/bin/norouter` atomically; that file is `launcher.sh.txt`, a shell
script with the compressed agent in base64 in its last lines. Python decodes it, so a host needs no
other tool than sh.
"""

from __future__ import annotations

import base64
import json
import textwrap
import zlib
from importlib.resources import files

from norouter_core.bootstrap.bundle import bundle
from norouter_core.bootstrap.python_agent import NAMES
from norouter_tui import __version__

_PYTHONS = (*NAMES, "/usr/local/bin/python3", "/usr/bin/python3", "/usr/libexec/platform-python")
_ENTRY = "run(*LINK)", "main(ARGS)"
"""How the bundle starts the agent on a given link, and how an installed agent starts."""


def installer() -> str:
    """Return the script, in ASCII, which contains `~/bin/norouter` of this version."""
    head, mark, body = launcher().partition("#PROGRAM\n")
    python = _filled("install.py.txt", HEAD=json.dumps(head + mark), BODY=body.rstrip("\n"))
    return _filled("install.sh.txt", PYTHON=python.rstrip("\n"))


def launcher() -> str:
    """Return the installed file, which runs `norouter agent --automated` as this program does."""
    encoded = base64.b64encode(_program()).decode("ascii")
    lines = "".join(f"#{line}\n" for line in textwrap.wrap(encoded, 96))
    return _filled("launcher.sh.txt") + lines


def _program() -> bytes:
    source = zlib.decompress(bundle().program).decode()
    before, found, after = source.rpartition(_ENTRY[0])
    if not found:
        raise RuntimeError("the bundle does not start the agent as the installer expects")
    return zlib.compress((before + _ENTRY[1] + after).encode(), 9)


def _filled(name: str, **more: str) -> str:
    text = files(__package__).joinpath(name).read_text("utf-8")
    modules = ", ".join(sorted({"sys", "base64", "zlib", *bundle().stdlib}))
    check = f"import sys; sys.version_info >= (3, 8) or sys.exit(1); import {modules}"
    values = {"VERSION": __version__, "PYTHONS": " ".join(_PYTHONS), "CHECK": check, **more}
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
