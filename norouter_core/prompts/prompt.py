"""A question of a command, as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_YES_NO = re.compile(
    r"\(yes/no(?:/\[fingerprint\])?\)\? *$|^Please type ['\"]yes['\"]", re.MULTILINE
)
_KEY_PASSPHRASE = re.compile(r"Enter passphrase for (?:key )?['\"]?/")
_ASKS_FOR_LOGIN = re.compile(r"\S+@\S+'s password: ?$|\(\S+@\S+\) ")
_ASKS_FOR_THIS_MACHINE = re.compile(r"Enter passphrase for |\[sudo\] password for ")


class PromptKind(StrEnum):
    """What kind of answer a question needs."""

    SECRET = "secret"
    YES_NO = "yes-no"
    """`yes` or `no`; for a host key also its fingerprint."""
    CONFIRM = "confirm"
    """`yes` or `no`, and ssh goes on after a `no`: whether to use a key, or a shared connection."""
    NOTICE = "notice"
    """No answer: the user does something elsewhere, such as touching a security key."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question that waits for an answer of the user."""

    number: int
    host: str
    text: str
    """The exact words of the program that asks, without control characters."""
    kind: PromptKind
    refused: bool = False
    """Whether the program asks again because the last answer was wrong."""
    may_be_empty: bool = False
    """Whether an empty answer is meaningful: ssh then goes on without that key."""

    def accepts(self, text: str) -> bool:
        """Return whether a text can be the answer."""
        if self.kind is PromptKind.CONFIRM:
            return is_yes(text) or is_no(text)
        return bool(text) or self.may_be_empty


def is_yes(text: str) -> bool:
    """Return whether an answer means yes."""
    return text.strip().lower() in ("y", "yes")


def is_no(text: str) -> bool:
    """Return whether an answer means no."""
    return text.strip().lower() in ("n", "no")


def kind_of(text: str, hint: str) -> PromptKind:
    """Return the kind of a question; `hint` is what ssh says about it in `SSH_ASKPASS_PROMPT`."""
    if hint == "none":
        return PromptKind.NOTICE
    if hint == "confirm":
        return PromptKind.CONFIRM
    if _YES_NO.search(text):
        return PromptKind.YES_NO
    return PromptKind.SECRET


def may_be_empty(text: str) -> bool:
    """Return whether a question is for the passphrase of a key, which nobody else receives."""
    return _KEY_PASSPHRASE.match(text) is not None


def names_account(text: str) -> bool:
    """Return whether a question says itself what its answer is for, whichever host needs it."""
    return asks_for_login(text) or _ASKS_FOR_THIS_MACHINE.match(text) is not None


def asks_for_login(text: str) -> bool:
    """Return whether a question names an account of an ssh server."""
    return _ASKS_FOR_LOGIN.match(text) is not None
