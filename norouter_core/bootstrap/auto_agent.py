"""A Python agent; where no Python works, the native agent on the same shell."""

from __future__ import annotations

from dataclasses import replace

from norouter_core.bootstrap import native_agent, python_agent
from norouter_core.bootstrap.base import Bootstrap, Progress, StartFailed, Stdio, Step
from norouter_core.bootstrap.handshake import Hello
from norouter_core.bootstrap.native_agent import NativeAgent
from norouter_core.bootstrap.python_agent import PythonAgent
from norouter_core.exec_commands.problem import NO_PYTHON, Stage
from norouter_core.sanitize import strip_line
from norouter_core.timing import Timing


class AutoAgent(Bootstrap):
    """Sends the agent that the host can run.

    The Python agent comes first: it is smaller, and leaves no file even for a moment.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        timing: Timing,
        pythons: tuple[str, ...] = python_agent.DIRECTORIES,
        places: tuple[str, ...] = native_agent.DIRECTORIES,
    ) -> None:
        self.argv = argv
        self._python = PythonAgent(argv, timing, pythons, stays=True)
        self._native = NativeAgent(argv, timing, places)

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        try:
            return await self._python.start(stdio, progress)
        except StartFailed as failure:
            pythons = failure.evidence.report
            if not pythons:
                raise
        if pythons != NO_PYTHON:
            found = strip_line("; ".join(pythons.splitlines()))
            progress(Step(Stage.SHELL, note=f"no usable Python, sending the native agent: {found}"))
        try:
            return await self._native.start(stdio, progress)
        except StartFailed as failure:
            raise StartFailed(replace(failure.evidence, pythons=pythons)) from None
