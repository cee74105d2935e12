"""`norouter show-installer`: a script that contains the agent.

For POSIX systems it is `install.sh.txt`, which writes `~/bin/norouter` atomically. Where there is a
Python, that file is `launcher.sh.txt`, a shell script with the compressed agent in base64 in its
last lines, which Python decodes. Elsewhere it is the native agent for the host's machine; the
script carries some of them (a megabyte and a half each). For Windows the script is PowerShell's,
and carries one.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
import zlib
from collections.abc import Sequence
from importlib.resources import files

from norouter_core.bootstrap.bundle import bundle
from norouter_core.bootstrap.native_program import (
    NoNativeAgent,
    Platform,
    is_at_hand,
    native_program,
    packed_program,
    this_platform,
)
from norouter_core.bootstrap.python_agent import NAMES
from norouter_tui import __version__

_PYTHONS = (*NAMES, "/usr/local/bin/python3", "/usr/bin/python3", "/usr/libexec/platform-python")
_ENTRY = "run(*LINK)", "main(ARGS)"
"""How the bundle starts the agent on a given link, and how an installed agent starts."""

_UNAME = {
    "linux": "Linux",
    "darwin": "Darwin",
    "freebsd": "FreeBSD",
    "openbsd": "OpenBSD",
    "netbsd": "NetBSD",
}
"""What `uname -s` prints, by the names of `Platform`."""

_COMMON = (Platform("linux", "amd64"), Platform("linux", "arm64"))


def default_platforms() -> list[Platform]:
    """Return the platforms whose agents a script carries by default.

    They are this machine's, of which most containers are, and the most common ones, if these need
    not be built.
    """
    wanted = [platform for platform in _COMMON if is_at_hand(platform)]
    try:
        own = this_platform()
        if own.system in _UNAME and own not in wanted:
            native_program(own)
            wanted.insert(0, own)
    except NoNativeAgent:
        pass
    return wanted


def installer(platforms: Sequence[Platform]) -> str:
    """Return the script for POSIX hosts, in ASCII, with the native agents for these platforms.

    Raises:
        NoNativeAgent: there is no program for one of them.
    """
    python = launcher()
    return _filled(
        "install.sh.txt",
        PLATFORMS=", ".join(map(str, platforms)) or "none",
        SUM=_sum(python.encode()),
        LAUNCHER=python.rstrip("\n"),
        NATIVE="\n".join(map(_case, platforms)),
        AGENTS="\n".join(map(_function, platforms)),
    )


def windows_installer(platform: Platform) -> str:
    """Return the script for PowerShell.

    Every line is a statement, since PowerShell reads stdin line by line; the last one installs.

    Raises:
        NoNativeAgent: there is no program for the platform.
    """
    text = _filled("install.ps1.txt", SUM=_sum_of(platform))
    return "\n".join(
        [
            f"# Installs norouter.exe, the agent of norouter {__version__}, for {platform}:",
            f"#   norouter show-installer --platform {platform} >install.ps1",
            "#   powershell -ExecutionPolicy Bypass -File install.ps1",
            "$norouter = New-Object System.Text.StringBuilder",
            *(f"[void]$norouter.Append('{line}')" for line in _lines(platform)),
            f"& {{ {' '.join(text.splitlines())} }}",
            "",
        ]
    )


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


def _case(platform: Platform) -> str:
    """Return the shell's branch for a machine with a native agent."""
    system = _UNAME[platform.system]
    machines = " | ".join(f'"{system} {machine}"' for machine in platform.machines)
    return f"    {machines}) agent={_name(platform)} sum={_sum_of(platform)} ;;"


def _function(platform: Platform) -> str:
    """Return the shell's function that prints a native agent."""
    return "\n".join(
        [
            f"{_name(platform)}() {{",
            "    unpack <<'END_OF_AGENT'",
            *_lines(platform),
            "END_OF_AGENT",
            "}",
            "",
        ]
    )


def _name(platform: Platform) -> str:
    return f"{platform.system}_{platform.architecture}"


def _lines(platform: Platform) -> list[str]:
    """Return a program, compressed, in base64; some decoders take no line of more than 76 bytes."""
    text = base64.b64encode(packed_program(platform)).decode("ascii")
    return [text[at : at + 76] for at in range(0, len(text), 76)]


def _sum_of(platform: Platform) -> str:
    return _sum(native_program(platform).read_bytes())


def _sum(program: bytes) -> str:
    return hashlib.sha256(program).hexdigest()


def _filled(name: str, **more: str) -> str:
    text = files(__package__).joinpath(name).read_text("utf-8")
    modules = ", ".join(sorted({"sys", "base64", "zlib", *bundle().stdlib}))
    check = f"import sys; sys.version_info >= (3, 8) or sys.exit(1); import {modules}"
    values = {"VERSION": __version__, "PYTHONS": " ".join(_PYTHONS), "CHECK": check, **more}
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text
