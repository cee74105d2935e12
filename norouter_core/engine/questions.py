"""What exec commands ask the user: for the supervisors, and for the front ends that answer."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from norouter_core.engine.events import Event, Log, QuestionAsked, QuestionEnded
from norouter_core.errors import NorouterError
from norouter_core.exec_commands.asking import login_of, may_have_terminal
from norouter_core.exec_commands.diagnosis import diagnose_question
from norouter_core.exec_commands.problem import Evidence, HostProblem, ProblemKind
from norouter_core.prompts.broker import Prompts, StartPrompts
from norouter_core.prompts.prompt import Prompt
from norouter_core.prompts.server import PromptServer
from norouter_core.timing import TimeLimits

_WRONG_ANSWER = (ProblemKind.LOGIN_FAILED, ProblemKind.SUDO_PASSWORD)


class NotAnswered(NorouterError):
    """A command has asked a question and got no answer."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CommandQuestions:
    """The questions of the commands that one start of a host runs."""

    def __init__(
        self, prompts: Prompts, start: StartPrompts, environment: Mapping[str, str] | None
    ) -> None:
        self._prompts = prompts
        self._start = start
        self.environment = environment
        """For the commands; None for that of this process."""

    @property
    def limits(self) -> TimeLimits:
        """The limits that stand still while the user is asked."""
        return self._start.limits

    def accepted(self) -> None:
        """Note that a login has succeeded."""
        self._prompts.accept(self._start)

    def complete(self) -> None:
        """Note that the last command of the start runs."""
        self._prompts.complete(self._start)

    def failed(self, problem: HostProblem) -> None:
        """Note how a command has failed."""
        if problem.kind in _WRONG_ANSWER:
            self._prompts.refuse(self._start)

    def check_answered(self) -> None:
        """Check that the command of an `exec` has not ended for want of an answer.

        Raises:
            NotAnswered: it has.
        """
        start = self._start
        found = diagnose_question(start.unanswered, start.cancelled, again="exec")
        if found is not None and not start.is_up:
            raise NotAnswered(found.message, found.hint)

    def add_to(self, evidence: Evidence) -> Evidence:
        """Return the evidence of a command with what it asked in vain."""
        return dataclasses.replace(
            evidence, unanswered=self._start.unanswered, cancelled=self._start.cancelled
        )


class Questions:
    """The questions of all exec commands of an engine, one at a time.

    `Prompts` has the rules; this adds the socket, the events and the ways to follow.
    """

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self.prompts = Prompts(self._changed)
        self._server = PromptServer(self.prompts)
        self._publish = publish
        self._shown: dict[int, Prompt] = {}
        self._change = asyncio.Event()
        self._has_warned = False
        self._has_ended = False

    @property
    def limits(self) -> TimeLimits:
        """The time limits of those who wait for the hosts; see `Prompts.limits`."""
        return self.prompts.limits

    @asynccontextmanager
    async def of_start(self, host: str, argv: tuple[str, ...]) -> AsyncIterator[CommandQuestions]:
        """Take the questions of a start of a host, by a command, during the block."""
        start = self.prompts.begin(host, login_of(argv))
        try:
            forced = not may_have_terminal(argv)
            environment = await self._server.environment(start, forced=forced)
            if self._server.trouble and not self._has_warned:
                self._has_warned = True
                text = f"passwords cannot be asked for: {self._server.trouble}"
                self._publish(Log(level="warning", host="", text=text))
            yield CommandQuestions(self.prompts, start, environment)
        finally:
            self.prompts.end(start)

    async def follow(self) -> AsyncIterator[tuple[Prompt, ...]]:
        """Yield the questions that wait for the user, now and at every change, until the end.

        While somebody follows, there is somebody to ask.
        """
        with self.prompts.attend():
            shown: tuple[Prompt, ...] | None = None
            while not self._has_ended:
                change = self._change
                if shown != self.prompts.shown:
                    shown = self.prompts.shown
                    yield shown
                else:
                    await change.wait()

    async def close(self) -> None:
        """Take no more questions. The hosts have ended."""
        self._has_ended = True
        self._wake()
        await self._server.close()

    def _changed(self) -> None:
        now = {prompt.number: prompt for prompt in self.prompts.shown}
        for number, prompt in self._shown.items():
            if number not in now:
                self._publish(QuestionEnded(number=number, host=prompt.host))
        for number, prompt in now.items():
            if number not in self._shown:
                self._publish(QuestionAsked(question=prompt))
        self._shown = now
        self._wake()

    def _wake(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
