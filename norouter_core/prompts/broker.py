"""Who answers what commands ask: one question at a time, the user, or what the user has answered.

An answer to be remembered serves other hosts only once it has proved right: a wrong password that
is tried for many hosts locks an account.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from norouter_core.prompts.prompt import (
    Prompt,
    PromptKind,
    asks_for_login,
    is_no,
    is_yes,
    kind_of,
    may_be_empty,
    names_account,
)
from norouter_core.sanitize import strip_lines
from norouter_core.timing import TimeLimits

Key = tuple[str, str]
"""What may share the answer to a question, and the text of the question."""

Reply = Callable[[str | None, bool], None]
"""Takes the answer, or None; then also whether nobody was there to be asked."""

_MAX_TEXT = 4000
"""Characters of a question that are shown."""


@dataclass(slots=True, eq=False)
class StartPrompts:
    """The questions of one start of a host, which may run several commands."""

    host: str
    login: str = ""
    """Where its command logs in, as far as a question that names the account leaves it open."""
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    limits: TimeLimits = field(default_factory=TimeLimits)
    """The time limits of the start, which stand still while the user is asked."""
    cancelled: bool = False
    """Whether the user did not want to answer."""
    unanswered: str = ""
    """The question that nobody was there to answer."""
    is_up: bool = False
    """Whether the last command of the start runs: no answer is kept any more."""
    _given: dict[tuple[int, Key], str] = field(default_factory=dict, repr=False)
    """What each process was answered."""
    _accepted: dict[Key, str] = field(default_factory=dict, repr=False)
    """What may be answered again, because it was right."""


@dataclass(slots=True, eq=False)
class Asked:
    """A question that a process waits for."""

    prompt: Prompt
    start: StartPrompts
    process: int
    key: Key
    reply: Reply


@dataclass(slots=True)
class _Remembered:
    answer: str = field(repr=False)
    tried_by: StartPrompts | None
    """The start that tries it first; None once it has proved right."""


class Prompts:
    """The questions of all hosts of an engine.

    Args:
        on_change: Called when other questions than before wait for the user.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.on_change = on_change
        self.limits = TimeLimits()
        """The time limits of those who wait for the hosts, which stand still while the user is
        asked."""
        self.shares = False
        """Whether ssh names the account in each question of a server, so that no server can ask for
        the password of another."""
        self._starts: dict[str, StartPrompts] = {}
        self._waiting: list[Asked] = []
        self._shown: tuple[Prompt, ...] = ()
        self._remembered: dict[Key, _Remembered] = {}
        self._numbers = itertools.count(1)
        self._attending = 0

    # -- the user --------------------------------------------------------------------------

    @property
    def shown(self) -> tuple[Prompt, ...]:
        """Return the question that the user is asked now, and all notices."""
        return self._shown

    @property
    def is_attended(self) -> bool:
        """Whether there is somebody to ask."""
        return self._attending > 0

    @contextmanager
    def attend(self) -> Iterator[None]:
        """Have somebody to ask for the duration of the block."""
        self._attending += 1
        try:
            yield
        finally:
            self._attending -= 1
            if not self._attending:
                for asked in [x for x in self._waiting if x.prompt.kind is not PromptKind.NOTICE]:
                    self._give_up(asked)
                self._advance()

    def answer(self, number: int, text: str, *, remember: bool = False) -> bool:
        """Answer a question; return False if it waits no longer, or not for such an answer."""
        asked = self._find(number)
        if asked is None:
            return False
        kind = asked.prompt.kind
        if kind is PromptKind.YES_NO and not text:
            return self.cancel(number)
        if not asked.prompt.accepts(text):
            return False
        if kind is not PromptKind.SECRET and is_no(text):
            return self.cancel(number)
        if kind is not PromptKind.SECRET and is_yes(text):
            text = "yes"
        elif kind is PromptKind.SECRET and remember and text and not asked.start.is_up:
            # Later, nothing would show that the answer was right.
            self._remembered[asked.key] = _Remembered(text, asked.start)
        self._give(asked, text)
        self._advance()
        return True

    def cancel(self, number: int) -> bool:
        """Let a start fail instead of answering, and all others that wait for this answer.

        Without a confirmation, ssh goes on: what fails later is not what the user has cancelled.
        """
        found = self._find(number)
        if found is None:
            return False
        for asked in [x for x in self._waiting if x.key == found.key]:
            if asked.prompt.kind is not PromptKind.CONFIRM:
                asked.start.cancelled = True
            self._reply(asked, None)
        self._advance()
        return True

    def forget(self) -> int:
        """Forget all answers; return how many there were."""
        count = len(self._remembered)
        self._remembered.clear()
        self._advance()
        return count

    def _find(self, number: int) -> Asked | None:
        if all(prompt.number != number for prompt in self._shown):
            return None
        return next(
            (
                asked
                for asked in self._waiting
                if asked.prompt.number == number and asked.prompt.kind is not PromptKind.NOTICE
            ),
            None,
        )

    # -- the starts ------------------------------------------------------------------------

    def begin(self, host: str, login: str = "") -> StartPrompts:
        """Begin to take the questions of a start; `login` is as of `StartPrompts`."""
        start = StartPrompts(host, login)
        self._starts[start.token] = start
        return start

    def accept(self, start: StartPrompts) -> None:
        """Note that a login of a start has succeeded: its answers were right."""
        for (_, key), answer in start._given.items():
            self._prove(start, key, answer)
        self._advance()

    def complete(self, start: StartPrompts) -> None:
        """Note that a start has come to its end: its answers were right, and serve it no more.

        A command still asks if it has to, as for a shared connection, but what runs by then must
        not get an answer from memory that was not to be remembered.
        """
        self.accept(start)
        start.is_up = True
        start._given.clear()
        start._accepted.clear()

    def refuse(self, start: StartPrompts) -> None:
        """Note that a login of a start was refused: its last answer was wrong."""
        if start._given:
            (_, key) = list(start._given)[-1]
            self._forget(start, key)

    def end(self, start: StartPrompts) -> None:
        """Take no more questions of a start, and end those that wait."""
        self._starts.pop(start.token, None)
        for key, remembered in list(self._remembered.items()):
            if remembered.tried_by is start:
                del self._remembered[key]
        for asked in [x for x in self._waiting if x.start is start]:
            self._reply(asked, None)
        start._given.clear()
        start._accepted.clear()
        self._advance()

    def _forget(self, start: StartPrompts, key: Key) -> None:
        start._accepted.pop(key, None)
        remembered = self._remembered.get(key)
        if remembered is not None and remembered.tried_by in (None, start):
            del self._remembered[key]

    # -- the processes ---------------------------------------------------------------------

    def ask(
        self,
        token: str,
        text: str,
        hint: str,
        process: int,
        reply: Reply,
        login: str = "",
    ) -> Asked | None:
        """Take the question of a process; `reply` is called once.

        Return None if it has been called already.

        Args:
            token: Of the start.
            text: The question.
            hint: What ssh says about it.
            process: The number of the process.
            reply: Takes the answer.
            login: Where the process logs in; empty if that is unknown.
        """
        start = self._starts.get(token)
        if start is None:
            reply(None, False)
            return None
        key = self._key(start, text, login)
        is_asked_again = key not in start._accepted and any(k == key for _, k in start._given)
        refused = is_asked_again or (process, key) in start._given
        if refused:
            self._forget(start, key)
        else:
            self._note_success(start, process, key)
        prompt = Prompt(
            number=next(self._numbers),
            host=start.host,
            text=_shown(text),
            kind=kind_of(text, hint),
            refused=refused,
            may_be_empty=may_be_empty(text),
        )
        asked = Asked(prompt, start, process, key, reply)
        self._waiting.append(asked)
        if prompt.kind is not PromptKind.NOTICE:
            start.limits.pause()
        self._advance()
        return asked if asked in self._waiting else None

    def withdraw(self, asked: Asked) -> None:
        """Note that a process no longer waits for its question."""
        if asked in self._waiting:
            self._remove(asked)
            self._advance()

    def note_unanswered(self, token: str, text: str) -> None:
        """Note that a start could not get an answer from anybody."""
        if token in self._starts:
            self._starts[token].unanswered = _shown(text)

    def _key(self, start: StartPrompts, text: str, login: str) -> Key:
        if not self.shares or not names_account(text):
            return f"host {start.host}", text
        return f"login {login or start.login}" if asks_for_login(text) else "this machine", text

    def _note_success(self, start: StartPrompts, process: int, key: Key) -> None:
        """Note that what other processes were answered to other questions was right.

        The process that asks now would not have come so far: it goes through a jump host, say.
        """
        for (other, answered), answer in start._given.items():
            if other != process and answered != key:
                self._prove(start, answered, answer)

    def _prove(self, start: StartPrompts, key: Key, answer: str) -> None:
        if not start.is_up:
            start._accepted[key] = answer
        remembered = self._remembered.get(key)
        if remembered is not None and remembered.tried_by is start:
            remembered.tried_by = None

    def _advance(self) -> None:
        """Answer what can be answered, and find the question that the user is asked next."""
        candidates: list[Asked] = []
        for asked in list(self._waiting):
            if asked.prompt.kind is PromptKind.NOTICE:
                continue
            remembered = self._remembered.get(asked.key)
            if asked.key in asked.start._accepted:
                self._give(asked, asked.start._accepted[asked.key])
            elif remembered is not None and remembered.tried_by is None:
                self._give(asked, remembered.answer)
            elif not self.is_attended:
                self._give_up(asked)
            elif remembered is None:
                candidates.append(asked)
        # The user may be typing the answer to the question that is shown.
        candidates.sort(key=lambda asked: asked.prompt not in self._shown)
        notices = [x for x in self._waiting if x.prompt.kind is PromptKind.NOTICE]
        shown = tuple(asked.prompt for asked in candidates[:1] + notices)
        if candidates:
            self.limits.pause()
        else:
            self.limits.resume()
        if shown != self._shown:
            self._shown = shown
            self.on_change()

    def _give(self, asked: Asked, answer: str) -> None:
        # The last one that was given is the last in the dictionary.
        asked.start._given.pop((asked.process, asked.key), None)
        asked.start._given[asked.process, asked.key] = "" if asked.start.is_up else answer
        self._reply(asked, answer)

    def _give_up(self, asked: Asked) -> None:
        self._remove(asked)
        asked.reply(None, True)

    def _reply(self, asked: Asked, answer: str | None) -> None:
        self._remove(asked)
        asked.reply(answer, False)

    def _remove(self, asked: Asked) -> None:
        self._waiting.remove(asked)
        others = any(
            x.start is asked.start and x.prompt.kind is not PromptKind.NOTICE for x in self._waiting
        )
        if not others:
            asked.start.limits.resume()


def _shown(text: str) -> str:
    return strip_lines(text[:_MAX_TEXT]).strip()
