"""`norouter completion`: what it prints works in the shells that are here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import ROOT, Program

BASH = """
source <(norouter completion bash)
complete -p norouter
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_norouter_completion norouter 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which `norouter` is."""
    program = tmp_path / "bin" / "norouter"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m norouter_tui "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def bash(path: str, *words: str) -> list[str]:
    """What bash offers in the place of the last of the words."""
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", *words],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    hook, *offers = done.stdout.split("\n")[:-1]
    assert (done.stderr, hook.split()[-1]) == ("", "norouter")
    return offers


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_verbs_options_and_files(path: str) -> None:
    assert bash(path, "norouter", "che") == ["check"]
    assert bash(path, "norouter", "run", "--det") == ["--detach"]
    # Nothing of ours: bash goes on to files by itself.
    assert bash(path, "norouter", "run", "") == [""]


@pytest.mark.parametrize(
    ("shell", "words", "offers"),
    [
        ("zsh", "norouter che", ["file", "che", "_", "plain", "check", "Check a manifest"]),
        ("zsh", "norouter run x", ["file", "x", "_"]),
        ("fish", "norouter che", ["file,che", "plain,check\tCheck a manifest"]),
        ("fish", "norouter check ", ["file,"]),
        ("bash", "norouter x", ["file,x"]),
        ("bash", "norouter ctl --me", ["plain,--mesh"]),
        ("bash", "norouter ctl --mesh 0 host add --", [""]),  # The mesh knows the options.
    ],
)
def test_what_the_shells_ask_for(
    norouter: Program, shell: str, words: str, offers: list[str]
) -> None:
    count = len(words.split()) - (not words.endswith(" "))
    cword = str(count) if shell != "fish" else words.rpartition(" ")[2]
    env = {"_NOROUTER_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": cword}
    done = norouter(env=env)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line[: len(offer)] for line, offer in zip(lines, offers, strict=True)] == offers


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_take_it(norouter: Program, tmp_path: Path, shell: str) -> None:
    done = norouter("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{shell}_complete" in done.stdout and "_NOROUTER_COMPLETE" in done.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here to read it in")
    script = tmp_path / "script"
    script.write_text(done.stdout)
    read = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True, timeout=20)
    assert (read.returncode, read.stderr) == (0, "")


def test_another_shell_is_refused_by_name(norouter: Program) -> None:
    done = norouter("completion", "tcsh")
    assert done.returncode == 2 and "'bash', 'zsh', 'fish'" in done.stderr
