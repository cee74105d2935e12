"""Who is asked what, and which answers serve others: without commands and sockets."""

from __future__ import annotations

import itertools

import pytest

from norouter_core.prompts.broker import Asked, Prompts, StartPrompts
from norouter_core.prompts.prompt import PromptKind, kind_of, may_be_empty, names_account

PASSWORD = "me@jump's password: "
_processes = itertools.count(100)


class Asking:
    """A command of a start that asks, and what it was answered."""

    def __init__(self, prompts: Prompts, start: StartPrompts) -> None:
        self.answers: list[str | bool | None] = []
        self.process = next(_processes)
        self._prompts, self._start = prompts, start

    def ask(self, text: str = PASSWORD, hint: str = "", login: str = "") -> Asked | None:
        def reply(answer: str | None, is_unattended: bool) -> None:
            self.answers.append(is_unattended or answer)

        return self._prompts.ask(self._start.token, text, hint, self.process, reply, login)


def begin(prompts: Prompts, host: str, login: str = "") -> tuple[StartPrompts, Asking]:
    start = prompts.begin(host, login)
    return start, Asking(prompts, start)


def number(prompts: Prompts) -> int:
    (prompt,) = prompts.shown
    return prompt.number


@pytest.fixture
def prompts() -> Prompts:
    made = Prompts()
    made.shares = True
    return made


def test_time_limits_stand_still_while_a_question_is_shown(prompts: Prompts) -> None:
    with prompts.attend():
        one, two = begin(prompts, "one")[1], begin(prompts, "two")[1]
        one.ask("Confirm user presence", "none")
        assert not prompts.limits.are_paused, "a notice waits for nothing from the user"
        first, second = one.ask("PIN: "), two.ask("PIN: ")
        assert first is not None and second is not None
        assert prompts.limits.are_paused
        assert prompts.answer(first.prompt.number, "x")
        assert prompts.limits.are_paused, "the other one is asked now"
        prompts.withdraw(second)
        assert not prompts.limits.are_paused
        two.ask("PIN: ")
        assert prompts.limits.are_paused
    assert not prompts.limits.are_paused, "nobody is asked any more"


def test_questions_are_asked_one_at_a_time(prompts: Prompts) -> None:
    with prompts.attend():
        one, two = begin(prompts, "one")[1], begin(prompts, "two")[1]
        one.ask()
        two.ask()
        (first,) = prompts.shown
        assert (first.host, first.text) == ("one", "me@jump's password:")
        assert not prompts.answer(first.number + 1, "x"), "it is not shown yet"
        assert prompts.answer(first.number, "x")
        assert one.answers == ["x"]
        (second,) = prompts.shown
        assert second.host == "two"
        assert not prompts.answer(first.number, "late"), "the first answer has won"


def test_a_remembered_answer_waits_until_it_has_proved_right(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        two, three = begin(prompts, "two")[1], begin(prompts, "three")[1]
        for each in (one, two, three):
            each.ask()
        assert prompts.answer(number(prompts), "secret", remember=True)
        assert (two.answers, prompts.shown) == ([], ()), "they wait for the login of the first"
        prompts.accept(start)
        assert two.answers == three.answers == ["secret"]
        four = begin(prompts, "four")[1]
        four.ask()
        assert four.answers == ["secret"]
        assert prompts.forget() == 1
        assert four.ask() is not None


def test_a_wrong_remembered_answer_is_tried_once(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        _, two = begin(prompts, "two")
        one.ask()
        two.ask()
        prompts.answer(number(prompts), "wrong", remember=True)
        one.ask()  # as ssh does after a wrong password
        assert one.answers == ["wrong"]
        assert {prompt.host for prompt in prompts.shown} == {"two"}
        prompts.end(start)
        assert two.answers == []


def test_a_password_that_has_changed_is_forgotten(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        one.ask()
        prompts.answer(number(prompts), "old", remember=True)
        prompts.accept(start)
        prompts.end(start)
        again, two = begin(prompts, "one")
        two.ask()
        assert two.answers == ["old"]
        prompts.refuse(again)  # the command has ended: it asks only once
        prompts.end(again)
        begin(prompts, "one")[1].ask()
        assert len(prompts.shown) == 1


def test_the_next_command_of_a_start_gets_the_answers_of_the_one_before(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        one.ask()
        prompts.answer(number(prompts), "secret")
        prompts.accept(start)
        following = Asking(prompts, start)
        following.ask()
        assert following.answers == ["secret"]
        following.ask()
        (prompt,) = prompts.shown
        assert prompt.refused


def test_an_answer_serves_its_start_no_more_once_the_host_is_up(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        one.ask()
        prompts.answer(number(prompts), "secret")
        prompts.complete(start)
        assert "secret" not in f"{start._given}{start._accepted}"
        late = Asking(prompts, start)
        late.ask()
        assert (late.answers, len(prompts.shown)) == ([], 1)
        assert prompts.answer(number(prompts), "typed", remember=True)
        Asking(prompts, start).ask("me@one's password: ")
        assert "typed" not in f"{start._given}{start._accepted}"
        assert prompts.forget() == 0, "nothing would show that it is right"


def test_an_answer_behind_a_jump_host_proves_that_of_the_jump_host(prompts: Prompts) -> None:
    with prompts.attend():
        start, jump = begin(prompts, "one")
        jump.ask()
        waiting = begin(prompts, "two")[1]
        waiting.ask()
        prompts.answer(number(prompts), "of the jump host", remember=True)
        Asking(prompts, start).ask("me@one's password: ")
        assert waiting.answers == ["of the jump host"]


def test_a_question_that_names_no_account_is_for_one_host(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        one.ask("Password: ")
        prompts.answer(number(prompts), "secret", remember=True)
        prompts.accept(start)
        two, again = begin(prompts, "two")[1], begin(prompts, "one")[1]
        two.ask("Password: ")
        again.ask("Password: ")
        assert (two.answers, again.answers) == ([], ["secret"])


def test_an_answer_is_not_for_the_same_name_at_another_port(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one", "ssh -p 2201")
        for text in (PASSWORD, "[sudo] password for me: "):
            one.ask(text)
            prompts.answer(number(prompts), "secret", remember=True)
        prompts.accept(start)
        other, same = begin(prompts, "two", "ssh -p 2202")[1], begin(prompts, "a", "ssh -p 2201")[1]
        for each in (other, same):
            each.ask("[sudo] password for me: ")
            each.ask()
        assert (other.answers, same.answers) == (["secret"], ["secret", "secret"])


def test_an_answer_is_not_for_another_alias_of_the_same_name(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one", "ssh")
        one.ask(login="ssh vm1")
        prompts.answer(number(prompts), "secret", remember=True)
        prompts.accept(start)
        other, same = begin(prompts, "two", "ssh")[1], begin(prompts, "three", "ssh")[1]
        other.ask(login="ssh vm2")
        same.ask(login="ssh vm1")
        assert (other.answers, same.answers) == ([], ["secret"])


def test_an_old_ssh_shares_nothing(prompts: Prompts) -> None:
    prompts.shares = False
    with prompts.attend():
        start, one = begin(prompts, "one")
        one.ask()
        prompts.answer(number(prompts), "secret", remember=True)
        prompts.accept(start)
        two = begin(prompts, "two")[1]
        two.ask()
        assert two.answers == [], "its server may ask for the password of another"


def test_the_question_that_is_shown_stays(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        two, three = begin(prompts, "two")[1], begin(prompts, "three")[1]
        one.ask()
        two.ask()
        three.ask("me@other's password: ")
        prompts.answer(number(prompts), "wrong", remember=True)
        shown = prompts.shown
        assert [prompt.host for prompt in shown] == ["three"]
        prompts.end(start)
        assert prompts.shown == shown, "the user may be typing"


def test_nobody_is_there(prompts: Prompts) -> None:
    one = begin(prompts, "one")[1]
    assert one.ask() is None
    assert one.answers == [True]
    with prompts.attend():
        one.ask()
    assert one.answers == [True, True], "the last one who could be asked has gone"
    assert prompts.shown == ()


def test_cancelling_ends_all_that_wait_for_that_answer(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        two, three = begin(prompts, "two")[1], begin(prompts, "three")[1]
        one.ask()
        two.ask()
        three.ask("me@other's password: ")
        assert prompts.cancel(number(prompts))
        assert one.answers == two.answers == [None]
        assert start.cancelled
        assert [prompt.host for prompt in prompts.shown] == ["three"]


def test_an_empty_answer_is_sent_for_a_key_only(prompts: Prompts) -> None:
    with prompts.attend():
        one = begin(prompts, "one")[1]
        one.ask()
        assert not prompts.answer(number(prompts), "")
        prompts.cancel(number(prompts))
        two = begin(prompts, "two")[1]
        two.ask("Enter passphrase for key '/home/me/.ssh/id_ed25519': ")
        assert prompts.answer(number(prompts), "")
        assert two.answers == [""]


@pytest.mark.parametrize("answer", ["no", "N", ""])
def test_no_cancels_the_start(prompts: Prompts, answer: str) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        one.ask("Are you sure you want to continue connecting (yes/no/[fingerprint])? ")
        assert prompts.answer(number(prompts), answer)
        assert (one.answers, start.cancelled) == ([None], True)


def test_a_confirmation_takes_yes_or_no_and_no_is_no_end_of_the_start(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        for answer in ("nein", "abort", "", "SHA256:abc"):
            one.ask("Allow shared connection to web? ", "confirm")
            assert not prompts.answer(number(prompts), answer)
            assert prompts.answer(number(prompts), "Y")
        assert one.answers == ["yes"] * 4
        for decline in (lambda n: prompts.answer(n, "no"), prompts.cancel):
            one.ask("Add key /k (x) to agent?", "confirm")
            assert decline(number(prompts))
        assert one.answers[4:] == [None, None]
        assert not start.cancelled


def test_a_notice_stands_beside_a_question_until_its_command_withdraws_it(
    prompts: Prompts,
) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        notice = one.ask("Confirm user presence for key ED25519-SK", "none")
        begin(prompts, "two")[1].ask()
        assert [x.kind for x in prompts.shown] == [PromptKind.SECRET, PromptKind.NOTICE]
        assert not start.limits.are_paused
        assert notice is not None
        assert not prompts.answer(notice.prompt.number, "x")
        prompts.withdraw(notice)
        assert [x.kind for x in prompts.shown] == [PromptKind.SECRET]


def test_the_limits_of_a_start_stand_still_while_it_asks(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        asked = one.ask()
        assert start.limits.are_paused
        assert asked is not None
        prompts.withdraw(asked)
        assert not start.limits.are_paused


def test_who_has_no_token_gets_no_answer(prompts: Prompts) -> None:
    with prompts.attend():
        start, one = begin(prompts, "one")
        prompts.end(start)
        assert one.ask() is None
        assert (one.answers, prompts.shown) == ([None], ())


def test_control_characters_are_not_shown(prompts: Prompts) -> None:
    with prompts.attend():
        begin(prompts, "one")[1].ask("(me@x) \x1b[2JCode\x07: ")
        (prompt,) = prompts.shown
        assert prompt.text == "(me@x) Code:"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("me@web's password: ", PromptKind.SECRET),
        ("Are you sure you want to continue connecting (yes/no)? ", PromptKind.YES_NO),
        ("Please type 'yes', 'no' or the fingerprint: ", PromptKind.YES_NO),
        ("(me@web) Is that you (yes/no)? Code: ", PromptKind.SECRET),
    ],
)
def test_the_kinds_of_questions(text: str, kind: PromptKind) -> None:
    assert kind_of(text, "") is kind


def test_only_the_words_of_ssh_itself_name_an_account() -> None:
    assert names_account("(me@web) Verification code: ")
    assert names_account("[sudo] password for me: ")
    assert not names_account("Password: ")
    assert not names_account("Please enter me@jump's password: ")
    assert may_be_empty("Enter passphrase for key '/home/me/.ssh/id': ")
    assert not may_be_empty("(me@web) Enter passphrase for key '/home/me/.ssh/id': ")
