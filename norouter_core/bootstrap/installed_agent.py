"""An agent that is installed on the host: `norouter agent --automated`."""

from __future__ import annotations

from norouter_core.agent.process_identity import FEATURES
from norouter_core.bootstrap.base import Bootstrap, Exchange, Progress, Stdio
from norouter_core.bootstrap.handshake import Hello, HelloSearch
from norouter_core.exec_commands.problem import Stage
from norouter_core.timing import Timing


class InstalledAgent(Bootstrap):
    """Waits for an agent that the command itself starts.

    If the start is `tentative`, the agent has less time, and must have every feature.
    """

    def __init__(self, argv: tuple[str, ...], timing: Timing, *, tentative: bool = False) -> None:
        self.argv = argv
        self._timing = timing
        self._tentative = tentative

    async def start(self, stdio: Stdio, progress: Progress) -> tuple[Hello, bytes]:
        """Bring up the agent, as `Bootstrap.start` does."""
        exchange = Exchange(self.argv, stdio, progress)
        exchange.enter(Stage.HELLO)
        limit = self._timing.tentative if self._tentative else self._timing.installed
        first = await exchange.search(HelloSearch(), limit)
        hello, rest = await exchange.read_hello(first, self._timing.hello)
        missing = [feature for feature in FEATURES if feature not in hello.features]
        if self._tentative and missing:
            raise exchange.failed(version=f"lacks {', '.join(missing)}")
        return hello, rest
