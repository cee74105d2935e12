"""An agent that is installed on the host: `norouter agent --automated`."""

from __future__ import annotations

from norouter_core.bootstrap.base import Bootstrap, Exchange, Progress, Stdio
from norouter_core.bootstrap.handshake import Hello, HelloSearch
from norouter_core.exec_commands.problem import Stage
from norouter_core.timing import Timing


class InstalledAgent(Bootstrap):
    """Waits for an agent that the command itself starts."""

    def __init__(self, argv: tuple[str, ...], timing: Timing) -> None:
        self.argv = argv
        self._timing = timing

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self.argv, stdio, progress)
        exchange.enter(Stage.HELLO)
        first = await exchange.search(HelloSearch(), self._timing.installed)
        return await exchange.read_hello(first, self._timing.hello)
