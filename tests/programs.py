"""Run the real program in tests; fixtures for the conftest files that need it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[1]


def has_ended(process: psutil.Process) -> bool:
    """Whether a process that is nobody's child here has ended, reaped or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_end(process: psutil.Process) -> None:
    """Waits until a process that is nobody's child here has ended."""
    end = time.monotonic() + 20
    while not has_ended(process):
        assert time.monotonic() < end
        time.sleep(0.01)


Program = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


def _environment(home: Path, extra: dict[str, str]) -> dict[str, str]:
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return {**env, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(home), **extra}


@pytest.fixture
def norouter(tmp_path: Path) -> Program:
    """Runs `norouter WORDS...` to its end."""

    def run(
        *words: str,
        env: dict[str, str] | None = None,
        program: Sequence[str] = ("-m", "norouter_tui"),
        **more: Any,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *program, *words],
            env=_environment(tmp_path / "state", env or {}),
            text=True,
            timeout=50,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )

    return run


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts `norouter WORDS...`; what still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str, env: dict[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, "-m", "norouter_tui", *words],
            env=_environment(tmp_path / "state", env or {}),
            **{"text": True, **pipes, **more},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait(10)
        for pipe in (process.stdout, process.stderr, process.stdin):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def vip() -> str:
    """A /24 of its own for each test, so that tests may run side by side."""
    return f"127.{random.randint(50, 250)}.{random.randint(0, 255)}"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder of the test's own, with a path that is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="nr-") as folder:
        # Both, so that nobody else's mesh is seen, let alone stopped.
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)
