"""What a test of real hosts needs of the machine, and what happens where it is missing.

On a developer's machine a missing piece skips the test with the reason. Where
`NOROUTER_TEST_REAL=1` is set, as `.ci/run` does, it fails the test: nothing is left out unseen.
"""

from __future__ import annotations

import os
import shutil
import sys

import pytest

REAL = os.environ.get("NOROUTER_TEST_REAL") == "1"


def need(condition: object, reason: str) -> None:
    """Skip the test with `reason` unless `condition` holds; fail it where all must be real."""
    if condition:
        return
    if REAL:
        pytest.fail(f"NOROUTER_TEST_REAL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def need_program(name: str, package: str) -> str:
    """The path of a program; `package` is the Debian package to name where it is missing."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    need(path, f"{name} is missing (apt-get install {package})")
    assert path is not None
    return path


def need_root() -> None:
    """Linux and root: what network namespaces, mounts and chroots take."""
    need(sys.platform == "linux", f"network namespaces are Linux's, this is {sys.platform}")
    need(os.geteuid() == 0, "not root: network namespaces cannot be made")
